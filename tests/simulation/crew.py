"""Functions at work: greenlets that give way at every AWS call, where they may die or meet a fault.

All of them run in one thread; whoever plays decides whose turn it is, and for how many calls.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from greenlet import getcurrent, greenlet

from lambdas.metering.terms import Terms
from sandbox.memory.double import Fault
from tests.simulation.tale import Tale

if TYPE_CHECKING:
    from tests.simulation.core import Core
    from tests.simulation.whole import Whole

    World: TypeAlias = Core | Whole

READS_FAULTED = 0.25
"""Reads that fail for each write that does; there are far more of them, and each ends a tick."""

READ_FAULTS = (Fault.THROTTLED, Fault.INTERNAL_ERROR, Fault.UNREACHABLE, Fault.ANSWER_LOST)
WRITE_FAULTS = (*READ_FAULTS, Fault.LATE, Fault.TWICE)
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "PutEvents"})

TO_THE_END = 100_000
"""More calls than anything here makes."""


class Killed(BaseException):
    """A function dies here."""


@dataclass(eq=False, slots=True)
class Runner:
    """A function under way.

    Attributes:
        name: what the story calls it.
        work: what it does.
        until_s: when it is ended by force, as Lambda does.
        terms: the settings that it was deployed with, if it meters.
    """

    name: str
    work: Callable[[], None]
    until_s: float
    terms: Terms | None
    greenlet: greenlet = field(init=False)
    doomed: bool = False


class Crew:
    """All functions under way, and what AWS does to them.

    Attributes:
        hostile: whether any of them may die or meet a fault.
        spell: whether AWS is in a spell of faults.
    """

    def __init__(self, world: "World", tale: Tale, rng: Random, counts: Counter[str]) -> None:
        self.world = world
        self.tale = tale
        self.rng = rng
        self.counts = counts
        self.main = getcurrent()
        self.runners: list[Runner] = []
        self.running: Runner | None = None
        self.hostile = True
        self.spell = False

    def start(
        self, name: str, work: Callable[[], None], *, lives_s: float, terms: Terms | None = None
    ) -> None:
        """Put somebody to work; nothing is done before its first turn."""
        runner = Runner(name, work, self.world.now_s + lives_s, terms)
        runner.greenlet = greenlet(lambda: self._live(runner))
        self.runners.append(runner)

    def resume(self, runner: Runner, calls: int) -> None:
        """Let one go on for so many AWS calls, or to its end."""
        if self.world.now_s > runner.until_s:
            runner.doomed = True
        self.running = runner
        if runner.terms is not None:
            self.world.keeper.caller = runner.terms
        for _ in range(calls):
            if runner.greenlet.dead:
                break
            runner.greenlet.switch()
        self.running = None
        if runner.greenlet.dead:
            self.runners.remove(runner)
        self.world.keeper.look()

    def finish(self) -> None:
        """Let all of them come to their end, one after the other."""
        while self.runners:
            self.resume(self.runners[0], TO_THE_END)

    def pause(self) -> None:
        """Give way while one sleeps."""
        if self.running is not None:
            self._give_way(self.running)

    def on_call(self, service: str, operation: str) -> Fault | None:
        """Decide what becomes of an AWS call that is about to be made."""
        runner = self.running
        if runner is None:
            return None
        self._give_way(runner)
        if service == "marketplace" or not self.hostile or not self.spell:
            return None
        writes = operation in WRITES
        if self.rng.random() >= self.tale.fault * (1 if writes else READS_FAULTED):
            return None
        fault = self.rng.choice(WRITE_FAULTS if writes else READ_FAULTS)
        self._note(f"{runner.name}: {operation} {fault.name}")
        self.counts[f"fault {service} {fault.name}"] += 1
        return fault

    def on_answer(self, service: str, operation: str) -> None:
        """Decide whether the caller lives to hear the answer."""
        runner = self.running
        if runner is not None and self.hostile and self.rng.random() < self.tale.kill:
            self._kill(runner, f"after {operation}")

    def _live(self, runner: Runner) -> None:
        try:
            runner.work()
        except Killed:
            return

    def _give_way(self, runner: Runner) -> None:
        """Let others run; die if that was decided meanwhile."""
        self.counts["calls"] += 1
        self.main.switch()
        if runner.doomed or (self.hostile and self.rng.random() < self.tale.kill):
            self._kill(runner, "before a call")

    def _kill(self, runner: Runner, where: str) -> None:
        self._note(f"{runner.name} dies {where}")
        self.counts["kills"] += 1
        raise Killed

    def _note(self, line: str) -> None:
        self.world.keeper.note(line)
