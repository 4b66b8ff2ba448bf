"""No message, whoever sends it, makes a tick fail, since all other usage would fail with it.

Every world begins at 10:20.
"""

from typing import Any

import pytest

from lambdas.customers.license import State
from lambdas.metering.terms import Terms
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
FOUR_BYTES = "\U0001f600"
LONGEST_NAME = FOUR_BYTES * 255
TEN = "2026-11-23T10Z"


def redrive(**fields: str) -> dict[str, Any]:
    return {"Redrive": {"License": "l-1", "Dimension": "users", "Hour": TEN} | fields}


@pytest.mark.parametrize(
    "message",
    [
        redrive(License="l" * 2_041),
        redrive(License=FOUR_BYTES * 511),
        redrive(Dimension="d" * 70_000),
        redrive(Hour="0001-01-01T00Z"),
        redrive(Hour="9999-12-31T23Z"),
        '{"Redrive": {"License": "\\ud800", "Dimension": "users", "Hour": "2026-11-23T10Z"}}',
        '{"Redrive": {"License": "l-1", "Dimension": "\\udfff", "Hour": "2026-11-23T10Z"}}',
        redrive(License=f"{'p' * 255}/{LONGEST_NAME}", Dimension=LONGEST_NAME),
    ],
)
def test_usage_beside_a_strange_redrive_is_counted(message: dict[str, Any] | str) -> None:
    world = World(terms=NO_HEARTBEATS)
    world.send(message, world.usage(world.buy(), 7))

    summary = world.tick()

    assert (summary.messages, summary.counted) == (2, 1)


@pytest.mark.parametrize(("quantity", "status"), [(0, "refused"), (7, "parked")])
def test_a_dimension_of_the_longest_name_may_be_refused(quantity: int, status: str) -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(dimensions=["users"])
    world.send(world.usage(buyer, quantity, dimension=LONGEST_NAME))

    world.tick_until_settled(hours=1)

    assert world.outcomes() == {(buyer.key, LONGEST_NAME, TEN): status}


def test_a_heartbeat_with_a_long_name_that_was_refused_is_not_tried_again() -> None:
    world = World(terms=Terms(dimensions=(LONGEST_NAME,), product_code=PRODUCT))
    world.buy(dimensions=["users"])

    world.tick_until_settled(hours=5)

    sent = [each["Dimension"] for records in world.submitted for each in records]
    assert sent == [LONGEST_NAME]


def test_refused_zeros_with_equal_beginnings_are_told_apart() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    names = {LONGEST_NAME, f"{LONGEST_NAME[:-1]}x", "users"}

    for name in names:
        world.table.put_refused_zero(buyer.key, name, int(world.now_s))

    assert world.table.refused_zeros() == {(buyer.key, name) for name in names}


def test_an_expired_record_of_the_longest_name_is_redriven() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(state=State.PENDING)
    world.send(world.usage(buyer, 5, dimension=LONGEST_NAME))
    world.tick()
    world.at("2026-11-24T10:15:00+00:00")
    world.tick()
    world.redrive((buyer, LONGEST_NAME, TEN), bill_now=True)

    summary = world.tick()

    assert summary.counted == 1
