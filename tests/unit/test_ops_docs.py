"""What the documents show of the operator's command is what it understands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ops.arguments import FLAGS, VALUED
from ops.command import app
from ops.doctor import CHECKS
from ops.waiting import MEANINGS

ROOT = Path(__file__).parents[2]
OPERATE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CALL = re.compile(r"(?:uv run |`)marketplace ([^`\n>|;]*)")


def commands(node: Any = None, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that lead to it."""
    node = node or get_command(app)
    if not hasattr(node, "commands"):
        yield path, node
        return
    for name, child in node.commands.items():
        yield from commands(child, *path, name)


COMMANDS = dict(commands())


def shown() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        joined = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for call in CALL.findall(joined):
            yield page.name, " ".join(call.split())


@pytest.mark.parametrize(("page", "call"), sorted(set(shown())))
def test_a_command_that_is_shown_exists_with_its_options(page: str, call: str) -> None:
    words = shlex.split(call)
    path = tuple(words[:2]) if tuple(words[:2]) in COMMANDS else tuple(words[:1])

    assert path in COMMANDS, f"{page} shows marketplace {call}"
    options = {option for each in COMMANDS[path].params for option in each.opts}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= options | VALUED | FLAGS


def test_commands_are_shown() -> None:
    """Guards the pattern: one that finds nothing would let everything pass."""
    assert len(set(shown())) > 20


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_documented(path: tuple[str, ...]) -> None:
    assert f"### {path[0]}\n" in OPERATE
    assert re.search(rf"marketplace {' '.join(path)}\b", OPERATE)


@pytest.mark.parametrize(
    ("path", "option"),
    [
        (path, option)
        for path, command in COMMANDS.items()
        for each in command.params
        for option in each.opts
        if option.startswith("--") and option != "--help"
    ],
)
def test_every_option_is_documented(path: tuple[str, ...], option: str) -> None:
    section = OPERATE.split(f"### {path[0]}\n", 1)[1].split("\n### ", 1)[0]

    assert option in section or option in OPERATE.split("## Commands", 1)[0]


def test_every_option_of_all_commands_is_documented() -> None:
    assert set(re.findall(r"^\| `(--\w+)`", OPERATE.split("## Commands")[0], re.MULTILINE)) == (
        VALUED | FLAGS
    )


def test_every_check_is_documented() -> None:
    section = OPERATE.split("### doctor\n", 1)[1].split("\n### ", 1)[0]

    assert re.findall(r"^\| `([\w ]+)` \|", section, re.MULTILINE) == list(CHECKS)


@pytest.mark.parametrize("state", MEANINGS)
def test_every_state_is_explained_as_it_is_shown(state: str) -> None:
    assert re.search(rf"^{state} +\d+   {MEANINGS[state]}$", OPERATE, re.MULTILINE)
