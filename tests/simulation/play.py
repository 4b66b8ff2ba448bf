"""A hostile world, played from one seed: ticks that race and die, and whatever AWS may do.

Ticks run as greenlets in one thread and give way at every AWS call, where they may be killed or
handed a fault. Between their steps producers send, repeat, garble and delay usage, buyers come and
go, operators redrive, and time passes or jumps. `Ledgerkeeper` watches all of it and raises
`Violation` as soon as an invariant of docs/design.md does not hold.

Every step has random numbers of its own, so that a run can be played without some of its steps.
"""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from greenlet import getcurrent, greenlet

from lambdas.metering.drain import LogContendedError
from lambdas.metering.hours import HOUR_S, hour_text
from lambdas.metering.tick import tick
from lambdas.metering.wiring import Wiring
from sandbox.memory.double import Fault
from tests.simulation.buyers import Buyers
from tests.simulation.invariants import Violation
from tests.simulation.producers import Producers
from tests.simulation.tale import DIMENSIONS, tale_of

if TYPE_CHECKING:
    from tests.simulation.core import Core
    from tests.simulation.whole import Whole

    World: TypeAlias = Core | Whole

FUNCTION_S = 270
"""A tick that lives longer is killed, as Lambda does."""

TICK_S = 250
"""When a tick stops by itself."""

SEED_STEP = 1_000_003
CALM_HOURS = (*(1,) * 12, *(6,) * 4)
"""Between the ticks of the end: first as in calm operation, then until every window is closed."""

READS_FAULTED = 0.25
"""Reads that fail for each write that does; there are far more of them, and each ends a tick."""

RIVAL_UNITS = 777_777
"""What nobody uses, so that the bill tells whose an hour is."""

CALLS_FAULTS = (
    "ThrottlingException",
    "InternalServiceErrorException",
    "ServiceUnavailable",
    "AccessDeniedException",
    "ExpiredTokenException",
    "DisabledApiException",
    "InvalidProductCodeException",
    "TimestampOutOfBoundsException",
    "applied-but-500",
    "timeout-before",
    "timeout-after",
    "unprocessed",
    "omit",
    "omit-applied",
    "not-subscribed",
    "unknown-status",
)
READ_FAULTS = (Fault.THROTTLED, Fault.INTERNAL_ERROR, Fault.UNREACHABLE, Fault.ANSWER_LOST)
WRITE_FAULTS = (*READ_FAULTS, Fault.LATE, Fault.TWICE)
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})


class Killed(BaseException):
    """A tick dies here."""


@dataclass(eq=False, slots=True)
class Runner:
    """A tick under way."""

    name: str
    wiring: Wiring
    started_s: float
    greenlet: greenlet = field(init=False)
    doomed: bool = False


