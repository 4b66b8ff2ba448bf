"""SQS in memory: what a standard queue may do, and here does as often as it is told to."""

from collections.abc import Iterator

import pytest

from sandbox.memory import QueueFaults
from tests.unit.memory_queue_stage import QueueStage, entry

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def stage() -> QueueStage:
    return QueueStage()


def hostile(**faults: float) -> Iterator[QueueStage]:
    """Stages of many seeds, each with these faults."""
    for seed in range(50):
        stage = QueueStage(seed)
        stage.queues.faults = QueueFaults(**faults)  # type: ignore[arg-type]
        yield stage


def test_a_message_may_be_delivered_twice_while_in_flight() -> None:
    deliveries = set()
    for stage in hostile(duplicate=0.5):
        stage.send("a")
        deliveries.add(len(stage.bodies()) + len(stage.bodies()))

    assert deliveries == {1, 2}


def test_a_duplicate_delivery_does_not_come_in_the_same_answer() -> None:
    for stage in hostile(duplicate=1.0):
        stage.send("a")
        assert stage.bodies() == ["a"]


def test_a_deleted_message_may_be_delivered_once_more() -> None:
    comebacks = set()
    for stage in hostile(undead=0.5):
        stage.send("a")
        [message] = stage.receive()
        stage.delete(message["ReceiptHandle"])
        stage.now += 30
        comebacks.add(tuple(stage.bodies()))

    assert comebacks == {(), ("a",)}


def test_a_message_that_survived_its_deletion_is_told_apart(stage: QueueStage) -> None:
    stage.queues.faults = QueueFaults(undead=1.0)
    stage.send("a")
    [message] = stage.receive()

    stage.delete(message["ReceiptHandle"])

    [survivor] = stage.queues.queue(stage.url).messages()
    assert survivor.undead


def test_a_receive_may_come_back_empty() -> None:
    answers = set()
    for stage in hostile(empty=0.5):
        stage.send("a")
        answers.add(tuple(stage.bodies()))

    assert answers == {(), ("a",)}


def test_a_receive_may_stop_early_but_not_before_the_first_message() -> None:
    lengths = set()
    for stage in hostile(partial=0.5):
        stage.send(*"abc")
        lengths.add(len(stage.bodies(MaxNumberOfMessages=3)))

    assert lengths == {1, 2, 3}


def test_entries_of_a_batch_may_fail_and_are_then_not_done() -> None:
    for stage in hostile(failed_entry=0.5):
        answer = stage.send_batch(*(entry(number, str(number)) for number in range(10)))
        sent = {each["Id"] for each in answer.get("Successful", [])}
        failed = {each["Id"] for each in answer.get("Failed", [])}

        assert sent | failed == {str(number) for number in range(10)}
        assert sorted(stage.left()) == sorted(sent)


def test_a_message_may_need_time_to_arrive() -> None:
    arrivals = set()
    for stage in hostile(arrival_seconds_max=10):
        stage.send("a")
        stage.now += 5
        early = bool(stage.bodies())
        stage.now += 5
        arrivals.add((early, early or bool(stage.bodies())))

    assert arrivals == {(True, True), (False, True)}
