"""A standard SQS queue: what is visible, in flight, delayed or gone, at a cost that does not grow.

Every operation is O(log n) at most: visible messages lie in a list from which a random one is
taken, the others in a heap by the time at which they become visible, and all of them in order of
arrival for retention.
"""

import enum
import heapq
from collections import Counter, deque
from dataclasses import dataclass
from itertools import count
from random import Random
from uuid import UUID

from sandbox.memory.double import ACCOUNT_ID, REGION, ServiceError

# API reference: CreateQueue, ReceiveMessage, ChangeMessageVisibility.
VISIBILITY_TIMEOUT_SECONDS_MAX = 12 * 60 * 60
IN_FLIGHT_MESSAGES_MAX = 120_000  # "Amazon SQS message quotas"


@dataclass(frozen=True, slots=True)
class QueueFaults:
    """What AWS leaves open, or rarely does, as probabilities.

    `duplicate`: a delivered message stays visible and is delivered once more while in flight.
    `undead`: a delete succeeds, but one copy of the message survives and comes back.
    `empty`: a receive finds nothing although there is something (real SQS: short polls only).
    `partial`: a receive stops early, with at least one message.
    `failed_entry`: one entry of a batch fails with an internal error.
    `arrival_seconds_max`: a sent message becomes visible only after up to so long.
    `stale_handles_delete`: whether a handle of an earlier receive still deletes.
    """

    duplicate: float = 0.0
    undead: float = 0.0
    empty: float = 0.0
    partial: float = 0.0
    failed_entry: float = 0.0
    arrival_seconds_max: float = 0.0
    stale_handles_delete: bool = True


class State(enum.Enum):
    """Where a message is."""

    DELAYED = "sent, not visible yet"
    VISIBLE = "waits for a receive"
    IN_FLIGHT = "received, not deleted"
    GONE = "deleted or expired"


@dataclass(slots=True, eq=False)
class Message:
    """A message in the queue; it changes in place."""

    id: str
    body: str
    sent_at: float
    state: State = State.DELAYED
    visible_at: float = 0.0
    receive_count: int = 0
    first_received_at: float = 0.0
    received_at: float = 0.0
    # Deliveries that are due although the message is in flight.
    duplicates_due: int = 0
    # Deleted by its consumer, but a copy survived.
    undead: bool = False

    @property
    def handle(self) -> str:
        """The receipt handle of the latest receive."""
        return f"{self.id}#{self.receive_count}"


