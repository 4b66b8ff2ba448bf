"""A bug to plant: a small, named change of the sources, applied to a copy of them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

CORE, WHOLE = "core", "whole"
SIZES = frozenset({CORE, WHOLE})

VIOLATED = 10
"""Status of a hunt that caught a bug; neither Python nor pytest ends with it."""

COPIED = ("lambdas", "infra", "sandbox", "tests")
"""What the simulation and the tests of a bug need; the rest stays where it is."""

COPIED_FILES = ("app.py", "cdk.json", "package.json", "pyproject.toml", "uv.lock")


class DoesNotApplyError(Exception):
    """The text that a bug replaces is not, or not once, in its file: the code has moved on."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Another text in one place of one file; whole lines may begin on the next line."""

    file: str
    before: str
    after: str

    def apply(self, root: Path) -> None:
        """Change the file under a folder; raise `DoesNotApplyError` if that is not possible."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        before, after = self.before.removeprefix("\n"), self.after.removeprefix("\n")
        if text.count(before) != 1:
            raise DoesNotApplyError(f"found {text.count(before)} times in {self.file}:\n{before}")
        path.write_text(text.replace(before, after), encoding="utf-8")


class Bug:
    """Something that somebody might simplify, or get wrong.

    Attributes:
        name: what is wrong.
        edits: what makes it so.
        hunters: what should catch it, one after the other: a size of the simulation, or tests.
        form: its number among the simpler forms of docs/design.md, if it is one of them.
    """

    def __init__(
        self,
        name: str,
        *edits: Edit,
        hunters: tuple[str, ...] = (CORE,),
        form: int | None = None,
    ) -> None:
        self.name = name
        self.edits = edits
        self.hunters = hunters
        self.form = form

    def plant(self, root: Path) -> None:
        """Change a copy of the sources."""
        for each in self.edits:
            each.apply(root)


def copy_sources(root: Path, to: Path) -> None:
    """Copy what can be changed and run without touching the sources."""
    skipped = shutil.ignore_patterns("__pycache__", "node_modules")
    for folder in COPIED:
        shutil.copytree(root / folder, to / folder, ignore=skipped, dirs_exist_ok=True)
    for file in COPIED_FILES:
        shutil.copy(root / file, to / file)
