"""Failures of others with hours, months and zeros; where each was seen is in docs/failures.md."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from tests.integration.failures_stage import a_world, billed_by_hour, reasons, statuses
from tests.world import DIMENSIONS, HOUR, World

END_OF_MONTH = datetime(2026, 11, 30, 22, 20, tzinfo=UTC)
DAYS = 30


def test_usage_at_the_turn_of_the_month_is_billed_in_its_month() -> None:
    """From 06:00 on the 1st AWS takes nothing of the old month, whatever the 24 hours say."""
    world, buyer = a_world(start=END_OF_MONTH)
    for _ in range(9):
        world.send(world.usage(buyer, 5, ago_s=0))
        world.advance(minutes=10)
    world.marketplace.inject(Fault("ThrottlingException", times=None))
    world.at("2026-12-01T03:10:00+00:00")
    at_risk = world.tick()

    world.marketplace.clear_faults()
    world.at("2026-12-01T05:30:00+00:00")
    world.tick()

    assert at_risk.risk.left_s == (2 * 60 + 50) * 60
    assert billed_by_hour(world, buyer) == {"30 22h": Decimal(20), "30 23h": Decimal(25)}


def test_usage_that_comes_too_late_for_its_month_waits() -> None:
    """With the time of sending it is billed in the wrong month, with its own it is refused."""
    world, buyer = a_world(start=END_OF_MONTH)
    late = world.usage(buyer, 5)
    world.at("2026-12-01T06:01:00+00:00")

    world.send(late, world.usage(buyer, 3))
    world.tick_until_settled(hours=2)

    assert reasons(world) == ["expired"]
    assert billed_by_hour(world, buyer) == {"01 06h": Decimal(3)}


def test_usage_of_the_first_minutes_of_a_subscription_is_billed() -> None:
    """The start of its hour lies before that of the agreement, and AWS refuses that time."""
    world = World(terms=Terms())
    world.tick()
    begun = datetime(2026, 11, 23, 10, 7, 3, 250_000, tzinfo=UTC)
    buyer = world.buy(start=begun)
    # A start is rounded up to the second, as an event of it is read.
    world.change(buyer, start_s=int((begun + timedelta(seconds=1)).timestamp()))

    world.send(world.usage(buyer, 5, ago_s=600), world.usage(buyer, 3))
    world.tick_until_settled(hours=1)

    assert billed_by_hour(world, buyer) == {"23 10h": Decimal(8)}
    assert statuses(world) == {"accepted"}


@pytest.mark.parametrize("ahead_s", [1, 299])
def test_usage_of_a_producer_whose_clock_is_ahead_is_billed(ahead_s: int) -> None:
    """Sent at once with its own time, it lies in the future, and AWS refuses the whole call."""
    world, buyer = a_world()
    world.at("2026-11-23T10:59:30+00:00")

    world.send(world.usage(buyer, 5, ago_s=-ahead_s), world.usage(buyer, 3))
    world.tick_until_settled(hours=1.5)

    assert world.billed(buyer) == 8
    assert {call.outcome for call in world.marketplace.calls()} == {"OK"}


def test_usage_that_is_far_ahead_waits_and_the_rest_is_billed() -> None:
    """An hour must not be billed before it is over, nor hold up those that are."""
    world, buyer = a_world()

    world.send_together(world.usage(buyer, 5, ago_s=-HOUR), world.usage(buyer, 3))
    world.tick_until_settled(hours=2)

    assert reasons(world) == ["future"]
    assert world.billed(buyer) == 3


def test_zeros_of_a_dimension_that_is_not_in_the_offer_cost_nothing() -> None:
    """AWS refuses the call for it, so that hours of zeros fail, and with them what was used."""
    world = World()
    buyer = world.buy(dimensions=["users", "api-calls"])
    world.tick()
    for _ in range(6):
        world.advance(hours=1)
        world.send(world.usage(buyer, 5))
        world.tick()

    world.tick_until_settled(hours=2)

    refused = [key for key, what in world.outcomes().items() if what == "refused"]
    assert world.billed(buyer) == 30
    assert len(refused) == 1
    assert refused[0][1] == "storage-gb"
    assert statuses(world) == {"accepted", "refused"}


def test_an_idle_month_is_billed_as_zeros_and_nothing_else() -> None:
    """Without them nobody, AWS included, can tell a month without usage from a broken meter."""
    world = World(start=datetime(2026, 11, 12, tzinfo=UTC))
    buyer = world.buy(start=datetime(2026, 10, 1, tzinfo=UTC))
    for _ in range(DAYS * 8):
        world.tick()
        world.advance(hours=3)
    idle = [line for line in world.marketplace.usage() if line.license_arn == buyer.arn]
    before = (statuses(world), world.quarantined())

    world.send(world.usage(buyer, 5))
    world.advance(hours=4)
    world.tick()
    world.advance(minutes=5)
    world.tick()

    assert before == ({"accepted"}, [])
    assert {line.quantity for line in idle} == {0}
    hours = sorted({line.hour for line in idle})
    assert hours == [hours[0] + at * timedelta(hours=1) for at in range(len(hours))]
    assert len(hours) > (DAYS - 1) * 24
    assert len(idle) == len(hours) * len(DIMENSIONS)
    assert world.billed(buyer) == 5
