"""Zeros: told for active licenses, and never where they could take the place of usage."""

from dataclasses import replace
from typing import Any

import pytest

from lambdas.customers.license import License, LicenseKey, State
from lambdas.metering.hours import HOUR_S, Hour, hour_from_text, hour_text, start_s
from lambdas.metering.ledger import FrozenRecord, Ledger, Seal
from lambdas.metering.seal import Heartbeats
from lambdas.metering.terms import Terms
from tests.unit.metering_stage import (
    LICENSE,
    NOW_S,
    TERMS,
    THIS_HOUR,
    append,
    begun,
    bought,
    close,
    count,
    frozen_in,
    seconds,
    usage,
)

ONE = Terms(dimensions=("users",))
LAST = Hour(THIS_HOUR - 1)
"""The hour that is sealed."""


def long_running() -> Ledger:
    """Return a log that began days ago and is sealed up to the hour before the last."""
    ledger = begun(NOW_S - 5 * 24 * HOUR_S)
    append(ledger, Seal(NOW_S - HOUR_S, Hour(LAST - 1), everyone=True, records={}))
    return ledger


def zeros(
    ledger: Ledger,
    *active: License,
    upto: Hour = LAST,
    terms: Terms = ONE,
    refused: tuple[tuple[LicenseKey, str], ...] = (),
) -> list[tuple[LicenseKey, FrozenRecord]]:
    """Seal up to an hour, and return the records of 0."""
    heartbeats = Heartbeats(active, refused)
    seals = close(ledger, upto, heartbeats=heartbeats, terms=terms, now_s=NOW_S)
    return [(who, each) for who, each in frozen_in(seals) if not each.quantity]


def hours_of(found: list[tuple[LicenseKey, FrozenRecord]]) -> list[str]:
    return [hour_text(each.hour) for _, each in found]


def test_an_active_license_without_usage_reports_zero_for_every_dimension() -> None:
    found = zeros(long_running(), bought(), terms=TERMS)

    assert [(who, each.dimension, each.hour) for who, each in found] == [
        (LICENSE, dimension, LAST) for dimension in TERMS.dimensions
    ]


def test_a_zero_is_stamped_with_the_start_of_its_hour() -> None:
    [(_, zero)] = zeros(long_running(), bought())

    assert (zero.timestamp_s, zero.allocations) == (start_s(LAST), ())


def test_usage_leaves_no_room_for_a_zero() -> None:
    ledger = long_running()
    count(ledger, usage("a", used_s=NOW_S - HOUR_S))

    assert zeros(ledger, bought()) == []


def test_usage_of_one_dimension_leaves_the_others_their_zeros() -> None:
    ledger = long_running()
    count(ledger, usage("a", used_s=NOW_S - HOUR_S))

    found = zeros(ledger, bought(), terms=TERMS)

    assert [each.dimension for _, each in found] == ["api-calls", "storage-gb"]


def test_a_license_with_zeros_and_usage_has_all_in_one_seal() -> None:
    ledger = long_running()
    count(ledger, usage("a", used_s=NOW_S - HOUR_S))

    [seal] = close(ledger, LAST, heartbeats=Heartbeats([bought()]), terms=TERMS, now_s=NOW_S)

    assert len(seal.records[LICENSE]) == 3


def test_without_configured_dimensions_there_are_no_zeros() -> None:
    assert zeros(long_running(), bought(), terms=Terms()) == []


@pytest.mark.parametrize("state", [State.PENDING, State.ENDING, State.ENDED])
def test_only_an_active_license_reports_zeros(state: State) -> None:
    assert zeros(long_running(), bought(state=state)) == []


@pytest.mark.parametrize("fields", [{"state": State.PENDING}, {"start_s": None}], ids=str)
def test_a_license_without_zeros_leaves_others_theirs(fields: dict[str, Any]) -> None:
    found = zeros(long_running(), bought("l-0", **fields), bought())

    assert [who for who, _ in found] == [LICENSE]


def test_a_license_whose_start_is_unknown_reports_no_zeros() -> None:
    assert zeros(long_running(), bought(start_s=None)) == []


