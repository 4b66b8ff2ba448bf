"""A log that others wrote, or that is old: what a container reads, and what has expired meanwhile.

Every world begins at 10:20.
"""

from decimal import Decimal

import pytest

from lambdas.customers.license import License
from lambdas.metering.hours import HOUR_S
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)


def a_world() -> tuple[World, License]:
    """A world whose log has begun, without heartbeats."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()
    return world, buyer


def hours_billed(world: World) -> dict[str, Decimal]:
    return {f"{line.hour:%d %H}h": line.quantity for line in world.marketplace.usage()}


def test_a_cold_container_goes_on_after_days() -> None:
    world, buyer = a_world()
    for number in range(3 * 24):
        world.send(world.usage(buyer, 1, id_=f"u-{number}"))
        world.advance(hours=1)
        world.tick()

    cold = world.wiring()
    world.send(world.usage(buyer, 1, id_="u-71"), world.usage(buyer, 1, id_="u-60"))
    summary = world.tick(cold)

    assert (summary.counted, summary.duplicates) == (0, 2)
    assert cold.log.read(int(world.now_s)).first > 50
    assert world.billed(buyer) == 3 * 24


def test_a_warm_container_goes_on_after_days_in_which_others_worked() -> None:
    world, buyer = a_world()
    warm, others = world.wiring(), world.wiring()
    world.tick(warm)
    for number in range(3 * 24):
        world.send(world.usage(buyer, 1, id_=f"u-{number}"))
        world.advance(hours=1)
        world.tick(others)

    world.send(world.usage(buyer, 1, id_="u-71"), world.usage(buyer, 1, id_="u-72"))
    summary = world.tick(warm)

    assert (summary.counted, summary.duplicates) == (1, 1)


def test_all_hours_of_an_outage_are_sealed_at_once() -> None:
    world, buyer = a_world()
    world.send(world.usage(buyer, 5))
    world.tick()

    world.at("2026-11-24T08:15:00+00:00")
    summary = world.tick()

    assert summary.hours_sealed == 22
    assert hours_billed(world) == {"23 10h": Decimal(5)}


def test_what_has_expired_is_not_missed() -> None:
    """Folds are kept for forty days and seals for thirteen months, so that old logs have gaps.

    Metering stood still for longer than folds are kept, as after a pause that somebody made.
    """
    world, buyer = a_world()
    for number in range(30):
        world.send(world.usage(buyer, 1, id_=f"u-{number}"))
        world.tick()
        world.advance(hours=1)
    world.tick_until_settled(hours=2)

    world.advance(hours=45 * 24)
    world.expire_items()
    world.send(world.usage(buyer, 7))
    summary = world.tick(world.wiring())
    world.advance(hours=1)
    world.tick(world.wiring())

    assert summary.counted == 1
    assert world.billed(buyer) == 30 + 7


class Killed(BaseException):
    """The function dies here."""


def a_tick_dies_before_its_call(world: World) -> None:
    def die(name: str, _: object) -> None:
        if name == "marketplace.BatchMeterUsage":
            raise Killed

    with world.hooked(before=die), pytest.raises(Killed):
        world.tick(world.wiring())


@pytest.mark.parametrize("days", [46, 400])
def test_numbers_that_are_given_anew_after_a_pause_are_not_taken_for_final(days: int) -> None:
    """Folds at the end of the log expire, or all of it, and the hint is of what was there before.

    The first ticks after the pause die before they have written another.
    """
    world, buyer = a_world()
    world.send(world.usage(buyer, 1, id_="u-0"))
    world.tick_until_settled(hours=3)
    for number in range(1, 6):
        world.send(world.usage(buyer, 1, id_=f"u-{number}"))
        world.tick()
    world.advance(hours=24 * days)
    world.expire_items()
    before = world.billed(buyer)

    world.send(world.usage(buyer, 100, ago_s=3 * HOUR_S))
    for number in range(6, 13):
        a_tick_dies_before_its_call(world)
        world.send(world.usage(buyer, 1, id_=f"u-{number}"))
    world.tick_until_settled(hours=3, cold=True)

    assert world.billed(buyer) == before + 100 + 7


def test_a_redrive_that_looks_back_beyond_what_is_kept_goes_on() -> None:
    """With a long id memory it may look back 35 days and a week, and folds are kept for 40 days."""
    world = World(terms=Terms(product_code=PRODUCT, id_memory_hours=168))
    buyer = world.buy()
    for day in range(41):
        if day == 7:
            world.send(world.usage("222233334444", 5, id_="u-1"))
        world.send(world.usage(buyer, 1))
        world.tick()
        world.advance(hours=24)
    world.expire_items()
    late = world.buy("222233334444")
    [(name, _)] = world.quarantined()

    world.redrive(name, bill_now=True)
    summary = world.tick(world.wiring())
    world.tick_until_settled(hours=1.5)

    assert summary.counted == 1
    assert world.billed(late) == 5


def test_a_call_in_doubt_is_remembered_for_as_long_as_its_records_wait() -> None:
    """Otherwise a record that is on the bill is called expired after a pause, and redriven."""
    world, buyer = a_world()
    world.send(world.usage(buyer, 5))
    world.tick()
    world.at("2026-11-23T11:15:00+00:00")
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()

    world.advance(hours=60 * 24)
    world.expire_items()
    world.tick(world.wiring())

    outcome = world.outcome(buyer)
    assert world.billed(buyer) == 5
    assert outcome is not None
    assert outcome.status is Status.UNCONFIRMED
