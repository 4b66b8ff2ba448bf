"""The wire both doubles share: a real boto3 client, answered in this process.

botocore asks its `before-send` event for an answer before it opens a connection. A double gives
one there, so parameter validation, serialisation, retries and modelled exceptions stay botocore's
own, and nothing ever leaves the process. A call costs about a fifth of a millisecond, nearly all
of it botocore's.

Around every call stand two hooks, where a simulation lets other ticks run, kills this one, or
names a `Fault`. The lock is never held while a hook runs: a hook may switch greenlets.

The exceptions:

    Exception
      ServiceError       an error answer of the service; botocore turns it into a ClientError
    BaseException
      UnsupportedError   the double was asked for more than it knows; no handler may swallow it
"""

import enum
import functools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar

import boto3
import msgspec
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"

Params = dict[str, Any]
Answer = dict[str, Any]


class ServiceError(Exception):
    """An error answer: the double turns it into the bytes AWS would send.

    Operations raise it, and so may a hook that wants an answer `Fault` has no name for.
    """

    def __init__(self, status: int, code: str, message: str, **fields: object) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields


class UnsupportedError(BaseException):
    """The double does not know this operation, parameter or syntax.

    Not an `Exception`: code under test that survives every failure of AWS must not survive this.
    """


class Fault(enum.Enum):
    """What a hook may ask for by returning it."""

    THROTTLED = "refused for its rate, not executed"
    INTERNAL_ERROR = "a 5xx; not executed if `on_call` says so, executed if `on_answer` does"
    UNREACHABLE = "no connection, not executed"
    ANSWER_LOST = "executed, but the caller sees a time-out"
    LATE = "the caller sees a time-out; executed when `land_pending` says so"
    TWICE = "executed, its answer lost, executed again by the transport; the second answer"


OnCall = Callable[[str, str, Params], Fault | None]
OnAnswer = Callable[[str, str, Params, Answer | ServiceError], Fault | None]


@dataclass(slots=True)
class TableUse:
    """What one DynamoDB table was asked for, in AWS's request units."""

    requests: int = 0
    read_units: float = 0
    write_units: float = 0


@dataclass(slots=True)
class Counters:
    """What was asked of a double since the last `reset_counters`.

    `requests` and `errors` count executions by operation and by error code; faults that stop a
    call before it executes are in neither. `billed_requests` is what SQS charges for.
    """

    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    request_bytes: int = 0
    answer_bytes: int = 0
    billed_requests: int = 0
    tables: dict[str, TableUse] = field(default_factory=dict)

    def table(self, name: str) -> TableUse:
        """The counters of one table, made at its first use."""
        return self.tables.setdefault(name, TableUse())


@dataclass(frozen=True, slots=True)
class Operation:
    """One API operation: who executes it, and which of its parameters it understands."""

    execute: Callable[[Params], Answer]
    parameters: frozenset[str]


