"""Writes of quarantine and outcomes whose answers get lost, and that are executed again, or late.

The SDK repeats a request that nobody answers; both may be executed, and the first long after the
second. Every world begins at 10:20.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from string import ascii_letters, digits

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from lambdas.metering.aws import Quarantined
from lambdas.metering.records import Status
from lambdas.metering.summary import Summary
from lambdas.metering.terms import Terms
from lambdas.metering.tick import tick
from sandbox.memory.double import Fault, Params
from tests.interruptions import paused
from tests.world import LEDGER, PRODUCT, TICK_S, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
LARGE = "".join(Random(0).choices(ascii_letters + digits, k=1_000_000))
"""A text of three pieces, two beside the item."""

PIECES = 2
OTHER = "222233334444"


@contextmanager
def met(world: World, fault: Fault, operation: str, partition: str) -> Iterator[None]:
    """Let the first write of its kind to a partition of the ledger meet a fault."""
    writes: list[Params] = []

    def meet(_: str, name: str, params: Params) -> Fault | None:
        if writes or name != operation or not partition_of(params).startswith(partition):
            return None
        writes.append(params)
        return fault

    world.dynamodb.on_call = meet
    yield
    world.dynamodb.on_call = None
    assert writes


@contextmanager
def update_is_repeated(world: World) -> Iterator[None]:
    """Let the first update of quarantine be executed once more when `land_pending` says so."""
    pending = world.dynamodb.pending

    def repeat(_: str, operation: str, params: Params) -> None:
        if not pending and operation == "UpdateItem" and of_quarantine(params):
            pending.append((operation, params))

    world.dynamodb.on_call = repeat
    yield
    world.dynamodb.on_call = None
    assert pending


def partition_of(params: Params) -> str:
    name: str = (params.get("Key") or params["Item"])["pk"]["S"]
    return name


def of_quarantine(params: Params) -> bool:
    return partition_of(params) == "quarantine"


def of_an_outcome(params: Params) -> bool:
    return partition_of(params).startswith("license#")


def in_quarantine(world: World) -> str:
    [(name, _)] = world.quarantined()
    return name


def read(world: World, name: str) -> Quarantined:
    found = world.quarantine.get(name)
    assert found is not None
    return found


def pieces(world: World, name: str) -> int:
    """How many pieces lie beside the item, of whichever version."""
    return len(world.items(f"quarantine#{name}"))


def large_usage_of_nobody_yet() -> tuple[World, str]:
    """A world in whose quarantine large usage waits, and its name; its update is yet to repeat."""
    world = World(terms=NO_HEARTBEATS)
    world.tick()
    event = {"specversion": "1.0", "type": "usage", "source": "product", "id": "1", "note": LARGE}
    world.send(json.dumps(event | {"data": world.usage(OTHER, 5)}))
    with update_is_repeated(world):
        world.tick()
    return world, in_quarantine(world)


def a_conflict() -> World:
    """A world at 11:15 whose next tick is told that somebody else has metered the hour."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(world.usage(buyer, 5))
    world.bill_elsewhere(buyer, 9, ago_s=30)
    world.tick()
    world.advance(minutes=55)
    return world


# Quarantine


def test_a_version_that_is_written_once_more_does_not_take_the_place_of_a_newer_one() -> None:
    world, name = large_usage_of_nobody_yet()
    world.redrive(name)
    world.tick()
    newer = read(world, name)

    world.dynamodb.land_pending()

    assert read(world, name) == newer


def test_a_version_that_is_written_once_more_does_not_take_its_dismissal_back() -> None:
    world, name = large_usage_of_nobody_yet()
    world.quarantine.dismiss(name, read(world, name).version, int(world.now_s))

    world.dynamodb.land_pending()

    assert world.quarantine.size() == 0


def test_what_was_counted_and_is_written_to_quarantine_once_more_stops_no_tick() -> None:
    world, name = large_usage_of_nobody_yet()
    buyer = world.buy(OTHER)
    world.redrive(name)
    world.tick()
    world.dynamodb.land_pending()
    left = in_quarantine(world)

    world.redrive(name)
    world.send(world.usage(buyer, 7))
    world.tick_until_settled()

    assert left == name
    assert world.billed(buyer) == 5 + 7


