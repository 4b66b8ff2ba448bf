from typing import Any

from infra import metering
from infra.settings import ENDING_SETTLE_MINUTES_MAX, Settings
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


def statements(resources: Resources, words: str) -> list[dict[str, Any]]:
    document = resources.properties(POLICY, words)["PolicyDocument"]
    found: list[dict[str, Any]] = document["Statement"]
    return found


def test_the_function_runs_the_handler_on_python_3_13_and_arm64(resources: Resources) -> None:
    function = resources.properties(FUNCTION)

    assert function["Handler"] == "lambdas.metering.handler.handler"
    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]


def test_the_function_is_told_what_the_handler_reads(resources: Resources) -> None:
    assert resources.properties(FUNCTION)["Environment"]["Variables"] == {
        "USAGE_QUEUE_URL": resources.ref(QUEUE),
        "LEDGER_TABLE": resources.ref(TABLE, "MeteringLedger"),
        "CUSTOMERS_TABLE": resources.ref(TABLE, "CustomersTable"),
        "METERING_REGION": "us-east-1",
        "PRODUCT_CODE": "",
        "DIMENSIONS": "[]",
        "METERING_FROM": "",
        "ID_MEMORY_HOURS": "26",
        "SETTLE_MINUTES": "10",
        "ENDING_SETTLE_MINUTES": "20",
        "POWERTOOLS_SERVICE_NAME": "metering",
        "POWERTOOLS_METRICS_NAMESPACE": "MarketplaceMetering",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_the_function_logs_json_into_a_group_of_its_own_for_400_days(resources: Resources) -> None:
    logging = resources.properties(FUNCTION)["LoggingConfig"]

    assert logging == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "LogGroup": resources.ref(LOG),
    }
    assert resources.properties(LOG) == {"RetentionInDays": 400}


def test_the_function_deploys_into_an_account_with_ten_concurrent_executions(
    resources: Resources,
) -> None:
    assert "ReservedConcurrentExecutions" not in resources.properties(FUNCTION)


def test_the_function_may_do_exactly_this(resources: Resources) -> None:
    customers = resources.arn(TABLE, "CustomersTable")

    assert statements(resources, "MeteringTick") == [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": resources.arn(LOG),
        },
        {
            "Effect": "Allow",
            "Action": ["sqs:DeleteMessage", "sqs:ReceiveMessage"],
            "Resource": resources.arn(QUEUE),
        },
        {
            "Effect": "Allow",
            "Action": [
                "dynamodb:BatchGetItem",
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            "Resource": resources.arn(TABLE, "MeteringLedger"),
        },
        {
            "Effect": "Allow",
            "Action": ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"],
            "Resource": customers,
        },
        {
            "Effect": "Allow",
            "Action": "dynamodb:Query",
            "Resource": {"Fn::Join": ["", [customers, "/index/by-state"]]},
        },
        {
            "Effect": "Allow",
            "Action": "aws-marketplace:BatchMeterUsage",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
        },
    ]


def test_the_schedule_may_only_start_the_function(resources: Resources) -> None:
    assert statements(resources, "MeteringSchedule") == [
        {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": resources.arn(FUNCTION),
        }
    ]


def test_only_this_accounts_scheduler_may_take_the_schedules_role(resources: Resources) -> None:
    document = resources.properties(ROLE, "MeteringScheduleRole")["AssumeRolePolicyDocument"]
    (statement,) = document["Statement"]

    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_nobody_has_a_managed_policy_or_a_policy_beside_these(resources: Resources) -> None:
    roles = [r["Properties"] for r in resources.all.values() if r["Type"] == ROLE]
    policies = [r for r in resources.all.values() if r["Type"] == POLICY]

    assert [set(role) for role in roles] == [{"AssumeRolePolicyDocument"}] * 2
    assert len(policies) == 2


def test_a_tick_starts_every_five_minutes_one_minute_late(resources: Resources) -> None:
    schedule = resources.properties(SCHEDULE)

    assert schedule["ScheduleExpression"] == "cron(1/5 * * * ? *)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["State"] == "ENABLED"
    assert schedule["Target"]["Arn"] == resources.arn(FUNCTION)


def test_a_tick_that_did_not_start_is_left_to_the_next_one(resources: Resources) -> None:
    interval_seconds = metering.TICK_INTERVAL_MINUTES * 60
    waiting = resources.properties("AWS::Lambda::EventInvokeConfig")

    assert resources.properties(SCHEDULE)["Target"]["RetryPolicy"] == {
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": interval_seconds,
    }
    assert waiting["FunctionName"] == resources.ref(FUNCTION)
    assert waiting["MaximumRetryAttempts"] == 0
    assert waiting["MaximumEventAgeInSeconds"] == interval_seconds


def test_a_tick_ends_before_the_next_one_starts(resources: Resources) -> None:
    assert resources.properties(FUNCTION)["Timeout"] < metering.TICK_INTERVAL_MINUTES * 60


def test_a_message_stays_hidden_for_more_than_three_time_outs(resources: Resources) -> None:
    hidden_seconds = resources.properties(QUEUE)["VisibilityTimeout"]

    assert hidden_seconds > 3 * resources.properties(FUNCTION)["Timeout"]


def test_a_tick_has_one_whole_processor(resources: Resources) -> None:
    assert resources.properties(FUNCTION)["MemorySize"] == 1769


def test_a_tick_comes_within_two_minutes_after_an_hour_has_settled() -> None:
    settle = Settings().settle_minutes
    ticks = range(metering.TICK_OFFSET_MINUTES, 60, metering.TICK_INTERVAL_MINUTES)

    assert min(tick for tick in ticks if tick >= settle) - settle < 2


def test_an_ended_license_has_three_ticks_left_to_be_sent() -> None:
    window_minutes = 60

    left = window_minutes - ENDING_SETTLE_MINUTES_MAX

    assert left >= 3 * metering.TICK_INTERVAL_MINUTES