class Double:
    """An AWS service in memory. Subclasses fill `operations` and name their errors.

    `now` gives epoch seconds, `rng` decides everything that AWS leaves open. `on_call` runs before
    an operation executes and `on_answer` after it, before the caller hears of it; either may raise
    anything at all, or return a `Fault`. Both may be replaced at any time.
    """

    service: ClassVar[str]
    throttling_codes: ClassVar[tuple[str, ...]]
    internal_error_code: ClassVar[str]
    # Services that once spoke the query protocol give the old code in a header.
    query_error_codes: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        *,
        now: Callable[[], float],
        rng: Random,
        on_call: OnCall | None = None,
        on_answer: OnAnswer | None = None,
    ) -> None:
        self.now = now
        self.rng = rng
        self.on_call = on_call
        self.on_answer = on_answer
        self.counters = Counters()
        self.pending: list[tuple[str, Params]] = []
        self.operations: dict[str, Operation] = {}
        self._lock = threading.Lock()

    def reset_counters(self) -> Counters:
        """Start counting from zero; what was counted until now comes back."""
        with self._lock:
            counted, self.counters = self.counters, Counters()
        return counted

    def land_pending(self, position: int | None = None) -> list[Answer | ServiceError]:
        """Execute the late call at this position of `pending`, or all of them in their order.

        The answers that nobody waits for any more come back; the hooks are not run.
        """
        if position is not None:
            return [self._execute(*self.pending.pop(position))]
        landing, self.pending = self.pending, []
        return [self._execute(operation, params) for operation, params in landing]

    def _connect(self, config: Config | None = None) -> Any:
        """A real boto3 client that this double answers.

        Retries are off unless `config` turns them on. Requests are not signed and the user agent
        is fixed, because nobody reads either and they are half of what a call costs.
        """
        settings = Config(
            signature_version=UNSIGNED,
            user_agent="memory",
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        client = _session().client(
            self.service,
            config=settings.merge(config) if config else settings,
            endpoint_url=f"https://{self.service}.memory.invalid",
        )
        client.meta.events.register(f"before-send.{self.service}", self._before_send)
        return client

    def _before_send(self, request: Any, event_name: str, **_: object) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        params = msgspec.json.decode(request.body)
        try:
            answer = self._answer(operation, params, request.url)
        except ServiceError as error:
            answer = error
        response = self._response(answer, request.url)
        with self._lock:
            self.counters.request_bytes += len(request.body)
            self.counters.answer_bytes += len(response.content)
        return response

    def _answer(self, operation: str, params: Params, url: str) -> Answer | ServiceError:
        fault = self.on_call(self.service, operation, params) if self.on_call else None
        if fault is Fault.THROTTLED:
            code = self.rng.choice(self.throttling_codes)
            raise ServiceError(400, code, "The request was denied due to request throttling.")
        if fault is Fault.INTERNAL_ERROR:
            raise ServiceError(500, self.internal_error_code, "Injected before execution.")
        if fault is Fault.UNREACHABLE:
            raise EndpointConnectionError(endpoint_url=url)
        if fault is Fault.LATE:
            self.pending.append((operation, params))
            raise ReadTimeoutError(endpoint_url=url)
        if fault is Fault.TWICE:
            self._execute(operation, params)
        answer = self._execute(operation, params)
        if self.on_answer:
            fault = self.on_answer(self.service, operation, params, answer) or fault
        if fault is Fault.INTERNAL_ERROR:
            raise ServiceError(500, self.internal_error_code, "Injected after execution.")
        if fault is Fault.ANSWER_LOST:
            raise ReadTimeoutError(endpoint_url=url)
        return answer

    def _execute(self, name: str, params: Params) -> Answer | ServiceError:
        operation = self.operations.get(name)
        if operation is None:
            raise UnsupportedError(f"{self.service}: {name}")
        require_known(params, operation.parameters, where=name)
        with self._lock:
            self.counters.requests[name] += 1
            try:
                return operation.execute(params)
            except ServiceError as error:
                self.counters.errors[error.code] += 1
                return error

    def _response(self, answer: Answer | ServiceError, url: str) -> AWSResponse:
        if not isinstance(answer, ServiceError):
            return AWSResponse(url, 200, {}, _Body(msgspec.json.encode(answer)))
        body = {"__type": answer.code, "message": answer.message, **answer.fields}
        headers = {}
        if self.query_error_codes:
            old_code = self.query_error_codes.get(answer.code, answer.code)
            sender = "Sender" if answer.status < 500 else "Receiver"
            headers["x-amzn-query-error"] = f"{old_code};{sender}"
        return AWSResponse(url, answer.status, headers, _Body(msgspec.json.encode(body)))


class _Body:
    """Bytes as botocore wants to read them from a connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> tuple[bytes]:
        return (self._content,)


def require_known(params: Params, known: frozenset[str], *, where: str) -> None:
    """Refuse what would otherwise be ignored in silence."""
    unknown = params.keys() - known
    if unknown:
        raise UnsupportedError(f"{where}: {', '.join(sorted(unknown))}")


@functools.cache
def _session() -> Any:
    """One session for all clients: it holds the parsed service models, a client is then 2 ms."""
    return boto3.session.Session(
        aws_access_key_id="memory",
        aws_secret_access_key="memory",  # noqa: S106  (nothing is signed with it)
        region_name=REGION,
    )
