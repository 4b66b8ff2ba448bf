"""Alarms and the dashboard in the sandbox's CloudFormation, through their lives."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.ringing import own_alarms
from sandbox.sandbox import Sandbox
from sandbox.verify import IncompleteError, verify
from tests.integration.toy import put_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), app=None) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def no_stack_of_other_tests(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.client("cloudformation").delete_stack(StackName="watching")


def watching(rule: str = "ALARM") -> dict[str, Any]:
    """An alarm on a metric of our own, one on AWS's, one on both, and a page."""
    usual = {
        "ComparisonOperator": "GreaterThanThreshold",
        "Dimensions": [{"Name": "service", "Value": "metering"}],
        "EvaluationPeriods": 3,
        "Period": 300,
        "Statistic": "Sum",
        "Threshold": 0,
        "TreatMissingData": "notBreaching",
    }
    own = {**usual, "Namespace": "Acme", "MetricName": "CallsRefused"}
    of_aws = {**usual, "Namespace": "AWS/Lambda", "MetricName": "Errors"}
    return {
        "Own": {"Type": "AWS::CloudWatch::Alarm", "Properties": own},
        "OfAws": {"Type": "AWS::CloudWatch::Alarm", "Properties": of_aws},
        "Both": {
            "Type": "AWS::CloudWatch::CompositeAlarm",
            "Properties": {
                "AlarmName": "both",
                "AlarmDescription": "Look.",
                "AlarmRule": {
                    "Fn::Join": ["", [f'{rule}("', {"Fn::GetAtt": ["Own", "Arn"]}, '")']]
                },
            },
        },
        "Page": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardBody": '{"widgets": []}'},
        },
    }


def test_all_of_it_is_there(sandbox: Sandbox) -> None:
    put_stack(sandbox, "watching", watching())

    verify({"Resources": watching()}, "watching", sandbox.client)


@pytest.mark.parametrize("name", ["Both", "Page"])
def test_a_missing_part_is_named(sandbox: Sandbox, name: str) -> None:
    wanted = watching()
    put_stack(sandbox, "watching", {key: each for key, each in wanted.items() if key != name})

    with pytest.raises(IncompleteError, match=f"{name} "):
        verify({"Resources": wanted}, "watching", sandbox.client)


def test_a_composite_alarm_is_updated(sandbox: Sandbox) -> None:
    put_stack(sandbox, "watching", watching())

    put_stack(sandbox, "watching", watching("OK"))

    [found] = sandbox.client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])[
        "CompositeAlarms"
    ]
    assert found["AlarmRule"].startswith('OK("arn:aws:cloudwatch:')
    assert found["AlarmDescription"] == "Look."


def test_all_of_it_goes_with_its_stack(sandbox: Sandbox) -> None:
    cloudwatch = sandbox.client("cloudwatch")
    put_stack(sandbox, "watching", watching())

    sandbox.client("cloudformation").delete_stack(StackName="watching")

    alarms = cloudwatch.describe_alarms()
    assert (alarms["MetricAlarms"], alarms["CompositeAlarms"]) == ([], [])
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []


def test_our_own_alarms_are_told_from_others(sandbox: Sandbox) -> None:
    put_stack(sandbox, "watching", watching())

    found = own_alarms(sandbox.client("cloudwatch"))

    assert [each["MetricName"] for each in found] == ["CallsRefused"]


def test_nothing_rings_without_numbers(sandbox: Sandbox) -> None:
    put_stack(sandbox, "watching", watching())

    assert sandbox.measured() == []
    assert sandbox.ringing() == []
