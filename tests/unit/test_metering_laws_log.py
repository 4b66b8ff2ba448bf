"""A container that starts cold, wherever it may begin to read, decides as one that never died."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lambdas.metering.aws import LedgerTable, Settled
from lambdas.metering.fold import QUANTITY_MICROS_MAX
from lambdas.metering.hours import HOUR_S
from lambdas.metering.ledger import Entry, Ledger, SealedRecord
from lambdas.metering.log import Log
from lambdas.metering.seal import Heartbeats, first_entry, hour_due, seals_for_ending
from lambdas.metering.terms import Terms
from lambdas.metering.usage import Usage
from sandbox.memory import MemoryDynamoDB, create_table
from tests.unit.metering_sent import ENDING, KNOWN, LICENSES, costly
from tests.unit.metering_stage import NOW_S, UNIT, decide, seals_upto, usage

SKEW_S = 15 * 60
"""How far the clock of a tick may be off, either way."""

STANDARD = Terms(dimensions=("users",))


@dataclass(frozen=True)
class Tick:
    """What happens in one tick.

    Attributes:
        passed_s: since the last one.
        skew_s: how far its clock is off.
        dies: whether it is the first of a new container.
        quantities: fresh usage that arrives.
        copies: copies of recent usage that arrive, by place among them.
        seals: whether it gets as far as to seal.
        finishes: records that become final, by place among those that are not.
        notes: how many entries before the last the hint is written for, if it is.
    """

    passed_s: int
    skew_s: int
    dies: bool
    quantities: list[int]
    copies: list[int]
    seals: bool
    finishes: list[int]
    notes: int | None


places = st.lists(st.integers(0, 30), max_size=3)
ticks = st.lists(
    st.builds(
        Tick,
        passed_s=st.integers(0, 1200) | st.integers(0, 7 * HOUR_S),
        skew_s=st.integers(-SKEW_S, SKEW_S),
        dies=st.booleans(),
        quantities=st.lists(st.sampled_from([0, UNIT, UNIT, QUANTITY_MICROS_MAX]), max_size=5),
        copies=places,
        seals=st.booleans(),
        finishes=places,
        notes=st.none() | st.integers(0, 5),
    ),
    min_size=1,
    max_size=12,
)


@dataclass
class World:
    """One log, a container that may die at any tick, and a witness that never does."""

    terms: Terms
    now_s: int = NOW_S
    counted_s: dict[int, int] = field(default_factory=dict)
    sent: list[Usage] = field(default_factory=list)
    unfinished: dict[tuple[int, int], SealedRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        dynamodb = MemoryDynamoDB(now=lambda: self.now_s, rng=Random(1))
        client = dynamodb.client()
        create_table(client, "ledger")
        self.table = LedgerTable(client, "ledger")
        self.container, self.witness = self.start(), self.start()
        self.append(self.container.read(NOW_S), first_entry(NOW_S))

    def start(self) -> Log:
        return Log(self.table, self.terms)

    def append(self, ledger: Ledger, entry: Entry) -> None:
        assert self.container.append(ledger, entry)
        for record in list(ledger.unfinished.values()):
            if record.seal == ledger.last:
                self.unfinished[record.at] = record

    def tick(self, each: Tick) -> None:
        self.now_s += each.passed_s
        if each.dies:
            self.container = self.start()
        clock_s = self.now_s + each.skew_s
        ledger, truth = self.container.read(clock_s), self.witness.read(clock_s)
        self.compare(ledger, truth)
        self.fold(each, ledger, truth, clock_s)
        if each.seals:
            self.seal(self.container.read(clock_s), self.witness.read(clock_s), clock_s)
        self.finish(each)

    def compare(self, ledger: Ledger, truth: Ledger) -> None:
        """Hold what a container knows against what is true."""
        assert counted_and_sealed(ledger) == counted_and_sealed(truth)
        records = {record.at: record for record in ledger.unfinished.values()}
        assert records.items() >= self.unfinished.items()
        for place in self.recent():
            assert ledger.keys.check_of(self.sent[place].key) == self.sent[place].check

    def recent(self) -> list[int]:
        """List what was counted within the id memory, by any clock."""
        since_s = self.now_s - self.terms.id_memory_s
        return [place for place, at_s in self.counted_s.items() if at_s >= since_s]

    def fold(self, each: Tick, ledger: Ledger, truth: Ledger, clock_s: int) -> None:
        recent = self.recent()
        batch = [self.sent[recent[place % len(recent)]] for place in each.copies if recent]
        batch += [self.fresh(quantity, clock_s) for quantity in each.quantities]
        folded = decide(ledger, *batch, known=KNOWN, terms=self.terms, now_s=clock_s)
        assert folded == decide(truth, *batch, known=KNOWN, terms=self.terms, now_s=clock_s)
        assert folded.counted + len(folded.refused) == len(each.quantities)
        if folded.entry is not None:
            self.append(ledger, folded.entry)

    def fresh(self, quantity: int, clock_s: int) -> Usage:
        number = len(self.sent)
        who = LICENSES[number // 8 % len(LICENSES)].key
        self.sent.append(usage(f"u-{number}", quantity, who=who, used_s=clock_s - 60 * number))
        self.counted_s[number] = self.now_s
        return self.sent[-1]

    def seal(self, ledger: Ledger, truth: Ledger, clock_s: int) -> None:
        due = hour_due(ledger, now_s=clock_s, drained=True, terms=self.terms)
        assert due == hour_due(truth, now_s=clock_s, drained=True, terms=self.terms)
        seals, true_seals = (
            seals_for_ending(each, ENDING, terms=self.terms, now_s=clock_s)
            if due is None
            else seals_upto(
                each,
                due,
                *LICENSES,
                heartbeats=Heartbeats(LICENSES[:1]),
                terms=self.terms,
                now_s=clock_s,
            )
            for each in (ledger, truth)
        )
        assert seals == true_seals
        for each in seals:
            self.append(ledger, each)

    def finish(self, each: Tick) -> None:
        """Let records become final, and note a hint that is true now."""
        for place in each.finishes:
            left = sorted(self.unfinished)
            if left:
                record = self.unfinished.pop(left[place % len(left)])
                self.container.read(self.now_s).unfinished.pop(record.cell, None)
        if each.notes is not None:
            upto = max(self.container.read(self.now_s).last - each.notes, 0)
            listed = tuple(place for place in sorted(self.unfinished) if place[0] <= upto)
            self.container.note_settled(Settled(upto, listed))


def counted_and_sealed(ledger: Ledger) -> tuple[object, ...]:
    return (
        ledger.last,
        ledger.began_s,
        ledger.watermark,
        ledger.early,
        ledger.open,
        ledger.dimensions,
    )


@costly
@given(ticks, st.sampled_from([1, 5, 26]))
def test_a_cold_container_decides_as_one_that_never_died(
    story: Sequence[Tick], id_memory_hours: int
) -> None:
    world = World(replace(STANDARD, id_memory_hours=id_memory_hours))

    for each in story:
        world.tick(each)

    world.compare(world.start().read(world.now_s), world.witness.read(world.now_s))


@costly
@given(ticks, st.integers(0, 80 * HOUR_S))
def test_reaching_back_finds_every_key_since_a_time(story: Sequence[Tick], ago_s: int) -> None:
    world = World(STANDARD)
    for each in story:
        world.tick(each)
    log = world.start()
    ledger = log.read(world.now_s)

    log.reach_back(ledger, world.now_s - ago_s)

    for place, at_s in world.counted_s.items():
        if at_s >= world.now_s - ago_s:
            assert ledger.keys.check_of(world.sent[place].key) == world.sent[place].check
