"""Play many runs of the simulation: ``python -m tests.simulation --size core --seeds 1000``."""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.core import Core
from tests.simulation.invariants import Violation
from tests.simulation.play import run
from tests.simulation.shrink import shrink
from tests.simulation.whole import Whole

SIZES: dict[str, type[Core] | type[Whole]] = {"core": Core, "whole": Whole}
SHRUNK_MAX = 3
"""Violations that are told with a short run each; of the others only the claim."""


def play(size: str, seed: int) -> tuple[int, Counter[str], str]:
    """Play one run; the text is the claim that was violated, empty if there was none."""
    try:
        return seed, run(SIZES[size], seed), ""
    except Violation as violation:
        return seed, Counter(), violation.claim


def main() -> int:
    """Play, tell what happened, and exit with 1 if any invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="core", help="of the world (core)")
    parser.add_argument("--seeds", type=int, default=1000, help="how many runs (1000)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed (0)")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    totals: Counter[str] = Counter()
    violated: list[int] = []
    # A process that dies ends all of it, where a pool of multiprocessing waits for it for ever.
    with ProcessPoolExecutor() as pool:
        runs = pool.map(partial(play, arguments.size), seeds, chunksize=5)
        for played, (seed, counts, claim) in enumerate(runs, start=1):
            totals += counts
            if claim:
                violated.append(seed)
                print(f"seed {seed}: {claim}", file=sys.stderr)
                if len(violated) <= SHRUNK_MAX:
                    print(f"\n{shrink(SIZES[arguments.size], seed)}\n", file=sys.stderr)
            if played % 500 == 0 or played == len(seeds):
                print(f"{played} of {len(seeds)} seeds, {len(violated)} violated", flush=True)
    for name, count in sorted(totals.items()):
        print(f"{name:45} {count:>13,}")
    if violated:
        print(f"Violated: seeds {sorted(violated)}")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
