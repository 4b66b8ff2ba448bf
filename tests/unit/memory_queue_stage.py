"""A queue in memory for the tests of the SQS double."""

from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.memory import MemorySQS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class QueueStage:
    """A queue, a client and a clock."""

    def __init__(self, seed: int = 1, **attributes: str) -> None:
        self.now = 1_700_000_000.0
        self.queues = MemorySQS(now=lambda: self.now, rng=Random(seed))
        self.client: SQSClient = self.queues.client()
        self.url = self.client.create_queue(
            QueueName="queue",
            Attributes=attributes,  # type: ignore[arg-type]
        )["QueueUrl"]

    def send(self, *bodies: str, **more: Any) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body, **more)

    def receive(self, **more: Any) -> list[Any]:
        arguments = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 30} | more
        return self.client.receive_message(QueueUrl=self.url, **arguments).get("Messages", [])

    def bodies(self, **more: Any) -> list[str]:
        return [message["Body"] for message in self.receive(**more)]

    def delete(self, handle: str) -> None:
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=handle)

    def send_batch(self, *entries: Any) -> Any:
        return self.client.send_message_batch(QueueUrl=self.url, Entries=list(entries))

    def left(self) -> list[str]:
        return [message.body for message in self.queues.queue(self.url).messages()]


def entry(number: int, body: str = "x") -> Any:
    """One message of a batch."""
    return {"Id": str(number), "MessageBody": body}
