"""Settings change while usage flows: a cut-over, a dry-run by accident, old containers, redrives.

The times are those of `dry_run_stage`.
"""

from collections import Counter
from datetime import UTC, datetime

import pytest

from lambdas.customers.license import License
from lambdas.metering.records import Outcome, Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from sandbox.marketplace.rules import Readings
from tests.integration.dry_run_stage import (
    JUDGED,
    go_live,
    metering,
    rehearsing,
    status,
    turn,
)
from tests.interruptions import paused
from tests.world import PRODUCT, World

BEFORE = "before-metering-from"


# The cut-over


def test_what_a_dry_run_marked_before_the_cut_over_is_never_sent() -> None:
    world, buyer = rehearsing()
    world.tick()

    go_live(world, metering_from="2026-11-23T12:00:00+00:00")
    world.tick()
    world.at(JUDGED)
    world.tick()

    assert world.outcome(buyer) == Outcome(Status.DRY_RUN, int(world.now_s), BEFORE)
    assert world.submitted == []


def test_what_was_not_marked_before_the_cut_over_is_never_sent_either() -> None:
    world, buyer = rehearsing()

    go_live(world, metering_from="2026-11-23T12:00:00+00:00")
    world.tick()
    world.at(JUDGED)
    summary = world.tick()

    assert world.outcome(buyer) == Outcome(Status.EXPIRED, int(world.now_s), BEFORE)
    assert (summary.anothers, summary.outcomes) == (1, Counter())
    assert world.submitted == []


def test_a_cut_over_bills_every_hour_once() -> None:
    """An older submitter bills until 14:00; both see the same usage."""
    world = World(terms=Terms(dimensions=("users",), product_code=PRODUCT, dry_run=True))
    buyer = world.buy()
    world.tick()
    for hour in range(11, 17):
        world.at(f"2026-11-23T{hour}:30:00+00:00")
        world.send(world.usage(buyer, 10 + hour))
        world.tick()
        if hour < 14:
            world.bill_elsewhere(buyer, 10 + hour, ago_s=60)
        if hour == 13:
            world.at("2026-11-23T13:50:00+00:00")
            go_live(world, metering_from="2026-11-23T14:00:00+00:00")
        world.tick_until_settled(hours=0.1)
    world.tick_until_settled(hours=2)

    billed = {line.hour.hour: int(line.quantity) for line in world.marketplace.usage()}
    assert {hour: billed[hour] for hour in range(11, 17)} == {
        hour: 10 + hour for hour in range(11, 17)
    }
    sent = [each["Timestamp"] for records in world.submitted for each in records]
    assert min(sent) == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert "conflict" not in world.outcomes().values()


# Into a dry-run


def test_what_was_accepted_stays_accepted() -> None:
    world, buyer = metering()
    world.tick()
    before = world.outcome(buyer)

    turn(world, dry_run=True)
    world.tick()

    assert before is not None
    assert before.status is Status.ACCEPTED
    assert world.outcome(buyer) == before


def test_what_was_refused_keeps_its_reason_and_heals_when_live_again() -> None:
    world, buyer = metering()
    world.marketplace.change_license(buyer.arn, "suspend")
    world.tick()
    refused = world.outcome(buyer)

    turn(world, dry_run=True)
    world.tick()
    kept = world.outcome(buyer)
    world.marketplace.change_license(buyer.arn, "activate")
    go_live(world)
    world.tick()

    assert kept == refused
    assert status(world, buyer) is Status.ACCEPTED


def in_doubt() -> tuple[World, License]:
    """A world that went into a dry-run after a call of 11:15 that was never answered."""
    world, buyer = metering()
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()
    turn(world, dry_run=True)
    world.tick()
    return world, buyer


def test_what_may_have_been_applied_is_not_marked() -> None:
    world, buyer = in_doubt()

    assert world.outcome(buyer) is None
    assert len(world.items("call")) == 1


