"""A dry-run: what is marked, what is sent when the stack goes live, and what never is.

The times are those of `dry_run_stage`.
"""

from collections import Counter
from typing import Any

import pytest

from lambdas.customers.license import State
from lambdas.metering.aws import Settled
from lambdas.metering.records import Outcome, Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from tests.integration.dry_run_stage import (
    JUDGED,
    LAST_TRY,
    go_live,
    outcomes_of,
    rehearsing,
    sealed_records,
    status,
    turn,
)
from tests.world import DIMENSIONS, PRODUCT, World


def calls_of_a_tick(world: World) -> Counter[str]:
    """Count the AWS calls of a warm tick."""
    calls: Counter[str] = Counter()

    def count(name: str, _: Any) -> None:
        calls[name] += 1

    with world.hooked(before=count):
        world.tick()
    return calls


# In a dry-run


def test_a_dry_run_seals_and_calls_nobody() -> None:
    world, buyer = rehearsing()

    summary = world.tick()

    assert (summary.records_sealed, summary.calls) == (1, 0)
    assert world.submitted == []
    assert world.billed(buyer) == 0


def test_what_would_have_been_sent_is_marked() -> None:
    world, buyer = rehearsing()

    summary = world.tick()

    assert world.outcome(buyer) == Outcome(Status.DRY_RUN, int(world.now_s))
    assert summary.outcomes == {Status.DRY_RUN: 1}


def test_what_would_have_been_withheld_is_not_marked() -> None:
    world, buyer = rehearsing()
    world.change(buyer, state=State.PENDING)

    world.tick()

    assert world.outcome(buyer) is None


@pytest.mark.parametrize("cold", [False, True])
def test_a_record_is_marked_once(cold: bool) -> None:
    world, buyer = rehearsing()
    world.tick()
    before = world.outcome(buyer)

    summaries = world.tick_until_settled(hours=0.5, cold=cold)

    assert sum((each.outcomes for each in summaries), Counter()) == Counter()
    assert world.outcome(buyer) == before


def test_a_warm_dry_run_reads_a_marked_record_once_more_and_then_no_more() -> None:
    """A day of them waits: read at every tick, they would cost more than all the rest."""
    world, _ = rehearsing()
    world.tick()
    once_more = calls_of_a_tick(world)

    then = calls_of_a_tick(world)

    assert once_more["dynamodb.BatchGetItem"] > 0
    assert then["dynamodb.BatchGetItem"] == 0


def test_a_dry_run_reports_no_zeros() -> None:
    world, _ = rehearsing(dimensions=DIMENSIONS)

    world.tick_until_settled(hours=3)
    go_live(world)
    world.tick()

    assert world.billed() == 5
    assert [line.quantity for line in world.marketplace.usage()] == [5]


def test_zeros_come_again_with_the_first_hour_that_is_sealed_live() -> None:
    world, _ = rehearsing(dimensions=DIMENSIONS)
    world.tick()
    go_live(world)

    world.at("2026-11-23T12:11:00+00:00")
    world.tick()

    zeros = [line for line in world.marketplace.usage() if not line.quantity]
    assert [line.hour.hour for line in zeros] == [11] * len(DIMENSIONS)


def test_a_dry_run_remembers_no_refused_zeros() -> None:
    """A zero was sealed live, and its window closed in a dry-run: nobody refused it."""
    world = World(terms=Terms(dimensions=("users",), product_code=PRODUCT))
    world.buy()
    world.tick()
    world.marketplace.inject(Fault("ThrottlingException", times=None))
    world.at("2026-11-23T12:15:00+00:00")
    world.tick()
    turn(world, dry_run=True)
    marked = world.tick().outcomes

    world.at("2026-11-24T11:20:00+00:00")
    world.tick()

    assert marked == {Status.DRY_RUN: 1}
    assert set(world.outcomes().values()) == {"refused"}
    assert world.items("refused-zero") == []


def test_a_license_that_ends_is_not_sealed_early_in_a_dry_run() -> None:
    """Usage that comes later would ride beyond this hour, and be sent if that is the first live."""
    world, buyer = rehearsing()
    world.tick()
    world.send(world.usage(buyer, 2))
    world.change(buyer, state=State.ENDING, ending_since_s=int(world.now_s))
    world.advance(minutes=25)
    world.tick()

    world.send(world.usage(buyer, 3))
    world.at("2026-11-23T12:15:00+00:00")
    world.tick()

    assert {hour: int(each["quantity"]["N"]) for hour, each in outcomes_of(world, buyer)} == {
        "2026-11-23T10Z": 5_000_000,
        "2026-11-23T11Z": 5_000_000,
    }


