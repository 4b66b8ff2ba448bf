"""The survivors that are accepted, each under the reason for it: accepted.toml beside this."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

WRITTEN = Path(__file__).with_name("accepted.toml")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """What a mutant changes, in words that outlive edits elsewhere in its file.

    Attributes:
        function: the function or method, with its module.
        before: the lines that differ, as they are.
        after: as the mutant has them.
    """

    function: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some mutants may survive."""

    why: str
    survivors: tuple[Change, ...]


def read_reasons(word: str = "") -> list[Reason]:
    """Read the accepted survivors of the functions that have a word in their name."""
    written = tomllib.loads(WRITTEN.read_text(encoding="utf-8"))["reason"]
    return [
        Reason(
            each["why"],
            tuple(Change(*change) for change in each["survivors"] if word in change[0]),
        )
        for each in written
    ]
