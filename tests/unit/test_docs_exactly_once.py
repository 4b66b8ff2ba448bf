"""The page on exactly once names what proves it: every row a test, and every test one that exists.

Its links and anchors are held to what they lead to with those of all pages, in `test_docs.py`.
"""

import ast
import re
from functools import cache
from itertools import chain

import pytest

from tests.unit.test_docs import DOCS, ROOT, rows

PAGE = (DOCS / "exactly-once.md").read_text()
FUNCTIONS = ("A tick", "Registration", "Subscription")
POINTS = list(
    chain.from_iterable(
        rows(PAGE.split(f"### {heading}\n")[1].partition("\n#")[0], "it dies")
        for heading in FUNCTIONS
    )
)
NAMED = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")
"""The name of a test, and the file that its link leads to."""


@cache
def named_in(file: str) -> set[str]:
    """The tests that a file defines, whatever they are parametrized with."""
    tree = ast.parse((ROOT / file).read_text())
    names = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    return {name for name in names if name.startswith("test_")}


@pytest.mark.parametrize("cells", POINTS, ids=lambda cells: cells[0])
def test_a_point_of_death_names_tests_that_exist(cells: list[str]) -> None:
    named = NAMED.findall(cells[2])

    assert named
    assert [(name, file) for name, file in named if name not in named_in(file)] == []


def test_every_test_of_a_death_is_named() -> None:
    walks = sorted((ROOT / "tests" / "integration").glob("test_*_crash_*.py"))
    known = {name for path in walks for name in named_in(str(path.relative_to(ROOT)))}

    assert known - {name for name, _ in NAMED.findall(PAGE)} == set()
