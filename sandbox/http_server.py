"""A small HTTP server for the sandbox's own endpoints, fast enough to be called thousands of times.

`http.server` alone answers 23 small requests a second on one connection (each answer waits 40 ms
for an acknowledgement) and cannot read a chunked body; the Lambda runtime client needs both.
"""

import sys
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
# How long a stop may go unnoticed.
STOP_POLL_SECONDS = 0.1


class Handler(BaseHTTPRequestHandler):
    """Reads any body, answers in one piece, and does not log; `respond` says what."""

    protocol_version = "HTTP/1.1"
    # One write per answer, sent at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def respond(self) -> None:
        """Answer one request of any method."""
        raise NotImplementedError

    def _dispatch(self) -> None:
        self.respond()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _dispatch  # noqa: N815 - its names

    def handle_expect_100(self) -> bool:
        """Let the client send its body now; it would wait a second for a buffered answer."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def body(self) -> bytes:
        """Read the whole body of the request."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)

    def answer(
        self,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    ) -> None:
        """Send one whole answer; a header that comes several times is given as pairs."""
        self.send_response_only(status)
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet; who wants to know looks at the logs of the processes."""


class Server(ThreadingHTTPServer):
    """Serves until stopped, each connection in a thread."""

    daemon_threads = True
    # More connections at a time than this wait a second to be tried again.
    request_queue_size = 128
    # A client that hangs up is no news.
    block_on_close = False

    def __init__(self, handler: type[Handler], port: int = 0) -> None:
        super().__init__((HOST, port), handler)
        threading.Thread(target=self.serve_forever, args=(STOP_POLL_SECONDS,), daemon=True).start()

    @property
    def address(self) -> str:
        """Its host and port, as URLs write them."""
        return f"{HOST}:{self.server_port}"

    def stop(self) -> None:
        """Answer nobody any more."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless a client only went away in the middle."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
