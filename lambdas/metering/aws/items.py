"""A DynamoDB table, item by item, as the classes of the ledger table read and write it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lambdas.metering.hours import DAY_HOURS, HOUR_S
from lambdas.versions import check_version

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DAY_S = DAY_HOURS * HOUR_S

AUDIT_KEPT_DAYS = 396
"""Thirteen months: a year of invoices, and the month in which the last is questioned."""

Place = tuple[int, int]
"""A record by the number of its seal and its place in it."""


class Items:
    """Consistent reads, and writes that tell whether their condition held."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self.client = client
        self.table = table

    def get(self, key: dict[str, Any]) -> dict[str, Any]:
        """Read an item; empty if there is none."""
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return answer.get("Item", {})

    def query(
        self, condition: str, values: dict[str, Any], **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Read items in order, page by page."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **arguments,
        )
        for page in pages:
            yield from page["Items"]

    def update_if(self, key: dict[str, Any], arguments: dict[str, Any]) -> bool:
        """Update an item if the condition among the arguments holds, and tell whether it did."""
        try:
            self.client.update_item(TableName=self.table, Key=key, **arguments)
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def check_item(item: Mapping[str, Any], known: int) -> None:
    """Refuse an item that a newer release has written (`UnknownVersionError`)."""
    check_version(item, known, item["pk"]["S"], item["sk"]["S"])
