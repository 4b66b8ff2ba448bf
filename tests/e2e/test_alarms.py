"""Each alarm on a metric of our own rings when the deployed stack crosses its line.

What happens is real: faults of AWS Marketplace, poisoned usage, time that passes. The functions
write their metrics, and the alarms as they were deployed (namespace, dimensions, statistic, period,
threshold) are evaluated over them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.request import Request

import pytest

from sandbox.buyer import RegistrationError, register
from sandbox.environment import DIRECT
from sandbox.ringing import own_alarms
from tests.e2e.stage import Bought, Stage

pytestmark = pytest.mark.slow

_NAME = re.compile(r"Bell([A-Za-z]+)[0-9A-F]{8}")


def names(alarms: Iterable[str]) -> set[str]:
    """What alarms are called in the stack and in the runbook."""
    return {found[1] for found in map(_NAME.search, alarms) if found}


def ringing(stage: Stage) -> set[str]:
    return names(stage.sandbox.ringing())


def fail(stage: Stage, fault: str, **more: object) -> None:
    """Let calls of AWS Marketplace go wrong, all of them unless told otherwise."""
    stage.sandbox.emulator("faults", {"fault": fault, "times": None, **more})


def heal(stage: Stage) -> None:
    """Let them succeed again."""
    DIRECT.open(Request(f"{stage.sandbox.marketplace_url}/emulator/faults", method="DELETE"))


def registered(stage: Stage, account: str) -> Bought:
    """Let a buyer purchase and register."""
    bought = stage.purchase(account)
    register(stage.sandbox.url("RegistrationUrl"), bought.registration_token, email="a@example.com")
    return bought


def user(stage: Stage, account: str) -> Bought:
    """Let a buyer's license be activated, and the buyer use the product."""
    bought = registered(stage, account)
    stage.let_pass(minutes=2)
    stage.use(bought, 3, key=f"usage of {account}")
    return bought


def meter_elsewhere(stage: Stage, bought: Bought, account: str) -> None:
    """Send AWS Marketplace another quantity for this hour, past the stack."""
    record = {
        "Timestamp": stage.now(),
        "LicenseArn": bought.license_arn,
        "CustomerAWSAccountId": account,
        "Dimension": "users",
        "Quantity": 5,
    }
    stage.sandbox.client("meteringmarketplace").batch_meter_usage(UsageRecords=[record])


# What crosses the lines


def no_tick(stage: Stage, _account: str) -> None:
    stage.let_pass(minutes=16)


def no_seal(stage: Stage, _account: str) -> None:
    stage.let_pass(hours=9)


def broken_usage(stage: Stage, _account: str) -> None:
    stage.sandbox.client("sqs").send_message(
        QueueUrl=stage.sandbox.outputs["UsageQueueUrl"], MessageBody="{"
    )
    stage.tick()


def forgotten_usage(stage: Stage, account: str) -> None:
    broken_usage(stage, account)
    for _ in range(2):
        stage.let_pass(hours=6)
        stage.tick()


def little_time_left(stage: Stage, account: str) -> None:
    user(stage, account)
    fail(stage, "AccessDeniedException")
    stage.tick()
    stage.let_pass(hours=19)
    stage.tick()


def a_license_that_ends_soon(stage: Stage, account: str) -> None:
    bought = user(stage, account)
    fail(stage, "AccessDeniedException")
    stage.cancel(bought)
    stage.let_pass(minutes=45)
    stage.tick()


def denied_calls(stage: Stage, account: str) -> None:
    user(stage, account)
    fail(stage, "AccessDeniedException")
    stage.let_pass(hours=2)
    for _ in range(3):
        stage.let_pass(minutes=5)
        stage.tick()


def a_customer_without_subscription(stage: Stage, account: str) -> None:
    user(stage, account)
    fail(stage, "not-subscribed")
    stage.let_pass(hours=1)
    for _ in range(4):
        stage.let_pass(hours=1)
        stage.tick()


def a_window_that_closed(stage: Stage, account: str) -> None:
    user(stage, account)
    fail(stage, "AccessDeniedException")
    stage.tick()
    stage.let_pass(hours=25)
    stage.tick()


def another_submitter(stage: Stage, account: str) -> None:
    meter_elsewhere(stage, user(stage, account), account)
    stage.let_pass(hours=2)
    stage.tick()


def an_answer_that_was_lost(stage: Stage, account: str) -> None:
    meter_elsewhere(stage, user(stage, account), account)
    fail(stage, "timeout-before", times=1)
    stage.let_pass(hours=2)
    stage.tick()


def an_event_that_fails(stage: Stage, account: str) -> None:
    fail(stage, "AccessDeniedException", operation="GetEntitlements")
    registered(stage, account)
    stage.let_pass(minutes=2)
    stage.let_pass(minutes=7)


def a_lost_event(stage: Stage, account: str) -> None:
    stage.stray("lost", "License Updated")
    registered(stage, account)
    stage.let_pass(hours=3)
    stage.reconcile()


def a_buyer_turned_away(stage: Stage, account: str) -> None:
    fail(stage, "ThrottlingException", operation="ResolveCustomer")
    with pytest.raises(RegistrationError):
        registered(stage, account)


CROSSINGS: Mapping[str, Callable[[Stage, str], None]] = {
    "NoTick": no_tick,
    "NoSeal": no_seal,
    "UsageQuarantined": broken_usage,
    "QuarantineForgotten": forgotten_usage,
    "RecordsAtRisk": little_time_left,
    "FinalFlush": a_license_that_ends_soon,
    "CallsRefused": denied_calls,
    "RecordsParked": a_customer_without_subscription,
    "RecordsExpired": a_window_that_closed,
    "RecordsConflict": another_submitter,
    "RecordsUnconfirmed": an_answer_that_was_lost,
    "EventsFail": an_event_that_fails,
    "LicensesDiffer": a_lost_event,
    "RegistrationsTurnedAway": a_buyer_turned_away,
}


@pytest.fixture
def well(hosted: Stage) -> Stage:
    """The stack when all is well, and was for a while."""
    heal(hosted)
    hosted.tick()
    hosted.let_pass(minutes=20)
    hosted.tick()
    return hosted


@pytest.mark.parametrize("name", CROSSINGS)
def test_an_alarm_rings_when_its_line_is_crossed(well: Stage, account: str, name: str) -> None:
    before = ringing(well)

    CROSSINGS[name](well, account)

    after = ringing(well)
    heal(well)
    assert (name in before, name in after) == (False, True)


def test_every_alarm_on_a_metric_of_our_own_is_crossed_here(hosted: Stage) -> None:
    deployed = own_alarms(hosted.sandbox.client("cloudwatch"))

    assert names(each["AlarmName"] for each in deployed) == set(CROSSINGS)
