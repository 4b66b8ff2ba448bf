"""The ledger table: the log, and what belongs to it."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws.queue import Parallel
from lambdas.metering.hours import DAY_HOURS, HOUR_S, Hour, hour_text
from lambdas.metering.ledger import ENTRY_VERSION, Cell, Packed, SealedRecord
from lambdas.metering.records import Outcome, Status
from lambdas.versions import check_version, versioned

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DAY_S = DAY_HOURS * HOUR_S

FOLD_KEPT_DAYS = 45
"""Longer than SQS keeps a message (14 days), and than a redrive may look back: 35 days, and an id
memory of 7 at the most."""

AUDIT_KEPT_DAYS = 396
"""Thirteen months: a year of invoices, and the month in which the last is questioned."""

GET_ITEMS_MAX = 100
"""Keys of one BatchGetItem (API reference)."""

PIECE_BYTES_MAX = 350_000
"""A quarantined text is kept compressed; what exceeds this goes into further items of 400 KB."""

OUTCOME_VERSION = 1
CALL_VERSION = 1
SETTLED_VERSION = 1
REFUSED_ZERO_VERSION = 1
QUARANTINED_VERSION = 1
"""Of the formats of items, written into each; `ENTRY_VERSION` is that of the log. A new value of an
attribute that readers tell apart, such as a status, is a new version too."""

_DIMENSION = "d:"

_MARKED = "#dimension.#status = :dry_run AND attribute_not_exists(#dimension.#reason)"
_MARKED_NAMES = {"#status": "status", "#reason": "reason"}
_MARKED_VALUES = {":dry_run": {"S": str(Status.DRY_RUN)}}

_pack_places = msgspec.msgpack.Encoder().encode
_unpack_places = msgspec.msgpack.Decoder(list[tuple[int, int]]).decode

Place = tuple[int, int]
"""A record by the number of its seal and its place in it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of BatchMeterUsage that may have been applied, and the records it held."""

    id: str
    places: frozenset[Place]


@dataclass(frozen=True, slots=True)
class Settled:
    """A hint: all records of seals up to `upto` are final, except those at `unfinished`."""

    upto: int = 0
    unfinished: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Usage that was not counted, whole, with the reason.

    Attributes:
        key: the key under which it will be counted, 12 bytes.
        check: 4 bytes that tell one content from another under the same key.
        version: changes whenever it is quarantined again.
        first_s: when it was quarantined first.
        message_id: of the message that brought it.
        index: its place in that message; None where the whole message was not understood.
        arrived_s: when that message was sent.
        reason: one of the codes of `lambdas.metering.usage.Reason`.
        field: the field at fault, if one is.
        tell: what a person can do.
        text: the original text, a message of this one record.
        pieces: how many items hold the text; known once it was read.
    """

    key: bytes
    check: bytes
    version: str
    first_s: int
    message_id: str
    index: int | None
    arrived_s: int
    reason: str
    field: str | None
    tell: str
    text: str
    pieces: int = 1

    @property
    def name(self) -> str:
        """What a redrive calls it: key and check in hexadecimal digits."""
        return self.key.hex() + self.check.hex()


