"""Find a short run that still violates: end it earlier, then leave out steps that do not matter."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.invariants import Violation
from tests.simulation.play import run

if TYPE_CHECKING:
    from tests.simulation.core import Core
    from tests.simulation.whole import Whole

RUNS_MAX = {"core": 300, "whole": 40}
"""Some ten seconds for the first, a minute for the second."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A run that violates an invariant, and can hardly be shorter."""

    seed: int
    played: int
    violation: Violation

    def __str__(self) -> str:
        return f"seed {self.seed}, shrunk to {self.played} steps: {self.violation}"


def shrink(size: "type[Core] | type[Whole]", seed: int) -> Shrunk:
    """Play a run that violates again and again, with fewer and fewer of its steps.

    Any violation will do: a shorter story is worth more than the same one.
    """
    kept = list(range(1, size.steps + 1))
    violation = _violation(size, seed, kept)
    assert violation is not None, f"seed {seed} violates nothing"
    runs, part = 0, len(kept) // 2
    while part and runs < RUNS_MAX[size.name]:
        # From the end, since what comes last matters least.
        for at in range(len(kept) - part, -part, -part):
            fewer = kept[: max(at, 0)] + kept[at + part :]
            runs += 1
            found = _violation(size, seed, fewer)
            if found is not None:
                kept, violation = fewer, found
            if runs >= RUNS_MAX[size.name]:
                break
        part //= 2
    return Shrunk(seed, len(kept), violation)


def _violation(
    size: "type[Core] | type[Whole]", seed: int, kept: Collection[int]
) -> Violation | None:
    without = set(range(1, size.steps + 1)) - set(kept)
    try:
        run(size, seed, without=without)
    except Violation as violation:
        return violation
    return None
