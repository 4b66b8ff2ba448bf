"""One process of a deployed function, and the Lambda Runtime API that it talks to.

The process runs AWS's own runtime client (`awslambdaric`) on the unpacked zip, with the standard
library and nothing else: no package of this project's environment can stand in for one that the
zip lacks. Its clock is the sandbox's (`sandbox.child`), and so is the deadline it is given.
"""

import json
import queue
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sandbox.children import Child
from sandbox.http_server import Handler, Server

# Lambda allows 10 s (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html);
# a laptop that runs everything else at the same time gets more.
INIT_SECONDS_MAX = 60.0
VERSION = "$LATEST"

RUNTIME_API = "/2018-06-01/runtime"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered, or the error in its place, as JSON."""

    payload: bytes
    is_error: bool


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way through a worker."""

    request_id: str
    event: bytes
    # Set when the process has fetched the event, which is when its time begins to count.
    fetched: threading.Event = field(default_factory=threading.Event)
    answer: Future[Answer] = field(default_factory=Future)

    def settle(self, answer: Answer) -> None:
        """Give the answer; only the first one counts."""
        with suppress(InvalidStateError):
            self.answer.set_result(answer)
        self.fetched.set()


@dataclass(frozen=True, slots=True)
class Deployed:
    """What of a function's configuration a worker needs."""

    name: str
    arn: str
    handler: str
    runtime: str
    timeout_seconds: int
    memory_mb: int
    variables: Mapping[str, str]
    code: Path


class Worker:
    """Runs one invocation at a time, for as long as its process lives."""

    def __init__(
        self,
        function: Deployed,
        *,
        number: int,
        library: Path,
        environment: Mapping[str, str],
        clock_file: Path,
        now: Callable[[], datetime],
        log: Path,
    ) -> None:
        self._function = function
        self._now = now
        self._log = log
        self._events: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._current: Invocation | None = None
        self._init_error: Answer | None = None
        self._server = Server(_runtime_api(self))
        stream = f"{now():%Y/%m/%d}/[{VERSION}]{number:08x}"
        self._child = Child(
            f"{function.name} #{number}",
            # -S and -P: neither site-packages nor the working directory is on the path.
            [
                *(sys.executable, "-S", "-P", "-m", "sandbox.child", "--clock", str(clock_file)),
                *("awslambdaric", function.handler),
            ],
            environment={
                **environment,
                **function.variables,
                **_lambda_variables(function, self._server.address, stream),
                # As in Lambda, the function's own packages win over those of the runtime.
                "PYTHONPATH": f"{function.code}:{library}",
            },
            log=log,
            folder=function.code,
        )
        threading.Thread(target=self._mourn, name=self._child.name, daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._child.status is None

    def run(self, event: bytes) -> tuple[str, Answer, bytes]:
        """Let the function handle an event; return the request id, its answer, and what it logged.

        A function that does not answer within its time-out, in real seconds, is killed. That its
        emulated deadline has passed is for the function to see: an hour that somebody skips must
        not kill what runs.
        """
        invocation = Invocation(str(uuid.uuid4()), event)
        began, log_begins = self._now(), self._log.stat().st_size
        self._write(f"START RequestId: {invocation.request_id} Version: {VERSION}")
        self._current = invocation
        self._events.put(invocation)
        if not self.is_alive:
            self._bury(invocation)
        answer = self._wait_for(invocation)
        self._write(f"END RequestId: {invocation.request_id}")
        milliseconds = (self._now() - began).total_seconds() * 1000
        self._write(f"REPORT RequestId: {invocation.request_id}\tDuration: {milliseconds:.2f} ms")
        with self._log.open("rb") as log:
            log.seek(log_begins)
            return invocation.request_id, answer, log.read()

    def fetch(self) -> tuple[Invocation, dict[str, str]] | None:
        """Wait for the next event; `None` means that there will be none."""
        invocation = self._events.get()
        if invocation is None:
            return None
        deadline = self._now().timestamp() + self._function.timeout_seconds
        trace = f"Root=1-{int(deadline):08x}-{uuid.uuid4().hex[:24]};Sampled=0"
        invocation.fetched.set()
        return invocation, {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._function.arn,
            "Lambda-Runtime-Trace-Id": trace,
        }

    def settle(self, request_id: str, answer: Answer) -> None:
        """Take the function's answer to its current event."""
        if self._current is not None and self._current.request_id == request_id:
            self._current.settle(answer)

    def fail_init(self, answer: Answer) -> None:
        """Take the error that keeps the function from starting; every event is answered with it."""
        self._init_error = answer
        if self._current is not None:
            self._current.settle(answer)

    def kill(self) -> None:
        """End the process at once, in the middle of whatever it does."""
        self._child.kill()

    def stop(self) -> None:
        """End the process and its Runtime API."""
        self._child.kill()
        self._events.put(None)
        self._server.stop()

    def _wait_for(self, invocation: Invocation) -> Answer:
        limit = self._function.timeout_seconds
        try:
            if invocation.fetched.wait(INIT_SECONDS_MAX):
                return invocation.answer.result(limit)
        except TimeoutError:
            pass
        invocation.settle(_timed_out(invocation.request_id, limit, self._now()))
        self.kill()
        return invocation.answer.result()

    def _mourn(self) -> None:
        self._child.wait()
        if self._current is not None:
            self._bury(self._current)

    def _bury(self, invocation: Invocation) -> None:
        died = _died(invocation.request_id, self._child.wait())
        invocation.settle(self._init_error or died)

    def _write(self, line: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")


def _runtime_api(worker: Worker) -> type[Handler]:
    class RuntimeApi(Handler):
        """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html."""

        def respond(self) -> None:
            """Hand out the next event, or take what became of one."""
            body = self.body()
            match self.path.removeprefix(RUNTIME_API).split("/"):
                case ["", "invocation", "next"]:
                    fetched = worker.fetch()
                    if fetched is None:
                        return self.answer(410)
                    invocation, headers = fetched
                    return self.answer(200, invocation.event, headers)
                case ["", "invocation", request_id, "response"]:
                    worker.settle(request_id, Answer(body, is_error=False))
                case ["", "invocation", request_id, "error"]:
                    worker.settle(request_id, Answer(body, is_error=True))
                case ["", "init", "error"]:
                    worker.fail_init(Answer(body, is_error=True))
                case _:
                    return self.answer(404)
            return self.answer(202)

    return RuntimeApi


def _lambda_variables(function: Deployed, runtime_api: str, stream: str) -> dict[str, str]:
    """What Lambda itself sets.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    region = function.arn.split(":")[3]
    return {
        "_HANDLER": function.handler,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": region,
        "LAMBDA_TASK_ROOT": str(function.code),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }


def _died(request_id: str, status: int) -> Answer:
    how = f"exit status {status}" if status >= 0 else f"signal: {signal.strsignal(-status)}"
    return _error(
        "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {how}"
    )


def _timed_out(request_id: str, limit_seconds: int, now: datetime) -> Answer:
    return _error(
        "Sandbox.Timedout",
        f"{now:%Y-%m-%dT%H:%M:%S.%fZ} {request_id} "
        f"Task timed out after {limit_seconds:.2f} seconds",
    )


def _error(kind: str, message: str) -> Answer:
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), is_error=True)
