"""Paths into an item: read, written, removed, projected. Nothing is changed in place.

A path is a tuple of attribute names and list indexes: `a.b[0]` is `("a", "b", 0)`. An item is
handled as the map it is, `{"M": item}`, so that one rule serves every level.

Two things are true that types cannot say here, hence the ignored ones: a path begins with a name,
and what lies inside a value is a value again, without end.
"""

from collections.abc import Iterable

from sandbox.memory.attributes import Item, Value, invalid

DocumentPath = tuple[str | int, ...]

_NO_SUCH_PATH = "The document path provided in the update expression is invalid for update"


def read(item: Item, path: DocumentPath) -> Value | None:
    """The value at a path, or None.

    >>> read({"a": {"M": {"b": {"L": [{"S": "x"}]}}}}, ("a", "b", 0))
    {'S': 'x'}
    """
    value = _child({"M": item}, path[0])
    for part in path[1:]:
        if value is None:
            return None
        value = _child(value, part)
    return value


def _child(value: Value, part: str | int) -> Value | None:
    if isinstance(part, str):
        members: Item = value.get("M", {})
        return members.get(part)
    elements: list[Value] = value.get("L", [])
    return elements[part] if part < len(elements) else None


def assign(item: Item, path: DocumentPath, value: Value) -> Item:
    """The item with the value at the path; its parent must be there, as DynamoDB demands."""
    members: Item = _assigned({"M": item}, path, value)["M"]
    return members


def _assigned(container: Value | None, path: DocumentPath, value: Value) -> Value:
    if not path:
        return value
    part, rest = path[0], path[1:]
    if container is None or ("M" if isinstance(part, str) else "L") not in container:
        raise invalid(_NO_SUCH_PATH)
    child = _assigned(_child(container, part), rest, value)
    if isinstance(part, str):
        return {"M": {**container["M"], part: child}}
    elements = container["L"]
    return {"L": [*elements[:part], child, *elements[part + 1 :]]}


def remove(item: Item, path: DocumentPath) -> Item:
    """The item without the value at the path; its parent must be there, the value need not."""
    members: Item = _removed({"M": item}, path)["M"]
    return members


def _removed(container: Value | None, path: DocumentPath) -> Value:
    part, rest = path[0], path[1:]
    if container is None or ("M" if isinstance(part, str) else "L") not in container:
        raise invalid(_NO_SUCH_PATH)
    if rest:
        return _assigned(container, path[:1], _removed(_child(container, part), rest))
    if isinstance(part, str):
        return {"M": {name: value for name, value in container["M"].items() if name != part}}
    elements = container["L"]
    return {"L": [*elements[:part], *elements[part + 1 :]]}


def project(item: Item, paths: Iterable[DocumentPath]) -> Item:
    """The part of an item that the paths name, with the maps and lists around it.

    >>> project({"a": {"M": {"b": {"S": "x"}, "c": {"S": "y"}}}}, [("a", "c")])
    {'a': {'M': {'c': {'S': 'y'}}}}
    """
    wanted = [path for path in paths if read(item, path) is not None]
    members: Item = _projected({"M": item}, wanted)["M"]
    return members


def _projected(value: Value, paths: list[DocumentPath]) -> Value:
    if () in paths:
        return value
    heads = dict.fromkeys(path[0] for path in paths)
    below = {
        head: _projected(_child(value, head) or {}, [p[1:] for p in paths if p[0] == head])
        for head in heads
    }
    if "M" in value:
        return {"M": below}
    return {"L": [below[index] for index in sorted(below)]}
