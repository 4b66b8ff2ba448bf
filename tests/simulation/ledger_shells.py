"""The ledger table as metering sees it, in plain dictionaries: three shells (see `shells.py`)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws import (
    Call,
    LedgerTable,
    Outcomes,
    Place,
    Quarantine,
    Quarantined,
    Settled,
)
from lambdas.metering.ledger import Cell, Packed, SealedRecord
from lambdas.metering.records import Outcome, Status
from tests.simulation.shells import Calls, UnavailableError, name_of_outcome

PAGE_ENTRIES = 6
"""Entries of one page of a query; a real page has 1 MB, which no run fills."""

NOT_BILLED = (Status.EXPIRED, Status.DRY_RUN)
"""Statuses of records that may be redriven, once they are final."""


class MemoryTable(LedgerTable):
    """The log, and what belongs to it. All reads are consistent."""

    def __init__(self, calls: Calls) -> None:
        self.log: dict[int, Packed] = {}
        self.unanswered: dict[str, Call] = {}
        self.zeros: set[tuple[LicenseKey, str]] = set()
        self.hint = Settled()
        self._calls = calls

    def append(self, number: int, entry: Packed) -> bool:
        try:
            return self._calls.make("dynamodb", "PutItem", lambda: self._append(number, entry))
        except UnavailableError:
            return False

    def _append(self, number: int, entry: Packed) -> bool:
        if number in self.log:
            return False
        self.log[number] = entry
        return True

    def entries_after(self, number: int) -> Iterator[tuple[int, Packed]]:
        return self._pages(number + 1, 1)

    def entries_before(self, number: int) -> Iterator[tuple[int, Packed]]:
        return self._pages(min(number - 1, len(self.log)), -1)

    def _pages(self, first: int, way: int) -> Iterator[tuple[int, Packed]]:
        while True:
            page = self._calls.make("dynamodb", "Query", partial(self._page, first, way))
            yield from page
            if len(page) < PAGE_ENTRIES:
                return
            first += way * PAGE_ENTRIES

    def _page(self, first: int, way: int) -> list[tuple[int, Packed]]:
        numbers = range(first, first + way * PAGE_ENTRIES, way)
        return [(number, self.log[number]) for number in numbers if number in self.log]

    def entry(self, number: int) -> Packed | None:
        return self._calls.read(lambda: self.log.get(number))

    def settled(self) -> Settled:
        return self._calls.read(lambda: self.hint)

    def put_settled(self, settled: Settled) -> None:
        self._calls.write("PutItem", lambda: setattr(self, "hint", settled))

    def calls(self) -> list[Call]:
        return self._calls.make("dynamodb", "Query", lambda: list(self.unanswered.values()))

    def put_call(self, call: Call, at_s: int) -> None:
        self._calls.write("PutItem", lambda: self.unanswered.update({call.id: call}))

    def delete_call(self, call_id: str) -> None:
        self._calls.write("DeleteItem", lambda: self.unanswered.pop(call_id, None))

    def refused_zeros(self) -> set[tuple[LicenseKey, str]]:
        return self._calls.make("dynamodb", "Query", lambda: set(self.zeros))

    def put_refused_zero(self, who: LicenseKey, dimension: str, at_s: int) -> None:
        self._calls.write("PutItem", lambda: self.zeros.add((who, dimension)))


@dataclass(slots=True)
class _Kept:
    """An outcome as it was written last, for which record, and whether it was redriven."""

    outcome: Outcome
    place: Place
    redriven: bool = False


class MemoryOutcomes(Outcomes):
    """What became of records."""

    def __init__(self, calls: Calls, on_outcome: Callable[[Cell, str], None]) -> None:
        self.kept: dict[Cell, _Kept] = {}
        self._calls = calls
        self._on_outcome = on_outcome

    def read(self, cells: Iterable[Cell]) -> dict[Cell, Outcome]:
        wanted = set(cells)
        return self._calls.read(
            lambda: {cell: self.kept[cell].outcome for cell in wanted if cell in self.kept}
        )

    def put(self, record: SealedRecord, outcome: Outcome) -> bool:
        self._on_outcome(record.cell, name_of_outcome(outcome.status, outcome.reason))
        return self._calls.write("UpdateItem", lambda: self._keep(record, outcome))

    def put_accepted(self, accepted: Sequence[tuple[SealedRecord, Outcome]]) -> None:
        for record, outcome in accepted:
            self._on_outcome(record.cell, outcome.status)
        self._calls.write("UpdateItem", lambda: [self._keep(*each) for each in accepted])

    def _keep(self, record: SealedRecord, outcome: Outcome) -> bool:
        before = self.kept.get(record.cell)
        weaker = outcome.status is not Status.ACCEPTED
        kept = _Kept(outcome, record.at)
        if weaker and before is not None and before.outcome.is_final:
            return before == kept
        self.kept[record.cell] = kept
        return True

    def delete_mark(self, cell: Cell) -> None:
        def delete() -> None:
            kept = self.kept.get(cell)
            if kept and kept.outcome.status is Status.DRY_RUN and not kept.outcome.is_final:
                del self.kept[cell]

        self._calls.write("UpdateItem", delete)

    def expired(self, cell: Cell) -> Place | None:
        def read() -> Place | None:
            kept = self.kept.get(cell)
            if kept is None or not kept.outcome.is_final:
                return None
            return kept.place if kept.outcome.status in NOT_BILLED else None

        return self._calls.read(read)

    def put_redriven(self, cell: Cell, at_s: int) -> None:
        def note() -> None:
            kept = self.kept.get(cell)
            if kept and kept.outcome.status in NOT_BILLED:
                kept.redriven = True

        self._calls.write("UpdateItem", note)


class MemoryQuarantine(Quarantine):
    """Usage that was not counted."""

    def __init__(self, calls: Calls, on_quarantine: Callable[[bytes, bytes, str], None]) -> None:
        self.waiting: dict[str, Quarantined] = {}
        self._calls = calls
        self._on_quarantine = on_quarantine

    def put(self, each: Quarantined) -> None:
        self._on_quarantine(each.key, each.check, each.reason)

        def execute() -> None:
            before = self.waiting.get(each.name)
            first_s = before.first_s if before else each.first_s
            self.waiting[each.name] = replace(each, first_s=first_s)

        self._calls.write("UpdateItem", execute)

    def get(self, name: str) -> Quarantined | None:
        return self._calls.read(lambda: self.waiting.get(name))

    def delete(self, each: Quarantined) -> None:
        def execute() -> None:
            kept = self.waiting.get(each.name)
            if kept is not None and kept.version == each.version:
                del self.waiting[each.name]

        self._calls.write("DeleteItem", execute)
