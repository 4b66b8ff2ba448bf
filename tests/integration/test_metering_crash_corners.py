"""Deaths of ticks that do what the crash walk's tick does not: begin, report zeros, judge, redrive.

Every world begins at 10:20. A stage is built anew for every death: a tick dies after each of its
AWS calls, which leaves behind what a death before the next one would; then fresh containers go on.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.records import Status
from sandbox.memory.double import Fault, Params
from tests.integration.failures_stage import NO_HEARTBEATS, a_quarter_past, a_world, status
from tests.interruptions import Killed, kill, kill_at
from tests.world import World

SOON = (5, 11, 60)
"""Minutes between the ticks after a death: the second one sees its messages again, and the third
seals what it counts."""


def go_on(world: World, minutes: Iterable[float] = SOON) -> None:
    for each in minutes:
        world.advance(minutes=each)
        world.tick(world.wiring())


def calls_of_a_tick(world: World) -> list[str]:
    calls: list[str] = []
    with world.hooked(before=lambda name, _: calls.append(name)):
        world.tick(world.wiring())
    return calls


def walk(stage: Callable[[], World], ends: Callable[[World], Any], *does: str) -> None:
    """Let a tick die at every call; `ends` must tell the same as where nobody died."""
    whole = stage()
    calls = calls_of_a_tick(whole)
    assert set(does) <= set(calls), "the tick does not do what is to be interrupted"
    go_on(whole)
    expected = ends(whole)
    for number in range(1, len(calls) + 1):
        world = stage()
        died_at = kill_at(world, "after", number)
        go_on(world)
        assert ends(world) == expected, f"dies after call {number}, {died_at}"


def test_the_first_tick_of_a_log_may_die_at_every_call() -> None:
    """With usage in the queue that is older than the log, and an hour that is over."""

    def stage() -> World:
        world = World(terms=NO_HEARTBEATS)
        world.send(world.usage(world.buy(), 5, ago_s=3 * 3600))
        return world

    def ends(world: World) -> Any:
        assert world.billed() == 5
        return len(world.items("log")), world.sqs.queue(world.queue_url).messages()

    walk(stage, ends, "dynamodb.PutItem", "marketplace.BatchMeterUsage")


def test_between_two_deletions_the_messages_that_are_left_come_back_as_copies() -> None:
    world, buyer = a_world()
    world.send(*(world.usage(buyer, 1) for _ in range(15)))

    kill(world, after="sqs.DeleteMessageBatch")
    left = len(world.sqs.queue(world.queue_url).messages())
    go_on(world)

    assert left == 5
    assert world.billed(buyer) == 15


@pytest.mark.parametrize(
    "fault", [Fault.ANSWER_LOST, Fault.TWICE, Fault.LATE, Fault.UNREACHABLE], ids=str
)
def test_a_seal_of_unknown_fate_is_decided_anew(fault: Fault) -> None:
    """The same put at the next number seals the hour twice.

    Taken for written, it lets late usage into an hour whose record was sent.
    """
    world, buyer = a_quarter_past()
    faults = [fault]

    def lose(service: str, operation: str, params: Params) -> Fault | None:
        seals = operation == "PutItem" and params["Item"].get("kind") == {"S": "seal"}
        return faults.pop() if seals and faults else None

    world.dynamodb.on_call = lose
    world.tick()
    world.dynamodb.on_call = None
    world.send(world.usage(buyer, 3, ago_s=3600))
    go_on(world)
    world.dynamodb.land_pending()

    log = world.wiring().log
    entries = range(1, log.read(int(world.now_s)).last + 1)
    assert faults == []
    assert len([number for number in entries if log.sealed_records([(number, 0)])]) == 2
    assert world.billed(buyer) == 8


def test_after_the_call_item_and_before_the_call_the_next_tick_sends() -> None:
    world, buyer = a_quarter_past()

    kill(world, before="marketplace.BatchMeterUsage")
    held, billed = len(world.items("call")), world.billed(buyer)
    go_on(world)

    assert (held, billed) == (1, Decimal(0))
    assert status(world, buyer) is Status.ACCEPTED
    assert world.billed(buyer) == 5
    assert world.items("call") == []


def test_with_several_calls_under_way_all_of_them_are_made_again() -> None:
    """Calls go out in threads, so that one death may leave many of them applied and not noted."""
    dimensions = [f"d{number}" for number in range(60)]
    world, buyer = a_quarter_past(*dimensions)

    def in_threads(work: Callable[..., Any], *items: Iterable[Any]) -> list[Any]:
        done, died = [], []
        for each in zip(*items, strict=True):
            try:
                done.append(work(*each))
            except Killed as death:
                died.append(death)
        if died:
            raise died[0]
        return done

    def die(name: str, _: Params) -> None:
        if name == "marketplace.BatchMeterUsage":
            raise Killed

    with world.hooked(after=die), pytest.raises(Killed):
        world.tick(world.wiring(parallel=in_threads))
    held, billed = len(world.items("call")), world.billed(buyer)
    go_on(world)

    assert (held, billed) == (3, Decimal(300))
    assert set(world.outcomes().values()) == {"accepted"}
    assert world.billed(buyer) == 300


def test_a_tick_that_reports_zeros_may_die_at_every_call() -> None:
    """One of them is for a dimension that is not in the offer: refused, and never tried again."""

    def stage() -> World:
        world = World()
        buyer = world.buy(dimensions=["users", "api-calls"])
        world.tick()
        world.at("2026-11-23T11:20:00+00:00")
        world.send(world.usage(buyer, 5))
        world.tick()
        world.at("2026-11-23T12:15:00+00:00")
        return world

    def ends(world: World) -> Any:
        assert world.billed() == 5
        of_eleven = {
            cell[1]: is_ for cell, is_ in world.outcomes().items() if cell[2][-3:] == "11Z"
        }
        assert of_eleven == {"users": "accepted", "api-calls": "accepted", "storage-gb": "refused"}
        tried = [each for records in world.submitted for each in records]
        assert len({each["Timestamp"] for each in tried if each["Dimension"] == "storage-gb"}) == 1
        return len(world.items("refused-zero")), world.items("call")

    walk(stage, ends, "marketplace.BatchMeterUsage")


def test_a_tick_that_judges_what_is_too_late_may_die_at_every_call() -> None:
    """What may be on the bill is never called expired, though another tick has to judge it."""

    def stage() -> World:
        world, _ = a_quarter_past()
        pending = world.buy("222233334444", state=State.PENDING)
        world.send(world.usage(pending, 3, ago_s=3600))
        kill(world, after="marketplace.BatchMeterUsage")
        world.at("2026-11-24T10:15:00+00:00")
        return world

    def ends(world: World) -> Any:
        assert sorted(world.outcomes().values()) == ["expired", "unconfirmed"]
        return world.billed(), world.outcomes(), world.items("call")

    walk(stage, ends, "dynamodb.UpdateItem", "dynamodb.DeleteItem")


def an_expired_record() -> tuple[World, License]:
    """A world a day later, in which a record could not be sent in time."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(state=State.PENDING)
    world.send(world.usage(buyer, 5))
    world.tick()
    world.at("2026-11-24T10:15:00+00:00")
    world.tick()
    return world, world.change(buyer, state=State.ACTIVE)


