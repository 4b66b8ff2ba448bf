"""The one time of a sandbox: the emulator, moto and the functions all live in it.

Emulated time is a straight line over real time. Three numbers say where it runs, and whoever knows
them can compute the time without asking anybody:

    emulated(real) = emulated + (real - real_base) * speed

With a path, the three are also a file, replaced in one rename so that no reader ever sees half of
it. Every process of the sandbox may follow that file (JSON, one object):

    {"real": 1795424400.25, "emulated": 1795420800.0, "speed": 60.0}

`real` and `emulated` are epoch seconds, UTC; `speed` is emulated seconds per real second, 0 stands
still. A process whose own `time.time` has been moved (time-machine) must measure real time past
that: `Clock.read(path, real=time_machine.escape_hatch.time.time)`.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

# Beyond this a day passes in less than a second of real time, and the processes that follow the
# file, at most a few times a second, would jump over whole days.
SPEED_MAX = 86_400.0
# Nobody emulates more; near the last year Python knows, the clock would run into a wall.
EMULATED_MAX = datetime(2200, 1, 1, tzinfo=UTC)
# A file that was replaced this long ago is known by its inode and time; before, a second
# replacement could have both the same (file times move in steps of some milliseconds).
SETTLED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """Emulated time as a line over real time, both in epoch seconds."""

    real: float
    emulated: float
    speed: float

    def at(self, real: float) -> float:
        """The emulated epoch seconds at this real time."""
        return self.emulated + (real - self.real) * self.speed


class Clock:
    """Tells emulated time, and moves it for every process that follows the same file.

    Several processes may read one file; only one at a time should move it, because a move is a
    read and a write.

    Args:
        path: Where to publish the line; `None` keeps it in this process.
        start: Emulated time to begin with, aware; `None` begins at the real time.
        speed: Emulated seconds per real second.
        real: Real time in epoch seconds.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        start: datetime | None = None,
        speed: float = 1.0,
        real: Callable[[], float] = time.time,
    ) -> None:
        now = real()
        begin = now if start is None else _epoch(start)
        self._path = path
        self._real = real
        self._moving = threading.Lock()
        self._held: tuple[Line, tuple[int, int] | None]
        self._publish(Line(real=now, emulated=begin, speed=_checked(speed)))

    @classmethod
    def read(cls, path: Path, *, real: Callable[[], float] = time.time) -> Self:
        """Follow a clock that another process has published.

        Raises:
            FileNotFoundError: Nobody has published a clock there.
        """
        line = _load(path)
        clock = cls(real=real)
        clock._path, clock._held = path, (line, None)
        return clock

    def now(self) -> datetime:
        """The emulated time, aware, UTC."""
        return datetime.fromtimestamp(self._current().at(self._real()), UTC)

    @property
    def speed(self) -> float:
        """Emulated seconds per real second."""
        return self._current().speed

    def set(self, to: datetime) -> None:
        """Move to this time, forwards or backwards; the speed stays."""
        emulated = _epoch(to)
        with self._moving:
            self._publish(replace(self._current(), real=self._real(), emulated=emulated))

    def advance(self, seconds: float) -> None:
        """Move on by so many emulated seconds; the speed stays."""
        with self._moving:
            real = self._real()
            line = self._current()
            emulated = line.at(real) + seconds
            if not 0 <= emulated <= EMULATED_MAX.timestamp():  # also refuses NaN
                raise ValueError(f"seconds must lead to 1970 or later, before 2200; got {seconds}")
            self._publish(replace(line, real=real, emulated=emulated))

    def run(self, speed: float) -> None:
        """Go on from now with this many emulated seconds per real second; 0 stands still."""
        checked = _checked(speed)
        with self._moving:
            real = self._real()
            self._publish(Line(real=real, emulated=self._current().at(real), speed=checked))

    def _current(self) -> Line:
        line, seen = self._held
        if self._path is None:
            return line
        status = os.stat(self._path)  # noqa: PTH116 (half the time of Path.stat, asked constantly)
        now_seen = (status.st_ino, status.st_mtime_ns)
        if now_seen != seen:
            line = _load(self._path)
            settled = self._real() - status.st_mtime > SETTLED_SECONDS
            # In one assignment, so that threads never see one half with the other's.
            self._held = (line, now_seen if settled else None)
        return line

    def _publish(self, line: Line) -> None:
        if self._path is not None:
            text = {"real": line.real, "emulated": line.emulated, "speed": line.speed}
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            draft.write_text(json.dumps(text) + "\n", encoding="utf-8")
            draft.replace(self._path)
        self._held = (line, None)


def _load(path: Path) -> Line:
    fields = json.loads(path.read_bytes())
    return Line(real=fields["real"], emulated=fields["emulated"], speed=fields["speed"])


def _epoch(moment: datetime) -> float:
    if moment.tzinfo is None:
        raise ValueError(f"the time must have an offset, as in 2026-11-23T09:00:00Z, not {moment}")
    if not 1970 <= moment.year < EMULATED_MAX.year:
        raise ValueError(f"the time must be in 1970 or later and before 2200, not {moment}")
    return moment.timestamp()


def _checked(speed: float) -> float:
    if not 0 <= speed <= SPEED_MAX:  # also refuses NaN
        raise ValueError(f"speed must be from 0 to {SPEED_MAX:.0f}, not {speed}")
    return float(speed)
