"""What became of sealed records: one item for each license and hour."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws.items import AUDIT_KEPT_DAYS, DAY_S, Items, Place
from lambdas.metering.aws.queue import Parallel
from lambdas.metering.hours import Hour, hour_text
from lambdas.metering.ledger import Cell, SealedRecord
from lambdas.metering.records import Outcome, Status
from lambdas.versions import check_version, versioned

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GET_ITEMS_MAX = 100
"""Keys of one BatchGetItem (API reference)."""

OUTCOME_VERSION = 1

_DIMENSION = "d:"

_MARKED = "#dimension.#status = :dry_run AND attribute_not_exists(#dimension.#reason)"
_MARKED_NAMES = {"#status": "status", "#reason": "reason"}
_MARKED_VALUES = {":dry_run": {"S": str(Status.DRY_RUN)}}


class Outcomes:
    """``license#KEY / HOUR`` of the ledger table, with an attribute for each dimension."""

    def __init__(self, client: "DynamoDBClient", table: str, parallel: Parallel) -> None:
        self._items = Items(client, table)
        self._parallel = parallel

    def read(self, cells: Iterable[Cell]) -> dict[Cell, Outcome]:
        """Read what became of records; those nothing is known of are left out."""
        wanted = set(cells)
        places = sorted({(who, hour) for who, _, hour in wanted})
        parts = [places[at : at + GET_ITEMS_MAX] for at in range(0, len(places), GET_ITEMS_MAX)]
        return {
            cell: outcome
            for found in self._parallel(self._read_hours, parts)
            for cell, outcome in found
            if cell in wanted
        }

    def put(self, record: SealedRecord, outcome: Outcome) -> bool:
        """Write one record's outcome other than accepted; tell whether it holds.

        It is written where there is nothing, `parked` or a dry-run's mark: it is weaker than what
        another tick may have learned in the meantime. It holds as well if it is there already, to
        the letter: the SDK has repeated the request, because the first answer got lost.
        """
        frozen = record.frozen
        dimension, ours = _DIMENSION + frozen.dimension, {"M": _outcome_attribute(record, outcome)}
        arguments: dict[str, Any] = {
            "UpdateExpression": "SET #dimension = :outcome, #expires = :expires",
            "ConditionExpression": (
                f"attribute_not_exists(#dimension) OR #dimension.#status = :parked OR ({_MARKED})"
            ),
            "ExpressionAttributeNames": {
                "#dimension": dimension,
                "#expires": "expires",
                **_MARKED_NAMES,
            },
            "ExpressionAttributeValues": {
                ":outcome": ours,
                ":expires": {"N": str(outcome.at_s + AUDIT_KEPT_DAYS * DAY_S)},
                ":parked": {"S": str(Status.PARKED)},
                **_MARKED_VALUES,
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        key, client = _outcome_key(record.license, frozen.hour), self._items.client
        try:
            client.update_item(TableName=self._items.table, Key=key, **arguments)
        except client.exceptions.ConditionalCheckFailedException as error:
            answer: Any = error.response
            return bool(answer["Item"][dimension] == ours)
        return True

    def put_accepted(self, accepted: Sequence[tuple[SealedRecord, Outcome]]) -> None:
        """Write that records of one license and hour were accepted, over everything, at once.

        They are one item, and a write unit each if they are written one by one.
        """
        (first, outcome), places = accepted[0], range(len(accepted))
        sets = [f"#d{at} = :o{at}" for at in places]
        self._items.client.update_item(
            TableName=self._items.table,
            Key=_outcome_key(first.license, first.frozen.hour),
            UpdateExpression="SET " + ", ".join([*sets, "#expires = :expires"]),
            ExpressionAttributeNames={
                **{f"#d{at}": _DIMENSION + accepted[at][0].frozen.dimension for at in places},
                "#expires": "expires",
            },
            ExpressionAttributeValues={
                **{f":o{at}": {"M": _outcome_attribute(*accepted[at])} for at in places},
                ":expires": {"N": str(outcome.at_s + AUDIT_KEPT_DAYS * DAY_S)},
            },
        )

    def delete_mark(self, cell: Cell) -> None:
        """Take back that a dry-run held a record back, unless something else is known by now."""
        who, dimension, hour = cell
        self._items.update_if(
            _outcome_key(who, hour),
            {
                "UpdateExpression": "REMOVE #dimension",
                "ConditionExpression": _MARKED,
                "ExpressionAttributeNames": {
                    "#dimension": _DIMENSION + dimension,
                    **_MARKED_NAMES,
                },
                "ExpressionAttributeValues": _MARKED_VALUES,
            },
        )

    def expired(self, cell: Cell) -> Place | None:
        """Find the sealed record of a usage record that was certainly not billed, and never is.

        Its window closed before AWS Marketplace took it, or while a dry-run held it back.
        """
        who, dimension, hour = cell
        item, name = self._items.get(_outcome_key(who, hour)), _DIMENSION + dimension
        if name not in item:
            return None
        outcome, attribute = _outcome(item, name), item[name]["M"]
        if not outcome.is_final or outcome.status not in (Status.EXPIRED, Status.DRY_RUN):
            return None
        return int(attribute["seal"]["N"]), int(attribute["place"]["N"])

    def put_redriven(self, cell: Cell, at_s: int) -> None:
        """Note that the usage of such a record was counted again, perhaps in another hour."""
        who, dimension, hour = cell
        self._items.update_if(
            _outcome_key(who, hour),
            {
                "UpdateExpression": "SET #dimension.#redriven = :at",
                "ConditionExpression": "#dimension.#status IN (:expired, :dry_run)",
                "ExpressionAttributeNames": {
                    "#dimension": _DIMENSION + dimension,
                    "#redriven": "redriven",
                    "#status": "status",
                },
                "ExpressionAttributeValues": {
                    ":at": {"N": str(at_s)},
                    ":expired": {"S": str(Status.EXPIRED)},
                    ":dry_run": {"S": str(Status.DRY_RUN)},
                },
            },
        )

    def _read_hours(self, hours: Sequence[tuple[LicenseKey, Hour]]) -> list[tuple[Cell, Outcome]]:
        hour_of_text = {hour_text(hour): hour for _, hour in hours}
        wanted = [_outcome_key(who, hour) for who, hour in hours]
        found: list[tuple[Cell, Outcome]] = []
        while wanted:
            answer = self._items.client.batch_get_item(
                RequestItems={self._items.table: {"Keys": wanted, "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(self._items.table, []):
                who = LicenseKey(item["pk"]["S"].partition("#")[2])
                hour = hour_of_text[item["sk"]["S"]]
                found += [
                    ((who, name.removeprefix(_DIMENSION), hour), _outcome(item, name))
                    for name in item
                    if name.startswith(_DIMENSION)
                ]
            unread: dict[str, Any] = answer.get("UnprocessedKeys", {})
            wanted = unread.get(self._items.table, {}).get("Keys", [])
        return found


def _outcome_key(who: LicenseKey, hour: Hour) -> dict[str, Any]:
    return {"pk": {"S": f"license#{who}"}, "sk": {"S": hour_text(hour)}}


def _outcome_attribute(record: SealedRecord, outcome: Outcome) -> dict[str, Any]:
    attribute: dict[str, Any] = {
        **versioned(OUTCOME_VERSION),
        "status": {"S": str(outcome.status)},
        "at": {"N": str(outcome.at_s)},
        "quantity": {"N": str(record.frozen.quantity)},
        "timestamp": {"N": str(record.frozen.timestamp_s)},
        "seal": {"N": str(record.seal)},
        "place": {"N": str(record.place)},
    }
    if outcome.reason:
        attribute["reason"] = {"S": outcome.reason}
    if outcome.metering_record_id:
        attribute["receipt"] = {"S": outcome.metering_record_id}
    return attribute


def _outcome(item: Mapping[str, Any], name: str) -> Outcome:
    attribute = item[name]["M"]
    check_version(attribute, OUTCOME_VERSION, item["pk"]["S"], item["sk"]["S"], name)
    return Outcome(
        Status(attribute["status"]["S"]),
        int(attribute["at"]["N"]),
        attribute.get("reason", {}).get("S", ""),
        attribute.get("receipt", {}).get("S", ""),
    )
