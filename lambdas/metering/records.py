"""Records: from sealed records to calls of BatchMeterUsage, and from answers to outcomes. Pure.

AWS Marketplace keeps the first quantity it gets for a license, dimension and hour. So a record is
sent unchanged, any number of times, until there is a final outcome; and what may have been applied
is never called expired.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from lambdas.customers.license import License, State, is_license_arn
from lambdas.metering.hours import HOUR_S, closes_s, start_s
from lambdas.metering.ledger import Cell, SealedRecord
from lambdas.metering.quantities import MICROS_PER_UNIT, decimal_text
from lambdas.metering.reasons import Reason
from lambdas.metering.terms import Terms

BATCH_RECORDS_MAX = 25
"""Records of one call (API reference of BatchMeterUsage)."""

BATCH_BYTES_MAX = 950_000
"""A call is less than 1 MB, key names included (API reference); the rest is margin."""

WHOLE_QUANTITY_MAX = 2_147_483_647
"""The largest `Quantity`; more goes as `QuantityAsDecimal` (API reference of UsageRecord)."""

LATE_S = 15 * 60
"""A record counts as too late only this long after its window closed, since another tick's clock
may be behind, and that tick may still send."""

RETRY_PARKED_S = HOUR_S
"""A record that AWS Marketplace refused is tried again hourly, for a setting may be mended …"""

LAST_TRIES_S = 2 * HOUR_S
"""… and at every tick in the last two hours of its window."""


class Status(StrEnum):
    """What became of a usage record; all but `PARKED` and a plain `DRY_RUN` are final.

    ``REFUSED`` is a zero that AWS Marketplace did not want: no money, so nobody is told.
    ``DRY_RUN`` marks what would have been sent; with a reason it is too late for that.
    """

    ACCEPTED = "accepted"
    PARKED = "parked"
    CONFLICT = "conflict"
    EXPIRED = "expired"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"
    DRY_RUN = "dry-run"


NOT_SUBSCRIBED = "CustomerNotSubscribed"
"""The reason of a parked record that is worth trying at every tick: it may heal by itself."""

WINDOW_CLOSED = "window-closed"
"""The reason of a record that AWS Marketplace never refused, nor was known to take, in time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of one record.

    Attributes:
        status: see `Status`.
        at_s: when it was last tried or judged.
        reason: AWS Marketplace's word for it; empty where there is none.
        metering_record_id: AWS Marketplace's receipt of an accepted record.
    """

    status: Status
    at_s: int
    reason: str = ""
    metering_record_id: str = ""

    @property
    def is_final(self) -> bool:
        """Tell whether this record is never sent again."""
        if self.status is Status.DRY_RUN:
            return bool(self.reason)
        return self.status is not Status.PARKED


@dataclass(frozen=True, slots=True)
class Answered:
    """AWS Marketplace answered: a status and a receipt for each record of `results`.

    Records in `unprocessed` were not taken; those in neither may have been.
    """

    results: dict[Cell, tuple[str, str]]
    unprocessed: frozenset[Cell]


@dataclass(frozen=True, slots=True)
class RecordRefused:
    """One record at least is wrong, and none of the call was applied."""

    code: str


@dataclass(frozen=True, slots=True)
class CallRefused:
    """The call as such was refused (throttled, denied), and none of it was applied.

    ``product_only`` tells that calls for other products may still be taken.
    """

    code: str
    product_only: bool = False


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nobody knows whether the call was applied (time-out, server error, anything new)."""

    code: str


