"""SQS in memory, for simulation and bench: standard queues, made through `CreateQueue`.

Known: sending, receiving, deleting, visibility, delay, retention, purging and the approximate
counts. Not known, and refused: message attributes, redrive policies, FIFO queues. A receive never
waits, whatever its `WaitTimeSeconds`: time is the caller's.

    queues = MemorySQS(now=clock, rng=Random(seed))
    client = queues.client()
    url = client.create_queue(QueueName="usage")["QueueUrl"]
"""

import hashlib
from collections.abc import Callable
from math import ceil
from random import Random
from typing import TYPE_CHECKING, ClassVar

from botocore.config import Config

from sandbox.memory.attributes import text_bytes
from sandbox.memory.double import (
    Answer,
    Double,
    OnAnswer,
    OnCall,
    Operation,
    Params,
    ServiceError,
    UnsupportedError,
    require_known,
)
from sandbox.memory.limits import require_batch, require_legal, require_range
from sandbox.memory.queue import (
    IN_FLIGHT_MESSAGES_MAX,
    VISIBILITY_TIMEOUT_SECONDS_MAX,
    Message,
    Queue,
    QueueFaults,
    QueueSettings,
    State,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# API reference, each under its operation.
BATCH_BYTES_MAX = 1024 * 1024
DELAY_SECONDS_MAX = 900
RECEIVE_MESSAGES_MAX = 10
RECEIVE_WAIT_SECONDS_MAX = 20
PURGE_INTERVAL_SECONDS = 60
# SQS pricing: every 64 KB of payload is charged as one request.
BILLED_CHUNK_BYTES = 64 * 1024

_SETTINGS = {
    "VisibilityTimeout": "visibility_timeout_seconds",
    "DelaySeconds": "delay_seconds",
    "MessageRetentionPeriod": "retention_seconds",
    "ReceiveMessageWaitTimeSeconds": "receive_wait_seconds",
    "MaximumMessageSize": "message_bytes_max",
}
_COUNTS = {
    "ApproximateNumberOfMessages": State.VISIBLE,
    "ApproximateNumberOfMessagesNotVisible": State.IN_FLIGHT,
    "ApproximateNumberOfMessagesDelayed": State.DELAYED,
}
# Attributes that change nothing here.
_IGNORED_SETTINGS = frozenset({"Policy", "SqsManagedSseEnabled", "KmsMasterKeyId"})
_ENTRY_PARAMETERS = {
    "SendMessageBatch": frozenset({"Id", "MessageBody", "DelaySeconds"}),
    "DeleteMessageBatch": frozenset({"Id", "ReceiptHandle"}),
    "ChangeMessageVisibilityBatch": frozenset({"Id", "ReceiptHandle", "VisibilityTimeout"}),
}


class MemorySQS(Double):
    """SQS for real clients: `client()` makes one, `queue(url)` looks without a call."""

    service = "sqs"
    throttling_codes: ClassVar = ("RequestThrottled",)
    internal_error_code = "InternalFailure"
    query_error_codes: ClassVar = {
        "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
        **{
            code: f"AWS.SimpleQueueService.{code}"
            for code in (
                "BatchEntryIdsNotDistinct",
                "BatchRequestTooLong",
                "EmptyBatchRequest",
                "InvalidBatchEntryId",
                "MessageNotInflight",
                "PurgeQueueInProgress",
                "TooManyEntriesInBatchRequest",
            )
        },
    }

    def __init__(
        self,
        *,
        now: Callable[[], float],
        rng: Random,
        faults: QueueFaults | None = None,
        on_call: OnCall | None = None,
        on_answer: OnAnswer | None = None,
    ) -> None:
        super().__init__(now=now, rng=rng, on_call=on_call, on_answer=on_answer)
        self.faults = faults or QueueFaults()
        self._queues: dict[str, Queue] = {}
        url, batch = {"QueueUrl"}, frozenset({"QueueUrl", "Entries"})
        receive = url | {
            "AttributeNames",
            "MaxNumberOfMessages",
            "MessageAttributeNames",
            "MessageSystemAttributeNames",
            "VisibilityTimeout",
            "WaitTimeSeconds",
        }
        send = url | {"MessageBody", "DelaySeconds"}
        change = url | {"ReceiptHandle", "VisibilityTimeout"}
        self.operations = {
            "CreateQueue": Operation(
                self._create_queue, frozenset({"QueueName", "Attributes", "tags"})
            ),
            "GetQueueUrl": Operation(self._get_queue_url, frozenset({"QueueName"})),
            "GetQueueAttributes": Operation(
                self._get_queue_attributes, frozenset(url | {"AttributeNames"})
            ),
            "PurgeQueue": Operation(self._purge_queue, frozenset(url)),
            "SendMessage": Operation(self._send_message, frozenset(send)),
            "SendMessageBatch": Operation(self._send_message_batch, batch),
            "ReceiveMessage": Operation(self._receive_message, frozenset(receive)),
            "DeleteMessage": Operation(self._delete_message, frozenset(url | {"ReceiptHandle"})),
            "DeleteMessageBatch": Operation(self._delete_message_batch, batch),
            "ChangeMessageVisibility": Operation(self._change_visibility, frozenset(change)),
            "ChangeMessageVisibilityBatch": Operation(self._change_visibility_batch, batch),
        }

    def client(self, config: Config | None = None) -> "SQSClient":
        """A real SQS client that this double answers; retries are off unless configured."""
        client: SQSClient = self._connect(config)
        return client

    def queue(self, url_or_name: str) -> Queue:
        """One queue, time having passed for it; costs no request."""
        with self._lock:
            return self._queue(url_or_name)

    def _queue(self, url_or_name: str) -> Queue:
        queue = self._queues.get(url_or_name.rpartition("/")[2])
        if queue is None:
            raise ServiceError(400, "QueueDoesNotExist", "The specified queue does not exist.")
        queue.advance(self.now())
        return queue

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def _bill(self, payload_bytes: int) -> None:
        self.counters.billed_requests += max(1, ceil(payload_bytes / BILLED_CHUNK_BYTES))

    def _create_queue(self, params: Params) -> Answer:
        name = params["QueueName"]
        attributes = params.get("Attributes", {})
        unknown = attributes.keys() - _SETTINGS.keys() - _IGNORED_SETTINGS
        if unknown or name.endswith(".fifo"):
            raise UnsupportedError(f"CreateQueue: {name}, {', '.join(sorted(unknown))}")
        settings = QueueSettings(
            **{_SETTINGS[key]: int(text) for key, text in attributes.items() if key in _SETTINGS}
        )
        existing = self._queues.get(name)
        if existing and existing.settings != settings:
            raise ServiceError(
                400, "QueueNameExists", "A queue already exists with the same name and other values"
            )
        if existing is None:
            self._queues[name] = Queue(name, settings, self.rng, created_at=self.now())
        self._bill(0)
        return {"QueueUrl": self._queues[name].url}

    def _get_queue_url(self, params: Params) -> Answer:
        self._bill(0)
        return {"QueueUrl": self._queue(params["QueueName"]).url}

    def _get_queue_attributes(self, params: Params) -> Answer:
        queue = self._queue(params["QueueUrl"])
        self._bill(0)
        known = {name: str(getattr(queue.settings, _SETTINGS[name])) for name in _SETTINGS}
        known |= {name: str(queue.counts[state]) for name, state in _COUNTS.items()}
        created = str(int(queue.created_at))
        known |= {"CreatedTimestamp": created, "LastModifiedTimestamp": created}
        known["QueueArn"] = queue.arn
        wanted = params.get("AttributeNames", [])
        if "All" in wanted:
            return {"Attributes": known}
        for name in wanted:
            if name not in known:
                raise ServiceError(400, "InvalidAttributeName", f"Unknown Attribute {name}.")
        return {"Attributes": {name: known[name] for name in wanted}} if wanted else {}

    def _purge_queue(self, params: Params) -> Answer:
        queue = self._queue(params["QueueUrl"])
        self._bill(0)
        if self.now() - queue.purged_at < PURGE_INTERVAL_SECONDS:
            raise ServiceError(
                403,
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.",
            )
        queue.purged_at = self.now()
        queue.purge()
        return {}

    def _send_message(self, params: Params) -> Answer:
        queue = self._queue(params["QueueUrl"])
        self._bill(text_bytes(params["MessageBody"]))
        return self._sent(queue, params)

    def _sent(self, queue: Queue, entry: Params) -> Answer:
        body = entry["MessageBody"]
        require_legal(body, queue.settings.message_bytes_max)
        delay = entry.get("DelaySeconds", queue.settings.delay_seconds)
        require_range("DelaySeconds", delay, 0, DELAY_SECONDS_MAX)
        if self.faults.arrival_seconds_max:
            delay += self.rng.random() * self.faults.arrival_seconds_max
            queue.struck["late arrival"] += 1
        message = queue.send(body, now=self.now(), delay_seconds=delay)
        return {"MessageId": message.id, "MD5OfMessageBody": _md5(body)}

    def _send_message_batch(self, params: Params) -> Answer:
        queue = self._queue(params["QueueUrl"])
        payload_bytes = sum(text_bytes(entry["MessageBody"]) for entry in params["Entries"])
        self._bill(payload_bytes)
        if payload_bytes > BATCH_BYTES_MAX:
            raise ServiceError(
                400,
                "BatchRequestTooLong",
                f"Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. "
                f"You have sent {payload_bytes} bytes.",
            )
        for entry in params["Entries"]:
            require_legal(entry["MessageBody"], queue.settings.message_bytes_max)
        return self._batch(
            "SendMessageBatch", queue, params, lambda entry: self._sent(queue, entry)
        )

    def _batch(
        self, operation: str, queue: Queue, params: Params, one: Callable[[Params], Answer]
    ) -> Answer:
        """Each entry by itself: what fails is listed, the others are done."""
        entries = params["Entries"]
        require_batch(entries)
        successful, failed = [], []
        for entry in entries:
            require_known(entry, _ENTRY_PARAMETERS[operation], where=operation)
            if self._chance(self.faults.failed_entry):
                queue.struck["failed entry"] += 1
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                continue
            try:
                successful.append({"Id": entry["Id"], **one(entry)})
            except ServiceError as error:
                failed.append(
                    {
                        "Id": entry["Id"],
                        "Code": error.code,
                        "Message": error.message,
                        "SenderFault": True,
                    }
                )
        # A list without entries is left out: a consumer must not count on it being there.
        answer = {"Successful": successful, "Failed": failed}
        return {outcome: listed for outcome, listed in answer.items() if listed}

    def _receive_message(self, params: Params) -> Answer:
        queue = self._queue(params["QueueUrl"])
        settings, faults = queue.settings, self.faults
        wanted = params.get("MaxNumberOfMessages", 1)
        require_range("MaxNumberOfMessages", wanted, 1, RECEIVE_MESSAGES_MAX)
        wait = params.get("WaitTimeSeconds", settings.receive_wait_seconds)
        require_range("WaitTimeSeconds", wait, 0, RECEIVE_WAIT_SECONDS_MAX)
        visibility = params.get("VisibilityTimeout", settings.visibility_timeout_seconds)
        require_range("VisibilityTimeout", visibility, 0, VISIBILITY_TIMEOUT_SECONDS_MAX)
        room = IN_FLIGHT_MESSAGES_MAX - queue.counts[State.IN_FLIGHT]
        if room <= 0 and wait == 0:
            raise ServiceError(
                403, "OverLimit", "Too many messages in flight: the maximum is 120000."
            )
        wanted = min(wanted, room)
        if self._chance(faults.empty):
            wanted = 0
            queue.note_cut("empty", wanted)
        elif wanted > 1 and self._chance(faults.partial):
            wanted = 1 + int(self.rng.random() * (wanted - 1))
            queue.note_cut("partial", wanted)
        messages = queue.receive(
            wanted, now=self.now(), visibility_seconds=visibility, duplicate=faults.duplicate
        )
        self._bill(sum(text_bytes(message.body) for message in messages))
        attributes = {
            *params.get("MessageSystemAttributeNames", []),
            *params.get("AttributeNames", []),
        }
        return {"Messages": [_shown(m, attributes) for m in messages]} if messages else {}

    def _delete_message(self, params: Params) -> Answer:
        self._bill(0)
        return self._deleted(self._queue(params["QueueUrl"]), params)

    def _deleted(self, queue: Queue, entry: Params) -> Answer:
        queue.delete(entry["ReceiptHandle"], now=self.now(), faults=self.faults)
        return {}

    def _delete_message_batch(self, params: Params) -> Answer:
        queue = self._queue(params["QueueUrl"])
        self._bill(0)
        return self._batch(
            "DeleteMessageBatch", queue, params, lambda entry: self._deleted(queue, entry)
        )

    def _change_visibility(self, params: Params) -> Answer:
        self._bill(0)
        return self._changed(self._queue(params["QueueUrl"]), params)

    def _changed(self, queue: Queue, entry: Params) -> Answer:
        seconds = entry["VisibilityTimeout"]
        require_range("VisibilityTimeout", seconds, 0, VISIBILITY_TIMEOUT_SECONDS_MAX)
        queue.change_visibility(entry["ReceiptHandle"], seconds, now=self.now())
        return {}

    def _change_visibility_batch(self, params: Params) -> Answer:
        queue = self._queue(params["QueueUrl"])
        self._bill(0)
        return self._batch(
            "ChangeMessageVisibilityBatch", queue, params, lambda entry: self._changed(queue, entry)
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _shown(message: Message, attributes: set[str]) -> Answer:
    shown = {
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "MD5OfBody": _md5(message.body),
        "Body": message.body,
    }
    if not attributes:
        return shown
    known = {
        "SenderId": "AIDAMEMORY",
        "SentTimestamp": str(int(message.sent_at * 1000)),
        "ApproximateReceiveCount": str(message.receive_count),
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000)),
    }
    if "All" not in attributes:
        known = {name: text for name, text in known.items() if name in attributes}
    return {**shown, "Attributes": known}
