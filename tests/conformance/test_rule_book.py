"""The suite holds itself to its word: sources say so, no reading is left out."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import botocore
import pytest

from sandbox.marketplace.rules import Readings
from tests.conformance.citations import BOTOCORE, PAGES, Constraint, Page, Words
from tests.conformance.rulebook import FOLDER, SETTINGS, Mode, book, modules, rules

DOCS = (Path(__file__).parents[2] / "docs" / "marketplace.md").read_text()
RULES = list(rules())
CITED = sorted({source for rule in RULES for source in rule.sources}, key=str)
FROM_THE_MODEL = [source for source in CITED if isinstance(source, Words | Constraint)]
# Which of the emulator's readings settle what docs/marketplace.md lists as contradictions. What no
# reading settles is either something the endpoint never sees, or is checked as the shape has it.
SETTLED_BY = {
    "answer to an identical record sent again": "identical_resend",
    "de-duplication": "same_time",
    "window": "window_hours",
    "tags": "tag_keys",
    "tag value": None,
    "code and license together": "code_with_license",
    "form of a license ARN": None,
    "an hour after cancellation": None,
    "life of a registration token": "token_minutes",
    "a token that comes again": "resubmission",
    "sellers of older products hear": "legacy_channels",
}
# About notifications, which this suite does not look at.
NOT_OF_THE_API = {"legacy_channels"}


def rows(heading: str) -> dict[str, str]:
    """First and second column of the table of docs/marketplace.md with this first heading."""
    _, _, table = DOCS.partition(f"\n| {heading} |")
    lines = table.split("\n\n")[0].splitlines()[2:]
    cells = [line.split("|") for line in lines]
    return {each[1].strip(): each[2].strip() for each in cells}


def values(reading: str) -> set[object]:
    """The values the emulator knows for a reading."""
    kind: Any = get_type_hints(Readings)[reading]
    return {True, False} if kind is bool else set(get_args(kind))


@pytest.mark.parametrize("source", FROM_THE_MODEL, ids=str)
def test_the_service_model_says_what_is_cited(source: Words | Constraint) -> None:
    assert source.holds()


def test_the_cited_version_of_botocore_is_the_one_in_use() -> None:
    assert botocore.__version__ == BOTOCORE


@pytest.mark.parametrize(
    "source", [source for source in CITED if isinstance(source, Page)], ids=str
)
def test_a_cited_page_has_an_address(source: Page) -> None:
    assert PAGES.get(source.name, source.name).startswith("https://")


def test_a_page_has_the_same_address_in_the_docs() -> None:
    told = {name: re.findall(r"https://\S+", where) for name, where in rows("name").items()}

    assert {
        name: where for name, where in PAGES.items() if told.get(name, [where]) != [where]
    } == {}


def test_every_page_is_cited() -> None:
    assert PAGES.keys() == {s.name for s in CITED if isinstance(s, Page)} & PAGES.keys()


def test_every_test_is_a_rule_with_a_source() -> None:
    ruled = {(rule.module, rule.name) for rule in RULES}
    tests = {
        (name, test)
        for name, module in modules()
        for test in vars(module)
        if test.startswith("test_")
    }

    assert tests == ruled


def test_the_rule_book_is_current() -> None:
    assert (FOLDER / "RULES.md").read_text() == book(), "python -m tests.conformance.rulebook"


def test_every_reading_is_put_to_the_test_in_each_of_its_values() -> None:
    chosen: dict[str, set[object]] = {}
    for mode in {mode for rule in RULES for mode in rule.modes}:
        for name, value in mode.options:
            chosen.setdefault(name, set()).add(value)

    known = {field.name: values(field.name) for field in fields(Readings)}
    asked = {name: found for name, found in chosen.items() if name not in SETTINGS}
    assert asked == {name: found for name, found in known.items() if name not in NOT_OF_THE_API}


def test_every_contradiction_that_the_docs_list_is_accounted_for() -> None:
    assert rows("question").keys() == SETTLED_BY.keys()
    assert {name for name in SETTLED_BY.values() if name} <= {f.name for f in fields(Readings)}


def test_a_mode_is_named_by_its_readings() -> None:
    assert (
        str(Mode((("same_time", "hour"), ("window_hours", 6)))) == "same_time=hour,window_hours=6"
    )