Answer = Answered | RecordRefused | CallRefused | NoAnswer


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one call, and the product code if these customers need one."""

    product_code: str
    legacy: bool
    records: tuple[SealedRecord, ...]
    usage_records: tuple[dict[str, Any], ...]

    def halves(self) -> tuple["Batch", "Batch"]:
        """Split in two, to find a record that spoils the call."""
        middle = len(self.records) // 2
        return self._part(slice(None, middle)), self._part(slice(middle, None))

    def only(self, cells: Iterable[Cell]) -> "Batch":
        """Keep some of the records, unchanged."""
        wanted = set(cells)
        kept = [at for at, record in enumerate(self.records) if record.cell in wanted]
        return Batch(
            self.product_code,
            self.legacy,
            tuple(self.records[at] for at in kept),
            tuple(self.usage_records[at] for at in kept),
        )

    def _part(self, part: slice) -> "Batch":
        return Batch(self.product_code, self.legacy, self.records[part], self.usage_records[part])


def usage_record(record: SealedRecord, who: License) -> dict[str, Any]:
    """Write a record in the API's words, the same at every attempt.

    Whole quantities go as `Quantity`, which every SDK and dimension knows; the record and its
    allocations must use the same kind of number.
    """
    frozen = record.frozen
    amounts = [frozen.quantity, *(quantity for _, quantity in frozen.allocations)]
    whole = all(each % MICROS_PER_UNIT == 0 for each in amounts)
    whole = whole and frozen.quantity <= WHOLE_QUANTITY_MAX * MICROS_PER_UNIT
    wire: dict[str, Any] = {
        "Timestamp": datetime.fromtimestamp(frozen.timestamp_s, UTC),
        "Dimension": frozen.dimension,
    }
    if who.arn:
        wire["LicenseArn"] = who.arn
        wire["CustomerAWSAccountId"] = who.account
    else:
        wire["CustomerIdentifier"] = who.customer_identifier
    suffix = "" if whole else "AsDecimal"
    wire["Quantity" + suffix] = _number(frozen.quantity, whole=whole)
    if frozen.allocations:
        wire["UsageAllocations"] = [
            {"AllocatedUsageQuantity" + suffix: _number(quantity, whole=whole)}
            | ({"Tags": [{"Key": key, "Value": value} for key, value in tags]} if tags else {})
            for tags, quantity in frozen.allocations
        ]
    return wire


def _number(micros: int, *, whole: bool) -> int | str:
    return micros // MICROS_PER_UNIT if whole else decimal_text(micros)


def may_be_sent(who: License | None) -> bool:
    """Tell whether a license's records go out: withheld are those of one never activated.

    A license that is pending only because its buyer has not registered with us is billed: AWS
    Marketplace takes its usage, and the seller may register buyers in another way. All else is for
    AWS Marketplace to decide, so that a missed event heals itself.
    """
    if who is None or (who.state is State.PENDING and who.active_since_s is None):
        return False
    if who.arn:
        return is_license_arn(who.arn) and bool(who.account)
    return bool(who.customer_identifier)


def is_anothers(record: SealedRecord, terms: Terms) -> bool:
    """Tell whether an older submitter bills the hour of a record.

    Such usage is not counted here, but it was if the cut-over was set later.
    """
    return start_s(record.frozen.hour) < terms.metering_from_s


def is_due(record: SealedRecord, outcome: Outcome | None, *, now_s: int, terms: Terms) -> bool:
    """Tell whether a record should be sent in this tick."""
    left_s = closes_s(record.frozen.timestamp_s, terms.window_hours) - now_s
    if left_s <= 0 or (outcome is not None and outcome.is_final):
        return False
    if is_anothers(record, terms):
        return False
    if outcome is None or outcome.status is Status.DRY_RUN:
        return True
    if outcome.reason == NOT_SUBSCRIBED or left_s <= LAST_TRIES_S:
        return True
    return now_s - outcome.at_s >= RETRY_PARKED_S


def too_late(
    record: SealedRecord,
    outcome: Outcome | None,
    *,
    maybe_applied: bool,
    now_s: int,
    terms: Terms,
) -> Outcome | None:
    """Judge a record without a final outcome whose window is closed; None while it is open.

    ``maybe_applied`` tells that a call that held it was never answered. Such a record may be on
    the bill already, so it must not be sent again by anybody who has not looked. A record that was
    refused until then keeps AWS Marketplace's reason, and one that a dry-run marked stays marked.
    """
    if now_s < closes_s(record.frozen.timestamp_s, terms.window_hours) + LATE_S:
        return None
    status, reason = Status.EXPIRED, WINDOW_CLOSED
    if maybe_applied:
        status = Status.UNCONFIRMED
    elif is_anothers(record, terms):
        reason = Reason.BEFORE_METERING_FROM
    if outcome is not None and outcome.status is Status.PARKED:
        reason = outcome.reason
    elif outcome is not None and not maybe_applied:
        status = Status.DRY_RUN
    return Outcome(status if record.frozen.quantity else Status.REFUSED, now_s, reason)


def outcome_of_result(
    record: SealedRecord, status: str, receipt: str, *, maybe_applied: bool, now_s: int
) -> Outcome | None:
    """Read one status of an answer; None for a status that nobody knows.

    A duplicate is by definition another quantity that was there first, so not ours, unless a call
    of ours that held the record was never answered.
    """
    if status == "Success":
        return Outcome(Status.ACCEPTED, now_s, "", receipt)
    if status not in ("DuplicateRecord", NOT_SUBSCRIBED):
        return None
    if not record.frozen.quantity:
        return Outcome(Status.REFUSED, now_s, status)
    if status == NOT_SUBSCRIBED:
        return Outcome(Status.PARKED, now_s, status)
    return Outcome(Status.UNCONFIRMED if maybe_applied else Status.CONFLICT, now_s, status)


def outcome_of_refusal(record: SealedRecord, code: str, *, now_s: int) -> Outcome:
    """Judge a record that alone made AWS Marketplace refuse a call."""
    status = Status.PARKED if record.frozen.quantity else Status.REFUSED
    return Outcome(status, now_s, code)


@dataclass(frozen=True, slots=True)
class Due:
    """A record that is to be sent now, for whom, what is known of it, and its open questions.

    ``doubts`` counts the calls that held it and were never answered.
    """

    record: SealedRecord
    who: License
    outcome: Outcome | None = None
    doubts: int = 0

    @property
    def is_marked(self) -> bool:
        """Tell whether a dry-run has put its mark on it."""
        return self.outcome is not None and self.outcome.status is Status.DRY_RUN

    @property
    def was_refused(self) -> bool:
        """Tell whether it could spoil the call of others."""
        return self.outcome is not None and self.outcome.reason != NOT_SUBSCRIBED


_Kind = tuple[str, bool, int]
"""What the records of one call have in common: product, legacy or not, how many there may be."""


def batches(due: Iterable[Due]) -> Iterator[Batch]:
    """Put records into calls: one product each, at most 25 records, less than 1 MB.

    A record that was refused before goes alone, so that it does not spoil a call again. With every
    call that was never answered the next is half as large, until a record that nobody answers for
    stands alone.
    """
    filling: dict[_Kind, list[tuple[SealedRecord, dict[str, Any]]]] = {}
    sizes: dict[_Kind, int] = {}
    for each in due:
        wire = usage_record(each.record, each.who)
        records_max = 1 if each.was_refused else max(1, BATCH_RECORDS_MAX >> each.doubts)
        kind = (each.who.product_code, not each.who.arn, records_max)
        size = _size_bytes(wire)
        waiting = filling.setdefault(kind, [])
        if waiting and sizes[kind] + size > BATCH_BYTES_MAX:
            yield _batch(kind, waiting)
            waiting.clear()
        sizes[kind] = size + (sizes[kind] if waiting else 0)
        waiting.append((each.record, wire))
        if len(waiting) == records_max:
            yield _batch(kind, filling.pop(kind))
    for kind, waiting in filling.items():
        if waiting:
            yield _batch(kind, waiting)


def _size_bytes(wire: dict[str, Any]) -> int:
    """Measure a record as botocore writes it: with spaces, and nothing beyond ASCII."""
    return len(json.dumps(wire, default=datetime.timestamp)) + len(", ")


def _batch(kind: _Kind, held: list[tuple[SealedRecord, dict[str, Any]]]) -> Batch:
    product_code, legacy, _ = kind
    records, wires = zip(*held, strict=True)
    return Batch(product_code, legacy, tuple(records), tuple(wires))
