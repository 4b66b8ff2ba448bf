"""Laws of the ledger: whatever order, copies, ticks and races do, the bill is the same."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.license import LicenseKey
from lambdas.metering.fold import QUANTITY_MICROS_MAX, Folded
from lambdas.metering.hours import HOUR_S, Hour, closes_s, hour_of, month_of, start_s
from lambdas.metering.ledger import Cell, Entry, FrozenRecord, Ledger, Seal, pack, unpack
from lambdas.metering.seal import first_entry, hour_due, seals_for_ending
from lambdas.metering.usage import Reason, Tags, Usage
from tests.unit.metering_sent import ENDING, KNOWN, LICENSES, Sent, huge, keys_in, small
from tests.unit.metering_stage import (
    ANYTHING,
    NOW_S,
    THIS_HOUR,
    append,
    begun,
    close,
    count,
    decide,
    frozen_in,
    seals_upto,
    seconds,
    state_of,
)

several_batches = st.lists(st.integers(0, 9), max_size=4)


def split(batch: Sequence[Usage], sizes: Iterable[int]) -> list[Sequence[Usage]]:
    """Cut a batch into parts of these sizes, and the rest."""
    parts, at = [], 0
    for size in sizes:
        parts.append(batch[at : at + size])
        at += size
    return [*parts, batch[at:]]


def bill(batches: Iterable[Sequence[Usage]]) -> dict[Cell, FrozenRecord]:
    """Count batches one after the other, seal, and return the records."""
    ledger = begun()
    for batch in batches:
        assert count(ledger, *batch, known=KNOWN) == []
    found = frozen_in(close(ledger, THIS_HOUR, *LICENSES))
    return {(who, each.dimension, each.hour): each for who, each in found}


@given(small, several_batches, st.data())
def test_order_splits_and_copies_do_not_change_what_is_billed(
    sent: list[Sent], sizes: list[int], data: st.DataObject
) -> None:
    once = [each.delivered() for each in sent]
    copies = data.draw(st.lists(st.tuples(st.sampled_from(sent), st.booleans()), max_size=12))
    again = [each.delivered(by_account=by_account) for each, by_account in copies]
    shuffled = data.draw(st.permutations([*once, *again]))

    assert bill(split(shuffled, sizes)) == bill([once])


Sums = Counter[tuple[LicenseKey, str, int, Tags]]
"""Quantities by license, dimension, month and tags; parts of nothing left out."""


def nothing_left_out(sums: Sums) -> dict[tuple[LicenseKey, str, int, Tags], int]:
    return {name: quantity for name, quantity in sums.items() if quantity}


def sums_of(found: Iterable[tuple[LicenseKey, FrozenRecord]]) -> Sums:
    sums: Sums = Counter()
    for who, each in found:
        for tags, quantity in each.allocations or (((), each.quantity),):
            sums[who, each.dimension, month_of(each.hour), tags] += quantity
    return sums


@dataclass
class Play:
    """A log and its readers' state, as ticks follow each other."""

    now_s: int
    entries: list[Entry] = field(default_factory=list)
    live: Ledger = field(default_factory=Ledger)
    replayed: Ledger = field(default_factory=Ledger)
    seals: list[Seal] = field(default_factory=list)
    refused: set[str | None] = field(default_factory=set)
    reasons: set[Reason] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.append(first_entry(self.now_s))

    def append(self, entry: Entry) -> None:
        """Keep two states: one that saw the entry itself, and one that saw its bytes."""
        self.entries.append(entry)
        self.live.apply(self.live.last + 1, entry)
        append(self.replayed, entry)
        if isinstance(entry, Seal):
            self.seals.append(entry)

    def deliver(self, batch: Sequence[Usage]) -> None:
        """Fold a batch, and check where its usage goes."""
        folded = decide(self.live, *batch, known=KNOWN, now_s=self.now_s)
        assert folded.taken == len(batch)
        self.check_hours(folded)
        self.refused |= {batch[each.index].id for each in folded.refused}
        self.reasons |= {each.refusal.reason for each in folded.refused}
        if folded.entry is not None:
            self.append(folded.entry)
        assert all(each.total <= QUANTITY_MICROS_MAX for each in self.live.open.values())

    def check_hours(self, folded: Folded) -> None:
        for row in folded.entry.rows if folded.entry else ():
            assert row.hour > self.live.sealed_upto(row.license)
            assert closes_s(start_s(row.hour)) >= self.now_s + HOUR_S

    def seal(self, *, drained: bool, ending: bool) -> None:
        """Seal what is due, as a tick does."""
        due = hour_due(self.live, now_s=self.now_s, drained=drained, terms=ANYTHING)
        if due is not None:
            self.close(due)
        elif ending:
            seals = seals_for_ending(self.live, ENDING, terms=ANYTHING, now_s=self.now_s)
            for each in seals:
                self.append(each)

    def close(self, upto: Hour) -> None:
        for each in seals_upto(self.live, upto, *LICENSES, now_s=self.now_s):
            self.append(each)

    def bill(self) -> Sums:
        """Seal all there is, and add up."""
        last = max((hour for _, _, hour in self.live.open), default=hour_of(self.now_s))
        self.close(last)
        return sums_of(frozen_in(self.seals))


