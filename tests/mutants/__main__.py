"""Try every mutant, and tell which survive: ``make mutants``."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context

import pytest

from tests.mutants.accepted import Change, read_reasons
from tests.mutants.modules import ROOT, pure_modules
from tests.mutants.mutant import Mutant, mutants_of
from tests.mutants.report import NOTICED_PERCENT_MIN, Report
from tests.mutants.trial import Fate, Trial, fate_among

PAGE = ROOT / "docs" / "mutants.md"

TESTS = (
    "test_customers_*.py",
    "test_doctests.py",
    "test_metering_*.py",
    "test_registration_environment.py",
    "test_subscription_*.py",
    "test_versions.py",
)
"""In tests/unit: those that reach the modules. lambdas.variables is read by registration, too."""

RESULTS = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->)", re.DOTALL)


def main() -> int:
    """Try the mutants; exit with 1 if one survives that is not accepted, or too many do."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "word", nargs="?", default="", help="only functions with this in their name"
    )
    parser.add_argument("--write", action="store_true", help=f"put the results into {PAGE.name}")
    wanted = parser.parse_args()

    mutants = [
        mutant for module in pure_modules() for mutant in mutants_of(module, ROOT, wanted.word)
    ]
    fates = tried(mutants)
    if len(fates) < len(mutants):
        return 1
    report = Report(mutants, fates, read_reasons(wanted.word))
    sys.stdout.write(f"\n{report.table()}\n\n")
    if wanted.write and not wanted.word:
        results = f"{measured()}\n\n{report.table()}\n\n## Survivors\n\n{report.survivors()}"
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(RESULTS.sub(lambda _: f"\n{results}\n", page), encoding="utf-8")
    return verdict(report)


def tried(mutants: Sequence[Mutant]) -> list[Fate]:
    """Try mutants in a fork; then, here where no test is imported, what tests import too early."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as fork:
        fates, importers = fork.submit(first_tried, mutants).result()
    for number, (mutant, fate, files) in enumerate(zip(mutants, fates, importers, strict=False)):
        if fate is Fate.SURVIVED and files:
            fates[number] = fate_among(mutant, files)
            told(fates[number])
    return fates


def first_tried(mutants: Sequence[Mutant]) -> tuple[list[Fate], list[set[str]]]:
    """Try mutants in one run of pytest."""
    trial = Trial(mutants, told)
    tests = sorted(str(path) for each in TESTS for path in (ROOT / "tests" / "unit").glob(each))
    pytest.main(["-q", "-s", "--no-summary", "-p", "no:cacheprovider", *tests], plugins=[trial])
    return trial.fates, trial.importers


def told(fate: Fate) -> None:
    """Show that it goes on."""
    sys.stdout.write("s" if fate is Fate.SURVIVED else "·")
    sys.stdout.flush()


def measured() -> str:
    """Write when, of what and how the results were made."""
    commit = git("rev-parse", "--short", "HEAD")
    changed = ", with changes that are not committed" if git("status", "--short") else ""
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}{changed}, `make mutants`:"


def git(*arguments: str) -> str:
    """Ask git about the sources."""
    asked = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return asked.stdout.strip()


def verdict(report: Report) -> int:
    """Say what is wrong with the tests, or with the list of accepted survivors."""
    said = [
        *(f"not accepted: {as_toml(each)}" for each in report.unaccepted()),
        *(f"accepted, but no survivor: {as_toml(each)}" for each in report.outdated()),
        *(f"{name}: fewer than {NOTICED_PERCENT_MIN} % noticed" for name in report.weak()),
    ]
    sys.stdout.write("\n".join(said or ["Every survivor is accepted."]) + "\n")
    return 1 if said else 0


def as_toml(change: Change) -> str:
    """Write a change as accepted.toml has it."""
    return json.dumps([change.function, change.before, change.after], ensure_ascii=False) + ","


if __name__ == "__main__":
    sys.exit(main())