class Play:
    """One run of the simulation.

    Args:
        size: the world it is played in.
        seed: everything follows from it.
        steps: how many things happen before calm; as many as the size says unless given.
        without: steps that are left out.
    """

    def __init__(
        self,
        size: "type[Core] | type[Whole]",
        seed: int,
        *,
        steps: int | None = None,
        without: Collection[int] = (),
    ) -> None:
        self.seed = seed
        self.without = frozenset(without)
        self.tale = tale_of(seed, steps=size.steps if steps is None else steps)
        self.world: World = size(self.tale, seed * SEED_STEP)
        self.rng = self.world.rng
        self.keeper = self.world.keeper
        self.world.listen(self.on_call, self.on_answer)
        self.buyers = Buyers(self.world, self.rng)
        self.producers = Producers(self.world, self.buyers, self.tale, self.rng)
        self.main = getcurrent()
        self.runners: list[Runner] = []
        self.running: Runner | None = None
        self.containers: list[Wiring] = []
        self.counts: Counter[str] = Counter()
        self.hostile = True
        self.spell = False

    def run(self) -> Counter[str]:
        """Play the hostile part, then calm, and settle all accounts."""
        try:
            self.play()
        except Violation:
            raise
        except Exception as error:
            raise Violation(f"fails with {error!r}", self.keeper.story) from error
        return self.counted()

    def play(self) -> None:
        """Play all steps, calm, and the settlement."""
        for _ in range(3):
            self.buyers.purchase()
        for number in range(1, self.tale.steps + 1):
            self.rng.seed(self.seed * SEED_STEP + number)
            if number not in self.without:
                self.step()
        self.rng.seed(self.seed * SEED_STEP - 1)
        calm_s = self.calm()
        self.keeper.settle(
            account_of=self.buyers.account_of, owed=self.buyers.is_owed, calm_s=calm_s
        )

    def counted(self) -> Counter[str]:
        """Count what happened."""
        self.counts["usage"] = len(self.producers.sent) - self.producers.copies
        self.counts["copies"] = self.producers.copies
        self.counts["entries of the log"] = self.keeper.last
        self.counts["records sealed"] = len(self.keeper.sealed)
        for status in self.world.outcomes().values():
            self.counts[f"outcome {status}"] += 1
        return self.counts

    # What AWS does to a tick

    def on_call(self, service: str, operation: str) -> Fault | None:
        runner = self.running
        if runner is None:
            return None
        self.give_way(runner)
        if service == "marketplace" or not self.hostile or not self.spell:
            return None
        writes = operation in WRITES
        if self.rng.random() >= self.tale.fault * (1 if writes else READS_FAULTED):
            return None
        fault = self.rng.choice(WRITE_FAULTS if writes else READ_FAULTS)
        self.note(f"{runner.name}: {operation} {fault.name}")
        self.counts[f"fault {service} {fault.name}"] += 1
        return fault

    def on_answer(self, service: str, operation: str) -> None:
        runner = self.running
        if runner is not None and self.hostile and self.rng.random() < self.tale.kill:
            self.kill(runner, f"after {operation}")

    def give_way(self, runner: Runner) -> None:
        """Let others run; die if that was decided meanwhile."""
        self.counts["calls"] += 1
        self.main.switch()
        if runner.doomed or (self.hostile and self.rng.random() < self.tale.kill):
            self.kill(runner, "before a call")

    def kill(self, runner: Runner, where: str) -> None:
        self.note(f"{runner.name} dies {where}")
        self.counts["kills"] += 1
        raise Killed

    # Ticks

    def container(self) -> Wiring:
        """Take a warm container, or start a cold one with a clock of its own."""
        if self.containers and self.rng.random() < 0.8:
            return self.containers.pop(self.rng.randrange(len(self.containers)))
        skew_s = self.rng.uniform(-self.tale.skew_s, self.tale.skew_s)
        return self.world.wiring(
            clock=lambda: self.world.now_s + skew_s, sleep=lambda _: self.pause()
        )

    def pause(self) -> None:
        runner = self.running
        if runner is not None:
            self.give_way(runner)

    def start_tick(self) -> None:
        self.counts["ticks"] += 1
        runner = Runner(f"tick {self.counts['ticks']}", self.container(), self.world.now_s)
        runner.greenlet = greenlet(lambda: self.live(runner))
        self.runners.append(runner)

    def live(self, runner: Runner) -> None:
        failures: tuple[type[Exception], ...] = (*self.world.failures, LogContendedError)
        try:
            tick(runner.wiring, until_s=runner.wiring.clock() + TICK_S)
        except Killed:
            return
        except failures as error:
            self.note(f"{runner.name} fails: {error}")
            self.counts["ticks failed"] += 1
        self.containers.append(runner.wiring)

    def resume(self, runner: Runner, calls: int) -> None:
        if self.world.now_s - runner.started_s > FUNCTION_S:
            runner.doomed = True
        self.running = runner
        for _ in range(calls):
            if runner.greenlet.dead:
                break
            runner.greenlet.switch()
        self.running = None
        if runner.greenlet.dead:
            self.runners.remove(runner)
        self.keeper.look()

    # What happens between

    def step(self) -> None:
        """Let one thing happen."""
        rng = self.rng
        self.counts["steps"] += 1
        if self.runners and rng.random() < 0.6:
            self.resume(rng.choice(self.runners), rng.randrange(1, 30))
            return
        if len(self.runners) < self.tale.ticks and rng.random() < 0.4:
            self.start_tick()
            return
        happening = rng.choices(
            (
                self.producers.produce,
                self.pass_time,
                self.buyers.change,
                self.redrive,
                self.world.land_late_writes,
                self.trouble_marketplace,
                self.turn_spell,
                self.meter_elsewhere,
            ),
            (30, 25, 5, 4, 6, 14, 6, 2),
        )[0]
        happening()

    def pass_time(self) -> None:
        rng = self.rng
        seconds = rng.uniform(1, 60) if self.runners else rng.uniform(60, 1800)
        if rng.random() < 0.02:
            seconds = rng.uniform(1, 30) ** rng.random() * HOUR_S
            self.note(f"the clock jumps by {seconds / HOUR_S:.1f} h")
            self.counts["clock jumps"] += 1
        self.world.now_s += seconds

    def trouble_marketplace(self) -> None:
        rng = self.rng
        if rng.random() < self.tale.marketplace_fault:
            fault = rng.choice((*CALLS_FAULTS, *self.world.marketplace_faults))
            self.note(f"Marketplace will answer {fault}")
            self.counts[f"fault marketplace {fault}"] += 1
            records = rng.choice((None, 1, 2))
            self.world.trouble(fault, times=rng.choice((1, 1, 2, 5)), records=records)

    def turn_spell(self) -> None:
        self.spell = not self.spell

    def meter_elsewhere(self) -> None:
        """Let somebody else meter an hour of ours, of this day."""
        rng = self.rng
        each = rng.choice(self.buyers.bought)
        if rng.random() < self.tale.rival:
            at_s = (int(self.world.now_s) // HOUR_S - rng.randrange(0, 4)) * HOUR_S
            dimension = rng.choice(DIMENSIONS)
            self.note(f"somebody else meters {dimension} of {Buyers.name(each)}")
            self.counts["metered elsewhere"] += 1
            self.world.bill_elsewhere(each.license, dimension, at_s, RIVAL_UNITS)

    def redrive(self) -> None:
        """An operator sends quarantined or expired usage again, often too early or twice."""
        rng = self.rng
        bill = {"BillAt": "now"} if rng.random() < 0.5 else {}
        names = sorted(self.keeper.sight.quarantined())
        wanted = {"expired"} if rng.random() < 0.8 else {"unconfirmed", "accepted", "conflict"}
        outcomes = self.world.outcomes().items()
        cells = sorted(cell for cell, status in outcomes if status in wanted)
        order: dict[str, str] = {}
        if names and rng.random() < 0.7:
            order = {"Key": rng.choice(names)}
        elif cells:
            who, dimension, hour = rng.choice(cells)
            order = {"License": who, "Dimension": dimension, "Hour": hour_text(hour)}
        if order:
            self.note(f"operator redrives {order | bill}")
            self.counts["redrives"] += 1
            if bill:
                self.keeper.units.note_redrive(order)
            self.world.send(json.dumps({"Redrive": order | bill}))

    def note(self, line: str) -> None:
        self.keeper.note(line)

    # The end

    def calm(self) -> float:
        """Let faults stop, all that runs end, and time pass until every window is closed."""
        self.hostile = False
        self.world.calm()
        self.world.land_late_writes()
        while self.runners:
            self.resume(self.runners[0], 10_000)
        self.buyers.tell_all()
        self.note("calm")
        calm_s = self.world.now_s
        for hours in CALM_HOURS:
            self.world.now_s += hours * HOUR_S
            self.start_tick()
            while self.runners:
                self.resume(self.runners[0], 100_000)
        return calm_s
