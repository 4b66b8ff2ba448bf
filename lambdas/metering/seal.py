"""Seal: decide which hours close, and freeze the records that are sent for them. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from lambdas.customers.license import License, LicenseKey, State
from lambdas.metering.hours import (
    DAY_HOURS,
    HOUR_S,
    Hour,
    closes_s,
    end_s,
    hour_of,
    is_last_of_month,
    start_s,
)
from lambdas.metering.ledger import (
    ENTRY_BYTES_MAX,
    FrozenRecord,
    Ledger,
    OpenUsage,
    Seal,
    pack,
)
from lambdas.metering.tags import merged
from lambdas.metering.terms import Terms
from lambdas.metering.usage import Allocations

MONTH_END_SETTLE_S = 3 * HOUR_S
"""The last hour of a month stays open this long: its usage cannot ride on into the next, and
AWS Marketplace takes the month's records for six hours."""

MONTH_END_ENDING_S = 35 * 60
"""A license that ends is kept open for longer in the last hour of a month, for the same reason;
25 minutes are left to send its records."""

BACKLOG_WAIT_S = 2 * HOUR_S
"""With messages still queued an hour waits this long; then usage must ride on, or nothing of it
would ever be sent."""

MONTH_END_BACKLOG_WAIT_S = 5 * HOUR_S
"""The same for the last hour of a month, which leaves an hour to send its records."""


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """What a seal needs to know to report zeros: who is active, and which zeros were refused."""

    active: Collection[License] = ()
    refused: Collection[tuple[LicenseKey, str]] = ()


def first_entry(now_s: int) -> Seal:
    """Begin a log: everything 24 hours and more ago is closed, since nobody takes it any more."""
    return Seal(now_s, Hour(hour_of(now_s) - DAY_HOURS), everyone=True, records={})


def hour_due(
    ledger: Ledger, *, now_s: int, drained: bool, terms: Terms, hidden: bool = False
) -> Hour | None:
    """Return the last hour that is over and settled, if the watermark is not there yet.

    An hour is settled some minutes after its end if the queue was empty, and after two hours in
    any case. Hours settle in order.

    Args:
        ledger: the state of the log.
        now_s: the time.
        drained: whether a receive found the queue empty.
        terms: how this product is metered.
        hidden: whether the queue holds messages all the same, which somebody received and may not
            have counted. Their usage rides on where it is late, but not into the next month.
    """
    due: Hour | None = None
    hour = Hour(ledger.watermark + 1)
    while _is_settled(
        hour,
        now_s=now_s,
        drained=drained and not (hidden and is_last_of_month(hour)),
        terms=terms,
    ):
        due = hour
        hour = Hour(hour + 1)
    return due


def ends_month(ledger: Ledger, upto: Hour) -> bool:
    """Tell whether a seal up to an hour would close the last one of a month."""
    return any(map(is_last_of_month, map(Hour, range(ledger.watermark + 1, upto + 1))))


def _is_settled(hour: Hour, *, now_s: int, drained: bool, terms: Terms) -> bool:
    last = is_last_of_month(hour)
    settle_s = MONTH_END_SETTLE_S if last else terms.settle_minutes * 60
    wait_s = MONTH_END_BACKLOG_WAIT_S if last else BACKLOG_WAIT_S
    over_s = now_s - end_s(hour)
    return over_s >= wait_s or (drained and over_s >= settle_s)


def seals_for_everyone(
    ledger: Ledger,
    upto: Hour,
    *,
    licenses: Mapping[LicenseKey, License],
    heartbeats: Heartbeats,
    terms: Terms,
    now_s: int,
) -> list[Seal]:
    """Freeze all records up to an hour: seals for some licenses first if one entry is too small.

    Each seal holds only if the one before it was appended; the last one moves the watermark.
    """
    freezing = _Freezing(ledger, upto, licenses, now_s)
    records = freezing.usage_records(None)
    for who, zero in freezing.zeros(heartbeats, terms):
        records.setdefault(who, []).append(zero)
    return list(_fitting(records, upto, now_s, everyone=True))


def seals_for_ending(
    ledger: Ledger, ending: Iterable[License], *, terms: Terms, now_s: int
) -> list[Seal]:
    """Freeze the records of licenses that end, up to the current hour.

    AWS Marketplace takes their last usage for one hour only, and the current hour is part of it;
    some minutes of that are left to usage in flight, and more in the last hour of a month, which is
    the last that its usage can go to.
    """
    upto = hour_of(now_s)
    settle_s = terms.ending_settle_minutes * 60
    if is_last_of_month(upto) or is_last_of_month(hour_of(now_s - terms.settle_minutes * 60)):
        settle_s = max(settle_s, MONTH_END_ENDING_S)
    waited = {
        each.key: each
        for each in ending
        if each.state is State.ENDING
        and each.ending_since_s is not None
        and now_s - each.ending_since_s >= settle_s
    }
    records = _Freezing(ledger, upto, waited, now_s).usage_records(waited.keys())
    return list(_fitting(records, upto, now_s, everyone=False)) if records else []


