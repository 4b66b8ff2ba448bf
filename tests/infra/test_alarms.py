"""The alarms: what they watch, when they ring, and what a person then reads."""

import re
from typing import Any

import pytest

from infra import metrics
from infra.metering import TICK_INTERVAL_MINUTES
from infra.settings import ENDING_SETTLE_MINUTES_MAX
from infra.subscription import RECONCILIATION_RETRIES
from lambdas.telemetry import Metric
from tests.infra.conftest import synthesize
from tests.infra.template import (
    ALARM,
    APPLY,
    COMPOSITE,
    DEAD_LETTERS,
    ENDPOINT,
    EVENTS_QUEUE,
    FUNCTION,
    QUEUE,
    RECONCILE,
    SUBSCRIPTION,
    SWEEP,
    TICK,
    TOPIC,
    UNDELIVERED,
    USAGE_QUEUE,
    Resources,
)

OWN: dict[str, tuple[str, str, str, str, float, int, int, int]] = {
    # name: service, metric, statistic, comparison, threshold, period, of how many, periods in all
    "NoTick": ("metering", "Ticks", "Sum", "<", 1, 300, 3, 3),
    "NoSeal": ("metering", "HoursSealed", "Sum", "<", 1, 3600, 8, 8),
    "UsageQuarantined": ("metering", "UsageQuarantined", "Sum", ">", 0, 300, 1, 1),
    "QuarantineForgotten": ("metering", "UsageInQuarantine", "Maximum", ">", 0, 21600, 3, 3),
    "RecordsAtRisk": ("metering", "RecordsAtRisk", "Maximum", ">", 0, 300, 1, 1),
    "FinalFlush": ("metering", "FinalFlushTimeLeft", "Minimum", "<", 1200, 300, 1, 1),
    "CallsRefused": ("metering", "CallsRefused", "Sum", ">", 0, 300, 3, 3),
    "RecordsParked": ("metering", "QuantityParked", "Maximum", ">", 0, 3600, 4, 4),
    "RecordsExpired": ("metering", "RecordsExpired", "Sum", ">", 0, 300, 1, 1),
    "RecordsConflict": ("metering", "RecordsConflict", "Sum", ">", 0, 300, 1, 1),
    "RecordsUnconfirmed": ("metering", "RecordsUnconfirmed", "Sum", ">", 0, 300, 1, 1),
    "EventsFail": ("subscription", "SubscriptionEventsFailed", "Sum", ">", 0, 300, 2, 3),
    "LicensesDiffer": ("subscription", "LicenseDifferences", "Sum", ">", 0, 300, 1, 1),
    "RegistrationsTurnedAway": ("registration", "RegistrationsFailed", "Sum", ">", 0, 300, 1, 1),
}
QUEUES = {
    "UsageWaits": (USAGE_QUEUE, "ApproximateAgeOfOldestMessage", 2 * 3600),
    "EventsWait": (EVENTS_QUEUE, "ApproximateAgeOfOldestMessage", 15 * 60),
    "EventsGivenUp": (DEAD_LETTERS, "ApproximateNumberOfMessagesVisible", 0),
    "EventsUndelivered": (UNDELIVERED, "ApproximateNumberOfMessagesVisible", 0),
}
FAILURES = {
    "RegistrationFails": (ENDPOINT, 1, 1),
    "EventsFunctionFails": (APPLY, 2, 3),
    "SweepFails": (SWEEP, 3, 3),
    "TicksFail": (TICK, 3, 12),
}
PARTS = {"EventsFunctionFails", "SweepFails", "TicksFail"}
"""They ring through FunctionsFail only."""
CALLING = {*OWN, *QUEUES, "RegistrationFails", "ReconciliationFails", "FunctionsFail"}
SILENCE_RINGS = {"NoTick", "NoSeal"}
COMPARISONS = {"<": "LessThanThreshold", ">": "GreaterThanThreshold"}

LONGEST_DESCRIPTION_CHARACTERS = 1_024
"""CloudWatch, PutMetricAlarm."""
LONGEST_SECONDS = 7 * 86_400
LONGEST_SECONDS_OF_SHORT_PERIODS = 86_400
"""CloudWatch, PutMetricAlarm: all periods of an alarm together; short ones are below an hour."""


