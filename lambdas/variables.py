"""Environment variables, read with a clear error each. Pure: the variables are handed in."""

import json
from collections.abc import Mapping
from datetime import datetime


class EnvironmentInvalidError(Exception):
    """A variable of the function's environment is missing or malformed: the stack set it wrong."""


def text(variables: Mapping[str, str], name: str) -> str:
    """Read a text that must be there."""
    if not variables.get(name):
        raise EnvironmentInvalidError(f"{name} is not set")
    return variables[name]


def whole(variables: Mapping[str, str], name: str, default: int) -> int:
    """Read a whole number."""
    given = variables.get(name) or str(default)
    if not (given.isascii() and given.isdigit()):
        raise EnvironmentInvalidError(f"{name} is {given!r}, not a whole number such as {default}")
    return int(given)


def flag(variables: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Read ``true`` or ``false``."""
    given = variables.get(name) or str(default).lower()
    if given not in ("true", "false"):
        raise EnvironmentInvalidError(f"{name} is {given!r}, neither true nor false")
    return given == "true"


def names(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Read a JSON list of texts; nothing is an empty one."""
    given = variables.get(name) or "[]"
    try:
        found = json.loads(given)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise EnvironmentInvalidError(f'{name} is {given!r}, not a list such as ["users"]')
    return tuple(found)


def time_s(variables: Mapping[str, str], name: str) -> int:
    """Read a time with an offset as seconds since the epoch; nothing is 0."""
    given = variables.get(name)
    if not given:
        return 0
    try:
        time = datetime.fromisoformat(given)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise EnvironmentInvalidError(f"{name} is {given!r}, not a time like 2026-12-01T00:00:00Z")
    return int(time.timestamp())
