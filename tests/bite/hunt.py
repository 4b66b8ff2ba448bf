"""Play runs until one violates: ``python -m tests.bite.hunt core 300``, in a copy with a bug.

The last line says after how many runs, and what; the exit status is then `VIOLATED`.
"""

import sys

from tests.bite.bug import VIOLATED
from tests.simulation.__main__ import SIZES, play


def main() -> int:
    """Play, and stop at the first violation."""
    size, seeds = sys.argv[1], int(sys.argv[2])
    assert size in SIZES, f"{size} is not one of {', '.join(SIZES)}"
    for seed in range(seeds):
        _, _, claim = play(size, seed)
        if claim:
            sys.stdout.write(f"{seed + 1} {claim.splitlines()[0]}\n")
            return VIOLATED
    return 0


if __name__ == "__main__":
    sys.exit(main())
