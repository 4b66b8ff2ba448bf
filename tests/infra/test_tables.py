import pytest

from tests.infra.template import (
    CUSTOMERS,
    FUNCTIONS,
    LEDGER,
    LOG,
    QUEUE,
    REGISTRATIONS,
    TABLE,
    USAGE_QUEUE,
    Resources,
)

TABLES = (LEDGER, CUSTOMERS, REGISTRATIONS)


@pytest.mark.parametrize("words", TABLES)
def test_a_table_outlives_mistakes(resources: Resources, words: str) -> None:
    table = resources.properties(TABLE, words)

    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        *((TABLE, words) for words in TABLES),
        *((LOG, words) for words in FUNCTIONS),
        (QUEUE, USAGE_QUEUE),
    ],
)
def test_what_holds_a_sellers_money_or_its_trail_is_never_deleted_with_the_stack(
    resources: Resources, kind: str, words: str
) -> None:
    resource = resources.one(kind, words)

    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize("words", TABLES)
def test_a_table_is_on_demand_under_pk_and_sk(resources: Resources, words: str) -> None:
    table = resources.properties(TABLE, words)

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert {a["AttributeType"] for a in table["AttributeDefinitions"]} == {"S"}


@pytest.mark.parametrize("words", [LEDGER, REGISTRATIONS])
def test_items_that_say_when_they_expire_are_deleted(resources: Resources, words: str) -> None:
    expiry = resources.properties(TABLE, words)["TimeToLiveSpecification"]

    assert expiry == {"AttributeName": "expires", "Enabled": True}


def test_customers_never_expire(resources: Resources) -> None:
    assert "TimeToLiveSpecification" not in resources.properties(TABLE, CUSTOMERS)


@pytest.mark.parametrize("words", TABLES)
def test_a_table_is_encrypted_with_dynamodbs_own_key(resources: Resources, words: str) -> None:
    # DynamoDB encrypts every table; only a key of the seller's, or AWS's in KMS, is declared.
    assert "SSESpecification" not in resources.properties(TABLE, words)


def test_licenses_are_found_by_state(resources: Resources) -> None:
    (index,) = resources.properties(TABLE, CUSTOMERS)["GlobalSecondaryIndexes"]

    assert index == {
        "IndexName": "by-state",
        "KeySchema": [
            {"AttributeName": "state", "KeyType": "HASH"},
            {"AttributeName": "pk", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
