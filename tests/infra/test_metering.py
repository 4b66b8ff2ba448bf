from infra import metering
from infra.settings import ENDING_SETTLE_MINUTES_MAX, Settings
from tests.infra.template import (
    CUSTOMERS,
    FUNCTION,
    INVOCATION,
    LEDGER,
    LOG,
    QUEUE,
    SCHEDULE,
    TABLE,
    TICK,
    USAGE_QUEUE,
    Resources,
    allow,
)


def test_the_function_is_told_what_the_handler_reads(resources: Resources) -> None:
    assert resources.variables(TICK) == {
        "USAGE_QUEUE_URL": resources.ref(QUEUE, USAGE_QUEUE),
        "LEDGER_TABLE": resources.ref(TABLE, LEDGER),
        "CUSTOMERS_TABLE": resources.ref(TABLE, CUSTOMERS),
        "METERING_REGION": "us-east-1",
        "PRODUCT_CODE": "",
        "DIMENSIONS": "[]",
        "METERING": "live",
        "METERING_FROM": "",
        "ID_MEMORY_HOURS": "26",
        "SETTLE_MINUTES": "10",
        "ENDING_SETTLE_MINUTES": "20",
        "POWERTOOLS_SERVICE_NAME": "metering",
        "POWERTOOLS_METRICS_NAMESPACE": "MarketplaceMetering",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_the_function_may_do_exactly_this(resources: Resources) -> None:
    customers = resources.arn(TABLE, CUSTOMERS)
    metering_region = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}

    assert resources.allowed(TICK) == [
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], resources.arn(LOG, TICK)),
        allow(
            ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            resources.arn(QUEUE, USAGE_QUEUE),
        ),
        allow(
            [
                "dynamodb:BatchGetItem",
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            resources.arn(TABLE, LEDGER),
        ),
        allow(["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"], customers),
        allow("dynamodb:Query", {"Fn::Join": ["", [customers, "/index/by-state"]]}),
        allow("aws-marketplace:BatchMeterUsage", "*", condition=metering_region),
    ]


def test_a_tick_starts_every_five_minutes_one_minute_late(resources: Resources) -> None:
    schedule = resources.properties(SCHEDULE, "Metering")

    assert schedule["ScheduleExpression"] == "cron(1/5 * * * ? *)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["State"] == "ENABLED"
    assert schedule["Target"]["Arn"] == resources.arn(FUNCTION, TICK)


def test_a_tick_that_did_not_start_is_left_to_the_next_one(resources: Resources) -> None:
    interval_seconds = metering.TICK_INTERVAL_MINUTES * 60
    waiting = resources.properties(INVOCATION, "Metering")

    assert resources.properties(SCHEDULE, "Metering")["Target"]["RetryPolicy"] == {
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": interval_seconds,
    }
    assert waiting["FunctionName"] == resources.ref(FUNCTION, TICK)
    assert waiting["MaximumRetryAttempts"] == 0
    assert waiting["MaximumEventAgeInSeconds"] == interval_seconds


def test_a_tick_ends_before_the_next_one_starts(resources: Resources) -> None:
    assert resources.properties(FUNCTION, TICK)["Timeout"] < metering.TICK_INTERVAL_MINUTES * 60


def test_a_message_stays_hidden_for_more_than_three_time_outs(resources: Resources) -> None:
    hidden_seconds = resources.properties(QUEUE, USAGE_QUEUE)["VisibilityTimeout"]

    assert hidden_seconds > 3 * resources.properties(FUNCTION, TICK)["Timeout"]


def test_a_tick_has_one_whole_processor(resources: Resources) -> None:
    assert resources.properties(FUNCTION, TICK)["MemorySize"] == 1769


def test_a_tick_comes_within_two_minutes_after_an_hour_has_settled() -> None:
    settle = Settings().settle_minutes
    ticks = range(metering.TICK_OFFSET_MINUTES, 60, metering.TICK_INTERVAL_MINUTES)

    assert min(tick for tick in ticks if tick >= settle) - settle < 2


def test_an_ended_license_has_three_ticks_left_to_be_sent() -> None:
    window_minutes = 60

    left = window_minutes - ENDING_SETTLE_MINUTES_MAX

    assert left >= 3 * metering.TICK_INTERVAL_MINUTES
