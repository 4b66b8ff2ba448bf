"""`marketplace doctor`: each check can fail, and says what to do; none sends anything."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.doctor import CHECKS
from tests.ops_stage import ACCOUNT, CALLER, Stage, decision, refusal
from tests.world import START, World


def healthy() -> Stage:
    stage = Stage(World())
    stage.ticks = [START]
    return stage


def findings(stage: Stage) -> dict[str, tuple[str, str]]:
    """Verdict and sentence of each check."""
    told = stage.run("doctor", "--json").json
    return {each["check"]: (each["verdict"], each["tell"]) for each in told["checks"]}


def test_a_stack_that_is_well_passes_every_check() -> None:
    ran = healthy().run("doctor", "--json")

    assert {each["verdict"] for each in ran.json["checks"]} == {"ok"}
    assert (ran.status, ran.json["healthy"]) == (0, True)


def test_every_check_is_told() -> None:
    assert list(findings(healthy())) == list(CHECKS)


def test_a_check_that_fails_makes_the_command_fail() -> None:
    stage = healthy()
    stage.ticks = []

    ran = stage.run("doctor")

    assert ran.status == 3
    assert ran.out.endswith("Not well: last tick.\n")


def test_nothing_is_sent_and_nothing_metered() -> None:
    stage = healthy()

    stage.run("doctor")

    assert stage.world.submitted == []
    assert stage.world.sqs.queue(stage.world.queue_url).messages() == ()
    assert stage.world.dynamodb.items("ledger") == []


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("CREATE_COMPLETE", "ok"),
        ("UPDATE_IN_PROGRESS", "warning"),
        ("ROLLBACK_COMPLETE", "failed"),
        ("UPDATE_ROLLBACK_FAILED", "failed"),
    ],
)
def test_a_stack_that_is_not_whole_is_told(status: str, verdict: str) -> None:
    stage = healthy()
    stage.status = status

    assert findings(stage)["stack"][0] == verdict


def test_a_region_without_metering_is_told() -> None:
    stage = healthy()
    stage.variables["METERING_REGION"] = "eu-south-9"

    verdict, tell = findings(stage)["metering region"]

    assert verdict == "failed"
    assert "not answered in eu-south-9" in tell
    assert "us-east-1" in tell


def answering(answer: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    return lambda _: answer


DENIED, DISABLED, NOTHING = decision("implicitDeny"), {"State": "DISABLED"}, refusal("AccessDenied")


@pytest.mark.parametrize(
    ("check", "asked", "answer", "verdict", "word"),
    [
        (
            "publisher",
            ("marketplace-catalog", "ListEntities"),
            {"EntitySummaryList": []},
            "failed",
            "no SaaS product",
        ),
        (
            "publisher",
            ("marketplace-catalog", "ListEntities"),
            NOTHING,
            "not checked",
            "AWS denies ListEntities",
        ),
        (
            "permission to meter",
            ("iam", "SimulatePrincipalPolicy"),
            DENIED,
            "failed",
            "IAM denies Tick BatchMeterUsage in us-east-1",
        ),
        (
            "permission to meter",
            ("iam", "SimulatePrincipalPolicy"),
            NOTHING,
            "not checked",
            "AWS denies SimulatePrincipalPolicy",
        ),
        (
            "permission to send",
            ("iam", "SimulatePrincipalPolicy"),
            DENIED,
            "warning",
            "sqs:SendMessage",
        ),
        ("events", ("events", "DescribeRule"), DISABLED, "failed", "is disabled"),
        (
            "events",
            ("cloudformation", "ListStackResources"),
            {"StackResourceSummaries": []},
            "failed",
            "has no EventBridge rule",
        ),
    ],
)
def test_a_check_says_what_it_has_found(
    check: str, asked: tuple[str, str], answer: Mapping[str, Any], verdict: str, word: str
) -> None:
    stage = healthy()
    stage.answers[asked] = answering(answer)

    found = findings(stage)[check]

    assert found[0] == verdict
    assert word in found[1]


def test_the_permission_is_asked_for_the_role_the_action_and_the_region() -> None:
    stage = healthy()
    asked: list[Mapping[str, Any]] = []

    def simulate(params: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append(dict(params))
        return decision("allowed")

    stage.answers["iam", "SimulatePrincipalPolicy"] = simulate
    stage.run("doctor")

    metering, sending = asked
    [entry] = metering["ContextEntries"]
    assert metering["PolicySourceArn"].endswith("role/Tick")
    assert metering["ActionNames"] == ["aws-marketplace:BatchMeterUsage"]
    assert (entry["ContextKeyName"], entry["ContextKeyValues"]) == (
        "aws:RequestedRegion",
        ["us-east-1"],
    )
    assert sending["PolicySourceArn"].endswith("role/Operator")
    assert sending["ActionNames"] == ["sqs:SendMessage"]


def test_credentials_of_another_account_are_told() -> None:
    stage = healthy()
    stage.account = "999999999999"

    verdict, tell = findings(stage)["credentials"]

    assert verdict == "failed"
    assert "999999999999" in tell


def test_in_another_region_the_rule_in_us_east_1_counts_too() -> None:
    stage = healthy()
    stage.region = "eu-west-1"
    stage.answers["cloudformation", "ListStackResources"] = lambda asked: {
        "StackResourceSummaries": []
        if asked["StackName"].endswith("-Events")
        else [{"ResourceType": "AWS::Events::Rule", "PhysicalResourceId": "Rule"}]
    }

    verdict, tell = findings(stage)["events"]

    assert verdict == "failed"
    assert tell.startswith("Stack MarketplaceMetering-Events in us-east-1 has no EventBridge rule")


@pytest.mark.parametrize(("minutes", "verdict"), [(0, "ok"), (-10, "failed"), (10, "failed")])
def test_a_clock_that_is_off_is_told(minutes: int, verdict: str) -> None:
    stage = healthy()
    date = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = {"date": date.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    stage.answers["sts", "GetCallerIdentity"] = answering(
        {"Account": ACCOUNT, "Arn": CALLER, "ResponseMetadata": {"HTTPHeaders": headers}}
    )

    assert findings(stage)["clock"][0] == verdict


def test_a_queue_with_a_redrive_policy_is_told() -> None:
    stage = healthy()
    stage.queue_attributes["RedrivePolicy"] = "{}"

    verdict, tell = findings(stage)["usage queue"]

    assert verdict == "failed"
    assert "billed twice" in tell


@pytest.mark.parametrize(("minutes", "verdict"), [(14, "ok"), (16, "failed")])
def test_a_tick_must_have_been_within_fifteen_minutes(minutes: int, verdict: str) -> None:
    stage = healthy()
    stage.world.advance(minutes=minutes)

    assert findings(stage)["last tick"][0] == verdict
