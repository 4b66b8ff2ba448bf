"""`marketplace statement`, `parked`, `unconfirmed`, `expired`, `conflicts`: records and outcomes.

Every world begins at 10:20; its usage is of 10:19, and can be sent until 10:00 of the next day.
"""

import csv
import io

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from tests.ops_stage import Stage
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
JUDGED = "2026-11-24T10:15:00+00:00"


def a_quarter_past(*quantities: int | str, state: State = State.ACTIVE) -> tuple[Stage, License]:
    """A stack at 11:15 whose usage of 10:19 is counted and not sealed yet."""
    stage = Stage(World(terms=NO_HEARTBEATS))
    buyer = stage.world.buy(state=state)
    stage.world.send(*(stage.world.usage(buyer, each) for each in quantities or (5,)))
    stage.world.tick()
    stage.world.advance(minutes=55)
    return stage, buyer


def an_expired_record() -> tuple[Stage, License]:
    """A stack a day later, with a record that could not be sent in time."""
    stage, buyer = a_quarter_past(state=State.PENDING)
    stage.world.tick()
    stage.world.at(JUDGED)
    stage.world.tick()
    return stage, stage.world.change(buyer, state=State.ACTIVE)


# statement


def test_a_statement_shows_what_was_answered() -> None:
    stage, buyer = a_quarter_past("2.5", "4")
    stage.world.tick()
    outcome = stage.world.outcome(buyer)
    assert outcome is not None

    told = stage.asks("statement", buyer.arn, "--month", "2026-11")

    assert told["records"] == [
        {
            "license": buyer.key,
            "hour": "2026-11-23T10Z",
            "dimension": "users",
            "quantity": "6.5",
            "status": "accepted",
            "reason": None,
            "metering_record_id": outcome.metering_record_id,
            "timestamp": "2026-11-23T10:00:00Z",
            "at": "2026-11-23T11:15:00Z",
            "redriven_at": None,
        }
    ]
    assert told["totals"] == [
        {"dimension": "users", "status": "accepted", "records": 1, "quantity": "6.5"}
    ]


@pytest.mark.parametrize(("ticks", "status"), [(0, "open"), (1, "withheld")])
def test_a_statement_shows_what_still_waits(ticks: int, status: str) -> None:
    stage, buyer = a_quarter_past(state=State.PENDING)
    for _ in range(ticks):
        stage.world.tick()

    [record] = stage.asks("statement", buyer.key)["records"]

    assert (record["status"], record["quantity"]) == (status, "5")


def test_a_parked_record_is_shown_once() -> None:
    stage, buyer = a_quarter_past()
    stage.world.marketplace.inject(Fault("not-subscribed", times=None))
    stage.world.tick()

    [record] = stage.asks("statement", buyer.key)["records"]

    assert (record["status"], record["reason"]) == ("parked", "CustomerNotSubscribed")


def test_another_month_is_empty() -> None:
    stage, buyer = a_quarter_past()
    stage.world.tick()

    assert stage.asks("statement", buyer.key, "--month", "2026-10")["records"] == []


def test_the_month_is_the_present_one_unless_said() -> None:
    stage, buyer = a_quarter_past()

    assert stage.asks("statement", buyer.key)["month"] == "2026-11"


def test_hours_without_usage_are_left_out_unless_asked_for() -> None:
    stage = Stage(World())
    buyer = stage.world.buy()
    stage.world.tick_until_settled(hours=3)

    assert stage.asks("statement", buyer.key)["records"] == []
    assert stage.asks("statement", buyer.key, "--zeros")["records"]


def test_a_statement_is_csv_where_wanted() -> None:
    stage, buyer = a_quarter_past("2.5")
    stage.world.tick()

    ran = stage.run("statement", buyer.key, "--csv")

    [row] = csv.DictReader(io.StringIO(ran.out))
    assert (row["hour"], row["quantity"], row["status"]) == ("2026-11-23T10Z", "2.5", "accepted")


