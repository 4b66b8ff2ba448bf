"""Hours, months, and how long AWS Marketplace takes records for them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.metering.hours import (
    HOUR_S,
    Hour,
    closes_s,
    end_s,
    first_open_hour,
    hour_from_text,
    hour_of,
    hour_text,
    is_last_of_month,
    month_of,
    next_month,
    start_s,
)
from sandbox.marketplace.errors import Refused
from sandbox.marketplace.rules import check_age
from tests.unit.metering_stage import seconds

times = st.integers(seconds("2026-01-01T00:00Z"), seconds("2029-01-01T00:00Z"))
month_turns = st.sampled_from(
    [seconds(f"{year}-{month:02}-01T00:00Z") for year in (2027, 2028) for month in range(1, 13)]
)
times_near_a_month_end = st.builds(
    lambda turn, offset: turn + offset, month_turns, st.integers(-30 * HOUR_S, 30 * HOUR_S)
)
any_time = times | times_near_a_month_end


def hour(text: str) -> Hour:
    return hour_from_text(text)


def refused_by_aws(timestamp_s: int, now_s: int) -> bool:
    moment, now = (datetime.fromtimestamp(each, UTC) for each in (timestamp_s, now_s))
    try:
        check_age(moment, now, 24)
    except Refused:
        return True
    return False


@pytest.mark.parametrize(
    ("timestamp", "closes"),
    [
        pytest.param("2026-11-23T10:00Z", "2026-11-24T10:00Z", id="a day later"),
        pytest.param("2026-11-30T05:00Z", "2026-12-01T05:00Z", id="a day later is sooner"),
        pytest.param("2026-11-30T06:00Z", "2026-12-01T06:00Z", id="both at once"),
        pytest.param("2026-11-30T07:00Z", "2026-12-01T06:00Z", id="the month ends sooner"),
        pytest.param("2026-11-30T23:59Z", "2026-12-01T06:00Z", id="the last minute"),
        pytest.param("2026-12-01T00:00Z", "2026-12-02T00:00Z", id="the first hour"),
        pytest.param("2026-12-31T23:00Z", "2027-01-01T06:00Z", id="the year ends"),
        pytest.param("2028-02-28T23:00Z", "2028-02-29T23:00Z", id="a leap day is no month end"),
        pytest.param("2028-02-29T23:00Z", "2028-03-01T06:00Z", id="a leap February"),
    ],
)
def test_a_window_closes_after_a_day_or_six_hours_after_the_month(
    timestamp: str, closes: str
) -> None:
    assert closes_s(seconds(timestamp)) == seconds(closes)


@given(any_time, st.integers(0, 40 * HOUR_S))
def test_a_window_closes_exactly_when_aws_refuses(timestamp_s: int, age_s: int) -> None:
    now_s = timestamp_s + age_s

    assert (now_s >= closes_s(timestamp_s)) == refused_by_aws(timestamp_s, now_s)


@given(any_time, st.integers(0, 40 * HOUR_S))
def test_a_later_record_never_closes_earlier(timestamp_s: int, later_s: int) -> None:
    assert closes_s(timestamp_s) <= closes_s(timestamp_s + later_s)


@given(any_time, st.sampled_from([6, 24]))
def test_the_first_open_hour_is_the_oldest_still_taken(at_s: int, window_hours: int) -> None:
    nearby = map(Hour, range(hour_of(at_s) - 30, hour_of(at_s) + 1))

    oldest = min(each for each in nearby if closes_s(start_s(each), window_hours) >= at_s)

    assert first_open_hour(at_s, window_hours) == oldest


def test_an_hour_ends_where_the_next_begins() -> None:
    assert end_s(Hour(7)) == start_s(Hour(8))


def test_the_month_changes_at_midnight_utc_on_the_first() -> None:
    assert month_of(hour("2026-11-30T23Z")) + 1 == month_of(hour("2026-12-01T00Z"))


def test_the_month_after_december_is_january() -> None:
    assert next_month(month_of(hour("2026-12-15T10Z"))) == hour("2027-01-01T00Z")


@pytest.mark.parametrize(
    ("text", "is_last"),
    [
        ("2026-11-30T23Z", True),
        ("2026-11-30T22Z", False),
        ("2026-12-01T00Z", False),
        ("2028-02-28T23Z", False),
    ],
)
def test_only_the_hour_before_midnight_on_the_first_is_last(text: str, is_last: bool) -> None:
    assert is_last_of_month(hour(text)) is is_last


@given(any_time)
def test_an_hour_comes_back_from_its_text(time_s: int) -> None:
    assert hour_from_text(hour_text(hour_of(time_s))) == hour_of(time_s)


@given(any_time, any_time)
def test_texts_sort_as_hours_do(one_s: int, other_s: int) -> None:
    one, other = hour_of(one_s), hour_of(other_s)

    assert (hour_text(one) < hour_text(other)) == (one < other)


@pytest.mark.parametrize("text", ["", "2026-11-23", "2026-11-23T24Z", "2026-11-23T10:00Z", "10Z"])
def test_a_text_that_is_no_hour_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted|must be in"):
        hour_from_text(text)
