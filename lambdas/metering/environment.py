"""The environment of the metering function, read once and checked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lambdas.metering.terms import Terms
from lambdas.variables import EnvironmentInvalidError, names, text, time_s, whole

NAMES = (
    "USAGE_QUEUE_URL",
    "LEDGER_TABLE",
    "CUSTOMERS_TABLE",
    "METERING_REGION",
    "PRODUCT_CODE",
    "DIMENSIONS",
    "METERING",
    "METERING_FROM",
    "ID_MEMORY_HOURS",
    "SETTLE_MINUTES",
    "ENDING_SETTLE_MINUTES",
)
"""Every variable that the stack must set; the last three have defaults."""

LIVE, DRY_RUN = "live", "dry-run"


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
        queue_url=text(variables, "USAGE_QUEUE_URL"),
        ledger_table=text(variables, "LEDGER_TABLE"),
        customers_table=text(variables, "CUSTOMERS_TABLE"),
        metering_region=text(variables, "METERING_REGION"),
        terms=Terms(
            dimensions=names(variables, "DIMENSIONS"),
            product_code=variables.get("PRODUCT_CODE", ""),
            dry_run=_mode(variables) == DRY_RUN,
            metering_from_s=time_s(variables, "METERING_FROM"),
            id_memory_hours=whole(variables, "ID_MEMORY_HOURS", standard.id_memory_hours),
            settle_minutes=whole(variables, "SETTLE_MINUTES", standard.settle_minutes),
            ending_settle_minutes=whole(
                variables, "ENDING_SETTLE_MINUTES", standard.ending_settle_minutes
            ),
        ),
    )


def _mode(variables: Mapping[str, str]) -> str:
    mode = variables.get("METERING") or LIVE
    if mode not in (LIVE, DRY_RUN):
        raise EnvironmentInvalidError(f"METERING is {mode!r}, neither {LIVE} nor {DRY_RUN}")
    return mode
