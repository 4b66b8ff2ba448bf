"""The time of usage: any ISO 8601 time with an offset, or epoch seconds, rounded down."""

import json
from typing import Any

import pytest

from lambdas.metering.hours import hour_of, month_of
from lambdas.metering.timestamps import YEAR_1_S
from lambdas.metering.usage import Reason
from tests.unit.usage_messages import NOW_S, USED_S, record, rejected_of, usage_of


def with_time(text: str) -> str:
    """Write a record whose Timestamp has exactly these characters."""
    return json.dumps(record(Timestamp="HERE")).replace('"HERE"', text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T10:15:00Z",
        "2026-11-23T10:15Z",
        "2026-11-23T10:15+00:00",
        "2026-11-23t10:15:00z",
        "2026-11-23 10:15:00Z",
        "2026-11-23T10:15:00.0Z",
        "2026-11-23T10:15:00,9Z",
        "2026-11-23T10:15:00.999999999Z",
        "2026-11-23T10:15:00-00:00",
        "2026-11-23T11:15:00+01:00",
        "2026-11-23T11:15:00+0100",
        "2026-11-23T11:15:00+01",
        "2026-11-23T04:45:00.5-05:30",
        "2026-11-24T10:14:00+23:59",
    ],
)
def test_a_time_with_an_offset_is_read(text: str) -> None:
    assert usage_of(record(Timestamp=text)).used_s == USED_S


@pytest.mark.parametrize(("size", "read"), [(80, True), (81, False)])
def test_a_time_has_at_most_eighty_bytes(size: int, *, read: bool) -> None:
    begin, end = '"2026-11-23T10:15:00.', 'Z"'
    message = with_time(begin + "0" * (size - len(begin + end)) + end)

    if read:
        assert usage_of(message).used_s == USED_S
    else:
        assert rejected_of(message).reason is Reason.BAD_TIMESTAMP


def test_a_plus_sign_may_be_escaped_as_some_serializers_do() -> None:
    assert usage_of(with_time(r'"2026-11-23T11:15:00\u002B01:00"')).used_s == USED_S


def test_a_fraction_never_rounds_up_into_the_next_hour() -> None:
    usage = usage_of(record(Timestamp="2026-11-23T09:59:59.9999999999Z"))

    assert hour_of(usage.used_s) == hour_of(NOW_S) - 1


@pytest.mark.parametrize(
    "text",
    ["1795428900", "1795428900.999", "1.7954289e9", "17954289e2", "179542890000e-2"],
)
def test_epoch_seconds_are_read(text: str) -> None:
    assert usage_of(with_time(text)).used_s == USED_S


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("-0.0", 0), ("-1", -1), ("-0.5", -1), ("-1.5", -2), ("5e-99", 0), ("-5e-99", -1)],
)
def test_epoch_seconds_before_and_about_zero_round_down(text: str, seconds: int) -> None:
    assert usage_of(with_time(text)).used_s == seconds


@pytest.mark.parametrize(
    "text",
    [
        "-62135596801",
        "-1e15",
        "-1e16",
        "-1e999999",
        '"0001-01-01T00:00:00Z"',
        '"0001-01-01T00:00:00+14:00"',
    ],
)
def test_a_time_before_the_calendar_is_its_first_second(text: str) -> None:
    assert usage_of(with_time(text)).used_s == YEAR_1_S


def test_the_first_second_of_the_calendar_still_has_a_month() -> None:
    assert month_of(hour_of(YEAR_1_S)) == 12


@pytest.mark.parametrize("ahead_s", [0, 1, 300])
def test_a_clock_may_be_five_minutes_ahead(ahead_s: int) -> None:
    assert usage_of(record(Timestamp=NOW_S + ahead_s)).used_s == NOW_S + ahead_s


@pytest.mark.parametrize("time", [NOW_S + 301, "2026-11-23T10:25:01Z", "9999-12-31T23:59:59-14:00"])
def test_a_time_further_ahead_is_of_the_future(time: Any) -> None:
    rejected = rejected_of(record(Timestamp=time))

    assert (rejected.reason, rejected.field) == (Reason.FUTURE, "Timestamp")


@pytest.mark.parametrize("text", ["1795428900000", "1e999999", "1e15", "1e16"])
def test_milliseconds_are_taken_for_what_they_are(text: str) -> None:
    rejected = rejected_of(with_time(text))

    assert rejected.reason is Reason.FUTURE
    assert "are these milliseconds?" in rejected.tell


def test_years_ahead_that_are_no_milliseconds_are_a_wrong_clock() -> None:
    assert "check the producer's clock" in rejected_of(record(Timestamp=NOW_S + 10**9)).tell


@pytest.mark.parametrize(
    "text", ["2026-11-23T10:15:00", "2026-11-23T10:15", "2026-11-23 10:15:00.5"]
)
def test_a_time_without_offset_is_told_to_end_it_with_one(text: str) -> None:
    rejected = rejected_of(record(Timestamp=text))

    assert rejected.reason is Reason.BAD_TIMESTAMP
    assert "has no offset" in rejected.tell


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1795428900",
        "2026-11-23",
        "2026-11-23Z",
        "2026-11-23T10Z",
        "2026-11-23T10.5Z",
        "2026-11-23T10:15.5Z",
        "20261123T101500Z",
        "2026-11-23x10:15:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T10:15:60Z",
        "2026-11-31T10:15:00Z",
        "2026-02-29T10:15:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+12026-11-23T10:15:00Z",
        "2026-11-23T10:15:00+24:00",
        "2026-11-23T10:15:00 GMT",
        "2026-11-23T10:15:00Z[UTC]",
        "2026-11-23T10:15:00Z ",
        "２026-11-23T10:15:00Z",
        "Mon, 23 Nov 2026 10:15:00 GMT",
        "2026-11-23T10:15:00." + "0" * 100 + "Z",
    ],
)
def test_what_is_no_time_is_rejected(text: str) -> None:
    rejected = rejected_of(record(Timestamp=text))

    assert (rejected.reason, rejected.field) == (Reason.BAD_TIMESTAMP, "Timestamp")


@pytest.mark.parametrize("value", [True, False, [], {}, [1795428900]])
def test_a_time_of_another_type_is_rejected(value: Any) -> None:
    rejected = rejected_of(record(Timestamp=value))

    assert (rejected.reason, rejected.field) == (Reason.WRONG_TYPE, "Timestamp")
