"""A KMS key of the seller's, and all that is at rest in a stack under it.

The roles of the functions are the same with and without it: whoever may use a table or a queue of
this account may use the key for that, and for nothing else, as with AWS's own keys in KMS.
"""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

# What a service needs to write under the key: a new data key, and to read back one it has cached.
WRITING = ("kms:Decrypt", "kms:GenerateDataKey")
USING = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")


class Encryption(Construct):
    """The key. It outlives the stack, as what is encrypted with it does."""

    key: kms.IKey

    def __init__(
        self, scope: Construct, construct_id: str, *, adopted: str, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(scope, construct_id)
        if adopted:
            self.key = kms.Key.from_key_arn(self, "Key", adopted)
        else:
            self.key = kms.Key(
                self,
                "Key",
                description=f"Usage, licenses and logs of {cdk.Stack.of(self).stack_name}.",
                enable_key_rotation=True,
                removal_policy=cdk.RemovalPolicy.RETAIN,
                policy=_key_policy(cdk.Stack.of(self), topics),
            )

    def protect(self, stack: cdk.Stack) -> None:
        """Put every table, queue, topic and log group that the stack has by now under the key."""
        for construct in stack.node.find_all():
            if isinstance(construct, dynamodb.CfnTable):
                construct.sse_specification = dynamodb.CfnTable.SSESpecificationProperty(
                    sse_enabled=True, sse_type="KMS", kms_master_key_id=self.key.key_arn
                )
            elif isinstance(construct, sqs.CfnQueue):
                construct.kms_master_key_id = self.key.key_arn
                # The two exclude each other.
                construct.sqs_managed_sse_enabled = None
            elif isinstance(construct, sns.CfnTopic):
                construct.kms_master_key_id = self.key.key_arn
            elif isinstance(construct, logs.CfnLogGroup):
                construct.kms_key_id = self.key.key_arn


def _key_policy(stack: cdk.Stack, topics: Sequence[str]) -> iam.PolicyDocument:
    """Say who may use the key; whom the account lets administrate it is for the account's IAM.

    No statement names a resource of the stack: those name the key, and it outlives them.
    """
    statements = [
        iam.PolicyStatement(
            principals=[iam.AccountRootPrincipal()], actions=["kms:*"], resources=["*"]
        ),
        _through(stack, ("dynamodb", "sqs"), USING),
        # DynamoDB keeps a table readable to itself by a grant.
        _through(
            stack, ("dynamodb",), ("kms:CreateGrant",), Bool={"kms:GrantIsForAWSResource": "true"}
        ),
        # EventBridge says nothing of its source to KMS (SNS developer guide, page
        # "sns-key-management"); which rule may send is in the policies of the queues.
        _service("events.amazonaws.com", WRITING),
        _service(
            "cloudwatch.amazonaws.com",
            WRITING,
            StringEquals={"aws:SourceAccount": stack.account},
        ),
        # CloudWatch Logs user guide, page "encrypt-log-data-kms".
        _service(
            f"logs.{stack.region}.amazonaws.com",
            USING,
            ArnLike={
                "kms:EncryptionContext:aws:logs:arn": stack.format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name="*",
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
            },
        ),
    ]
    if topics:
        statements.append(
            _service("sns.amazonaws.com", WRITING, ArnEquals={"aws:SourceArn": list(topics)})
        )
    return iam.PolicyDocument(statements=statements)


def _through(
    stack: cdk.Stack, services: Sequence[str], actions: Sequence[str], **conditions: object
) -> iam.PolicyStatement:
    """Let the account's principals do this, where one of these services does it for them."""
    via = [f"{service}.{stack.region}.amazonaws.com" for service in services]
    mine = {"kms:CallerAccount": stack.account, "kms:ViaService": via}
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()],
        actions=list(actions),
        resources=["*"],
        conditions={"StringEquals": mine, **conditions},
    )


def _service(name: str, actions: Sequence[str], **conditions: object) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(name)],
        actions=list(actions),
        resources=["*"],
        conditions=conditions,
    )
