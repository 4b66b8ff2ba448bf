"""SQS and DynamoDB as metering sees them, in plain dictionaries: the small size of the simulation.

Each shell takes the place of the class that speaks with AWS, method by method, and is as hostile
as AWS may be: it gives way to others before every call, refuses, forgets to answer, lands a write
later, or twice. A call costs a few microseconds, which is what makes thousands of runs affordable.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import TypeVar

from lambdas.customers.license import License, LicenseKey, State
from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import Call, LedgerTable, Message, Place, Quarantined, Settled, UsageQueue
from lambdas.metering.ledger import Cell, Packed, SealedRecord
from lambdas.metering.records import Outcome, Status
from sandbox.memory.double import Fault
from sandbox.memory.dynamodb import TableFaults
from sandbox.memory.queue import Queue, QueueFaults, QueueSettings

PAGE_ENTRIES = 6
"""Entries of one page of a query; a real page has 1 MB, which no run fills."""

RECEIVED_MAX = 10
VISIBILITY_S = 900
"""As the stack sets the usage queue up."""

NOT_BILLED = (Status.EXPIRED, Status.DRY_RUN)
"""Statuses of records that may be redriven, once they are final."""

MARKED = "marked"
"""What the simulation calls a dry-run's mark while it is not final."""

T = TypeVar("T")

OnCall = Callable[[str, str], Fault | None]
"""Told service and operation before a call; may raise, or name a fault."""

OnAnswer = Callable[[str, str], None]
"""Told the same after it was executed; may raise."""


def name_of_outcome(status: str, reason: str) -> str:
    """Name an outcome by its status, but a dry-run's mark apart from what came of it."""
    return MARKED if status == Status.DRY_RUN and not reason else str(status)


class UnavailableError(Exception):
    """AWS refused a call, or its answer got lost; whether it was executed is open."""


class Calls:
    """The one way to AWS: every call of every shell goes through it.

    Attributes:
        on_call: see `OnCall`.
        on_answer: see `OnAnswer`.
        pending: writes whose caller saw a time-out, and that land later.
    """

    def __init__(self) -> None:
        self.on_call: OnCall = lambda *_: None
        self.on_answer: OnAnswer = lambda *_: None
        self.pending: list[Callable[[], object]] = []

    def make(self, service: str, operation: str, execute: Callable[[], T]) -> T:
        """Make a call: now, never, later or twice, heard of or not."""
        fault = self.on_call(service, operation)
        if fault in (Fault.THROTTLED, Fault.INTERNAL_ERROR, Fault.UNREACHABLE):
            raise UnavailableError(f"{operation}: {fault.value}")
        if fault is Fault.LATE:
            self.pending.append(execute)
            raise UnavailableError(f"{operation}: {fault.value}")
        if fault is Fault.TWICE:
            execute()
        answer = execute()
        self.on_answer(service, operation)
        if fault is Fault.ANSWER_LOST:
            raise UnavailableError(f"{operation}: {fault.value}")
        return answer

    def land_pending(self) -> None:
        """Execute what is late."""
        landing, self.pending = self.pending, []
        for execute in landing:
            execute()


