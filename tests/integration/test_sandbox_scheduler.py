"""Schedules fire in emulated time, by themselves or driven by hand."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.sandbox import Sandbox
from sandbox.scheduler import Fired
from tests.integration.toy import create_function

pytestmark = pytest.mark.slow

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    with Sandbox(folder, app=None, clock_start=NINE, speed=0) as sandbox:
        create_function(sandbox, "toy")
        yield sandbox


@pytest.fixture
def sandbox(shared: Sandbox) -> Iterator[Sandbox]:
    """At nine o'clock, standing still, without a schedule."""
    shared.clock.set(NINE)
    shared.clock.run(0)
    shared.scheduler.run_due()
    yield shared
    shared.scheduler.stop()
    scheduler = shared.client("scheduler")
    for each in scheduler.list_schedules()["Schedules"]:
        scheduler.delete_schedule(Name=each["Name"])


def create_schedule(
    sandbox: Sandbox, expression: str, *, given: str | None = None, **options: Any
) -> None:
    function = sandbox.client("lambda").get_function(FunctionName="toy")["Configuration"]
    target = {"Arn": function["FunctionArn"], "RoleArn": "arn:aws:iam::123456789012:role/r"}
    sandbox.client("scheduler").create_schedule(
        Name="tick",
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target if given is None else {**target, "Input": given},
        **options,
    )


def events(fired: list[Fired]) -> list[Any]:
    return [json.loads(each.invoked.answer.payload)["event"] for each in fired]


def test_a_schedule_fires_when_it_is_due(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(1/5 * * * ? *)")

    sandbox.clock.advance(60)
    fired = sandbox.scheduler.run_due()

    assert [each.due for each in fired] == [NINE + timedelta(minutes=1)]


def test_a_schedule_does_not_fire_before_it_is_due(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(1/5 * * * ? *)")

    sandbox.clock.advance(59)

    assert sandbox.scheduler.run_due() == []


def test_a_schedule_fires_once_for_each_due_time(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(1/5 * * * ? *)")
    sandbox.clock.advance(60)
    sandbox.scheduler.run_due()

    assert sandbox.scheduler.run_due() == []


def test_a_jump_over_many_due_times_fires_once(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(1/5 * * * ? *)")

    sandbox.clock.advance(3 * 3600)
    fired = sandbox.scheduler.run_due()

    assert [each.due for each in fired] == [NINE + timedelta(hours=2, minutes=56)]


def test_running_until_a_time_fires_at_every_due_time(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(1/20 * * * ? *)")

    fired = sandbox.scheduler.run_until(NINE + timedelta(hours=1, minutes=10))

    due = [NINE + timedelta(minutes=minutes) for minutes in (1, 21, 41, 61)]
    assert [each.due for each in fired] == due
    assert sandbox.clock.now() == NINE + timedelta(hours=1, minutes=10)


def test_what_else_is_done_at_a_due_time_comes_before_the_firing(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(1/20 * * * ? *)")
    done: list[datetime] = []

    sandbox.scheduler.run_until(
        NINE + timedelta(minutes=30), before_each=lambda: done.append(sandbox.clock.now())
    )

    minutes = [(each - NINE) // timedelta(minutes=1) for each in done]
    assert minutes == [0, 1, 21, 30]


def test_time_passes_for_schedules_and_messages_together(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(1/20 * * * ? *)")

    fired = sandbox.run_until(NINE + timedelta(minutes=30))

    assert [each.due for each in fired] == [NINE + timedelta(minutes=each) for each in (1, 21)]


def test_the_function_runs_at_the_due_time(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "rate(7 minutes)")

    (fired,) = sandbox.scheduler.run_until(NINE + timedelta(minutes=10))

    assert json.loads(fired.invoked.answer.payload)["now"] == "2026-11-23T09:07:00+00:00"


def test_the_default_event_is_eventbridge_schedulers(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "rate(5 minutes)")

    (event,) = events(sandbox.scheduler.run_until(NINE + timedelta(minutes=5)))

    assert (event["source"], event["time"]) == ("aws.scheduler", "2026-11-23T09:05:00Z")


def test_keywords_in_the_input_are_replaced(sandbox: Sandbox) -> None:
    create_schedule(
        sandbox, "rate(5 minutes)", given='{"due": "<aws.scheduler.scheduled-time>", "own": 1}'
    )

    (event,) = events(sandbox.scheduler.run_until(NINE + timedelta(minutes=5)))

    assert event == {"due": "2026-11-23T09:05:00Z", "own": 1}


def test_a_disabled_schedule_does_not_fire(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "rate(5 minutes)", State="DISABLED")

    assert sandbox.scheduler.run_until(NINE + timedelta(hours=1)) == []


def test_schedules_fire_by_themselves_when_time_runs_fast(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(1/5 * * * ? *)")
    lines: list[str] = []

    sandbox.scheduler.start(lines.append)
    sandbox.clock.run(300)  # five minutes are a second
    deadline = time.monotonic() + 30
    while len(lines) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)

    starts = [line.split(" toy ")[0] for line in lines]
    assert len(starts) == len(set(starts)) >= 3
    assert all(start[-1] in "16" for start in starts)


def test_a_schedule_that_cannot_be_followed_is_complained_about_once(sandbox: Sandbox) -> None:
    create_schedule(sandbox, "cron(0 9 ? * MON *)")
    lines: list[str] = []

    sandbox.scheduler.start(lines.append)
    time.sleep(2.5)

    assert len(lines) == 1
    assert "cron(0 9 ? * MON *)" in lines[0]