def expected(sent: Iterable[Sent], play: Play, start: int) -> Sums:
    """Add up what should be billed: every usage that was not refused, in its own month."""
    sums: Sums = Counter()
    for each in sent:
        if f"u-{each.number}" not in play.refused:
            month = month_of(hour_of(start - each.ago_s))
            sums[LICENSES[each.who].key, each.dimension, month, each.tags] += each.quantity
    return sums


Tick = tuple[int, list[tuple[int, bool]], bool, bool]

ticks = st.lists(
    st.tuples(
        st.integers(0, 90 * 60),
        st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=6),
        st.booleans(),
        st.booleans(),
    ),
    max_size=10,
)
"""Ticks: seconds since the last, copies that arrive, is the queue empty, does a license end."""


def played(sent: list[Sent], story: list[Tick], start: int) -> Play:
    """Let ticks pass; what never arrived by then arrives in the last one."""
    play = Play(start)
    for passed_s, copies, drained, ending in story:
        play.now_s += passed_s
        play.deliver(
            [
                sent[at % len(sent)].delivered(by_account=by_account, now_s=start)
                for at, by_account in copies
            ]
        )
        play.seal(drained=drained, ending=ending)
    play.deliver([each.delivered(now_s=start) for each in sent])
    return play


@given(small, ticks)
def test_ticks_seals_and_late_copies_do_not_change_what_is_billed(
    sent: list[Sent], story: list[Tick]
) -> None:
    play = played(sent, story, NOW_S)

    assert play.refused == set()
    assert nothing_left_out(play.bill()) == nothing_left_out(expected(sent, play, NOW_S))


@given(
    small,
    ticks,
    st.integers(seconds("2026-11-30T16:00Z"), seconds("2026-12-01T02:00Z")),
)
def test_usage_never_changes_its_month(
    sent: list[Sent],
    story: list[Tick],
    start: int,
) -> None:
    play = played(sent, story, start)

    assert nothing_left_out(play.bill()) == nothing_left_out(expected(sent, play, start))
    assert play.reasons <= {Reason.EXPIRED}


@given(huge, ticks)
def test_no_hour_is_overfilled_and_what_fits_nowhere_is_refused(
    sent: list[Sent], story: list[Tick]
) -> None:
    play = played(sent, story, NOW_S)

    assert nothing_left_out(play.bill()) == nothing_left_out(expected(sent, play, NOW_S))
    assert play.reasons <= {Reason.TOO_LARGE}


@given(small, ticks)
def test_a_replayed_log_gives_the_live_state(sent: list[Sent], story: list[Tick]) -> None:
    play = played(sent, story, NOW_S)

    assert state_of(play.replayed) == state_of(play.live)
    for entry in play.entries:
        assert unpack(pack(entry)) == entry
        for key, check in keys_in(entry):
            assert play.replayed.keys.check_of(key) == check