class MemoryQueue(UsageQueue):
    """The usage queue."""

    def __init__(
        self,
        calls: Calls,
        clock: Callable[[], float],
        rng: Random,
        faults: QueueFaults,
        on_delete: Callable[[list[str]], None],
        on_empty: Callable[[], None],
    ) -> None:
        settings = QueueSettings(visibility_timeout_seconds=VISIBILITY_S)
        self.queue = Queue("usage", settings, rng, created_at=clock())
        self.faults = faults
        self._calls = calls
        self._clock = clock
        self._rng = rng
        self._on_delete = on_delete
        self._on_empty = on_empty

    def send(self, body: str) -> str:
        """Take a message in, visible now or a little later; return its MessageId."""
        delay_s = self._rng.random() * self.faults.arrival_seconds_max
        return self.queue.send(body, now=self._clock(), delay_seconds=delay_s).id

    def receive(self, *, sure: bool = True) -> list[Message]:
        return self._calls.make("sqs", "ReceiveMessage", self._receive)

    def _receive(self) -> list[Message]:
        now_s = self._clock()
        self.queue.advance(now_s)
        wanted = RECEIVED_MAX
        if self.faults.empty and self._rng.random() < self.faults.empty:
            wanted = 0
        elif self.faults.partial and self._rng.random() < self.faults.partial:
            wanted = self._rng.randrange(1, RECEIVED_MAX)
        received = self.queue.receive(
            wanted, now=now_s, visibility_seconds=VISIBILITY_S, duplicate=self.faults.duplicate
        )
        if not received:
            self._on_empty()
        return [Message(each.id, each.handle, each.body, int(each.sent_at)) for each in received]

    def delete(self, messages: Sequence[Message]) -> None:
        for at in range(0, len(messages), RECEIVED_MAX):
            ten = messages[at : at + RECEIVED_MAX]
            self._calls.make("sqs", "DeleteMessageBatch", partial(self._delete, ten))

    def _delete(self, messages: Sequence[Message]) -> None:
        self._on_delete([each.id for each in messages])
        for each in messages:
            if not (self.faults.failed_entry and self._rng.random() < self.faults.failed_entry):
                self.queue.delete(each.receipt, now=self._clock(), faults=self.faults)


@dataclass(slots=True)
class _Kept:
    """An outcome as it was written last, for which record, and whether it was redriven."""

    outcome: Outcome
    place: Place
    redriven: bool = False


class MemoryTable(LedgerTable):
    """The ledger table: the log, and what belongs to it. All reads are consistent."""

    def __init__(
        self,
        calls: Calls,
        on_quarantine: Callable[[bytes, bytes, str], None],
        on_outcome: Callable[[Cell, str], None],
    ) -> None:
        self.log: dict[int, Packed] = {}
        self.kept: dict[Cell, _Kept] = {}
        self.waiting: dict[str, Quarantined] = {}
        self.unanswered: dict[str, Call] = {}
        self.zeros: set[tuple[LicenseKey, str]] = set()
        self.hint = Settled()
        self._calls = calls
        self._on_quarantine = on_quarantine
        self._on_outcome = on_outcome

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
        return self._read(lambda: self.log.get(number))

    def settled(self) -> Settled:
        return self._read(lambda: self.hint)

    def put_settled(self, settled: Settled) -> None:
        self._write("PutItem", lambda: setattr(self, "hint", settled))

    def calls(self) -> list[Call]:
        return self._calls.make("dynamodb", "Query", lambda: list(self.unanswered.values()))

    def put_call(self, call: Call, at_s: int) -> None:
        self._write("PutItem", lambda: self.unanswered.update({call.id: call}))

    def delete_call(self, call_id: str) -> None:
        self._write("DeleteItem", lambda: self.unanswered.pop(call_id, None))

    def outcomes(self, cells: Iterable[Cell]) -> dict[Cell, Outcome]:
        wanted = set(cells)
        return self._read(
            lambda: {cell: self.kept[cell].outcome for cell in wanted if cell in self.kept}
        )

    def put_outcome(self, record: SealedRecord, outcome: Outcome) -> bool:
        self._on_outcome(record.cell, name_of_outcome(outcome.status, outcome.reason))
        return self._write("UpdateItem", lambda: self._keep(record, outcome))

    def put_accepted(self, accepted: Sequence[tuple[SealedRecord, Outcome]]) -> None:
        for record, outcome in accepted:
            self._on_outcome(record.cell, outcome.status)
        self._write("UpdateItem", lambda: [self._keep(*each) for each in accepted])

    def _keep(self, record: SealedRecord, outcome: Outcome) -> bool:
        before = self.kept.get(record.cell)
        weaker = outcome.status is not Status.ACCEPTED
        if weaker and before is not None and before.outcome.is_final:
            return False
        self.kept[record.cell] = _Kept(outcome, record.at)
        return True

    def delete_mark(self, cell: Cell) -> None:
        def delete() -> None:
            kept = self.kept.get(cell)
            if kept and kept.outcome.status is Status.DRY_RUN and not kept.outcome.is_final:
                del self.kept[cell]

        self._write("UpdateItem", delete)

    def expired(self, cell: Cell) -> Place | None:
        def read() -> Place | None:
            kept = self.kept.get(cell)
            if kept is None or not kept.outcome.is_final:
                return None
            return kept.place if kept.outcome.status in NOT_BILLED else None

        return self._read(read)

    def put_redriven(self, cell: Cell, at_s: int) -> None:
        def note() -> None:
            kept = self.kept.get(cell)
            if kept and kept.outcome.status in NOT_BILLED:
                kept.redriven = True

        self._write("UpdateItem", note)

    def refused_zeros(self) -> set[tuple[LicenseKey, str]]:
        return self._calls.make("dynamodb", "Query", lambda: set(self.zeros))

    def put_refused_zero(self, who: LicenseKey, dimension: str, at_s: int) -> None:
        self._write("PutItem", lambda: self.zeros.add((who, dimension)))

    def put_quarantined(self, each: Quarantined) -> None:
        self._on_quarantine(each.key, each.check, each.reason)

        def put() -> None:
            before = self.waiting.get(each.name)
            first_s = before.first_s if before else each.first_s
            self.waiting[each.name] = replace(each, first_s=first_s)

        self._write("UpdateItem", put)

    def quarantined(self, name: str) -> Quarantined | None:
        return self._read(lambda: self.waiting.get(name))

    def delete_quarantined(self, each: Quarantined) -> None:
        def delete() -> None:
            kept = self.waiting.get(each.name)
            if kept is not None and kept.version == each.version:
                del self.waiting[each.name]

        self._write("DeleteItem", delete)

    def _read(self, execute: Callable[[], T]) -> T:
        return self._calls.make("dynamodb", "GetItem", execute)

    def _write(self, operation: str, execute: Callable[[], T]) -> T:
        return self._calls.make("dynamodb", operation, execute)


