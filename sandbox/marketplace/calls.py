"""The API side of the Marketplace emulator: calls told apart, checked, struck by faults, kept."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sandbox.marketplace import shapes
from sandbox.marketplace.errors import Refused
from sandbox.marketplace.faults import APPLIED_BUT_500, TIMEOUT_BEFORE, Fault, Faults

# https://docs.aws.amazon.com/marketplace/latest/developerguide/metering-service-quotas.html
CALLS_PER_SECOND_MAX = {"BatchMeterUsage": 10, "MeterUsage": 10, "RegisterUsage": 5}
# The newest calls are kept; a demo makes some thousands.
CALLS_KEPT_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever signed the request, as far as its signature says."""

    access_key_id: str = ""
    region: str = ""

    @property
    def account(self) -> str | None:
        """A buyer's account: an access key id of twelve digits stands for one."""
        key = self.access_key_id
        return key if len(key) == 12 and key.isascii() and key.isdigit() else None


@dataclass(frozen=True, slots=True)
class Request:
    """One call of one operation; its shape has been checked."""

    at: datetime
    fields: Mapping[str, Any]
    size_bytes: int
    caller: Caller
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; if `lost`, nothing does, after `hang_seconds`."""

    status: int
    body: Mapping[str, Any]
    request_id: str
    lost: bool = False
    hang_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """One API call; the outcome is `OK` or an error's code, whether or not anybody heard it."""

    at: datetime
    region: str
    operation: str
    records: int
    outcome: str
    statuses: Mapping[str, int]
    fault: str | None


State = TypeVar("State")
"""What operations work on."""


class Calls(Generic[State]):
    """Answers API calls.

    Args:
        state: Given to every operation.
        faults: What strikes them.
        throttling: Refuse calls beyond AWS's published rates (see `CALLS_PER_SECOND_MAX`).
    """

    def __init__(self, state: State, faults: Faults[Fault], *, throttling: bool) -> None:
        self._state = state
        self._faults = faults
        self._throttling = throttling
        self._recent: dict[str, deque[datetime]] = {}
        self._operations: dict[
            str, tuple[str, str, Callable[[State, Request], dict[str, Any]]]
        ] = {}
        self.made: deque[Call] = deque(maxlen=CALLS_KEPT_MAX)

    def serve(
        self, service: str, operations: Mapping[str, Callable[[State, Request], dict[str, Any]]]
    ) -> None:
        """Answer these operations too, named and shaped by botocore's model of the service."""
        prefix = shapes.service_model(service)["metadata"]["targetPrefix"]
        for name, operation in operations.items():
            self._operations[f"{prefix}.{name}"] = (service, name, operation)

    def answer(
        self, target: str, body: bytes, caller: Caller, at: datetime, new_id: Callable[[], str]
    ) -> Answer:
        """Answer one API call, `target` being its X-Amz-Target header."""
        service, operation, _ = self._operations.get(target, ("", target.rpartition(".")[2], None))
        fault = self._faults.strike(operation) if service else None
        fields: Mapping[str, Any] = {}
        status, outcome, reply = 200, "OK", {}
        try:
            fields = self._understand(target, body)
            reply = self._perform(target, Request(at, fields, len(body), caller, fault))
        except Refused as refused:
            status, outcome = shapes.http_status(service, refused), refused.code
            reply = {"__type": refused.code, "message": refused.message, **refused.details}
        self.made.append(
            Call(
                at=at,
                region=caller.region,
                operation=operation,
                records=_records_in(fields),
                outcome=outcome,
                statuses=_statuses_in(reply),
                fault=fault.fault if fault else None,
            )
        )
        return Answer(
            status,
            reply,
            request_id=new_id(),
            lost=fault is not None and fault.loses_answer,
            hang_seconds=fault.hang_seconds if fault else 0.0,
        )

    def _understand(self, target: str, body: bytes) -> Mapping[str, Any]:
        if target not in self._operations:
            text = f"No operation has the X-Amz-Target {target!r}"
            raise Refused("UnknownOperationException", text)
        return shapes.parse(body)

    def _perform(self, target: str, request: Request) -> dict[str, Any]:
        service, name, operation = self._operations[target]
        fault = request.fault
        if fault is not None and (refusal := fault.refusal) is not None:
            raise refusal
        if fault is not None and fault.fault == TIMEOUT_BEFORE:
            return {}
        self._throttle(name, request.at)
        shapes.check(service, name, request.fields)
        reply = operation(self._state, request)
        if fault is not None and fault.fault == APPLIED_BUT_500:
            message = fault.message or "Injected by the emulator, after applying the call"
            raise Refused(shapes.fault_code(service), message, fault.status)
        return reply

    def _throttle(self, operation: str, now: datetime) -> None:
        """Never more calls in any second than published: stricter than a bucket that refills."""
        limit = CALLS_PER_SECOND_MAX.get(operation)
        if not self._throttling or limit is None:
            return
        recent = self._recent.setdefault(operation, deque())
        while recent and not timedelta(0) <= now - recent[0] < timedelta(seconds=1):
            recent.popleft()
        if len(recent) >= limit:
            raise Refused("ThrottlingException", "Rate exceeded")
        recent.append(now)


def _records_in(fields: Mapping[str, Any]) -> int:
    records = fields.get("UsageRecords")
    return len(records) if isinstance(records, list) else int("UsageDimension" in fields)


def _statuses_in(reply: Mapping[str, Any]) -> dict[str, int]:
    statuses = Counter(result["Status"] for result in reply.get("Results", ()))
    if reply.get("UnprocessedRecords"):
        statuses["Unprocessed"] = len(reply["UnprocessedRecords"])
    return dict(statuses)
