"""A table in memory for the tests of the DynamoDB double."""

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sandbox.memory import MemoryDynamoDB
from sandbox.memory.attributes import item_size

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Wire = dict[str, Any]

ITEM_BYTES_MAX = 409_600
LOG = {"pk": {"S": "log"}}


class Stage:
    """A table with an index, a client and a clock."""

    def __init__(self, seed: int = 1, projection: Any = None) -> None:
        self.now = 1_700_000_000.0
        self.tables = MemoryDynamoDB(now=lambda: self.now, rng=Random(seed))
        self.client: DynamoDBClient = self.tables.client()
        index: Any = {
            "IndexName": "by-holder",
            "KeySchema": [{"AttributeName": "holder", "KeyType": "HASH"}],
            "Projection": projection or {"ProjectionType": "ALL"},
        }
        self.client.create_table(
            TableName="table",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "holder")
            ],
            GlobalSecondaryIndexes=[index],
            BillingMode="PAY_PER_REQUEST",
        )
        self.tables.reset_counters()

    def put(self, sk: str, **rest: Wire) -> None:
        self.client.put_item(TableName="table", Item={**key(sk), **rest})

    def get(self, sk: str, *, consistent: bool = True) -> Any:
        answer = self.client.get_item(TableName="table", Key=key(sk), ConsistentRead=consistent)
        return answer.get("Item")

    def update(self, sk: str, expression: str, **values: Wire) -> Any:
        arguments: Wire = {"UpdateExpression": expression, "ReturnValues": "ALL_NEW"}
        if values:
            arguments["ExpressionAttributeValues"] = {f":{k}": v for k, v in values.items()}
        return self.client.update_item(TableName="table", Key=key(sk), **arguments)["Attributes"]

    def query(self, **more: Any) -> Any:
        arguments: Wire = {
            "TableName": "table",
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "log"}},
        }
        return self.client.query(**(arguments | more))

    def of_holder(self, **more: Any) -> Any:
        return self.query(
            IndexName="by-holder",
            KeyConditionExpression="holder = :h",
            ExpressionAttributeValues={":h": {"S": "x"}},
            **more,
        )

    @property
    def units(self) -> tuple[float, float]:
        """Read and write units since the counters were reset."""
        use = self.tables.counters.table("table")
        return use.read_units, use.write_units


def key(sk: str) -> Any:
    return {**LOG, "sk": {"S": sk}}


def item_of(size: int) -> Any:
    """An item that weighs exactly so many bytes."""
    empty = {**key("1"), "b": {"B": b""}}
    return {**empty, "b": {"B": b"x" * (size - item_size(empty))}}


def sks(answer: Any) -> list[str]:
    return [item["sk"]["S"] for item in answer["Items"]]


def refused(message: str) -> Any:
    """The ValidationException with this message."""
    return pytest.raises(ClientError, match=message)
