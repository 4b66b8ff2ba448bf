"""Whole ticks: when time is short, when ticks meet, and what they tell.

Every world begins at 10:20.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from random import Random
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from lambdas.customers.license import License, State
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from lambdas.metering.tick import tick
from sandbox.marketplace.faults import Fault
from sandbox.memory.double import Params
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)


def a_world() -> tuple[World, License]:
    """A world whose log has begun, without heartbeats."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()
    return world, buyer


def slow(world: World, operation: str, seconds: float) -> AbstractContextManager[None]:
    """Let calls of a kind take so long."""

    def wait(name: str, _: Params) -> None:
        if name == operation:
            world.advance(seconds=seconds)

    return world.hooked(before=wait)


# Time is short


def test_a_tick_without_time_consumes_nothing() -> None:
    world, buyer = a_world()
    world.send(world.usage(buyer, 5))

    summary = tick(world.warm, until_s=world.now_s)
    world.tick_until_settled(hours=1)

    assert summary.out_of_time
    assert summary.messages == 0
    assert world.billed(buyer) == 5


def test_a_tick_that_runs_out_of_time_while_it_counts_leaves_the_rest_to_others() -> None:
    world, buyer = a_world()
    for _ in range(30):
        world.send(world.usage(buyer, 1))
    with world.hooked(before=lambda name, _: world.advance(seconds=3 * (name[:4] == "sqs."))):
        summary = tick(world.warm, until_s=world.now_s + 10)

    world.tick_until_settled(hours=2)

    assert summary.out_of_time
    assert not summary.drained
    assert world.billed(buyer) == 30


def test_a_tick_that_runs_out_of_time_while_it_sends_stops_before_its_next_call() -> None:
    world = World(terms=NO_HEARTBEATS)
    dimensions = [f"d{number}" for number in range(100)]
    buyer = world.buy(dimensions=dimensions)
    world.send_together(*(world.usage(buyer, 1, dimension=name) for name in dimensions))
    world.tick()
    world.advance(minutes=55)

    with slow(world, "marketplace.BatchMeterUsage", 100):
        first = world.tick()
        second = world.tick()

    assert (first.calls, first.out_of_time) == (3, True)
    assert (second.calls, second.out_of_time) == (1, False)
    assert world.items("call") == []
    assert world.billed(buyer) == 100


def test_the_records_of_a_license_that_ends_go_first() -> None:
    """They can be sent for an hour only; all others wait for longer, though they are older."""
    world = World(terms=NO_HEARTBEATS)
    dimensions = [f"d{number}" for number in range(50)]
    buyer, ending = world.buy(dimensions=dimensions), world.buy("222233334444")
    world.send_together(*(world.usage(buyer, 1, dimension=name) for name in dimensions))
    world.tick()
    world.at("2026-11-23T11:05:00+00:00")
    world.send(world.usage(ending, 7))
    world.tick()
    world.marketplace.change_license(ending.arn, "cancel")
    world.change(ending, state=State.ENDING, ending_since_s=int(world.now_s))
    world.at("2026-11-23T11:26:00+00:00")

    with slow(world, "marketplace.BatchMeterUsage", 300):
        world.tick()

    assert world.submitted[0][0]["LicenseArn"] == ending.arn
    assert world.billed(ending) == 7


# Ticks at once


@pytest.mark.parametrize("seed", range(8))
def test_ticks_at_once_count_and_bill_once(seed: int) -> None:
    """Three containers give way to each other at every AWS call, in an order that the seed sets."""
    world, buyer = a_world()
    rng, main = Random(seed), getcurrent()
    world.send(world.usage(buyer, 3, ago_s=1200))
    for number in range(25):
        world.send(world.usage(buyer, 1, id_=f"u-{number % 20}"), world.usage(buyer, 2))
    world.send("{", "{")
    world.at("2026-11-23T11:15:00+00:00")
    ticks = [greenlet(world.tick) for _ in range(3)]

    def give_way(*_: Any) -> None:
        if getcurrent() is not main:
            main.switch()

    with world.hooked(before=give_way):
        for each in ticks:
            each.switch(world.wiring())
        while alive := [each for each in ticks if not each.dead]:
            rng.choice(alive).switch()
    world.tick_until_settled(hours=3)

    assert world.billed(buyer) == 3 + 20 + 2 * 25
    assert len(world.quarantined()) == 2
    assert set(world.outcomes().values()) == {"accepted"}


