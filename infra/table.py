"""A DynamoDB table that outlives mistakes."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct


def durable_table(
    scope: Construct,
    construct_id: str,
    *,
    adopted: str = "",
    expiry_attribute: str | None = None,
) -> dynamodb.Table:
    """Make a table with the keys `pk` and `sk` that no deployment can delete.

    One that an earlier stack has left behind is `adopted` by its name: CloudFormation takes a table
    in that exists already, where it is deployed with `--import-existing-resources`.

    On demand, because usage comes in bursts nobody can plan. Encrypted at rest with DynamoDB's own
    key, as every table is: a key of the seller's would add a price per request and a way to lose
    the ledger. `Table` rather than `TableV2`, which makes a global table: the ledger's conditional
    writes hold within one region only.
    """
    return dynamodb.Table(
        scope,
        construct_id,
        table_name=adopted or None,
        partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        time_to_live_attribute=expiry_attribute,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        deletion_protection=True,
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )
