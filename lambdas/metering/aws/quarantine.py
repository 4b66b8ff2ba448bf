"""Quarantine: usage that was not counted, whole, with the reason."""

import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.metering.aws.items import Items, check_item
from lambdas.versions import versioned

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PIECE_BYTES_MAX = 350_000
"""A quarantined text is kept compressed; what exceeds this goes into further items of 400 KB."""

QUARANTINED_VERSION = 1

DISMISSED = "dismissed"
"""The attribute of what needs no more attention: since when, in seconds since the epoch."""


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


class Quarantine:
    """``quarantine / KEY+CHECK`` of the ledger table, and further pieces of large texts."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._items = Items(client, table)

    def put(self, each: Quarantined) -> None:
        """Keep usage whole, with the reason; further pieces first, so that it is whole if seen.

        It takes the place of what was there just before, and of nothing else: if the SDK's repeated
        request is executed late, a newer version is there, and the pieces of this one are gone.
        If another tick was faster, the usage waits in its version, or was counted.

        What was dismissed and comes again is no longer dismissed.
        """
        packed = zlib.compress(each.text.encode("utf-8", "surrogatepass"))
        pieces = [
            packed[at : at + PIECE_BYTES_MAX] for at in range(0, len(packed), PIECE_BYTES_MAX)
        ]
        for number, piece in enumerate(pieces[1:], start=1):
            key = _piece_key(each.name, each.version, number)
            self._items.client.put_item(
                TableName=self._items.table,
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
        names = {f"#{name}": name for name in (*values, "first", DISMISSED)}
        sets = [f"#{name} = :{name}" for name in values]
        key = _quarantine_key(each.name)
        before = self._items.get(key)
        if before:
            check_item(before, QUARANTINED_VERSION)
        arguments = {
            "UpdateExpression": f"SET {', '.join(sets)}, #first = if_not_exists(#first, :first)"
            f" REMOVE #{DISMISSED}",
            "ConditionExpression": (
                "#version = :before" if before else "attribute_not_exists(#version)"
            ),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {
                ":first": {"N": str(each.first_s)},
                **{f":{name}": value for name, value in values.items()},
                **({":before": before["version"]} if before else {}),
            },
        }
        holds = self._items.update_if(key, arguments) or _is_of(self._items.get(key), each.version)
        if not holds:
            self._delete_pieces(each.name, each.version, len(pieces))
        elif before and not _is_of(before, each.version):
            self._delete_pieces(each.name, before["version"]["S"], int(before["pieces"]["N"]))

    def get(self, name: str) -> Quarantined | None:
        """Read quarantined usage; None if it is not there (any more).

        Nor is it there if only its pieces are gone: then it was written once more, by a late
        request, after it had been counted, or had gone to wait under other names.
        """
        incomplete = ""
        while item := self._items.get(_quarantine_key(name)):
            check_item(item, QUARANTINED_VERSION)
            packed = self._packed(name, item)
            if packed is not None:
                return _quarantined(name, item, packed)
            if _is_of(item, incomplete):
                return None
            # Another version may have taken its place while this one was read.
            incomplete = item["version"]["S"]
        return None

    def _packed(self, name: str, item: Mapping[str, Any]) -> bytes | None:
        """Put the pieces of a text together; None if one is missing."""
        packed: bytes = item["text"]["B"]
        for number in range(1, int(item["pieces"]["N"])):
            piece = self._items.get(_piece_key(name, item["version"]["S"], number))
            if not piece:
                return None
            check_item(piece, QUARANTINED_VERSION)
            packed += piece["text"]["B"]
        return packed

    def size(self) -> int:
        """Count what is in quarantine and not dismissed, as far as one page of a megabyte shows it.

        It is counted only to be shown, and a page costs 128 read units at most; who wants to know
        more has to look anyway.
        """
        answer = self._items.client.query(
            TableName=self._items.table,
            KeyConditionExpression="pk = :pk",
            FilterExpression=f"attribute_not_exists({DISMISSED})",
            ExpressionAttributeValues={":pk": {"S": "quarantine"}},
            Select="COUNT",
        )
        return answer["Count"]

    def dismiss(self, name: str, version: str, at_s: int) -> bool:
        """Note that a person looked at this version and wants no more of it; tell whether it holds.

        It stays where it is, whole, and can be redriven; it is only no longer counted or listed.
        """
        return self._items.update_if(
            _quarantine_key(name),
            {
                "UpdateExpression": "SET #dismissed = :at",
                "ConditionExpression": "#version = :version",
                "ExpressionAttributeNames": {"#dismissed": DISMISSED, "#version": "version"},
                "ExpressionAttributeValues": {
                    ":at": {"N": str(at_s)},
                    ":version": {"S": version},
                },
            },
        )

    def delete(self, each: Quarantined) -> None:
        """Remove this version of quarantined usage, as it was read; a newer one stays."""
        with suppress(self._items.client.exceptions.ConditionalCheckFailedException):
            self._items.client.delete_item(
                TableName=self._items.table,
                Key=_quarantine_key(each.name),
                ConditionExpression="version = :version",
                ExpressionAttributeValues={":version": {"S": each.version}},
            )
        self._delete_pieces(each.name, each.version, each.pieces)

    def _delete_pieces(self, name: str, version: str, pieces: int) -> None:
        for number in range(1, pieces):
            key = _piece_key(name, version, number)
            self._items.client.delete_item(TableName=self._items.table, Key=key)


def _is_of(item: Mapping[str, Any], version: str) -> bool:
    return bool(item) and item["version"]["S"] == version


def _quarantined(name: str, item: Mapping[str, Any], packed: bytes) -> Quarantined:
    key_and_check = bytes.fromhex(name)
    return Quarantined(
        key=key_and_check[:-4],
        check=key_and_check[-4:],
        version=item["version"]["S"],
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


def _quarantine_key(name: str) -> dict[str, Any]:
    return {"pk": {"S": "quarantine"}, "sk": {"S": name}}


def _piece_key(name: str, version: str, number: int) -> dict[str, Any]:
    return {"pk": {"S": f"quarantine#{name}"}, "sk": {"S": f"{version}#{number:04d}"}}
