"""The stack as a whole: outputs, names, types, and how settings reach metering."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.infra.template import (
    API,
    APPLY,
    CUSTOMERS,
    DASHBOARD,
    DEAD_LETTERS,
    ENDPOINT,
    EVENTS_QUEUE,
    FUNCTION,
    LEDGER,
    QUEUE,
    RECONCILE,
    REGISTRATIONS,
    STAGE,
    SWEEP,
    TABLE,
    TICK,
    TOPIC,
    UNDELIVERED,
    USAGE_QUEUE,
    Resources,
)

DASHBOARDS = (
    "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
    "#dashboards/dashboard/"
)


def url(resources: Resources, path: str) -> dict[str, Any]:
    return {
        "Fn::Join": [
            "",
            [
                "https://",
                resources.ref(API),
                ".execute-api.us-east-1.",
                {"Ref": "AWS::URLSuffix"},
                "/",
                resources.ref(STAGE),
                path,
            ],
        ]
    }


def test_the_outputs_name_what_a_seller_needs(
    template: dict[str, Any], resources: Resources
) -> None:
    # What is kept is told by `test_retention.py`.
    told = {name: output["Value"] for name, output in template["Outputs"].items() if name != "Kept"}

    assert told == {
        "UsageQueueUrl": resources.ref(QUEUE, USAGE_QUEUE),
        "UsageQueueArn": resources.arn(QUEUE, USAGE_QUEUE),
        "LedgerTableName": resources.ref(TABLE, LEDGER),
        "MeteringFunctionName": resources.ref(FUNCTION, TICK),
        "RegistrationUrl": url(resources, "/register"),
        "ClaimUrl": url(resources, "/registrations/claim"),
        "CustomersTableName": resources.ref(TABLE, CUSTOMERS),
        "RegistrationsTableName": resources.ref(TABLE, REGISTRATIONS),
        "RegistrationFunctionName": resources.ref(FUNCTION, ENDPOINT),
        "SubscriptionQueueUrl": resources.ref(QUEUE, EVENTS_QUEUE),
        "SubscriptionDeadLetterQueueUrl": resources.ref(QUEUE, DEAD_LETTERS),
        "SubscriptionUndeliveredQueueUrl": resources.ref(QUEUE, UNDELIVERED),
        "SubscriptionFunctionName": resources.ref(FUNCTION, APPLY),
        "SweepFunctionName": resources.ref(FUNCTION, SWEEP),
        "ReconciliationFunctionName": resources.ref(FUNCTION, RECONCILE),
        "DashboardUrl": {"Fn::Join": ["", [DASHBOARDS, resources.ref(DASHBOARD)]]},
        "AlarmTopicArn": resources.ref(TOPIC),
    }


def test_the_outputs_of_settings_are_there_with_the_settings_only(
    template: dict[str, Any], full_template: dict[str, Any]
) -> None:
    more = set(full_template["Outputs"]) - set(template["Outputs"])

    assert more == {"UsageUrl", "DomainTarget", "KeyArn"}


def test_no_resource_has_a_physical_name_that_would_block_a_second_stack(
    full: Resources,
) -> None:
    named = {
        *("QueueName", "TableName", "FunctionName", "LogGroupName", "RoleName", "Name"),
        *("TopicName", "AlarmName"),
    }
    # These are named for a function that they belong to, or their names need not differ; a
    # composite alarm is named by the CDK, for the stack.
    free = {"EventInvokeConfig", "EventSourceMapping", "Permission", "RestApi", "CompositeAlarm"}

    assert not [
        name
        for name, resource in full.all.items()
        if resource["Type"].rpartition("::")[2] not in free
        and named & set(resource.get("Properties", {}))
    ]


def test_the_stack_is_made_of_these_types_only(resources: Resources) -> None:
    # The sandbox's CloudFormation skips unknown types in silence: teach it a new one first.
    assert {resource["Type"] for resource in resources.all.values()} == {
        *(f"AWS::ApiGateway::{each}" for each in ("RestApi", "Resource", "Method", "Deployment")),
        *(f"AWS::ApiGateway::{each}" for each in ("Stage", "GatewayResponse")),
        *(f"AWS::IAM::{each}" for each in ("Policy", "Role")),
        *(f"AWS::Lambda::{each}" for each in ("Function", "Permission")),
        *(f"AWS::Lambda::{each}" for each in ("EventInvokeConfig", "EventSourceMapping")),
        *(f"AWS::SNS::{each}" for each in ("Topic", "TopicPolicy")),
        *(f"AWS::SQS::{each}" for each in ("Queue", "QueuePolicy")),
        *(f"AWS::CloudWatch::{each}" for each in ("Alarm", "CompositeAlarm", "Dashboard")),
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::Logs::LogGroup",
        "AWS::Scheduler::Schedule",
    }


def test_every_setting_of_metering_reaches_the_tick(full: Resources) -> None:
    told = full.variables(TICK)

    assert told["METERING_REGION"] == "eu-central-1"
    assert told["PRODUCT_CODE"] == "dsx0p0vi96vw1j8bu0gkcy8pm"
    assert json.loads(told["DIMENSIONS"]) == ["api-calls", "storage"]
    assert datetime.fromisoformat(told["METERING_FROM"]) == datetime(2026, 12, 1, tzinfo=UTC)
    assert told["ID_MEMORY_HOURS"] == "48"
    assert told["SETTLE_MINUTES"] == "15"
    assert told["ENDING_SETTLE_MINUTES"] == "25"


def test_the_tick_may_meter_in_the_metering_region_only(full: Resources) -> None:
    (metering,) = (each for each in full.allowed(TICK) if each["Resource"] == "*")

    assert metering["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}


def test_who_meters_never_sees_a_contact(resources: Resources) -> None:
    assert REGISTRATIONS not in json.dumps(resources.allowed(TICK))


def test_who_registers_never_sees_the_ledger(resources: Resources) -> None:
    for words in (ENDPOINT, APPLY, SWEEP, RECONCILE):
        assert LEDGER not in json.dumps(resources.allowed(words))


def test_only_a_real_account_is_asked_for_its_bootstrap_version(
    template: dict[str, Any], sandboxed: dict[str, Any]
) -> None:
    assert "CheckBootstrapVersion" in template["Rules"]
    assert "Rules" not in sandboxed
