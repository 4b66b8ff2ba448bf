"""Calls that nobody answers: remembered, made again, and not allowed to stop everybody.

Every world begins at 10:20; its usage is of 10:19 and is sealed by the first tick after 11:10.
"""

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from tests.interruptions import SPOILED, spoil
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
OF_UNKNOWN_EFFECT = [
    "InternalServiceErrorException",
    "ServiceUnavailable",
    "SomethingNewException",
    "applied-but-500",
    "timeout-before",
    "timeout-after",
]


def a_quarter_past(*dimensions: str) -> tuple[World, License]:
    """A world at 11:15 whose usage of 10:19 is counted and not sealed yet."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(dimensions=dimensions or ["users"])
    world.send(*(world.usage(buyer, 5, dimension=each) for each in dimensions or ["users"]))
    world.tick()
    world.advance(minutes=55)
    return world, buyer


@pytest.mark.parametrize("fault", OF_UNKNOWN_EFFECT)
def test_a_call_of_unknown_effect_is_made_again_identically(fault: str) -> None:
    world, buyer = a_quarter_past("users", "api-calls")
    world.marketplace.inject(Fault(fault))

    summary = world.tick()

    assert world.submitted[0] == world.submitted[1]
    assert summary.outcomes == {Status.ACCEPTED: 2}
    assert world.billed(buyer) == 10


@pytest.mark.parametrize("fault", OF_UNKNOWN_EFFECT)
def test_a_call_of_unknown_effect_is_remembered_and_made_again_by_the_next_tick(fault: str) -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault(fault, times=3))

    world.tick()
    held, known = world.items("call"), world.outcomes()
    world.advance(minutes=5)
    world.tick(world.wiring())

    assert (len(held), known) == (1, {})
    assert world.submitted[0] == world.submitted[-1]
    assert sorted(world.outcomes().values()) == ["accepted"]
    assert world.billed(buyer) == 5


def test_a_tick_stops_after_a_few_lost_answers() -> None:
    """Each leaves a call in doubt, and one more would hardly be answered."""
    world, _ = a_quarter_past(*(f"d{number}" for number in range(100)))
    world.marketplace.inject(Fault("InternalServiceErrorException", times=None))

    summary = world.tick()

    assert len(world.items("call")) <= 3
    assert summary.refusals == {"InternalServiceErrorException": summary.calls}


def test_a_record_that_always_ends_in_a_500_does_not_take_others_with_it() -> None:
    world, buyer = a_quarter_past(SPOILED, *(f"d{number}" for number in range(60)))
    spoil(world, "InternalServiceErrorException", status=500)

    for _ in range(24):
        world.tick()
        world.advance(hours=1)

    outcome = world.outcome(buyer, SPOILED)
    assert outcome is not None
    assert outcome.status is Status.UNCONFIRMED
    assert world.billed(buyer) == 60 * 5


def test_a_license_that_ends_in_500s_does_not_keep_others_from_the_bill() -> None:
    """Its records go before all others, and then nothing would, as long as it ends."""
    world, buyer = a_quarter_past(SPOILED)
    other = world.buy("222233334444")
    world.send(world.usage(other, 7, ago_s=3600))
    world.change(buyer, state=State.ENDING, ending_since_s=int(world.now_s))
    spoil(world, "InternalServiceErrorException", status=500)

    for _ in range(6):
        world.tick()
        world.advance(minutes=5)

    assert world.billed(other) == 7
