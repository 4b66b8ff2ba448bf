"""When EventBridge Scheduler fires: schedule expressions, as pure functions of time.

Understood are `rate(5 minutes)`, in hours and days too, and `cron(…)` in UTC whose minutes and
hours are numbers, lists, ranges, steps or `*`, on every day. Anything else is refused by name: a
schedule that silently never fires would look like a product that does nothing.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
# `*`, `7`, `7-12`, each perhaps with a step; `3/20` runs from 3 to the end.
PART = re.compile(r"(?:\*|(?P<first>\d+)(?:-(?P<last>\d+))?)(?:/(?P<step>[1-9]\d*))?")
# Day of month, month, day of week, year.
EVERY_DAY = {("*", "*", "?", "*"), ("?", "*", "*", "*")}
UTC_NAMES = {"UTC", "Etc/UTC"}
MINUTE = timedelta(minutes=1)


class UnknownExpressionError(ValueError):
    """A schedule expression that is wrong, or beyond what the sandbox can follow."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so often, counted from when the schedule was made."""

    every: timedelta
    made: datetime

    def last(self, until: datetime) -> datetime:
        """The last due time that is not after this one."""
        return until - (until - self.made) % self.every

    def next(self, after: datetime) -> datetime:
        """The first due time after this one."""
        return self.last(after) + self.every


@dataclass(frozen=True, slots=True)
class Daily:
    """At the same hours and minutes of every day, UTC."""

    hours: frozenset[int]
    minutes: frozenset[int]

    def last(self, until: datetime) -> datetime:
        """The last due time that is not after this one."""
        due = until.replace(second=0, microsecond=0)
        while not self._is_due(due):
            due -= MINUTE
        return due

    def next(self, after: datetime) -> datetime:
        """The first due time after this one."""
        due = after.replace(second=0, microsecond=0) + MINUTE
        while not self._is_due(due):
            due += MINUTE
        return due

    def _is_due(self, moment: datetime) -> bool:
        return moment.hour in self.hours and moment.minute in self.minutes


def parse(expression: str, *, made: datetime, timezone: str = "UTC") -> Rate | Daily:
    """Read a schedule expression of a schedule made at that time.

    Raises:
        UnknownExpressionError: The sandbox cannot follow it.

    >>> from datetime import UTC
    >>> made = datetime(2026, 11, 23, 9, 2, tzinfo=UTC)
    >>> parse("rate(5 minutes)", made=made).next(made).isoformat()
    '2026-11-23T09:07:00+00:00'
    >>> parse("cron(3/20 * * * ? *)", made=made).next(made).isoformat()
    '2026-11-23T09:03:00+00:00'
    """
    if match := RATE.fullmatch(expression):
        return Rate(timedelta(**{f"{match[2]}s": int(match[1])}), made)
    if match := CRON.fullmatch(expression):
        minutes, hours, *days = match.groups()
        if tuple(days) in EVERY_DAY and timezone in UTC_NAMES:
            return Daily(hours=_numbers(hours, 24), minutes=_numbers(minutes, 60))
    raise UnknownExpressionError(
        f"The sandbox cannot follow the schedule {expression} ({timezone}); it knows "
        "rate(5 minutes) and cron(2/5 * * * ? *), daily, UTC."
    )


def _numbers(text: str, end: int) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        match = PART.fullmatch(part)
        if match is None:
            raise UnknownExpressionError(f"{part!r} is not a number, a range or a step such as 2/5")
        first, last, step = match["first"], match["last"], match["step"]
        begin = int(first or 0)
        stop = end if first is None or (step and last is None) else int(last or first) + 1
        if not begin < stop <= end:
            raise UnknownExpressionError(f"{part!r} is not within 0 to {end - 1}")
        numbers.update(range(begin, stop, int(step or 1)))
    return frozenset(numbers)
