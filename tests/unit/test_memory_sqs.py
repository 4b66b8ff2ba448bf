"""SQS in memory: what a standard queue promises."""

import pytest
from botocore.exceptions import ClientError

from sandbox.memory import QueueFaults, UnsupportedError
from tests.unit.memory_queue_stage import QueueStage, entry

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def stage() -> QueueStage:
    return QueueStage()


def refusal(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_a_received_message_is_hidden_until_its_visibility_timeout_ends(stage: QueueStage) -> None:
    stage.send("a")

    seen = [stage.bodies(), stage.bodies()]
    stage.now += 30
    seen.append(stage.bodies())

    assert seen == [["a"], [], ["a"]]


def test_every_receive_gives_another_handle_and_counts(stage: QueueStage) -> None:
    stage.send("a")
    wanted = ["ApproximateReceiveCount"]

    [first] = stage.receive(VisibilityTimeout=0, MessageSystemAttributeNames=wanted)
    [second] = stage.receive(VisibilityTimeout=0, MessageSystemAttributeNames=wanted)

    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    assert [first["Attributes"], second["Attributes"]] == [
        {"ApproximateReceiveCount": "1"},
        {"ApproximateReceiveCount": "2"},
    ]


def test_the_time_of_sending_comes_in_milliseconds(stage: QueueStage) -> None:
    stage.send("a")
    stage.now += 5

    [message] = stage.receive(AttributeNames=["SentTimestamp"])

    assert message["Attributes"] == {"SentTimestamp": "1700000000000"}


def test_a_deleted_message_does_not_come_back(stage: QueueStage) -> None:
    stage.send("a")
    [message] = stage.receive()

    stage.delete(message["ReceiptHandle"])
    stage.now += HOUR

    assert stage.bodies() == []


def test_deleting_again_succeeds(stage: QueueStage) -> None:
    stage.send("a")
    [message] = stage.receive()

    stage.delete(message["ReceiptHandle"])
    stage.delete(message["ReceiptHandle"])

    assert stage.left() == []


@pytest.mark.parametrize(("works", "left"), [(True, []), (False, ["a"])])
def test_an_older_handle_deletes_as_the_simulation_chooses(
    stage: QueueStage, *, works: bool, left: list[str]
) -> None:
    stage.queues.faults = QueueFaults(stale_handles_delete=works)
    stage.send("a")
    [older] = stage.receive(VisibilityTimeout=0)
    stage.receive()

    stage.delete(older["ReceiptHandle"])

    assert stage.left() == left


def test_a_malformed_handle_is_refused(stage: QueueStage) -> None:
    with pytest.raises(stage.client.exceptions.ReceiptHandleIsInvalid):
        stage.delete("nonsense")


def test_messages_come_in_no_order(stage: QueueStage) -> None:
    sent = [str(number) for number in range(10)]
    stage.send(*sent)

    received = stage.bodies()

    assert received != sent
    assert sorted(received) == sent


def test_one_seed_is_one_order() -> None:
    stages = [QueueStage(seed=7), QueueStage(seed=7)]
    for stage in stages:
        stage.send(*"abcdefgh")

    first, second = (stage.receive() for stage in stages)

    assert first == second


def test_a_delayed_message_is_not_visible_before_its_time(stage: QueueStage) -> None:
    stage.send("a", DelaySeconds=10)

    seen = [stage.bodies()]
    stage.now += 10
    seen.append(stage.bodies())

    assert seen == [[], ["a"]]


def test_a_message_older_than_the_retention_period_is_gone() -> None:
    stage = QueueStage(MessageRetentionPeriod=str(14 * DAY))
    stage.send("a")
    stage.now += 14 * DAY - 1
    before = stage.left()

    stage.now += 1

    assert (before, stage.left()) == (["a"], [])


def test_a_receive_never_waits(stage: QueueStage) -> None:
    assert stage.bodies(WaitTimeSeconds=20) == []


def test_visibility_can_be_prolonged(stage: QueueStage) -> None:
    stage.send("a")
    [message] = stage.receive()
    stage.now += 20
    stage.client.change_message_visibility(
        QueueUrl=stage.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=30
    )

    stage.now += 29

    assert stage.bodies() == []


def test_visibility_zero_shows_a_message_at_once(stage: QueueStage) -> None:
    stage.send("a")
    [message] = stage.receive()

    stage.client.change_message_visibility(
        QueueUrl=stage.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )

    assert stage.bodies() == ["a"]


def test_visibility_ends_twelve_hours_after_the_receive(stage: QueueStage) -> None:
    stage.send("a")
    [message] = stage.receive(VisibilityTimeout=12 * HOUR)
    stage.now += 1

    with pytest.raises(ClientError, match="beyond the limit"):
        stage.client.change_message_visibility(
            QueueUrl=stage.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=12 * HOUR
        )


def test_the_visibility_of_a_visible_message_cannot_be_changed(stage: QueueStage) -> None:
    stage.send("a")
    [message] = stage.receive(VisibilityTimeout=0)

    with pytest.raises(stage.client.exceptions.MessageNotInflight):
        stage.client.change_message_visibility(
            QueueUrl=stage.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5
        )


def test_the_visibility_of_several_messages_changes_entry_by_entry(stage: QueueStage) -> None:
    stage.send("a", "b")
    first, second = stage.receive()
    stage.delete(second["ReceiptHandle"])

    answer = stage.client.change_message_visibility_batch(
        QueueUrl=stage.url,
        Entries=[
            {"Id": "0", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "1", "ReceiptHandle": second["ReceiptHandle"], "VisibilityTimeout": 0},
        ],
    )

    assert [each["Id"] for each in answer["Successful"]] == ["0"]
    assert [each["Code"] for each in answer["Failed"]] == ["InvalidParameterValue"]


def test_counts_tell_visible_hidden_and_delayed_messages_apart(stage: QueueStage) -> None:
    stage.send(*"abc")
    stage.send("d", DelaySeconds=10)
    stage.receive(MaxNumberOfMessages=1)

    answer = stage.client.get_queue_attributes(QueueUrl=stage.url, AttributeNames=["All"])

    counts = {k: v for k, v in answer["Attributes"].items() if k.startswith("Approximate")}
    assert counts == {
        "ApproximateNumberOfMessages": "2",
        "ApproximateNumberOfMessagesNotVisible": "1",
        "ApproximateNumberOfMessagesDelayed": "1",
    }


def test_purging_empties_the_queue(stage: QueueStage) -> None:
    stage.send("a", "b")
    stage.receive(MaxNumberOfMessages=1)

    stage.client.purge_queue(QueueUrl=stage.url)

    assert stage.left() == []


def test_purging_twice_within_a_minute_is_refused(stage: QueueStage) -> None:
    stage.client.purge_queue(QueueUrl=stage.url)

    with pytest.raises(stage.client.exceptions.PurgeQueueInProgress):
        stage.client.purge_queue(QueueUrl=stage.url)


def test_a_missing_queue_has_the_code_of_the_old_protocol(stage: QueueStage) -> None:
    with pytest.raises(stage.client.exceptions.QueueDoesNotExist) as caught:
        stage.client.receive_message(QueueUrl="https://sqs.example/1/nowhere")

    assert refusal(caught) == "AWS.SimpleQueueService.NonExistentQueue"


def test_a_batch_has_at_most_ten_entries(stage: QueueStage) -> None:
    with pytest.raises(stage.client.exceptions.TooManyEntriesInBatchRequest):
        stage.send_batch(*(entry(number) for number in range(11)))


def test_a_batch_has_at_least_one_entry(stage: QueueStage) -> None:
    with pytest.raises(stage.client.exceptions.EmptyBatchRequest):
        stage.send_batch()


def test_the_ids_of_a_batch_differ(stage: QueueStage) -> None:
    with pytest.raises(stage.client.exceptions.BatchEntryIdsNotDistinct):
        stage.send_batch(entry(1), entry(1))


def test_a_batch_weighs_at_most_one_mebibyte_together(stage: QueueStage) -> None:
    half = "x" * (512 * 1024)
    stage.send_batch(entry(1, half), entry(2, half))

    with pytest.raises(stage.client.exceptions.BatchRequestTooLong):
        stage.send_batch(entry(1, half), entry(2, half + "x"))


def test_a_message_weighs_at_most_one_mebibyte_in_utf8(stage: QueueStage) -> None:
    stage.send("é" * (512 * 1024))

    with pytest.raises(ClientError, match="shorter than 1048576 bytes"):
        stage.send("é" * (512 * 1024) + "x")


def test_a_body_of_illegal_characters_is_refused(stage: QueueStage) -> None:
    with pytest.raises(stage.client.exceptions.InvalidMessageContents):
        stage.send("\x00")


@pytest.mark.parametrize(
    "wrong",
    [{"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": 43201}],
    ids=str,
)
def test_a_receive_beyond_its_limits_is_refused(stage: QueueStage, wrong: dict[str, int]) -> None:
    with pytest.raises(ClientError) as caught:
        stage.receive(**wrong)

    assert refusal(caught) == "InvalidParameterValue"


def test_no_more_than_120_000_messages_are_in_flight(stage: QueueStage) -> None:
    queue = stage.queues.queue(stage.url)
    for _ in range(120_001):
        queue.send("x", now=stage.now, delay_seconds=0)
    queue.receive(119_999, now=stage.now, visibility_seconds=30, duplicate=0)

    assert stage.bodies() == ["x"]
    with pytest.raises(stage.client.exceptions.OverLimit):
        stage.receive(WaitTimeSeconds=0)


def test_a_redrive_policy_is_beyond_the_double() -> None:
    with pytest.raises(UnsupportedError, match="RedrivePolicy"):
        QueueStage(RedrivePolicy="{}")


def test_a_snapshot_shows_a_message_without_a_call(stage: QueueStage) -> None:
    stage.send("a")
    stage.receive()
    stage.queues.reset_counters()

    [message] = stage.queues.queue(stage.url).messages()

    assert (message.body, message.sent_at, message.receive_count, message.in_flight_until) == (
        "a",
        stage.now,
        1,
        stage.now + 30,
    )
    assert not stage.queues.counters.requests


def test_every_64_kilobytes_of_payload_are_billed_as_a_request(stage: QueueStage) -> None:
    stage.queues.reset_counters()

    stage.send_batch(entry(1, "x" * 64 * 1024), entry(2, "x"))
    stage.receive()

    assert stage.queues.counters.billed_requests == 4
