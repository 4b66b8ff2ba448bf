"""Failures of others when a job dies half way; where each was seen is in docs/failures.md.

Between a call that was applied and the row that says so lies many a doubled or lost bill. Usage is
of 10:19, and the first tick at 11:15 sends it.
"""

from typing import Any

import pytest

from lambdas.metering.records import Status
from sandbox.marketplace.rules import Readings
from sandbox.memory.double import Fault, Params
from tests.integration.failures_stage import a_quarter_past, a_world, status, statuses
from tests.interruptions import kill, puts_entry
from tests.world import World

SQS_KEEPS_S_MIN = 60
"""The shortest retention that a queue can have (API reference of CreateQueue)."""


def writes_of_outcomes_fail(world: World) -> None:
    """Let DynamoDB take no outcome from now on."""

    def fail(service: str, operation: str, _: Params) -> Fault | None:
        return Fault.UNREACHABLE if operation == "UpdateItem" else None

    world.dynamodb.on_call = fail


@pytest.mark.parametrize("same_time", ["hour", "exact-time"])
def test_death_between_the_call_and_the_books_is_mended_in_the_next_hour(same_time: Any) -> None:
    """Sent again with the time of the retry, what was applied is applied once more."""
    world, buyer = a_quarter_past("users", "api-calls", readings=Readings(same_time=same_time))

    kill(world, after="marketplace.BatchMeterUsage")
    billed_by_the_dead = world.billed(buyer)
    world.advance(hours=1)
    world.tick(world.wiring())

    assert billed_by_the_dead == 10
    assert world.billed(buyer) == 10
    assert statuses(world) == {"accepted"}


def test_the_same_death_is_mended_though_the_message_has_expired_meanwhile() -> None:
    """Where the message is the only copy, usage is gone; made anew from rows, it is billed again.

    The tick that counts it dies before it deletes it, and the queue forgets it.
    """
    world, buyer = a_world()
    forgetful: Any = {"MessageRetentionPeriod": str(SQS_KEEPS_S_MIN), "VisibilityTimeout": "900"}
    queue = world.producer.create_queue(QueueName="forgetful", Attributes=forgetful)
    world.queue_url = queue["QueueUrl"]
    world.send(world.usage(buyer, 5))
    kill(world, before="sqs.DeleteMessageBatch")
    world.advance(minutes=55)

    kill(world, after="marketplace.BatchMeterUsage")
    left = world.sqs.queue(world.queue_url).messages()
    world.advance(hours=1)
    world.tick(world.wiring())

    assert left == ()
    assert world.billed(buyer) == 5
    assert statuses(world) == {"accepted"}


def test_the_same_death_is_told_if_the_window_has_closed_meanwhile() -> None:
    """Nobody can ask AWS any more. Called failed and sent for another hour, it is billed twice."""
    world, buyer = a_quarter_past()

    kill(world, after="marketplace.BatchMeterUsage")
    world.at("2026-11-24T10:15:00+00:00")
    world.tick(world.wiring())
    world.redrive((buyer, "users", "2026-11-23T10Z"), bill_now=True)
    world.tick_until_settled(hours=2)

    assert status(world, buyer) is Status.UNCONFIRMED
    assert world.billed(buyer) == 5


def test_books_that_are_lost_after_the_answer_heal_by_themselves() -> None:
    """AWS has answered, and the table takes nothing: the job reports a failure that was none."""
    world, buyer = a_quarter_past("users", "api-calls")
    writes_of_outcomes_fail(world)
    with pytest.raises(Exception, match="Could not connect"):
        world.tick(world.wiring())
    known_before = world.outcomes()
    world.dynamodb.on_call = None

    world.advance(minutes=5)
    world.tick(world.wiring())

    assert known_before == {}
    assert world.billed(buyer) == 10
    assert statuses(world) == {"accepted"}


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.TWICE, Fault.INTERNAL_ERROR], ids=str)
def test_a_write_of_the_books_whose_answer_is_lost_changes_nothing(fault: Fault) -> None:
    """A conditional write that the SDK repeats meets itself, and is taken for somebody else's."""
    world, buyer = a_quarter_past()
    faults = [fault]

    def strike(service: str, operation: str, _: Params) -> Fault | None:
        return faults.pop() if operation == "UpdateItem" and faults else None

    world.dynamodb.on_call = strike
    for _ in range(2):
        try:
            world.tick(world.wiring())
        except Exception:  # noqa: BLE001 (a tick may fail, and the next one goes on)
            world.advance(minutes=5)

    assert faults == []
    assert world.billed(buyer) == 5
    assert statuses(world) == {"accepted"}


def test_death_after_counting_and_before_deleting_counts_once() -> None:
    """Delivered again, a message is another row wherever rows are named by the time of arrival."""
    world, buyer = a_world()
    world.send_together(world.usage(buyer, 5), world.usage(buyer, 3, id_="u-1"))

    for _ in range(3):
        kill(world, before="sqs.DeleteMessageBatch")
        world.advance(minutes=16)
    world.tick_until_settled(hours=1)

    assert world.billed(buyer) == 8


def test_death_before_counting_loses_nothing() -> None:
    """Deleted first and stored then, a message is gone with the function that held it."""
    world, buyer = a_world()
    world.send(world.usage(buyer, 5), world.usage(buyer, 3, id_="u-1"))

    kill(world, before="dynamodb.PutItem", where=puts_entry("fold"))
    world.advance(minutes=16)
    world.tick_until_settled(hours=1)

    assert world.billed(buyer) == 8
