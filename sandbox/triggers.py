"""Hands the messages of queues to the functions that Lambda's event source mappings name.

moto keeps the mappings; here they are followed, as Lambda's pollers would. Two ways: `start` does
so in the background; or the caller drives, with `run_due`, and knows when each batch is over.

A batch is handed over as soon as the queue has no more for it: MaximumBatchingWindowInSeconds,
which only makes batches fuller, is not waited for.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.background import PASSING, Background
from sandbox.runtime import Invoked, StoppedError, TooManyRequestsError

POLL_REAL_SECONDS = 0.1
# SQS's limit for one receive, and for one batch of deletes.
RECEIVED_AT_ONCE_MAX = 10
# How many batches Lambda begins with at a time
# (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).
CONCURRENCY = 5


class UnknownTriggerError(Exception):
    """A mapping is beyond what the sandbox can follow."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One enabled mapping from a queue to a function."""

    id: str
    queue_arn: str
    queue_url: str
    function: str
    batch_size: int
    reports_failures: bool
    concurrency: int


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one batch; what has failed comes back when its visibility time-out is over."""

    trigger: Trigger
    messages: Sequence[str]
    failed: frozenset[str]
    invoked: Invoked | None


class Triggers:
    """Polls queues and invokes functions.

    Args:
        functions: A boto3 Lambda client of moto.
        queues: A boto3 SQS client.
        invoke: Runs a function with an event.
    """

    def __init__(
        self, functions: Any, queues: Any, invoke: Callable[[str, bytes], Invoked]
    ) -> None:
        self._functions = functions
        self._queues = queues
        self._invoke = invoke
        self._background = Background(
            self._poll,
            rest_real_seconds=POLL_REAL_SECONDS,
            failures=(*PASSING, UnknownTriggerError),
        )
        self._places: dict[str, threading.Semaphore] = {}

    def start(self, report: Callable[[str], None]) -> None:
        """Follow all mappings in the background; say a line about each batch."""
        self._background.start(report)

    def stop(self) -> None:
        """Poll no more; what runs goes on."""
        self._background.stop()

    def run_due(self) -> list[Handled]:
        """Hand over all that waits, batch after batch, until every queue shows nothing more."""
        handled = []
        for trigger in self.enabled():
            while messages := self._receive(trigger):
                handled.append(self._handle(trigger, messages))
        return handled

    def enabled(self) -> list[Trigger]:
        """All mappings that are followed.

        Raises:
            UnknownTriggerError: One does what the sandbox cannot.
        """
        mappings = self._functions.list_event_source_mappings()["EventSourceMappings"]
        return [self._trigger(each) for each in mappings if each["State"] == "Enabled"]

    def _trigger(self, mapping: Mapping[str, Any]) -> Trigger:
        arn = mapping["EventSourceArn"]
        if ":sqs:" not in arn or arn.endswith(".fifo") or mapping.get("FilterCriteria"):
            raise UnknownTriggerError(
                f"The sandbox cannot follow the mapping from {arn}; it knows standard queues, "
                "unfiltered."
            )
        name = arn.rsplit(":", 1)[-1]
        return Trigger(
            id=mapping["UUID"],
            queue_arn=arn,
            queue_url=self._queues.get_queue_url(QueueName=name)["QueueUrl"],
            function=mapping["FunctionArn"],
            batch_size=mapping["BatchSize"],
            reports_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", []),
            concurrency=mapping.get("ScalingConfig", {}).get("MaximumConcurrency", CONCURRENCY),
        )

    def _receive(self, trigger: Trigger) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        while (room := trigger.batch_size - len(messages)) > 0:
            received = self._queues.receive_message(
                QueueUrl=trigger.queue_url,
                MaxNumberOfMessages=min(room, RECEIVED_AT_ONCE_MAX),
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not received:
                break
            messages += received
        return messages

    def _handle(self, trigger: Trigger, messages: Sequence[Mapping[str, Any]]) -> Handled:
        ids = [message["MessageId"] for message in messages]
        records = [sqs_record(message, trigger.queue_arn) for message in messages]
        try:
            invoked = self._invoke(trigger.function, json.dumps({"Records": records}).encode())
        except TooManyRequestsError:
            return Handled(trigger, ids, frozenset(ids), None)
        failed = _failed(trigger, ids, invoked)
        done = [message for message in messages if message["MessageId"] not in failed]
        for first in range(0, len(done), RECEIVED_AT_ONCE_MAX):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(done[first : first + RECEIVED_AT_ONCE_MAX])
            ]
            self._queues.delete_message_batch(QueueUrl=trigger.queue_url, Entries=entries)
        return Handled(trigger, ids, failed, invoked)

    def _poll(self, report: Callable[[str], None]) -> None:
        for trigger in self.enabled():
            places = self._places.setdefault(trigger.id, threading.Semaphore(trigger.concurrency))
            while places.acquire(blocking=False):
                messages = self._receive(trigger)
                if not messages:
                    places.release()
                    break
                threading.Thread(
                    target=self._handle_and_report,
                    args=(trigger, messages, places, report),
                    daemon=True,
                ).start()

    def _handle_and_report(
        self,
        trigger: Trigger,
        messages: Sequence[Mapping[str, Any]],
        places: threading.Semaphore,
        report: Callable[[str], None],
    ) -> None:
        try:
            handled = self._handle(trigger, messages)
            outcome = f"{len(handled.messages)} messages, {len(handled.failed)} failed"
        except (*PASSING, StoppedError) as error:
            outcome = str(error)
        finally:
            places.release()
        report(f"{trigger.function.split(':')[-1]} {outcome}")


def sqs_record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    """A received message as Lambda hands it to a function.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {
                f"{key[0].lower()}{key[1:]}": value
                for key, value in attribute.items()
                if key in {"DataType", "StringValue"}
            }
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def _failed(trigger: Trigger, ids: Sequence[str], invoked: Invoked) -> frozenset[str]:
    """The messages that come back.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: an answer that
    Lambda cannot read fails the whole batch, and so does an id that was not in it.
    """
    if invoked.answer.is_error:
        return frozenset(ids)
    if not trigger.reports_failures:
        return frozenset()
    try:
        answer = json.loads(invoked.answer.payload) or {}
        failed = {each["itemIdentifier"] for each in answer.get("batchItemFailures") or []}
    except (AttributeError, KeyError, TypeError, ValueError):
        return frozenset(ids)
    return frozenset(failed if failed <= set(ids) else ids)
