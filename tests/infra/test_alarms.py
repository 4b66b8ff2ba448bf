from typing import Any

import pytest

from infra import alarms
from infra.function import METRICS_NAMESPACE
from lambdas.telemetry import Metric
from tests.infra.template import (
    ALARM,
    DEAD_LETTERS,
    ENDPOINT,
    EVENTS_QUEUE,
    FUNCTION,
    QUEUE,
    SUBSCRIPTION,
    TOPIC,
    UNDELIVERED,
    Resources,
)

ALARMS = (
    "RecordsExpired",
    "RecordsParked",
    "EventsWait",
    "EventsGivenUp",
    "EventsUndelivered",
    "RegistrationFails",
    "RegistrationsTurnedAway",
)
LONGEST_DESCRIPTION_CHARACTERS = 1_024
"""CloudWatch, PutMetricAlarm."""


def alarm(resources: Resources, name: str) -> dict[str, Any]:
    return resources.properties(ALARM, f"AlarmsBell{name}")


def queue_name(resources: Resources, words: str) -> list[dict[str, Any]]:
    value = {"Fn::GetAtt": [resources.logical_id(QUEUE, words), "QueueName"]}
    return [{"Name": "QueueName", "Value": value}]


def test_the_metrics_are_those_that_functions_emit() -> None:
    assert alarms.REGISTRATIONS_FAILED == Metric.REGISTRATIONS_FAILED
    assert alarms.RECORDS_EXPIRED == Metric.RECORDS_EXPIRED
    assert alarms.RECORDS_PARKED == Metric.RECORDS_PARKED


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_calls_and_says_what_has_happened(resources: Resources, name: str) -> None:
    found = alarm(resources, name)

    assert found["AlarmActions"] == [resources.ref(TOPIC)]
    assert 80 < len(found["AlarmDescription"]) <= LONGEST_DESCRIPTION_CHARACTERS
    assert found["AlarmDescription"].endswith(".")


@pytest.mark.parametrize("name", ALARMS)
def test_silence_is_no_trouble(resources: Resources, name: str) -> None:
    assert alarm(resources, name)["TreatMissingData"] == "notBreaching"


def test_there_are_no_other_alarms(resources: Resources) -> None:
    assert len(resources.every(ALARM)) == len(ALARMS)


def test_one_expired_record_rings(resources: Resources) -> None:
    found = alarm(resources, "RecordsExpired")

    assert (found["Namespace"], found["MetricName"]) == (METRICS_NAMESPACE, "RecordsExpired")
    assert found["Dimensions"] == [{"Name": "service", "Value": "metering"}]
    assert (found["Statistic"], found["Threshold"]) == ("Sum", 0)
    assert found["ComparisonOperator"] == "GreaterThanThreshold"
    assert found["EvaluationPeriods"] == 1


def test_records_that_stay_parked_for_hours_ring_while_they_can_still_be_sent(
    resources: Resources,
) -> None:
    found = alarm(resources, "RecordsParked")
    hours = found["EvaluationPeriods"] * found["Period"] / 3600

    assert (found["MetricName"], found["Threshold"]) == ("RecordsParked", 0)
    assert 1 < hours <= 6


def test_an_event_that_waits_rings_while_the_last_hour_is_not_over(resources: Resources) -> None:
    found = alarm(resources, "EventsWait")

    assert found["MetricName"] == "ApproximateAgeOfOldestMessage"
    assert found["Dimensions"] == queue_name(resources, EVENTS_QUEUE)
    assert (found["Statistic"], found["Threshold"]) == ("Maximum", 600)


@pytest.mark.parametrize(
    ("name", "words"), [("EventsGivenUp", DEAD_LETTERS), ("EventsUndelivered", UNDELIVERED)]
)
def test_a_dead_letter_queue_that_is_not_empty_rings(
    resources: Resources, name: str, words: str
) -> None:
    found = alarm(resources, name)

    assert found["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert found["Dimensions"] == queue_name(resources, words)
    assert (found["Statistic"], found["Threshold"]) == ("Maximum", 0)


def test_a_failure_of_registration_rings(resources: Resources) -> None:
    found = alarm(resources, "RegistrationFails")

    assert (found["Namespace"], found["MetricName"]) == ("AWS/Lambda", "Errors")
    assert found["Dimensions"] == [
        {"Name": "FunctionName", "Value": resources.ref(FUNCTION, ENDPOINT)}
    ]
    assert found["Threshold"] == 0


def test_a_buyer_who_is_turned_away_rings(resources: Resources) -> None:
    found = alarm(resources, "RegistrationsTurnedAway")

    assert found["MetricName"] == "RegistrationsFailed"
    assert found["Dimensions"] == [{"Name": "service", "Value": "registration"}]
    assert found["Threshold"] == 0


def test_cloudwatch_may_publish_and_nobody_may_without_tls(resources: Resources) -> None:
    policy = resources.properties("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    allowed = [each for each in policy if each["Effect"] == "Allow"]
    denied = [each for each in policy if each["Effect"] == "Deny"]

    assert [(each["Principal"], each["Action"], each["Condition"]) for each in allowed] == [
        (
            {"Service": "cloudwatch.amazonaws.com"},
            "sns:Publish",
            {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        )
    ]
    assert [each["Condition"] for each in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_no_key_keeps_cloudwatch_from_the_topic(resources: Resources) -> None:
    assert "KmsMasterKeyId" not in resources.one(TOPIC).get("Properties", {})


def test_the_address_of_the_setting_is_called(full: Resources) -> None:
    (called,) = (each for each in full.every(SUBSCRIPTION) if each["Protocol"] == "email")

    assert called["Endpoint"] == "on-call@example.com"
    assert called["TopicArn"] == full.ref(TOPIC)