def test_a_redrive_of_an_expired_record_may_die_at_every_call() -> None:
    def stage() -> World:
        world, buyer = an_expired_record()
        world.redrive((buyer, "users", "2026-11-23T10Z"), bill_now=True)
        return world

    def ends(world: World) -> Any:
        assert world.billed() == 5
        [noted] = [
            item["d:users"]["M"]
            for item in world.dynamodb.items("ledger")
            if item["sk"] == {"S": "2026-11-23T10Z"}
        ]
        assert "redriven" in noted
        return world.sqs.queue(world.queue_url).messages()

    walk(stage, ends, "dynamodb.UpdateItem", "sqs.DeleteMessageBatch")


def test_a_redrive_that_is_refused_again_may_die_at_every_call() -> None:
    def stage() -> World:
        world = World(terms=NO_HEARTBEATS)
        world.send(world.usage("222233334444", 5))
        world.tick()
        [(name, _)] = world.quarantined()
        world.advance(minutes=5)
        world.redrive(name)
        return world

    def ends(world: World) -> Any:
        [(name, reason)] = world.quarantined()
        kept = world.quarantine.get(name)
        assert kept is not None
        assert reason == "unknown-customer"
        return kept.text, kept.first_s, world.sqs.queue(world.queue_url).messages()

    walk(stage, ends, "dynamodb.UpdateItem", "sqs.DeleteMessageBatch")
