"""The usage queue."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUEUE_BATCH_MAX = 10
"""Messages of one ReceiveMessage or DeleteMessageBatch (SQS quotas)."""

RECEIVE_WAIT_S = 1
"""A short poll asks some of SQS's servers only and reports false empties; this asks all."""

_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

Parallel = Callable[..., Iterable[Any]]
"""``map``, or the ``map`` of a pool of threads."""


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of a message of the usage queue."""

    id: str
    receipt: str
    body: str
    sent_s: int


class UsageQueue:
    """The SQS queue that producers write to."""

    def __init__(self, client: "SQSClient", url: str, parallel: Parallel) -> None:
        self._client = client
        self._url = url
        self._parallel = parallel

    def receive(self, *, sure: bool = True) -> list[Message]:
        """Take up to ten messages out of sight; nothing means that the queue looked empty.

        Args:
            sure: whether to wait for all of SQS's servers; else a few messages may be overlooked.
        """
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=QUEUE_BATCH_MAX,
            WaitTimeSeconds=RECEIVE_WAIT_S if sure else 0,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return [
            Message(
                each["MessageId"],
                each["ReceiptHandle"],
                each["Body"],
                int(each["Attributes"]["SentTimestamp"]) // 1000,
            )
            for each in answer.get("Messages", [])
        ]

    def is_empty(self) -> bool:
        """Tell whether no message is left, those out of sight included.

        SQS counts approximately: after a while without sends and receives, it is right.
        """
        counts = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=_COUNTS)
        return not any(int(each) for each in counts["Attributes"].values())

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages; one that cannot be deleted comes back and is recognised."""
        parts = [
            messages[at : at + QUEUE_BATCH_MAX] for at in range(0, len(messages), QUEUE_BATCH_MAX)
        ]
        for _ in self._parallel(self._delete_ten, parts):
            pass

    def _delete_ten(self, messages: Sequence[Message]) -> None:
        self._client.delete_message_batch(
            QueueUrl=self._url,
            Entries=[
                {"Id": str(at), "ReceiptHandle": each.receipt} for at, each in enumerate(messages)
            ],
        )
