"""Who may be metered: the table that registration and subscription fill and metering reads."""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import adoption
from infra.settings import Settings
from infra.table import durable_table

STATE_INDEX = "by-state"


class Customers(Construct):
    """The customers table, with an index that finds the licenses of a state."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.table = durable_table(self, "Table", adopted=settings.adopted(adoption.CUSTOMERS))
        self.table.add_global_secondary_index(
            index_name=STATE_INDEX,
            partition_key=dynamodb.Attribute(name="state", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            projection_type=dynamodb.ProjectionType.ALL,
        )

    def grant_lookup(self, role: iam.Role) -> None:
        """Let a function find licenses by key, without reading the whole table."""
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"],
                resources=[self.table.table_arn],
            )
        )

    def grant_lookup_by_state(self, role: iam.Role) -> None:
        """Let a function find licenses by key or by state."""
        self.grant_lookup(role)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["dynamodb:Query"],
                resources=[f"{self.table.table_arn}/index/{STATE_INDEX}"],
            )
        )

    def grant_changes(self, role: iam.Role) -> None:
        """Let a function write licenses and what happened to them, in transactions too.

        A transaction needs what its parts need, here puts under conditions; nothing more.
        """
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["dynamodb:PutItem", "dynamodb:DeleteItem"],
                resources=[self.table.table_arn],
            )
        )
