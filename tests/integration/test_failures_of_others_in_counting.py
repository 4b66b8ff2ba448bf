"""Failures of others between a product's usage and the hour it is billed in.

Rows that overwrite each other, times that are not the usage's, jobs that run again. Where each was
seen is in docs/failures.md.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from typing import Any

import pytest

from lambdas.customers.license import License
from lambdas.metering.records import Status
from sandbox.marketplace.faults import Fault
from sandbox.marketplace.rules import Readings
from tests.integration.failures_stage import (
    NO_HEARTBEATS,
    a_world,
    billed_by_hour,
    seconds_of_the_hour_before,
    statuses,
)
from tests.interruptions import paused, puts_entry
from tests.world import World

SQS_BATCH = 10
"""Messages of one SendMessageBatch."""


def send_many(world: World, records: list[dict[str, Any]]) -> None:
    """Send every record as a message of its own, ten to a call."""
    for at in range(0, len(records), SQS_BATCH):
        entries: Any = [
            {"Id": str(number), "MessageBody": json.dumps(record)}
            for number, record in enumerate(records[at : at + SQS_BATCH])
        ]
        world.producer.send_message_batch(QueueUrl=world.queue_url, Entries=entries)


def test_two_events_in_the_same_second_are_both_billed() -> None:
    """Keyed by customer and second, one row overwrites the other."""
    world, buyer = a_world()
    event = world.usage(buyer, 5)

    world.send(event, event)
    world.tick_until_settled(hours=1)

    assert world.billed(buyer) == 10


def test_more_than_3600_events_of_an_hour_are_all_billed() -> None:
    """With a row for every second, an hour has room for 3,600 of them."""
    world, buyer = a_world()
    world.at("2026-11-23T11:01:00+00:00")
    second = cycle(seconds_of_the_hour_before(world))

    for _ in range(10):
        world.send_together(
            *({**world.usage(buyer), "Timestamp": next(second)} for _ in range(450))
        )
    world.tick_until_settled(hours=1)

    assert billed_by_hour(world, buyer) == {"23 10h": Decimal(4_500)}


def test_twelve_thousand_events_that_piled_up_are_all_billed() -> None:
    """A job that reads one page of what is pending, or one receive, leaves the rest behind."""
    world, buyer = a_world()
    other = world.buy("222233334444")
    send_many(world, [world.usage(who) for who in (buyer, other) for _ in range(6_000)])
    world.advance(minutes=55)

    summary = world.tick()

    assert summary.messages == 12_000
    assert world.billed(buyer) == world.billed(other) == 6_000


def test_usage_of_twenty_hours_ago_is_billed_in_the_hour_it_was_used() -> None:
    """A job stood still. With the time of sending, all of it lands in one wrong hour."""
    world = World(terms=NO_HEARTBEATS, start=datetime(2026, 11, 22, 14, 20, tzinfo=UTC))
    buyer = world.buy()
    world.tick()
    world.send(world.usage(buyer, 5), world.usage(buyer, 2))
    world.advance(hours=2)
    world.send(world.usage(buyer, 3))

    world.advance(hours=18)
    world.tick()

    assert billed_by_hour(world, buyer) == {"22 14h": Decimal(7), "22 16h": Decimal(3)}


def test_usage_that_arrives_after_its_hour_was_sent_is_billed() -> None:
    """A second quantity for an hour is a duplicate, and only the first one is billed."""
    world, buyer = a_world()
    late = world.usage(buyer, 3)
    world.send(world.usage(buyer, 5))
    world.tick_until_settled(hours=1)
    sent_before = world.billed(buyer)

    world.send(late)
    world.tick_until_settled(hours=2)

    assert sent_before == 5
    assert billed_by_hour(world, buyer) == {"23 10h": Decimal(5), "23 11h": Decimal(3)}
    assert statuses(world) == {"accepted"}


def test_a_job_that_runs_twice_within_an_hour_bills_what_was_used() -> None:
    """The first run reports the hour so far; the second one's quantity is a duplicate, and lost."""
    world, buyer = a_world()
    world.advance(minutes=-15)
    world.send(world.usage(buyer, 5, ago_s=1))
    world.tick()
    world.advance(minutes=10)
    world.send(world.usage(buyer, 3, ago_s=1))
    world.tick()

    world.tick_until_settled(hours=2)

    assert billed_by_hour(world, buyer) == {"23 10h": Decimal(8)}
    assert statuses(world) == {"accepted"}


@pytest.mark.parametrize("same_time", ["hour", "exact-time"])
def test_a_job_that_an_operator_runs_again_to_catch_up_bills_once(same_time: Any) -> None:
    """After an outage somebody starts it by hand, again and again, while the schedule does too."""
    world, buyer = a_world(readings=Readings(same_time=same_time))
    for _ in range(5):
        world.send(world.usage(buyer, 3), world.usage(buyer, 4, dimension="api-calls"))
        world.advance(hours=1)

    with paused(world, before="marketplace.BatchMeterUsage"):
        for _ in range(3):
            world.tick(world.wiring())
    world.advance(minutes=10)
    for _ in range(10):
        world.tick(world.wiring())

    assert world.billed(buyer, "users") == 5 * 3
    assert world.billed(buyer, "api-calls") == 5 * 4
    assert Status.CONFLICT not in statuses(world)


def one_after_the_other(world: World, buyer: License) -> None:
    """Use one unit a minute, and let the job run after pauses of every length."""
    for pause in (1, 7, 31, 2, 90, 1, 1, 44, 3):
        for _ in range(pause):
            world.advance(minutes=1)
            world.send(world.usage(buyer, ago_s=0))
        world.tick()


def both_at_once(world: World, buyer: License) -> None:
    """The same, but every run is overtaken by another one."""
    for pause in (1, 7, 31, 2, 90, 1, 1, 44, 3):
        for _ in range(pause):
            world.advance(minutes=1)
            world.send(world.usage(buyer, ago_s=0))
        with paused(world, before="dynamodb.PutItem", where=puts_entry("fold")):
            world.tick(world.wiring())


@pytest.mark.parametrize("runs", [one_after_the_other, both_at_once])
def test_a_job_that_runs_irregularly_bills_no_more_than_was_used(
    runs: Callable[[World, License], None],
) -> None:
    """Taken as constant, the time between two runs bills for time that nobody used."""
    world, buyer = a_world()

    runs(world, buyer)
    world.advance(minutes=16)
    world.tick_until_settled(hours=2)

    assert world.billed(buyer) == 180


@pytest.mark.parametrize("same_time", ["hour", "exact-time"])
def test_a_retry_of_the_next_hour_has_the_time_of_the_first_attempt(same_time: Any) -> None:
    """With the wall clock as `Timestamp`, every retry is another record, and is billed."""
    world, buyer = a_world(readings=Readings(same_time=same_time))
    world.send(world.usage(buyer, 5))
    world.tick()
    world.advance(minutes=55)
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()
    world.advance(hours=1)
    world.tick(world.wiring())

    times = {record["Timestamp"] for records in world.submitted for record in records}
    assert len(world.submitted) == 4
    assert times == {datetime(2026, 11, 23, 10, tzinfo=UTC)}
    assert world.billed(buyer) == 5
