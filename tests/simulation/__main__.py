"""Play many runs of the simulation: ``python -m tests.simulation --seeds 1000 --from 0``."""

import argparse
import sys
from collections import Counter
from multiprocessing import Pool, cpu_count

from tests.simulation.invariants import Violation
from tests.simulation.play import Play


def play(seed: int) -> tuple[int, Counter[str], str]:
    """Play one run; the text is the story of a violation, empty if there was none."""
    try:
        return seed, Play(seed).run(), ""
    except Violation as violation:
        return seed, Counter(), str(violation)


def main() -> int:
    """Play, tell what happened, and exit with 1 if any invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many runs")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    totals: Counter[str] = Counter()
    violated: list[int] = []
    with Pool(cpu_count()) as pool:
        for played, (seed, counts, story) in enumerate(pool.imap_unordered(play, seeds), start=1):
            totals += counts
            if story:
                violated.append(seed)
                print(f"\nseed {seed}: {story}\n", file=sys.stderr)
            if played % 100 == 0 or played == len(seeds):
                print(f"{played} of {len(seeds)} seeds, {len(violated)} violated", flush=True)
    for name, count in sorted(totals.items()):
        print(f"{name:45} {count:>12,}")
    if violated:
        print(f"Violated: seeds {sorted(violated)}")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