def test_a_statement_for_people_has_totals() -> None:
    stage, buyer = a_quarter_past("2.5")
    stage.world.tick()

    ran = stage.run("statement", buyer.key)

    assert ran.status == 0
    assert ran.out.count("accepted") == 2


@pytest.mark.parametrize("month", ["2026-1", "november", "2026-13"])
def test_a_month_that_is_none_is_told(month: str) -> None:
    ran = Stage(World()).run("statement", "l-1", "--month", month)

    assert ran.status == 1
    assert ran.err == f"--month is {month!r}; write year and month, such as 2026-11.\n"


def test_what_a_redrive_billed_is_told_with_the_expired_record() -> None:
    stage, buyer = an_expired_record()
    stage.world.redrive((buyer, "users", "2026-11-23T10Z"), bill_now=True)
    stage.world.tick()

    [first, second] = stage.asks("statement", buyer.key)["records"]

    assert (first["status"], first["redriven_at"]) == ("expired", "2026-11-24T10:15:00Z")
    assert (second["status"], second["hour"]) == ("open", "2026-11-24T10Z")


# parked


def test_refused_records_are_listed_with_the_time_that_is_left() -> None:
    stage, buyer = a_quarter_past()
    stage.world.marketplace.inject(Fault("not-subscribed", times=None))
    stage.world.tick()

    [record] = stage.asks("parked")["records"]

    assert record["license"] == buyer.key
    assert record["status"] == "parked"
    assert record["window_closes"] == "2026-11-24T10:00:00Z"
    assert "22 h 45 min" in stage.run("parked").out


def test_withheld_records_are_listed_with_the_reason() -> None:
    stage, _ = a_quarter_past(state=State.PENDING)
    stage.world.tick()

    [record] = stage.asks("parked")["records"]

    assert (record["status"], record["reason"]) == ("withheld", "license-pending")


def test_what_is_billed_is_not_parked() -> None:
    stage, _ = a_quarter_past()
    stage.world.tick()

    assert stage.asks("parked")["records"] == []


# How records ended


def test_expired_records_are_found() -> None:
    stage, buyer = an_expired_record()

    told = stage.asks("expired")

    assert [(each["license"], each["quantity"]) for each in told["records"]] == [(buyer.key, "5")]
    assert "--bill-now" in stage.run("expired").out


def test_a_record_of_a_license_that_nobody_announced_is_found() -> None:
    stage = Stage(World(terms=NO_HEARTBEATS))
    nobody = stage.world.buy(known=False)
    stage.world.send(stage.world.usage(nobody, 5))
    stage.world.tick()
    stage.world.advance(minutes=55)
    stage.world.tick()
    stage.world.advance(hours=24)
    stage.world.tick()

    assert [each["license"] for each in stage.asks("expired")["records"]] == [nobody.key]


def test_conflicts_are_found() -> None:
    stage, buyer = a_quarter_past()
    stage.world.bill_elsewhere(buyer, 3, ago_s=3600)
    stage.world.tick()

    [record] = stage.asks("conflicts")["records"]

    assert (record["license"], record["reason"]) == (buyer.key, "DuplicateRecord")


def test_unconfirmed_records_are_found_and_not_offered_for_a_redrive() -> None:
    stage, buyer = a_quarter_past()
    stage.world.marketplace.inject(Fault("timeout-after", times=None))
    stage.world.tick()
    stage.world.at(JUDGED)
    stage.world.tick()

    [record] = stage.asks("unconfirmed")["records"]
    ran = stage.run(
        *("quarantine", "redrive", "--license", buyer.key, "--dimension", "users"),
        *("--hour", "2026-11-23T10Z", "--bill-now", "--yes"),
    )

    assert record["license"] == buyer.key
    assert "CloudTrail" in stage.run("unconfirmed").out
    assert ran.status == 1
    assert "is unconfirmed" in ran.err


def test_records_older_than_asked_for_are_left_out() -> None:
    stage, _ = an_expired_record()
    stage.world.advance(hours=60)

    assert stage.asks("expired", "--days", "2")["records"] == []
    assert len(stage.asks("expired", "--days", "5")["records"]) == 1
