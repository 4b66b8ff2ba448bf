"""AWS Marketplace as metering sees it, in plain dictionaries: the rules that decide about money.

Its rules are written here a second time and much shorter than in the emulator, which the whole
functions are simulated with: the first quantity of an hour stays, records have a window, and a
license must take reports.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lambdas.customers.license import LicenseKey, license_key_of_arn
from lambdas.metering.aws import Marketplace
from lambdas.metering.hours import HOUR_S, hour_of
from lambdas.metering.ledger import Cell
from lambdas.metering.records import (
    Answer,
    Answered,
    Batch,
    CallRefused,
    NoAnswer,
    RecordRefused,
)
from sandbox.marketplace.rules import Readings
from tests.simulation.shells import Calls

LAST_REPORT_S = HOUR_S
"""A license that was cancelled takes records for one hour more."""

MONTH_GRACE_S = 6 * HOUR_S
"""Records of a month are taken until 06:00 UTC on the 1st of the next."""

MICROS_DIGITS = 6
MICROS_PER_UNIT = 1_000_000
Wire = dict[str, Any]

CALL_REFUSALS = frozenset(
    {
        "ThrottlingException",
        "AccessDeniedException",
        "ExpiredTokenException",
        "DisabledApiException",
        "InvalidProductCodeException",
    }
)
RECORD_REFUSALS = frozenset({"TimestampOutOfBoundsException", "InvalidUsageDimensionException"})
LOST = frozenset({"InternalServiceErrorException", "ServiceUnavailable", "timeout-before"})
APPLIED_LATER = "applied-later"


@dataclass(slots=True)
class Sold:
    """A license as AWS Marketplace knows it; it takes reports from activation to its end."""

    dimensions: frozenset[str]
    starts_s: float | None
    ends_s: float | None = None

    def activate(self, now_s: float) -> None:
        """Begin to take reports; who was active before is so again, from the same start."""
        self.starts_s = now_s if self.starts_s is None else self.starts_s
        self.ends_s = None

    def takes_reports(self, now_s: float) -> bool:
        """Tell whether usage is metered now."""
        ended = self.ends_s is not None and now_s >= self.ends_s + LAST_REPORT_S
        return self.starts_s is not None and not ended

    def covers(self, at_s: int) -> bool:
        """Tell whether usage of a time may be metered."""
        begun = self.starts_s is not None and self.starts_s <= at_s
        return begun and (self.ends_s is None or at_s <= self.ends_s)


@dataclass(slots=True)
class _Trouble:
    """A fault that strikes so many calls more, or the first few records of them."""

    fault: str
    times: int
    records: int | None

    def strikes(self, at: int) -> bool:
        return self.records is None or at < self.records


@dataclass(frozen=True, slots=True)
class _Billed:
    micros: int
    ours: bool


@dataclass(slots=True)
class _Bill:
    """The first quantity of every hour, or of every time, whoever metered it."""

    readings: Readings
    lines: dict[tuple[Cell, int], _Billed] = field(default_factory=dict)

    def enter(self, cell: Cell, at_s: int, new: _Billed) -> _Billed:
        exact_s = at_s if self.readings.same_time == "exact-time" else 0
        return self.lines.setdefault((cell, exact_s), new)


class MemoryMarketplace(Marketplace):
    """BatchMeterUsage, and what comes of it on the bill.

    Attributes:
        struck: how many calls each fault struck.
    """

    def __init__(
        self,
        calls: Calls,
        clock: Callable[[], float],
        readings: Readings,
        on_call: Callable[[Sequence[Wire]], None],
        on_result: Callable[[Cell, str], None],
    ) -> None:
        self.sold: dict[LicenseKey, Sold] = {}
        self.bill = _Bill(readings)
        self.troubles: list[_Trouble] = []
        self.struck: Counter[str] = Counter()
        self._calls = calls
        self._clock = clock
        self._readings = readings
        self._on_call = on_call
        self._on_result = on_result

    def trouble(self, fault: str, times: int, records: int | None) -> None:
        """Let something go wrong so many times; nothing strikes before what came first is over."""
        self.troubles.append(_Trouble(fault, times, records))

    def bill_elsewhere(
        self, who: LicenseKey, dimension: str, at_s: int, micros: int
    ) -> Cell | None:
        """Meter an hour as another submitter would; tell which, if it was the first."""
        cell, new = (who, dimension, hour_of(at_s)), _Billed(micros, ours=False)
        return cell if self.bill.enter(cell, at_s, new) is new else None

    def submit(self, batch: Batch) -> Answer:
        fault = self._calls.on_call("marketplace", "BatchMeterUsage")
        assert fault is None, "AWS Marketplace has faults of its own"
        self._on_call(batch.usage_records)
        answer = self._answer(batch, self._strike())
        if isinstance(answer, Answered):
            for cell, (status, _) in answer.results.items():
                self._on_result(cell, status)
        self._calls.on_answer("marketplace", "BatchMeterUsage")
        return answer

    def _strike(self) -> _Trouble | None:
        if not self.troubles:
            return None
        first = self.troubles[0]
        self.struck[first.fault] += 1
        first.times -= 1
        if not first.times:
            self.troubles.pop(0)
        return first

    def _answer(self, batch: Batch, trouble: _Trouble | None) -> Answer:
        fault = trouble.fault if trouble else ""
        if fault in CALL_REFUSALS:
            return CallRefused(fault, product_only=fault == "InvalidProductCodeException")
        if fault in RECORD_REFUSALS:
            return RecordRefused(fault)
        if fault in LOST:
            return NoAnswer(fault)
        if fault == APPLIED_LATER:
            self._calls.pending.append(lambda: self._meter(batch, None))
            return NoAnswer(fault)
        answer = self._meter(batch, trouble)
        # A server error comes after everything was checked; a time-out hides refusals too.
        if fault == "timeout-after" or (
            fault == "applied-but-500" and isinstance(answer, Answered)
        ):
            return NoAnswer(fault)
        return answer

    def _meter(self, batch: Batch, trouble: _Trouble | None) -> Answer:
        """Check all records, then apply them, but for those that a fault strikes."""
        for wire in batch.usage_records:
            code = self._refusal(wire)
            if code:
                return RecordRefused(code)
        results: dict[Cell, tuple[str, str]] = {}
        unprocessed: set[Cell] = set()
        for at, (record, wire) in enumerate(zip(batch.records, batch.usage_records, strict=True)):
            fault = trouble.fault if trouble and trouble.strikes(at) else ""
            if fault == "unprocessed":
                unprocessed.add(record.cell)
            elif fault == "omit":
                continue
            elif fault == "unknown-status":
                results[record.cell] = ("Deferred", "")
            elif fault == "not-subscribed" or not self._takes_reports(wire):
                results[record.cell] = ("CustomerNotSubscribed", "")
            else:
                result = self._apply(record.cell, wire)
                if fault != "omit-applied":
                    results[record.cell] = result
        return Answered(results, frozenset(unprocessed))

    def _refusal(self, wire: Wire) -> str:
        """Name the rule that a record breaks, whatever else is in the call."""
        now_s, at_s = self._clock(), seconds_of(wire)
        sold = self.sold[license_of(wire)]
        if wire["Dimension"] not in sold.dimensions:
            return "InvalidUsageDimensionException"
        if at_s > now_s or is_closed(at_s, now_s, self._readings.window_hours):
            return "TimestampOutOfBoundsException"
        if sold.takes_reports(now_s) and not sold.covers(at_s):
            return "InvalidLicenseException"
        return ""

    def _takes_reports(self, wire: Wire) -> bool:
        return self.sold[license_of(wire)].takes_reports(self._clock())

    def _apply(self, cell: Cell, wire: Wire) -> tuple[str, str]:
        new = _Billed(micros_of(wire), ours=True)
        first = self.bill.enter(cell_of(wire), seconds_of(wire), new)
        same = first.micros == new.micros
        again = first is not new
        if not same or (again and self._readings.identical_resend == "duplicate"):
            return "DuplicateRecord", ""
        return "Success", f"receipt-{len(self.bill.lines)}"


def is_closed(at_s: int, now_s: float, window_hours: int) -> bool:
    """Tell whether a time is too long ago for a record, or of a month that is closed."""
    if now_s - at_s >= window_hours * HOUR_S:
        return True
    now = datetime.fromtimestamp(now_s, UTC)
    month_s = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    return at_s < month_s and now_s >= month_s + MONTH_GRACE_S


def license_of(wire: Wire) -> LicenseKey:
    """Return the license that a usage record names."""
    return license_key_of_arn(wire["LicenseArn"])


def seconds_of(wire: Wire) -> int:
    """Return the time of a usage record."""
    at: datetime = wire["Timestamp"]
    return int(at.timestamp())


def cell_of(wire: Wire) -> Cell:
    """Return what a usage record is for."""
    return license_of(wire), wire["Dimension"], hour_of(seconds_of(wire))


def micros_of(wire: Wire) -> int:
    """Return the quantity of a usage record, in 10⁻⁶, without the code that wrote it."""
    whole, _, rest = str(wire.get("Quantity", wire.get("QuantityAsDecimal"))).partition(".")
    return int(whole) * MICROS_PER_UNIT + int(rest.ljust(MICROS_DIGITS, "0"))
