"""The environments of the subscription functions, read once and checked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lambdas.subscription.events import Rules
from lambdas.variables import EnvironmentInvalidError, flag, names, text

NAMES = {
    "subscription": (
        *("CUSTOMERS_TABLE", "EVENT_BUS", "CONTRACTS", "PRODUCT_IDS", "CONCURRENT_AGREEMENTS"),
    ),
    "sweep": ("CUSTOMERS_TABLE", "REGISTRATIONS_TABLE", "EVENT_BUS"),
    "reconciliation": (
        *("CUSTOMERS_TABLE", "EVENT_BUS", "CONTRACTS", "PRODUCT_IDS", "PRODUCT_CODE"),
        "RECONCILIATION",
    ),
}
"""Every variable that the stack must set, by function."""

REPAIR, REPORT = "repair", "report"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where things are, and how this seller's customers are kept.

    Attributes:
        customers_table: its name.
        event_bus: where the seller's own systems listen.
        registrations_table: its name; only for the sweep, which looks after its outbox too.
        contracts: whether to keep what contracts give.
        rules: which products are ours, and how their customers are named.
        product_code: of customers that reconciliation brings in.
        repairs: whether reconciliation mends what it finds, or reports it only.
    """

    customers_table: str
    event_bus: str
    registrations_table: str
    contracts: bool
    rules: Rules
    product_code: str
    repairs: bool


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read a function's variables; `EnvironmentInvalidError` names the one that is wrong."""
    mode = variables.get("RECONCILIATION") or REPORT
    if mode not in (REPAIR, REPORT):
        raise EnvironmentInvalidError(f"RECONCILIATION is {mode!r}, neither repair nor report")
    return Environment(
        customers_table=text(variables, "CUSTOMERS_TABLE"),
        event_bus=text(variables, "EVENT_BUS"),
        registrations_table=variables.get("REGISTRATIONS_TABLE", ""),
        contracts=flag(variables, "CONTRACTS", default=False),
        rules=Rules(
            product_ids=names(variables, "PRODUCT_IDS"),
            concurrent_agreements=flag(variables, "CONCURRENT_AGREEMENTS", default=True),
        ),
        product_code=variables.get("PRODUCT_CODE", ""),
        repairs=mode == REPAIR,
    )
