"""Whose records are sealed early, and whose wait.

Every world begins at 10:20; hour 10 is sealed by the first tick after 11:10.
"""

from datetime import datetime
from decimal import Decimal

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
OTHER = "222233334444"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{text}:00+00:00")


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


# A license ends


def an_ending_license() -> tuple[World, License]:
    """A world at 11:10, where a license with usage of this hour was cancelled just now."""
    world = World(terms=NO_HEARTBEATS)
    ending = world.buy()
    world.tick()
    world.now_s = at("11:05").timestamp()
    world.send(world.usage(ending, 7))
    world.tick()
    world.now_s = at("11:10").timestamp()
    world.marketplace.change_license(ending.arn, "cancel")
    return world, world.change(ending, state=State.ENDING, ending_since_s=int(world.now_s))


def test_a_license_that_ends_is_sealed_within_its_hour_after_twenty_minutes() -> None:
    world, ending = an_ending_license()

    sealed_at(world, "11:29")
    before = world.billed(ending)
    sealed_at(world, "11:30")

    assert before == 0
    assert hours_of(world, ending) == {11: Decimal(7)}


def test_usage_in_flight_when_a_license_ends_is_part_of_its_last_record() -> None:
    world, ending = an_ending_license()
    world.send(world.usage(ending, 2))

    sealed_at(world, "11:30")

    assert hours_of(world, ending) == {11: Decimal(9)}


def test_other_licenses_are_not_sealed_with_one_that_ends() -> None:
    world, ending = an_ending_license()
    other = world.buy(OTHER)
    world.send(world.usage(other, 1))
    sealed_at(world, "11:30")
    world.send(world.usage(other, 2))

    sealed_at(world, "12:15")

    assert hours_of(world, ending) == {11: Decimal(7)}
    assert hours_of(world, other) == {11: Decimal(3)}


def test_usage_after_an_early_seal_is_sealed_and_sent_too_and_never_lost_in_silence() -> None:
    world, ending = an_ending_license()
    sealed_at(world, "11:30")

    world.send(world.usage(ending, 3))
    sealed_at(world, "12:05")
    outcome = world.outcome(ending, hour="2026-11-23T12Z")
    world.at("2026-11-24T12:30:00+00:00")
    world.tick()
    judged = world.outcome(ending, hour="2026-11-23T12Z")

    assert outcome is not None
    assert outcome.status is Status.PARKED
    assert judged is not None
    assert judged.status is Status.EXPIRED
    assert world.billed(ending) == 7


def test_a_license_that_comes_back_is_metered_from_the_hour_after_its_early_seal() -> None:
    world, ending = an_ending_license()
    sealed_at(world, "11:30")
    world.marketplace.change_license(ending.arn, "activate")
    back = world.change(ending, state=State.ACTIVE, ending_since_s=None)

    world.send(world.usage(back, 3))
    sealed_at(world, "12:15")
    sealed_at(world, "13:15")

    assert hours_of(world, ending) == {11: Decimal(7), 12: Decimal(3)}


# Whose records wait


def test_records_of_a_pending_license_go_out_when_it_is_active() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(state=State.PENDING)
    world.send(world.usage(buyer, 5))
    sealed_at(world, "11:15")
    withheld = list(world.submitted)

    world.change(buyer, state=State.ACTIVE)
    sealed_at(world, "14:15")

    assert withheld == []
    assert hours_of(world, buyer) == {10: Decimal(5)}


def test_usage_of_a_license_that_nobody_announced_waits_for_the_announcement() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(known=False)
    world.send(world.usage(buyer, 5))
    sealed_at(world, "11:15")
    withheld = list(world.submitted)

    world.customers.save(buyer)
    sealed_at(world, "14:15")

    assert withheld == []
    assert hours_of(world, buyer) == {10: Decimal(5)}


@pytest.mark.parametrize("state", [State.ENDING, State.ENDED])
def test_records_of_a_license_that_we_think_has_ended_are_sent_all_the_same(state: State) -> None:
    """AWS Marketplace decides, so that an announcement that was missed heals itself."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    usage = world.usage(buyer, 5)
    world.change(buyer, state=state, ending_since_s=int(world.now_s), ended_s=int(world.now_s))
    world.send(usage)

    sealed_at(world, "11:15")

    assert world.billed(buyer) == 5
