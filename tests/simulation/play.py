"""A hostile world, played from one seed: ticks that race and die, and whatever AWS may do.

Ticks run as greenlets in one thread and give way at every AWS call, where they may be killed or
handed a fault; in the large size registration, subscription, sweep and reconciliation run beside
them. Between their steps producers send, repeat, garble and delay usage, buyers come and go,
operators redrive, the seller goes into a dry-run and live again, and time passes or jumps.
`Ledgerkeeper` watches all of it, and `Registrar` the licenses; they raise `Violation` as soon as an
invariant of docs/design.md does not hold.

Every step has random numbers of its own, so that a run can be played without some of its steps.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.metering.drain import LogContendedError
from lambdas.metering.hours import HOUR_S, hour_text
from lambdas.metering.tick import tick
from lambdas.metering.wiring import Wiring
from sandbox.memory.double import UnsupportedError
from tests.simulation.buyers import Buyers
from tests.simulation.crew import Crew
from tests.simulation.invariants import Violation
from tests.simulation.producers import Producers
from tests.simulation.shells import MARKED
from tests.simulation.tale import DIMENSIONS, tale_of

if TYPE_CHECKING:
    from tests.simulation.core import Core
    from tests.simulation.crew import World
    from tests.simulation.whole import Whole

FUNCTION_S = 270
"""A tick that lives longer is killed, as Lambda does."""

TICK_S = 250
"""When a tick stops by itself."""

ERRORS = (Exception, UnsupportedError, SystemExit)
"""What may end a run that should not: the code's errors, the doubles', and those of the play."""

SEED_STEP = 1_000_003
CALM_HOURS = (*(1,) * 12, *(6,) * 4)
"""Between the ticks of the end: first as in calm operation, then until every window is closed."""

REHEARSAL_TICKS, REHEARSAL_HOURS = 5, 5
"""How a dry-run goes on that nobody notices before the next day."""

LAST_ORDERS_AT = 4
"""The tick of the end before which some buyers cancel; what waited is sent by then."""

TICKS_APART_S = 600
LAST_TICKS = HOUR_S // TICKS_APART_S - 1
"""Half as often as ticks come, within the last hour of a license."""

NOT_BILLED = frozenset({"expired", "dry-run"})
MAY_BE_BILLED = frozenset({"unconfirmed", "accepted", "conflict", MARKED})
"""What an operator may not redrive, and tries to."""

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
        self.counts: Counter[str] = Counter()
        self.crew = Crew(self.world, self.tale, self.rng, self.counts)
        self.world.listen(self.crew.on_call, self.crew.on_answer)
        self.buyers = self.world.buyers(self.crew)
        self.producers = Producers(self.world, self.buyers, self.tale, self.rng)
        self.containers: list[Wiring] = []

    def run(self) -> Counter[str]:
        """Play the hostile part, then calm, and settle all accounts."""
        try:
            self.play()
        except Violation:
            raise
        except ERRORS as error:
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
        self.buyers.settle()

    def counted(self) -> Counter[str]:
        """Count what happened."""
        self.counts["usage"] = len(self.producers.sent) - self.producers.copies
        self.counts["copies"] = self.producers.copies
        self.counts["entries of the log"] = self.keeper.last
        self.counts["records sealed"] = len(self.keeper.sealed)
        for fault, times in self.world.struck().items():
            self.counts[f"fault {fault}"] += times
        for status in self.world.outcomes().values():
            self.counts[f"outcome {status}"] += 1
        return self.counts

    # Ticks

    def container(self) -> Wiring:
        """Take a warm container, or start a cold one with a clock of its own."""
        if self.containers and self.rng.random() < 0.8:
            return self.containers.pop(self.rng.randrange(len(self.containers)))
        skew_s = self.skew_s()
        return self.world.wiring(
            clock=lambda: self.world.now_s + skew_s, sleep=lambda _: self.crew.pause()
        )

    def skew_s(self) -> float:
        """Draw how far a clock is off: that of every other one, as far as any may be."""
        most_s = self.tale.skew_s
        if self.rng.random() < 0.5:
            return self.rng.choice((-most_s, most_s))
        return self.rng.uniform(-most_s, most_s)

    def start_tick(self) -> None:
        self.counts["ticks"] += 1
        name, wiring = f"tick {self.counts['ticks']}", self.container()
        self.crew.start(
            name, lambda: self.live(name, wiring), lives_s=FUNCTION_S, terms=wiring.terms
        )

    def live(self, name: str, wiring: Wiring) -> None:
        failures: tuple[type[Exception], ...] = (*self.world.failures, LogContendedError)
        try:
            tick(wiring, until_s=wiring.clock() + TICK_S)
        except failures as error:
            self.note(f"{name} fails: {error}")
            self.counts["ticks failed"] += 1
        if wiring.terms is self.world.terms:
            self.containers.append(wiring)

    def tick_in_calm(self) -> None:
        """Let one tick run from its beginning to its end."""
        self.start_tick()
        self.crew.finish()

    # What happens between

    def step(self) -> None:
        """Let one thing happen."""
        rng = self.rng
        self.counts["steps"] += 1
        runners = self.crew.runners
        if runners and rng.random() < 0.6:
            self.crew.resume(rng.choice(runners), rng.randrange(1, 30))
            return
        if self.ticks() < self.tale.ticks and rng.random() < 0.4:
            self.start_tick()
            return
        happenings: dict[Callable[[], None], int] = {
            self.producers.produce: 30,
            self.pass_time: 25,
            self.buyers.change: 5,
            self.redrive: 4,
            self.world.land_late_writes: 6,
            self.trouble_marketplace: 14,
            self.turn_spell: 6,
            self.meter_elsewhere: 2,
            **self.buyers.happenings(),
            **({self.turn: 3} if self.tale.dry_run != "never" else {}),
        }
        rng.choices(tuple(happenings), tuple(happenings.values()))[0]()

    def ticks(self) -> int:
        """Count the ticks under way."""
        return sum(each.name.startswith("tick") for each in self.crew.runners)

    def pass_time(self) -> None:
        rng = self.rng
        seconds = rng.uniform(1, 60) if self.crew.runners else rng.uniform(60, 1800)
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
            records = rng.choice((None, 1, 2))
            self.world.trouble(fault, times=rng.choice((1, 1, 2, 5)), records=records)

    def turn_spell(self) -> None:
        self.crew.spell = not self.crew.spell

    def turn(self) -> None:
        """Deploy the other way of metering: what runs goes on as it was, containers start cold.

        A stack that was in a dry-run from the first goes live for an hour that has not begun.
        """
        world, before = self.world, self.world.terms
        from_s = before.metering_from_s
        if self.tale.dry_run == "at first" and not from_s:
            from_s = (int(world.now_s) // HOUR_S + self.rng.randrange(1, 4)) * HOUR_S
        world.terms = replace(before, dry_run=not before.dry_run, metering_from_s=from_s)
        self.containers.clear()
        self.keeper.see_deployment(world.terms)
        self.counts["turns to live" if before.dry_run else "turns to a dry-run"] += 1
        self.counts["cut-overs"] += from_s != before.metering_from_s

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
        """An operator sends usage again that waits or was not billed, often too early or twice."""
        rng = self.rng
        bill = {"BillAt": "now"} if rng.random() < 0.5 else {}
        names = sorted(self.keeper.sight.quarantined())
        wanted = NOT_BILLED if rng.random() < 0.8 else MAY_BE_BILLED
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
        """Go live, let faults stop and all that runs end, and pass time till windows are closed."""
        self.crew.hostile = False
        self.world.calm()
        self.world.land_late_writes()
        self.crew.finish()
        self.buyers.tell_all()
        if self.tale.dry_run != "never" and self.rng.random() < 0.5:
            self.rehearse_for_a_day()
        if self.world.terms.dry_run:
            self.turn()
        self.note("calm")
        calm_s = self.world.now_s
        for number, hours in enumerate(CALM_HOURS):
            if number == LAST_ORDERS_AT:
                self.producers.name_accounts()
                self.last_orders()
            self.world.now_s += hours * HOUR_S
            self.buyers.hear()
            self.tick_in_calm()
        return calm_s

    def rehearse_for_a_day(self) -> None:
        """Let windows close in a dry-run, those of records in calls without an answer too."""
        if not self.world.terms.dry_run:
            self.turn()
        for _ in range(REHEARSAL_TICKS):
            self.world.now_s += REHEARSAL_HOURS * HOUR_S
            self.buyers.hear()
            self.tick_in_calm()

    def last_orders(self) -> None:
        """Let buyers cancel who use to the last; an hour later all of that must be on the bill."""
        leaving = self.buyers.leaving()
        if not leaving:
            return
        for each in leaving:
            self.producers.use(each)
        self.tick_in_calm()
        self.world.now_s += 60
        for each in leaving:
            self.buyers.cancel(each)
        for _ in range(LAST_TICKS):
            self.world.now_s += TICKS_APART_S
            self.buyers.hear()
            self.tick_in_calm()


def run(
    size: "type[Core] | type[Whole]", seed: int, *, without: Collection[int] = ()
) -> Counter[str]:
    """Play one run; a world that cannot even be made is a violation too, one without a story."""
    try:
        return Play(size, seed, without=without).run()
    except Violation:
        raise
    except ERRORS as error:
        raise Violation(f"fails with {error!r}", []) from error
