"""Looks for a secret in everything that a sandbox keeps, however it may have been written there."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from sandbox.sandbox import Sandbox

PIECE = 24
"""Characters of a secret that give it away: a log may have cut it short."""

BASE64_GROUP = 3
"""Bytes that base64 writes as four characters; text before a secret shifts it among them."""


def leaks(sandbox: Sandbox, secret: str) -> list[str]:
    """Name the places where a secret, or its beginning or end, can be read."""
    pieces = disguises(secret)
    return [place for place, text in _places(sandbox) if any(each in text for each in pieces)]


def disguises(secret: str) -> set[str]:
    """List the beginning and the end of a secret in all the forms in which it may be written."""
    written = {secret, quote(secret, safe=""), quote_plus(secret), secret.replace("/", "\\/")}
    encoded = {_base64(form, shift) for form in written for shift in range(BASE64_GROUP)}
    encoded |= {form.replace("+", "-").replace("/", "_") for form in encoded}
    return {piece for form in written | encoded for piece in (form[:PIECE], form[-PIECE:])}


def _base64(text: str, shift: int) -> str:
    """Write text in base64 as it stands behind so many bytes, less what its neighbours change."""
    whole = base64.b64encode(bytes(shift) + text.encode()).decode().rstrip("=")
    return whole[4 if shift else 0 : -2]


def _places(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """Go through logs and other files, tables, queues, events and e-mails, each as text."""
    for file in sorted(sandbox.folder.rglob("*")):
        kept = file.relative_to(sandbox.folder).parts[0]
        # What was there before anybody came: the functions' sources and the templates.
        if file.is_file() and kept not in ("code", "library", "cdk.out"):
            yield str(file), file.read_text(encoding="utf-8", errors="replace")
    tables = sandbox.client("dynamodb")
    for name in tables.list_tables()["TableNames"]:
        pages = tables.get_paginator("scan").paginate(TableName=name)
        yield name, "\n".join(repr(item) for page in pages for item in page["Items"])
    queues = sandbox.client("sqs")
    for url in queues.list_queues().get("QueueUrls", []):
        # Where the dead letters are: all others are empty when everything is settled.
        found = queues.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
        ).get("Messages", [])
        yield url, json.dumps(found)
    yield "events", json.dumps(sandbox.published())
    yield "e-mails", json.dumps(sandbox.mails())
