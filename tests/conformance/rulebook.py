"""The form of a rule: a test whose name is the rule, with its sources, and the readings it is for.

    @rule(says("BatchMeterUsage", "Usage records aren't accepted 24 hours or more after an event"))
    @under(window_hours=24)
    def test_usage_of_24_hours_ago_is_out_of_bounds(stage: Stage) -> None: ...

A rule that takes the `service` fixture can be put to AWS itself; one that takes the `stage` needs
an emulator, because it buys, moves the clock, breaks things, or would be billed.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest

from tests.conformance.citations import Source

FOLDER = Path(__file__).parent
Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Mode:
    """How an emulator is to be started: pairs of a reading or a setting, and its value."""

    options: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.options) or "as-modelled"


# What is no reading of AWS's pages, but says where the caller runs, or how strict the clock is.
SETTINGS = frozenset({"platform", "resource_region", "throttling"})
AS_MODELLED = Mode()
# Files with rules of the suite itself.
OWN = frozenset({"test_harmless", "test_rule_book"})


def rule(*sources: Source) -> Callable[[Test], Test]:
    """Make a test a rule, with everything that says so."""
    assert sources, "A rule without a source is an opinion"
    mark: Callable[[Test], Test] = pytest.mark.rule(sources=sources)
    return mark


def under(**readings: object) -> Callable[[Test], Test]:
    """Put a rule to emulators of these readings; to each of several, given as a tuple."""
    values = [value if isinstance(value, tuple) else (value,) for value in readings.values()]
    modes = [Mode(tuple(zip(readings, chosen, strict=True))) for chosen in product(*values)]
    mark: Callable[[Test], Test] = pytest.mark.parametrize("stage", modes, indirect=True, ids=str)
    return mark


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the rule book."""

    module: str
    name: str
    sources: tuple[Source, ...]
    modes: tuple[Mode, ...]
    harmless: bool


def modules() -> Iterator[tuple[str, ModuleType]]:
    """The files of the suite that have rules of AWS, by name."""
    for path in sorted(FOLDER.glob("test_*.py")):
        if path.stem not in OWN:
            yield path.stem, importlib.import_module(f"tests.conformance.{path.stem}")


def rules() -> Iterator[Rule]:
    """Every rule of the suite, in the order of the files and within a file."""
    for file, module in modules():
        for name, test in vars(module).items():
            marks = {mark.name: mark for mark in getattr(test, "pytestmark", ())}
            if name.startswith("test_") and "rule" in marks:
                yield Rule(
                    module=file,
                    name=name,
                    sources=marks["rule"].kwargs["sources"],
                    modes=tuple(_modes(test)),
                    harmless="stage" not in inspect.signature(test).parameters,
                )


def _modes(test: Any) -> Iterator[Mode]:
    for mark in test.pytestmark:
        if mark.name == "parametrize" and mark.args[0] == "stage":
            yield from mark.args[1]


def book() -> str:
    """The rule book as a page: every rule, its readings and its sources."""
    lines = [
        "# The rules of AWS Marketplace that the suite checks",
        "",
        "Written by `python -m tests.conformance.rulebook`; a test holds this page to the tests.",
        "**AWS** says whether the rule is put to AWS too, when the suite runs against it.",
    ]
    module = ""
    for each in rules():
        if each.module != module:
            module = each.module
            heading = module.removeprefix("test_").replace("_", " ").capitalize()
            lines += [
                "",
                f"## {heading}",
                "",
                "| rule | readings | AWS | source |",
                "|---|---|---|---|",
            ]
        claim = each.name.removeprefix("test_").replace("_", " ")
        modes = "<br>".join(map(str, each.modes)).replace("|", "\\|")
        sources = "<br>".join(map(str, each.sources)).replace("|", "\\|")
        lines.append(f"| {claim} | {modes} | {'yes' if each.harmless else 'no'} | {sources} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (FOLDER / "RULES.md").write_text(book())
