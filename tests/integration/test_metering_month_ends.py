"""The last hour of a month: what misses it can ride nowhere, so it is not closed over anything.

Every world begins at 20:00 on the 30th, with one buyer.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.terms import Terms
from lambdas.metering.tick import tick
from tests.world import PRODUCT, World

USED = 60


class Killed(BaseException):
    """The function dies here."""


def a_month_end() -> tuple[World, License]:
    world = World(start=datetime(2026, 11, 30, 20, tzinfo=UTC), terms=Terms(product_code=PRODUCT))
    buyer = world.buy()
    world.tick()
    return world, buyer


def held_up() -> tuple[World, License]:
    """A world at 02:51 on the 1st: usage of the month's last hour was held up by an outage."""
    world, buyer = a_month_end()
    world.at("2026-11-30T23:55:00+00:00")
    world.send(*[world.usage(buyer, 1, id_=f"u-{at}", ago_s=60) for at in range(USED)])
    world.at("2026-12-01T02:51:00+00:00")
    return world, buyer


def ticks_until(world: World, text: str) -> None:
    """Let a tick run every five minutes, each in a container of its own."""
    end_s = datetime.fromisoformat(text).timestamp()
    while world.now_s < end_s:
        world.advance(minutes=5)
        world.tick(world.wiring())


def is_append(name: str, params: dict[str, Any]) -> bool:
    return name == "dynamodb.PutItem" and params["Item"]["pk"]["S"] == "log"


def dies(world: World) -> None:
    def die(name: str, params: dict[str, Any]) -> None:
        if is_append(name, params):
            raise Killed

    with world.hooked(before=die), pytest.raises(Killed):
        world.tick(world.wiring())


def runs_out_of_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.metering.hand.HAND_RECORDS_MAX", 30)

    def wait(name: str, params: dict[str, Any]) -> None:
        if is_append(name, params):
            world.now_s += 160

    with world.hooked(after=wait):
        assert tick(world.wiring(), until_s=world.now_s + 250).out_of_time
    monkeypatch.undo()


@pytest.fixture(params=["dies", "runs out of time"])
def fails(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[World], None]:
    """A way in which a tick leaves messages uncounted and out of sight."""
    return dies if request.param == "dies" else lambda world: runs_out_of_time(world, monkeypatch)


def test_a_month_is_not_closed_over_messages_that_are_out_of_sight(
    fails: Callable[[World], None],
) -> None:
    world, buyer = held_up()

    fails(world)
    ticks_until(world, "2026-12-01T03:20:00+00:00")

    assert world.billed(buyer) == USED
    assert world.quarantined() == []


def test_messages_out_of_sight_hold_a_month_open_for_five_hours_at_most() -> None:
    world, buyer = held_up()

    def delay_another(name: str, _: dict[str, Any]) -> None:
        if name == "sqs.GetQueueAttributes":
            body = json.dumps(world.usage(buyer, 1))
            world.producer.send_message(
                QueueUrl=world.queue_url, MessageBody=body, DelaySeconds=600
            )

    with world.hooked(before=delay_another):
        ticks_until(world, "2026-12-01T04:56:00+00:00")
        before = world.billed(buyer)
        ticks_until(world, "2026-12-01T05:01:00+00:00")

    assert before == 0
    assert world.marketplace.usage()[0].quantity == USED


# A license ends


def used_while_it_ends(*, back: str | None = None) -> tuple[World, License, int]:
    """Use a license every minute from 23:15 on, when it ends, until it does or the month does."""
    world, buyer = a_month_end()
    world.at("2026-11-30T23:15:00+00:00")
    ending = world.change(buyer, state=State.ENDING, ending_since_s=int(world.now_s))
    used = 0
    while f"{world.time():%d %H:%M}" != "01 00:00":
        world.advance(minutes=1)
        now = f"{world.time():%H:%M}"
        if back == now:
            ending = world.change(
                ending, state=State.ACTIVE, ending_since_s=None, active_since_s=int(world.now_s)
            )
        world.send(world.usage(ending, 1, id_=f"u-{now}", ago_s=30))
        used += 1
        if world.time().minute % 5 == 1:
            world.tick()
    return world, ending, used


def test_a_license_that_comes_back_in_a_months_last_hour_goes_on_in_it() -> None:
    world, buyer, used = used_while_it_ends(back="23:41")

    world.tick_until_settled(hours=4)

    assert world.billed(buyer) == used
    assert world.quarantined() == []
