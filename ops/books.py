"""What a person asks of the ledger table and no tick does: statements, lists, how far it has come.

Only reads. `lambdas.metering.aws` writes what is read here, and says what it is.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws import LedgerTable
from lambdas.metering.aws.items import Items
from lambdas.metering.aws.outcomes import OUTCOME_VERSION
from lambdas.metering.aws.quarantine import DISMISSED, QUARANTINED_VERSION
from lambdas.metering.hours import Hour, hour_from_text, hour_text
from lambdas.metering.ledger import Packed, Seal, unpack
from lambdas.versions import VERSION, check_version
from ops.lines import Line

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_DIMENSION = "d:"
_LAST_ENTRY = "9" * 12
_NAME = re.compile(r"[0-9a-f]{1,32}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Usage in quarantine, without its text."""

    name: str
    reason: str
    field: str
    tell: str
    message_id: str
    index: int | None
    arrived_s: int
    first_s: int
    version: str
    dismissed_s: int | None


class Books:
    """The ledger table, for reading."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._items = Items(client, table)

    def lines(self, who: LicenseKey, first: Hour, last: Hour) -> list[Line]:
        """Read the outcomes of a license for a stretch of hours, oldest first."""
        return list(self._lines(who, first, last, forward=True))

    def lines_back(self, who: LicenseKey, last: Hour, hours: int) -> Iterator[Line]:
        """Read the outcomes of a license, newest first, page by page as they are wanted."""
        yield from self._lines(who, Hour(last - hours), last, forward=False)

    def newest_entry_s(self) -> int | None:
        """Return when the log was written last; None while it is empty."""
        answer = self._items.client.query(
            TableName=self._items.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "log"}},
            ProjectionExpression="#at",
            ExpressionAttributeNames={"#at": "at"},
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=1,
        )
        return int(answer["Items"][0]["at"]["N"]) if answer["Items"] else None

    def sealed_licenses(self, since_s: int, seen: Callable[[int], None]) -> set[LicenseKey]:
        """Read which licenses had a record since a time, announced customers or not.

        The log is read back page by page, as far as that: entries are in order of time, give or
        take the clocks of ticks.
        """
        found: set[LicenseKey] = set()
        for number, item in enumerate(
            self._items.query(
                "pk = :pk AND sk <= :sk",
                {":pk": {"S": "log"}, ":sk": {"S": _LAST_ENTRY}},
                ScanIndexForward=False,
                ProjectionExpression="#kind, #v, #at, #body",
                ExpressionAttributeNames={
                    "#kind": "kind",
                    "#v": "v",
                    "#at": "at",
                    "#body": "body",
                },
            ),
            start=1,
        ):
            seen(number)
            entry_s = int(item["at"]["N"])
            if entry_s < since_s:
                break
            if item["kind"]["S"] != "seal":
                continue
            seal = unpack(Packed("seal", int(item["v"]["N"]), entry_s, b"", item["body"]["B"]))
            assert isinstance(seal, Seal)
            found |= seal.records.keys()
        return found

    def quarantine_size(self) -> int:
        """Count what is in quarantine and was not dismissed."""
        pages = self._items.client.get_paginator("query").paginate(
            TableName=self._items.table,
            KeyConditionExpression="pk = :pk",
            FilterExpression=f"attribute_not_exists({DISMISSED})",
            ExpressionAttributeValues={":pk": {"S": "quarantine"}},
            Select="COUNT",
            ConsistentRead=True,
        )
        return sum(page["Count"] for page in pages)

    def quarantined(self, begins: str = "") -> Iterator[Waiting]:
        """List what is in quarantine, all of it or what has a name that begins like this."""
        if begins and _NAME.fullmatch(begins) is None:
            return
        condition, values = "pk = :pk", {":pk": {"S": "quarantine"}}
        if begins:
            condition += " AND begins_with(sk, :begins)"
            values[":begins"] = {"S": begins}
        names = (
            *("reason", "field", "tell", "message_id", "index", "arrived", "first", "version"),
            DISMISSED,
        )
        for item in self._items.query(
            condition,
            values,
            ProjectionExpression=", ".join(("sk", VERSION, *(f"#{name}" for name in names))),
            ExpressionAttributeNames={f"#{name}": name for name in names},
        ):
            check_version(item, QUARANTINED_VERSION, "quarantine", item["sk"]["S"])
            yield Waiting(
                name=item["sk"]["S"],
                reason=item["reason"]["S"],
                field=item["field"].get("S", ""),
                tell=item["tell"]["S"],
                message_id=item["message_id"]["S"],
                index=int(item["index"]["N"]) if "N" in item["index"] else None,
                arrived_s=int(item["arrived"]["N"]),
                first_s=int(item["first"]["N"]),
                version=item["version"]["S"],
                dismissed_s=int(item[DISMISSED]["N"]) if DISMISSED in item else None,
            )

    def _lines(self, who: LicenseKey, first: Hour, last: Hour, *, forward: bool) -> Iterator[Line]:
        for item in self._items.query(
            "pk = :pk AND sk BETWEEN :first AND :last",
            {
                ":pk": {"S": f"license#{who}"},
                ":first": {"S": hour_text(first)},
                ":last": {"S": hour_text(last)},
            },
            ScanIndexForward=forward,
        ):
            hour = hour_from_text(item["sk"]["S"])
            for name in sorted(item):
                if name.startswith(_DIMENSION):
                    attribute = item[name]["M"]
                    check_version(attribute, OUTCOME_VERSION, who, item["sk"]["S"], name)
                    yield _line(who, name.removeprefix(_DIMENSION), hour, attribute)


def _line(who: LicenseKey, dimension: str, hour: Hour, attribute: Mapping[str, Any]) -> Line:
    return Line(
        license=who,
        dimension=dimension,
        hour=hour,
        quantity=int(attribute["quantity"]["N"]),
        timestamp_s=int(attribute["timestamp"]["N"]),
        status=attribute["status"]["S"],
        reason=attribute.get("reason", {}).get("S", ""),
        metering_record_id=attribute.get("receipt", {}).get("S", ""),
        at_s=int(attribute["at"]["N"]),
        redriven_s=int(attribute["redriven"]["N"]) if "redriven" in attribute else None,
    )


class WatchedTable(LedgerTable):
    """The ledger table, whose reader sees how far back it has come."""

    def __init__(self, client: "DynamoDBClient", table: str, seen: Callable[[int], None]) -> None:
        super().__init__(client, table)
        self._seen = seen

    def entries_before(self, number: int) -> Iterator[tuple[int, Packed]]:
        """Read the log back from before an entry, newest first, and tell after each."""
        for count, entry in enumerate(super().entries_before(number), start=1):
            self._seen(count)
            yield entry
