"""Events that stray: late, twice, lost, or overtaken on their way to the seller."""

from typing import Any

import pytest

from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.faults import Detour
from tests.unit.marketplace_stage import Stage

CREATED, UPDATED = "Purchase Agreement Created", "License Updated"


def a_stage(kind: Any, **options: Any) -> Stage:
    """A stage with a detour, on which one license more is bought now."""
    stage = Stage()
    stage.hush()
    stage.marketplace.divert(Detour(kind, **options))
    stage.buy(state="as-real", starts_at=None)
    return stage


def told(stage: Stage) -> list[str]:
    """What the second purchase made the seller be told, by now."""
    return stage.told(after=2)


def test_a_lost_event_never_comes() -> None:
    stage = a_stage("lost")

    stage.wait(days=2)

    assert told(stage) == [UPDATED]


def test_a_late_event_comes_when_it_is_over() -> None:
    stage = a_stage("late", seconds=90)

    stage.wait(seconds=100)
    before = told(stage)
    stage.wait(seconds=1)

    assert (before, told(stage)) == ([UPDATED], [UPDATED, CREATED])


def test_a_late_event_keeps_its_own_time() -> None:
    stage = a_stage("late", seconds=90)

    stage.wait(minutes=5)

    assert stage.body(CREATED)["time"] == "2026-11-23T10:20:11Z"


def test_an_event_that_comes_twice_has_one_id() -> None:
    stage = a_stage("twice")
    stage.wait(minutes=5)

    first, second, _ = stage.marketplace.events_since(2)

    assert told(stage) == [CREATED, CREATED, UPDATED]
    assert first.body["id"] == second.body["id"]
    assert first.cursor != second.cursor


def test_a_copy_may_come_later() -> None:
    stage = a_stage("twice", seconds=3600)
    stage.wait(hours=2)

    assert told(stage) == [CREATED, UPDATED, CREATED]


def test_an_overtaken_event_comes_after_the_next() -> None:
    stage = a_stage("overtaken")

    stage.wait(minutes=5)

    assert told(stage) == [UPDATED, CREATED]


def test_an_overtaken_event_waits_for_another() -> None:
    stage = a_stage("overtaken", event=UPDATED)

    stage.wait(hours=5)
    before = told(stage)
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(seconds=2)

    assert before == [CREATED]
    assert told(stage) == [CREATED, "Purchase Agreement Ended", UPDATED]


def test_a_detour_is_for_the_event_it_names() -> None:
    stage = a_stage("lost", event="License Updated")

    stage.wait(minutes=5)

    assert told(stage) == [CREATED]


def test_a_detour_strikes_as_often_as_asked() -> None:
    stage = a_stage("lost", times=2)
    stage.buy(state="as-real", starts_at=None)

    stage.wait(minutes=5)

    assert told(stage) == [UPDATED, UPDATED]
    assert stage.marketplace.pending_detours() == []


def test_a_detour_may_depend_on_luck() -> None:
    stage = a_stage("lost", times=None, probability=0.5)
    for _ in range(100):
        stage.buy(state="as-real", starts_at=None)

    stage.wait(minutes=5)

    assert 60 < len(told(stage)) < 140


def test_detours_can_be_cleared() -> None:
    stage = a_stage("lost", times=None)

    stage.marketplace.clear_detours()
    stage.wait(minutes=5)

    assert told(stage) == [CREATED, UPDATED]


def test_what_was_due_before_a_detour_is_not_struck() -> None:
    stage = Stage()
    stage.marketplace.divert(Detour("lost"))

    assert stage.told() == [CREATED, UPDATED]


def test_calls_are_not_struck_by_detours() -> None:
    stage = a_stage("lost", times=None)

    assert stage.send(stage.record()) == ["Success"]


def test_events_are_not_struck_by_faults() -> None:
    stage = Stage()
    stage.fault("ThrottlingException", operation="*", times=None)

    assert stage.told() == [CREATED, UPDATED]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"kind": "lots"}, "kind"),
        ({"kind": "late", "seconds": -1}, "seconds"),
        ({"kind": "late", "seconds": 86_401}, "seconds"),
        ({"kind": "lost", "times": 0}, "times"),
        ({"kind": "lost", "probability": 0}, "probability"),
    ],
)
def test_a_detour_that_makes_no_sense_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(Unacceptable) as error:
        Detour(**options)

    assert error.value.field == field
