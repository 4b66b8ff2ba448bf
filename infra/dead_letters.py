"""Queues where messages wait that could not be delivered or applied."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

# The longest SQS offers: they wait for a person that long.
DEAD_LETTERS_RETENTION_DAYS = 14


def dead_letter_queue(scope: Construct, construct_id: str) -> sqs.Queue:
    """Make a queue that nothing reads; an alarm watches whether it is empty."""
    queue = sqs.Queue(
        scope,
        construct_id,
        retention_period=cdk.Duration.days(DEAD_LETTERS_RETENTION_DAYS),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )
    cdk.Validations.of(queue).acknowledge(
        cdk.Acknowledgment(
            id="AwsSolutions::AwsSolutions-SQS3",
            reason="This is a dead-letter queue itself: of a queue, or of a rule's target, which "
            "the check does not see. Nothing receives from it, so nothing could move on.",
        )
    )
    return queue
