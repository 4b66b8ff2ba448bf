"""Plant every bug in turn, in a copy of the sources, and see what catches it: ``make bite``.

A test that fails anyway would catch everything, so first all tests must pass without a bug.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from tests.bite import counting, rehearsing, sealing, sending, speaking, telling
from tests.bite.bug import CORE, SIZES, VIOLATED, WHOLE, Bug, copy_sources

ROOT = Path(__file__).parents[2]
BUGS = (
    *counting.BUGS,
    *sealing.BUGS,
    *sending.BUGS,
    *rehearsing.BUGS,
    *speaking.BUGS,
    *telling.BUGS,
)

SEEDS_MAX = {CORE: 2000, WHOLE: 200}
"""Runs that a bug may survive: as many as CI plays."""

HUNT_S_MAX = 600
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
WIDTH = 240
"""Of the table where there is no terminal: a row is a line, as docs/simulation.md wants it."""


@dataclass(frozen=True, slots=True)
class Catch:
    """What caught a bug, after how many runs of the simulation; nothing if it survived.

    The claim is what the bug violated, or why a hunter of one that survived came to no end.
    """

    bug: Bug
    hunter: str = ""
    runs: int = 0
    claim: str = ""


def check_tests_pass(bugs: Iterable[Bug]) -> None:
    """Run the tests that hunt bugs where there are none; exit with 1 if any does not pass."""
    tests = dict.fromkeys(hunter for bug in bugs for hunter in bug.hunters if hunter not in SIZES)
    if not tests:
        return
    with TemporaryDirectory(prefix="bite-") as folder:
        copy_sources(ROOT, Path(folder))
        try:
            ran = run([*PYTEST, *tests], folder)
        except subprocess.TimeoutExpired:
            sys.exit(f"Without a bug, the tests were not over after {HUNT_S_MAX} s")
        if ran.returncode:
            sys.exit(f"Without a bug, not all tests pass:\n{ran.stdout}{ran.stderr}")


def hunt(bug: Bug, hunt_s_max: float = HUNT_S_MAX) -> Catch:
    """Plant a bug and let its hunters have it, one after the other.

    A hunter that takes too long has caught nothing: the machine may be slow.
    """
    too_long = ""
    with TemporaryDirectory(prefix="bite-") as folder:
        copy_sources(ROOT, Path(folder))
        bug.plant(Path(folder))
        for hunter in bug.hunters:
            if hunter in SIZES:
                command = ["-m", "tests.bite.hunt", hunter, str(SEEDS_MAX[hunter])]
            else:
                command = [*PYTEST, "-x", hunter]
            try:
                ran = run(command, folder, hunt_s_max)
            except subprocess.TimeoutExpired:
                too_long = f"{hunter.rpartition('::')[2]} was not over after {hunt_s_max} s"
                continue
            if ran.returncode == VIOLATED:
                runs, _, claim = ran.stdout.strip().splitlines()[-1].partition(" ")
                return Catch(bug, hunter, int(runs), claim.partition(":")[0])
            if ran.returncode == pytest.ExitCode.TESTS_FAILED and hunter not in SIZES:
                return Catch(bug, hunter.partition("::")[2])
            if ran.returncode:
                sys.exit(f"{bug.name}: {hunter} did not run\n{ran.stdout}{ran.stderr}")
    return Catch(bug, claim=too_long)


def run(
    command: list[str], folder: str, run_s_max: float = HUNT_S_MAX
) -> subprocess.CompletedProcess[str]:
    """Run Python in a copy of the sources, and in nothing else."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": folder},
        capture_output=True,
        text=True,
        timeout=run_s_max,
        check=False,
    )


def main() -> int:
    """Hunt all bugs, or those whose name has a word; exit with 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.bite", description=__doc__)
    parser.add_argument("word", nargs="?", default="", help="only bugs with this in their name")
    wanted = [bug for bug in BUGS if parser.parse_args().word in bug.name]
    check_tests_pass(wanted)
    table = Table("bug", "form", "caught by", "runs", "what it violates", box=MARKDOWN)
    survived = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for catch in pool.map(hunt, wanted):
            survived += not catch.hunter
            form = str(catch.bug.form or "")
            caught = catch.hunter or "[bold red]survived[/]"
            table.add_row(catch.bug.name, form, caught, str(catch.runs or ""), catch.claim)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    console.print(f"{len(wanted)} bugs, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
