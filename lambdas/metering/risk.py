"""Risk: what is counted and not on the bill yet, and how long it can still be sent. Pure.

A record is at risk while there is still time for a person to help: with less than six hours left,
or three where the month's end cuts its window short, since the last hour of a month is not sealed
any sooner.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lambdas.customers.history import LAST_HOUR_MS
from lambdas.customers.license import License, LicenseKey
from lambdas.metering.hours import HOUR_S, Hour, closes_s, hour_of, start_s
from lambdas.metering.ledger import Cell, Ledger
from lambdas.metering.records import Outcome, Status, is_anothers
from lambdas.metering.terms import Terms

AT_RISK_S = 6 * HOUR_S
"""Left of a record's window when a person is called, a quarter of it."""

MONTH_END_AT_RISK_S = 3 * HOUR_S
"""The same on the 1st, when a month's last records are taken until 06:00: its last hour is sealed
at 03:00, and sent at once if all is well."""

LAST_HOUR_S = LAST_HOUR_MS // 1000


@dataclass(frozen=True, slots=True)
class Risk:
    """What a tick leaves behind.

    Attributes:
        unfinished: sealed records without a final outcome, heartbeats aside.
        micros: their quantity, in 10⁻⁶.
        micros_parked: how much of that AWS Marketplace refuses for now.
        left_s: how long the window of the first of them is still open; None without any.
        at_risk: records, sealed or not yet, whose window closes soon.
        oldest_s: how long ago the oldest hour that is not billed began; None without any.
    """

    unfinished: int = 0
    micros: int = 0
    micros_parked: int = 0
    left_s: int | None = None
    at_risk: int = 0
    oldest_s: int | None = None


def risk(ledger: Ledger, known: Mapping[Cell, Outcome], *, now_s: int, terms: Terms) -> Risk:
    """Add up what is counted and not on the bill yet.

    Args:
        ledger: the state after submitting.
        known: what is known of records that are not finished.
        now_s: the time.
        terms: how this product is metered.
    """
    money = {
        cell: each.frozen
        for cell, each in ledger.unfinished.items()
        if each.frozen.quantity and not is_anothers(each, terms)
    }
    sealed = Counter(each.timestamp_s for each in money.values())
    hours = Counter(hour for _, _, hour in ledger.open)
    counted = {
        start_s(hour): cells
        for hour, cells in hours.items()
        if start_s(hour) >= terms.metering_from_s
    }
    closing = {at: closes_s(at, terms.window_hours) for at in (*sealed, *counted)}
    parked = (each for each in money if each in known and known[each].status is Status.PARKED)
    return Risk(
        unfinished=len(money),
        micros=sum(each.quantity for each in money.values()),
        micros_parked=sum(money[each].quantity for each in parked),
        left_s=min((closing[at] - now_s for at in sealed), default=None),
        # A dry-run has nothing to lose.
        at_risk=sum(
            records[at]
            for records in (sealed, counted)
            for at in records
            if not terms.dry_run and closing[at] - now_s < _called_s(at, closing[at], terms)
        ),
        oldest_s=max((now_s - start_s(hour_of(at)) for at in closing), default=None),
    )


def _called_s(timestamp_s: int, closing_s: int, terms: Terms) -> int:
    """Tell how long before its window closes a record is at risk."""
    whole = closing_s == timestamp_s + terms.window_hours * HOUR_S
    return AT_RISK_S if whole else MONTH_END_AT_RISK_S


def final_flush_left_s(
    ledger: Ledger, ending: Sequence[License], *, now_s: int, terms: Terms
) -> int | None:
    """Tell how long AWS Marketplace still takes the last usage of a license that ends.

    Returns:
        The seconds that are left to the first of those with usage that could be on the bill by now;
        None if there is none, or in a dry-run. Usage that came too late for its hour and waits for
        the next one is left out: no person could send it any sooner.
    """
    if terms.dry_run or not ending:
        return None
    waiting = set(_with_usage(ledger, upto=hour_of(now_s)))
    ends_s = [
        each.ending_since_s + LAST_HOUR_S
        for each in ending
        if each.ending_since_s is not None and each.key in waiting
    ]
    return min(ends_s) - now_s if ends_s else None


def _with_usage(ledger: Ledger, *, upto: Hour) -> Iterator[LicenseKey]:
    yield from (each.license for each in ledger.unfinished.values() if each.frozen.quantity)
    yield from (who for who, _, hour in ledger.open if hour <= upto)
