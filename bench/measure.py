"""CPU times, taken side by side; of several, the least is nearest to the truth."""

import gc
import time
from collections.abc import Callable, Mapping

Prepared = Callable[[], None]
"""What is timed; made afresh, untimed, for every repetition."""


def cpu_s(work: Prepared) -> float:
    """Run something and tell its CPU time.

    What was made before, for the bench and not by the work, is no matter of the garbage collector
    meanwhile: it would look through it again and again at the expense of the work.
    """
    gc.collect()
    gc.freeze()
    before = time.process_time()
    work()
    spent = time.process_time() - before
    gc.unfreeze()
    return spent


def in_turns(
    candidates: Mapping[str, Callable[[], Prepared]], *, rounds: int
) -> dict[str, list[float]]:
    """Time some candidates in turns, each as often, in every round in another order."""
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(rounds):
        at = number % len(names)
        for name in names[at:] + names[:at]:
            spent[name].append(cpu_s(candidates[name]()))
    return spent


def ratio(spent: Mapping[str, list[float]], one: str, other: str) -> float:
    """Compare two candidates at their best: whatever else the machine does can only add."""
    return min(spent[one]) / min(spent[other])
