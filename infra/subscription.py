"""Subscription: AWS Marketplace's events through a queue into the function that applies them.

Events come at least once and in any order, and the function applies each once by its own id, so
this queue may do what the usage queue must not: give up on a message, and be redriven.
"""

import json

import aws_cdk as cdk
from aws_cdk import aws_events as eventbridge
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import adoption, events
from infra.customers import Customers
from infra.dead_letters import dead_letter_queue
from infra.function import ServiceFunction
from infra.queue import durable_queue
from infra.registration import Registration
from infra.schedule import invoke_on_schedule
from infra.settings import Settings

# Ten events, each some writes and perhaps a question to AWS Marketplace, which may be slow.
EVENTS_TIMEOUT_SECONDS = 60
EVENTS_BATCH = 10
# Lambda's developer guide, page "with-sqs": six time-outs, so that a batch that Lambda itself tries
# again is not in the hands of two.
EVENTS_VISIBILITY_SECONDS = 6 * EVENTS_TIMEOUT_SECONDS
# An hour of tries, six minutes apart: what fails for longer is not a passing fault. By then the
# queue's age has called a person twice, and from the dead-letter queue nothing is lost.
EVENTS_RECEIVES_MAX = 10
# Lambda's least. Events are few; a backlog of them must not take the ten concurrent executions that
# a new account may have from the functions that count usage and let buyers in.
EVENTS_CONCURRENCY_MAX = 2
# Work with DynamoDB and JSON of a few kilobytes, mostly waiting.
MEMORY_MB = 512

# As often as a tick of metering, between two of which an ended license must not be forgotten.
SWEEP_INTERVAL_MINUTES = 5
# Two minutes after the tick that may have sent an ended license's last usage.
SWEEP_OFFSET_MINUTES = 3
# Less than the interval, so that sweeps do not overlap.
SWEEP_TIMEOUT_SECONDS = 240

# At night for Europe and America alike, off the full hour.
RECONCILIATION_HOUR = 2
RECONCILIATION_MINUTE = 40
# Lambda's longest: a page of agreements at a time, every agreement of the product.
RECONCILIATION_TIMEOUT_SECONDS = 900
# What it has compared before it failed is compared again: that costs calls, not correctness.
RECONCILIATION_RETRIES = 2
RECONCILIATION_WAITING_HOURS_MAX = 2

# GetEntitlements is answered nowhere else (AWS Marketplace's user guide, "checking-entitlements");
# where agreements are, no page says, and this is where the events of all of them arrive.
MARKETPLACE_API_REGION = "us-east-1"


