"""What SQS refuses before it looks at a queue."""

import re

from sandbox.memory.attributes import text_bytes
from sandbox.memory.double import Params, ServiceError

BATCH_ENTRIES_MAX = 10  # API reference, SendMessageBatch

_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
# API reference, SendMessage: the characters a body may have.
_ILLEGAL_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def require_range(name: str, value: int, low: int, high: int) -> None:
    """A number that SQS would not accept is refused in its words."""
    if not low <= value <= high:
        raise ServiceError(
            400,
            "InvalidParameterValue",
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {low} and "
            f"{high}, if provided.",
        )


def require_legal(body: str, bytes_max: int) -> None:
    """A body that is empty, too long, or not made of legal characters is refused."""
    if not body:
        raise ServiceError(
            400, "MissingParameter", "The request must contain the parameter MessageBody."
        )
    if text_bytes(body) > bytes_max:
        raise ServiceError(
            400,
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{bytes_max} bytes.",
        )
    if _ILLEGAL_CHARACTER.search(body):
        raise ServiceError(
            400, "InvalidMessageContents", "Invalid characters found. Valid unicode characters "
            "are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
        )  # fmt: skip


def require_batch(entries: list[Params]) -> None:
    """A batch that is refused as a whole: its length and the ids of its entries."""
    if not entries:
        raise ServiceError(
            400, "EmptyBatchRequest", "There should be at least one entry in the request."
        )
    if len(entries) > BATCH_ENTRIES_MAX:
        raise ServiceError(
            400,
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are 10. You have sent {len(entries)}.",
        )
    ids = [entry["Id"] for entry in entries]
    for entry_id in ids:
        if not _ENTRY_ID.fullmatch(entry_id):
            raise ServiceError(
                400,
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and "
                "underscores. It can be at most 80 letters long.",
            )
        if ids.count(entry_id) > 1:
            raise ServiceError(400, "BatchEntryIdsNotDistinct", f"Id {entry_id} repeated.")
