"""TransactWriteItems: all of its writes, or none and the reasons, once per request token."""

from collections.abc import Callable

import msgspec

from sandbox.memory.attributes import invalid, stored_item
from sandbox.memory.double import Params, ServiceError
from sandbox.memory.table import Table, write_units
from sandbox.memory.writes import CONDITION_FAILED, PLANS, ConditionFailedError, Write

# API reference, TransactWriteItems.
ACTIONS_MAX = 100
ITEMS_BYTES_MAX = 4 * 1024 * 1024
TOKEN_SECONDS = 10 * 60
# "Read and write operations", developer guide: a transaction writes everything twice.
UNITS_FACTOR = 2

Plan = Write | ConditionFailedError


def planned(params: Params, table_of: Callable[[str], Table]) -> list[tuple[Table, Plan]]:
    """What each action would do by itself; a request that no state could satisfy is refused."""
    actions = [_only(entry) for entry in params["TransactItems"]]
    if len(actions) > ACTIONS_MAX:
        raise invalid(
            "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "
            "Member must have length less than or equal to 100"
        )
    tables = [table_of(request["TableName"]) for _, request in actions]
    targets = set()
    for table, (action, request) in zip(tables, actions, strict=True):
        key = stored_item(request["Item" if action == "Put" else "Key"])
        targets.add((table.name, table.key_of(key)))
    if len(targets) < len(actions):
        raise invalid("Transaction request cannot include multiple operations on one item")
    plans = [
        (table, _plan(table, action, request))
        for table, (action, request) in zip(tables, actions, strict=True)
    ]
    writes = [plan for _, plan in plans if isinstance(plan, Write)]
    if sum(write.new.bytes for write in writes if write.new) > ITEMS_BYTES_MAX:
        raise invalid("Transaction size exceeded 4 MB")
    return plans


def _only(entry: dict[str, Params]) -> tuple[str, Params]:
    if len(entry) != 1:
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    [(action, request)] = entry.items()
    return action, request


def _plan(table: Table, action: str, request: Params) -> Plan:
    try:
        return PLANS[action](table, request)
    except ConditionFailedError as failed:
        return failed


def units(plan: Plan) -> int:
    """Write request units of one action; a failed condition costs a look at what was there."""
    alone = plan.units if isinstance(plan, Write) else write_units(plan.old_bytes)
    return UNITS_FACTOR * alone


def require_all(plans: list[tuple[Table, Plan]]) -> list[Write]:
    """The writes, if every condition holds; else the cancellation with a reason for each."""
    writes = [plan for _, plan in plans if isinstance(plan, Write)]
    if len(writes) == len(plans):
        return writes
    reasons = [
        {"Code": "None"}
        if isinstance(plan, Write)
        else {"Code": "ConditionalCheckFailed", "Message": CONDITION_FAILED, **plan.fields}
        for _, plan in plans
    ]
    message = (
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        f"[{', '.join(str(reason['Code']) for reason in reasons)}]"
    )
    raise ServiceError(
        400,
        "TransactionCanceledException",
        message,
        Message=message,
        CancellationReasons=reasons,
    )


class Tokens:
    """The request tokens of the last ten minutes: the same request again does nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, bytes]] = {}

    def repeats(self, params: Params, now: float) -> bool:
        """Whether this very request was done before; another one under its token is refused."""
        seen_at, seen = self._seen.get(params.get("ClientRequestToken", ""), (float("-inf"), b""))
        if now - seen_at > TOKEN_SECONDS:
            return False
        if seen != msgspec.json.encode(params["TransactItems"]):
            raise ServiceError(
                400,
                "IdempotentParameterMismatchException",
                "The request token was used with other parameters",
            )
        return True

    def remember(self, params: Params, now: float) -> None:
        """Note a request that was done."""
        token = params.get("ClientRequestToken")
        if token:
            while self._seen and now - next(iter(self._seen.values()))[0] > TOKEN_SECONDS:
                self._seen.pop(next(iter(self._seen)))
            self._seen[token] = (now, msgspec.json.encode(params["TransactItems"]))