class Subscription(Construct):
    """Everything between what happens to an agreement and the state of a license."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        customers: Customers,
        registration: Registration,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        self._customers = customers
        self._settings = settings
        self.dead_letters = dead_letter_queue(
            self, "DeadLetters", adopted=settings.adopted(adoption.DEAD_LETTERS)
        )
        self.undelivered = dead_letter_queue(
            self, "Undelivered", adopted=settings.adopted(adoption.UNDELIVERED)
        )
        self.queue = self._queue()
        self._listen()
        self._listen_to_topics()

        self.function = self._apply_events()
        self.sweep_function = self._sweep(registration)
        self.reconciliation_function = (
            None if settings.reconciliation == "off" else self._reconcile()
        )

    def _queue(self) -> sqs.QueueBase:
        return durable_queue(
            self,
            "Events",
            adopted=self._settings.adopted(adoption.EVENTS),
            visibility=cdk.Duration.seconds(EVENTS_VISIBILITY_SECONDS),
            dead_letters=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=EVENTS_RECEIVES_MAX
            ),
        )

    def _listen(self) -> None:
        eventbridge.Rule(
            self,
            "Rule",
            description="What happens to agreements and licenses of this account's products.",
            event_pattern=events.marketplace_events(),
            targets=[
                targets.SqsQueue(
                    self.queue,
                    dead_letter_queue=self.undelivered,
                    max_event_age=cdk.Duration.hours(events.DELIVERY_AGE_HOURS_MAX),
                    retry_attempts=events.DELIVERY_TRIES_MAX,
                )
            ],
        )

    def _listen_to_topics(self) -> None:
        for number, arn in enumerate(self._settings.sns_topics, start=1):
            topic = sns.Topic.from_topic_arn(self, f"Topic{number}", arn)
            sns.Subscription(
                self,
                f"Topic{number}Subscription",
                topic=topic,
                protocol=sns.SubscriptionProtocol.SQS,
                endpoint=self.queue.queue_arn,
                # The envelope carries the id and the time, which the messages themselves lack.
                raw_message_delivery=False,
                region=events.MARKETPLACE_EVENTS_REGION,
            )
            self.queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("sns.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[self.queue.queue_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": arn}},
                )
            )

    def _apply_events(self) -> lambda_.Function:
        made = ServiceFunction(
            self,
            "Apply",
            capability="subscription",
            handler="lambdas.subscription.handler.handler",
            description="Applies what AWS Marketplace tells of agreements and licenses, once.",
            environment={
                "CUSTOMERS_TABLE": self._customers.table.table_name,
                "EVENT_BUS": events.EVENT_BUS,
                **_product(self._settings),
                "CONCURRENT_AGREEMENTS": str(self._settings.concurrent_agreements).lower(),
            },
            timeout=cdk.Duration.seconds(EVENTS_TIMEOUT_SECONDS),
            memory_mb=MEMORY_MB,
            settings=self._settings,
        )
        self._customers.grant_lookup(made.role)
        self._customers.grant_changes(made.role)
        events.grant_publishing(made.role)
        if self._settings.contracts:
            _grant_marketplace(made.role, "GetEntitlements")
        made.role.add_to_policy(
            iam.PolicyStatement(
                # What Lambda needs to read the queue for the function.
                actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                resources=[self.queue.queue_arn],
            )
        )
        made.function.add_event_source_mapping(
            "Events",
            event_source_arn=self.queue.queue_arn,
            batch_size=EVENTS_BATCH,
            max_concurrency=EVENTS_CONCURRENCY_MAX,
            report_batch_item_failures=True,
        )
        return made.function

    def _sweep(self, registration: Registration) -> lambda_.Function:
        made = ServiceFunction(
            self,
            "Sweep",
            capability="subscription",
            handler="lambdas.subscription.handler.sweep",
            description="Ends licenses whose last hour is over; publishes what was left behind.",
            environment={
                "CUSTOMERS_TABLE": self._customers.table.table_name,
                "REGISTRATIONS_TABLE": registration.table.table_name,
                "EVENT_BUS": events.EVENT_BUS,
            },
            timeout=cdk.Duration.seconds(SWEEP_TIMEOUT_SECONDS),
            memory_mb=MEMORY_MB,
            settings=self._settings,
        )
        self._customers.grant_lookup_by_state(made.role)
        self._customers.grant_changes(made.role)
        registration.grant_outbox(made.role)
        events.grant_publishing(made.role)
        invoke_on_schedule(
            made,
            made.function,
            description="One sweep of the licenses.",
            expression=scheduler.ScheduleExpression.cron(
                minute=f"{SWEEP_OFFSET_MINUTES}/{SWEEP_INTERVAL_MINUTES}"
            ),
            # A sweep that did not start is made good by the next one.
            retries=0,
            waiting_age_max=cdk.Duration.minutes(SWEEP_INTERVAL_MINUTES),
        )
        return made.function

    def _reconcile(self) -> lambda_.Function:
        made = ServiceFunction(
            self,
            "Reconcile",
            capability="subscription",
            handler="lambdas.subscription.handler.reconcile",
            description="Compares licenses with AWS Marketplace's agreements, every night.",
            environment={
                "CUSTOMERS_TABLE": self._customers.table.table_name,
                "EVENT_BUS": events.EVENT_BUS,
                **_product(self._settings),
                "PRODUCT_CODE": self._settings.product_code,
                "RECONCILIATION": self._settings.reconciliation,
            },
            timeout=cdk.Duration.seconds(RECONCILIATION_TIMEOUT_SECONDS),
            memory_mb=MEMORY_MB,
            settings=self._settings,
        )
        self._customers.grant_lookup_by_state(made.role)
        self._customers.grant_changes(made.role)
        events.grant_publishing(made.role)
        contracts = ("GetEntitlements",) if self._settings.contracts else ()
        _grant_marketplace(made.role, "SearchAgreements", "GetAgreementEntitlements", *contracts)
        invoke_on_schedule(
            made,
            made.function,
            description="The nightly comparison of licenses with agreements.",
            expression=scheduler.ScheduleExpression.cron(
                hour=str(RECONCILIATION_HOUR), minute=str(RECONCILIATION_MINUTE)
            ),
            retries=RECONCILIATION_RETRIES,
            waiting_age_max=cdk.Duration.hours(RECONCILIATION_WAITING_HOURS_MAX),
        )
        return made.function


def _product(settings: Settings) -> dict[str, str]:
    return {
        "CONTRACTS": str(settings.contracts).lower(),
        "PRODUCT_IDS": json.dumps(settings.product_ids),
    }


def _grant_marketplace(role: iam.Role, *questions: str) -> None:
    """Let a function ask AWS Marketplace; none of these changes anything."""
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[f"aws-marketplace:{each}" for each in questions],
            # None of the actions has a resource type, so `*` is the only resource that allows it.
            resources=["*"],
            conditions={"StringEquals": {"aws:RequestedRegion": MARKETPLACE_API_REGION}},
        )
    )
    cdk.Validations.of(role).acknowledge(
        cdk.Acknowledgment(
            id="AwsSolutions::AwsSolutions-IAM5[Resource::*]",
            reason="AWS Marketplace's actions support no resource-level permissions; the statement "
            f"allows {', '.join(questions)}, which only read, in one region only.",
        )
    )
