"""The Customers table, against the double in memory and against moto."""

from collections.abc import Iterator
from random import Random
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.customers.history import registration
from lambdas.customers.license import License, LicenseKey, State
from lambdas.customers.table import CustomersTable
from sandbox.memory import create_table
from sandbox.memory.dynamodb import MemoryDynamoDB, TableFaults

ACCOUNT, OTHER = "111122223333", "222233334444"
FULL = License(
    key=LicenseKey("l-0123"),
    arn="arn:aws:license-manager::777788889999:license:l-0123",
    account=ACCOUNT,
    product_code="n0123",
    state=State.ENDED,
    agreement_id="agmt-1",
    customer_identifier="X01",
    start_s=1_795_000_000,
    ending_since_s=1_795_100_000,
    ended_s=1_795_103_600,
)

EARLY = registration(
    at_ms=1_795_000_000_000,
    license_arn="",
    account=ACCOUNT,
    product_code="n0123",
    customer_identifier="",
    agreement_id="",
    free_trial=None,
)


@pytest.fixture(params=["double", "moto"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "double":
        yield MemoryDynamoDB(now=lambda: 0.0, rng=Random(0)).client()
    else:
        with mock_aws():
            yield boto3.client("dynamodb", region_name="us-east-1")


@pytest.fixture
def table(client: Any) -> CustomersTable:
    create_table(client, "customers")
    return CustomersTable(client, "customers")


def a_license(number: int, **fields: Any) -> License:
    return License(key=LicenseKey(f"l-{number:04}"), account=ACCOUNT, **fields)


@pytest.mark.parametrize(
    "each", [FULL, License(LicenseKey("p/X01")), a_license(1, start_s=0)], ids=lambda each: each.key
)
def test_a_license_is_read_as_it_was_saved(table: CustomersTable, each: License) -> None:
    table.save(each)

    assert table.licenses([each.key]) == {each.key: each}


def test_a_license_saved_again_is_as_it_was_saved_last(table: CustomersTable) -> None:
    table.save(FULL)
    table.save(License(FULL.key, account=ACCOUNT, state=State.ACTIVE))

    assert table.licenses([FULL.key]) == {
        FULL.key: License(FULL.key, account=ACCOUNT, state=State.ACTIVE)
    }
    assert table.of_accounts([ACCOUNT])[ACCOUNT] == [
        License(FULL.key, account=ACCOUNT, state=State.ACTIVE)
    ]


def test_licenses_nobody_knows_are_left_out(table: CustomersTable) -> None:
    table.save(FULL)

    assert table.licenses([LicenseKey("l-9999"), FULL.key]).keys() == {FULL.key}
    assert table.licenses([]) == {}


def test_more_licenses_are_read_than_one_request_takes(table: CustomersTable) -> None:
    licenses = [a_license(number) for number in range(101)]
    for each in licenses:
        table.save(each)

    assert table.licenses(each.key for each in licenses * 2) == {
        each.key: each for each in licenses
    }


def test_licenses_are_found_by_their_account(table: CustomersTable) -> None:
    first, second = a_license(1), a_license(2, state=State.ACTIVE)
    for each in (first, second, License(LicenseKey("l-0003"), account=OTHER)):
        table.save(each)

    found = table.of_accounts([ACCOUNT])

    assert found.keys() == {ACCOUNT}
    assert sorted(found[ACCOUNT], key=lambda each: each.key) == [first, second]


def test_accounts_nobody_knows_are_left_out(table: CustomersTable) -> None:
    table.save(a_license(1))

    assert table.of_accounts([OTHER, ACCOUNT]).keys() == {ACCOUNT}


def test_an_account_that_registered_before_its_license_was_known_holds_none(
    table: CustomersTable,
) -> None:
    table.keep_waiting(EARLY)

    assert table.of_accounts([ACCOUNT]) == {ACCOUNT: []}


def test_the_license_of_such_an_account_is_found_once_it_is_known(table: CustomersTable) -> None:
    table.keep_waiting(EARLY)
    table.save(FULL)

    assert table.of_accounts([ACCOUNT]) == {ACCOUNT: [FULL]}


def test_a_license_without_account_is_no_accounts(table: CustomersTable) -> None:
    table.save(License(LicenseKey("l-0001")))

    assert table.of_accounts([ACCOUNT, ""]) == {}


def test_licenses_are_found_by_their_state(table: CustomersTable) -> None:
    for number, state in enumerate([State.ACTIVE, State.ENDING, State.ACTIVE, State.PENDING]):
        table.save(a_license(number, state=state))

    assert [each.key for each in table.in_state(State.ACTIVE)] == ["l-0000", "l-0002"]
    assert [each.key for each in table.in_state(State.ENDING)] == ["l-0001"]
    assert table.in_state(State.ENDED) == []


def test_a_license_whose_state_changed_is_found_in_the_new_one_only(table: CustomersTable) -> None:
    table.save(a_license(1, state=State.ACTIVE))
    table.save(a_license(1, state=State.ENDING))

    assert table.in_state(State.ACTIVE) == []
    assert table.in_state(State.ENDING) == [a_license(1, state=State.ENDING)]


def test_a_state_is_read_to_its_last_page(table: CustomersTable) -> None:
    """A page of a query holds 1 MB."""
    long = "x" * 30_000
    for number in range(40):
        table.save(a_license(number, state=State.ACTIVE, agreement_id=long))

    assert len(table.in_state(State.ACTIVE)) == 40


def test_what_a_request_leaves_unread_is_asked_for_again() -> None:
    dynamodb = MemoryDynamoDB(now=lambda: 0.0, rng=Random(0), faults=TableFaults(unprocessed=0.5))
    create_table(dynamodb.client(), "customers")
    table = CustomersTable(dynamodb.client(), "customers")
    licenses = [a_license(number) for number in range(150)]
    for each in licenses:
        table.save(each)

    assert len(table.licenses(each.key for each in licenses)) == 150


def test_licenses_and_accounts_are_read_as_they_are_now() -> None:
    """Usage of a customer who has just registered must not go to quarantine."""
    faults = TableFaults(stale_read=1.0, stale_seconds=3_600)
    dynamodb = MemoryDynamoDB(now=lambda: 0.0, rng=Random(0), faults=faults)
    create_table(dynamodb.client(), "customers")
    table = CustomersTable(dynamodb.client(), "customers")

    table.save(FULL)

    assert table.licenses([FULL.key]) == {FULL.key: FULL}
    assert table.of_accounts([ACCOUNT]) == {ACCOUNT: [FULL]}