def name_of(logical_id: str) -> str:
    """What an alarm is called in the runbook.

    >>> name_of("AlarmsBellNoTick893D72CA")
    'NoTick'
    """
    found = re.fullmatch(r"AlarmsBell([A-Za-z]+)[0-9A-F]{8}", logical_id)
    assert found, logical_id
    return found[1]


def every(resources: Resources) -> dict[str, dict[str, Any]]:
    """The properties of all alarms by name."""
    return {
        name_of(logical_id): each["Properties"]
        for logical_id, each in resources.all.items()
        if each["Type"] in (ALARM, COMPOSITE)
    }


def watched(alarm: dict[str, Any]) -> tuple[object, ...]:
    return (
        *(alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]),
        *(alarm["ComparisonOperator"], alarm["Threshold"], alarm["Period"]),
        *(alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]),
    )


def test_the_metrics_are_those_that_functions_emit() -> None:
    constants = {name: vars(metrics).get(name) for name in Metric.__members__}

    assert constants == {each.name: each.value for each in Metric}


def test_there_are_these_alarms(resources: Resources) -> None:
    assert set(every(resources)) == CALLING | PARTS


@pytest.mark.parametrize("name", sorted(CALLING))
def test_an_alarm_calls_and_says_what_has_happened(resources: Resources, name: str) -> None:
    found = every(resources)[name]

    assert found["AlarmActions"] == [resources.ref(TOPIC)]
    assert 120 < len(found["AlarmDescription"]) <= LONGEST_DESCRIPTION_CHARACTERS
    assert found["AlarmDescription"].endswith(f". Runbook: {name}.")


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_part_of_another_alarm_calls_nobody(resources: Resources, name: str) -> None:
    assert "AlarmActions" not in every(resources)[name]


def test_silence_is_trouble_only_where_something_must_happen(resources: Resources) -> None:
    silent = {
        name
        for name, each in every(resources).items()
        if each.get("TreatMissingData") == "breaching"
    }

    assert silent == SILENCE_RINGS


@pytest.mark.parametrize("name", OWN)
def test_an_alarm_on_a_metric_of_our_own_has_this_line(resources: Resources, name: str) -> None:
    service, metric, statistic, comparison, *numbers = OWN[name]
    threshold, period, periods, of = numbers
    found = every(resources)[name]

    assert found["Dimensions"] == [{"Name": "service", "Value": service}]
    assert watched({"DatapointsToAlarm": of, **found}) == (
        *("MarketplaceMetering", metric, statistic),
        *(COMPARISONS[comparison], threshold, period, periods, of),
    )


@pytest.mark.parametrize("name", QUEUES)
def test_an_alarm_on_a_queue_has_this_line(resources: Resources, name: str) -> None:
    words, metric, threshold = QUEUES[name]
    found = every(resources)[name]

    value = {"Fn::GetAtt": [resources.logical_id(QUEUE, words), "QueueName"]}
    assert found["Dimensions"] == [{"Name": "QueueName", "Value": value}]
    assert watched({"DatapointsToAlarm": 1, **found}) == (
        *("AWS/SQS", metric, "Maximum", COMPARISONS[">"], threshold, 300, 1, 1),
    )


@pytest.mark.parametrize("name", FAILURES)
def test_errors_and_throttles_of_a_function_add_up(resources: Resources, name: str) -> None:
    words, periods, of = FAILURES[name]
    found = every(resources)[name]
    expression, *parts = found["Metrics"]
    stats = [each["MetricStat"] for each in parts]

    assert expression["Expression"] == " + ".join(f"FILL({each['Id']}, 0)" for each in parts)
    assert [each["Metric"]["MetricName"] for each in stats] == ["Errors", "Throttles"]
    assert {(each["Metric"]["Namespace"], each["Period"], each["Stat"]) for each in stats} == {
        ("AWS/Lambda", 300, "Sum")
    }
    for each in stats:
        value = resources.ref(FUNCTION, words)
        assert each["Metric"]["Dimensions"] == [{"Name": "FunctionName", "Value": value}]
    assert (found["ComparisonOperator"], found["Threshold"]) == (COMPARISONS[">"], 0)
    assert (found.get("DatapointsToAlarm", of), found["EvaluationPeriods"]) == (periods, of)


