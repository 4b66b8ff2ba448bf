"""Metering: the usage queue, the ledger, and the function that turns one into the other.

The numbers fit each other: a tick ends before the next one starts, and a message stays hidden until
long after the tick that received it has ended.
"""

import json

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import adoption
from infra.customers import Customers
from infra.function import ServiceFunction
from infra.queue import durable_queue
from infra.schedule import invoke_on_schedule
from infra.settings import Settings
from infra.table import durable_table

# An hour settles for 10 minutes and an ended license has 60 in all: 5 are soon enough for both, and
# 288 ticks a day cost nearly nothing.
TICK_INTERVAL_MINUTES = 5
# Off the full hour, when the whole region's schedules fire, and the first tick past minute 10, when
# an hour has settled, comes one minute later.
TICK_OFFSET_MINUTES = 1
# Half a minute less than the interval, so that ticks do not overlap (if they do, they are correct
# but waste work), and enough to drain, seal and send after an outage within a few ticks.
TICK_TIMEOUT_SECONDS = 270
# At 1,769 MB a function has one whole processor (AWS Lambda developer guide, "Configure memory");
# a tick works in one Python thread at a time, so more would idle.
TICK_MEMORY_MB = 1_769
# More than three time-outs: a message never comes back while the tick that received it can still
# count or delete it, and what a killed tick held is back after a quarter of an hour.
USAGE_VISIBILITY_SECONDS = 900
# SQS's limit since August 2025; a body of many usage records may be as large.
USAGE_MESSAGE_BYTES_MAX = 1_048_576

LEDGER_EXPIRY_ATTRIBUTE = "expires"


class Metering(Construct):
    """Everything between a usage message and an accepted usage record."""

    def __init__(
        self, scope: Construct, construct_id: str, *, customers: Customers, settings: Settings
    ) -> None:
        super().__init__(scope, construct_id)
        self.queue = self._usage_queue(settings)
        self.ledger = durable_table(
            self,
            "Ledger",
            adopted=settings.adopted(adoption.LEDGER),
            expiry_attribute=LEDGER_EXPIRY_ATTRIBUTE,
        )
        tick = ServiceFunction(
            self,
            "Tick",
            capability="metering",
            handler="lambdas.metering.handler.handler",
            description="Counts usage once, seals hours, sends usage records to AWS Marketplace.",
            environment=_environment(
                settings, queue=self.queue, ledger=self.ledger, customers=customers.table
            ),
            timeout=cdk.Duration.seconds(TICK_TIMEOUT_SECONDS),
            memory_mb=TICK_MEMORY_MB,
            settings=settings,
        )
        self.function = tick.function
        self._grant_queue_and_ledger(tick.role)
        customers.grant_lookup_by_state(tick.role)
        self._grant_marketplace(tick.role, settings.metering_region)
        invoke_on_schedule(
            self,
            self.function,
            description="One tick of metering.",
            expression=scheduler.ScheduleExpression.cron(
                minute=f"{TICK_OFFSET_MINUTES}/{TICK_INTERVAL_MINUTES}"
            ),
            # A tick that did not start is made good by the next one.
            retries=0,
            waiting_age_max=cdk.Duration.minutes(TICK_INTERVAL_MINUTES),
        )

    def _usage_queue(self, settings: Settings) -> sqs.QueueBase:
        queue = durable_queue(
            self,
            "UsageQueue",
            adopted=settings.adopted(adoption.USAGE),
            visibility=cdk.Duration.seconds(USAGE_VISIBILITY_SECONDS),
            message_bytes_max=USAGE_MESSAGE_BYTES_MAX,
        )
        cdk.Validations.of(queue).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions::AwsSolutions-SQS3",
                reason="A dead-letter queue would bill twice: a message redriven from it has a new "
                "MessageId, the key under which usage without an Id is counted once. Usage that "
                "cannot be counted goes to the ledger's quarantine under its own key; whatever "
                "else fails comes back to this queue until it is counted.",
            )
        )
        return queue

    def _grant_queue_and_ledger(self, role: iam.Role) -> None:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                resources=[self.queue.queue_arn],
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "dynamodb:GetItem",
                    "dynamodb:BatchGetItem",
                    "dynamodb:Query",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DeleteItem",
                ],
                resources=[self.ledger.table_arn],
            )
        )

    def _grant_marketplace(self, role: iam.Role, metering_region: str) -> None:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["aws-marketplace:BatchMeterUsage"],
                # The action has no resource type, so `*` is the only resource that allows it.
                resources=["*"],
                # De-duplication is per region: a call elsewhere could bill an hour again.
                conditions={"StringEquals": {"aws:RequestedRegion": metering_region}},
            )
        )
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions::AwsSolutions-IAM5[Resource::*]",
                reason="aws-marketplace:BatchMeterUsage supports no resource-level permissions; "
                "the statement allows this one action, in the metering region only.",
            )
        )


def _environment(
    settings: Settings,
    *,
    queue: sqs.QueueBase,
    ledger: dynamodb.Table,
    customers: dynamodb.Table,
) -> dict[str, str]:
    started = settings.metering_from
    return {
        "USAGE_QUEUE_URL": queue.queue_url,
        "LEDGER_TABLE": ledger.table_name,
        "CUSTOMERS_TABLE": customers.table_name,
        "METERING_REGION": settings.metering_region,
        "PRODUCT_CODE": settings.product_code,
        "DIMENSIONS": json.dumps(settings.dimensions),
        "METERING": settings.metering,
        "METERING_FROM": started.isoformat() if started else "",
        "ID_MEMORY_HOURS": str(settings.id_memory_hours),
        "SETTLE_MINUTES": str(settings.settle_minutes),
        "ENDING_SETTLE_MINUTES": str(settings.ending_settle_minutes),
    }
