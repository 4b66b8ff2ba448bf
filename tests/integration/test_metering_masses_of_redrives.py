"""Very many redrives at once cost a tick no more than it has, and other usage does not wait.

Every world begins at 10:20. Time passes as it does for a function with 16 threads: requests that
are made one after the other add up.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from heapq import heapreplace
from typing import Any

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.hand import HAND_REDRIVES_MAX, REDRIVES_AT_ONCE
from lambdas.metering.keys import CHECK_BYTES, KEY_BYTES
from lambdas.metering.summary import Summary
from lambdas.metering.terms import Terms
from sandbox.memory.double import Params
from tests.interruptions import Killed
from tests.world import PRODUCT, World

THREADS = 16
FUNCTION_S = 270
"""After which Lambda ends a tick by force."""

BEFORE = Terms(dimensions=("users",), product_code=PRODUCT)
AFTER = Terms(dimensions=("users", "seats"), product_code=PRODUCT)


def pool_of(world: World) -> Callable[..., list[Any]]:
    """A pool of threads, as far as the world's time can tell."""

    def parallel(work: Callable[..., Any], *items: Iterable[Any]) -> list[Any]:
        free_at = [world.now_s] * THREADS
        results = []
        for each in zip(*items, strict=True):
            world.now_s = free_at[0]
            results.append(work(*each))
            heapreplace(free_at, world.now_s)
        world.now_s = max(free_at)
        return results

    return parallel


@contextmanager
def slow(world: World, request_s: float) -> Iterator[None]:
    """Let every request take so long, and a tick that takes too long be ended by force."""
    ends_s = world.now_s + FUNCTION_S

    def wait(_name: str, _params: Params) -> None:
        world.now_s += request_s
        if world.now_s > ends_s:
            raise Killed

    with world.hooked(before=wait):
        yield


def redriven(number: int) -> tuple[World, License]:
    """A world in which so much waits for a setting that is made now, and is redriven whole."""
    world = World(terms=BEFORE)
    buyer = world.buy(dimensions=["users", "seats"])
    seats = [world.usage(buyer, 1, dimension="seats", id_=f"u-{at}") for at in range(number)]
    world.send_together(*seats)
    world.tick()
    world.terms = AFTER
    for name, _ in world.quarantined():
        world.redrive(name)
    return world, buyer


def slow_ticks(world: World, number: int, *, request_s: float) -> list[Summary]:
    """A tick every five minutes, each in a container of its own."""
    summaries = []
    for _ in range(number):
        began_s = world.now_s
        with slow(world, request_s):
            summaries.append(world.tick(world.wiring(parallel=pool_of(world))))
        world.now_s = began_s + 300
    return summaries


def counted(world: World, dimension: str) -> int:
    """What is counted of a dimension and not sealed yet, in whole units."""
    cells = world.wiring().log.read(int(world.now_s)).open.items()
    return sum(usage.total for (_, each, _), usage in cells if each == dimension) // 10**6


def sizes_of_hands(world: World) -> list[int]:
    """How many keys each entry of the log counts."""
    return [
        len(item["keys"]["B"]) // (KEY_BYTES + CHECK_BYTES)
        for item in world.items("log")
        if "keys" in item
    ]


def test_forty_thousand_redrives_do_not_end_a_tick_by_force() -> None:
    """A fortieth of them, by requests of forty times 10 ms."""
    world, _ = redriven(1_000)

    slow_ticks(world, 1, request_s=0.4)

    assert counted(world, "seats") == 1_000
    assert world.quarantined() == []


def test_other_usage_is_counted_before_redrives_that_do_not_fit_into_a_tick() -> None:
    world, buyer = redriven(500)
    world.send(world.usage(buyer, 7))

    [summary] = slow_ticks(world, 1, request_s=2)

    assert summary.out_of_time
    assert counted(world, "users") == 7


def test_redrives_that_do_not_fit_into_a_tick_are_counted_by_a_later_one() -> None:
    world, _ = redriven(500)

    first, *_ = slow_ticks(world, 5, request_s=2)

    assert first.counted < 500
    assert counted(world, "seats") == 500


def test_what_still_cannot_be_counted_is_put_back_as_fast() -> None:
    world, _ = redriven(400)
    world.terms = BEFORE

    [summary] = slow_ticks(world, 1, request_s=0.9)

    assert summary.quarantined.total() == 400


def test_redrives_beyond_a_hand_are_counted_in_the_next_hand() -> None:
    world, _ = redriven(HAND_REDRIVES_MAX + 1)

    summary = world.tick(world.wiring())

    assert summary.counted == HAND_REDRIVES_MAX + 1
    assert sizes_of_hands(world) == [HAND_REDRIVES_MAX, 1]


def test_redrives_of_large_messages_are_counted_in_smaller_hands() -> None:
    """More of half a mebibyte each would not fit into a function's memory."""
    world = World(terms=BEFORE)
    text = json.dumps(world.usage(world.buy(), 1, dimension="seats")) + " " * 520_000
    world.send(*[text] * (REDRIVES_AT_ONCE + 1))
    world.tick()
    world.terms = AFTER
    for name, _ in world.quarantined():
        world.redrive(name)

    world.tick(world.wiring())

    assert sizes_of_hands(world) == [REDRIVES_AT_ONCE, 1]


def test_usage_redriven_twice_in_one_hand_is_deleted_from_quarantine_once() -> None:
    world, _ = redriven(1)
    world.redrive(world.quarantined()[0][0])
    calls: Counter[str] = Counter()

    with world.hooked(before=lambda name, _: calls.update([name])):
        world.tick(world.wiring())

    assert calls["dynamodb.DeleteItem"] == 1


@pytest.mark.parametrize("records", [1, 5])
def test_a_seal_is_read_once_for_all_its_records_that_are_redriven_together(records: int) -> None:
    names = [f"d{at}" for at in range(records)]
    world = World(terms=Terms(product_code=PRODUCT))
    buyer = world.buy(state=State.PENDING, dimensions=names)
    world.send_together(*(world.usage(buyer, 5, dimension=name) for name in names))
    world.tick()
    world.at("2026-11-24T10:15:00+00:00")
    world.tick()
    for name in names:
        world.redrive((buyer, name, "2026-11-23T10Z"), bill_now=True)
    read: list[str] = []

    def note(name: str, params: Params) -> None:
        if name == "dynamodb.GetItem" and params["Key"]["pk"]["S"] == "log":
            read.append(params["Key"]["sk"]["S"])

    with world.hooked(before=note):
        summary = world.tick()

    assert summary.counted == records
    assert len(read) == 1