def test_what_may_have_been_applied_ends_unconfirmed_in_a_dry_run() -> None:
    world, buyer = in_doubt()

    world.at(JUDGED)
    world.tick()

    assert status(world, buyer) is Status.UNCONFIRMED
    assert world.items("call") == []


def test_what_may_have_been_applied_is_sent_again_when_live() -> None:
    world, buyer = in_doubt()

    go_live(world)
    world.tick()

    assert status(world, buyer) is Status.ACCEPTED
    assert world.billed(buyer) == 5


# Old and new containers at once


def test_an_answer_that_comes_after_the_mark_wins() -> None:
    """A live tick hangs between answer and outcome while the first tick of a dry-run runs."""
    world, buyer = metering()

    with paused(world, before="dynamodb.UpdateItem"):
        turn(world, dry_run=True)
        world.tick()

    assert status(world, buyer) is Status.ACCEPTED


def test_a_mark_that_comes_late_is_not_written_over_an_answer() -> None:
    """A tick of the dry-run hangs before its mark while the first live tick sends the record."""
    world, buyer = rehearsing()

    with paused(world, before="dynamodb.UpdateItem"):
        go_live(world)
        world.tick()

    assert status(world, buyer) is Status.ACCEPTED
    assert world.billed(buyer) == 5


def test_a_mark_that_comes_late_is_taken_back_by_the_next_live_tick() -> None:
    world, buyer = rehearsing()
    world.marketplace.inject(Fault("ThrottlingException"))

    with paused(world, before="dynamodb.UpdateItem"):
        go_live(world)
        world.tick()
    marked = status(world, buyer)
    world.tick()

    assert marked is Status.DRY_RUN
    assert status(world, buyer) is Status.ACCEPTED


def test_a_live_tick_takes_back_no_answer() -> None:
    """It hangs before it takes back the mark, while another one brings the record on the bill.

    It then sends the record again, and must not take the answer for another submitter's.
    """
    world, buyer = rehearsing(readings=Readings(identical_resend="duplicate"))
    world.tick()
    go_live(world)

    with paused(world, before="dynamodb.UpdateItem"):
        world.tick()
        sent = status(world, buyer)

    assert sent is Status.ACCEPTED
    assert status(world, buyer) is Status.ACCEPTED


# Redrives


def expired() -> tuple[World, License]:
    """A world in a dry-run, a day after throttling made a record expire."""
    world, buyer = metering()
    world.marketplace.inject(Fault("ThrottlingException", times=None))
    world.tick()
    world.at(JUDGED)
    world.tick()
    world.marketplace.clear_faults()
    turn(world, dry_run=True)
    return world, buyer


def test_an_expired_record_that_is_redriven_in_a_dry_run_is_billed_when_live() -> None:
    world, buyer = expired()
    world.redrive((buyer, "users", "2026-11-23T10Z"), bill_now=True)
    world.tick_until_settled(hours=2)
    marked = status(world, buyer, "2026-11-24T10Z")

    go_live(world)
    world.tick_until_settled(hours=0.5)

    assert marked is Status.DRY_RUN
    assert world.billed(buyer) == 5


def test_a_marked_record_cannot_be_redriven_while_it_may_still_be_sent() -> None:
    world, buyer = rehearsing()
    world.tick()

    world.redrive((buyer, "users", "2026-11-23T10Z"), bill_now=True)
    world.tick()
    go_live(world)
    world.tick_until_settled(hours=3)

    assert world.billed(buyer) == 5


@pytest.mark.parametrize("times", [1, 2])
def test_what_a_dry_run_let_go_can_be_redriven_once(times: int) -> None:
    world, buyer = rehearsing()
    world.tick()
    world.at(JUDGED)
    world.tick()
    go_live(world)

    for _ in range(times):
        world.redrive((buyer, "users", "2026-11-23T10Z"), bill_now=True)
        world.tick()
    world.tick_until_settled(hours=2)

    assert world.billed(buyer) == 5
    assert status(world, buyer, "2026-11-24T10Z") is Status.ACCEPTED
