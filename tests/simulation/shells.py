"""SQS and DynamoDB as metering sees them, in plain dictionaries: the small size of the simulation.

Each shell takes the place of the class that speaks with AWS, method by method, and is as hostile
as AWS may be: it gives way to others before every call, refuses, forgets to answer, lands a write
later, or twice. A call costs a few microseconds, which is what makes thousands of runs affordable.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import TypeVar

from lambdas.customers.license import License, LicenseKey, State
from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import Message, UsageQueue
from lambdas.metering.records import Status
from sandbox.memory.double import Fault
from sandbox.memory.dynamodb import TableFaults
from sandbox.memory.queue import Queue, QueueFaults, QueueSettings

RECEIVED_MAX = 10
VISIBILITY_S = 900
"""As the stack sets the usage queue up."""

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


def counted_by_service(**struck: Mapping[str, int]) -> Counter[str]:
    """Name faults by the service that has them."""
    return Counter(
        {
            f"{service} {fault}": times
            for service, of_service in struck.items()
            for fault, times in of_service.items()
        }
    )


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

    def read(self, execute: Callable[[], T]) -> T:
        """Read an item."""
        return self.make("dynamodb", "GetItem", execute)

    def write(self, operation: str, execute: Callable[[], T]) -> T:
        """Write an item."""
        return self.make("dynamodb", operation, execute)

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
        self.queue.struck["late arrival"] += delay_s > 0
        return self.queue.send(body, now=self._clock(), delay_seconds=delay_s).id

    def receive(self, *, sure: bool = True) -> list[Message]:
        return self._calls.make("sqs", "ReceiveMessage", self._receive)

    def _receive(self) -> list[Message]:
        now_s = self._clock()
        self.queue.advance(now_s)
        wanted = RECEIVED_MAX
        if self.faults.empty and self._rng.random() < self.faults.empty:
            wanted = 0
            self.queue.note_cut("empty", wanted)
        elif self.faults.partial and self._rng.random() < self.faults.partial:
            wanted = self._rng.randrange(1, RECEIVED_MAX)
            self.queue.note_cut("partial", wanted)
        received = self.queue.receive(
            wanted, now=now_s, visibility_seconds=VISIBILITY_S, duplicate=self.faults.duplicate
        )
        if not received:
            self._on_empty()
        return [Message(each.id, each.handle, each.body, int(each.sent_at)) for each in received]

    def is_empty(self) -> bool:
        return self._calls.make("sqs", "GetQueueAttributes", lambda: not self.queue.messages())

    def delete(self, messages: Sequence[Message]) -> None:
        for at in range(0, len(messages), RECEIVED_MAX):
            ten = messages[at : at + RECEIVED_MAX]
            self._calls.make("sqs", "DeleteMessageBatch", partial(self._delete, ten))

    def _delete(self, messages: Sequence[Message]) -> None:
        self._on_delete([each.id for each in messages])
        for each in messages:
            if self.faults.failed_entry and self._rng.random() < self.faults.failed_entry:
                self.queue.struck["failed entry"] += 1
            else:
                self.queue.delete(each.receipt, now=self._clock(), faults=self.faults)


class MemoryCustomers(CustomersTable):
    """The Customers table; only its index by state may be read late.

    Attributes:
        struck: how often each fault changed what was read.
    """

    def __init__(
        self, calls: Calls, clock: Callable[[], float], rng: Random, faults: TableFaults
    ) -> None:
        self.items: dict[LicenseKey, License] = {}
        self.faults = faults
        self.struck: Counter[str] = Counter()
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
            self.struck["stale read"] += before != each
            return before
        return each
