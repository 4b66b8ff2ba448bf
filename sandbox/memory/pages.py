"""Query and scan: which rows, in which order, and how many of them make a page."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from sandbox.memory.attributes import Item, invalid, item_size, kind_of, order, stored_item
from sandbox.memory.documents import project
from sandbox.memory.double import Answer, Params, UnsupportedError
from sandbox.memory.requests import Expressions, KeyTerm
from sandbox.memory.table import Entry, Index, Lag, PrimaryKey, Row, Scalar, Table, scattered

PAGE_BYTES_MAX = 1024 * 1024  # API reference, Query and Scan

_sort_of = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One Query or Scan request, against the rows as some replica has them."""

    table: Table
    index: Index
    params: Params
    expressions: Expressions
    lag: Lag

    def query(self) -> tuple[Answer, int]:
        """One page of a partition, and the bytes that were read for it."""
        entries, low, high = self._queried()
        start = self._start()
        forward = self.params.get("ScanIndexForward", True)
        if start and forward:
            low = max(low, bisect_right(entries, start[1]))
        elif start:
            high = min(high, bisect_left(entries, start[1]))
        stretch = islice(entries, low, high) if forward else reversed(entries[low:high])
        return self._page(primary for _, primary in stretch)

    def scan(self) -> tuple[Answer, int]:
        """One page of everything, and the bytes that were read for it."""
        return self._page(self._scanned())

    def _queried(self) -> tuple[list[Entry], int, int]:
        terms, values, key = self.expressions.key_terms, self.expressions.values, self.index.key
        by_name = {term.attribute: term for term in terms}
        for term in terms:
            kind = self.table.kinds.get(term.attribute)
            if any(kind_of(values[name]) != kind for name in term.placeholders):
                raise invalid(
                    "One or more parameter values were invalid: Condition parameter type does not "
                    "match schema type"
                )
        partition_term = by_name.pop(key.partition, None)
        if partition_term is None or not by_name.keys() <= {key.sort}:
            missed = key.partition if partition_term is None else key.sort
            raise invalid(f"Query condition missed key schema element: {missed}")
        if partition_term.comparison != "=" or len(by_name) + 1 < len(terms):
            raise invalid("Query key condition not supported")
        partition = order(values[partition_term.placeholders[0]])
        entries = self.index.entries(partition, self.lag)
        if not by_name:
            return entries, 0, len(entries)
        [sort_term] = by_name.values()
        bounds = [order(values[name]) for name in sort_term.placeholders]
        if bounds != sorted(bounds):
            raise invalid(
                "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be "
                "greater than or equal to lower bound"
            )
        return entries, *_stretch(entries, sort_term, bounds)

    def _start(self) -> tuple[Scalar, Entry] | None:
        if "ExclusiveStartKey" not in self.params:
            return None
        key = stored_item(self.params["ExclusiveStartKey"])
        place = self.index.place(key)
        if key.keys() != self.table.key.names | self.index.key.names or place is None:
            raise invalid("The provided starting key is invalid")
        return place[0], (place[1], self.table.key_of(key))

    def _scanned(self) -> Iterator[PrimaryKey]:
        start = self._start()
        for partition in self.index.scan_order():
            entries = self.index.entries(partition, self.lag)
            first = 0
            if start and scattered(partition) <= scattered(start[0]):
                first = bisect_right(entries, start[1]) if partition == start[0] else len(entries)
            yield from (primary for _, primary in islice(entries, first, None))

    def _row(self, primary: PrimaryKey) -> Row:
        row = self.lag.get(primary) or self.table.rows[primary]
        if self.index.projection is None:
            return row
        item = self.index.projected(row.item)
        return Row(item, item_size(item))

    def _page(self, primaries: Iterable[PrimaryKey]) -> tuple[Answer, int]:
        self._require_readable()
        holds, values = self.expressions.filter, self.expressions.values
        limit = self.params.get("Limit", 0)
        found: list[Item] = []
        scanned, read_bytes = 0, 0
        last: Item | None = None
        for primary in primaries:
            item, item_bytes = self._row(primary)
            if scanned and read_bytes + item_bytes > PAGE_BYTES_MAX:
                break
            scanned += 1
            read_bytes += item_bytes
            last = item
            if holds is None or holds(item, values):
                found.append(item)
            if scanned == limit:
                break
        else:
            last = None
        answer: Answer = {"Count": len(found), "ScannedCount": scanned}
        if self.params.get("Select") != "COUNT":
            paths = self.expressions.projection
            answer["Items"] = [project(i, paths) for i in found] if paths else found
        if last is not None:
            names = self.table.key.names | self.index.key.names
            answer["LastEvaluatedKey"] = {name: last[name] for name in sorted(names)}
        return answer, read_bytes

    def _require_readable(self) -> None:
        if self.params.get("Select", "COUNT") != "COUNT":
            raise UnsupportedError(f"Select: {self.params['Select']}")
        in_key = self.expressions.filtered & self.index.key.names
        if self.expressions.key_terms and in_key:
            raise invalid(
                "Filter Expression can only contain non-primary key attributes: Primary key "
                f"attribute: {min(in_key)}"
            )
        kept = self.index.projection
        read = self.expressions.filtered | self.expressions.projected
        if kept is not None and not read <= kept:
            raise invalid(
                "One or more parameter values were invalid: Global secondary index does not "
                f"project {sorted(read - kept)}"
            )


def _stretch(entries: list[Entry], term: KeyTerm, bounds: list[Scalar]) -> tuple[int, int]:
    """The part [low, high) of one partition that a condition on the sort key selects."""
    first = bisect_left(entries, bounds[0], key=_sort_of)
    match term.comparison:
        case "<":
            return 0, first
        case ">=":
            return first, len(entries)
        case "BETWEEN":
            return first, bisect_right(entries, bounds[1], key=_sort_of)
        case "begins_with":
            prefix = bounds[0]
            beyond = bisect_right(
                entries, 0, lo=first, key=lambda entry: not entry[0].startswith(prefix)
            )
            return first, beyond
    after = bisect_right(entries, bounds[0], key=_sort_of)
    return {"=": (first, after), "<=": (0, after), ">": (after, len(entries))}[term.comparison]
