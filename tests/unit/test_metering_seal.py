"""Seal: which hours close and when, and what their records say for ever."""

from dataclasses import replace

import pytest

from lambdas.customers.license import License, LicenseKey, State
from lambdas.metering.hours import HOUR_S, Hour, hour_from_text, start_s
from lambdas.metering.ledger import FrozenRecord, Ledger, Seal
from lambdas.metering.seal import ends_month, first_entry, hour_due, seals_for_ending
from lambdas.metering.terms import Terms
from tests.unit.metering_stage import (
    ANYTHING,
    LICENSE,
    NOW_S,
    OTHER,
    THIS_HOUR,
    append,
    begun,
    bought,
    close,
    count,
    frozen_in,
    legacy,
    seconds,
    usage,
)

TEAM_A = (("team", "a"),)
BEFORE = Hour(THIS_HOUR - 1)


def sealed_upto(hour: str) -> Ledger:
    """Return a log that is sealed up to an hour."""
    upto = hour_from_text(hour)
    ledger = Ledger()
    append(ledger, Seal(start_s(upto), upto, everyone=True, records={}))
    return ledger


def due(
    ledger: Ledger,
    now: str,
    *,
    drained: bool = True,
    hidden: bool = False,
    terms: Terms = ANYTHING,
) -> Hour | None:
    return hour_due(ledger, now_s=seconds(now), drained=drained, hidden=hidden, terms=terms)


def only(seals: list[Seal]) -> FrozenRecord:
    [(_, record)] = frozen_in(seals)
    return record


def test_a_log_begins_by_closing_what_nobody_takes_any_more() -> None:
    assert first_entry(NOW_S) == Seal(NOW_S, Hour(THIS_HOUR - 24), everyone=True, records={})


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-23T10:09:59Z", None),
        ("2026-11-23T10:10:00Z", hour_from_text("2026-11-23T09Z")),
        ("2026-11-23T11:09:59Z", hour_from_text("2026-11-23T09Z")),
        ("2026-11-23T11:10:00Z", hour_from_text("2026-11-23T10Z")),
    ],
)
def test_an_hour_is_due_ten_minutes_after_its_end(now: str, expected: Hour | None) -> None:
    assert due(sealed_upto("2026-11-23T08Z"), now) == expected


def test_the_settle_time_is_a_setting() -> None:
    terms = replace(ANYTHING, settle_minutes=20)

    assert due(sealed_upto("2026-11-23T08Z"), "2026-11-23T10:19Z", terms=terms) is None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-23T11:59:59Z", None),
        ("2026-11-23T12:00:00Z", hour_from_text("2026-11-23T09Z")),
    ],
)
def test_with_messages_still_queued_an_hour_waits_for_two(now: str, expected: Hour | None) -> None:
    assert due(sealed_upto("2026-11-23T08Z"), now, drained=False) == expected


@pytest.mark.parametrize(
    ("now", "drained", "expected"),
    [
        ("2026-12-01T02:59:59Z", True, None),
        ("2026-12-01T03:00:00Z", True, hour_from_text("2026-12-01T01Z")),
        ("2026-12-01T04:59:59Z", False, None),
        ("2026-12-01T05:00:00Z", False, hour_from_text("2026-12-01T02Z")),
    ],
)
def test_the_last_hour_of_a_month_waits_longer_and_the_next_wait_with_it(
    now: str, drained: bool, expected: Hour | None
) -> None:
    assert due(sealed_upto("2026-11-30T22Z"), now, drained=drained) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-12-01T04:59:59Z", hour_from_text("2026-11-30T22Z")),
        ("2026-12-01T05:00:00Z", hour_from_text("2026-12-01T03Z")),
    ],
)
def test_the_last_hour_of_a_month_waits_for_messages_out_of_sight(now: str, expected: Hour) -> None:
    assert due(sealed_upto("2026-11-30T20Z"), now, hidden=True) == expected


def test_nothing_is_out_of_sight_unless_it_is_said() -> None:
    ledger, now_s = sealed_upto("2026-11-30T22Z"), seconds("2026-12-01T03:00Z")

    found = hour_due(ledger, now_s=now_s, drained=True, terms=ANYTHING)

    assert found == hour_from_text("2026-12-01T01Z")


def test_any_other_hour_does_not() -> None:
    found = due(sealed_upto("2026-11-23T08Z"), "2026-11-23T10:10Z", hidden=True)

    assert found == hour_from_text("2026-11-23T09Z")


@pytest.mark.parametrize(
    ("before", "upto", "ends"),
    [
        ("2026-11-30T21Z", "2026-11-30T22Z", False),
        ("2026-11-30T21Z", "2026-11-30T23Z", True),
        ("2026-11-30T22Z", "2026-12-01T02Z", True),
        ("2026-11-30T23Z", "2026-12-01T02Z", False),
    ],
)
def test_a_seal_ends_a_month_if_it_closes_its_last_hour(before: str, upto: str, ends: bool) -> None:
    assert ends_month(sealed_upto(before), hour_from_text(upto)) is ends


