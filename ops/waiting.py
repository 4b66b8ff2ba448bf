"""Usage that is in the ledger and has no final outcome: open, or sealed and on its way. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lambdas.customers.license import License, LicenseKey
from lambdas.metering.hours import HOUR_S, closes_s, start_s
from lambdas.metering.ledger import Cell, Ledger, SealedRecord
from lambdas.metering.reasons import Reason
from lambdas.metering.records import Outcome, Status, is_anothers, may_be_sent
from lambdas.metering.terms import Terms
from ops.lines import Line

OPEN = "open"
UNSENT = "unsent"
WITHHELD = "withheld"
PARKED = str(Status.PARKED)
DRY_RUN = str(Status.DRY_RUN)
ANOTHERS = "not-ours"

MEANINGS = {
    OPEN: "counted, in an hour that is not sealed",
    UNSENT: "sealed, goes out with the next tick",
    WITHHELD: "sealed, its license is not activated",
    PARKED: "refused for now, tried again",
    DRY_RUN: "would have been sent, and goes out once metering is live",
    ANOTHERS: "before metering_from, never sent",
}
"""What comes before a final outcome, in the order in which it comes."""

AT_RISK = frozenset({OPEN, UNSENT, WITHHELD, PARKED})
"""Lost if the window closes before AWS Marketplace takes it."""

HOURS_LEFT = (1, 3, 6, 12, 24)
"""By which records at risk are told apart; 6 and 3 are those of the alarms."""


def lines_waiting(
    ledger: Ledger,
    outcomes: Mapping[Cell, Outcome],
    licenses: Mapping[LicenseKey, License],
    terms: Terms,
) -> Iterator[Line]:
    """List the records that wait, and why each does."""
    for (who, dimension, hour), usage in ledger.open.items():
        yield Line(who, dimension, hour, usage.total, start_s(hour), OPEN)
    for record in ledger.unfinished.values():
        outcome = outcomes.get(record.cell)
        if outcome is not None and outcome.is_final:
            continue
        status, reason = _state(record, outcome, licenses.get(record.license), terms)
        frozen = record.frozen
        yield Line(
            record.license,
            frozen.dimension,
            frozen.hour,
            frozen.quantity,
            frozen.timestamp_s,
            status,
            reason,
            at_s=outcome.at_s if outcome is not None else None,
        )


def _state(
    record: SealedRecord, outcome: Outcome | None, who: License | None, terms: Terms
) -> tuple[str, str]:
    """Tell in which state a record is that has no final outcome, and why."""
    if is_anothers(record, terms):
        return ANOTHERS, Reason.BEFORE_METERING_FROM
    if outcome is not None:
        return outcome.status, outcome.reason
    if may_be_sent(who):
        return UNSENT, ""
    if who is None:
        return WITHHELD, "license-unknown"
    return WITHHELD, "license-pending" if who.active_since_s is None else "license-incomplete"


def closing_s(line: Line, window_hours: int) -> int:
    """Return the second from which AWS Marketplace refuses a record."""
    return closes_s(line.timestamp_s, window_hours)


@dataclass(frozen=True, slots=True)
class Risk:
    """Records of which some hours are left, and their quantity."""

    hours_left_below: int
    records: int
    quantity: int


def risks(lines: Iterable[Line], now_s: int, terms: Terms) -> list[Risk]:
    """Count what is not billed by the hours that are left; what has 0 hours is too late.

    A dry-run has nothing to lose.
    """
    records: Counter[int] = Counter()
    quantities: Counter[int] = Counter()
    for line in lines:
        if terms.dry_run or line.status not in AT_RISK or not line.quantity:
            continue
        left_s = closing_s(line, terms.window_hours) - now_s
        below = next((each for each in (0, *HOURS_LEFT) if left_s <= each * HOUR_S), HOURS_LEFT[-1])
        records[below] += 1
        quantities[below] += line.quantity
    return [Risk(each, records[each], quantities[each]) for each in sorted(records)]


def oldest_s(lines: Sequence[Line]) -> int | None:
    """Return the time of the oldest usage that is not billed; None where there is none."""
    return min((each.timestamp_s for each in lines if each.quantity), default=None)
