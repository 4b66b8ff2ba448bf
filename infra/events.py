"""Which events of AWS Marketplace the stack listens to, and who may publish events of ours."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam

# AWS Marketplace's user guide, page "saas-eventbridge-integration": the events arrive on the
# seller account's default bus in this region, and in no other.
MARKETPLACE_EVENTS_REGION = "us-east-1"
MARKETPLACE_EVENTS_SOURCE = "aws.agreement-marketplace"
# The beginnings of the detail-types, because they end in who is told: "- Proposer" where the seller
# made the offer, "- Manufacturer" where a channel partner did.
MARKETPLACE_DETAIL_TYPES = (
    "Purchase Agreement ",
    "License ",
    "Agreement Cancellation Request ",
    "Spend Threshold ",
)

# The bus that a seller's other rules listen on already.
EVENT_BUS = "default"
OUR_SOURCE = "marketplace-metering"

# EventBridge's most for both: an event that waits for its target is better than a missed one.
DELIVERY_AGE_HOURS_MAX = 24
DELIVERY_TRIES_MAX = 185


def marketplace_events() -> events.EventPattern:
    """Match what happens to agreements and licenses of the account's products."""
    beginnings: list[Any] = events.Match.any_of(
        *(events.Match.prefix(each) for each in MARKETPLACE_DETAIL_TYPES)
    )
    return events.EventPattern(source=[MARKETPLACE_EVENTS_SOURCE], detail_type=beginnings)


def default_bus_arn(stack: cdk.Stack, region: str) -> str:
    """Name the default bus of the stack's account in a region."""
    return stack.format_arn(
        service="events", region=region, resource="event-bus", resource_name=EVENT_BUS
    )


def grant_publishing(role: iam.Role) -> None:
    """Let a function tell the seller's systems what happened, in our name and no other."""
    stack = cdk.Stack.of(role)
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["events:PutEvents"],
            resources=[default_bus_arn(stack, stack.region)],
            # One call carries many events, each with a source: all of them must be ours.
            conditions={
                "ForAllValues:StringEquals": {"events:source": OUR_SOURCE},
                "Null": {"events:source": "false"},
            },
        )
    )
