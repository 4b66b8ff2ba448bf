import json
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.package import platform_named
from infra.settings import DIMENSIONS_BYTES_MAX
from tests.infra.conftest import synthesize
from tests.infra.template import (
    FUNCTION,
    LOG,
    POLICY,
    QUEUE,
    ROLE,
    SCHEDULE,
    TABLE,
    Resources,
)


@pytest.fixture(scope="session")
def other() -> dict[str, Any]:
    """The template of a seller who sets everything, for the sandbox."""
    return synthesize(
        {
            "stack_name": "Acme",
            "metering_region": "eu-central-1",
            "product_code": "dsx0p0vi96vw1j8bu0gkcy8pm",
            "dimensions": "api-calls,storage",
            "metering_from": "2026-12-01T00:00:00Z",
            "id_memory_hours": "48",
            "settle_minutes": "15",
            "ending_settle_minutes": "25",
            "log_retention_days": "731",
            "log_level": "DEBUG",
            "function_platform": "local",
        }
    )


def test_the_outputs_name_what_a_seller_needs(
    template: dict[str, Any], resources: Resources
) -> None:
    assert {name: output["Value"] for name, output in template["Outputs"].items()} == {
        "UsageQueueUrl": resources.ref(QUEUE),
        "UsageQueueArn": resources.arn(QUEUE),
        "LedgerTableName": resources.ref(TABLE, "MeteringLedger"),
        "CustomersTableName": resources.ref(TABLE, "CustomersTable"),
        "MeteringFunctionName": resources.ref(FUNCTION),
    }


def test_no_resource_has_a_physical_name_that_would_block_a_second_stack(
    resources: Resources,
) -> None:
    named = {"QueueName", "TableName", "FunctionName", "LogGroupName", "RoleName", "Name"}
    owners = [r["Properties"] for r in resources.all.values() if "EventInvoke" not in r["Type"]]

    assert not [properties for properties in owners if named & set(properties)]


def test_the_stack_is_made_of_these_types_only(resources: Resources) -> None:
    # The sandbox's CloudFormation skips unknown types in silence: teach it a new one first.
    assert {resource["Type"] for resource in resources.all.values()} == {
        *(QUEUE, TABLE, FUNCTION, LOG, POLICY, ROLE, SCHEDULE),
        *("AWS::SQS::QueuePolicy", "AWS::Lambda::EventInvokeConfig"),
    }


def test_every_setting_reaches_the_function(other: dict[str, Any]) -> None:
    function = Resources(other).properties(FUNCTION)
    told = function["Environment"]["Variables"]

    assert told["METERING_REGION"] == "eu-central-1"
    assert told["PRODUCT_CODE"] == "dsx0p0vi96vw1j8bu0gkcy8pm"
    assert json.loads(told["DIMENSIONS"]) == ["api-calls", "storage"]
    assert datetime.fromisoformat(told["METERING_FROM"]) == datetime(2026, 12, 1, tzinfo=UTC)
    assert told["ID_MEMORY_HOURS"] == "48"
    assert told["SETTLE_MINUTES"] == "15"
    assert told["ENDING_SETTLE_MINUTES"] == "25"
    assert told["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
    assert function["LoggingConfig"]["ApplicationLogLevel"] == "DEBUG"


def test_logs_are_kept_as_long_as_set(other: dict[str, Any]) -> None:
    assert Resources(other).properties(LOG)["RetentionInDays"] == 731


def test_the_function_may_meter_in_the_metering_region_only(other: dict[str, Any]) -> None:
    policy = Resources(other).properties(POLICY, "MeteringTick")["PolicyDocument"]
    (metering,) = (s for s in policy["Statement"] if s["Resource"] == "*")

    assert metering["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}


def test_the_sandbox_gets_the_function_for_this_machine(other: dict[str, Any]) -> None:
    function = Resources(other).properties(FUNCTION)
    here = platform_named("local")

    assert function["Runtime"] == here.runtime
    assert function["Architectures"] == [here.architecture]


def test_only_a_real_account_is_asked_for_its_bootstrap_version(
    template: dict[str, Any], other: dict[str, Any]
) -> None:
    assert "CheckBootstrapVersion" in template["Rules"]
    assert "Rules" not in other


def test_two_platforms_never_share_a_zip(template: dict[str, Any], other: dict[str, Any]) -> None:
    keys = [Resources(t).properties(FUNCTION)["Code"]["S3Key"] for t in (template, other)]

    assert keys[0] != keys[1]


def test_the_longest_settings_fit_into_a_functions_environment(other: dict[str, Any]) -> None:
    environment_bytes_max = 4_096
    longest = {
        "USAGE_QUEUE_URL": len("https://sqs.ap-southeast-1.amazonaws.com/123456789012/") + 80,
        "LEDGER_TABLE": 255,
        "CUSTOMERS_TABLE": 255,
        "PRODUCT_CODE": 255,
        "DIMENSIONS": DIMENSIONS_BYTES_MAX,
    }
    told = Resources(other).properties(FUNCTION)["Environment"]["Variables"]

    values = sum(longest.get(name) or len(value) for name, value in told.items())

    assert sum(map(len, told)) + values <= environment_bytes_max
