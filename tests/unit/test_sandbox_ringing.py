"""When an alarm rings, by CloudWatch's rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.measured import Datum
from sandbox.ringing import rings

NOW = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
ALARM: dict[str, Any] = {
    "Namespace": "Acme",
    "MetricName": "CallsRefused",
    "Dimensions": [{"Name": "service", "Value": "metering"}],
    "Statistic": "Sum",
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 2.0,
    "Period": 300,
    "EvaluationPeriods": 3,
    "TreatMissingData": "notBreaching",
}


def data(*minutes_ago: float, value: float = 3, **other: Any) -> list[Datum]:
    usual = {
        "namespace": "Acme",
        "name": "CallsRefused",
        "dimensions": frozenset({("service", "metering")}),
    }
    return [
        Datum(at=NOW - timedelta(minutes=each), value=value, **usual | other)
        for each in minutes_ago
    ]


def test_every_period_must_be_beyond_the_line() -> None:
    assert rings(ALARM, data(0, 5, 10), NOW)
    assert not rings(ALARM, data(0, 10), NOW)


def test_as_many_periods_as_the_alarm_says_are_enough() -> None:
    alarm = ALARM | {"DatapointsToAlarm": 2}

    assert rings(alarm, data(0, 10), NOW)
    assert not rings(alarm, data(10), NOW)


def test_what_was_measured_earlier_or_later_does_not_count() -> None:
    alarm = ALARM | {"EvaluationPeriods": 1}

    assert not rings(alarm, data(-1, 5, 60), NOW)


@pytest.mark.parametrize(
    "other",
    [
        {"namespace": "Other"},
        {"name": "Ticks"},
        {"dimensions": frozenset({("service", "registration")})},
        {"dimensions": frozenset()},
    ],
)
def test_other_metrics_do_not_count(other: dict[str, Any]) -> None:
    assert not rings(ALARM, data(0, 5, 10, **other), NOW)


@pytest.mark.parametrize(
    ("statistic", "does"), [("Sum", True), ("Maximum", False), ("Minimum", False)]
)
def test_the_statistic_is_that_of_the_alarm(statistic: str, does: bool) -> None:
    alarm = ALARM | {"EvaluationPeriods": 1, "Statistic": statistic}

    assert rings(alarm, data(1, 2, value=2), NOW) is does


@pytest.mark.parametrize(
    ("comparison", "does"),
    [
        ("GreaterThanThreshold", False),
        ("GreaterThanOrEqualToThreshold", True),
        ("LessThanThreshold", False),
        ("LessThanOrEqualToThreshold", True),
    ],
)
def test_the_comparison_is_that_of_the_alarm(comparison: str, does: bool) -> None:
    alarm = ALARM | {"EvaluationPeriods": 1, "ComparisonOperator": comparison}

    assert rings(alarm, data(1, value=2), NOW) is does


def test_silence_rings_where_the_alarm_says_so() -> None:
    assert rings(ALARM | {"TreatMissingData": "breaching"}, [], NOW)
    assert not rings(ALARM, [], NOW)
