"""Announcements that are written but perhaps not published yet: one partition of a table."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lambdas.customers.announcements import Announcement, Change

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Outbox:
    """Holds announcements between the change they tell of and their publication.

    Whoever changes something puts the announcement in the same transaction (`put`), publishes it
    and deletes it; if it dies in between, whoever sweeps finds it here.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def put(self, each: Announcement) -> Any:
        """Make the part of a transaction that writes an announcement."""
        return {
            "Put": {
                "TableName": self._table,
                "Item": {
                    **_key(each.id),
                    "change": {"S": str(each.change)},
                    "detail": {"S": json.dumps(each.detail)},
                    "at_s": {"N": str(each.at_s)},
                    "version": {"N": str(each.version)},
                },
            }
        }

    def leftovers(self) -> Iterator[Announcement]:
        """Read what is written and not deleted, consistently."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "outbox"}},
            ConsistentRead=True,
        )
        for item in (item for page in pages for item in page["Items"]):
            yield Announcement(
                id=item["sk"]["S"],
                change=Change(item["change"]["S"]),
                detail=json.loads(item["detail"]["S"]),
                at_s=int(item["at_s"]["N"]),
                version=int(item["version"]["N"]),
            )

    def delete(self, each: Announcement) -> None:
        """Forget an announcement that was published."""
        self._client.delete_item(TableName=self._table, Key=_key(each.id))


def _key(announcement_id: str) -> Any:
    return {"pk": {"S": "outbox"}, "sk": {"S": announcement_id}}
