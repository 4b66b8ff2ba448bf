"""The doubles of SQS and DynamoDB agree with moto, program by program.

Every seed is a random program. It runs against moto and against the double, and each answer must
be the same; errors are compared by their code and details. Where moto is known to differ from AWS
the programs keep away, and the unit tests say what the doubles do there. So pages are followed to
their end (moto gives no key with a page that its limit fills), and receives take all there is.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import time_machine
from botocore.exceptions import ClientError
from moto import mock_aws

from sandbox.memory import MemoryDynamoDB, MemorySQS
from tests.integration.table_programs import TABLE, Dice, Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeFilterType

PROGRAMS = 150
STEPS = 20

# moto shows capacities and metrics that nobody asked for.
UNCOMPARED = frozenset({"ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics"})


def plain(answer: Any) -> Any:
    """An answer without what may differ: what nobody asked for, and the order of sets."""
    if isinstance(answer, dict):
        return {
            kind: sorted(value) if kind in ("SS", "NS", "BS") else plain(value)
            for kind, value in answer.items()
            if kind not in UNCOMPARED
        }
    return [plain(element) for element in answer] if isinstance(answer, list) else answer


def outcome(call: Callable[[], Any]) -> Any:
    """What a call answers, or the code and the details of its error."""
    try:
        return plain(call())
    except ClientError as error:
        reasons: list[Wire] = error.response.get("CancellationReasons", [])
        codes = [reason["Code"] for reason in reasons]
        return error.response["Error"]["Code"], codes, plain(error.response.get("Item"))


def in_key_order(items: list[Wire]) -> list[Wire]:
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def run(client: "DynamoDBClient", operation: str, params: Wire) -> Any:
    if operation == "transact_write_items":
        return outcome(lambda: client.transact_write_items(**params))
    if operation == "batch_get_item":
        answer = outcome(lambda: client.batch_get_item(**params))
        return in_key_order(answer["Responses"]["table"]) if isinstance(answer, dict) else answer
    if operation in ("query", "scan"):
        pages = client.get_paginator(operation).paginate(TableName="table", **params)  # type: ignore[call-overload]
        answer = outcome(lambda: {"Items": [item for page in pages for item in page["Items"]]})
        return in_key_order(answer["Items"]) if operation == "scan" else answer
    return outcome(lambda: getattr(client, operation)(TableName="table", **params))


@pytest.fixture(scope="module")
def moto() -> Iterator[boto3.session.Session]:
    """A session inside moto; one for all programs, since a new one costs half a second."""
    with mock_aws():
        yield boto3.session.Session(
            aws_access_key_id="moto", aws_secret_access_key="moto", region_name="us-east-1"
        )


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_table_answers_a_program_as_moto_does(moto: boto3.session.Session, seed: int) -> None:
    tables = MemoryDynamoDB(now=lambda: 0.0, rng=random.Random(seed))
    double, original = tables.client(), moto.client("dynamodb")
    double.create_table(**TABLE)
    original.create_table(**TABLE)
    dice = Dice(seed)

    try:
        for _ in range(STEPS):
            operation, params = dice.step()
            expected = run(original, operation, params)
            assert run(double, operation, params) == expected, (operation, params)
        assert plain(tables.items("table")) == run(original, "scan", {})
    finally:
        original.delete_table(TableName="table")


START = datetime(2026, 1, 1, tzinfo=UTC)
QUEUE_OPERATIONS = ("send", "send", "receive", "receive", "delete", "visibility", "wait", "counts")
COUNTS: tuple["QueueAttributeFilterType", ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class Consumer:
    """A queue seen through a client: messages go by their bodies, since ids and handles differ."""

    def __init__(self, client: "SQSClient", name: str) -> None:
        self.client = client
        self.url = client.create_queue(QueueName=name)["QueueUrl"]
        self.handles: dict[str, list[str]] = {}

    def send(self, bodies: list[str], delay: int) -> Any:
        entries: Any = [
            {"Id": str(place), "MessageBody": body, "DelaySeconds": delay}
            for place, body in enumerate(bodies)
        ]
        answer = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)
        return [(sent["Id"], sent["MD5OfMessageBody"]) for sent in answer["Successful"]]

    def receive(self, visibility: int) -> Any:
        answer = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=visibility,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        seen = []
        for message in answer.get("Messages", []):
            self.handles.setdefault(message["Body"], []).append(message["ReceiptHandle"])
            seen.append((message["Body"], message["MD5OfBody"], message["Attributes"]))
        return sorted(seen, key=str)

    def delete(self, body: str, place: int) -> Any:
        return outcome(
            lambda: self.client.delete_message(
                QueueUrl=self.url, ReceiptHandle=self.handles[body][place]
            )
        )

    def visibility(self, body: str, seconds: int) -> Any:
        return outcome(
            lambda: self.client.change_message_visibility(
                QueueUrl=self.url,
                ReceiptHandle=self.handles[body][-1],
                VisibilityTimeout=seconds,
            )
        )

    def counts(self) -> Any:
        return self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=COUNTS)[
            "Attributes"
        ]


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_queue_answers_a_program_as_moto_does(moto: boto3.session.Session, seed: int) -> None:
    rng = random.Random(seed)
    with time_machine.travel(START, tick=False) as clock:
        queues = MemorySQS(now=time.time, rng=random.Random(seed))
        double = Consumer(queues.client(), f"queue-{seed}")
        original = Consumer(moto.client("sqs"), f"queue-{seed}")

        for step in range(STEPS):
            # For moto a message is visible only after the moment at which it becomes so.
            clock.shift(0.001)
            known = queues.queue(double.url).messages()
            in_flight = [message.body for message in known if message.in_flight_until]
            operation = rng.choice(QUEUE_OPERATIONS)
            arguments: tuple[Any, ...] = ()
            if operation == "wait":
                clock.shift(rng.choice((0.5, 7, 31)))
                continue
            if operation == "send":
                # A receive takes ten: with more, each would choose for itself.
                bodies = [f"{step}-{place}" for place in range(rng.randint(1, 3))]
                arguments = (bodies[: 10 - len(known)], rng.choice((0, 5)))
                if not arguments[0]:
                    continue
            elif operation == "receive":
                arguments = (rng.choice((0, 10, 30)),)
            elif operation == "delete":
                if not double.handles:
                    continue
                body = rng.choice(sorted(double.handles))
                arguments = (body, rng.randrange(len(double.handles[body])))
            elif operation == "visibility":
                if not in_flight:
                    continue
                arguments = (rng.choice(in_flight), rng.choice((0, 3, 60)))
            expected = getattr(original, operation)(*arguments)
            assert getattr(double, operation)(*arguments) == expected, (operation, arguments)
