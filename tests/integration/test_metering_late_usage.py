"""Where usage goes that comes late: in its hour, its month, and past a backlog.

Every world begins at 10:20, unless it says otherwise.
"""

from datetime import UTC, datetime
from decimal import Decimal

from lambdas.customers.license import License
from lambdas.metering.summary import Summary
from lambdas.metering.terms import Terms
from sandbox.memory.double import Params
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
END_OF_MONTH = datetime(2026, 11, 30, 22, 20, tzinfo=UTC)


def a_world(start: datetime | None = None) -> tuple[World, License]:
    """A world whose log has begun, without heartbeats."""
    world = World(terms=NO_HEARTBEATS, start=start) if start else World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()
    return world, buyer


def hours_billed(world: World) -> dict[str, Decimal]:
    return {f"{line.hour:%d %H}h": line.quantity for line in world.marketplace.usage()}


# Late usage


def test_usage_is_billed_in_its_own_hour() -> None:
    world, buyer = a_world()
    world.send(world.usage(buyer, 5, ago_s=600), world.usage(buyer, 2, ago_s=60))

    world.tick_until_settled(hours=1)

    assert hours_billed(world) == {"23 10h": Decimal(7)}


def test_late_usage_rides_in_the_next_open_hour() -> None:
    world, buyer = a_world()
    late = world.usage(buyer, 5)
    world.at("2026-11-23T11:15:00+00:00")
    world.tick()

    world.send(late)
    world.tick_until_settled(hours=2)

    assert hours_billed(world) == {"23 11h": Decimal(5)}


def test_late_usage_does_not_ride_in_an_hour_whose_window_is_about_to_close() -> None:
    """After an outage of a day: the usage's own hour could still be sealed, but hardly sent."""
    world, buyer = a_world()
    world.send(world.usage(buyer, 5))

    world.at("2026-11-24T09:15:00+00:00")
    world.tick()

    assert hours_billed(world) == {"23 11h": Decimal(5)}


def test_usage_of_a_day_ago_is_quarantined() -> None:
    world, buyer = a_world()
    world.send(world.usage(buyer, 5, ago_s=24 * 3600), world.usage(buyer, 7, ago_s=24 * 3600 - 1))

    world.tick()
    world.tick_until_settled(hours=3)

    assert [reason for _, reason in world.quarantined()] == ["expired"]
    assert world.billed() == 7


def test_usage_from_before_the_first_tick_is_billed() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(world.usage(buyer, 5, ago_s=20 * 3600))

    world.tick()

    assert hours_billed(world) == {"22 14h": Decimal(5)}


# The end of a month


def test_the_last_hour_of_a_month_waits_three_hours_for_its_usage() -> None:
    world, buyer = a_world(END_OF_MONTH)
    world.at("2026-11-30T23:59:00+00:00")
    late = world.usage(buyer, 5)
    world.at("2026-12-01T02:55:00+00:00")
    world.tick()

    world.send(late)
    world.tick_until_settled(hours=1)

    assert hours_billed(world) == {"30 23h": Decimal(5)}


def test_the_hours_before_it_are_sealed_as_ever() -> None:
    world, buyer = a_world(END_OF_MONTH)
    world.send(world.usage(buyer, 5))

    world.at("2026-11-30T23:11:00+00:00")
    world.tick()

    assert hours_billed(world) == {"30 22h": Decimal(5)}


def test_late_usage_rides_on_until_the_month_ends() -> None:
    world, buyer = a_world(END_OF_MONTH)
    late = world.usage(buyer, 5)
    world.at("2026-11-30T23:11:00+00:00")
    world.tick()

    world.at("2026-12-01T02:00:00+00:00")
    world.send(late)
    world.tick_until_settled(hours=2)

    assert hours_billed(world) == {"30 23h": Decimal(5)}


def test_usage_of_the_new_month_waits_with_it_and_is_billed_in_its_own_hour() -> None:
    world, buyer = a_world(END_OF_MONTH)
    world.at("2026-12-01T00:30:00+00:00")
    world.send(world.usage(buyer, 5))
    world.at("2026-12-01T02:30:00+00:00")
    world.tick()
    early = hours_billed(world)

    world.at("2026-12-01T03:01:00+00:00")
    world.tick()

    assert early == {}
    assert hours_billed(world) == {"01 00h": Decimal(5)}


# A backlog


def tick_with_a_backlog(world: World) -> Summary:
    """Run a tick whose first receive takes so long that it never sees the queue empty."""
    world.send("{", "{")

    def wait(name: str, _: Params) -> None:
        if name == "sqs.ReceiveMessage":
            world.advance(seconds=200)

    with world.hooked(before=wait):
        return world.tick()


def test_with_a_backlog_an_hour_waits_for_two_hours() -> None:
    world, buyer = a_world()
    world.send(world.usage(buyer, 5))
    world.tick()

    world.at("2026-11-23T12:50:00+00:00")
    before = tick_with_a_backlog(world)
    world.at("2026-11-23T13:00:00+00:00")
    after = tick_with_a_backlog(world)

    assert (before.drained, before.hours_sealed) == (False, 0)
    assert (after.drained, after.hours_sealed) == (False, 1)
    assert hours_billed(world) == {"23 10h": Decimal(5)}


def test_with_a_backlog_the_last_hour_of_a_month_waits_for_five_hours() -> None:
    world, buyer = a_world(END_OF_MONTH)
    world.at("2026-11-30T23:59:00+00:00")
    world.send(world.usage(buyer, 5))
    world.tick()

    world.at("2026-12-01T04:50:00+00:00")
    tick_with_a_backlog(world)
    before = hours_billed(world)
    world.at("2026-12-01T05:00:00+00:00")
    tick_with_a_backlog(world)

    assert before == {}
    assert hours_billed(world) == {"30 23h": Decimal(5)}
