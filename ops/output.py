"""What a command answers: a table for people, JSON for programs; and what it asks."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from ops.errors import OperatorError

PIPE_COLUMNS = 160
"""A pipe has no width; wide enough for a license, an hour and a receipt beside each other."""

Seen = Callable[[int], None]
"""Told how many things have been read so far."""


class Output:
    """Writes answers to the standard output, and everything else to the error output."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._people = _console(stderr=False)
        self._aside = _console(stderr=True)

    def answer(self, value: object, *shown: RenderableType) -> None:
        """Answer: the value for programs, or what is shown to people."""
        if self.as_json:
            typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
            return
        for place, each in enumerate(shown):
            if place and (isinstance(each, Table) or isinstance(shown[place - 1], Table)):
                self._people.print()
            if isinstance(each, str):
                self._people.print(each, markup=False, highlight=False, soft_wrap=True)
            else:
                self._people.print(each)

    def text(self, text: str) -> None:
        """Answer with text as it is."""
        typer.echo(text, nl=False)

    def remark(self, text: str) -> None:
        """Tell a person something that is not part of the answer."""
        if not self.as_json:
            self._aside.print(text, markup=False, highlight=False, soft_wrap=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is billed, or done that cannot be taken back; a no ends all."""
        if yes:
            return
        if self.as_json:
            raise OperatorError("With --json nothing can be asked: add --yes, or --dry-run.")
        typer.confirm(question, abort=True, err=True)

    @contextmanager
    def progress(self, doing: str, things: str = "entries") -> Iterator[Seen]:
        """Show on a terminal how far reading has come."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        silent = not self._aside.is_terminal
        with Progress(*columns, console=self._aside, transient=True, disable=silent) as progress:
            task = progress.add_task(doing)

            def seen(number: int) -> None:
                progress.update(task, description=f"{doing}: {number:,} {things}")

            yield seen


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    if not console.is_terminal:
        console = Console(stderr=stderr, width=PIPE_COLUMNS)
    return console


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, right: str = "") -> Table:
    """Lay out rows; headings named in `right`, a text of words, hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in headings:
        numbers = heading in right.split()
        made.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(each) for each in row))
    return made


def facts(of: Mapping[str, object]) -> Table:
    """Lay out names and values, one pair to a line."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in of.items():
        made.add_row(name, _cell(value))
    return made


def _cell(value: object) -> Text:
    """Write a value; as text of its own, since what a producer wrote is no markup of ours."""
    if value is None:
        return Text()
    return Text(f"{value:,}" if isinstance(value, int) else str(value))
