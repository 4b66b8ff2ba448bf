"""Random switches between dry-run and live, with deaths, faults, and ticks of both kinds at once.

Whatever happens, what is sent is what was sealed, nothing is billed twice, and everything whose
window is open when the stack goes live in the end is on the bill.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from greenlet import getcurrent, greenlet
from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.license import License
from lambdas.metering.hours import HOUR_S, closes_s, hour_from_text, hour_of, start_s
from lambdas.metering.keys import record_key
from lambdas.metering.ledger import Cell, FrozenRecord, Ledger, Seal, unpack
from lambdas.metering.terms import Terms
from lambdas.metering.wiring import Wiring
from sandbox.marketplace.faults import Fault
from tests.interruptions import Killed
from tests.world import DIMENSIONS, PRODUCT, World

FUNCTION_S = 270
"""A tick that lives longer is dead."""

OWED_S = 2 * HOUR_S
"""A window that is open for so long, live and without faults, is long enough."""

FAULTS = ("ThrottlingException", "timeout-before", "timeout-after", "unprocessed", "omit-applied")
CALLS = st.integers(1, 40)


@dataclass(eq=False, slots=True)
class Runner:
    """A tick that stands still at one call, and dies at another."""

    wiring: Wiring
    hold_at: int
    die_at: int
    started_s: float
    greenlet: greenlet = field(init=False)
    calls: int = 0


class Stage:
    """A seller who cannot decide, and a stack that does what it is told."""

    def __init__(self) -> None:
        self.world = World(terms=Terms(product_code=PRODUCT, dry_run=True))
        self.buyer = self.world.buy()
        self.main = getcurrent()
        self.running: Runner | None = None
        self.held: list[Runner] = []
        self.used = 0

    def on_call(self, name: str, _: Any) -> None:
        """Check what is sent, stand still, die."""
        runner = self.running
        if runner is None:
            return
        runner.calls += 1
        if name == "marketplace.BatchMeterUsage":
            terms = runner.wiring.terms
            assert not terms.dry_run
            for each in self.world.submitted[-1]:
                assert each["Timestamp"].timestamp() >= terms.metering_from_s
        if runner.calls == runner.hold_at:
            self.main.switch()
            if self.world.now_s - runner.started_s > FUNCTION_S:
                raise Killed
        if runner.calls == runner.die_at:
            raise Killed

    # What may happen

    def use(self, quantity: int) -> None:
        self.used += quantity
        dimension = DIMENSIONS[quantity % 2]
        self.world.send(self.world.usage(self.buyer, quantity, dimension=dimension))

    def wait(self, minutes: int) -> None:
        self.world.advance(minutes=minutes)

    def switch(self, _: int) -> None:
        self.turn(dry_run=not self.world.terms.dry_run)

    def cut_over(self, _: int) -> None:
        """Go live from the next hour on; an older submitter bills until then."""
        begin_s = start_s(hour_of(int(self.world.now_s))) + HOUR_S
        self.turn(dry_run=False, metering_from_s=begin_s)

    def turn(self, **terms: Any) -> None:
        self.world.terms = replace(self.world.terms, **terms)
        self.world.warm = self.world.wiring()

    def trouble(self, number: int) -> None:
        self.world.marketplace.inject(Fault(FAULTS[number % len(FAULTS)], times=1 + number % 4))

    def tick(self, _: int = 0) -> None:
        self.run(self.world.warm)

    def die(self, number: int) -> None:
        self.run(self.world.wiring(), die_at=number)

    def hold(self, number: int) -> None:
        self.run(self.world.wiring(), hold_at=number)

    def resume(self, _: int) -> None:
        if self.held:
            self.go_on(self.held.pop(0))

    def redrive(self, number: int) -> None:
        """Ask for what was not billed, and now and then for what may not be asked for."""
        cells = sorted(self.world.outcomes())
        if cells:
            who, dimension, hour = cells[number % len(cells)]
            assert who == self.buyer.key
            self.world.redrive((self.buyer, dimension, hour), bill_now=True)

    def run(self, wiring: Wiring, *, hold_at: int = 0, die_at: int = 0) -> None:
        runner = Runner(wiring, hold_at, die_at, self.world.now_s)
        runner.greenlet = greenlet(lambda: self.live(runner))
        self.go_on(runner)

    def live(self, runner: Runner) -> None:
        try:
            self.world.tick(runner.wiring)
        except Killed:
            return

    def go_on(self, runner: Runner) -> None:
        self.running = runner
        runner.greenlet.switch()
        self.running = None
        if not runner.greenlet.dead:
            self.held.append(runner)

    # The end

    def settle(self) -> float:
        """Go live for good, without faults, until every window is closed; tell since when."""
        self.world.marketplace.clear_faults()
        self.turn(dry_run=False)
        while self.held:
            self.resume(0)
        calm_s = self.world.now_s
        for minutes in (16, 60, 60, 26 * 60, 120):
            self.world.advance(minutes=minutes)
            self.tick()
        return calm_s

    def check(self, calm_s: float) -> None:
        """Compare seals, calls, outcomes and the bill."""
        sealed, redriven = self.books()
        bill = {
            (self.buyer.key, line.dimension, hour_of(int(line.hour.timestamp()))): line.quantity
            for line in self.world.marketplace.usage()
        }
        statuses = {
            (who, dimension, hour_from_text(hour)): status
            for (who, dimension, hour), status in self.world.outcomes().items()
        }
        for sent in (each for records in self.world.submitted for each in records):
            frozen = sealed[cell_of(self.buyer, sent)]
            assert sent["Quantity"] * 10**6 == frozen.quantity
            assert sent["Timestamp"].timestamp() == frozen.timestamp_s
        for cell, frozen in sealed.items():
            billed, status = cell in bill, statuses[cell]
            assert status in ("accepted", "expired", "dry-run", "unconfirmed")
            assert billed or status != "accepted"
            assert not billed or status in ("accepted", "unconfirmed")
            assert not billed or bill[cell] * 10**6 == frozen.quantity
            assert cell not in redriven or status in ("expired", "dry-run")
            owed = closes_s(frozen.timestamp_s) > calm_s + OWED_S
            ours = start_s(frozen.hour) >= self.world.terms.metering_from_s
            assert billed or not (owed and ours)
        counted = sum(each.quantity for cell, each in sealed.items() if cell not in redriven)
        waiting = sum(self.in_quarantine())
        assert counted == (self.used - waiting) * 10**6

    def books(self) -> tuple[dict[Cell, FrozenRecord], set[Cell]]:
        """Read the log: what was sealed, and what of it was counted anew."""
        ledger, sealed = Ledger(), {}
        for number, packed in self.world.table.entries_after(0):
            entry = unpack(packed)
            ledger.apply(number, entry)
            if isinstance(entry, Seal):
                for who, rows in entry.records.items():
                    for each in rows:
                        assert (who, each.dimension, each.hour) not in sealed
                        sealed[who, each.dimension, each.hour] = each
        assert not ledger.open
        return sealed, {cell for cell in sealed if ledger.keys.check_of(record_key(*cell))}

    def in_quarantine(self) -> Sequence[int]:
        """How much usage of before the cut-over waits."""
        names = [name for name, _ in self.world.quarantined()]
        texts = [each.text for each in map(self.world.quarantine.get, names) if each]
        return [int(text.split('"Quantity": ')[1].split(",")[0].rstrip("}]")) for text in texts]


def cell_of(buyer: License, sent: dict[str, Any]) -> Cell:
    return buyer.key, sent["Dimension"], hour_of(int(sent["Timestamp"].timestamp()))


Step = tuple[Callable[[Stage, int], None], int]

steps = st.lists(
    st.one_of(
        st.tuples(st.just(Stage.use), st.integers(1, 9)),
        st.tuples(st.just(Stage.wait), st.sampled_from([2, 5, 16, 60, 60, 7 * 60, 20 * 60])),
        st.tuples(st.just(Stage.switch), st.just(0)),
        st.tuples(st.just(Stage.tick), st.just(0)),
        st.tuples(st.just(Stage.die), CALLS),
        st.tuples(st.just(Stage.hold), CALLS),
        st.tuples(st.just(Stage.resume), st.just(0)),
        st.tuples(st.just(Stage.trouble), st.integers(0, 99)),
        st.tuples(st.just(Stage.redrive), st.integers(0, 99)),
        st.tuples(st.just(Stage.cut_over), st.just(0)),
    ),
    min_size=10,
    max_size=60,
)


@given(steps)
def test_whoever_switches_however_often_everything_is_billed_once(steps: list[Step]) -> None:
    stage = Stage()

    with stage.world.hooked(before=stage.on_call):
        for step, number in steps:
            step(stage, number)
        calm_s = stage.settle()

    stage.check(calm_s)
