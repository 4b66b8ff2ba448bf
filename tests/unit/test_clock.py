"""One emulated time, movable, followed by other processes through a file."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.clock import SPEED_MAX, Clock

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


@dataclass
class Real:
    """Real time, as the test says."""

    seconds: float = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_clock_begins_at_the_real_time() -> None:
    assert Clock(real=Real()).now() == datetime.fromtimestamp(1_000_000, UTC)


def test_a_clock_begins_where_it_is_told() -> None:
    assert Clock(start=NINE, real=Real()).now() == NINE


def test_a_clock_goes_on_with_real_time() -> None:
    real = Real()
    clock = Clock(start=NINE, real=real)

    real.seconds += 90

    assert clock.now() == NINE + timedelta(seconds=90)


def test_speed_multiplies_real_time() -> None:
    real = Real()
    clock = Clock(start=NINE, speed=60, real=real)

    real.seconds += 2

    assert clock.now() == NINE + timedelta(minutes=2)


def test_a_new_speed_counts_from_now() -> None:
    real = Real()
    clock = Clock(start=NINE, speed=60, real=real)
    real.seconds += 1

    clock.run(0)
    real.seconds += 1_000

    assert clock.now() == NINE + timedelta(minutes=1)


def test_setting_the_clock_keeps_its_speed() -> None:
    real = Real()
    clock = Clock(start=NINE, speed=10, real=real)

    clock.set(to=NINE - timedelta(days=1))
    real.seconds += 1

    assert clock.now() == NINE - timedelta(days=1) + timedelta(seconds=10)


def test_advancing_adds_to_the_time_that_has_passed() -> None:
    real = Real()
    clock = Clock(start=NINE, real=real)
    real.seconds += 5

    clock.advance(3_600)

    assert clock.now() == NINE + timedelta(seconds=3_605)


def test_the_time_is_utc() -> None:
    assert Clock(real=Real()).now().tzinfo is UTC


@pytest.mark.parametrize("speed", [-1, SPEED_MAX + 1, float("nan")])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    clock = Clock(real=Real())

    with pytest.raises(ValueError, match="speed must be from 0 to 86400"):
        clock.run(speed)


def test_the_highest_speed_is_a_day_in_a_second() -> None:
    real = Real()
    clock = Clock(start=NINE, speed=SPEED_MAX, real=real)

    real.seconds += 1

    assert clock.now() == NINE + timedelta(days=1)


def test_a_time_without_offset_is_refused() -> None:
    clock = Clock(real=Real())

    with pytest.raises(ValueError, match="must have an offset"):
        clock.set(to=NINE.replace(tzinfo=None))


def test_a_time_nobody_emulates_is_refused() -> None:
    clock = Clock(real=Real())

    with pytest.raises(ValueError, match="before 2200"):
        clock.set(to=NINE.replace(year=9999))


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1e12])
def test_an_impossible_advance_is_refused(seconds: float) -> None:
    clock = Clock(real=Real())

    with pytest.raises(ValueError, match="seconds must lead to"):
        clock.advance(seconds)


def test_the_file_holds_the_line(tmp_path: Path) -> None:
    Clock(tmp_path / "clock", start=NINE, speed=60, real=Real())

    fields = json.loads((tmp_path / "clock").read_text(encoding="utf-8"))

    assert fields == {"real": 1_000_000.0, "emulated": NINE.timestamp(), "speed": 60.0}


def test_a_follower_has_the_same_time(tmp_path: Path) -> None:
    real = Real()
    Clock(tmp_path / "clock", start=NINE, speed=60, real=real)
    real.seconds += 1

    follower = Clock.read(tmp_path / "clock", real=real)

    assert follower.now() == NINE + timedelta(minutes=1)


def test_a_follower_sees_every_move(tmp_path: Path) -> None:
    real = Real()
    clock = Clock(tmp_path / "clock", start=NINE, real=real)
    follower = Clock.read(tmp_path / "clock", real=real)

    clock.advance(3_600)
    clock.run(7)

    assert (follower.now(), follower.speed) == (NINE + timedelta(hours=1), 7)


def test_a_follower_may_move_the_clock_too(tmp_path: Path) -> None:
    real = Real()
    clock = Clock(tmp_path / "clock", start=NINE, real=real)

    Clock.read(tmp_path / "clock", real=real).advance(60)

    assert clock.now() == NINE + timedelta(seconds=60)


def test_a_move_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock", start=NINE, real=Real())

    clock.advance(1)

    assert [path.name for path in tmp_path.iterdir()] == ["clock"]


def test_following_a_clock_that_nobody_published_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Clock.read(tmp_path / "clock")
