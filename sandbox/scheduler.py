"""Fires the schedules that moto keeps but never looks at, in emulated time.

Two ways: `start` fires whatever becomes due, in the background, as EventBridge Scheduler does; or
the caller drives, with `run_due` and `run_until`, and knows when each invocation is over.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.clock import Clock
from sandbox.runtime import Invoked, StoppedError, TooManyRequestsError
from sandbox.schedule import Daily, Rate, UnknownExpressionError, parse

# How late a firing may be in the background.
POLL_REAL_SECONDS = 0.05
# How late a schedule that somebody deployed meanwhile may be noticed.
REFRESH_REAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """One enabled schedule and its target, a function."""

    arn: str
    when: Rate | Daily
    function: str
    given: str | None

    def event(self, due: datetime) -> bytes:
        """What the function is invoked with.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
        """
        _, _, _, region, account, _ = self.arn.split(":", 5)
        context = {
            "<aws.scheduler.scheduled-time>": f"{due:%Y-%m-%dT%H:%M:%SZ}",
            "<aws.scheduler.execution-id>": str(uuid.uuid4()),
            "<aws.scheduler.attempt-number>": "1",
            "<aws.scheduler.schedule-arn>": self.arn,
        }
        default = {
            "version": "0",
            "id": "<aws.scheduler.execution-id>",
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": "<aws.scheduler.scheduled-time>",
            "region": region,
            "resources": [self.arn],
            "detail": "{}",
        }
        event = json.dumps(default) if self.given is None else self.given
        for keyword, value in context.items():
            event = event.replace(keyword, value)
        return event.encode()


@dataclass(frozen=True, slots=True)
class Fired:
    """One firing of a schedule."""

    due: datetime
    function: str
    invoked: Invoked


class Scheduler:
    """Fires schedules by one clock.

    However far the clock jumps, a schedule fires once: the many firings it skipped would all run
    at the same emulated time. There are no retries; the next firing comes by itself.

    Args:
        schedules: A boto3 EventBridge Scheduler client of moto.
        clock: The time they are due by.
        invoke: Runs a function with an event.
    """

    def __init__(
        self, schedules: BaseClient, *, clock: Clock, invoke: Callable[[str, bytes], Invoked]
    ) -> None:
        self._schedules: Any = schedules
        self._clock = clock
        self._invoke = invoke
        self._seen = clock.now()
        self._stopped = threading.Event()
        self._running: threading.Thread | None = None

    def start(self, report: Callable[[str], None]) -> None:
        """Fire in the background from now on; say a line about each firing.

        A firing does not wait for the one before, so they may overlap.
        """
        self._seen = self._clock.now()
        self._stopped.clear()
        self._running = threading.Thread(target=self._follow, args=(report,), daemon=True)
        self._running.start()

    def stop(self) -> None:
        """Fire no more; what runs goes on."""
        self._stopped.set()
        if self._running is not None:
            self._running.join()
            self._running = None

    def run_due(self) -> list[Fired]:
        """Fire what has become due since the last time, one after the other, and wait for it."""
        return [self._fire(schedule, due) for schedule, due in self._due(self.enabled())]

    def run_until(
        self, moment: datetime, *, before_each: Callable[[], object] = lambda: None
    ) -> list[Fired]:
        """Move the clock from due time to due time up to this moment, firing at each.

        In between it runs as it ran before. Fast is good: a function that waits for messages waits
        in emulated time.

        Args:
            moment: Where to stop.
            before_each: What else is done at each due time, first.
        """
        before_each()
        fired = self.run_due()
        while (now := self._clock.now()) < moment:
            upcoming = [schedule.when.next(now) for schedule in self.enabled()]
            due = min([*upcoming, moment])
            if self._clock.now() < due:  # asking took a while, in which a fast clock gets far
                self._clock.set(due)
            before_each()
            fired += self.run_due()
        return fired

    def enabled(self) -> list[Schedule]:
        """All schedules that may fire.

        Raises:
            UnknownExpressionError: One is beyond what the sandbox can follow.
        """
        found = []
        for listed in self._schedules.list_schedules(State="ENABLED")["Schedules"]:
            schedule = self._schedules.get_schedule(
                Name=listed["Name"], GroupName=listed["GroupName"]
            )
            when = parse(
                schedule["ScheduleExpression"],
                made=schedule["CreationDate"].astimezone(UTC),
                timezone=schedule["ScheduleExpressionTimezone"],
            )
            target = schedule["Target"]
            found.append(Schedule(schedule["Arn"], when, target["Arn"], target.get("Input")))
        return found

    def _due(self, schedules: Iterable[Schedule]) -> list[tuple[Schedule, datetime]]:
        now, seen = self._clock.now(), self._seen
        self._seen = now
        return [
            (schedule, due)
            for schedule in schedules
            if seen < (due := schedule.when.last(now)) <= now
        ]

    def _fire(self, schedule: Schedule, due: datetime) -> Fired:
        return Fired(due, schedule.function, self._invoke(schedule.function, schedule.event(due)))

    def _follow(self, report: Callable[[str], None]) -> None:
        schedules: list[Schedule] = []
        complaint, stale_at = "", time.monotonic()
        while not self._stopped.wait(POLL_REAL_SECONDS):
            if time.monotonic() >= stale_at:
                try:
                    schedules, problem = self.enabled(), ""
                except (BotoCoreError, ClientError, UnknownExpressionError) as error:
                    problem = str(error)
                if problem and problem != complaint:
                    self._report(report, problem)
                complaint, stale_at = problem, time.monotonic() + REFRESH_REAL_SECONDS
            for schedule, due in self._due(schedules):
                firing = threading.Thread(
                    target=self._fire_and_report, args=(schedule, due, report), daemon=True
                )
                firing.start()

    def _fire_and_report(
        self, schedule: Schedule, due: datetime, report: Callable[[str], None]
    ) -> None:
        try:
            answer = self._fire(schedule, due).invoked.answer
            outcome = answer.payload.decode()
        except (BotoCoreError, ClientError, StoppedError, TooManyRequestsError) as error:
            outcome = str(error)
        self._report(report, f"{due:%Y-%m-%d %H:%M} {schedule.function.split(':')[-1]} {outcome}")

    def _report(self, report: Callable[[str], None], line: str) -> None:
        # While everything is being stopped, errors are no news.
        if not self._stopped.is_set():
            report(line)
