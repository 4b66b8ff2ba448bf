"""Registrations whose license is not known yet: which license they are for, and which not."""

from dataclasses import replace

import pytest

from lambdas.customers.history import Kind
from lambdas.customers.license import Entitlement, LicenseKey, State
from tests.customers_stage import (
    BEGIN_MS,
    BUYER,
    FIRST,
    KEY,
    OTHER_KEY,
    PRODUCT,
    SECOND,
    Shop,
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


def test_a_newer_license_of_another_product_does_not_stand_in_the_way(shop: Shop) -> None:
    shop.note(UPDATED, replace(UPDATED_OTHER, product_code="another"))

    [active] = shop.note(without_license(6))

    assert (active.key, active.state) == (KEY, State.ACTIVE)


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


def test_two_registrations_that_wait_at_once_and_name_their_agreements_are_both_kept(
    shop: Shop,
) -> None:
    """The second takes the place of the first under the account, but not under the agreement."""
    shop.note(without_license(0, agreement_id=FIRST), without_license(1, agreement_id=SECOND))

    shop.note(UPDATED, UPDATED_OTHER)

    assert (state(shop), state(shop, OTHER_KEY)) == (State.ACTIVE, State.ACTIVE)


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