def test_a_license_that_ends_is_sealed_and_billed_by_the_first_live_tick_of_its_last_hour() -> None:
    world, buyer = rehearsing()
    world.tick()
    world.send(world.usage(buyer, 2))
    world.marketplace.change_license(buyer.arn, "cancel")
    world.change(buyer, state=State.ENDING, ending_since_s=int(world.now_s))
    world.advance(minutes=30)
    world.tick()

    go_live(world)
    world.tick()

    assert world.billed(buyer) == 5 + 2


# Going live


def test_a_marked_record_is_billed_when_the_stack_goes_live() -> None:
    world, buyer = rehearsing()
    world.tick()

    go_live(world)
    world.tick()

    assert status(world, buyer) is Status.ACCEPTED
    assert world.billed(buyer) == 5


def test_a_marked_record_is_sent_as_it_was_sealed() -> None:
    world, buyer = rehearsing()
    world.tick()
    world.change(buyer, start_s=int(world.now_s) - 3 * 3600)

    world.at(LAST_TRY)
    go_live(world)
    world.tick()

    [[sent]] = world.submitted
    [sealed] = sealed_records(world)
    assert sent["Timestamp"].timestamp() == sealed.timestamp_s
    assert sent["Quantity"] * 10**6 == sealed.quantity


def test_usage_that_was_counted_in_a_dry_run_and_not_sealed_is_billed_live() -> None:
    world, buyer = rehearsing()

    go_live(world)
    world.tick()

    assert world.billed(buyer) == 5


def test_going_live_twice_bills_once() -> None:
    world, buyer = rehearsing()
    world.tick()
    for dry_run in (False, True, False, True, False):
        turn(world, dry_run=dry_run)
        world.tick()

    assert world.billed(buyer) == 5
    assert len(world.submitted) == 1


def test_a_live_stack_answers_for_what_a_dry_run_had_marked() -> None:
    """Lost while live is lost money, and must not look like a rehearsal."""
    world, buyer = rehearsing()
    world.tick()
    world.marketplace.inject(Fault("ThrottlingException", times=None))
    go_live(world)
    world.tick()

    world.at(JUDGED)
    summary = world.tick()

    assert status(world, buyer) is Status.EXPIRED
    assert summary.outcomes == {Status.EXPIRED: 1}


def test_after_more_than_a_day_only_open_windows_are_billed() -> None:
    world, buyer = rehearsing()
    for _ in range(30):
        world.tick()
        world.advance(hours=1)
        world.send(world.usage(buyer, 1, ago_s=16 * 60))
    world.tick()

    go_live(world)
    world.tick_until_settled(hours=1.5)

    held_back = [hour for hour, each in outcomes_of(world, buyer) if final_mark(each)]
    billed = [hour for hour, each in outcomes_of(world, buyer) if each["status"]["S"] == "accepted"]
    assert held_back == sorted(held_back)
    assert max(held_back) < min(billed)
    assert (len(held_back), len(billed)) == (8, 23)
    assert world.billed(buyer) == 23


def final_mark(attribute: dict[str, Any]) -> bool:
    """Tell whether an outcome says that a dry-run let the window close."""
    return (attribute["status"]["S"], attribute.get("reason")) == (
        "dry-run",
        {"S": "window-closed"},
    )


@pytest.mark.parametrize("ticks", [1, 3])
def test_a_mark_is_final_when_its_window_has_closed(ticks: int) -> None:
    world, buyer = rehearsing()
    for _ in range(ticks):
        world.tick()

    world.at(JUDGED)
    summary = world.tick()

    assert world.outcome(buyer) == Outcome(Status.DRY_RUN, int(world.now_s), "window-closed")
    assert not summary.outcomes
    assert summary.attention == []


@pytest.mark.parametrize("judge", ["live", "dry-run"])
def test_whoever_judges_a_closed_window_the_mark_stays(judge: str) -> None:
    world, buyer = rehearsing()
    world.tick()

    world.at(JUDGED)
    turn(world, dry_run=judge == "dry-run")
    world.tick()
    go_live(world)
    world.tick_until_settled(hours=2)

    assert status(world, buyer) is Status.DRY_RUN
    assert world.submitted == []


def test_the_hint_does_not_pass_what_is_marked() -> None:
    world, _ = rehearsing()
    world.tick()
    world.tick_until_settled(hours=2)

    [marked] = world.warm.log.read(int(world.now_s)).unfinished.values()
    assert world.table.settled().unfinished == (marked.at,)


def test_the_hint_passes_what_a_dry_run_let_go() -> None:
    world, _ = rehearsing()
    world.tick()

    world.at(JUDGED)
    world.tick()

    assert world.table.settled() == Settled(world.warm.log.read(int(world.now_s)).last)