class LedgerTable:
    """The DynamoDB table of the log and of what belongs to it.

    ``log / NUMBER`` holds the entries, ``license#KEY / HOUR`` the outcomes, ``call / ID`` calls
    without an answer, ``quarantine / KEY+CHECK`` usage that was not counted, ``settled`` the hint
    where to begin reading, ``refused-zero`` heartbeats not to try again. All reads are consistent.
    Each item has a version; one that a newer release has written raises `UnknownVersionError`.
    """

    def __init__(self, client: "DynamoDBClient", table: str, parallel: Parallel) -> None:
        self._client = client
        self._table = table
        self._parallel = parallel

    def append(self, number: int, entry: Packed) -> bool:
        """Put an entry if its number is free, and tell whether that is certain.

        A failure leaves open whether it was written or still will be: the same as a lost race.
        """
        kept_days = FOLD_KEPT_DAYS if entry.kind == "fold" else AUDIT_KEPT_DAYS
        item: dict[str, Any] = {
            **_log_key(number),
            **versioned(entry.version),
            "kind": {"S": entry.kind},
            "at": {"N": str(entry.at_s)},
            "body": {"B": entry.body},
            "expires": {"N": str(entry.at_s + kept_days * DAY_S)},
        }
        if entry.keys:
            item["keys"] = {"B": entry.keys}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
            )
        except (ClientError, BotoCoreError):
            return False
        return True

    def entries_after(self, number: int) -> Iterator[tuple[int, Packed]]:
        """Read the log from an entry on, oldest first."""
        yield from self._entries("pk = :pk AND sk > :sk", number, forward=True)

    def entries_before(self, number: int) -> Iterator[tuple[int, Packed]]:
        """Read the log back from before an entry, newest first."""
        yield from self._entries("pk = :pk AND sk < :sk", number, forward=False)

    def entry(self, number: int) -> Packed | None:
        """Read one entry; None where it has expired."""
        item = self._get(_log_key(number))
        return _packed(item)[1] if item else None

    def settled(self) -> Settled:
        """Read the hint where unfinished records begin."""
        item = self._get({"pk": {"S": "settled"}, "sk": {"S": "settled"}})
        if not item:
            return Settled()
        _check(item, SETTLED_VERSION)
        return Settled(int(item["upto"]["N"]), tuple(_unpack_places(item["unfinished"]["B"])))

    def put_settled(self, settled: Settled) -> None:
        """Write the hint; whichever tick wrote it last, it is true, since final stays final."""
        self._client.put_item(
            TableName=self._table,
            Item={
                "pk": {"S": "settled"},
                "sk": {"S": "settled"},
                **versioned(SETTLED_VERSION),
                "upto": {"N": str(settled.upto)},
                "unfinished": {"B": _pack_places(settled.unfinished)},
            },
        )

    def calls(self) -> list[Call]:
        """Read the calls that may have been applied and were never answered."""
        return [_call(item) for item in self._query("pk = :pk", {":pk": {"S": "call"}})]

    def put_call(self, call: Call, at_s: int) -> None:
        """Note that a call is about to be made.

        It does not expire by itself: without it, what is on the bill could be called expired.
        """
        self._client.put_item(
            TableName=self._table,
            Item={
                "pk": {"S": "call"},
                "sk": {"S": call.id},
                **versioned(CALL_VERSION),
                "at": {"N": str(at_s)},
                "places": {"B": _pack_places(sorted(call.places))},
            },
        )

    def delete_call(self, call_id: str) -> None:
        """Note that a call was answered, or that nothing depends on it any more."""
        self._client.delete_item(
            TableName=self._table, Key={"pk": {"S": "call"}, "sk": {"S": call_id}}
        )

    def outcomes(self, cells: Iterable[Cell]) -> dict[Cell, Outcome]:
        """Read what became of records; those nothing is known of are left out."""
        wanted = set(cells)
        places = sorted({(who, hour) for who, _, hour in wanted})
        parts = [places[at : at + GET_ITEMS_MAX] for at in range(0, len(places), GET_ITEMS_MAX)]
        return {
            cell: outcome
            for found in self._parallel(self._outcomes_of_hours, parts)
            for cell, outcome in found
            if cell in wanted
        }

    def put_outcome(self, record: SealedRecord, outcome: Outcome) -> bool:
        """Write one record's outcome; tell whether it holds.

        Accepted is written over everything. Anything else is written where there is nothing,
        `parked` or a dry-run's mark: it is weaker than what another tick may have learned in the
        meantime.
        """
        frozen = record.frozen
        arguments: dict[str, Any] = {
            "UpdateExpression": "SET #dimension = :outcome, #expires = :expires",
            "ExpressionAttributeNames": {
                "#dimension": _DIMENSION + frozen.dimension,
                "#expires": "expires",
            },
            "ExpressionAttributeValues": {
                ":outcome": {"M": _outcome_attribute(record, outcome)},
                ":expires": {"N": str(outcome.at_s + AUDIT_KEPT_DAYS * DAY_S)},
            },
        }
        if outcome.status is not Status.ACCEPTED:
            arguments["ConditionExpression"] = (
                f"attribute_not_exists(#dimension) OR #dimension.#status = :parked OR ({_MARKED})"
            )
            arguments["ExpressionAttributeNames"] |= _MARKED_NAMES
            arguments["ExpressionAttributeValues"] |= {
                ":parked": {"S": str(Status.PARKED)},
                **_MARKED_VALUES,
            }
        return self._update_if(_outcome_key(record.license, frozen.hour), arguments)

    def put_accepted(self, accepted: Sequence[tuple[SealedRecord, Outcome]]) -> None:
        """Write that records of one license and hour were accepted, over everything, at once.

        They are one item, and a write unit each if they are written one by one.
        """
        (first, outcome), places = accepted[0], range(len(accepted))
        sets = [f"#d{at} = :o{at}" for at in places]
        self._client.update_item(
            TableName=self._table,
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
        self._update_if(
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
        item, name = self._get(_outcome_key(who, hour)), _DIMENSION + dimension
        if name not in item:
            return None
        outcome, attribute = _outcome(item, name), item[name]["M"]
        if not outcome.is_final or outcome.status not in (Status.EXPIRED, Status.DRY_RUN):
            return None
        return int(attribute["seal"]["N"]), int(attribute["place"]["N"])

    def put_redriven(self, cell: Cell, at_s: int) -> None:
        """Note that the usage of such a record was counted again, perhaps in another hour."""
        who, dimension, hour = cell
        self._update_if(
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

    def refused_zeros(self) -> set[tuple[LicenseKey, str]]:
        """Read for which licenses and dimensions a heartbeat was refused."""
        items = self._query("pk = :pk", {":pk": {"S": "refused-zero"}})
        return {_refused_zero(item) for item in items}

    def put_refused_zero(self, who: LicenseKey, dimension: str, at_s: int) -> None:
        """Note that a heartbeat is not to be tried again."""
        self._client.put_item(
            TableName=self._table,
            Item={
                "pk": {"S": "refused-zero"},
                "sk": {"S": f"{who}#{dimension}"},
                **versioned(REFUSED_ZERO_VERSION),
                "license": {"S": who},
                "dimension": {"S": dimension},
                "at": {"N": str(at_s)},
                "expires": {"N": str(at_s + AUDIT_KEPT_DAYS * DAY_S)},
            },
        )

    def put_quarantined(self, each: Quarantined) -> None:
        """Keep usage whole, with the reason; further pieces first, so that it is whole if seen."""
        packed = zlib.compress(each.text.encode("utf-8", "surrogatepass"))
        pieces = [
            packed[at : at + PIECE_BYTES_MAX] for at in range(0, len(packed), PIECE_BYTES_MAX)
        ]
        for number, piece in enumerate(pieces[1:], start=1):
            key = _piece_key(each.name, each.version, number)
            self._client.put_item(
                TableName=self._table,
                Item={**key, **versioned(QUARANTINED_VERSION), "text": {"B": piece}},
            )
        values: dict[str, Any] = {
            **versioned(QUARANTINED_VERSION),
            "version": {"S": each.version},
            "message_id": {"S": each.message_id},
            "arrived": {"N": str(each.arrived_s)},
            "reason": {"S": each.reason},
            "tell": {"S": each.tell},
            "text": {"B": pieces[0]},
            "pieces": {"N": str(len(pieces))},
            "index": {"NULL": True} if each.index is None else {"N": str(each.index)},
            "field": {"NULL": True} if each.field is None else {"S": each.field},
        }
        names = {f"#{name}": name for name in (*values, "first")}
        sets = [f"#{name} = :{name}" for name in values]
        before = self._client.update_item(
            TableName=self._table,
            Key=_quarantine_key(each.name),
            ReturnValues="ALL_OLD",
            UpdateExpression=f"SET {', '.join(sets)}, #first = if_not_exists(#first, :first)",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={
                ":first": {"N": str(each.first_s)},
                **{f":{name}": value for name, value in values.items()},
            },
        ).get("Attributes")
        if before and before["version"]["S"] != each.version:
            self._delete_pieces(each.name, before["version"]["S"], int(before["pieces"]["N"]))

    def quarantined(self, name: str) -> Quarantined | None:
        """Read quarantined usage; None if it is not there (any more)."""
        item = self._get(_quarantine_key(name))
        if not item:
            return None
        _check(item, QUARANTINED_VERSION)
        version = item["version"]["S"]
        packed = item["text"]["B"]
        for number in range(1, int(item["pieces"]["N"])):
            piece = self._get(_piece_key(name, version, number))
            if not piece:
                # Another version took its place while this one was read.
                return self.quarantined(name)
            _check(piece, QUARANTINED_VERSION)
            packed += piece["text"]["B"]
        key_and_check = bytes.fromhex(name)
        return Quarantined(
            key=key_and_check[:-4],
            check=key_and_check[-4:],
            version=version,
            first_s=int(item["first"]["N"]),
            message_id=item["message_id"]["S"],
            index=int(item["index"]["N"]) if "N" in item["index"] else None,
            arrived_s=int(item["arrived"]["N"]),
            reason=item["reason"]["S"],
            field=item["field"].get("S"),
            tell=item["tell"]["S"],
            text=zlib.decompress(packed).decode("utf-8", "surrogatepass"),
            pieces=int(item["pieces"]["N"]),
        )

    def quarantine_size(self) -> int:
        """Count what is in quarantine, as far as it fits into one page of a megabyte.

        It is counted only to be shown, and a page costs 128 read units at most; who wants to know
        more has to look anyway.
        """
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "quarantine"}},
            Select="COUNT",
        )
        return answer["Count"]

    def delete_quarantined(self, each: Quarantined) -> None:
        """Remove this version of quarantined usage, as it was read; a newer one stays."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.delete_item(
                TableName=self._table,
                Key=_quarantine_key(each.name),
                ConditionExpression="version = :version",
                ExpressionAttributeValues={":version": {"S": each.version}},
            )
        self._delete_pieces(each.name, each.version, each.pieces)

    def _delete_pieces(self, name: str, version: str, pieces: int) -> None:
        for number in range(1, pieces):
            key = _piece_key(name, version, number)
            self._client.delete_item(TableName=self._table, Key=key)

    def _entries(
        self, condition: str, number: int, *, forward: bool
    ) -> Iterator[tuple[int, Packed]]:
        values = {":pk": {"S": "log"}, ":sk": {"S": f"{number:012d}"}}
        for item in self._query(condition, values, ScanIndexForward=forward):
            yield _packed(item)

    def _outcomes_of_hours(
        self, hours: Sequence[tuple[LicenseKey, Hour]]
    ) -> list[tuple[Cell, Outcome]]:
        hour_of_text = {hour_text(hour): hour for _, hour in hours}
        wanted = [_outcome_key(who, hour) for who, hour in hours]
        found: list[tuple[Cell, Outcome]] = []
        while wanted:
            answer = self._client.batch_get_item(
                RequestItems={self._table: {"Keys": wanted, "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(self._table, []):
                who = LicenseKey(item["pk"]["S"].partition("#")[2])
                hour = hour_of_text[item["sk"]["S"]]
                found += [
                    ((who, name.removeprefix(_DIMENSION), hour), _outcome(item, name))
                    for name in item
                    if name.startswith(_DIMENSION)
                ]
            unread: dict[str, Any] = answer.get("UnprocessedKeys", {})
            wanted = unread.get(self._table, {}).get("Keys", [])
        return found

    def _get(self, key: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return answer.get("Item", {})

    def _update_if(self, key: dict[str, Any], arguments: dict[str, Any]) -> bool:
        try:
            self._client.update_item(TableName=self._table, Key=key, **arguments)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _query(
        self, condition: str, values: dict[str, Any], **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **arguments,
        )
        for page in pages:
            yield from page["Items"]


def _log_key(number: int) -> dict[str, Any]:
    return {"pk": {"S": "log"}, "sk": {"S": f"{number:012d}"}}


def _outcome_key(who: LicenseKey, hour: Hour) -> dict[str, Any]:
    return {"pk": {"S": f"license#{who}"}, "sk": {"S": hour_text(hour)}}


def _quarantine_key(name: str) -> dict[str, Any]:
    return {"pk": {"S": "quarantine"}, "sk": {"S": name}}


def _piece_key(name: str, version: str, number: int) -> dict[str, Any]:
    return {"pk": {"S": f"quarantine#{name}"}, "sk": {"S": f"{version}#{number:04d}"}}


def _check(item: Mapping[str, Any], known: int) -> None:
    check_version(item, known, item["pk"]["S"], item["sk"]["S"])


def _call(item: Mapping[str, Any]) -> Call:
    _check(item, CALL_VERSION)
    return Call(item["sk"]["S"], frozenset(_unpack_places(item["places"]["B"])))


def _refused_zero(item: Mapping[str, Any]) -> tuple[LicenseKey, str]:
    _check(item, REFUSED_ZERO_VERSION)
    return LicenseKey(item["license"]["S"]), item["dimension"]["S"]


def _packed(item: dict[str, Any]) -> tuple[int, Packed]:
    _check(item, ENTRY_VERSION)
    return int(item["sk"]["S"]), Packed(
        item["kind"]["S"],
        int(item["v"]["N"]),
        int(item["at"]["N"]),
        item["keys"]["B"] if "keys" in item else b"",
        item["body"]["B"],
    )


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
