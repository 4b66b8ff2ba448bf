"""A DynamoDB table: rows, their order, secondary indexes, and what a lagging replica shows."""

import zlib
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import Any, NamedTuple

from sandbox.memory.attributes import (
    PARTITION_KEY_BYTES_MAX,
    SORT_KEY_BYTES_MAX,
    Item,
    Value,
    invalid,
    item_size,
    kind_of,
    order,
    size,
)
from sandbox.memory.double import Params, UnsupportedError

# "Read and write operations", developer guide.
WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096

# What a key attribute sorts by: str, Decimal or bytes. A table without a sort key has "".
Scalar = Any
PrimaryKey = tuple[Scalar, Scalar]
Entry = tuple[Scalar, PrimaryKey]


class Row(NamedTuple):
    """An item as it is kept, with the bytes DynamoDB counts for it."""

    item: Item
    bytes: int


# Rows as a lagging replica still has them: by key, None where it has none yet.
Lag = dict[PrimaryKey, Row | None]


def row(item: Item) -> Row:
    """Weigh an item."""
    return Row(item, item_size(item))


def write_units(size_bytes: int) -> int:
    """Write request units for so many bytes; one at least."""
    return max(1, ceil(size_bytes / WRITE_UNIT_BYTES))


def read_units(size_bytes: int, *, consistent: bool) -> float:
    """Read request units for so many bytes; half price where an old answer is acceptable."""
    units = max(1, ceil(size_bytes / READ_UNIT_BYTES))
    return units if consistent else units / 2


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The attributes that make a key."""

    partition: str
    sort: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """One name or two."""
        return frozenset({self.partition} if self.sort is None else {self.partition, self.sort})


class Index:
    """Rows in key order, partition by partition: a table's own order, or a secondary index."""

    def __init__(self, key: KeySchema, projection: frozenset[str] | None = None) -> None:
        self.key = key
        self.projection = projection
        self.partitions: dict[Scalar, list[Entry]] = {}
        self._scan_order: list[Scalar] = []

    def place(self, item: Item) -> tuple[Scalar, Scalar] | None:
        """Where an item stands; None if it lacks a key attribute and so is not in this index."""
        partition = item.get(self.key.partition)
        sort = {"S": ""} if self.key.sort is None else item.get(self.key.sort)
        return None if partition is None or sort is None else (order(partition), order(sort))

    def projected(self, item: Item) -> Item:
        """What this index keeps of an item."""
        if self.projection is None:
            return item
        return {name: value for name, value in item.items() if name in self.projection}

    def add(self, primary: PrimaryKey, item: Item) -> None:
        """Put an item where it stands; at the end of its partition this is one append."""
        place = self.place(item)
        if place is None:
            return
        entries = self.partitions.setdefault(place[0], [])
        entry = (place[1], primary)
        if not entries or entries[-1] < entry:
            entries.append(entry)
        else:
            insort(entries, entry)

    def discard(self, primary: PrimaryKey, item: Item) -> None:
        """Take an item out, if it is in here."""
        place = self.place(item)
        if place is not None:
            entries = self.partitions[place[0]]
            del entries[bisect_left(entries, (place[1], primary))]

    def entries(self, partition: Scalar, lag: Lag) -> list[Entry]:
        """One partition in order, as a replica with this lag has it."""
        current = self.partitions.get(partition, [])
        if not lag:
            return current
        seen = [entry for entry in current if entry[1] not in lag]
        for primary, old in lag.items():
            place = self.place(old.item) if old else None
            if place is not None and place[0] == partition:
                insort(seen, (place[1], primary))
        return seen

    def scan_order(self) -> list[Scalar]:
        """All partitions in an order that means nothing, as DynamoDB's hashing has it."""
        if len(self._scan_order) != len(self.partitions):
            self._scan_order = sorted(self.partitions, key=scattered)
        return self._scan_order

    def write_units(self, old: Row | None, new: Row | None) -> int:
        """What a write of the table costs in this index: nothing where nothing here changes."""
        places = [self.place(r.item) if r else None for r in (old, new)]
        before, after = (
            self.projected(r.item) if r and place else None
            for r, place in zip((old, new), places, strict=True)
        )
        if before == after:
            return 0
        if before is not None and after is not None and places[0] == places[1]:
            return write_units(max(item_size(before), item_size(after)))
        return sum(write_units(item_size(item)) for item in (before, after) if item is not None)


def scattered(partition: Scalar) -> tuple[int, str]:
    """What a scan sorts partitions by."""
    text = repr(partition)
    return zlib.crc32(text.encode()), text


