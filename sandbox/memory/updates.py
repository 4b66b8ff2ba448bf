"""UpdateExpression, compiled: SET, REMOVE, ADD and DELETE as one function from item to item."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

from sandbox.memory.attributes import Item, Value, invalid, kind_of, minus, plus, united
from sandbox.memory.documents import DocumentPath, assign, read, remove
from sandbox.memory.expressions import Operand, Parser, Values

_INCORRECT_TYPE = "An operand in the update expression has an incorrect data type"
_ABSENT = "The provided expression refers to an attribute that does not exist in the item"
_SET_KINDS = frozenset({"SS", "NS", "BS"})

# What an action makes of its path: a value to put there, or None to remove what is there.
Outcome = Callable[[Item, Values], Value | None]


@dataclass(frozen=True, slots=True)
class Update:
    """A whole update expression. Every operand reads the item as it was before."""

    actions: tuple[tuple[DocumentPath, Outcome], ...]

    @property
    def paths(self) -> tuple[DocumentPath, ...]:
        """The paths it writes or removes."""
        return tuple(path for path, _ in self.actions)

    def apply(self, item: Item, values: Values) -> Item:
        """The updated item. Removals come last, from behind, so that list indexes stay true."""
        outcomes = [(path, outcome(item, values)) for path, outcome in self.actions]
        updated = item
        for path, value in outcomes:
            if value is not None:
                updated = assign(updated, path, value)
        removals = [path for path, value in outcomes if value is None]
        for path in sorted(removals, key=_place, reverse=True):
            updated = remove(updated, path)
        return updated


def _place(path: DocumentPath) -> list[tuple[str, int]]:
    return [(part, 0) if isinstance(part, str) else ("", part) for part in path]


def update(parser: Parser) -> Update:
    """A whole update expression, each clause at most once, no two paths overlapping."""
    actions: list[tuple[DocumentPath, Outcome]] = []
    clauses = {"SET": _set, "REMOVE": _remove, "ADD": _add, "DELETE": _delete}
    while parser.peek()[0] != "end":
        action = clauses.pop(parser.take()[1].upper(), None)
        if action is None:
            raise parser.unreadable()
        actions.append(action(parser))
        while parser.take_if(","):
            actions.append(action(parser))
    if not actions:
        raise parser.unreadable()
    for (one, _), (other, _) in combinations(actions, 2):
        if one[: len(other)] == other[: len(one)]:
            raise invalid(
                f"Invalid {parser.kind}: Two document paths overlap with each other; must remove "
                f"or rewrite one of these paths; path one: {_shown(one)}, path two: {_shown(other)}"
            )
    return Update(tuple(actions))


def _shown(path: DocumentPath) -> str:
    return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else part for part in path) + "]"


def _set(parser: Parser) -> tuple[DocumentPath, Outcome]:
    path = parser.path()
    parser.expect("=")
    left = _set_operand(parser)
    for symbol, compute in (("+", plus), ("-", minus)):
        if parser.take_if(symbol):
            return path, _arithmetic(compute, left, _set_operand(parser))
    return path, left


def _set_operand(parser: Parser) -> Operand:
    if parser.calls("if_not_exists"):
        path = parser.path()
        parser.expect(",")
        default = _set_operand(parser)
        parser.expect(")")
        return lambda item, values: read(item, path) or default(item, values)
    if parser.calls("list_append"):
        head = _set_operand(parser)
        parser.expect(",")
        tail = _set_operand(parser)
        parser.expect(")")
        return lambda item, values: _appended(head(item, values), tail(item, values))
    operand = parser.operand()

    def present(item: Item, values: Values) -> Value:
        value = operand(item, values)
        if value is None:
            raise invalid(_ABSENT)
        return value

    return present


def _appended(head: Value | None, tail: Value | None) -> Value:
    if head is None or tail is None or "L" not in head or "L" not in tail:
        raise invalid(_INCORRECT_TYPE)
    return {"L": [*head["L"], *tail["L"]]}


def _arithmetic(compute: Callable[[Value, Value], Value], left: Operand, right: Operand) -> Outcome:
    def outcome(item: Item, values: Values) -> Value:
        a, b = left(item, values), right(item, values)
        if a is None or b is None or "N" not in a or "N" not in b:
            raise invalid(_INCORRECT_TYPE)
        return compute(a, b)

    return outcome


def _remove(parser: Parser) -> tuple[DocumentPath, Outcome]:
    return parser.path(), lambda _item, _values: None


def _add(parser: Parser) -> tuple[DocumentPath, Outcome]:
    path, placeholder = parser.path(), parser.value()

    def outcome(item: Item, values: Values) -> Value:
        old, addend = read(item, path), values[placeholder]
        kind = kind_of(addend)
        if kind not in _SET_KINDS | {"N"} or (old is not None and kind not in old):
            raise invalid(_INCORRECT_TYPE)
        if old is None:
            return addend
        return plus(old, addend) if kind == "N" else united(kind, old[kind], addend[kind])

    return path, outcome


def _delete(parser: Parser) -> tuple[DocumentPath, Outcome]:
    path, placeholder = parser.path(), parser.value()

    def outcome(item: Item, values: Values) -> Value | None:
        old, gone = read(item, path), values[placeholder]
        kind = kind_of(gone)
        if kind not in _SET_KINDS or (old is not None and kind not in old):
            raise invalid(_INCORRECT_TYPE)
        left = [member for member in old[kind] if member not in gone[kind]] if old else []
        return {kind: left} if left else None

    return path, outcome
