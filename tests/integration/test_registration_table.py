"""The registrations table, against the double in memory and against moto."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.customers.license import LicenseKey
from lambdas.registration.aws import RegistrationsTable
from lambdas.registration.codes import Registration, Use
from lambdas.registration.contact import Contact
from sandbox.memory import create_table
from sandbox.memory.double import Fault
from sandbox.memory.dynamodb import MemoryDynamoDB

HASH, OTHER_HASH = "0" * 64, "1" * 64
NOW_S = 1_795_000_000
FULL = Registration(
    license=LicenseKey("l-0123"),
    arn="arn:aws:license-manager::777788889999:license:l-0123",
    account="111122223333",
    product_code="n0123",
    customer_identifier="X01",
    agreement_id="agmt-1",
    free_trial=True,
    at_s=NOW_S,
)
BARE = Registration(
    license=LicenseKey(""),
    arn="",
    account="111122223333",
    product_code="n0123",
    customer_identifier="",
    agreement_id="",
    free_trial=False,
    at_s=NOW_S,
)
ADA = Contact("Ada@example.com", "Ada", "Engines")


@pytest.fixture(params=["double", "moto"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "double":
        yield MemoryDynamoDB(now=lambda: 0.0, rng=Random(0)).client()
    else:
        with mock_aws():
            yield boto3.client("dynamodb", region_name="us-east-1")


@pytest.fixture
def table(client: Any) -> RegistrationsTable:
    create_table(client, "registrations")
    return RegistrationsTable(client, "registrations")


def items(client: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.scan(TableName="registrations")["Items"]
    return found


@pytest.mark.parametrize("each", [FULL, BARE], ids=["full", "bare"])
def test_a_registration_is_read_as_it_was_saved(
    table: RegistrationsTable, each: Registration
) -> None:
    table.save(HASH, each)

    assert table.find(HASH) == each
    assert table.find(OTHER_HASH) is None


def test_a_code_is_deleted_by_the_table_an_hour_after_it_was_made(
    table: RegistrationsTable, client: Any
) -> None:
    table.save(HASH, FULL)

    [item] = items(client)
    assert item["expires"] == {"N": str(NOW_S + 3_600)}


def test_a_code_is_used_once(table: RegistrationsTable) -> None:
    table.save(HASH, FULL)

    assert table.claim(HASH, NOW_S)
    assert not table.claim(HASH, NOW_S)
    assert not table.sign_up(HASH, FULL.owner, ADA, NOW_S)
    assert table.find(HASH) == replace(FULL, used=Use.CLAIM)


def test_a_sign_up_uses_the_code_and_keeps_the_contact(
    table: RegistrationsTable, client: Any
) -> None:
    table.save(HASH, FULL)

    assert table.sign_up(HASH, FULL.owner, ADA, NOW_S + 1)

    assert table.find(HASH) == replace(FULL, used=Use.SIGNUP)
    [contact] = [each for each in items(client) if each["sk"]["S"] != "code"]
    assert contact == {
        "pk": {"S": "license#l-0123"},
        "sk": {"S": "contact#ada@example.com"},
        "email": {"S": "Ada@example.com"},
        "name": {"S": "Ada"},
        "company": {"S": "Engines"},
        "at_s": {"N": str(NOW_S + 1)},
    }


def test_a_sign_up_writes_all_or_nothing(table: RegistrationsTable, client: Any) -> None:
    table.save(HASH, FULL)
    more = {
        "Put": {
            "TableName": "registrations",
            "Item": {"pk": {"S": "outbox"}, "sk": {"S": "a"}},
            "ConditionExpression": "attribute_exists(pk)",
        }
    }

    assert not table.sign_up(HASH, FULL.owner, ADA, NOW_S, more)

    assert table.find(HASH) == FULL
    assert len(items(client)) == 1


@pytest.mark.parametrize("late_s", [3_600, 100_000])
def test_an_expired_code_cannot_be_used_though_it_is_still_there(
    table: RegistrationsTable, late_s: int
) -> None:
    table.save(HASH, FULL)

    assert not table.claim(HASH, NOW_S + late_s)
    assert not table.sign_up(HASH, FULL.owner, ADA, NOW_S + late_s)


def test_a_code_that_is_not_there_cannot_be_used(table: RegistrationsTable, client: Any) -> None:
    assert not table.claim(HASH, NOW_S)
    assert not table.sign_up(HASH, FULL.owner, ADA, NOW_S)
    assert items(client) == []


def test_an_e_mail_is_claimed_once_until_it_is_released(table: RegistrationsTable) -> None:
    table.save(HASH, FULL)
    table.sign_up(HASH, FULL.owner, ADA, NOW_S)

    assert table.claim_mail(FULL.owner, ADA, NOW_S)
    assert not table.claim_mail(FULL.owner, ADA, NOW_S)
    table.release_mail(FULL.owner, ADA)
    assert table.claim_mail(FULL.owner, ADA, NOW_S)


def test_an_e_mail_to_a_contact_that_is_not_there_cannot_be_claimed(
    table: RegistrationsTable, client: Any
) -> None:
    assert not table.claim_mail(FULL.owner, ADA, NOW_S)
    assert items(client) == []


def test_a_contact_that_signs_up_again_keeps_the_mark_of_its_e_mail(
    table: RegistrationsTable,
) -> None:
    table.save(HASH, FULL)
    table.sign_up(HASH, FULL.owner, ADA, NOW_S)
    table.claim_mail(FULL.owner, ADA, NOW_S)
    table.save(OTHER_HASH, FULL)

    assert table.sign_up(OTHER_HASH, FULL.owner, Contact("ada@example.com"), NOW_S)
    assert not table.claim_mail(FULL.owner, ADA, NOW_S)


def test_a_use_whose_answer_was_lost_recognises_itself_when_the_sdk_repeats_it() -> None:
    dynamodb = MemoryDynamoDB(now=lambda: 0.0, rng=Random(0))
    client: Any = dynamodb.client()
    create_table(client, "registrations")
    table = RegistrationsTable(client, "registrations")
    table.save(HASH, FULL)
    dynamodb.on_call = lambda _service, name, _params: (
        Fault.TWICE if name == "TransactWriteItems" else None
    )

    assert table.claim(HASH, NOW_S)
