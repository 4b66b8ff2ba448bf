"""`python -m bench`: see `bench/__init__.py`."""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console

from bench.cold import cold
from bench.cost import cost
from bench.cpu import cpu
from bench.idle import idle
from bench.page import PAGE, machine, write
from bench.reach import reach
from bench.scale import scale
from bench.submission import submission
from bench.table import Table

PARTS = ("cold", "cpu", "cost", "idle", "scale", "submission", "reach")


def main() -> int:
    """Run the parts, show their tables, and tell by the exit status whether all targets are met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Cost and speed.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all")
    parser.add_argument("--quick", action="store_true", help="small sizes; targets not judged")
    parser.add_argument("--no-large", action="store_true", help="leave out 10 million events")
    parser.add_argument("--write", action="store_true", help="keep the tables in the docs")
    options = parser.parse_args()
    unknown = [each for each in options.parts if each not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if options.write and options.quick:
        parser.error("numbers of a quick run are not for the docs")
    console = Console()
    ran = machine(datetime.now(UTC).date())
    runs: dict[str, Callable[[], list[Table]]] = {
        "cold": lambda: cold(quick=options.quick),
        "cpu": lambda: cpu(quick=options.quick),
        "cost": lambda: cost(quick=options.quick),
        "idle": lambda: idle(quick=options.quick),
        "scale": lambda: scale(quick=options.quick, large=not options.no_large),
        "submission": lambda: submission(quick=options.quick),
        "reach": reach,
    }
    tables: list[Table] = []
    for name in options.parts or PARTS:
        began = time.monotonic()
        with console.status(f"{name}…"):
            found = runs[name]()
        for each in found:
            each.show(console)
        console.print(f"  {name} took {time.monotonic() - began:.0f} s\n", style="dim")
        tables += found
        if options.write:
            homeless = write(found, ran)
            if homeless:
                parser.error(f"{PAGE.name} has no place for {', '.join(homeless)}")
    return _verdict(console, tables, ran, quick=options.quick)


def _verdict(console: Console, tables: list[Table], ran: str, *, quick: bool) -> int:
    missed = [f"{each.title}: {row.cells[0]}" for each in tables for row in each.missed]
    console.print(ran)
    if quick:
        console.print("A quick run: sizes are small, and targets that depend on them not judged.")
    for each in missed:
        console.print(f"Target missed: {each}", style="bold red")
    if not missed:
        console.print("Every target that was judged is met.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
