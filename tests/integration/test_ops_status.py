"""`marketplace status`, `tick` and `customers`: what the operator sees of a stack at work.

Every world begins at 10:20; its usage is of 10:19, and can be sent until 10:00 of the next day.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.customers.license import State
from lambdas.metering.terms import Terms
from ops.clock import now_s
from ops.errors import OperatorError
from sandbox.marketplace.faults import Fault
from tests.ops_stage import Stage, refusal
from tests.world import BUYER, PRODUCT, START, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
OTHER = "222233334444"


def counted(quantity: int | str = 5, **purchase: Any) -> Stage:
    """A stack whose usage of 10:19 is counted."""
    stage = Stage(World(terms=NO_HEARTBEATS))
    stage.world.send(stage.world.usage(stage.world.buy(**purchase), quantity))
    stage.world.tick()
    return stage


def test_a_new_stack_has_nothing_to_tell() -> None:
    status = Stage(World()).asks("status")

    assert status["last_tick"] is None
    assert status["sealed_upto"] is None
    assert status["records"]["open"] == 0
    assert status["at_risk"] == []
    assert status["oldest_unbilled"] is None


def test_messages_in_the_queue_are_counted() -> None:
    stage = Stage(World())
    stage.world.send("a", "b")
    stage.world.producer.receive_message(QueueUrl=stage.world.queue_url, MaxNumberOfMessages=1)

    assert stage.asks("status")["queue"] == {
        "messages": 1,
        "in_flight": 1,
        "oldest_seconds": None,
    }


def test_the_age_of_the_queue_is_what_sqs_says() -> None:
    stage = Stage(World())
    point = {"Timestamp": START, "Maximum": 125.0}
    stage.answers["cloudwatch", "GetMetricStatistics"] = lambda asked: {
        "Datapoints": [point] if asked["Namespace"] == "AWS/SQS" else []
    }

    assert stage.asks("status")["queue"]["oldest_seconds"] == 125


def test_usage_of_an_hour_that_is_not_sealed_is_open() -> None:
    status = counted().asks("status")

    assert status["open_hours"] == ["2026-11-23T10Z"]
    assert status["records"]["open"] == 1
    assert status["sealed_upto"] == "2026-11-23T09Z"
    assert status["oldest_unbilled"] == "2026-11-23T10:00:00Z"


def test_what_cannot_be_sent_is_unsent() -> None:
    stage = counted()
    stage.world.marketplace.inject(Fault("AccessDeniedException", times=None))
    stage.world.advance(minutes=55)
    stage.world.tick()

    assert stage.asks("status")["records"]["unsent"] == 1


def test_usage_of_a_license_that_is_not_activated_is_withheld() -> None:
    stage = counted(state=State.PENDING)
    stage.world.advance(minutes=55)
    stage.world.tick()

    assert stage.asks("status")["records"]["withheld"] == 1


def test_what_is_billed_does_not_wait() -> None:
    stage = counted()
    stage.world.advance(minutes=55)
    stage.world.tick()

    status = stage.asks("status")

    assert set(status["records"].values()) == {0}
    assert status["at_risk"] == []
    assert status["oldest_unbilled"] is None


@pytest.mark.parametrize(
    ("hours", "below"), [(0, 24), (15, 12), (18.5, 6), (21, 3), (23, 1), (23.7, 0)]
)
def test_risk_is_told_by_the_hours_that_are_left(hours: float, below: int) -> None:
    stage = counted(state=State.PENDING)
    stage.world.advance(hours=hours)
    stage.world.tick()

    assert stage.asks("status")["at_risk"] == [
        {"hours_left_below": below, "records": 1, "quantity": "5"}
    ]


def test_a_heartbeat_is_nothing_to_wait_for() -> None:
    stage = Stage(World())
    stage.world.buy(state=State.ACTIVE)
    stage.world.tick()
    stage.world.marketplace.inject(Fault("AccessDeniedException", times=None))
    stage.world.advance(hours=2)
    stage.world.tick()

    assert stage.world.table.settled().unfinished
    assert stage.asks("status")["records"]["unsent"] == 0


def test_a_dry_run_shows_what_would_have_been_sent_and_no_risk() -> None:
    stage = Stage(World(terms=Terms(product_code=PRODUCT, dry_run=True)))
    stage.world.send(stage.world.usage(stage.world.buy(), 5))
    stage.world.tick()
    stage.world.advance(minutes=55)
    stage.world.tick()

    status = stage.asks("status")

    assert status["mode"] == "dry-run"
    assert status["records"]["dry-run"] == 1
    assert status["at_risk"] == []


def test_records_of_an_older_submitter_are_called_so() -> None:
    stage = counted()
    stage.world.terms = Terms(
        product_code=PRODUCT, metering_from_s=int(START.timestamp()) // 3600 * 3600 + 3600
    )
    stage.world.warm = stage.world.wiring()
    stage.world.advance(minutes=55)
    stage.world.tick()

    assert stage.asks("status")["records"]["not-ours"] == 1


def test_the_last_tick_is_told_by_its_metric() -> None:
    stage = counted()
    stage.world.advance(minutes=40)
    stage.ticks = [START, START + timedelta(minutes=36)]

    assert stage.asks("status")["last_tick"] == "2026-11-23T10:56:00Z"


def test_a_metric_that_lags_does_not_hide_what_was_written_since() -> None:
    stage = counted()
    stage.ticks = [datetime(2026, 11, 23, 10, 15, tzinfo=UTC)]

    assert stage.asks("status")["last_tick"] == "2026-11-23T10:20:00Z"


def test_status_for_people_says_the_same() -> None:
    shown = counted().run("status")

    assert shown.status == 0
    assert "MarketplaceMetering in us-east-1" in shown.out
    assert "2026-11-23T10:00:00Z, 20 min ago" in shown.out


def test_looking_changes_nothing() -> None:
    stage = counted()
    before = stage.world.dynamodb.items("ledger")

    for command in ("status", "customers", "parked", "unconfirmed", "expired", "conflicts"):
        stage.asks(command)

    assert stage.world.dynamodb.items("ledger") == before


def test_an_entry_that_this_release_does_not_know_ends_in_a_sentence() -> None:
    stage = counted()
    key = {"pk": {"S": "log"}, "sk": {"S": "000000000002"}}
    stage.world.tables_client.update_item(
        TableName="ledger",
        Key=key,
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"N": "99"}},
    )

    ran = stage.run("status")

    assert ran.status == 1
    assert "a newer release has written it" in ran.err


def test_what_aws_denies_ends_in_a_sentence() -> None:
    stage = Stage(World())
    stage.answers["lambda", "GetFunctionConfiguration"] = lambda _: refusal("AccessDenied")

    ran = stage.run("status")

    assert ran.status == 1
    assert ran.err.startswith("AWS denies GetFunctionConfiguration")
    assert ran.err.count("\n") == 1


# tick


def test_a_tick_runs_once_it_is_confirmed() -> None:
    stage = Stage(World())
    stage.world.send(stage.world.usage(stage.world.buy(), 5))

    ran = stage.run("tick", typed="y\n")

    assert ran.status == 0
    assert "send what is due to AWS Marketplace now?" in ran.err
    assert stage.asks("status")["records"]["open"] == 1


def test_a_tick_that_is_declined_does_not_run() -> None:
    stage = Stage(World())

    ran = stage.run("tick", typed="n\n")

    assert ran.status == 1
    assert stage.world.items("log") == []


def test_a_dry_run_of_a_tick_does_not_run_it() -> None:
    stage = Stage(World())

    assert stage.asks("tick", "--dry-run") == {"function": "tick", "invoked": False}
    assert stage.world.items("log") == []


def test_a_tick_answers_with_its_summary() -> None:
    stage = Stage(World())
    stage.world.send(stage.world.usage(stage.world.buy(), 5))

    assert stage.asks("tick", "--yes")["counted"] == 1


def test_a_program_is_not_asked() -> None:
    ran = Stage(World()).run("tick", "--json")

    assert ran.status == 1
    assert "add --yes" in ran.err


def test_a_tick_that_fails_says_why() -> None:
    stage = Stage(World())
    stage.fail_ticks("LogContendedError", "20 attempts to append a fold were lost")

    ran = stage.run("tick", "--yes")

    assert ran.status == 1
    assert "LogContendedError: 20 attempts to append a fold were lost" in ran.err


# customers


def test_customers_are_listed_with_what_they_are() -> None:
    stage = Stage(World())
    buyer = stage.world.buy()

    [row] = stage.asks("customers")["customers"]

    assert row["license"] == buyer.key
    assert row["account"] == BUYER
    assert row["agreement"] == buyer.agreement_id
    assert row["state"] == "active"
    assert row["last_billed_hour"] is None


def test_the_last_billed_hour_is_one_with_a_quantity() -> None:
    stage = Stage(World())
    stage.world.send(stage.world.usage(stage.world.buy(), 5))
    stage.world.tick_until_settled(hours=4)

    [row] = stage.asks("customers")["customers"]

    assert stage.world.items("log")
    assert row["last_billed_hour"] == "2026-11-23T10Z"


def test_customers_can_be_narrowed_by_state_and_account() -> None:
    stage = Stage(World())
    ended = stage.world.buy(state=State.ENDED)
    stage.world.buy(OTHER)

    def listed(*arguments: str) -> list[str]:
        return [each["license"] for each in stage.asks("customers", *arguments)["customers"]]

    assert listed("--state", "ended") == [ended.key]
    assert listed("--account", BUYER) == [ended.key]
    assert listed("--account", BUYER, "--state", "active") == []


# The clock


def test_a_sandbox_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPLACE_URL", "http://127.0.0.1:9")

    with pytest.raises(OperatorError, match=r"http://127.0.0.1:9, where no sandbox answers"):
        now_s()


def test_without_a_sandbox_it_is_this_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARKETPLACE_URL", raising=False)

    assert abs(now_s() - time.time()) < 5
