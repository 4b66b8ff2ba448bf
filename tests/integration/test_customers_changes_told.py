"""What changes of licenses tell the seller's systems, and what the sweep does for it."""

import pytest

from lambdas.customers.bus import ENTRIES_MAX
from lambdas.customers.history import Kind
from lambdas.customers.license import Entitlement, LicenseKey, State
from lambdas.customers.outbox import Outbox
from sandbox.memory import create_table
from sandbox.memory.dynamodb import TableFaults
from tests.customers_stage import (
    BEGIN_MS,
    BUS,
    KEY,
    OTHER_KEY,
    SECOND,
    Laws,
    Shop,
    arn,
    happens,
    of_agreement,
    registers,
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


# What is told


def test_nothing_is_told_before_the_buyer_has_registered(shop: Shop) -> None:
    shop.note(of_agreement(Kind.AGREED), UPDATED, happens(Kind.CLOSED, 60))

    assert shop.bus.published == []


def test_a_buyer_who_comes_after_the_events_is_told_with_the_state_found(shop: Shop) -> None:
    shop.note(of_agreement(Kind.AGREED), UPDATED, registers(2))

    assert shop.told() == ["Customer Registered", "Subscription Activated"]


def test_what_changes_before_the_activation_is_told_with_it(shop: Shop) -> None:
    shop.note(registers(0), of_agreement(Kind.AGREED))

    assert shop.told() == ["Customer Registered"]


def test_a_whole_life_is_told_in_order(shop: Shop) -> None:
    shop.note(registers(0), of_agreement(Kind.AGREED), UPDATED)
    shop.note(happens(Kind.ACTIVATED, 30, agreement_id=SECOND))
    shop.note(of_agreement(Kind.CLOSED, 60, agreement_id=SECOND))
    shop.at(120)
    shop.changes.end_overdue()
    shop.note(happens(Kind.ACTIVATED, 200, agreement_id=SECOND))

    assert shop.told() == [
        "Customer Registered",
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
        shop.note(happens(Kind.NOTICE, number, note=str(number)))
    shop.at(20)
    shop.note(happens(Kind.CLOSED, 10))
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


def test_leftovers_are_read_as_they_are_now(shop: Shop) -> None:
    """A sweep must not leave for the next what was written before it began."""
    shop.dynamodb.faults = TableFaults(stale_read=1.0, stale_seconds=3_600)
    shop.bus.down = True
    shop.note(registers(0))
    shop.bus.down = False

    assert shop.changes.publish_leftovers() == 1


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
