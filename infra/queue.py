"""An SQS queue that outlives its stack, and one that has outlived an earlier stack."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

# The longest SQS offers: if nothing receives, messages wait for an operator that long.
RETENTION_DAYS = 14


def durable_queue(
    scope: Construct,
    construct_id: str,
    *,
    adopted: str = "",
    visibility: cdk.Duration | None = None,
    message_bytes_max: int | None = None,
    dead_letters: sqs.DeadLetterQueue | None = None,
) -> sqs.QueueBase:
    """Make a queue that keeps what lies in it when the stack goes, or take the one of that name.

    Encrypted with SQS's own key, because EventBridge cannot send to a queue under the key that AWS
    manages in KMS, and closed to whoever speaks without TLS.
    """
    if adopted:
        return AdoptedQueue(scope, construct_id, name=adopted)
    return sqs.Queue(
        scope,
        construct_id,
        retention_period=cdk.Duration.days(RETENTION_DAYS),
        visibility_timeout=visibility,
        max_message_size_bytes=message_bytes_max,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        dead_letter_queue=dead_letters,
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )


class AdoptedQueue(sqs.QueueBase):
    """A queue that an earlier stack has left behind: this one uses it, and writes its policy.

    CloudFormation cannot take a queue in while it deploys, since what identifies a queue there is
    its URL, which no template may set. So the queue keeps the attributes that it has. The CDK's own
    reference to a queue would leave it without a policy, and then nobody may send.
    """

    def __init__(self, scope: Construct, construct_id: str, *, name: str) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self._name = name
        self._arn = stack.format_arn(service="sqs", resource=name)
        self._url = f"https://sqs.{stack.region}.{stack.url_suffix}/{stack.account}/{name}"
        self.add_to_resource_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["sqs:*"],
                resources=[self._arn],
                conditions={"Bool": {"aws:SecureTransport": "false"}},
            )
        )

    @property
    def _auto_create_policy(self) -> bool:
        return True

    @property
    def fifo(self) -> bool:
        """Whether messages keep their order; no queue of this stack does."""
        return False

    @property
    def queue_arn(self) -> str:
        """What policies name."""
        return self._arn

    @property
    def queue_name(self) -> str:
        """What metrics name."""
        return self._name

    @property
    def queue_url(self) -> str:
        """Where SQS answers for it."""
        return self._url

    @property
    def encryption_master_key(self) -> kms.IKey | None:
        """Nothing: who may use its key is said in the policy of the key."""
        return None

    @property
    def encryption_type(self) -> sqs.QueueEncryption | None:
        """Nothing: it is encrypted as it was made."""
        return None
