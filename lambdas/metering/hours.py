"""Metering hours, and the windows in which AWS Marketplace takes records for them. Pure.

An hour is the whole number of hours since the epoch, UTC; a time is whole seconds since the epoch.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType

Hour = NewType("Hour", int)

HOUR_S = 3600
DAY_HOURS = 24

MONTH_GRACE_HOURS = 6
"""Records of a month are taken until 06:00 UTC on the 1st of the next, whatever their age
(API reference of BatchMeterUsage, botocore 1.43.42 and later)."""

WINDOW_HOURS = 24
"""Records 24 hours old or older are refused (API reference of BatchMeterUsage, since July 2026)."""


def hour_of(time_s: int) -> Hour:
    """Return the metering hour that a time falls in.

    >>> hour_of(7199), hour_of(7200)
    (1, 2)
    """
    return Hour(time_s // HOUR_S)


def start_s(hour: Hour) -> int:
    """Return the first second of an hour."""
    return hour * HOUR_S


def end_s(hour: Hour) -> int:
    """Return the first second after an hour."""
    return (hour + 1) * HOUR_S


@lru_cache(maxsize=256)
def _month_of_day(day: int) -> int:
    date = datetime.fromtimestamp(day * DAY_HOURS * HOUR_S, UTC)
    return date.year * 12 + date.month - 1


def month_of(hour: Hour) -> int:
    """Number the calendar month (UTC) that an hour lies in; only equality and order matter."""
    return _month_of_day(hour // DAY_HOURS)


@lru_cache(maxsize=64)
def next_month(month: int) -> Hour:
    """Return the first hour of the month after this one."""
    year, index = divmod(month + 1, 12)
    return hour_of(int(datetime(year, index + 1, 1, tzinfo=UTC).timestamp()))


def closes_s(timestamp_s: int, window_hours: int = WINDOW_HOURS) -> int:
    """Return the second from which AWS Marketplace refuses a record with this timestamp.

    >>> closes_s(0) == 24 * 3600
    True
    """
    month_end = next_month(month_of(hour_of(timestamp_s)))
    return min(timestamp_s + window_hours * HOUR_S, start_s(month_end) + MONTH_GRACE_HOURS * HOUR_S)


def first_open_hour(at_s: int, window_hours: int = WINDOW_HOURS) -> Hour:
    """Return the oldest hour whose records are still taken at a time, and just before it."""
    hour = Hour(-(-at_s // HOUR_S) - window_hours)
    if closes_s(start_s(hour), window_hours) < at_s:
        return next_month(month_of(hour))
    return hour


def is_last_of_month(hour: Hour) -> bool:
    """Tell whether usage that misses this hour cannot ride on in the next: the month is over."""
    return month_of(Hour(hour + 1)) != month_of(hour)


def hour_text(hour: Hour) -> str:
    """Write an hour as people and sort keys read it.

    >>> hour_text(hour_of(0))
    '1970-01-01T00Z'
    """
    return datetime.fromtimestamp(start_s(hour), UTC).strftime("%Y-%m-%dT%HZ")


def hour_from_text(text: str) -> Hour:
    """Read what `hour_text` wrote; anything else raises ValueError.

    >>> hour_from_text("1970-01-02T01Z")
    25
    """
    return hour_of(int(datetime.strptime(text, "%Y-%m-%dT%HZ").replace(tzinfo=UTC).timestamp()))
