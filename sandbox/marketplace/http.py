"""The doors of the Marketplace emulator: HTTP for any SDK or the AWS CLI, and in process.

Over HTTP, one port serves AWS's APIs (JSON, told apart by X-Amz-Target), the routes that set the
stage (`admin.py`), and at `/` a page for a person:

    python -m sandbox.marketplace.http --port 4570
    export AWS_ENDPOINT_URL_MARKETPLACE_METERING=http://127.0.0.1:4570
    export AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE=http://127.0.0.1:4570
    export AWS_ENDPOINT_URL_MARKETPLACE_AGREEMENT=http://127.0.0.1:4570

In process, a real boto3 client is answered through botocore's `before-send` event: parameters are
validated, requests serialised and signed, answers parsed and errors raised by botocore itself, and
only the network is not there.

    detach = attach(boto3.client("meteringmarketplace"), marketplace)
"""

import argparse
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from sandbox.clock import Clock
from sandbox.http_server import Handler, Server
from sandbox.marketplace import Marketplace
from sandbox.marketplace.admin import ROUTES, Stage
from sandbox.marketplace.buttons import BUTTONS
from sandbox.marketplace.calls import Answer, Caller
from sandbox.marketplace.errors import Refused, Unacceptable
from sandbox.marketplace.page import HEADERS, View, buyer_of, render
from sandbox.marketplace.shapes import parse

# Several times AWS's own limit of 1 MB, so that the refusal of a request that is too large comes
# from the emulator's rules.
BODY_BYTES_MAX = 16 * 1024 * 1024
BODY_SHOWN_BYTES_MAX = 200
CONTENT_TYPE = "application/x-amz-json-1.1"


def attach(
    client: BaseClient,
    marketplace: Marketplace,
    *,
    before_call: Callable[[str], None] | None = None,
) -> Callable[[], None]:
    """Answer this client's calls in process; returns the function that ends it.

    Args:
        client: A boto3 client of any service the marketplace serves.
        marketplace: Where the calls go.
        before_call: Told the operation before each attempt, outside the emulator's lock. It may
            switch to another task, or raise: an Exception looks to botocore like a broken
            connection, a BaseException ends the caller, as death does.
    """

    def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        if before_call is not None:
            before_call(event_name.rpartition(".")[2])
        target = _text(request.headers.get("X-Amz-Target", ""))
        caller = _caller(_text(request.headers.get("Authorization", "")))
        answer = marketplace.answer(target, request.body or b"", caller)
        if answer.lost:
            raise ReadTimeoutError(endpoint_url=request.url)
        body = _Body(json.dumps(answer.body).encode())
        kind = _text(request.headers.get("Content-Type", CONTENT_TYPE))
        return AWSResponse(request.url, answer.status, _headers(answer, kind), body)

    event = f"before-send.{client.meta.service_model.service_id.hyphenize()}"
    client.meta.events.register(event, send)
    return lambda: client.meta.events.unregister(event, send)


@contextmanager
def serve(marketplace: Marketplace, clock: Clock, *, port: int = 0) -> Iterator[str]:
    """Serve over HTTP on this machine while the block runs; yields the URL. Port 0 finds one."""
    door = type("Door", (_Door,), {"stage": Stage(marketplace, clock)})
    server = Server(door, port)
    try:
        yield f"http://{server.address}"
    finally:
        server.stop()


class _Door(Handler):
    """One connection."""

    stage: ClassVar[Stage]

    def do_POST(self) -> None:  # noqa: N802 (http.server's name)
        """An API call, or a route."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            self._json(413, {"message": f"A body may have at most {BODY_BYTES_MAX} bytes"})
            return
        body = self.body()
        target = self.headers.get("X-Amz-Target")
        path = urlsplit(self.path).path
        if target is None and path in BUTTONS:
            self._press(BUTTONS[path], body)
        elif target is None and path.startswith("/emulator/"):
            self._route(lambda: _object(body))
        else:
            self._call(target or "", body)

    def do_GET(self) -> None:  # noqa: N802 (http.server's name)
        """The page, or a route."""
        self.body()  # else what is left of it is taken for the next request
        query = dict(parse_qsl(urlsplit(self.path).query))
        if urlsplit(self.path).path == "/":
            self._page(200, buyer_of(query), said=query.get("said", ""))
        else:
            self._route(lambda: query)

    def do_DELETE(self) -> None:  # noqa: N802 (http.server's name)
        """A route."""
        self.body()
        self._route(dict)

    def _press(self, press: Callable[[Stage, Mapping[str, str]], str], body: bytes) -> None:
        form = dict(parse_qsl(body.decode(errors="replace")))
        try:
            self.answer(303, b"", {"Location": press(self.stage, form)})
        except Unacceptable as error:
            self._page(400, buyer_of(form), problem=str(error))

    def _page(self, status: int, buyer: str, *, said: str = "", problem: str = "") -> None:
        url = f"http://{self.headers.get('Host', '')}"
        view = View(buyer, url, said, problem)
        self.answer(status, render(self.stage, view), HEADERS)

    def _call(self, target: str, body: bytes) -> None:
        caller = _caller(self.headers.get("Authorization", ""))
        answer = self.stage.marketplace.answer(target, body, caller)
        if answer.lost:
            time.sleep(answer.hang_seconds)
            self.close_connection = True
            return
        kind = self.headers.get("Content-Type", CONTENT_TYPE)
        self.answer(answer.status, json.dumps(answer.body).encode(), _headers(answer, kind))

    def _route(self, read: Callable[[], Mapping[str, Any]]) -> None:
        path = urlsplit(self.path).path
        methods = ROUTES.get(path)
        if methods is None:
            known = ", ".join(ROUTES)
            self._json(404, {"message": f"There is no {path}; there are {known}"})
            return
        action = methods.get(self.command)
        if action is None:
            self._json(405, {"message": f"{path} takes {', '.join(methods)}"})
            return
        try:
            self._json(200, action(self.stage, read()))
        except Unacceptable as error:
            problem = {"field": error.field, "was": error.was, "expected": error.expected}
            self._json(400, {"message": str(error), **problem})

    def _json(self, status: int, reply: Mapping[str, Any]) -> None:
        body = json.dumps(reply).encode() + b"\n"
        self.answer(status, body, {"Content-Type": "application/json"})


class _Body:
    """The body of an answer, as botocore reads it from urllib3."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        return parse(body)
    except Refused as error:
        text = body[:BODY_SHOWN_BYTES_MAX].decode(errors="replace")
        raise Unacceptable("body", text, "a JSON object") from error


def _caller(authorization: str) -> Caller:
    """Read who signed, and for which region; nothing is verified."""
    scope = re.search(r"Credential=([^/,\s]+)/[0-9]+/([^/,\s]+)/", authorization)
    return Caller(scope[1], scope[2]) if scope else Caller()


def _headers(answer: Answer, content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "x-amzn-RequestId": answer.request_id}


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.marketplace.http")
    parser.add_argument("--port", type=int, default=0, help="0, the default, finds a free one")
    parser.add_argument("--clock-file", type=Path, help="clock to follow, or to publish")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--throttling", action="store_true", help="refuse calls beyond AWS's rates")
    options = parser.parse_args()
    follows = options.clock_file is not None and options.clock_file.exists()
    clock = Clock.read(options.clock_file) if follows else Clock(options.clock_file)
    marketplace = Marketplace(clock.now, seed=options.seed, throttling=options.throttling)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with serve(marketplace, clock, port=options.port) as url:
        print(f"AWS Marketplace at {url}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