def test_functions_behind_the_scenes_ring_together_unless_metering_stands_still(
    resources: Resources,
) -> None:
    def rings(name: str) -> list[Any]:
        arn = {"Fn::GetAtt": [resources.logical_id(ALARM, f"AlarmsBell{name}"), "Arn"]}
        return ['ALARM("', arn, '")']

    [_, parts] = resources.properties(COMPOSITE)["AlarmRule"]["Fn::Join"]

    wanted: list[Any] = [
        *("((", *rings("TicksFail"), " OR ", *rings("EventsFunctionFails"), " OR "),
        *(*rings("SweepFails"), ") AND (NOT (", *rings("NoTick"), ")))"),
    ]
    assert parts == joined(wanted)


def joined(parts: list[Any]) -> list[Any]:
    """Join neighbouring texts, as CloudFormation's Join has them."""
    found: list[Any] = []
    for each in parts:
        if found and isinstance(each, str) and isinstance(found[-1], str):
            found[-1] += each
        else:
            found.append(each)
    return found


def test_the_nightly_reconciliation_rings_when_every_attempt_failed(resources: Resources) -> None:
    found = every(resources)["ReconciliationFails"]

    value = resources.ref(FUNCTION, RECONCILE)
    assert found["Dimensions"] == [{"Name": "FunctionName", "Value": value}]
    assert watched({"DatapointsToAlarm": 1, **found}) == (
        *("AWS/Lambda", "Errors", "Sum", COMPARISONS[">"], RECONCILIATION_RETRIES, 86_400, 1, 1),
    )


def test_without_reconciliation_nobody_waits_for_it(
    resources: Resources, sandboxed: dict[str, Any]
) -> None:
    gone = set(every(resources)) - set(every(Resources(sandboxed)))

    assert gone == {"ReconciliationFails", "LicensesDiffer"}


@pytest.mark.parametrize("minutes", [20, 30, 31, ENDING_SETTLE_MINUTES_MAX])
def test_a_final_flush_that_is_on_time_does_not_ring(minutes: int) -> None:
    template = synthesize({"ending_settle_minutes": minutes})
    threshold = every(Resources(template))["FinalFlush"]["Threshold"]

    # The tick that seals it comes up to one interval late, and sends it in the same run.
    left_when_sent = 60 - minutes - TICK_INTERVAL_MINUTES
    assert 0 < threshold <= 20 * 60
    assert threshold < left_when_sent * 60


def test_cloudwatch_takes_the_periods_of_every_alarm(resources: Resources) -> None:
    for alarm in resources.every(ALARM):
        parts = alarm.get("Metrics", [])
        periods = [alarm["Period"]] if "Period" in alarm else []
        periods += [each["MetricStat"]["Period"] for each in parts if "MetricStat" in each]
        longest = LONGEST_SECONDS if min(periods) >= 3600 else LONGEST_SECONDS_OF_SHORT_PERIODS
        assert max(periods) * alarm["EvaluationPeriods"] <= longest


def test_metrics_of_two_stacks_in_one_account_do_not_mix(full: Resources) -> None:
    functions = full.every(FUNCTION)
    spaces = {
        each["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] for each in functions
    }
    of_alarms = {each["Namespace"] for each in every(full).values() if "Namespace" in each}

    assert spaces == {"Acme"}
    assert of_alarms == {"Acme", "AWS/SQS", "AWS/Lambda"}


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


def test_what_could_not_be_forwarded_rings_in_the_region_of_the_events(
    forwarding: Resources,
) -> None:
    [found] = forwarding.every(ALARM)

    value = {"Fn::GetAtt": [forwarding.logical_id(QUEUE, "Undelivered"), "QueueName"]}
    assert found["Dimensions"] == [{"Name": "QueueName", "Value": value}]
    assert found["AlarmActions"] == [forwarding.ref(TOPIC)]
    assert found["AlarmDescription"].endswith("Runbook: EventsUndelivered.")
