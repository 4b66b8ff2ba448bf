"""Failures of others that begin with what a producer writes.

What is wrong waits in quarantine with its reason, and all the rest is billed exactly. Where each
was seen is in docs/failures.md.
"""

from decimal import Decimal
from typing import Any

import pytest

from tests.integration.failures_stage import a_world, billed_by_hour, reasons, statuses
from tests.world import BUYER

OTHER = "222233334444"


def test_quantities_given_as_text_are_added_as_numbers() -> None:
    """Where texts are added up, "5" and "5" are "55"; as a number this text is wrong, and waits."""
    world, buyer = a_world()

    world.send(*(world.usage(buyer, "5") for _ in range(2)))
    world.send(world.usage(buyer, id_="u-1", Quantity="7"))
    world.tick()
    waiting = reasons(world)
    world.send(world.usage(buyer, 7, id_="u-1"))
    world.tick_until_settled(hours=1)

    assert waiting == ["wrong-type"]
    assert world.billed(buyer) == 5 + 5 + 7


def test_timestamps_in_nanoseconds_are_billed() -> None:
    """Where a time is a binary float, two of these are one, or none."""
    world, buyer = a_world()
    nanoseconds = [f"2026-11-23T10:15:00.{number:09}Z" for number in (123_456_788, 123_456_789)]

    world.send(*(world.usage(buyer, 5, Timestamp=each) for each in nanoseconds))
    world.send(*(world.usage(buyer, 3, Timestamp=1_795_428_900.123456) for _ in range(2)))
    world.tick_until_settled(hours=1)

    assert billed_by_hour(world, buyer) == {"23 10h": Decimal(16)}


def test_a_number_of_nanoseconds_is_no_time_and_waits() -> None:
    """Read as seconds, it lies far ahead; AWS Marketplace would refuse the whole call."""
    world, buyer = a_world()

    world.send_together(
        world.usage(buyer, 3, Timestamp=1_795_428_900_123_456_789), world.usage(buyer, 5)
    )
    world.tick_until_settled(hours=1)

    assert reasons(world) == ["future"]
    assert world.billed(buyer) == 5


def test_one_dimension_twice_in_a_message_is_added_up() -> None:
    """Sent as two records for one hour, the second is a duplicate, or the call is refused."""
    world, buyer = a_world()

    world.send_together(
        world.usage(buyer, 5), world.usage(buyer, 3), world.usage(buyer, 2, dimension="api-calls")
    )
    world.tick_until_settled(hours=1)

    assert world.billed(buyer, "users") == 8
    assert world.billed(buyer, "api-calls") == 2
    assert statuses(world) == {"accepted"}


def test_negative_usage_waits_and_takes_nothing_off_the_bill() -> None:
    """Added up, it would lower what was used; sent, it would spoil a call for everybody in it."""
    world, buyer = a_world()

    world.send_together(world.usage(buyer, -4), world.usage(buyer, 5), world.usage(buyer, "-1.5"))
    world.tick_until_settled(hours=1)

    assert reasons(world) == ["negative", "negative"]
    assert world.billed(buyer) == 5


def test_fractions_are_billed_exactly() -> None:
    """Cut off, they are lost; in binary floats, ten tenths are not one."""
    world, buyer = a_world()

    world.send(*(world.usage(buyer, "0.1") for _ in range(10)))
    world.send(world.usage(buyer, Quantity=0.7), world.usage(buyer, "0.000001"))
    world.send(*(world.usage(buyer, "0.1", dimension="storage-gb") for _ in range(10)))
    world.tick_until_settled(hours=1)

    assert world.billed(buyer, "users") == Decimal("1.700001")
    assert world.billed(buyer, "storage-gb") == 1


@pytest.mark.parametrize("body", [" ", "null", "{", "[]]", '{"UsageRecords": {}}', "<usage/>"])
def test_a_malformed_body_waits_and_holds_nobody_up(body: str) -> None:
    """One message that cannot be parsed fails the batch it comes in, and comes again for ever."""
    world, buyer = a_world()

    world.send(world.usage(buyer, 5), body, world.usage(buyer, 3))
    world.tick_until_settled(hours=1)

    assert len(world.quarantined()) == 1
    assert world.sqs.queue(world.queue_url).messages() == ()
    assert world.billed(buyer) == 8


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"Quantity": "many"}, "wrong-type"),
        ({"Quantity": None}, "missing-field"),
        ({"Dimension": ""}, "unknown-dimension"),
        ({"Timestamp": "yesterday"}, "bad-timestamp"),
        ({"Timestamp": "2026-11-20T10:00:00Z"}, "expired"),
        ({"CustomerAWSAccountId": "999999999999"}, "unknown-customer"),
        ({"UsageAllocations": [{"AllocatedUsageQuantity": 2}]}, "bad-allocations"),
        ({"Amount": 3}, "unknown-field"),
    ],
    ids=lambda each: each if isinstance(each, str) else str(next(iter(each))),
)
def test_malformed_usage_of_one_customer_costs_no_other_customer(
    wrong: dict[str, Any], reason: str
) -> None:
    """Applied all or nothing, a message or a call fails with its worst record."""
    world, buyer = a_world()
    other = world.buy(OTHER)

    world.send_together(
        world.usage(OTHER, 3), {**world.usage(BUYER, 5), **wrong}, world.usage(OTHER, 4)
    )
    world.send(world.usage(BUYER, 2))
    world.tick_until_settled(hours=1)

    assert reasons(world) == [reason]
    assert world.billed(other) == 7
    assert world.billed(buyer) == 2


def test_2147483648_and_more_are_billed() -> None:
    """One more than `Quantity` takes; a counter of 32 bits is negative there, or the call fails."""
    world, buyer = a_world()

    world.send(world.usage(buyer, 2_147_483_648))
    world.send(*(world.usage(buyer, 2_000_000_000, dimension="api-calls") for _ in range(3)))
    world.tick_until_settled(hours=1)

    assert world.billed(buyer, "users") == 2_147_483_648
    assert world.billed(buyer, "api-calls") == 6_000_000_000
    assert [each["QuantityAsDecimal"] for each in world.submitted[0]] == [
        "6000000000",
        "2147483648",
    ]


def test_more_than_aws_takes_for_an_hour_is_billed_in_the_next_ones() -> None:
    """Ten digits are the most that fit into a record: beyond them all of the hour would be lost."""
    world, buyer = a_world()

    world.send(*(world.usage(buyer, 9_000_000_000) for _ in range(3)))
    world.tick_until_settled(hours=4)

    assert billed_by_hour(world, buyer) == {
        f"23 {hour}h": Decimal(9_000_000_000) for hour in (10, 11, 12)
    }
