import json
from typing import Any

import pytest

from infra import subscription
from tests.infra.conftest import ENTITLEMENT_TOPIC, SUBSCRIPTION_TOPIC
from tests.infra.template import (
    APPLY,
    CUSTOMERS,
    DEAD_LETTERS,
    EVENTS_QUEUE,
    FUNCTION,
    LOG,
    MAPPING,
    QUEUE,
    RECONCILE,
    REGISTRATIONS,
    RULE,
    SCHEDULE,
    SUBSCRIPTION,
    SWEEP,
    TABLE,
    UNDELIVERED,
    Resources,
    allow,
)
from tests.infra.test_registration import OURS_ONLY, bus

IN_US_EAST_1 = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
KEEPING_LICENSES = [
    "dynamodb:BatchGetItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
]


def to_marketplace(resources: Resources, words: str) -> list[dict[str, Any]]:
    return [each for each in resources.allowed(words) if "aws-marketplace" in str(each["Action"])]


def by_state(resources: Resources) -> dict[str, Any]:
    return {"Fn::Join": ["", [resources.arn(TABLE, CUSTOMERS), "/index/by-state"]]}


def test_the_rule_listens_to_agreements_and_licenses_whoever_is_told(resources: Resources) -> None:
    assert resources.properties(RULE)["EventPattern"] == {
        "source": ["aws.agreement-marketplace"],
        "detail-type": [
            {"prefix": "Purchase Agreement "},
            {"prefix": "License "},
            {"prefix": "Agreement Cancellation Request "},
            {"prefix": "Spend Threshold "},
        ],
    }
    # The account's default bus: the only one on which AWS Marketplace's events arrive.
    assert "EventBusName" not in resources.properties(RULE)


def test_the_rule_tries_for_a_day_and_loses_nothing_after_it(resources: Resources) -> None:
    (target,) = resources.properties(RULE)["Targets"]

    assert target["Arn"] == resources.arn(QUEUE, EVENTS_QUEUE)
    assert target["DeadLetterConfig"] == {"Arn": resources.arn(QUEUE, UNDELIVERED)}
    assert target["RetryPolicy"] == {
        "MaximumEventAgeInSeconds": 24 * 3600,
        "MaximumRetryAttempts": 185,
    }


@pytest.mark.parametrize("words", [EVENTS_QUEUE, DEAD_LETTERS, UNDELIVERED])
def test_a_queue_of_events_is_encrypted_and_keeps_them_fourteen_days(
    resources: Resources, words: str
) -> None:
    queue = resources.properties(QUEUE, words)

    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("words", [EVENTS_QUEUE, DEAD_LETTERS, UNDELIVERED])
def test_a_queue_of_events_refuses_everybody_without_tls(resources: Resources, words: str) -> None:
    assert resources.queue_policy(words)[0] == {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": resources.arn(QUEUE, words),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


@pytest.mark.parametrize("words", [EVENTS_QUEUE, UNDELIVERED])
def test_only_the_rule_may_send_into_a_queue_of_events(resources: Resources, words: str) -> None:
    (allowed,) = resources.queue_policy(words)[1:]

    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": resources.arn(RULE)}}


def test_an_event_that_fails_for_an_hour_is_put_aside(resources: Resources) -> None:
    queue = resources.properties(QUEUE, EVENTS_QUEUE)
    tries = queue["RedrivePolicy"]["maxReceiveCount"]

    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == resources.arn(QUEUE, DEAD_LETTERS)
    assert queue["VisibilityTimeout"] * tries == 3600


def test_a_batch_stays_hidden_for_six_time_outs(resources: Resources) -> None:
    hidden_seconds = resources.properties(QUEUE, EVENTS_QUEUE)["VisibilityTimeout"]

    assert hidden_seconds == 6 * resources.properties(FUNCTION, APPLY)["Timeout"]


def test_ten_events_at_a_time_each_failing_alone(resources: Resources) -> None:
    assert resources.properties(MAPPING) == {
        "EventSourceArn": resources.arn(QUEUE, EVENTS_QUEUE),
        "FunctionName": resources.ref(FUNCTION, APPLY),
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }


def test_the_function_is_told_the_product(full: Resources) -> None:
    told = full.variables(APPLY)

    assert told["EVENT_BUS"] == "default"
    assert told["CONTRACTS"] == "true"
    assert told["CONCURRENT_AGREEMENTS"] == "false"
    assert json.loads(told["PRODUCT_IDS"]) == ["prod-abcdefghijklm", "prod-nopqrstuvwxyz"]


def test_without_settings_all_products_are_ours_and_none_is_a_contract(
    resources: Resources,
) -> None:
    told = resources.variables(APPLY)

    assert (told["CONTRACTS"], told["PRODUCT_IDS"]) == ("false", "[]")
    assert told["CONCURRENT_AGREEMENTS"] == "true"


def test_who_applies_events_may_do_exactly_this(resources: Resources) -> None:
    assert resources.allowed(APPLY) == [
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], resources.arn(LOG, APPLY)),
        allow(KEEPING_LICENSES, resources.arn(TABLE, CUSTOMERS)),
        allow("events:PutEvents", bus("us-east-1"), condition=OURS_ONLY),
        allow(
            ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            resources.arn(QUEUE, EVENTS_QUEUE),
        ),
    ]


