"""Functions that write one license at once, and functions that die: nothing is lost or told twice.

Every work is cut at every AWS call: two of them take turns there, or one dies there and its event
is delivered again. Whatever happens, the license is what its events say, every change is announced
under one id, and nothing is announced that did not happen.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.history import Event, Kind
from lambdas.customers.license import Entitlement, License, LicenseKey, State
from tests.customers_stage import (
    FIRST,
    KEY,
    OTHER_KEY,
    SECOND,
    Laws,
    Shop,
    arn,
    bare,
    expected,
    happens,
    interleave,
    of_agreement,
    registers,
    settle,
    without_license,
)

UPDATED = happens(Kind.ACTIVATED, 1)
REGISTERED = registers(2)
CREATED = of_agreement(Kind.AGREED, 0, offer_id="offer-1", start_ms=1_000, end_ms=2_000)
DEPROVISIONED = happens(Kind.CLOSED, 60)
ENDED = of_agreement(Kind.CLOSED, 60.5)
BACK = happens(Kind.ACTIVATED, 70)
RENEWED = happens(Kind.ACTIVATED, 55, agreement_id=SECOND)
BY_AGREEMENT = without_license(2, agreement_id=FIRST)
BY_ACCOUNT = without_license(2)

PAIRS = {
    "activated, registered": ([], UPDATED, REGISTERED),
    "created, activated": ([REGISTERED], CREATED, UPDATED),
    "ended before its license is known": ([REGISTERED], ENDED, UPDATED),
    "ended, deprovisioned": ([UPDATED, REGISTERED], ENDED, DEPROVISIONED),
    "deprovisioned, back": ([UPDATED, REGISTERED], DEPROVISIONED, BACK),
    "renewed, the old one ended": ([UPDATED, REGISTERED], RENEWED, ENDED),
    "twice the same": ([UPDATED], REGISTERED, REGISTERED),
    "registered by agreement, activated": ([], BY_AGREEMENT, UPDATED),
    "registered by account, activated": ([], BY_ACCOUNT, UPDATED),
    "registered by account, created": ([UPDATED], BY_ACCOUNT, CREATED),
    "twice activated, registered by account": ([BY_ACCOUNT], UPDATED, BACK),
}
pairs = pytest.mark.parametrize(("before", "one", "other"), PAIRS.values(), ids=PAIRS)


def attached(events: Sequence[Event]) -> list[Event]:
    """The events as they are once a registration by account has found the license."""
    return [registers(2, license_arn=arn(KEY)) if each is BY_ACCOUNT else each for each in events]


def told_by(events: Sequence[Event], shop: Shop) -> License:
    """What the license must be."""
    return expected(attached(events), round(shop.now_s * 1000))


def check(shop: Shop, events: Sequence[Event]) -> None:
    """Sweep, and hold what there is against what there must be."""
    settle(shop)
    assert bare(shop.license()) == told_by(events, shop)
    Laws(shop).check()


def prepared(before: Sequence[Event]) -> Shop:
    shop = Shop()
    shop.at(90)
    shop.note(*before)
    shop.calls.clear()
    return shop


def noting(shop: Shop, event: Event) -> Callable[[], Any]:
    return lambda: shop.changes.note([event])


@pairs
def test_one_may_be_overtaken_by_another_at_every_call(
    before: list[Event], one: Event, other: Event
) -> None:
    for first, second in ((one, other), (other, one)):
        alone = prepared(before)
        alone.note(first)
        for number in range(1, len(alone.calls) + 1):
            shop = prepared(before)

            interleave(shop, [noting(shop, first), noting(shop, second)], [0] * number + [1] * 99)

            check(shop, [*before, one, other])


@pairs
@given(turns=st.lists(st.integers(0, 1), max_size=30))
def test_two_may_take_turns_in_any_way(
    before: list[Event], one: Event, other: Event, turns: list[int]
) -> None:
    shop = prepared(before)

    interleave(shop, [noting(shop, one), noting(shop, other)], turns)

    check(shop, [*before, one, other])


@given(turns=st.lists(st.integers(0, 3), max_size=60))
def test_four_and_a_sweep_may_take_turns_in_any_way(turns: list[int]) -> None:
    shop = prepared([CREATED])
    shop.at(130)
    events = [UPDATED, REGISTERED, ENDED]
    works = [*(noting(shop, each) for each in events), lambda: settle(shop)]

    interleave(shop, works, turns)

    check(shop, [CREATED, *events])
    assert shop.license().state is State.ENDED


@given(turns=st.lists(st.integers(0, 1), max_size=30))
def test_entitlements_and_an_event_do_not_lose_each_other(turns: list[int]) -> None:
    shop = prepared([UPDATED, REGISTERED])
    seats = [Entitlement("seats", "Integer", "5")]

    interleave(
        shop, [lambda: shop.changes.entitle(KEY, seats, 5), noting(shop, DEPROVISIONED)], turns
    )

    assert shop.license().entitlements == tuple(seats)
    assert shop.license().state is State.ENDING
    settle(shop)
    Laws(shop).check()


@given(turns=st.lists(st.integers(0, 1), max_size=40))
def test_one_registration_is_never_that_of_two_licenses(turns: list[int]) -> None:
    shop = prepared([BY_ACCOUNT])
    other = happens(Kind.ACTIVATED, 1, license=OTHER_KEY, agreement_id=SECOND)

    interleave(shop, [noting(shop, UPDATED), noting(shop, other)], turns)

    registered = [shop.license(key).registered_s is not None for key in (KEY, OTHER_KEY)]
    assert sorted(registered) == [False, True]
    settle(shop)
    Laws(shop).check()


def deaths(before: Sequence[Event], event: Event) -> Iterator[tuple[str, int]]:
    """Every way to die while an event is noted."""
    alone = prepared(before)
    alone.note(event)
    for phase in ("before", "after"):
        for number in range(1, len(alone.calls) + 1):
            yield phase, number


@pairs
def test_an_event_whose_noting_dies_anywhere_is_noted_when_it_comes_again(
    before: list[Event], one: Event, other: Event
) -> None:
    """Others may come between the death and the next delivery, or after it."""
    for first, second in ((one, other), (other, one)):
        for phase, number in deaths(before, first):
            shop = prepared(before)
            with shop.dying(phase, number):
                shop.note(first)

            shop.note(*((first, second) if number % 2 else (second, first)))

            check(shop, [*before, one, other])


def test_a_death_lets_no_registration_in_twice() -> None:
    """What waits may be found by another license before the event comes again."""
    for phase, number in deaths([BY_ACCOUNT], UPDATED):
        shop = prepared([BY_ACCOUNT])
        with shop.dying(phase, number):
            shop.note(UPDATED)

        shop.note(CREATED, UPDATED)
        shop.note(happens(Kind.ACTIVATED, 3, license=OTHER_KEY, agreement_id=SECOND))

        assert shop.license().registered_s is not None
        assert shop.license(OTHER_KEY).registered_s is None


def test_a_license_of_which_nothing_is_kept_has_no_row() -> None:
    """Whoever came with it died after the agreement pointed to it, and before it was kept."""
    shop = prepared([BY_AGREEMENT])
    with shop.dying("after", 1):
        shop.note(REGISTERED)

    concerned = shop.note(CREATED)

    assert concerned == []
    assert shop.versions == {}


def test_a_registration_outlives_another_that_waits_and_a_death() -> None:
    """Two purchases of one account and product wait at once, and one of the buyers comes again."""
    shop = prepared([BY_AGREEMENT, without_license(3, agreement_id=SECOND)])
    with shop.dying("after", 1):
        shop.note(REGISTERED)

    shop.note(CREATED, UPDATED, happens(Kind.ACTIVATED, 4, license=OTHER_KEY, agreement_id=SECOND))

    assert shop.license().state is State.ACTIVE
    assert shop.license(OTHER_KEY).state is State.ACTIVE


def test_a_sweep_may_die_anywhere() -> None:
    def due() -> Shop:
        shop = Shop()
        shop.at(61)
        shop.bus.down = True
        shop.note(UPDATED, REGISTERED, ENDED)
        shop.bus.down = False
        shop.at(121)
        shop.calls.clear()
        return shop

    alone = due()
    settle(alone)
    for phase in ("before", "after"):
        for number in range(1, len(alone.calls) + 1):
            shop = due()
            with shop.dying(phase, number):
                settle(shop)

            check(shop, [UPDATED, REGISTERED, ENDED])
            assert shop.license().state is State.ENDED


def test_what_died_before_it_was_written_is_not_told() -> None:
    shop = prepared([UPDATED])
    alone = prepared([UPDATED])
    alone.note(REGISTERED)
    written = alone.calls.index("dynamodb.TransactWriteItems") + 1
    with shop.dying("before", written):
        shop.note(REGISTERED)

    settle(shop)

    assert shop.bus.published == []


def test_what_died_after_it_was_written_is_told_by_the_sweep_alone() -> None:
    """The event need not come again."""
    shop = prepared([UPDATED])
    alone = prepared([UPDATED])
    alone.note(REGISTERED)
    written = alone.calls.index("dynamodb.TransactWriteItems") + 1
    with shop.dying("after", written):
        shop.note(REGISTERED)

    settle(shop)

    assert shop.told() == ["Customer Registered", "Subscription Activated"]


def test_a_copy_that_is_published_again_is_the_same_event() -> None:
    shop = prepared([UPDATED])
    alone = prepared([UPDATED])
    alone.note(REGISTERED)
    published = alone.calls.index("events.PutEvents") + 1
    with shop.dying("after", published):
        shop.note(REGISTERED)

    settle(shop)

    ids = [each["Id"] for each in shop.details()]
    assert len(ids) == 4
    assert len(set(ids)) == 2
    Laws(shop).check()


def test_the_key_of_a_license_nobody_knows_is_not_that_of_another() -> None:
    shop = prepared([UPDATED])

    assert shop.customers.licenses([LicenseKey("l-unknown")]) == {}
