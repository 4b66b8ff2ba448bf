"""The Customers table: licenses, what happened to them, and by what names they are found."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from lambdas.customers.history import Event, Kind
from lambdas.customers.license import Entitlement, License, LicenseKey, State
from lambdas.versions import check_version, versioned

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GET_ITEMS_MAX = 100
"""Keys of one BatchGetItem (API reference)."""

LICENSE_VERSION = 1
"""Of the format of a license's item, written into each; not to be taken for `License.version`."""

STATE_INDEX = "by-state"
"""Global index of license items by their state; eventually consistent, as all such indexes are."""

_NUMBERS = (
    *("start_s", "ending_since_s", "ended_s", "registered_s", "active_since_s", "end_s"),
    *("notice_s", "entitlements_s", "version"),
)
_TEXTS = (
    *("arn", "account", "product_code", "agreement_id", "customer_identifier"),
    *("product_id", "offer_id", "notice"),
)

_REFUSED = ("ConditionalCheckFailed", "TransactionConflict")
"""Why a transaction was cancelled, if somebody else has changed, or is changing, the license."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A license as it was written last, and all that happened to it."""

    license: License | None
    events: Sequence[Event]


class CustomersTable:
    """Reads and writes licenses and events.

    A license is ``pk = license#KEY, sk = license``; what happened to it is kept beside it under
    ``sk = event#ID``, and what happened to an agreement under ``pk = agreement#ID``. Pointers find
    licenses: ``pk = account#ACCOUNT, sk = license#KEY``, written in one transaction with the
    license, and ``pk = agreement#ID, sk = license#KEY``. An account that registered while its
    license was not known yet has ``sk = product#CODE``, which holds that registration.
    """

    def __init__(
        self, client: "DynamoDBClient", table: str, parallel: Callable[..., Iterable[Any]] = map
    ) -> None:
        self._client = client
        self._table = table
        self._parallel = parallel

    def save(self, each: License) -> None:
        """Put a license as it is, whatever was there, and the pointer from its account."""
        self._client.transact_write_items(TransactItems=self._puts(each))

    def replace(
        self, before: License | None, after: License, others: Sequence[dict[str, Any]] = ()
    ) -> bool:
        """Put a license if it is still as it was read, and more in the same transaction.

        Args:
            before: the license as it was read; None if there was none.
            after: the license as it is to be; its version must be a new one.
            others: further parts of the transaction.

        Returns:
            Whether it was written; if not, somebody else has changed it meanwhile.
        """
        put, *pointers = self._puts(after)
        if before is None:
            condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        else:
            condition = {
                "ConditionExpression": "version = :version",
                "ExpressionAttributeValues": {":version": {"N": str(before.version)}},
            }
        parts: Any = [{"Put": put["Put"] | condition}, *pointers, *others]
        try:
            self._client.transact_write_items(TransactItems=parts)
        except self._client.exceptions.TransactionCanceledException as error:
            if _is_refused(error):
                return False
            raise
        return True

    def keep(self, event: Event) -> None:
        """Keep an event with its license, or with its agreement; one that is kept stays as it is.

        The pointer from the agreement is written first, so that whoever keeps an event with the
        agreement finds the license, or the license finds that event.
        """
        if event.license and event.agreement_id:
            self._client.put_item(
                TableName=self._table,
                Item={
                    "pk": {"S": f"agreement#{event.agreement_id}"},
                    "sk": {"S": f"license#{event.license}"},
                },
            )
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_kept_item(event),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return

    def kept(self, key: LicenseKey) -> Kept:
        """Read a license with all that happened to it and to its agreements, consistently.

        The license is read first: an event that is kept and applied meanwhile gives it another
        version, so that what is made of older events cannot be written over it.
        """
        found = self.licenses([key]).get(key)
        events = [_event(item) for item in self._partition(f"license#{key}", "event#")]
        for agreement in sorted({each.agreement_id for each in events} - {""}):
            of_agreement = self._partition(f"agreement#{agreement}", "event#")
            events += [_event(item) for item in of_agreement]
        return Kept(found, events)

    def licenses_of_agreement(self, agreement: str) -> list[LicenseKey]:
        """Read the keys of the licenses that came, or once came, from an agreement."""
        pointers = self._partition(f"agreement#{agreement}", "license#")
        return [LicenseKey(each["sk"]["S"].partition("#")[2]) for each in pointers]

    def registrations_for(self, agreement: str) -> list[Event]:
        """Read the registrations that named an agreement, and no license."""
        events = map(_event, self._partition(f"agreement#{agreement}", "event#"))
        return [each for each in events if each.kind is Kind.REGISTERED]

    def keep_waiting(self, event: Event) -> None:
        """Keep the registration of an account whose license is not known yet; the newest counts."""
        self._client.put_item(
            TableName=self._table,
            Item={**_waiting_key(event.account, event.product_code), **_event_item(event)},
        )

    def waiting(self, account: str, product_code: str) -> Event | None:
        """Read the registration of an account that waits for a license of a product."""
        answer = self._client.get_item(
            TableName=self._table, Key=_waiting_key(account, product_code), ConsistentRead=True
        )
        item = answer.get("Item")
        return _event(item) if item and "event" in item else None

    def let_in(self, waiting: Event, key: LicenseKey) -> None:
        """Keep a registration that waits with the license it is for, where it waits no longer.

        Both happen or neither: a registration that is not there any more is another license's.
        """
        found = _kept_item(replace(waiting, license=key))
        parts: Any = [
            {"Put": {"TableName": self._table, "Item": found}},
            {"Delete": self._if_waiting(waiting)},
        ]
        try:
            self._client.transact_write_items(TransactItems=parts)
        except self._client.exceptions.TransactionCanceledException as error:
            if not _is_refused(error):
                raise

    def forget_waiting(self, event: Event) -> None:
        """Delete a registration that has found its license, unless a newer one waits there."""
        try:
            self._client.delete_item(**self._if_waiting(event))
        except self._client.exceptions.ConditionalCheckFailedException:
            return

    def licenses(self, keys: Iterable[LicenseKey]) -> dict[LicenseKey, License]:
        """Read licenses by their keys, consistently; those that do not exist are left out."""
        wanted = [
            {"pk": {"S": f"license#{key}"}, "sk": {"S": "license"}} for key in sorted(set(keys))
        ]
        found: dict[LicenseKey, License] = {}
        while wanted:
            now, wanted = wanted[:GET_ITEMS_MAX], wanted[GET_ITEMS_MAX:]
            answer = self._client.batch_get_item(
                RequestItems={self._table: {"Keys": now, "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(self._table, []):
                each = _license(item)
                found[each.key] = each
            unread: dict[str, Any] = answer.get("UnprocessedKeys", {})
            wanted += unread.get(self._table, {}).get("Keys", [])
        return found

    def of_accounts(self, accounts: Iterable[str]) -> dict[str, list[License]]:
        """Read the licenses of accounts, consistently; accounts nobody knows are left out."""
        wanted = sorted(set(accounts))
        keys_of = dict(zip(wanted, self._parallel(self._keys_of_account, wanted), strict=True))
        licenses = self.licenses(key for keys in keys_of.values() for key in keys or ())
        return {
            account: [licenses[key] for key in keys if key in licenses]
            for account, keys in keys_of.items()
            if keys is not None
        }

    def in_state(self, state: State) -> list[License]:
        """Read all licenses in a state; one that changed a moment ago may still be listed."""
        return [
            _license(item)
            for item in self._query(
                IndexName=STATE_INDEX,
                KeyConditionExpression="#state = :state",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={":state": {"S": str(state)}},
            )
        ]

    def _if_waiting(self, event: Event) -> Any:
        return {
            "TableName": self._table,
            "Key": _waiting_key(event.account, event.product_code),
            "ConditionExpression": "event = :event",
            "ExpressionAttributeValues": {":event": _event_item(event)["event"]},
        }

    def _keys_of_account(self, account: str) -> list[LicenseKey] | None:
        names = [each["sk"]["S"].partition("#") for each in self._partition(f"account#{account}")]
        if not names:
            return None
        return [LicenseKey(key) for kind, _, key in names if kind == "license"]

    def _puts(self, each: License) -> list[Any]:
        items: list[dict[str, Any]] = [_item(each)]
        if each.account:
            items.append(
                {"pk": {"S": f"account#{each.account}"}, "sk": {"S": f"license#{each.key}"}}
            )
        return [{"Put": {"TableName": self._table, "Item": item}} for item in items]

    def _partition(self, pk: str, begins: str = "") -> Iterator[dict[str, Any]]:
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if begins:
            condition += " AND begins_with(sk, :begins)"
            values[":begins"] = {"S": begins}
        return self._query(
            KeyConditionExpression=condition, ExpressionAttributeValues=values, ConsistentRead=True
        )

    def _query(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(TableName=self._table, **arguments)
        for page in pages:
            yield from page["Items"]


def _item(each: License) -> dict[str, Any]:
    item: dict[str, Any] = {
        "pk": {"S": f"license#{each.key}"},
        "sk": {"S": "license"},
        **versioned(LICENSE_VERSION),
        "key": {"S": each.key},
        "state": {"S": str(each.state)},
    }
    for name in _TEXTS:
        if text := getattr(each, name):
            item[name] = {"S": text}
    for name in _NUMBERS:
        if (number := getattr(each, name)) is not None:
            item[name] = {"N": str(number)}
    if each.free_trial:
        item["free_trial"] = {"BOOL": True}
    if each.entitlements:
        item["entitlements"] = {"S": msgspec.json.encode(each.entitlements).decode()}
    return item


def _license(item: Mapping[str, Any]) -> License:
    check_version(item, LICENSE_VERSION, item["pk"]["S"], item["sk"]["S"])
    fields: dict[str, Any] = {name: item[name]["S"] for name in _TEXTS if name in item}
    fields |= {name: int(item[name]["N"]) for name in _NUMBERS if name in item}
    if "free_trial" in item:
        fields["free_trial"] = item["free_trial"]["BOOL"]
    if "entitlements" in item:
        fields["entitlements"] = msgspec.json.decode(
            item["entitlements"]["S"], type=tuple[Entitlement, ...]
        )
    return License(key=LicenseKey(item["key"]["S"]), state=State(item["state"]["S"]), **fields)


def _event_item(event: Event) -> dict[str, Any]:
    return {"event": {"S": msgspec.json.encode(event).decode()}}


def _event(item: Mapping[str, Any]) -> Event:
    return msgspec.json.decode(item["event"]["S"], type=Event)


def _kept_item(event: Event) -> dict[str, Any]:
    place = f"license#{event.license}" if event.license else f"agreement#{event.agreement_id}"
    return {"pk": {"S": place}, "sk": {"S": f"event#{event.id}"}, **_event_item(event)}


def _is_refused(error: ClientError) -> bool:
    """Tell whether a transaction was cancelled because of what somebody else has written."""
    reasons = error.response.get("CancellationReasons", [])
    return any(each.get("Code") in _REFUSED for each in reasons)


def _waiting_key(account: str, product_code: str) -> Any:
    return {"pk": {"S": f"account#{account}"}, "sk": {"S": f"product#{product_code}"}}
