"""A seller's own sign-up page, in a server that claims registrations with the README's lines.

python -m tests.e2e.seller PORT
"""

import html
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

from sandbox.children import HOST
from tests.e2e.readme import block_after

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""


def readmes_claim() -> Callable[[str], dict[str, str]]:
    """Take `claim` from the README as it stands there."""
    names: dict[str, Any] = {}
    exec(block_after("Registration", "python"), names)
    claim: Callable[[str], dict[str, str]] = names["claim"]
    return claim


def welcome(code: str) -> tuple[int, str]:
    """Claim a registration, and say who came."""
    try:
        customer = readmes_claim()(code)
    except HTTPError as refused:
        title = "Press “Set up your account” again"
        text = f"The registration was not good any more ({refused.code})."
        return refused.code, PAGE.format(title=title, text=text)
    text = f"{customer['CustomerAWSAccountId']} has {customer['LicenseArn']}"
    return HTTPStatus.OK, PAGE.format(title="Welcome", text=html.escape(text))


class SignUpPage(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """Show the page to whoever came from AWS Marketplace."""
        query = parse_qs(urlsplit(self.path).query)
        status, page = welcome(query.get("registration", [""])[0])
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Write no address anywhere: there is a code in it."""


if __name__ == "__main__":
    ThreadingHTTPServer((HOST, int(sys.argv[1])), SignUpPage).serve_forever()