@pytest.mark.parametrize(("started_s", "expected"), [(start_s(LAST), 1), (start_s(LAST) + 1, 0)])
def test_zeros_begin_with_the_first_whole_hour_of_a_license(started_s: int, expected: int) -> None:
    assert len(zeros(long_running(), bought(start_s=started_s))) == expected


@pytest.mark.parametrize(("active_s", "expected"), [(start_s(LAST), 1), (start_s(LAST) + 1, 0)])
def test_zeros_begin_with_the_first_whole_hour_after_an_activation(
    active_s: int, expected: int
) -> None:
    assert len(zeros(long_running(), bought(active_since_s=active_s))) == expected


@pytest.mark.parametrize(("cut_over_s", "expected"), [(start_s(LAST), 1), (start_s(LAST) + 1, 0)])
def test_zeros_begin_with_the_first_whole_hour_after_the_cut_over(
    cut_over_s: int, expected: int
) -> None:
    terms = replace(ONE, metering_from_s=cut_over_s)

    assert len(zeros(long_running(), bought(), terms=terms)) == expected


@pytest.mark.parametrize(("began_s", "expected"), [(start_s(LAST), 1), (start_s(LAST) + 1, 0)])
def test_zeros_begin_with_the_first_whole_hour_of_the_log(began_s: int, expected: int) -> None:
    ledger = begun(began_s)

    assert len(zeros(ledger, bought())) == expected


def test_an_hour_that_is_sealed_already_gets_no_zero() -> None:
    ledger = long_running()
    append(ledger, Seal(NOW_S, LAST, everyone=False, records={LICENSE: ()}))

    assert zeros(ledger, bought()) == []


def test_hours_that_were_missed_get_their_zeros() -> None:
    ledger = begun(NOW_S - 5 * 24 * HOUR_S)
    append(ledger, Seal(NOW_S, Hour(LAST - 3), everyone=True, records={}))

    assert hours_of(zeros(ledger, bought())) == [hour_text(Hour(LAST - at)) for at in (2, 1, 0)]


def test_hours_whose_window_is_closed_get_no_zero() -> None:
    ledger = begun(NOW_S - 5 * 24 * HOUR_S)

    assert hours_of(zeros(ledger, bought()))[0] == "2026-11-22T11Z"


@pytest.mark.parametrize("hours", [6, 24])
def test_an_hour_whose_window_closes_now_gets_no_zero(hours: int) -> None:
    now_s, terms = start_s(THIS_HOUR), replace(ONE, window_hours=hours)
    ledger = begun(now_s - 5 * 24 * HOUR_S)

    seals = close(ledger, LAST, heartbeats=Heartbeats([bought()]), terms=terms, now_s=now_s)

    assert min(each.hour for _, each in frozen_in(seals)) == THIS_HOUR - hours + 1


def test_hours_of_a_month_that_is_closed_get_no_zero() -> None:
    now_s = seconds("2026-12-01T07:20Z")
    ledger = begun(now_s - 5 * 24 * HOUR_S)
    heartbeats = Heartbeats([bought()])

    seals = close(
        ledger, hour_from_text("2026-12-01T06Z"), heartbeats=heartbeats, terms=ONE, now_s=now_s
    )

    assert hours_of(frozen_in(seals))[0] == "2026-12-01T00Z"


def test_a_zero_that_was_refused_is_not_tried_again() -> None:
    found = zeros(long_running(), bought(), terms=TERMS, refused=((LICENSE, "users"),))

    assert [each.dimension for _, each in found] == ["api-calls", "storage-gb"]


def test_a_zero_refused_for_one_license_is_told_for_another() -> None:
    other = bought("l-2")

    found = zeros(long_running(), bought(), other, refused=((LICENSE, "users"),))

    assert [who for who, _ in found] == [other.key]


def test_zeros_of_very_many_licenses_lose_none() -> None:
    licenses = [bought(f"l-{each:032x}") for each in range(9000)]
    ledger = long_running()

    found = zeros(ledger, *licenses, terms=TERMS)

    assert {(who, each.dimension) for who, each in found} == {
        (each.key, dimension) for each in licenses for dimension in TERMS.dimensions
    }
    assert ledger.watermark == LAST
