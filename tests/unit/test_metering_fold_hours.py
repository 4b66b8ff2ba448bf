"""Fold: the hour in which usage is counted, where its own is closed, full or gone."""

from dataclasses import replace

import pytest

from lambdas.metering.fold import QUANTITY_MICROS_MAX, TAG_SETS_MAX, Folded
from lambdas.metering.hours import HOUR_S, Hour, hour_from_text, start_s
from lambdas.metering.ledger import DIMENSIONS_MAX, FULL_HOURS_MAX, Fold, Ledger, Row, Seal
from lambdas.metering.usage import Reason, Usage
from tests.unit.metering_stage import (
    ANYTHING,
    BUYER,
    LICENSE,
    NOW_S,
    OTHER,
    THIS_HOUR,
    append,
    begun,
    bought,
    close,
    count,
    customers,
    decide,
    rows_of,
    seconds,
    usage,
)


def hour_counted(ledger: Ledger, each: Usage, *, now_s: int = NOW_S) -> Hour | str:
    """Fold one usage, and return its hour or why it has none."""
    folded = decide(ledger, each, now_s=now_s)
    if folded.refused:
        return str(folded.refused[0].refusal.reason)
    return rows_of(folded)[0].hour


def opened(time: str, sealed_upto: str) -> tuple[Ledger, int]:
    """Return a log sealed up to an hour, and the time."""
    ledger = begun(seconds(time))
    append(ledger, Seal(seconds(time), hour_from_text(sealed_upto), everyone=True, records={}))
    return ledger, seconds(time)


def test_usage_rides_in_the_hour_after_the_watermark() -> None:
    ledger = begun()
    close(ledger, Hour(THIS_HOUR - 1))

    assert hour_counted(ledger, usage("a", used_s=NOW_S - 5 * HOUR_S)) == THIS_HOUR


def test_usage_rides_in_the_hour_after_its_licenses_early_seal() -> None:
    ledger = begun()
    append(ledger, Seal(NOW_S, THIS_HOUR, everyone=False, records={LICENSE: ()}))

    assert hour_counted(ledger, usage("a")) == THIS_HOUR + 1


def test_an_early_seal_of_another_license_makes_no_difference() -> None:
    ledger = begun()
    append(ledger, Seal(NOW_S, THIS_HOUR, everyone=False, records={OTHER: ()}))

    assert hour_counted(ledger, usage("a")) == THIS_HOUR


def test_usage_a_little_ahead_is_counted_in_its_own_hour() -> None:
    now_s = seconds("2026-11-23T10:58Z")

    assert hour_counted(begun(now_s), usage("a", used_s=now_s + 240), now_s=now_s) == THIS_HOUR + 1


def test_usage_24_hours_old_is_expired() -> None:
    assert hour_counted(begun(), usage("a", used_s=NOW_S - 24 * HOUR_S)) == Reason.EXPIRED


def test_usage_almost_24_hours_old_rides_where_there_is_an_hour_left_to_send_it() -> None:
    almost = usage("a", used_s=NOW_S - 24 * HOUR_S + 1)

    assert hour_counted(begun(), almost) == THIS_HOUR - 22


def test_usage_keeps_an_hour_whose_window_is_open_for_exactly_one_more() -> None:
    now_s = seconds("2026-11-23T10:00Z")
    own = hour_from_text("2026-11-22T11Z")

    ledger = begun(now_s - 5 * HOUR_S)

    assert hour_counted(ledger, usage("a", used_s=own * HOUR_S), now_s=now_s) == own


def test_usage_leaves_an_hour_whose_window_is_open_for_less_than_one_more() -> None:
    now_s = seconds("2026-11-23T10:00Z") + 1
    own = hour_from_text("2026-11-22T11Z")

    ledger = begun(now_s - 5 * HOUR_S)

    assert hour_counted(ledger, usage("a", used_s=own * HOUR_S), now_s=now_s) == own + 1


def test_late_usage_rides_to_the_last_hour_of_its_month() -> None:
    ledger, now_s = opened("2026-12-01T01:30Z", "2026-11-30T22Z")

    late = usage("a", used_s=seconds("2026-11-30T20:00Z"))

    assert hour_counted(ledger, late, now_s=now_s) == hour_from_text("2026-11-30T23Z")