def test_who_sweeps_may_do_exactly_this(resources: Resources) -> None:
    assert resources.allowed(SWEEP) == [
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], resources.arn(LOG, SWEEP)),
        allow(KEEPING_LICENSES, resources.arn(TABLE, CUSTOMERS)),
        allow("dynamodb:Query", by_state(resources)),
        allow(["dynamodb:DeleteItem", "dynamodb:Query"], resources.arn(TABLE, REGISTRATIONS)),
        allow("events:PutEvents", bus("us-east-1"), condition=OURS_ONLY),
    ]


def test_who_reconciles_may_do_exactly_this(resources: Resources) -> None:
    assert resources.allowed(RECONCILE) == [
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], resources.arn(LOG, RECONCILE)),
        allow(KEEPING_LICENSES, resources.arn(TABLE, CUSTOMERS)),
        allow("dynamodb:Query", by_state(resources)),
        allow("events:PutEvents", bus("us-east-1"), condition=OURS_ONLY),
        allow(
            ["aws-marketplace:GetAgreementEntitlements", "aws-marketplace:SearchAgreements"],
            "*",
            condition=IN_US_EAST_1,
        ),
    ]


def test_entitlements_of_contracts_may_be_asked_for_where_they_are_answered(
    full: Resources,
) -> None:
    assert to_marketplace(full, APPLY) == [
        allow("aws-marketplace:GetEntitlements", "*", condition=IN_US_EAST_1)
    ]
    (asking,) = to_marketplace(full, RECONCILE)
    assert "aws-marketplace:GetEntitlements" in asking["Action"]
    assert asking["Condition"] == IN_US_EAST_1


@pytest.mark.parametrize("words", [APPLY, SWEEP, RECONCILE])
def test_our_events_go_to_the_bus_of_the_stacks_region(full: Resources, words: str) -> None:
    assert allow("events:PutEvents", bus("eu-west-1"), condition=OURS_ONLY) in full.allowed(words)


def test_a_sweep_starts_every_five_minutes_and_ends_before_the_next(resources: Resources) -> None:
    schedule = resources.properties(SCHEDULE, SWEEP)

    assert schedule["ScheduleExpression"] == "cron(3/5 * * * ? *)"
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert (
        resources.properties(FUNCTION, SWEEP)["Timeout"] < subscription.SWEEP_INTERVAL_MINUTES * 60
    )


def test_reconciliation_starts_at_night_and_is_tried_again(resources: Resources) -> None:
    schedule = resources.properties(SCHEDULE, RECONCILE)

    assert schedule["ScheduleExpression"] == "cron(40 2 * * ? *)"
    assert schedule["ScheduleExpressionTimezone"] == "Etc/UTC"
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 2


def test_reconciliation_repairs_by_itself(resources: Resources) -> None:
    assert resources.variables(RECONCILE)["RECONCILIATION"] == "repair"


def test_reconciliation_may_only_report(full: Resources) -> None:
    assert full.variables(RECONCILE)["RECONCILIATION"] == "report"
    assert full.variables(RECONCILE)["PRODUCT_CODE"] == "dsx0p0vi96vw1j8bu0gkcy8pm"


def test_reconciliation_that_is_off_does_not_exist(sandboxed: dict[str, Any]) -> None:
    assert not [name for name in sandboxed["Resources"] if name.startswith(RECONCILE)]
    assert "ReconciliationFunctionName" not in sandboxed["Outputs"]


def test_without_the_setting_no_topic_is_subscribed(resources: Resources) -> None:
    assert resources.every(SUBSCRIPTION) == []


@pytest.mark.parametrize("topic", [SUBSCRIPTION_TOPIC, ENTITLEMENT_TOPIC])
def test_a_topic_is_subscribed_in_its_own_region_with_its_envelope(
    full: Resources, topic: str
) -> None:
    (subscribed,) = (each for each in full.every(SUBSCRIPTION) if each["TopicArn"] == topic)

    assert subscribed == {
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": full.arn(QUEUE, EVENTS_QUEUE),
        "RawMessageDelivery": False,
        "Region": "us-east-1",
    }


def test_only_the_topics_of_the_setting_may_send_beside_the_rule(full: Resources) -> None:
    from_topics = full.queue_policy(EVENTS_QUEUE)[2:]

    assert [(each["Action"], each["Principal"], each["Condition"]) for each in from_topics] == [
        (
            "sqs:SendMessage",
            {"Service": "sns.amazonaws.com"},
            {"ArnEquals": {"aws:SourceArn": topic}},
        )
        for topic in (SUBSCRIPTION_TOPIC, ENTITLEMENT_TOPIC)
    ]