def test_the_last_hour_but_one_of_a_month_does_not_wait() -> None:
    found = due(sealed_upto("2026-11-30T21Z"), "2026-12-01T01:00Z")

    assert found == hour_from_text("2026-11-30T22Z")


def test_all_overdue_hours_are_due_at_once() -> None:
    found = due(sealed_upto("2026-11-20T08Z"), "2026-11-23T10:10Z")

    assert found == hour_from_text("2026-11-23T09Z")


def test_an_hour_is_due_once() -> None:
    ledger = sealed_upto("2026-11-23T08Z")
    close(ledger, hour_from_text("2026-11-23T09Z"))

    assert due(ledger, "2026-11-23T10:30Z") is None


def test_a_seal_holds_one_record_for_each_license_dimension_and_hour() -> None:
    ledger = begun()
    count(
        ledger,
        usage("a", 1),
        usage("b", 2),
        usage("c", 4, dimension="api-calls"),
        usage("d", 8, who=OTHER),
        usage("e", 16, used_s=NOW_S - HOUR_S),
    )

    found = {
        (who, each.dimension, each.hour): each.quantity
        for who, each in frozen_in(close(ledger, THIS_HOUR))
    }

    assert found == {
        (LICENSE, "users", THIS_HOUR): 3,
        (LICENSE, "api-calls", THIS_HOUR): 4,
        (OTHER, "users", THIS_HOUR): 8,
        (LICENSE, "users", BEFORE): 16,
    }


def test_a_seal_leaves_later_hours_open() -> None:
    ledger = begun()
    count(ledger, usage("a"))

    assert frozen_in(close(ledger, BEFORE)) == []
    assert [hour for _, _, hour in ledger.open] == [THIS_HOUR]


def test_a_seal_without_usage_moves_the_watermark() -> None:
    ledger = begun()

    [seal] = close(ledger, BEFORE)

    assert (seal.everyone, ledger.watermark) == (True, BEFORE)


def test_nothing_is_sealed_twice() -> None:
    ledger = begun()
    count(ledger, usage("a"))
    close(ledger, THIS_HOUR)

    assert frozen_in(close(ledger, Hour(THIS_HOUR + 1))) == []


def test_a_split_is_frozen_with_the_record() -> None:
    ledger = begun()
    count(ledger, usage("a", split={(): 1, TEAM_A: 2}), usage("b", 4))

    assert only(close(ledger, THIS_HOUR)).allocations == (((), 5), (TEAM_A, 2))


def test_a_record_is_stamped_with_the_start_of_its_hour() -> None:
    ledger = begun()
    count(ledger, usage("a"))

    assert only(close(ledger, THIS_HOUR, bought())).timestamp_s == start_s(THIS_HOUR)


@pytest.mark.parametrize(
    ("started_s", "stamp_s"),
    [
        pytest.param(start_s(THIS_HOUR), start_s(THIS_HOUR), id="with the hour"),
        pytest.param(start_s(THIS_HOUR) + 601, start_s(THIS_HOUR) + 601, id="within the hour"),
        pytest.param(start_s(THIS_HOUR) + 3600, start_s(THIS_HOUR), id="after the hour"),
        pytest.param(start_s(THIS_HOUR) - 1, start_s(THIS_HOUR), id="before the hour"),
    ],
)
def test_a_record_is_never_stamped_before_a_license_that_began_in_its_hour(
    started_s: int, stamp_s: int
) -> None:
    ledger = begun()
    count(ledger, usage("a"))

    assert only(close(ledger, THIS_HOUR, bought(start_s=started_s))).timestamp_s == stamp_s


@pytest.mark.parametrize(
    "licenses",
    [
        pytest.param([], id="license unknown"),
        pytest.param([bought(start_s=None)], id="start unknown"),
    ],
)
def test_a_record_of_an_unknown_start_is_stamped_with_its_last_usage(
    licenses: list[License],
) -> None:
    ledger = begun()
    count(ledger, usage("a", used_s=NOW_S - 300), usage("b", used_s=NOW_S - 600))

    assert only(close(ledger, THIS_HOUR, *licenses)).timestamp_s == NOW_S - 300


def test_a_record_of_an_unknown_start_is_never_stamped_before_its_hour() -> None:
    ledger = begun()
    close(ledger, BEFORE)
    count(ledger, usage("late", used_s=NOW_S - 5 * HOUR_S))

    assert only(close(ledger, THIS_HOUR)).timestamp_s == start_s(THIS_HOUR)


def test_a_record_is_never_stamped_in_the_future() -> None:
    now_s = start_s(THIS_HOUR) + 30
    ledger = begun()
    count(ledger, usage("ahead", used_s=now_s + 200), now_s=now_s)

    assert only(close(ledger, THIS_HOUR, now_s=now_s)).timestamp_s == now_s


def test_a_record_is_never_stamped_after_its_hour() -> None:
    ledger = begun()
    append(ledger, Seal(NOW_S, Hour(THIS_HOUR - 3), everyone=True, records={}))
    redriven = usage("a", used_s=NOW_S, bill_at_s=NOW_S - 2 * HOUR_S)
    count(ledger, redriven)

    assert only(close(ledger, THIS_HOUR)).timestamp_s == start_s(BEFORE) - 1


