"""The second, small stack: it forwards AWS Marketplace's events to the region of the first.

docs/decisions/0013-events-stack.md says why it is a stack and what it can lose.
"""

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_events as eventbridge
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import adoption, events
from infra.alarms import AlarmTopic
from infra.dead_letters import dead_letter_queue
from infra.encryption import Encryption
from infra.settings import Settings
from infra.stack import synthesizer


class EventsStack(cdk.Stack):
    """A rule whose target is the default bus of another region, where the main stack listens."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Forwards AWS Marketplace's events to {settings.region}.",
            env=cdk.Environment(region=events.MARKETPLACE_EVENTS_REGION),
            synthesizer=synthesizer(settings),
        )
        undelivered = dead_letter_queue(
            self, "Undelivered", adopted=settings.adopted(adoption.FORWARDING_UNDELIVERED)
        )
        rule = eventbridge.Rule(
            self,
            "Rule",
            description=f"AWS Marketplace's events, forwarded to {settings.region}.",
            event_pattern=events.marketplace_events(),
            targets=[
                targets.EventBus(
                    eventbridge.EventBus.from_event_bus_arn(
                        self, "Bus", events.default_bus_arn(self, settings.region)
                    ),
                    dead_letter_queue=undelivered,
                    # Nobody of another account can hand it to EventBridge: iam:PassRole stays
                    # within one.
                    role=iam.Role(
                        self, "Role", assumed_by=iam.ServicePrincipal("events.amazonaws.com")
                    ),
                )
            ],
        )
        # The target for buses has no arguments for it.
        cast("eventbridge.CfnRule", rule.node.default_child).add_property_override(
            "Targets.0.RetryPolicy",
            {
                "MaximumEventAgeInSeconds": events.DELIVERY_AGE_HOURS_MAX * 3600,
                "MaximumRetryAttempts": events.DELIVERY_TRIES_MAX,
            },
        )
        AlarmTopic(self, "Bell", email=settings.alarm_email).ring_if_not_empty(
            "EventsUndelivered",
            undelivered,
            tells="EventBridge could not forward an event of AWS Marketplace to "
            f"{settings.region}. The attributes of the message in the dead-letter queue say why. "
            "Mend that, then send the bodies of the messages to the subscription queue there.",
        )
        cdk.CfnOutput(
            self,
            adoption.FORWARDING_UNDELIVERED,
            value=undelivered.queue_url,
            description="Events that could not be forwarded; outlives the stack.",
        )
        if settings.customer_managed_key:
            encryption = Encryption(
                self, "Encryption", adopted=settings.adopted(adoption.FORWARDING_KEY)
            )
            encryption.protect(self)
            cdk.CfnOutput(
                self,
                adoption.FORWARDING_KEY,
                value=encryption.key.key_arn,
                description="What everything is encrypted with; outlives the stack.",
            )