class Table:
    """Rows by primary key. Every write replaces a row; nothing is changed in place."""

    def __init__(
        self, name: str, key: KeySchema, kinds: dict[str, str], indexes: dict[str, Index]
    ) -> None:
        self.name = name
        self.key = key
        self.kinds = kinds
        self.indexes = indexes
        self.rows: dict[PrimaryKey, Row] = {}
        self.primary = Index(key)
        self._replaced: deque[tuple[float, PrimaryKey, Row | None]] = deque()

    def primary_key(self, key: Item) -> PrimaryKey:
        """The key of a request that names one item, exactly its key attributes."""
        if key.keys() != self.key.names:
            raise invalid("The provided key element does not match the schema")
        return self.key_of(key)

    def key_of(self, item: Item) -> PrimaryKey:
        """The primary key within an item, checked."""
        partition = self._checked(item, self.key.partition, PARTITION_KEY_BYTES_MAX)
        if self.key.sort is None:
            return partition, ""
        return partition, self._checked(item, self.key.sort, SORT_KEY_BYTES_MAX)

    def _checked(self, item: Item, name: str, bytes_max: int) -> Scalar:
        value = item.get(name)
        if value is None:
            raise invalid(
                f"One or more parameter values were invalid: Missing the key {name} in the item"
            )
        if kind_of(value) != self.kinds[name]:
            raise invalid(
                f"One or more parameter values were invalid: Type mismatch for key {name} "
                f"expected: {self.kinds[name]} actual: {kind_of(value)}"
            )
        _require_some(name, value)
        if size(value) > bytes_max:
            raise invalid(
                "One or more parameter values were invalid: Size of a key attribute has exceeded "
                f"the maximum size limit of {bytes_max} bytes. Key: {name}"
            )
        return order(value)

    def require_indexable(self, item: Item) -> None:
        """Refuse an attribute that a secondary index could not hold."""
        for index_name, index in self.indexes.items():
            for name in sorted(index.key.names & item.keys()):
                kind = kind_of(item[name])
                if kind != self.kinds[name]:
                    raise invalid(
                        "One or more parameter values were invalid: Type mismatch for Index Key "
                        f"{name} Expected: {self.kinds[name]} Actual: {kind} "
                        f"IndexName: {index_name}"
                    )
                _require_some(name, item[name])

    def write(
        self, primary: PrimaryKey, new: Row | None, *, at: float, memory_seconds: float
    ) -> None:
        """Replace one row; None deletes it. Lagging replicas remember the old one for so long."""
        old = self.rows.get(primary)
        for index in (self.primary, *self.indexes.values()):
            if old:
                index.discard(primary, old.item)
            if new:
                index.add(primary, new.item)
        if new:
            self.rows[primary] = new
        else:
            self.rows.pop(primary, None)
        if memory_seconds:
            self._replaced.append((at, primary, old))
            self._forget(at - memory_seconds)

    def lag(self, depth: float, *, since: float) -> Lag:
        """The rows that a replica still has which missed this share of the writes since then."""
        self._forget(since)
        missed = ceil(depth * len(self._replaced))
        return {primary: old for _, primary, old in islice(reversed(self._replaced), missed)}

    def _forget(self, since: float) -> None:
        while self._replaced and self._replaced[0][0] < since:
            self._replaced.popleft()

    def write_units(self, old: Row | None, new: Row | None) -> int:
        """What replacing one row by another costs, indexes included."""
        largest = max(old.bytes if old else 0, new.bytes if new else 0)
        in_indexes = sum(index.write_units(old, new) for index in self.indexes.values())
        return write_units(largest) + in_indexes


def _require_some(name: str, value: Value) -> None:
    if not order(value) and kind_of(value) != "N":
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            f"cannot contain an empty {'string' if 'S' in value else 'binary'} value. Key: {name}"
        )


def created(params: Params) -> Table:
    """The table that a CreateTable request describes."""
    for unknown in ("LocalSecondaryIndexes", "StreamSpecification"):
        if unknown in params:
            raise UnsupportedError(f"CreateTable: {unknown}")
    kinds = {
        definition["AttributeName"]: definition["AttributeType"]
        for definition in params["AttributeDefinitions"]
    }
    key = _key_schema(params["KeySchema"])
    indexes = {
        wanted["IndexName"]: _secondary(key, wanted)
        for wanted in params.get("GlobalSecondaryIndexes", [])
    }
    for name in sorted(key.names.union(*(index.key.names for index in indexes.values()))):
        if name not in kinds:
            raise invalid(
                "One or more parameter values were invalid: Some index key attributes are not "
                f"defined in AttributeDefinitions. Keys: [{name}]"
            )
    return Table(params["TableName"], key, kinds, indexes)


def _key_schema(elements: list[dict[str, str]]) -> KeySchema:
    by_type = {element["KeyType"]: element["AttributeName"] for element in elements}
    if len(by_type) < len(elements):
        raise UnsupportedError("CreateTable: a key of several attributes")
    return KeySchema(by_type["HASH"], by_type.get("RANGE"))


def _secondary(table_key: KeySchema, wanted: dict[str, Any]) -> Index:
    key = _key_schema(wanted["KeySchema"])
    projection = wanted["Projection"]
    if projection["ProjectionType"] == "ALL":
        return Index(key)
    return Index(key, table_key.names | key.names | set(projection.get("NonKeyAttributes", [])))