ending = bought(state=State.ENDING, ending_since_s=NOW_S - 1200)


def seal_ending(ledger: Ledger, *licenses: License, now_s: int = NOW_S) -> list[Seal]:
    return seals_for_ending(ledger, licenses, terms=ANYTHING, now_s=now_s)


def test_an_ending_license_is_sealed_alone_up_to_the_current_hour() -> None:
    ledger = begun()
    count(ledger, usage("a"), usage("b", who=OTHER), usage("c", used_s=NOW_S - HOUR_S))

    [seal] = seal_ending(ledger, ending)

    assert (seal.everyone, seal.upto, list(seal.records)) == (False, THIS_HOUR, [LICENSE])
    assert sorted(each.hour for _, each in frozen_in([seal])) == [BEFORE, THIS_HOUR]


def test_a_seal_says_when_it_was_made() -> None:
    ledger = begun()
    count(ledger, usage("a"))

    [early] = seal_ending(ledger, ending)
    [later] = close(ledger, THIS_HOUR, now_s=NOW_S + HOUR_S)

    assert (early.at_s, later.at_s) == (NOW_S, NOW_S + HOUR_S)


def test_an_ending_license_waits_for_usage_in_flight() -> None:
    ledger = begun()
    count(ledger, usage("a"))

    assert seal_ending(ledger, replace(ending, ending_since_s=NOW_S - 1199)) == []


@pytest.mark.parametrize(
    ("since", "now", "sealed"),
    [
        # The hour that runs is the month's last, or has just been.
        ("2026-11-30T23:00Z", "2026-11-30T23:34:59Z", False),
        ("2026-11-30T23:00Z", "2026-11-30T23:35:00Z", True),
        ("2026-11-30T22:30Z", "2026-11-30T22:59:59Z", True),
        ("2026-11-30T22:30Z", "2026-11-30T23:04:59Z", False),
        ("2026-11-30T23:40Z", "2026-12-01T00:09:59Z", False),
        ("2026-11-30T23:40Z", "2026-12-01T00:10:00Z", True),
        ("2026-11-30T23:30Z", "2026-12-01T00:05:00Z", True),
    ],
)
def test_an_ending_license_waits_longer_where_its_usage_cannot_ride_on(
    since: str, now: str, *, sealed: bool
) -> None:
    ledger, now_s = begun(seconds("2026-11-30T12:00Z")), seconds(now)
    used_s = seconds("2026-11-30T22:10Z")
    count(ledger, usage("a", used_s=used_s), now_s=used_s)

    seals = seal_ending(ledger, replace(ending, ending_since_s=seconds(since)), now_s=now_s)

    assert bool(seals) is sealed


def test_a_longer_setting_holds_at_a_months_end_too() -> None:
    now_s = seconds("2026-11-30T23:50Z")
    ledger = begun(now_s)
    count(ledger, usage("a", used_s=now_s), now_s=now_s)
    who = replace(ending, ending_since_s=now_s - 36 * 60)
    terms = replace(ANYTHING, ending_settle_minutes=45)

    assert seals_for_ending(ledger, [who], terms=terms, now_s=now_s) == []


def test_an_ending_license_without_open_usage_needs_no_seal() -> None:
    ledger = begun()
    count(ledger, usage("a", who=OTHER))

    assert seal_ending(ledger, ending) == []


def test_an_ending_license_is_sealed_once() -> None:
    ledger = begun()
    count(ledger, usage("a"))
    for each in seal_ending(ledger, ending):
        append(ledger, each)

    assert seal_ending(ledger, ending) == []


@pytest.mark.parametrize("state", [State.ACTIVE, State.ENDED, State.PENDING])
def test_only_an_ending_license_is_sealed_early(state: State) -> None:
    ledger = begun()
    count(ledger, usage("a"))

    assert seal_ending(ledger, replace(ending, state=state)) == []


def test_usage_after_an_early_seal_is_sealed_in_the_next_hour() -> None:
    ledger = begun()
    count(ledger, usage("a"))
    for each in seal_ending(ledger, ending):
        append(ledger, each)

    count(ledger, usage("b"))

    assert [hour for _, _, hour in ledger.open] == [THIS_HOUR + 1]


def test_an_early_record_is_stamped_by_the_licenses_start() -> None:
    ledger = begun()
    count(ledger, usage("a"))
    started = replace(ending, start_s=start_s(THIS_HOUR) + 60)

    assert only(seal_ending(ledger, started)).timestamp_s == start_s(THIS_HOUR) + 60


def test_a_legacy_customer_is_sealed_early_too() -> None:
    who = legacy(state=State.ENDING, ending_since_s=NOW_S - 1200)
    ledger = begun()
    count(ledger, usage("a", license=who.key))

    [seal] = seal_ending(ledger, who)

    assert list(seal.records) == [LicenseKey("n0123/X01")]
