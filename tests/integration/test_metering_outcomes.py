"""From answers of AWS Marketplace to outcomes: statuses, lateness, and what wins over what.

Every world begins at 10:20; its usage is of 10:19, is sealed by the first tick after 11:10, and
its record can be sent until 10:00 of the next day.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.records import Outcome, Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from sandbox.marketplace.rules import Readings
from tests.world import HOUR, PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
NOT_IDEMPOTENT = Readings(identical_resend="duplicate")
TEN, LAST_TRY, CLOSED, JUDGED = (
    "2026-11-23T10:00:00+00:00",
    "2026-11-24T09:59:00+00:00",
    "2026-11-24T10:00:00+00:00",
    "2026-11-24T10:15:00+00:00",
)


def a_quarter_past(*dimensions: str, readings: Readings | None = None) -> tuple[World, License]:
    """A world at 11:15 whose usage of 10:19 is counted and not sealed yet."""
    world = World(terms=NO_HEARTBEATS, readings=readings)
    buyer = world.buy()
    world.send(*(world.usage(buyer, 5, dimension=each) for each in dimensions or ["users"]))
    world.tick()
    world.advance(minutes=55)
    return world, buyer


def status(world: World, who: License, dimension: str = "users") -> Status | None:
    outcome = world.outcome(who, dimension)
    return outcome.status if outcome else None


def records_sent(world: World) -> int:
    return sum(len(records) for records in world.submitted)


# Success


def test_success_is_accepted_with_its_receipt() -> None:
    world, buyer = a_quarter_past()
    receipts: list[str] = []
    sealed_s = int(world.now_s)
    world.marketplace_client.meta.events.register(
        "after-call.marketplace-metering.BatchMeterUsage",
        lambda parsed, **_: receipts.append(parsed["Results"][0]["MeteringRecordId"]),
    )

    summary = world.tick()

    assert world.outcome(buyer) == Outcome(Status.ACCEPTED, sealed_s, "", receipts[0])
    assert summary.outcomes == {Status.ACCEPTED: 1}
    assert world.billed(buyer) == 5


def test_an_accepted_record_is_never_sent_again() -> None:
    world, _ = a_quarter_past()
    world.tick()

    for _ in range(27):
        world.advance(hours=1)
        world.tick(world.wiring())

    assert records_sent(world) == 1


def test_a_call_is_noted_before_it_is_made_and_forgotten_when_it_is_answered() -> None:
    world, _ = a_quarter_past()
    noted: list[int] = []

    def look(name: str, _: Any) -> None:
        if name == "marketplace.BatchMeterUsage":
            noted.append(len(world.items("call")))

    with world.hooked(before=look):
        world.tick()

    assert noted == [1]
    assert world.items("call") == []


def test_outcomes_are_written_before_a_call_is_forgotten() -> None:
    world, buyer = a_quarter_past()
    known: list[Status | None] = []

    def look(name: str, params: Any) -> None:
        if name == "dynamodb.DeleteItem" and params["Key"]["pk"] == {"S": "call"}:
            rows = world.dynamodb.items("ledger")
            [item] = [each for each in rows if each["pk"]["S"] == f"license#{buyer.key}"]
            known.append(Status(item["d:users"]["M"]["status"]["S"]))

    with world.hooked(before=look):
        world.tick()

    assert known == [Status.ACCEPTED]


def test_a_call_takes_no_longer_than_its_place_in_the_line() -> None:
    """AWS Marketplace takes ten calls a second; one that was answered must not wait for a retry."""
    world = World(terms=NO_HEARTBEATS)
    for number in range(50):
        world.send(world.usage(world.buy(f"{number:012}"), 1))
    world.tick()
    world.advance(minutes=55)
    began_s = world.now_s

    summary = world.tick()

    assert summary.calls == 2
    assert world.now_s - began_s < 0.25


# DuplicateRecord


def test_a_duplicate_is_a_conflict_where_another_submitter_was_first() -> None:
    world, buyer = a_quarter_past()
    world.bill_elsewhere(buyer, 2, ago_s=HOUR)

    summary = world.tick()

    assert status(world, buyer) is Status.CONFLICT
    assert summary.outcomes == {Status.CONFLICT: 1}
    assert world.billed(buyer) == 2


def test_a_conflict_is_final_and_not_redriven() -> None:
    world, buyer = a_quarter_past()
    world.bill_elsewhere(buyer, 2, ago_s=HOUR)
    world.tick()

    world.redrive((buyer, "users", "2026-11-23T10Z"), bill_now=True)
    world.tick_until_settled(hours=3)

    assert records_sent(world) == 1
    assert world.billed(buyer) == 2


def test_a_duplicate_after_a_lost_answer_is_unconfirmed() -> None:
    world, buyer = a_quarter_past()
    world.bill_elsewhere(buyer, 2, ago_s=HOUR)
    world.marketplace.inject(Fault("timeout-before"))

    world.tick()

    assert status(world, buyer) is Status.UNCONFIRMED


def test_a_duplicate_of_our_own_lost_call_is_unconfirmed_where_resends_are_duplicates() -> None:
    world, buyer = a_quarter_past(readings=NOT_IDEMPOTENT)
    world.marketplace.inject(Fault("timeout-after"))

    summary = world.tick()

    assert status(world, buyer) is Status.UNCONFIRMED
    assert summary.outcomes == {Status.UNCONFIRMED: 1}
    assert world.billed(buyer) == 5


def test_a_duplicate_of_a_call_that_another_tick_never_heard_of_is_unconfirmed() -> None:
    world, buyer = a_quarter_past(readings=NOT_IDEMPOTENT)
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()
    assert status(world, buyer) is None

    world.advance(minutes=5)
    world.tick(world.wiring())

    assert status(world, buyer) is Status.UNCONFIRMED
    assert world.billed(buyer) == 5


def test_an_identical_resend_after_a_lost_answer_is_accepted_where_it_succeeds() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("timeout-after"))

    world.tick()

    assert status(world, buyer) is Status.ACCEPTED
    assert world.billed(buyer) == 5


# CustomerNotSubscribed


def test_a_customer_who_is_not_subscribed_is_parked_and_tried_at_every_tick() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.change_license(buyer.arn, "suspend")

    summaries = [world.tick() for _ in range(3)]

    outcome = world.outcome(buyer)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (Status.PARKED, "CustomerNotSubscribed")
    assert [each.outcomes[Status.PARKED] for each in summaries] == [1, 1, 1]
    assert records_sent(world) == 3


def test_a_parked_record_heals_when_the_customer_is_subscribed_again() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.change_license(buyer.arn, "suspend")
    world.tick()

    world.marketplace.change_license(buyer.arn, "activate")
    world.advance(minutes=5)
    world.tick()

    assert status(world, buyer) is Status.ACCEPTED
    assert world.billed(buyer) == 5


def test_a_parked_record_expires_when_its_window_has_closed() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.change_license(buyer.arn, "suspend")
    world.tick()

    world.at(JUDGED)
    world.tick()

    assert status(world, buyer) is Status.EXPIRED


# UnprocessedRecords, and in neither list


def test_an_unprocessed_record_is_sent_again_in_the_same_tick() -> None:
    world, buyer = a_quarter_past("users", "api-calls")
    world.marketplace.inject(Fault("unprocessed", records=1))

    summary = world.tick()

    assert [len(records) for records in world.submitted] == [2, 1]
    assert summary.outcomes == {Status.ACCEPTED: 2}
    assert world.billed(buyer) == 10


def test_an_unprocessed_record_is_sent_again_with_back_off_and_then_by_the_next_tick() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("unprocessed", times=3))
    began_s = world.now_s

    world.tick()
    waited_s = world.now_s - began_s
    assert status(world, buyer) is None
    world.tick()

    assert waited_s >= 1 + 2
    assert status(world, buyer) is Status.ACCEPTED
    assert world.submitted[0] == world.submitted[3]


def test_an_unprocessed_record_was_certainly_not_applied() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("unprocessed", times=None))

    world.tick()
    assert world.items("call") == []
    world.at(JUDGED)
    world.tick()

    assert status(world, buyer) is Status.EXPIRED


@pytest.mark.parametrize("fault", ["omit", "omit-applied"])
def test_a_record_in_neither_list_is_sent_again(fault: str) -> None:
    world, buyer = a_quarter_past("users", "api-calls")
    world.marketplace.inject(Fault(fault, records=1))

    world.tick()

    assert {status(world, buyer, each) for each in ("users", "api-calls")} == {Status.ACCEPTED}
    assert world.billed(buyer) == 10


def test_a_record_in_neither_list_may_have_been_applied() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("omit-applied", times=None))

    world.tick()
    assert len(world.items("call")) == 1
    world.at(JUDGED)
    world.tick()

    assert status(world, buyer) is Status.UNCONFIRMED
    assert world.billed(buyer) == 5


# A status that nobody knows


def test_a_status_nobody_knows_is_no_outcome_and_is_told() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("unknown-status"))

    summary = world.tick()

    assert status(world, buyer) is None
    assert summary.refusals == {"unknown status PendingReview": 1}
    assert summary.risk.unfinished == 1


def test_a_record_of_unknown_status_is_sent_again_identically() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("unknown-status"))
    world.tick()

    world.advance(minutes=5)
    world.tick()

    assert status(world, buyer) is Status.ACCEPTED
    assert world.submitted[0] == world.submitted[1]


def test_a_record_of_unknown_status_ends_unconfirmed() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("unknown-status", times=None))
    world.tick()

    world.at(JUDGED)
    world.tick()

    assert status(world, buyer) is Status.UNCONFIRMED


# The window closes


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("ThrottlingException", Status.EXPIRED), ("timeout-before", Status.UNCONFIRMED)],
)
def test_a_record_is_judged_a_quarter_of_an_hour_after_its_window_closed(
    fault: str, expected: Status
) -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault(fault, times=None))
    world.tick()

    world.at("2026-11-24T10:14:59+00:00")
    world.tick()
    before = status(world, buyer)
    world.at(JUDGED)
    summary = world.tick()

    assert before is None
    assert status(world, buyer) is expected
    assert summary.outcomes == {expected: 1}


def test_a_record_is_sent_until_its_window_closes_and_not_after() -> None:
    world, _ = a_quarter_past()
    world.marketplace.inject(Fault("ThrottlingException", times=None))
    world.at(LAST_TRY)
    world.tick()
    sent_before = records_sent(world)

    world.at(CLOSED)
    world.tick()

    assert sent_before > 0
    assert records_sent(world) == sent_before


def test_a_window_closes_with_its_month_six_hours_into_the_next() -> None:
    world = World(terms=NO_HEARTBEATS, start=datetime(2026, 11, 30, 20, 20, tzinfo=UTC))
    buyer = world.buy()
    world.send(world.usage(buyer, 5))
    world.tick()
    world.marketplace.inject(Fault("ThrottlingException", times=None))
    world.at("2026-12-01T05:59:00+00:00")
    world.tick()
    sent_before = records_sent(world)

    world.at("2026-12-01T06:15:00+00:00")
    world.tick()

    outcome = world.outcome(buyer, hour="2026-11-30T20Z")
    assert sent_before > 0
    assert records_sent(world) == sent_before
    assert outcome is not None
    assert outcome.status is Status.EXPIRED


def test_records_of_a_pending_license_are_withheld_and_expire() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(state=State.PENDING)
    world.send(world.usage(buyer, 5))
    world.tick()

    world.at(JUDGED)
    world.tick()

    assert records_sent(world) == 0
    assert status(world, buyer) is Status.EXPIRED
