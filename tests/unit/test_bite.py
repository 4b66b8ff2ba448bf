"""The planted bugs of `make bite` still fit the sources."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bite.__main__ import BUGS, ROOT, Catch, check_tests_pass, hunt
from tests.bite.bug import SIZES, Bug, DoesNotApplyError, Edit


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_applies_to_the_sources(bug: Bug, tmp_path: Path) -> None:
    for each in bug.edits:
        copy = tmp_path / each.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            copy.write_text((ROOT / each.file).read_text(encoding="utf-8"), encoding="utf-8")

    bug.plant(tmp_path)

    # A name that does not exist would be caught for the wrong reason.
    ruff = [sys.executable, "-m", "ruff", "check", "--quiet", "--isolated", "--select=F821"]
    said = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_hunted_by_what_exists(bug: Bug) -> None:
    for hunter in set(bug.hunters) - SIZES:
        file, _, test = hunter.partition("::")

        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_simpler_form_is_planted() -> None:
    assert {bug.form for bug in BUGS} - {None} == set(range(1, 23))


def test_no_two_bugs_have_one_name() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("text", ["nothing of it", "twice, twice"])
def test_a_bug_that_no_longer_applies_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(text)

    with pytest.raises(DoesNotApplyError):
        Edit("code.py", "twice", "once").apply(tmp_path)


def test_a_hunter_that_takes_too_long_has_caught_nothing() -> None:
    bug = Bug("none", hunters=("core",))

    assert hunt(bug, hunt_s_max=0.01) == Catch(bug, claim="core was not over after 0.01 s")


def test_nothing_is_hunted_with_tests_that_do_not_pass_without_a_bug() -> None:
    bug = Bug("none", hunters=("tests/unit/test_bite.py::test_there_is_none",))

    with pytest.raises(SystemExit, match="test_there_is_none"):
        check_tests_pass([bug])
