"""Tables whose rows may have a target: shown in a terminal, written as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rich import box
from rich.console import Console
from rich.table import Table as Shown

NUMBER_CHARS_MAX = 30
"""Columns with longer cells are prose, which is not set to the right."""


class Verdict(StrEnum):
    """Whether a row meets its target."""

    MET = "met"
    MISSED = "MISSED"
    NOT_JUDGED = "not judged"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: its cells, and what was wanted, in words."""

    cells: Sequence[str]
    target: str = ""
    verdict: Verdict = Verdict.NONE


@dataclass(slots=True)
class Table:
    """What one part found out.

    Attributes:
        name: of its place in docs/performance.md.
        title: what it shows.
        columns: what the cells of its rows are.
        note: how to read it, and why what is missed is missed.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: list[Row] = field(default_factory=list)
    note: str = ""

    def add(self, *cells: str, target: str = "", met: bool | None = None) -> None:
        """Add a row; `met` is None where there is no target, or where it is not to be judged."""
        verdict = Verdict.NONE
        if target:
            verdict = Verdict.NOT_JUDGED if met is None else _verdict(met=met)
        self.rows.append(Row(cells, target, verdict))

    @property
    def missed(self) -> list[Row]:
        """The rows that do not meet their targets."""
        return [each for each in self.rows if each.verdict is Verdict.MISSED]

    @property
    def header(self) -> list[str]:
        """The columns, with those of targets where there is one."""
        return [*self.columns, *(("target", "") if any(each.target for each in self.rows) else ())]

    def body(self) -> list[list[str]]:
        """The cells of all rows, as many as the header has."""
        wide = len(self.header) > len(self.columns)
        return [
            [*each.cells, *((each.target, str(each.verdict)) if wide else ())] for each in self.rows
        ]

    @property
    def is_prose(self) -> list[bool]:
        """Of each column, whether it is read from the left, as the first one always is."""
        columns = list(zip(*self.body(), strict=True))[1:]
        return [True, *(max(map(len, cells)) > NUMBER_CHARS_MAX for cells in columns)]

    def show(self, console: Console) -> None:
        """Print it."""
        shown = Shown(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        for column, is_prose in zip(self.header, self.is_prose, strict=True):
            shown.add_column(column, justify="left" if is_prose else "right")
        for cells, row in zip(self.body(), self.rows, strict=True):
            shown.add_row(*cells, style="bold red" if row.verdict is Verdict.MISSED else None)
        console.print(shown)
        if self.note:
            console.print(f"  {self.note}\n", style="dim")

    def markdown(self) -> str:
        """Write it for a page."""
        lines = [
            "| " + " | ".join(self.header) + " |",
            "|" + "|".join("---" if each else "--:" for each in self.is_prose) + "|",
            *("| " + " | ".join(cells) + " |" for cells in self.body()),
        ]
        return "\n".join(lines) + (f"\n\n{self.note}" if self.note else "")


def _verdict(*, met: bool) -> Verdict:
    return Verdict.MET if met else Verdict.MISSED
