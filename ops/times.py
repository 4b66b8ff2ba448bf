"""Times and spans of time, written for people and for programs. Pure."""

from datetime import UTC, datetime


def time_text(time_s: int | None) -> str | None:
    """Write a time as in AWS's APIs; nothing stays nothing.

    >>> time_text(0)
    '1970-01-01T00:00:00Z'
    """
    if time_s is None:
        return None
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span_text(seconds: int) -> str:
    """Write a span of time for people, in two units at most.

    >>> span_text(59), span_text(3 * 60 + 5), span_text(5400), span_text(200000), span_text(-90)
    ('59 s', '3 min', '1 h 30 min', '2 d 7 h', '-1 min')
    """
    if seconds < 0:
        return f"-{span_text(-seconds)}"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
