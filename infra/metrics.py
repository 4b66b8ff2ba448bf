"""The functions' own metrics, and those of AWS, as alarms and dashboard ask for them."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

# What a function calls itself, so that three metrics of one name are three: the dimension that
# Powertools adds.
METERING = "metering"
REGISTRATION = "registration"
SUBSCRIPTION = "subscription"

# By their names in lambdas/telemetry.py, of metering …
TICKS = "Ticks"
COUNTED = "UsageCounted"
DUPLICATES = "UsageDuplicates"
QUARANTINED = "UsageQuarantined"
IN_QUARANTINE = "UsageInQuarantine"
OLDEST_UNBILLED = "OldestUnbilledUsage"
HOURS_SEALED = "HoursSealed"
RECORDS_SENT = "RecordsSent"
RECORDS_ACCEPTED = "RecordsAccepted"
RECORDS_CONFLICT = "RecordsConflict"
RECORDS_EXPIRED = "RecordsExpired"
RECORDS_UNCONFIRMED = "RecordsUnconfirmed"
CALLS_REFUSED = "CallsRefused"
RECORDS_UNFINISHED = "RecordsUnfinished"
RECORDS_AT_RISK = "RecordsAtRisk"
QUANTITY_PARKED = "QuantityParked"
FINAL_FLUSH_LEFT = "FinalFlushTimeLeft"
LICENSES_ENDING = "LicensesEnding"
# … of registration …
REGISTRATIONS = "Registrations"
REGISTRATIONS_FAILED = "RegistrationsFailed"
# … and of subscription.
EVENTS = "SubscriptionEvents"
EVENTS_FAILED = "SubscriptionEventsFailed"
LICENSE_DIFFERENCES = "LicenseDifferences"
LICENSES_PENDING = "LicensesPending"
LICENSES_ACTIVE = "LicensesActive"

# As often as a tick: what happens once is seen in the next period.
PERIOD_MINUTES = 5
PERIOD = cdk.Duration.minutes(PERIOD_MINUTES)


def namespace(scope: Construct) -> str:
    """Name the stack's own metrics by the stack, so that two in one account do not add up."""
    return cdk.Stack.of(scope).stack_name


def own(
    scope: Construct,
    service: str,
    name: str,
    statistic: str = cloudwatch.Stats.SUM,
    *,
    period: cdk.Duration = PERIOD,
) -> cloudwatch.Metric:
    """Name a metric that a function emits."""
    return cloudwatch.Metric(
        namespace=namespace(scope),
        metric_name=name,
        dimensions_map={"service": service},
        statistic=statistic,
        period=period,
    )


def age_of_oldest(queue: sqs.QueueBase, *, label: str | None = None) -> cloudwatch.Metric:
    """Name SQS's own age of the oldest message in a queue, in seconds."""
    return queue.metric_approximate_age_of_oldest_message(
        period=PERIOD, statistic=cloudwatch.Stats.MAXIMUM, label=label
    )


def waiting(queue: sqs.QueueBase, *, label: str | None = None) -> cloudwatch.Metric:
    """Name SQS's own number of messages that lie in a queue."""
    return queue.metric_approximate_number_of_messages_visible(
        period=PERIOD, statistic=cloudwatch.Stats.MAXIMUM, label=label
    )


def failures(function: lambda_.Function, *, label: str) -> cloudwatch.MathExpression:
    """Add up how often a function failed, or could not start for want of a free execution.

    Args:
        function: the function.
        label: its name, one word in lower case, which tells it from others in one graph.
    """
    # A period without a throttle tells nothing, and a sum with nothing in it is nothing.
    return cloudwatch.MathExpression(
        expression=f"FILL({label}_errors, 0) + FILL({label}_throttles, 0)",
        using_metrics={
            f"{label}_errors": function.metric_errors(period=PERIOD),
            f"{label}_throttles": function.metric_throttles(period=PERIOD),
        },
        label=label,
        period=PERIOD,
    )