# What a tick tells


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_a_summary_tells_what_was_done() -> None:
    world, buyer = a_world()
    pending = world.buy("222233334444", state=State.PENDING)
    world.send(world.usage(buyer, 5, id_="u-1"), world.usage(pending, "2.5", id_="u-2"))
    world.send_together(world.usage(buyer, 5, id_="u-1"), world.usage("999999999999", 1))
    world.tick()
    world.at("2026-11-23T11:15:00+00:00")
    world.send(world.usage(buyer, 3), "{")
    world.marketplace.inject(Fault("ThrottlingException"))
    world.tick()
    world.advance(minutes=5)
    world.send(world.usage(buyer, 4), world.usage(buyer, 6, id_="u-1"))

    summary = world.tick().as_json()

    assert summary == {
        "metering": "live",
        "messages": 2,
        "counted": 1,
        "duplicates": 0,
        "quarantined": {"id-reused": 1},
        "hours_sealed": 0,
        "records_sealed": 0,
        "calls": 1,
        "records_sent": 1,
        "outcomes": {"accepted": 1},
        "before_metering_from": 0,
        "attention": [],
        "refusals": {},
        "calls_refused": 0,
        "drained": True,
        "out_of_time": False,
        "oldest_unbilled_seconds": int(world.now_s) - seconds("2026-11-23T10:00:00+00:00"),
        "unfinished_records": 1,
        "unfinished_quantity": "2.5",
        "parked_quantity": "0",
        "at_risk_records": 0,
        "risk_left_seconds": seconds("2026-11-24T10:00:00+00:00") - int(world.now_s),
        "licenses_ending": 0,
        "final_flush_left_seconds": None,
        "in_quarantine": None,
    }


def test_the_summaries_of_all_ticks_add_up() -> None:
    world, buyer = a_world()
    for number in range(10):
        world.send(world.usage(buyer, 1, id_=f"u-{number % 7}"), "{")

    summaries = world.tick_until_settled(hours=2)

    assert sum(each.messages for each in summaries) == 20
    assert sum(each.counted for each in summaries) == 7
    assert sum(each.duplicates for each in summaries) == 3
    assert sum(each.quarantined.total() for each in summaries) == 10
    assert sum(each.records_sealed for each in summaries) == 1
    assert sum(each.outcomes[Status.ACCEPTED] for each in summaries) == 1
    assert sum(each.hours_sealed for each in summaries) == 2


def test_a_tick_with_nothing_to_do_says_so() -> None:
    world, _ = a_world()

    summary = world.tick()

    assert summary.as_json() == {
        "metering": "live",
        "messages": 0,
        "counted": 0,
        "duplicates": 0,
        "quarantined": {},
        "hours_sealed": 0,
        "records_sealed": 0,
        "calls": 0,
        "records_sent": 0,
        "outcomes": {},
        "before_metering_from": 0,
        "attention": [],
        "refusals": {},
        "calls_refused": 0,
        "drained": False,
        "out_of_time": False,
        "oldest_unbilled_seconds": None,
        "unfinished_records": 0,
        "unfinished_quantity": "0",
        "parked_quantity": "0",
        "at_risk_records": 0,
        "risk_left_seconds": None,
        "licenses_ending": 0,
        "final_flush_left_seconds": None,
        "in_quarantine": None,
    }


def test_a_summary_names_records_that_are_not_on_the_bill() -> None:
    world = World()
    buyer = world.buy()
    world.marketplace.change_license(buyer.arn, "suspend")
    world.send(world.usage(buyer, 3))
    world.tick()
    world.advance(hours=1)

    assert world.tick().attention == [
        {
            "license": buyer.key,
            "dimension": "users",
            "hour": "2026-11-23T10Z",
            "quantity": "3",
            "status": "parked",
            "reason": "CustomerNotSubscribed",
        }
    ]
