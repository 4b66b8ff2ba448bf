"""The Customers table: one item per license, found by its key, its account or its state."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lambdas.customers.license import License, LicenseKey, State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GET_ITEMS_MAX = 100
"""Keys of one BatchGetItem (API reference)."""

STATE_INDEX = "by-state"
"""Global index of license items by their state; eventually consistent, as all such indexes are."""

_NUMBERS = ("start_s", "ending_since_s", "ended_s")
_TEXTS = ("arn", "account", "product_code", "agreement_id", "customer_identifier")


class CustomersTable:
    """Reads and writes licenses.

    A license is ``pk = license#KEY, sk = license``. Beside it stands a pointer
    ``pk = account#ACCOUNT, sk = license#KEY``, written in one transaction with it, so that the
    licenses of an account can be read consistently; an account that registered while its license
    was not known yet has ``sk = product#CODE`` instead.
    """

    def __init__(
        self, client: "DynamoDBClient", table: str, parallel: Callable[..., Iterable[Any]] = map
    ) -> None:
        self._client = client
        self._table = table
        self._parallel = parallel

    def save(self, each: License) -> None:
        """Put a license as it is, and the pointer from its account."""
        puts: list[dict[str, Any]] = [_item(each)]
        if each.account:
            puts.append(
                {"pk": {"S": f"account#{each.account}"}, "sk": {"S": f"license#{each.key}"}}
            )
        self._client.transact_write_items(
            TransactItems=[{"Put": {"TableName": self._table, "Item": put}} for put in puts]
        )

    def save_account(self, account: str, product_code: str) -> None:
        """Note that an account registered for a product while its license is not known yet."""
        self._client.put_item(
            TableName=self._table,
            Item={"pk": {"S": f"account#{account}"}, "sk": {"S": f"product#{product_code}"}},
        )

    def licenses(self, keys: Iterable[LicenseKey]) -> dict[LicenseKey, License]:
        """Read licenses by their keys, consistently; those that do not exist are left out."""
        wanted = [{"pk": {"S": f"license#{key}"}, "sk": {"S": "license"}} for key in set(keys)]
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
        wanted = list(set(accounts))
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

    def _keys_of_account(self, account: str) -> list[LicenseKey] | None:
        pointers = list(
            self._query(
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"account#{account}"}},
                ConsistentRead=True,
            )
        )
        names = [pointer["sk"]["S"].partition("#") for pointer in pointers]
        if not names:
            return None
        return [LicenseKey(key) for kind, _, key in names if kind == "license"]

    def _query(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(TableName=self._table, **arguments)
        for page in pages:
            yield from page["Items"]


def _item(each: License) -> dict[str, Any]:
    item: dict[str, Any] = {
        "pk": {"S": f"license#{each.key}"},
        "sk": {"S": "license"},
        "key": {"S": each.key},
        "state": {"S": str(each.state)},
    }
    for name in _TEXTS:
        if text := getattr(each, name):
            item[name] = {"S": text}
    for name in _NUMBERS:
        if (number := getattr(each, name)) is not None:
            item[name] = {"N": str(number)}
    return item


def _license(item: Mapping[str, Any]) -> License:
    fields: dict[str, Any] = {name: item[name]["S"] for name in _TEXTS if name in item}
    fields |= {name: int(item[name]["N"]) for name in _NUMBERS if name in item}
    return License(key=LicenseKey(item["key"]["S"]), state=State(item["state"]["S"]), **fields)