class MemoryCustomers(CustomersTable):
    """The Customers table; only its index by state may be read late."""

    def __init__(
        self, calls: Calls, clock: Callable[[], float], rng: Random, faults: TableFaults
    ) -> None:
        self.items: dict[LicenseKey, License] = {}
        self.faults = faults
        self._before: dict[LicenseKey, tuple[float, License | None]] = {}
        self._calls = calls
        self._clock = clock
        self._rng = rng

    def save(self, each: License) -> None:
        self._before[each.key] = (self._clock(), self.items.get(each.key))
        self.items[each.key] = each

    def licenses(self, keys: Iterable[LicenseKey]) -> dict[LicenseKey, License]:
        wanted = set(keys)
        if not wanted:
            return {}
        return self._calls.make(
            "dynamodb",
            "BatchGetItem",
            lambda: {key: self.items[key] for key in wanted if key in self.items},
        )

    def of_accounts(self, accounts: Iterable[str]) -> dict[str, list[License]]:
        keys_of: dict[str, list[LicenseKey]] = {}
        for account in sorted(set(accounts)):
            found = self._calls.make("dynamodb", "Query", partial(self._keys_of, account))
            if found:
                keys_of[account] = found
        licenses = self.licenses(key for keys in keys_of.values() for key in keys)
        return {account: [licenses[key] for key in keys] for account, keys in keys_of.items()}

    def _keys_of(self, account: str) -> list[LicenseKey]:
        return [each.key for each in self.items.values() if each.account == account]

    def in_state(self, state: State) -> list[License]:
        return self._calls.make("dynamodb", "Query", lambda: self._in_state(state))

    def _in_state(self, state: State) -> list[License]:
        return [
            each for each in map(self._seen, self.items.values()) if each and each.state is state
        ]

    def _seen(self, each: License) -> License | None:
        """Return a license as the index shows it: as it is, or as it was a moment ago."""
        changed_s, before = self._before[each.key]
        lags = self._clock() - changed_s < self.faults.stale_seconds
        if lags and self.faults.stale_read and self._rng.random() < self.faults.stale_read:
            return before
        return each