@dataclass(slots=True)
class _Freezing:
    """Open usage up to an hour, on its way to records that never change again."""

    ledger: Ledger
    upto: Hour
    licenses: Mapping[LicenseKey, License]
    now_s: int

    def usage_records(
        self, only: Collection[LicenseKey] | None
    ) -> dict[LicenseKey, list[FrozenRecord]]:
        records: dict[LicenseKey, list[FrozenRecord]] = {}
        for (who, dimension, hour), usage in self.ledger.open.items():
            if hour <= self.upto and (only is None or who in only):
                records.setdefault(who, []).append(self.freeze(who, dimension, hour, usage))
        return records

    def freeze(self, who: LicenseKey, dimension: str, hour: Hour, usage: OpenUsage) -> FrozenRecord:
        allocations = merged(usage.by_tags)
        timestamp_s = self.timestamp_s(who, hour, usage.last_s)
        return FrozenRecord(dimension, hour, usage.total, timestamp_s, allocations)

    def timestamp_s(self, who: LicenseKey, hour: Hour, last_s: int) -> int:
        """Choose the one time for a record: as early as AWS Marketplace takes it.

        The hour's start gives every sender the same value. A license that began or was activated
        within the hour cannot be billed before that; sources do not say which of the two counts,
        and the later one is right in both cases. One whose start is not known surely lived when
        it was used.
        """
        known = self.licenses.get(who)
        times_s = [start_s(hour)]
        if known is None or known.start_s is None:
            times_s.append(min(last_s, self.now_s, end_s(hour) - 1))
        if known is not None:
            times_s += [each for each in (known.start_s, known.active_since_s) if each is not None]
        return max(each for each in times_s if hour_of(each) <= hour)

    def zeros(
        self, heartbeats: Heartbeats, terms: Terms
    ) -> Iterator[tuple[LicenseKey, FrozenRecord]]:
        """List the zeros that tell AWS Marketplace an active license is metered.

        A zero cannot be amended: it is reported only where nobody can have other usage for the
        hour, that is for hours that began after this log, after the cut-over and after the
        license was activated (perhaps again), whose window is open and that are not sealed already.
        """
        since_s = max(self.ledger.began_s, terms.metering_from_s)
        for each in heartbeats.active:
            active_s = each.start_s if each.active_since_s is None else each.active_since_s
            if active_s is None or each.state is not State.ACTIVE:
                continue
            begin_s = max(since_s, active_s, self.now_s - terms.window_hours * HOUR_S)
            first = max(hour_of(begin_s - 1) + 1, self.ledger.sealed_upto(each.key) + 1)
            for hour in map(Hour, range(first, self.upto + 1)):
                if closes_s(start_s(hour), terms.window_hours) <= self.now_s:
                    continue
                for dimension in terms.dimensions:
                    used = (each.key, dimension, hour) in self.ledger.open
                    if not used and (each.key, dimension) not in heartbeats.refused:
                        yield each.key, FrozenRecord(dimension, hour, 0, start_s(hour), ())


def _fitting(
    records: Mapping[LicenseKey, Sequence[FrozenRecord]],
    upto: Hour,
    now_s: int,
    *,
    everyone: bool,
) -> Iterator[Seal]:
    """Spread records over as few seals as fit into entries, the last one for everyone if asked.

    Halves the licenses, then the hours of a single license, then what the tags of its one hour
    may take; without tags an hour fits, since a fold bounds its dimensions.
    """
    whole = Seal(now_s, upto, everyone, {who: tuple(each) for who, each in records.items()})
    if pack(whole).size_bytes <= ENTRY_BYTES_MAX:
        yield whole
        return
    if len(records) > 1:
        names = list(records)
        half = len(names) // 2
        first, rest = names[:half], names[half:]
        yield from _fitting({who: records[who] for who in first}, upto, now_s, everyone=False)
        yield from _fitting({who: records[who] for who in rest}, upto, now_s, everyone=everyone)
        return
    ((who, only),) = records.items()
    hours = sorted({each.hour for each in only})
    if len(hours) > 1:
        middle = hours[len(hours) // 2 - 1]
        early = {who: [each for each in only if each.hour <= middle]}
        late = {who: [each for each in only if each.hour > middle]}
        yield from _fitting(early, middle, now_s, everyone=False)
        yield from _fitting(late, upto, now_s, everyone=everyone)
    else:
        yield from _fitting({who: _with_less_tags(only)}, upto, now_s, everyone=everyone)


def _with_less_tags(records: Sequence[FrozenRecord]) -> list[FrozenRecord]:
    """Merge more tags of the records with most of them: money comes first, its split second."""
    most = max(len(each.allocations) for each in records)
    assert most, "an hour without tags fits into one entry"
    return [
        msgspec.structs.replace(each, allocations=_halved(each.allocations))
        if len(each.allocations) > most // 2
        else each
        for each in records
    ]


def _halved(allocations: Allocations) -> Allocations:
    return merged(dict(allocations), sets_max=len(allocations) // 2)
