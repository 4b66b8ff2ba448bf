"""Changes of licenses in the table: events that wait, and what others do meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lambdas.customers.bus import Bus
from lambdas.customers.changes import Changes, LicenseContendedError
from lambdas.customers.history import Event, Kind
from lambdas.customers.license import Entitlement, License, LicenseKey, State
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from sandbox.memory import create_table
from tests.customers_stage import (
    BEGIN_MS,
    BUS,
    BUYER,
    FIRST,
    KEY,
    LEGACY,
    OTHER_KEY,
    SECOND,
    TABLE,
    Laws,
    Shop,
    arn,
    documented_arn,
    happens,
    of_agreement,
    of_topic,
    registers,
    settle,
    without_license,
)

DAY = 24 * 60
"""Minutes."""

UPDATED = happens(Kind.ACTIVATED, 1)
ENDED = of_agreement(Kind.CLOSED, 60)
UPDATED_OTHER = happens(Kind.ACTIVATED, 5, license=OTHER_KEY, agreement_id=SECOND)
SEATS = [Entitlement("seats", "Integer", "25", 1_795_500_000)]


@pytest.fixture
def shop() -> Shop:
    return Shop()


def state(shop: Shop, key: LicenseKey = KEY) -> State:
    return shop.license(key).state


# Events


def test_an_event_is_answered_with_the_licenses_it_concerns(shop: Shop) -> None:
    assert [each.key for each in shop.note(UPDATED)] == [KEY]


def test_an_event_noted_again_changes_nothing(shop: Shop) -> None:
    shop.note(UPDATED, registers(2))
    before, published = shop.license(), len(shop.bus.published)

    shop.note(UPDATED, registers(2))

    assert shop.license() == before
    assert len(shop.bus.published) == published


def test_an_end_whose_license_is_not_known_yet_waits_for_it(shop: Shop) -> None:
    assert shop.note(ENDED) == []

    shop.note(UPDATED, registers(2))

    assert state(shop) is State.ENDING


def test_an_end_finds_the_licenses_of_its_agreement(shop: Shop) -> None:
    shop.note(UPDATED, registers(2))

    [ending] = shop.note(ENDED)

    assert (ending.key, ending.state) == (KEY, State.ENDING)


def test_an_end_closes_every_license_of_its_agreement_and_no_other(shop: Shop) -> None:
    shop.note(UPDATED, happens(Kind.ACTIVATED, 2, license=LicenseKey("l-2")), UPDATED_OTHER)

    assert {each.key for each in shop.note(ENDED)} == {KEY, "l-2"}
    assert shop.license(OTHER_KEY).ending_since_s is None


def test_the_end_of_an_agreement_that_was_renewed_leaves_the_license(shop: Shop) -> None:
    shop.note(UPDATED, registers(2), happens(Kind.ACTIVATED, 50, agreement_id=SECOND))

    shop.note(ENDED)

    assert state(shop) is State.ACTIVE
    assert shop.license().agreement_id == SECOND


def test_both_forms_of_an_arn_are_one_license(shop: Shop) -> None:
    shop.note(happens(Kind.ACTIVATED, 1, arn=documented_arn(KEY)), registers(2))

    assert list(shop.versions) == [KEY]
    assert (state(shop), shop.license().arn) == (State.ACTIVE, arn(KEY))


def test_two_licenses_of_one_account_and_product_are_two(shop: Shop) -> None:
    other = registers(6, license_arn=arn(OTHER_KEY), agreement_id=SECOND)
    shop.note(UPDATED, registers(2), UPDATED_OTHER, other)

    shop.note(ENDED)

    assert (state(shop), state(shop, OTHER_KEY)) == (State.ENDING, State.ACTIVE)
    assert len(shop.customers.of_accounts([BUYER])[BUYER]) == 2


def test_a_legacy_customer_is_closed_by_its_agreement_too(shop: Shop) -> None:
    """Older products may listen to EventBridge as well; the registration joins the two."""
    customer = registers(
        2, license_arn="", agreement_id=FIRST, product_code="n0123", customer_identifier="X01"
    )
    shop.note(of_topic(Kind.ACTIVATED, 1), customer)

    shop.note(ENDED)

    assert state(shop, LEGACY) is State.ENDING


def test_a_license_with_more_than_a_page_of_events_is_told_by_all_of_them(shop: Shop) -> None:
    """A page of a query holds 1 MB."""
    shop.note(UPDATED)
    for number in range(40):
        shop.customers.keep(happens(Kind.NOTICE, 2, id=f"notice-{number:02}", note="x" * 30_000))

    shop.note(registers(3), happens(Kind.CLOSED, 60, id="zzz"))

    assert state(shop) is State.ENDING


def test_what_is_applied_while_a_license_is_read_is_not_written_over(shop: Shop) -> None:
    """The events of one page are read before those of the next."""
    for number in range(40):
        shop.customers.keep(happens(Kind.NOTICE, 2, id=f"notice-{number:02}", note="x" * 30_000))
    shop.note(UPDATED, registers(3))
    reads: list[str] = []
    closing = happens(Kind.CLOSED, 60, id="a-close-of-the-first-page")

    def meanwhile(call: str) -> None:
        reads.append(call)
        if reads.count("dynamodb.Query") == 2:
            shop.before = lambda _: None
            shop.note(closing)

    shop.before = meanwhile
    shop.note(happens(Kind.NOTICE, 61))

    assert state(shop) is State.ENDING


# What others do meanwhile


def test_a_license_that_others_change_all_the_time_is_given_up_loudly(shop: Shop) -> None:
    shop.note(UPDATED)
    numbers = iter(range(100, 1_000))

    def meanwhile(call: str) -> None:
        if call == "dynamodb.TransactWriteItems":
            current = shop.license()
            shop.customers.save(replace(current, version=next(numbers)))

    def once_at_a_time(call: str) -> None:
        shop.before = lambda _: None
        meanwhile(call)
        shop.before = once_at_a_time

    shop.before = once_at_a_time

    with pytest.raises(LicenseContendedError, match=f"{KEY} was changed by others 20 times"):
        shop.note(registers(2))


def test_an_error_of_the_table_is_no_refusal(shop: Shop) -> None:
    """A transaction that is too large can never be written; nobody may go on as if it were."""
    shop.note(UPDATED)
    each = shop.license()
    too_much: list[dict[str, Any]] = [
        {"Put": {"TableName": TABLE, "Item": {"pk": {"S": str(n)}, "sk": {"S": "x"}}}}
        for n in range(101)
    ]

    with pytest.raises(ClientError, match="ValidationException"):
        shop.customers.replace(each, replace(each, version=9), too_much)


@pytest.fixture(params=["double", "moto"])
def changes(request: pytest.FixtureRequest) -> Iterator[tuple[Changes, CustomersTable]]:
    """`Changes` on the double and on moto, with a bus that is not there."""
    if request.param == "double":
        shop = Shop()
        yield shop.changes, shop.customers
        return
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        create_table(client, TABLE)
        table = CustomersTable(client, TABLE)
        bus = Bus(boto3.client("events", region_name="us-east-1"), BUS)
        yield Changes(table, Outbox(client, TABLE), bus, lambda: BEGIN_MS / 1000), table


def test_the_double_and_moto_come_to_the_same(
    changes: tuple[Changes, CustomersTable],
) -> None:
    noting, table = changes
    events: list[Event] = [without_license(0), ENDED, UPDATED, UPDATED_OTHER, registers(9)]
    Random(7).shuffle(events)

    for _ in range(2):
        for each in events:
            noting.note([each])
    found: dict[LicenseKey, License] = table.licenses([KEY, OTHER_KEY])

    assert found[KEY].state is State.ENDING
    assert found[OTHER_KEY].state in (State.PENDING, State.ACTIVE)
    assert noting.publish_leftovers() == 0


def test_a_settled_shop_keeps_the_laws(shop: Shop) -> None:
    shop.bus.down = True
    shop.note(without_license(0), UPDATED, UPDATED_OTHER, ENDED, registers(9))
    shop.bus.down = False
    shop.at(500)
    settle(shop)

    Laws(shop).check()