@dataclass(frozen=True, slots=True)
class MessageSnapshot:
    """A message as an invariant wants to see it."""

    id: str
    body: str
    sent_at: float
    receive_count: int
    in_flight_until: float | None
    undead: bool


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The attributes of a queue, with the defaults of CreateQueue."""

    visibility_timeout_seconds: int = 30
    delay_seconds: int = 0
    retention_seconds: int = 4 * 24 * 60 * 60
    receive_wait_seconds: int = 0
    message_bytes_max: int = 1024 * 1024


class Queue:
    """One queue. `messages()` looks into it without a call.

    Attributes:
        struck: how often each fault changed what a consumer saw.
    """

    def __init__(
        self, name: str, settings: QueueSettings, rng: Random, *, created_at: float
    ) -> None:
        self.name = name
        self.url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/{name}"
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"
        self.settings = settings
        self.created_at = created_at
        self.purged_at = float("-inf")
        self.counts = dict.fromkeys(State, 0)
        self.struck: Counter[str] = Counter()
        self._rng = rng
        self._messages: dict[str, Message] = {}
        self._visible: list[Message] = []
        self._later: list[tuple[float, int, Message]] = []
        self._arrivals: deque[Message] = deque()
        self._ticket = count()

    def messages(self) -> tuple[MessageSnapshot, ...]:
        """Every message that is not gone, in the order of arrival, as of the last call."""
        return tuple(
            MessageSnapshot(
                message.id,
                message.body,
                message.sent_at,
                message.receive_count,
                message.visible_at if message.state is State.IN_FLIGHT else None,
                message.undead,
            )
            for message in self._messages.values()
        )

    def send(self, body: str, *, now: float, delay_seconds: float) -> Message:
        """Take a message in."""
        message = Message(str(UUID(int=self._rng.getrandbits(128), version=4)), body, now)
        self.counts[State.DELAYED] += 1
        self._messages[message.id] = message
        self._arrivals.append(message)
        if delay_seconds > 0:
            self._show_at(message, now + delay_seconds)
        else:
            self._show(message)
        return message

    def receive(
        self, wanted: int, *, now: float, visibility_seconds: float, duplicate: float
    ) -> list[Message]:
        """Deliver up to so many visible messages, in no order."""
        delivered: list[Message] = []
        again: list[Message] = []
        while len(delivered) < wanted and self._visible:
            message = self._drawn()
            if message.state is State.IN_FLIGHT and message.duplicates_due:
                message.duplicates_due -= 1
                self.struck["duplicate"] += 1
            elif message.state is not State.VISIBLE:
                continue
            self.struck["undead"] += message.undead
            self._deliver(message, now, visibility_seconds)
            delivered.append(message)
            if duplicate and self._rng.random() < duplicate:
                message.duplicates_due += 1
                again.append(message)
        self._visible += again
        if visibility_seconds == 0:
            for message in delivered:
                self._show(message)
        return delivered

    def note_cut(self, fault: str, wanted: int) -> None:
        """Count a receive that a fault lets stop early, if there is something that it misses."""
        self.struck[fault] += self.counts[State.VISIBLE] > wanted

    def _drawn(self) -> Message:
        place = int(self._rng.random() * len(self._visible))
        drawn = self._visible[place]
        last = self._visible.pop()
        if drawn is not last:
            self._visible[place] = last
        return drawn

    def _deliver(self, message: Message, now: float, visibility_seconds: float) -> None:
        message.receive_count += 1
        message.first_received_at = message.first_received_at or now
        message.received_at = now
        self._move(message, State.IN_FLIGHT)
        self._show_at(message, now + visibility_seconds)

    def _in_flight(self, handle: str) -> Message:
        """The message in flight with this handle, or SQS's refusal."""
        message = self._by_handle(handle)
        if message is None:
            raise ServiceError(
                400,
                "InvalidParameterValue",
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not "
                "exist or is not available for visibility timeout change.",
            )
        if message.state is not State.IN_FLIGHT:
            raise ServiceError(400, "MessageNotInflight", "The specified message isn't in flight.")
        return message

    def change_visibility(self, handle: str, seconds: int, *, now: float) -> None:
        """Show a message in flight at another time."""
        message = self._in_flight(handle)
        if now + seconds > message.received_at + VISIBILITY_TIMEOUT_SECONDS_MAX:
            raise ServiceError(
                400,
                "InvalidParameterValue",
                f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total "
                "VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            )
        if seconds:
            self._show_at(message, now + seconds)
        else:
            self._show(message)

    def delete(self, handle: str, *, now: float, faults: QueueFaults) -> None:
        """Remove a message; in a standard queue this succeeds whatever became of it."""
        message = self._by_handle(handle)
        if message is None or (handle != message.handle and not faults.stale_handles_delete):
            return
        if faults.undead and self._rng.random() < faults.undead:
            message.undead = True
            self._move(message, State.IN_FLIGHT)
            self._show_at(message, now + self._rng.random() * max(0.0, message.visible_at - now))
            return
        self._drop(message)

    def purge(self) -> None:
        """Remove everything."""
        for message in tuple(self._messages.values()):
            self._drop(message)

    def advance(self, now: float) -> None:
        """Let time pass: show what is due, forget what is older than the retention period."""
        while self._later and self._later[0][0] <= now:
            due_at, _, message = heapq.heappop(self._later)
            hidden = message.state in (State.DELAYED, State.IN_FLIGHT)
            if hidden and message.visible_at == due_at:
                self._show(message)
        oldest = now - self.settings.retention_seconds
        while self._arrivals and self._arrivals[0].sent_at <= oldest:
            self._drop(self._arrivals.popleft())
        if len(self._arrivals) > 2 * len(self._messages) + 1000:
            self._arrivals = deque(self._messages.values())

    def _by_handle(self, handle: str) -> Message | None:
        message_id, mark, serial = handle.partition("#")
        if not mark or not serial.isdecimal():
            raise ServiceError(
                404, "ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is invalid.'
            )
        return self._messages.get(message_id)

    def _show(self, message: Message) -> None:
        self._move(message, State.VISIBLE)
        self._visible.append(message)

    def _show_at(self, message: Message, at: float) -> None:
        message.visible_at = at
        heapq.heappush(self._later, (at, next(self._ticket), message))

    def _drop(self, message: Message) -> None:
        if message.state is not State.GONE:
            self._move(message, State.GONE)
            message.body = ""
            del self._messages[message.id]

    def _move(self, message: Message, state: State) -> None:
        self.counts[message.state] -= 1
        self.counts[state] += 1
        message.state = state