def test_usage_never_rides_into_the_next_month() -> None:
    ledger, now_s = opened("2026-12-01T03:10Z", "2026-11-30T23Z")

    late = usage("a", used_s=seconds("2026-11-30T23:50Z"))

    assert hour_counted(ledger, late, now_s=now_s) == Reason.EXPIRED


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-12-01T05:00Z", hour_from_text("2026-11-30T23Z")),
        ("2026-12-01T05:01Z", Reason.EXPIRED),
    ],
)
def test_a_month_takes_usage_while_there_is_an_hour_left_to_send_it(
    now: str, expected: object
) -> None:
    ledger, now_s = opened(now, "2026-11-30T22Z")

    assert hour_counted(ledger, usage("a", used_s=seconds("2026-11-30T23:50Z")), now_s=now_s) == (
        expected
    )


def test_bill_at_stands_for_the_time_of_usage() -> None:
    ledger, now_s = opened("2026-12-01T03:10Z", "2026-11-30T23Z")
    redriven = usage("a", used_s=seconds("2026-11-30T23:50Z"), bill_at_s=now_s)

    assert hour_counted(ledger, redriven, now_s=now_s) == hour_from_text("2026-12-01T03Z")


def test_usage_billed_at_another_time_keeps_its_own_in_the_ledger() -> None:
    redriven = usage("a", used_s=NOW_S - 30 * HOUR_S, bill_at_s=NOW_S)

    assert [each.last_s for each in rows_of(decide(begun(), redriven))] == [NOW_S - 30 * HOUR_S]


@pytest.mark.parametrize(
    ("used_s", "reasons"),
    [(NOW_S - 601, [Reason.BEFORE_METERING_FROM]), (NOW_S - 600, [])],
)
def test_usage_before_the_cut_over_is_refused(used_s: int, reasons: list[Reason]) -> None:
    terms = replace(ANYTHING, metering_from_s=NOW_S - 600)

    folded = decide(begun(), usage("a", used_s=used_s), terms=terms)

    assert [each.refusal.reason for each in folded.refused] == reasons


def test_usage_from_before_the_cut_over_may_be_billed_after_it() -> None:
    terms = replace(ANYTHING, metering_from_s=NOW_S - 600)

    folded = decide(begun(), usage("a", used_s=NOW_S - 900, bill_at_s=NOW_S), terms=terms)

    assert folded.counted == 1


def test_an_hour_takes_the_largest_quantity_of_a_record() -> None:
    ledger = begun()
    count(ledger, usage("a", QUANTITY_MICROS_MAX - 1))

    assert hour_counted(ledger, usage("b", 1)) == THIS_HOUR


def test_usage_that_would_overfill_an_hour_rides_in_the_next() -> None:
    ledger = begun()
    count(ledger, usage("a", QUANTITY_MICROS_MAX))

    assert hour_counted(ledger, usage("b", 1)) == THIS_HOUR + 1


def test_an_hour_filled_in_the_same_entry_is_full_too() -> None:
    folded = decide(begun(), usage("a", QUANTITY_MICROS_MAX), usage("b", 1))

    assert [each.hour for each in rows_of(folded)] == [THIS_HOUR, THIS_HOUR + 1]


def test_a_full_hour_of_one_dimension_is_open_for_another() -> None:
    ledger = begun()
    count(ledger, usage("a", QUANTITY_MICROS_MAX))

    assert hour_counted(ledger, usage("b", dimension="api-calls")) == THIS_HOUR


def test_a_full_hour_still_takes_what_fits() -> None:
    ledger = begun()
    count(ledger, usage("a", QUANTITY_MICROS_MAX - 5), usage("b", 6))

    assert hour_counted(ledger, usage("c", 5)) == THIS_HOUR


def test_usage_is_refused_where_every_hour_to_ride_in_is_full() -> None:
    ledger = begun()
    full = [usage(str(each), QUANTITY_MICROS_MAX) for each in range(FULL_HOURS_MAX + 1)]

    refused = count(ledger, *full, usage("one too many", 1))

    assert [each.refusal.reason for each in refused] == [Reason.TOO_LARGE]


def test_full_hours_do_not_push_usage_into_the_next_month() -> None:
    ledger, now_s = opened("2026-11-30T23:10Z", "2026-11-30T22Z")
    count(ledger, usage("a", QUANTITY_MICROS_MAX, used_s=now_s), now_s=now_s)

    assert hour_counted(ledger, usage("b", used_s=now_s), now_s=now_s) == Reason.EXPIRED


