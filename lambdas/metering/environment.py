"""The environment of the metering function, read once and checked. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lambdas.metering.terms import Terms

NAMES = (
    "USAGE_QUEUE_URL",
    "LEDGER_TABLE",
    "CUSTOMERS_TABLE",
    "METERING_REGION",
    "PRODUCT_CODE",
    "DIMENSIONS",
    "METERING_FROM",
    "ID_MEMORY_HOURS",
    "SETTLE_MINUTES",
    "ENDING_SETTLE_MINUTES",
)
"""Every variable that the stack must set; the last three have defaults."""


class EnvironmentInvalidError(Exception):
    """A variable of the function's environment is missing or malformed: the stack set it wrong."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where things are, and on which terms to meter."""

    queue_url: str
    ledger_table: str
    customers_table: str
    metering_region: str
    terms: Terms


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the function's variables; `EnvironmentInvalidError` names the one that is wrong."""
    standard = Terms()
    return Environment(
        queue_url=_text(variables, "USAGE_QUEUE_URL"),
        ledger_table=_text(variables, "LEDGER_TABLE"),
        customers_table=_text(variables, "CUSTOMERS_TABLE"),
        metering_region=_text(variables, "METERING_REGION"),
        terms=Terms(
            dimensions=_names(variables, "DIMENSIONS"),
            product_code=variables.get("PRODUCT_CODE", ""),
            metering_from_s=_time_s(variables, "METERING_FROM"),
            id_memory_hours=_number(variables, "ID_MEMORY_HOURS", standard.id_memory_hours),
            settle_minutes=_number(variables, "SETTLE_MINUTES", standard.settle_minutes),
            ending_settle_minutes=_number(
                variables, "ENDING_SETTLE_MINUTES", standard.ending_settle_minutes
            ),
        ),
    )


def _text(variables: Mapping[str, str], name: str) -> str:
    if not variables.get(name):
        raise EnvironmentInvalidError(f"{name} is not set")
    return variables[name]


def _number(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name) or str(default)
    if not (text.isascii() and text.isdigit()):
        raise EnvironmentInvalidError(f"{name} is {text!r}, not a whole number such as {default}")
    return int(text)


def _names(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    text = variables.get(name) or "[]"
    try:
        names = json.loads(text)
    except json.JSONDecodeError:
        names = None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise EnvironmentInvalidError(f'{name} is {text!r}, not a list such as ["users"]')
    return tuple(names)


def _time_s(variables: Mapping[str, str], name: str) -> int:
    text = variables.get(name)
    if not text:
        return 0
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise EnvironmentInvalidError(f"{name} is {text!r}, not a time like 2026-12-01T00:00:00Z")
    return int(time.timestamp())
