"""Changes of licenses in the table: events that wait, registrations that wait, the outbox."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lambdas.customers.bus import ENTRIES_MAX, Bus
from lambdas.customers.changes import Changes, LicenseContendedError
from lambdas.customers.history import Event, Kind
from lambdas.customers.license import Entitlement, License, LicenseKey, State
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from tests.customers_stage import (
    BEGIN_MS,
    BUS,
    BUYER,
    FIRST,
    KEY,
    LEGACY,
    OTHER_KEY,
    PRODUCT,
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
from tests.world import create_table

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


# A registration whose license is not known yet


def test_a_registration_waits_for_a_license_that_names_its_account(shop: Shop) -> None:
    assert shop.note(without_license(0)) == []

    [active] = shop.note(UPDATED)

    assert (active.state, active.registered_s) == (State.ACTIVE, BEGIN_MS // 1000)


def test_a_registration_finds_a_license_that_was_announced_before(shop: Shop) -> None:
    """License Updated may come before the buyer does, and the answer may lack the license."""
    shop.note(UPDATED)

    [active] = shop.note(without_license(2))

    assert (active.key, active.state) == (KEY, State.ACTIVE)


@pytest.mark.parametrize("registration_first", [True, False])
def test_a_registration_is_attached_by_its_agreement(shop: Shop, registration_first: bool) -> None:
    by_agreement = without_license(2, agreement_id=FIRST)
    events = [by_agreement, UPDATED_OTHER, UPDATED]

    shop.note(*(events if registration_first else reversed(events)))

    assert state(shop) is State.ACTIVE
    assert shop.license(OTHER_KEY).registered_s is None


@pytest.mark.parametrize("registration_first", [True, False])
def test_a_registration_is_not_attached_to_a_license_of_another_agreement(
    shop: Shop, registration_first: bool
) -> None:
    events = [without_license(2, agreement_id=FIRST), UPDATED_OTHER]

    shop.note(*(events if registration_first else reversed(events)))

    assert shop.license(OTHER_KEY).registered_s is None


@pytest.mark.parametrize("registration_first", [True, False])
@pytest.mark.parametrize(
    ("minutes", "attached"),
    [(DAY, True), (DAY + 1 / 60, False), (-DAY, True), (-DAY - 1 / 60, False)],
)
def test_a_registration_waits_for_a_day(
    shop: Shop, minutes: float, attached: bool, registration_first: bool
) -> None:
    events = [without_license(1), happens(Kind.ACTIVATED, 1 + minutes)]

    shop.note(*(events if registration_first else reversed(events)))

    assert (shop.license().registered_s is not None) is attached


@pytest.mark.parametrize(
    "other", [{"account": "222233334444"}, {"product_code": "another"}], ids=str
)
@pytest.mark.parametrize("registration_first", [True, False])
def test_a_registration_is_not_attached_to_a_license_of_others(
    shop: Shop, other: dict[str, str], registration_first: bool
) -> None:
    events = [without_license(0, **other), UPDATED]

    shop.note(*(events if registration_first else reversed(events)))

    assert shop.license().registered_s is None


def test_a_registration_is_not_attached_to_a_license_that_is_registered(shop: Shop) -> None:
    shop.note(UPDATED, registers(2))
    shop.note(without_license(3))

    shop.note(happens(Kind.ACTIVATED, 4))
    shop.note(UPDATED_OTHER)

    assert shop.license().registered_s == registers(2).at_ms // 1000
    assert state(shop, OTHER_KEY) is State.ACTIVE


def test_a_registration_is_not_attached_where_one_is_kept_and_not_applied_yet(
    shop: Shop,
) -> None:
    """Whoever registered by license died before the license was written."""
    shop.customers.keep(registers(2))
    shop.note(without_license(3))

    shop.note(UPDATED, UPDATED_OTHER)

    assert shop.license().registered_s == registers(2).at_ms // 1000
    assert state(shop, OTHER_KEY) is State.ACTIVE


def test_a_registration_is_attached_to_one_license_only(shop: Shop) -> None:
    shop.note(without_license(0), UPDATED, UPDATED_OTHER)

    assert state(shop) is State.ACTIVE
    assert shop.license(OTHER_KEY).registered_s is None


def test_a_registration_is_for_the_license_that_was_activated_last(shop: Shop) -> None:
    """An old row must not swallow a new purchase."""
    shop.note(UPDATED, UPDATED_OTHER)

    shop.note(without_license(6))

    assert state(shop, OTHER_KEY) is State.ACTIVE
    assert shop.license().registered_s is None


@pytest.mark.parametrize("registration_first", [True, False])
def test_a_registration_is_not_for_a_license_that_was_cancelled_before(
    shop: Shop, registration_first: bool
) -> None:
    late = without_license(70)
    old = [UPDATED, happens(Kind.CLOSED, 60)]
    new = happens(Kind.ACTIVATED, 71, license=OTHER_KEY, agreement_id=SECOND)

    shop.note(*([late, *reversed(old), new] if registration_first else [*old, late, new]))

    assert state(shop, OTHER_KEY) is State.ACTIVE


def test_a_buyer_who_comes_again_with_the_license_waits_no_longer(shop: Shop) -> None:
    shop.note(without_license(0), registers(1))

    shop.note(UPDATED, UPDATED_OTHER)

    assert state(shop) is State.ACTIVE
    assert shop.license(OTHER_KEY).registered_s is None


def test_a_registration_that_waits_for_another_agreement_goes_on_waiting(shop: Shop) -> None:
    shop.note(without_license(0, agreement_id=SECOND), registers(1))

    shop.note(UPDATED_OTHER)

    assert state(shop, OTHER_KEY) is State.ACTIVE


def test_the_registration_that_waits_is_the_newest(shop: Shop) -> None:
    shop.note(without_license(0, agreement_id=FIRST), without_license(1))

    waiting = shop.customers.waiting(BUYER, PRODUCT)

    assert waiting == without_license(1)


def test_a_registration_that_found_its_license_waits_no_longer(shop: Shop) -> None:
    shop.note(without_license(0), UPDATED)

    assert shop.customers.waiting(BUYER, PRODUCT) is None


def test_usage_of_an_account_that_waits_is_not_that_of_a_stranger(shop: Shop) -> None:
    shop.note(without_license(0))

    assert shop.customers.of_accounts([BUYER]) == {BUYER: []}


def test_a_newer_registration_is_not_let_in_for_an_older_one(shop: Shop) -> None:
    shop.note(without_license(1))

    shop.customers.let_in(without_license(0), KEY)
    shop.customers.forget_waiting(without_license(0))

    assert shop.customers.waiting(BUYER, PRODUCT) == without_license(1)
    assert shop.customers.kept(KEY).events == []


# What is told


def test_nothing_is_told_before_the_buyer_has_registered(shop: Shop) -> None:
    shop.note(of_agreement(Kind.AGREED), UPDATED, happens(Kind.CLOSED, 60))

    assert shop.bus.published == []


def test_a_buyer_who_comes_after_the_events_is_told_with_the_state_found(shop: Shop) -> None:
    shop.note(of_agreement(Kind.AGREED), UPDATED, registers(2))

    assert shop.told() == ["Customer Registered", "Subscription Activated"]


def test_a_whole_life_is_told_in_order(shop: Shop) -> None:
    shop.note(registers(0), of_agreement(Kind.AGREED), UPDATED)
    shop.note(happens(Kind.ACTIVATED, 30, agreement_id=SECOND))
    shop.note(of_agreement(Kind.CLOSED, 60, agreement_id=SECOND))
    shop.at(120)
    shop.changes.end_overdue()
    shop.note(happens(Kind.ACTIVATED, 200, agreement_id=SECOND))

    assert shop.told() == [
        "Customer Registered",
        "Subscription Changed",
        "Subscription Activated",
        "Subscription Changed",
        "Subscription Ending",
        "Subscription Ended",
        "Subscription Activated",
    ]
    Laws(shop).check()


def test_an_event_is_put_on_the_sellers_bus_with_the_time_of_the_change(shop: Shop) -> None:
    shop.at(2)
    shop.note(registers(2))

    [entry] = shop.bus.published
    assert entry["EventBusName"] == BUS
    assert entry["Source"] == "marketplace-metering"
    assert entry["DetailType"] == "Customer Registered"
    assert entry["Time"] == BEGIN_MS // 1000 + 120


def test_a_bus_that_is_down_is_no_reason_to_refuse_a_change(shop: Shop) -> None:
    shop.bus.down = True

    [active] = [*shop.note(UPDATED), *shop.note(registers(2))][1:]

    assert active.state is State.ACTIVE
    assert shop.bus.published == []


def test_what_a_bus_that_was_down_did_not_take_is_published_later(shop: Shop) -> None:
    shop.bus.down = True
    shop.note(UPDATED, registers(2))
    shop.bus.down = False

    assert shop.changes.publish_leftovers() == 2
    assert shop.told() == ["Customer Registered", "Subscription Activated"]
    assert shop.changes.publish_leftovers() == 0


def test_leftovers_are_published_in_the_order_they_were_written(shop: Shop) -> None:
    """As text, the tenth version comes before the second."""
    shop.bus.down = True
    shop.note(UPDATED, registers(2))
    for number in range(12):
        shop.at(number)
        shop.note(happens(Kind.NOTICE, number, note=str(number)))
    shop.bus.down = False

    shop.changes.publish_leftovers()

    versions = [int(each["Id"].split(":")[1]) for each in shop.details()]
    assert versions == sorted(versions)


def test_what_the_bus_refuses_one_by_one_is_published_later(shop: Shop) -> None:
    shop.bus.refused = 1

    shop.note(UPDATED, registers(2))
    assert shop.told() == ["Subscription Activated"]

    assert shop.changes.publish_leftovers() == 1
    assert sorted(shop.told()) == ["Customer Registered", "Subscription Activated"]


def test_more_is_published_than_one_call_takes(shop: Shop) -> None:
    shop.bus.down = True
    for number in range(ENTRIES_MAX + 1):
        shop.note(registers(0, license_arn=arn(f"l-{number:02}"), agreement_id=f"a-{number}"))
    shop.bus.down = False

    assert shop.changes.publish_leftovers() == ENTRIES_MAX + 1
    assert len(shop.bus.published) == ENTRIES_MAX + 1


def test_leftovers_of_another_table_are_published_and_forgotten_there(shop: Shop) -> None:
    create_table(shop.client, "registrations")
    other = Outbox(shop.client, "registrations")
    shop.bus.down = True
    shop.note(registers(0))
    [told] = list(shop.outbox.leftovers())
    shop.outbox.delete(told)
    shop.client.transact_write_items(TransactItems=[other.put(told)])
    shop.bus.down = False

    assert shop.changes.publish_leftovers(other) == 1
    assert list(other.leftovers()) == []
    assert shop.changes.publish_leftovers(other) == 0


# The last hour


@pytest.mark.parametrize(("minute", "ended"), [(119.999, False), (120, True)])
def test_the_sweep_ends_licenses_whose_last_hour_is_over(
    shop: Shop, minute: float, ended: bool
) -> None:
    shop.note(UPDATED, registers(2), ENDED)
    shop.at(minute)

    assert [each.key for each in shop.changes.end_overdue()] == [KEY] * ended
    assert state(shop) is (State.ENDED if ended else State.ENDING)


def test_the_sweep_ends_a_license_once(shop: Shop) -> None:
    shop.note(UPDATED, registers(2), ENDED)
    shop.at(121)
    shop.changes.end_overdue()

    assert shop.changes.end_overdue() == []
    assert shop.told().count("Subscription Ended") == 1


def test_the_sweep_leaves_what_is_not_ending(shop: Shop) -> None:
    shop.note(UPDATED, registers(2), without_license(3))
    shop.at(10_000)

    assert shop.changes.end_overdue() == []
    assert state(shop) is State.ACTIVE


# Entitlements


def test_what_a_contract_gives_is_kept_and_told(shop: Shop) -> None:
    shop.note(UPDATED, registers(2))

    shop.changes.entitle(KEY, SEATS, 100)

    assert shop.license().entitlements == tuple(SEATS)
    assert shop.told()[-1] == "Subscription Changed"
    assert shop.details()[-1]["Entitlements"][0]["Value"] == {"IntegerValue": 25}


def test_an_older_answer_does_not_replace_a_newer_one(shop: Shop) -> None:
    shop.note(UPDATED, registers(2))
    shop.changes.entitle(KEY, SEATS, 100)

    shop.changes.entitle(KEY, [], 99)

    assert shop.license().entitlements == tuple(SEATS)


def test_a_contract_that_gives_nothing_any_more_is_told(shop: Shop) -> None:
    shop.note(UPDATED, registers(2))
    shop.changes.entitle(KEY, SEATS, 100)

    shop.changes.entitle(KEY, [], 101)

    assert shop.license().entitlements == ()
    assert "Entitlements" not in shop.details()[-1]


def test_the_same_answer_again_is_not_told(shop: Shop) -> None:
    shop.note(UPDATED, registers(2))
    shop.changes.entitle(KEY, SEATS, 100)
    published = len(shop.bus.published)

    shop.changes.entitle(KEY, SEATS, 200)

    assert len(shop.bus.published) == published
    assert shop.license().entitlements_s == 200


def test_entitlements_outlive_later_events(shop: Shop) -> None:
    shop.note(UPDATED, registers(2))
    shop.changes.entitle(KEY, SEATS, 100)

    shop.note(ENDED)

    assert shop.license().entitlements == tuple(SEATS)


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
