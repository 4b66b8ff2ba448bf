"""Heartbeats: a record of 0 where nobody can have other usage, for it can never be amended.

Every world begins at 10:20, so that hour 11 is the first of which its log knows everything.
"""

from datetime import datetime
from decimal import Decimal

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.terms import Terms
from tests.world import DIMENSIONS, PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{text}:00+00:00")


def zeros(world: World, who: License) -> set[tuple[int, str]]:
    """Hours and dimensions in which AWS Marketplace was told of no usage."""
    return {
        (line.hour.hour, line.dimension)
        for line in world.marketplace.usage()
        if line.license_arn == who.arn and line.quantity == 0
    }


def hours_of(world: World, who: License) -> dict[int, Decimal]:
    return {
        line.hour.hour: line.quantity
        for line in world.marketplace.usage()
        if line.license_arn == who.arn
    }


def sealed_at(world: World, text: str) -> None:
    """Let a tick run at a time."""
    world.now_s = at(text).timestamp()
    world.tick()


def test_an_active_license_without_usage_gets_a_zero_for_each_dimension() -> None:
    world = World()
    buyer = world.buy()
    world.tick()

    sealed_at(world, "12:15")

    assert zeros(world, buyer) == {(11, dimension) for dimension in DIMENSIONS}


def test_no_zero_is_reported_for_an_hour_that_began_before_the_log() -> None:
    """Whoever metered before this stack may have usage for it."""
    world = World()
    buyer = world.buy()
    world.tick()

    sealed_at(world, "11:15")

    assert zeros(world, buyer) == set()


def test_no_zero_is_reported_for_an_hour_before_the_cut_over() -> None:
    cut_over = int(at("13:00").timestamp())
    world = World(terms=Terms(dimensions=("users",), metering_from_s=cut_over))
    buyer = world.buy()
    world.tick()

    sealed_at(world, "14:15")

    assert zeros(world, buyer) == {(13, "users")}


@pytest.mark.parametrize(("start", "first"), [("12:00", 12), ("12:01", 13)])
def test_no_zero_is_reported_for_an_hour_before_the_license_began(start: str, first: int) -> None:
    world = World(terms=Terms(dimensions=("users",)))
    world.tick()
    buyer = world.buy(start=at(start))

    sealed_at(world, "14:15")

    assert zeros(world, buyer) == {(hour, "users") for hour in range(first, 14)}


def test_no_zero_is_reported_where_there_is_usage() -> None:
    world = World(terms=Terms(dimensions=("users", "api-calls")))
    buyer = world.buy()
    world.tick()
    world.now_s = at("11:30").timestamp()
    world.send(world.usage(buyer, 5))

    sealed_at(world, "12:15")

    assert zeros(world, buyer) == {(11, "api-calls")}
    assert world.billed(buyer) == 5


@pytest.mark.parametrize("state", [State.PENDING, State.ENDING, State.ENDED])
def test_no_zero_is_reported_for_a_license_that_is_not_active(state: State) -> None:
    world = World()
    buyer = world.buy(state=state)
    world.tick()

    sealed_at(world, "14:15")

    assert zeros(world, buyer) == set()


def test_no_zero_is_reported_for_a_license_whose_start_is_not_known() -> None:
    world = World()
    buyer = world.change(world.buy(), start_s=None)
    world.tick()

    sealed_at(world, "14:15")

    assert zeros(world, buyer) == set()


def test_no_zero_is_reported_where_no_dimensions_are_configured() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()

    sealed_at(world, "14:15")

    assert zeros(world, buyer) == set()


def test_usage_that_comes_after_its_zero_rides_on() -> None:
    world = World(terms=Terms(dimensions=("users",)))
    buyer = world.buy()
    world.tick()
    world.now_s = at("11:30").timestamp()
    late = world.usage(buyer, 5)
    sealed_at(world, "12:15")

    world.send(late)
    sealed_at(world, "13:15")

    assert hours_of(world, buyer) == {11: Decimal(0), 12: Decimal(5)}


def test_a_long_outage_is_reported_as_zeros_as_far_as_windows_are_open() -> None:
    world = World(terms=Terms(dimensions=("users",)))
    buyer = world.buy()
    world.tick()

    world.at("2026-11-25T10:15:00+00:00")
    world.tick()

    assert len(zeros(world, buyer)) == 23
    assert set(world.outcomes().values()) == {"accepted"}
