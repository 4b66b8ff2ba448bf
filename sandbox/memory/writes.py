"""One write, planned: which row becomes which, or why not. Nothing is changed here.

A write alone and a write in a transaction are planned by the same functions, so they cannot
differ; only who applies the plan does.
"""

from collections.abc import Callable
from typing import NamedTuple

from sandbox.memory.attributes import ITEM_BYTES_MAX, Item, invalid, stored_item
from sandbox.memory.documents import project
from sandbox.memory.double import Params, ServiceError
from sandbox.memory.requests import Expressions, bind
from sandbox.memory.table import PrimaryKey, Row, Table, row

CONDITION_FAILED = "The conditional request failed"


class ConditionFailedError(ServiceError):
    """The condition of a write does not hold; `old_bytes` is what looking at it cost."""

    def __init__(self, old: Row | None, *, show_item: bool) -> None:
        fields = {"Item": old.item} if old and show_item else {}
        super().__init__(400, "ConditionalCheckFailedException", CONDITION_FAILED, **fields)
        self.old_bytes = old.bytes if old else 0


class Write(NamedTuple):
    """A row that becomes another one; None is no row."""

    table: Table
    primary: PrimaryKey
    old: Row | None
    new: Row | None
    expressions: Expressions

    @property
    def units(self) -> int:
        """Write request units, indexes included."""
        return self.table.write_units(self.old, self.new)

    def returned(self, wanted: str) -> Item | None:
        """What the caller asked to see of it with ReturnValues."""
        side = self.old if wanted.endswith("OLD") else self.new
        if wanted == "NONE" or side is None:
            return None
        if wanted.startswith("UPDATED"):
            paths = self.expressions.update.paths if self.expressions.update else ()
            return project(side.item, paths) or None
        return side.item


def put(table: Table, params: Params) -> Write:
    """Replace a whole item."""
    item = stored_item(params["Item"])
    primary = table.key_of(item)
    table.require_indexable(item)
    new = row(item)
    if new.bytes > ITEM_BYTES_MAX:
        raise invalid("Item size has exceeded the maximum allowed size")
    expressions = bind(params)
    return Write(table, primary, _checked(table, primary, params, expressions), new, expressions)


def delete(table: Table, params: Params) -> Write:
    """Remove an item, if it is there."""
    primary = table.primary_key(stored_item(params["Key"]))
    expressions = bind(params)
    return Write(table, primary, _checked(table, primary, params, expressions), None, expressions)


def check(table: Table, params: Params) -> Write:
    """Change nothing, on a condition: for transactions."""
    primary = table.primary_key(stored_item(params["Key"]))
    expressions = bind(params)
    old = _checked(table, primary, params, expressions)
    return Write(table, primary, old, old, expressions)


def update(table: Table, params: Params) -> Write:
    """Change an item in part; it is made if it is not there."""
    key = stored_item(params["Key"])
    primary = table.primary_key(key)
    expressions = bind(params)
    change = expressions.update
    if change:
        for name in sorted(table.key.names & {path[0] for path in change.paths}):
            raise invalid(
                f"One or more parameter values were invalid: Cannot update attribute {name}. "
                "This attribute is part of the key"
            )
    old = _checked(table, primary, params, expressions)
    item = old.item if old else key
    if change:
        item = change.apply(item, expressions.values)
    table.require_indexable(item)
    new = row(item)
    if new.bytes > ITEM_BYTES_MAX:
        raise invalid("Item size to update has exceeded the maximum allowed size")
    return Write(table, primary, old, new, expressions)


_CONDITIONAL = frozenset(
    {
        "TableName",
        "Key",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
    }
)
# What each plan understands, as a transaction names them.
PARAMETERS: dict[str, frozenset[str]] = {
    "Put": _CONDITIONAL - {"Key"} | {"Item"},
    "Delete": _CONDITIONAL,
    "Update": _CONDITIONAL | {"UpdateExpression"},
    "ConditionCheck": _CONDITIONAL,
}
PLANS: dict[str, Callable[[Table, Params], Write]] = {
    "Put": put,
    "Delete": delete,
    "Update": update,
    "ConditionCheck": check,
}


def _checked(
    table: Table, primary: PrimaryKey, params: Params, expressions: Expressions
) -> Row | None:
    """The row that is there now, if the condition allows the write."""
    old = table.rows.get(primary)
    condition = expressions.condition
    if condition and not condition(old.item if old else {}, expressions.values):
        shown = params.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        raise ConditionFailedError(old, show_item=shown)
    return old