def test_late_usage_rides_in_the_window_of_the_settings() -> None:
    """Its own hour, which AWS Marketplace takes for half an hour yet, is left."""
    own_s = NOW_S - 5 * HOUR_S - HOUR_S // 2

    folded = decide(begun(), usage("a", used_s=own_s), terms=replace(ANYTHING, window_hours=6))

    assert [each.hour for each in rows_of(folded)] == [THIS_HOUR - 4]


def test_usage_of_one_entry_fills_an_hour_to_the_last_millionth() -> None:
    folded = decide(begun(), usage("a", 1), usage("b", QUANTITY_MICROS_MAX - 1))

    assert [(each.hour, each.quantity) for each in rows_of(folded)] == [
        (THIS_HOUR, QUANTITY_MICROS_MAX)
    ]


def test_dimensions_of_the_ledger_and_of_the_entry_fill_an_hour_together() -> None:
    ledger = begun()
    count(ledger, *(usage(f"u-{at}", dimension=f"d-{at}") for at in range(DIMENSIONS_MAX - 1)))

    folded = decide(ledger, usage("a", dimension="last"), usage("b", dimension="one-more"))

    assert [each.hour for each in rows_of(folded)] == [THIS_HOUR, THIS_HOUR + 1]


def test_more_tag_sets_than_an_hour_keeps_apart_are_counted_without_tags() -> None:
    ledger = begun()
    kept = ((("n", str(at)),) for at in range(TAG_SETS_MAX))
    rows = tuple(Row(LICENSE, "users", THIS_HOUR, tags, 1, NOW_S) for tags in kept)
    append(ledger, Fold(NOW_S, b"", rows))
    known, new = (("n", "7"),), (("n", "new"),)

    folded = decide(ledger, usage("a", split={known: 2, new: 3}))

    assert {each.tags: each.quantity for each in rows_of(folded)} == {known: 2, (): 3}


# Usage that follows other usage of its hour in one entry


def hours_and_quantities(folded: Folded) -> dict[int, int]:
    return {each.hour - THIS_HOUR: each.quantity for each in rows_of(folded)}


def test_usage_follows_other_usage_of_its_hour_only_while_there_is_room() -> None:
    ledger = begun()
    count(ledger, usage("a", QUANTITY_MICROS_MAX - 10))

    folded = decide(ledger, usage("b", 4), usage("c", 6), usage("d", 1))

    assert hours_and_quantities(folded) == {0: 10, 1: 1}


def test_usage_that_fits_into_its_hour_does_not_follow_what_did_not() -> None:
    ledger = begun()
    count(ledger, usage("a", QUANTITY_MICROS_MAX - 1))

    folded = decide(ledger, usage("b", 2), usage("c", 1))

    assert hours_and_quantities(folded) == {1: 2, 0: 1}


def test_usage_that_is_too_old_does_not_follow_newer_usage_of_its_hour() -> None:
    now_s = start_s(THIS_HOUR)
    expired_s = now_s - 24 * HOUR_S

    folded = decide(
        begun(now_s),
        *(usage(str(used_s), used_s=used_s) for used_s in (expired_s + 1, expired_s)),
        now_s=now_s,
    )

    assert folded.counted == 1
    assert [each.refusal.reason for each in folded.refused] == [Reason.EXPIRED]


def test_usage_of_before_the_cut_over_does_not_follow_later_usage_of_its_hour() -> None:
    cut_over_s = NOW_S - 300

    folded = decide(
        begun(),
        *(usage(str(used_s), used_s=used_s) for used_s in (cut_over_s, cut_over_s - 1)),
        terms=replace(ANYTHING, metering_from_s=cut_over_s),
    )

    assert folded.counted == 1
    assert [each.refusal.reason for each in folded.refused] == [Reason.BEFORE_METERING_FROM]


def test_usage_by_account_that_follows_other_usage_is_known_by_its_license_too() -> None:
    ledger, known = begun(), customers(bought())
    count(ledger, usage("a", who=BUYER), usage("b", who=BUYER), known=known)

    copies = decide(ledger, usage("a"), usage("b"), known=known)

    assert (copies.counted, copies.duplicates) == (0, 2)
