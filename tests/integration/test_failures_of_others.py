"""The page of other people's failures and the tests of them name each other."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "failures.md").read_text()
FILES = sorted(HERE.glob("test_failures_of_others_in_*.py"))
SECTIONS = re.findall(r"^Tests in `(tests/.+?)`\.$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
SOURCE = re.compile(r"\[([A-Z][A-Z0-9-]*)\](?!\()")
ONE_OF_MANY = re.compile(r"^(SAMPLE|RH|CQ)-\d+$")
"""Sources that are listed once for all their numbers."""


def rows(section: str) -> list[list[str]]:
    """The rows of a section's table, as lists of cells."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_of_tests(file: Path) -> list[str]:
    """The names of a file's tests, in their order."""
    return [
        each.name
        for each in ast.parse(file.read_text()).body
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
    ]


def test_every_file_of_failures_is_on_the_page_once() -> None:
    assert sorted(path for path, _ in SECTIONS) == [
        str(file.relative_to(HERE.parents[1])) for file in FILES
    ]


@pytest.mark.parametrize(("path", "section"), SECTIONS, ids=[path for path, _ in SECTIONS])
def test_a_failure_on_the_page_has_its_test_and_a_test_its_failure(path: str, section: str) -> None:
    told = [row[-1].strip("`") for row in rows(section)]

    assert told == names_of_tests(HERE.parents[1] / path)


def test_no_test_proves_two_failures() -> None:
    names = [name for file in FILES for name in names_of_tests(file)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", [row for _, section in SECTIONS for row in rows(section)], ids=min)
def test_a_failure_says_who_had_it_and_what_is_done(row: list[str]) -> None:
    failure, who, remedy, _ = row

    assert failure
    assert remedy
    assert SOURCE.search(who), f"{who!r} names no source"


def test_every_source_is_listed_and_every_listed_one_is_used() -> None:
    tables, _, listed = PAGE.partition("## Sources")
    named = {ONE_OF_MANY.sub(r"\1-n", name) for name in SOURCE.findall(tables)}

    assert named - {"LIMIT"} == {row[0] for row in rows(listed)}
