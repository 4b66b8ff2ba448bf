"""AWS's list prices, us-east-1, in one table with their date; no free tier is taken off."""

from dataclasses import dataclass

PRICED_ON = "2026-11-23"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """A price in dollars, for so many of something, and the page that says so."""

    dollars: float
    per: int
    what: str
    source: str

    def of(self, number: float) -> float:
        """What so many cost."""
        return number * self.dollars / self.per


SQS_REQUEST = Price(
    0.40, MILLION, "SQS request, standard queue, each 64 KB", "https://aws.amazon.com/sqs/pricing/"
)
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
WRITE_UNIT = Price(0.625, MILLION, "DynamoDB write request unit, on demand", _DYNAMODB)
READ_UNIT = Price(0.125, MILLION, "DynamoDB read request unit, on demand", _DYNAMODB)
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
INVOCATION = Price(0.20, MILLION, "Lambda request", _LAMBDA)
GB_SECOND = Price(13.3334, MILLION, "Lambda GB-second, arm64", _LAMBDA)
SCHEDULE = Price(
    1.00, MILLION, "EventBridge Scheduler invocation", "https://aws.amazon.com/eventbridge/pricing/"
)
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
LOG_GB = Price(0.50, 1, "CloudWatch Logs, GB taken in", _CLOUDWATCH)
METRIC_MONTH = Price(0.30, 1, "CloudWatch metric, month, by the hour", _CLOUDWATCH)
DASHBOARD = Price(
    3.00, 1, "CloudWatch dashboard, month; an account's first three: none", _CLOUDWATCH
)
ALARM = Price(0.10, 1, "CloudWatch alarm, each metric in it, month", _CLOUDWATCH)
COMPOSITE_ALARM = Price(0.50, 1, "CloudWatch composite alarm, month", _CLOUDWATCH)

PRICES = (
    *(SQS_REQUEST, WRITE_UNIT, READ_UNIT, INVOCATION, GB_SECOND, SCHEDULE),
    *(LOG_GB, METRIC_MONTH, DASHBOARD, ALARM, COMPOSITE_ALARM),
)

CALL_S = 0.010
"""What a function waits for one request to SQS or DynamoDB, by assumption."""

METERING_CALL_S = 0.150
"""What it waits for BatchMeterUsage, by assumption."""

TICK_GB = 1_769 / 1_024
SMALL_GB = 512 / 1_024
"""Memory of the metering function and of the others (infra/)."""


def tick_seconds(
    *, cpu_s: float, waited_s: float, calls: int, metering_calls: int, threads: int
) -> float:
    """Model how long the metering function runs: its CPU, and then it waits.

    Waiting is shared by the threads; calls of BatchMeterUsage start a tenth of a second apart.
    Nothing overlaps with the CPU, so this is more than it will be.
    """
    spacing_s = max(0.102, METERING_CALL_S / threads)
    return cpu_s + waited_s + calls * CALL_S / threads + metering_calls * spacing_s