def test_what_lost_its_pieces_stays_listed_until_a_person_dismisses_it() -> None:
    world, name = large_usage_of_nobody_yet()
    for each in world.items(f"quarantine#{name}"):
        key = {"pk": each["pk"], "sk": each["sk"]}
        world.tables_client.delete_item(TableName=LEDGER, Key=key)

    world.redrive(name)
    world.tick()

    assert world.quarantine.get(name) is None
    assert in_quarantine(world) == name
    assert world.quarantine.size() == 1


def test_a_repeated_update_leaves_the_pieces_of_its_own_version_alone() -> None:
    world, name = large_usage_of_nobody_yet()
    before = read(world, name)
    world.redrive(name)

    with met(world, Fault.TWICE, "UpdateItem", "quarantine"):
        world.tick()

    after = read(world, name)
    assert after.version != before.version
    assert after.text == before.text
    assert pieces(world, name) == PIECES


def test_of_two_ticks_that_quarantine_one_message_one_keeps_it_whole() -> None:
    world = World(terms=NO_HEARTBEATS)
    world.tick()
    world.send(LARGE)

    with paused(world, before="dynamodb.UpdateItem", where=of_quarantine):
        world.advance(minutes=16)
        world.tick(world.wiring())

    name = in_quarantine(world)
    assert read(world, name).text == LARGE
    assert pieces(world, name) == PIECES


def test_of_two_ticks_that_redrive_in_vain_one_keeps_the_text_whole() -> None:
    world, name = large_usage_of_nobody_yet()
    text = read(world, name).text
    world.redrive(name)

    with paused(world, before="dynamodb.UpdateItem", where=of_quarantine):
        world.redrive(name)
        world.tick(world.wiring())

    assert read(world, name).text == text
    assert pieces(world, name) == PIECES


def test_usage_that_another_tick_counts_meanwhile_does_not_come_back_to_quarantine() -> None:
    world, name = large_usage_of_nobody_yet()
    world.redrive(name)

    with paused(world, before="dynamodb.UpdateItem", where=of_quarantine):
        world.buy(OTHER)
        world.redrive(name)
        world.tick(world.wiring())

    assert world.quarantined() == []
    assert pieces(world, name) == 0


# Outcomes


def run(world: World) -> Summary:
    """Run a cold tick, and return what it tells even if it fails."""
    wiring, summary = world.wiring(), Summary()
    with suppress(EndpointConnectionError, ReadTimeoutError):
        tick(wiring, until_s=wiring.clock() + TICK_S, summary=summary)
    return summary


def named(summary: Summary) -> list[str]:
    """The outcomes of the records that a person is to look at."""
    return [each["status"] for each in summary.attention]


def test_an_outcome_that_is_written_twice_is_told() -> None:
    world = a_conflict()

    with met(world, Fault.TWICE, "UpdateItem", "license#"):
        summary = run(world)

    assert summary.outcomes == {Status.CONFLICT: 1}
    assert named(summary) == ["conflict"]


def test_an_outcome_that_another_tick_wrote_is_told_by_that_tick_alone() -> None:
    world = a_conflict()
    others: list[Summary] = []

    def let_another_go_first(name: str, params: Params) -> None:
        if not others and name == "dynamodb.UpdateItem" and of_an_outcome(params):
            others.append(Summary())
            world.advance(seconds=1)
            others[0] = run(world)

    with world.hooked(before=let_another_go_first):
        slower = run(world)

    assert (named(others[0]), named(slower)) == (["unconfirmed"], [])


def test_an_outcome_is_told_where_nobody_answers_whether_it_was_written() -> None:
    world = a_conflict()

    with met(world, Fault.ANSWER_LOST, "UpdateItem", "license#"):
        summaries = [run(world), run(world)]

    assert list(world.outcomes().values()) == ["conflict"]
    assert [named(each) for each in summaries] == [["conflict"], []]


def test_a_tick_that_fails_has_told_what_became_of_records_until_then() -> None:
    world = a_conflict()

    with met(world, Fault.UNREACHABLE, "PutItem", "settled"):
        summaries = [run(world), run(world)]

    assert [named(each) for each in summaries] == [["conflict"], []]
