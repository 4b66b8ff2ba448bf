"""The ledger table: the log, and what belongs to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws.items import AUDIT_KEPT_DAYS, DAY_S, Items, Place, check_item
from lambdas.metering.ledger import ENTRY_VERSION, Packed
from lambdas.versions import versioned

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FOLD_KEPT_DAYS = 45
"""Longer than SQS keeps a message (14 days), and than a redrive may look back: 35 days, and an id
memory of 7 at the most."""

SORT_KEY_BYTES_MAX = 1024
"""Of a DynamoDB item."""

CALL_VERSION = 1
SETTLED_VERSION = 1
REFUSED_ZERO_VERSION = 1
"""Of the formats of items, written into each; `ENTRY_VERSION` is that of the log. A new value of an
attribute that readers tell apart, such as a status, is a new version too."""

_pack_places = msgspec.msgpack.Encoder().encode
_unpack_places = msgspec.msgpack.Decoder(list[tuple[int, int]]).decode


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


class LedgerTable:
    """The DynamoDB table of the log and of what belongs to it.

    ``log / NUMBER`` holds the entries, ``call / ID`` calls without an answer, ``settled`` the hint
    where to begin reading, ``refused-zero`` heartbeats not to try again. The same table holds
    `Outcomes` and `Quarantine`. All reads are consistent. Each item has a version; one that a newer
    release has written raises `UnknownVersionError`.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._items = Items(client, table)

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
            self._items.client.put_item(
                TableName=self._items.table,
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
        item = self._items.get(_log_key(number))
        return _packed(item)[1] if item else None

    def settled(self) -> Settled:
        """Read the hint where unfinished records begin."""
        item = self._items.get({"pk": {"S": "settled"}, "sk": {"S": "settled"}})
        if not item:
            return Settled()
        check_item(item, SETTLED_VERSION)
        return Settled(int(item["upto"]["N"]), tuple(_unpack_places(item["unfinished"]["B"])))

    def put_settled(self, settled: Settled) -> None:
        """Write the hint; whichever tick wrote it last, it is true, since final stays final."""
        self._items.client.put_item(
            TableName=self._items.table,
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
        return [_call(item) for item in self._items.query("pk = :pk", {":pk": {"S": "call"}})]

    def put_call(self, call: Call, at_s: int) -> None:
        """Note that a call is about to be made.

        It does not expire by itself: without it, what is on the bill could be called expired.
        """
        self._items.client.put_item(
            TableName=self._items.table,
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
        self._items.client.delete_item(
            TableName=self._items.table, Key={"pk": {"S": "call"}, "sk": {"S": call_id}}
        )

    def refused_zeros(self) -> set[tuple[LicenseKey, str]]:
        """Read for which licenses and dimensions a heartbeat was refused."""
        items = self._items.query("pk = :pk", {":pk": {"S": "refused-zero"}})
        return {_refused_zero(item) for item in items}

    def put_refused_zero(self, who: LicenseKey, dimension: str, at_s: int) -> None:
        """Note that a heartbeat is not to be tried again."""
        self._items.client.put_item(
            TableName=self._items.table,
            Item={
                **_refused_zero_key(who, dimension),
                **versioned(REFUSED_ZERO_VERSION),
                "license": {"S": who},
                "dimension": {"S": dimension},
                "at": {"N": str(at_s)},
                "expires": {"N": str(at_s + AUDIT_KEPT_DAYS * DAY_S)},
            },
        )

    def _entries(
        self, condition: str, number: int, *, forward: bool
    ) -> Iterator[tuple[int, Packed]]:
        values = {":pk": {"S": "log"}, ":sk": {"S": f"{number:012d}"}}
        for item in self._items.query(condition, values, ScanIndexForward=forward):
            yield _packed(item)


def _log_key(number: int) -> dict[str, Any]:
    return {"pk": {"S": "log"}, "sk": {"S": f"{number:012d}"}}


def _call(item: Mapping[str, Any]) -> Call:
    check_item(item, CALL_VERSION)
    return Call(item["sk"]["S"], frozenset(_unpack_places(item["places"]["B"])))


def _refused_zero_key(who: LicenseKey, dimension: str) -> dict[str, Any]:
    name = f"{who}#{dimension}"
    if len(name.encode()) > SORT_KEY_BYTES_MAX:
        # A digest will do, since the item itself holds both.
        name = sha256(name.encode()).hexdigest()
    return {"pk": {"S": "refused-zero"}, "sk": {"S": name}}


def _refused_zero(item: Mapping[str, Any]) -> tuple[LicenseKey, str]:
    check_item(item, REFUSED_ZERO_VERSION)
    return LicenseKey(item["license"]["S"]), item["dimension"]["S"]


def _packed(item: dict[str, Any]) -> tuple[int, Packed]:
    check_item(item, ENTRY_VERSION)
    return int(item["sk"]["S"]), Packed(
        item["kind"]["S"],
        int(item["v"]["N"]),
        int(item["at"]["N"]),
        item["keys"]["B"] if "keys" in item else b"",
        item["body"]["B"],
    )
