"""What ticks tell of what is not on the bill: parked, at risk, refused, a license that ends."""

from datetime import UTC, datetime

from lambdas.customers.license import License, State
from lambdas.metering.quantities import MICROS_PER_UNIT
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from tests.world import World

UNIT = MICROS_PER_UNIT


def with_usage(offered: str = "users") -> tuple[World, License]:
    """A world with three users of 10:19 in the ledger, at 11:20, when their hour is due."""
    world = World(terms=Terms())
    buyer = world.buy(dimensions=[offered])
    world.send(world.usage(buyer, 3))
    world.tick()
    world.advance(hours=1)
    return world, buyer


def test_what_is_parked_is_told_by_the_tick_that_parks_it() -> None:
    world, _ = with_usage()
    world.marketplace.inject(Fault("not-subscribed"))

    assert world.tick().risk.micros_parked == 3 * UNIT


def test_what_stays_parked_is_told_by_every_tick() -> None:
    world, _ = with_usage(offered="api-calls")

    told = []
    for _ in range(3):
        told.append(world.tick().risk.micros_parked)
        world.advance(minutes=5)

    assert told == [3 * UNIT] * 3


def test_what_is_parked_no_more_is_not_told() -> None:
    world, _ = with_usage()
    world.marketplace.inject(Fault("not-subscribed"))
    world.tick()

    assert world.tick().risk.micros_parked == 0


def test_a_record_that_is_refused_alone_is_no_refused_call() -> None:
    world, _ = with_usage(offered="api-calls")

    summary = world.tick()

    assert (summary.refusals.total(), summary.calls_refused) == (1, 0)


def test_calls_that_are_denied_throttled_or_not_answered_are_refused_calls() -> None:
    for fault in ("AccessDeniedException", "DisabledApiException", "ThrottlingException"):
        world, _ = with_usage()
        world.marketplace.inject(Fault(fault))

        assert world.tick().calls_refused == 1

    world, _ = with_usage()
    world.marketplace.inject(Fault("timeout-before", times=3))

    assert world.tick().calls_refused == 3


def test_a_status_that_nobody_knows_is_a_refused_call() -> None:
    world, _ = with_usage()
    world.marketplace.inject(Fault("unknown-status"))

    assert world.tick().calls_refused == 1


def test_usage_of_a_license_that_was_never_activated_is_at_risk_before_it_is_lost() -> None:
    world = World()
    pending = world.buy(state=State.PENDING)
    world.send(world.usage(pending, 3))

    told = [each.risk.at_risk for each in world.tick_until_settled(hours=24)]

    # Its hour began at 10:00, 20 minutes before the first tick.
    first = told.index(1) + 1
    assert first * 5 == (18 * 60 - 20) + 5
    assert set(told[: first - 1]) == {0}


def test_the_last_usage_of_a_license_that_ends_is_told_until_it_is_on_the_bill() -> None:
    world = World()
    buyer = world.buy()
    world.change(buyer, state=State.ENDING, ending_since_s=int(world.now_s))
    world.send(world.usage(buyer, 3))

    told = []
    for _ in range(6):
        told.append(world.tick().final_flush_left_s)
        world.advance(minutes=5)

    # It is sealed 20 minutes after the end, and accepted in the same tick.
    assert told == [3600, 3300, 3000, 2700, None, None]
    assert world.billed(buyer) == 3


def test_licenses_that_end_are_counted() -> None:
    world = World()
    for account in ("111122223333", "222233334444"):
        each = world.buy(account)
        world.change(each, state=State.ENDING, ending_since_s=int(world.now_s))

    assert world.tick().ending == 2


def test_the_oldest_usage_not_billed_grows_older_until_it_is() -> None:
    world, _ = with_usage()
    world.marketplace.inject(Fault("ThrottlingException"))

    told = [world.tick().risk.oldest_s, world.tick().risk.oldest_s]

    begun = datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp()
    assert told == [int(world.now_s - begun), None]
