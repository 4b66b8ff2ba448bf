"""The runbook's commands can be typed: they exist, and take what they are given."""

import re
import shlex
from pathlib import Path

import botocore.session
import pytest
import typer
from botocore import xform_name

from ops.command import app

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
SHELL = "\n".join(re.findall(r"^ *```sh\n(.*?)^ *```$", RUNBOOK, re.MULTILINE | re.DOTALL))
LINES = SHELL.replace("\\\n", " ").replace('\n  --query "Stacks', ' --query "Stacks')
INLINE = re.findall(r"`((?:uv run marketplace|aws) [^`]+)`", " ".join(RUNBOOK.split()))
GLOBAL_OPTIONS = {"--output", "--query", "--region", "--max-results"}
"""Of the AWS CLI itself; the model of an operation has its own besides."""

session = botocore.session.get_session()


def commands(beginning: str) -> list[str]:
    """Everything in the runbook that begins like this, wherever in a line."""
    found = [
        match
        for line in LINES.splitlines()
        for match in re.findall(rf"(?:^|[\s(]){beginning}(?: [^;|]+)?", line)
    ]
    return [each.strip(" (") for each in found] + [
        each for each in INLINE if each.startswith(beginning)
    ]


MARKETPLACE = commands("uv run marketplace")
AWS = [each for each in commands("aws") if not each.startswith("aws:")]


@pytest.mark.parametrize("line", MARKETPLACE)
def test_a_command_for_the_operator_exists(line: str) -> None:
    group = typer.main.get_command(app)
    words = shlex.split(line)[3:]
    command = group
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, line
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}

    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("line", AWS)
def test_a_command_of_aws_exists(line: str) -> None:
    _, service, operation, *_ = line.split()
    model = session.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[operation]).input_shape
    assert shape is not None
    members = {f"--{xform_name(name, '-')}" for name in shape.members}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line))

    assert used - GLOBAL_OPTIONS <= members


def test_the_runbook_shows_commands_of_both() -> None:
    assert len(MARKETPLACE) > 15
    assert len(AWS) > 15
