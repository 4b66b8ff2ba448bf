"""Queues that trigger functions: batches, partial failures, and what comes back."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.sandbox import Sandbox
from sandbox.triggers import Handled, UnknownTriggerError
from tests.integration.toy import create_function

pytestmark = pytest.mark.slow

# It answers what the first message says, or reports the messages that begin with "fail".
CODE = '''
import json


def handler(event, context):
    """Take messages."""
    bodies = [record["body"] for record in event["Records"]]
    print("EVENT", json.dumps(event))
    if bodies[0] == "raise":
        raise ValueError(bodies[0])
    if bodies[0].startswith("answer "):
        return json.loads(bodies[0].removeprefix("answer "))
    failed = [each["messageId"] for each in event["Records"] if each["body"].startswith("fail")]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
'''
VISIBILITY_SECONDS = 60


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), app=None) as sandbox:
        yield sandbox


@dataclass(frozen=True, slots=True)
class Line:
    """A queue, its dead-letter queue, and the function behind it."""

    sandbox: Sandbox
    url: str
    dead_letters: str
    function: str

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.sandbox.client("sqs").send_message(
                QueueUrl=self.url,
                MessageBody=body,
                MessageAttributes={"colour": {"DataType": "String", "StringValue": "green"}},
            )

    def waiting(self, url: str = "") -> tuple[int, int]:
        """How many messages are visible, and how many in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sandbox.client("sqs").get_queue_attributes(
            QueueUrl=url or self.url, AttributeNames=names
        )
        visible, hidden = (int(answer["Attributes"][name]) for name in names)
        return visible, hidden

    def events(self) -> list[Any]:
        """What the function was given."""
        logs = (self.sandbox.folder / "logs").glob(f"{self.function}-*.log")
        lines = [line for log in logs for line in log.read_text("utf-8").splitlines()]
        return [json.loads(line[6:]) for line in lines if line.startswith("EVENT ")]


@pytest.fixture
def line(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Line]:
    name = f"f{abs(hash(request.node.name))}"
    options = getattr(request, "param", {"FunctionResponseTypes": ["ReportBatchItemFailures"]})
    sqs, functions = sandbox.client("sqs"), sandbox.client("lambda")
    dead_letters = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn(sandbox, dead_letters), "maxReceiveCount": "2"}
    attributes = {
        "VisibilityTimeout": str(VISIBILITY_SECONDS),
        "RedrivePolicy": json.dumps(redrive),
    }
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    mapping = functions.create_event_source_mapping(
        FunctionName=create_function(sandbox, name, code=CODE),
        EventSourceArn=arn(sandbox, url),
        **options,
    )
    yield Line(sandbox, url, dead_letters, name)
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


def arn(sandbox: Sandbox, url: str) -> str:
    answer = sandbox.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def failures(handled: list[Handled]) -> list[int]:
    return [len(each.failed) for each in handled]


def test_a_function_gets_what_lambda_would_give_it(line: Line) -> None:
    line.send("hello")

    line.sandbox.triggers.run_due()

    (record,) = line.events()[0]["Records"]
    assert record["body"] == "hello"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(f":{line.function}")
    assert record["awsRegion"] == "us-east-1"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"] == {"colour": {"dataType": "String", "stringValue": "green"}}
    assert {"messageId", "receiptHandle", "md5OfBody"} <= record.keys()


def test_what_was_handled_is_deleted(line: Line) -> None:
    line.send(*map(str, range(25)))

    handled = line.sandbox.triggers.run_due()

    assert sorted(len(each.messages) for each in handled) == [5, 10, 10]
    assert line.waiting() == (0, 0)


@pytest.mark.parametrize("line", [{"BatchSize": 1}], indirect=True)
def test_a_batch_is_no_larger_than_asked_for(line: Line) -> None:
    line.send("a", "b", "c")

    handled = line.sandbox.triggers.run_due()

    assert [len(each.messages) for each in handled] == [1, 1, 1]


def test_only_reported_messages_come_back_after_their_visibility_time_out(line: Line) -> None:
    line.send("a", "fail", "b")

    handled = line.sandbox.triggers.run_due()
    soon = line.sandbox.triggers.run_due()
    line.sandbox.clock.advance(VISIBILITY_SECONDS + 1)
    later = line.sandbox.triggers.run_due()

    assert (failures(handled), failures(soon), failures(later)) == ([1], [], [1])
    assert [record["body"] for record in line.events()[-1]["Records"]] == ["fail"]


def test_a_message_that_keeps_failing_becomes_a_dead_letter(line: Line) -> None:
    line.send("fail")

    for _ in range(3):
        line.sandbox.triggers.run_due()
        line.sandbox.clock.advance(VISIBILITY_SECONDS + 1)

    assert (line.waiting(), line.waiting(line.dead_letters)) == ((0, 0), (1, 0))


@pytest.mark.parametrize(
    "body",
    [
        "raise",
        'answer {"batchItemFailures": [{"itemIdentifier": ""}]}',
        'answer {"batchItemFailures": [{"itemIdentifier": "nobody"}]}',
        'answer {"batchItemFailures": [{"id": "x"}]}',
        'answer {"batchItemFailures": "all"}',
        'answer "text"',
    ],
)
def test_an_error_or_an_answer_nobody_can_read_fails_the_whole_batch(line: Line, body: str) -> None:
    line.send(body)

    assert failures(line.sandbox.triggers.run_due()) == [1]
    assert line.waiting() == (0, 1)


@pytest.mark.parametrize("body", ["answer null", "answer {}", 'answer {"batchItemFailures": null}'])
def test_an_answer_without_failures_is_success(line: Line, body: str) -> None:
    line.send(body)

    assert failures(line.sandbox.triggers.run_due()) == [0]


@pytest.mark.parametrize("line", [{}], indirect=True)
def test_failures_are_read_only_where_the_mapping_says_so(line: Line) -> None:
    line.send("fail")

    assert failures(line.sandbox.triggers.run_due()) == [0]


@pytest.mark.parametrize("line", [{"Enabled": False}], indirect=True)
def test_a_disabled_mapping_is_not_followed(line: Line) -> None:
    line.send("a")

    assert line.sandbox.triggers.run_due() == []


@pytest.mark.parametrize(
    "line", [{"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}], indirect=True
)
def test_a_mapping_that_cannot_be_followed_is_refused(line: Line) -> None:
    with pytest.raises(UnknownTriggerError, match="cannot follow the mapping"):
        line.sandbox.triggers.run_due()


def test_messages_are_handled_by_themselves_in_the_background(line: Line) -> None:
    lines: list[str] = []

    line.sandbox.triggers.start(lines.append)
    line.send("a", "fail")
    deadline = time.monotonic() + 30
    while line.waiting() != (0, 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    line.sandbox.triggers.stop()

    assert line.waiting() == (0, 1)
    assert any("1 failed" in each for each in lines)
