"""Schedule expressions as EventBridge Scheduler reads them, as far as the sandbox can."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.schedule import UnknownExpressionError, parse

MADE = datetime(2026, 11, 23, 9, 2, 17, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}Z")


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("cron(1/5 * * * ? *)", "23T09:01:00", "23T09:06:00"),
        ("cron(1/5 * * * ? *)", "23T09:56:00", "23T10:01:00"),
        ("cron(1/5 * * * ? *)", "23T23:58:00", "24T00:01:00"),
        ("cron(*/20 * ? * * *)", "23T09:02:00", "23T09:20:00"),
        ("cron(0 * * * ? *)", "23T09:00:00", "23T10:00:00"),
        ("cron(5,35 * * * ? *)", "23T09:06:00", "23T09:35:00"),
        ("cron(10-12 * * * ? *)", "23T09:12:30", "23T10:10:00"),
        ("cron(10-20/5 * * * ? *)", "23T09:16:00", "23T09:20:00"),
        ("cron(30 4 * * ? *)", "23T04:30:00", "24T04:30:00"),
        ("cron(* 8-9 * * ? *)", "23T09:59:00", "24T08:00:00"),
        ("rate(5 minutes)", "23T09:02:17", "23T09:07:17"),
        ("rate(1 minute)", "23T09:10:00", "23T09:10:17"),
        ("rate(12 hours)", "23T10:00:00", "23T21:02:17"),
        ("rate(1 day)", "23T10:00:00", "24T09:02:17"),
    ],
)
def test_the_next_due_time(expression: str, after: str, due: str) -> None:
    assert parse(expression, made=MADE).next(at(after)) == at(due)


@pytest.mark.parametrize(
    ("expression", "until", "due"),
    [
        ("cron(1/5 * * * ? *)", "23T09:06:00", "23T09:06:00"),
        ("cron(1/5 * * * ? *)", "23T09:05:59", "23T09:01:00"),
        ("cron(30 4 * * ? *)", "23T04:29:00", "22T04:30:00"),
        ("rate(5 minutes)", "23T09:12:16", "23T09:07:17"),
    ],
)
def test_the_last_due_time(expression: str, until: str, due: str) -> None:
    assert parse(expression, made=MADE).last(at(until)) == at(due)


@pytest.mark.parametrize(
    "expression",
    [
        "cron(1/5 * * * ? *)",
        "cron(0,59 23 * * ? *)",
        "rate(7 minutes)",
        "rate(3 hours)",
    ],
)
@given(seconds=st.integers(0, 10 * 24 * 3600))
def test_no_due_time_lies_between_the_last_and_the_next(expression: str, seconds: int) -> None:
    when = parse(expression, made=MADE)
    now = MADE + timedelta(seconds=seconds)

    assert when.last(now) <= now < when.next(now) == when.next(when.last(now))


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(5 fortnights)",
        "rate(minutes)",
        "at(2026-11-23T09:00:00)",
        "cron(0 9 1 * ? *)",
        "cron(0 9 ? * MON-FRI *)",
        "cron(0 9 * * ? 2026)",
        "cron(0 9 * * *)",
        "every five minutes",
    ],
)
def test_what_the_sandbox_cannot_follow_is_refused_by_name(expression: str) -> None:
    with pytest.raises(UnknownExpressionError) as refused:
        parse(expression, made=MADE)

    assert expression in str(refused.value)


def test_another_time_zone_is_refused() -> None:
    with pytest.raises(UnknownExpressionError, match="Europe/Berlin"):
        parse("cron(1/5 * * * ? *)", made=MADE, timezone="Europe/Berlin")


@pytest.mark.parametrize("part", ["60", "-1", "5-3", "1/0", "a", "", "1,,2", "50-61"])
def test_a_minute_that_does_not_exist_is_refused(part: str) -> None:
    with pytest.raises(UnknownExpressionError):
        parse(f"cron({part} * * * ? *)", made=MADE)
