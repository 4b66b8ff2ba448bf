"""Queues where messages wait that could not be delivered or applied."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.queue import durable_queue


def dead_letter_queue(scope: Construct, construct_id: str, *, adopted: str = "") -> sqs.QueueBase:
    """Make a queue that nothing reads; an alarm watches whether it is empty."""
    queue = durable_queue(scope, construct_id, adopted=adopted)
    cdk.Validations.of(queue).acknowledge(
        cdk.Acknowledgment(
            id="AwsSolutions::AwsSolutions-SQS3",
            reason="This is a dead-letter queue itself: of a queue, or of a rule's target, which "
            "the check does not see. Nothing receives from it, so nothing could move on.",
        )
    )
    return queue
