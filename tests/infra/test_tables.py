import pytest

from tests.infra.template import LOG, QUEUE, TABLE, Resources


@pytest.mark.parametrize("words", ["MeteringLedger", "CustomersTable"])
def test_a_table_outlives_mistakes(resources: Resources, words: str) -> None:
    table = resources.properties(TABLE, words)

    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize(
    ("kind", "words"),
    [(TABLE, "MeteringLedger"), (TABLE, "CustomersTable"), (QUEUE, ""), (LOG, "")],
)
def test_what_holds_a_sellers_money_or_its_trail_is_never_deleted_with_the_stack(
    resources: Resources, kind: str, words: str
) -> None:
    resource = resources.one(kind, words)

    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize("words", ["MeteringLedger", "CustomersTable"])
def test_a_table_is_on_demand_under_pk_and_sk(resources: Resources, words: str) -> None:
    table = resources.properties(TABLE, words)

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert {a["AttributeType"] for a in table["AttributeDefinitions"]} == {"S"}


def test_ledger_items_expire_by_their_attribute_and_customers_never(resources: Resources) -> None:
    ledger = resources.properties(TABLE, "MeteringLedger")
    customers = resources.properties(TABLE, "CustomersTable")

    assert ledger["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert "TimeToLiveSpecification" not in customers


def test_licenses_are_found_by_state(resources: Resources) -> None:
    (index,) = resources.properties(TABLE, "CustomersTable")["GlobalSecondaryIndexes"]

    assert index == {
        "IndexName": "by-state",
        "KeySchema": [
            {"AttributeName": "state", "KeyType": "HASH"},
            {"AttributeName": "pk", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
