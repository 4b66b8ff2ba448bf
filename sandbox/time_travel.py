"""Puts a whole process into the sandbox's emulated time.

`time.time`, `datetime.now` and their kin are answered by time-machine from the clock file. Every
call looks at the file (one `stat`, about a microsecond), so a clock that is moved is seen by the
very next line of every process, without a thread and without a lag, and any speed works.

What measures rather than tells stays real: `time.monotonic`, `time.perf_counter`, `time.sleep`, and
the time-outs of sockets, locks and threads (time-machine leaves them alone). A function that waits
half a second waits half a real second, in which the emulated clock may pass an hour.
"""

from pathlib import Path

import time_machine

from sandbox.clock import Clock

NANOSECONDS_PER_SECOND = 1_000_000_000


class Follower(time_machine.Traveller):
    """Travels wherever the clock file says, at every reading."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(destination_timestamp_ns=0, destination_tzname=None, tick=True)
        self._clock = clock

    def time_ns(self) -> int:
        """Answer every reading of the clock in this process."""
        return round(self._clock.now().timestamp() * NANOSECONDS_PER_SECOND)


def follow(clock_file: Path) -> None:
    """Move this process to emulated time for the rest of its life.

    Raises:
        FileNotFoundError: Nobody has published a clock there.
    """
    # The escape hatch to real time opens only once somebody travels.
    time_machine.travel(Clock.read(clock_file).now().timestamp()).start()
    clock = Clock.read(clock_file, real=time_machine.escape_hatch.time.time)
    # The traveller on top of the stack is the one that is asked; time-machine's own can only tick
    # at real speed and cannot be moved from another process.
    time_machine.traveller_stack.append(Follower(clock))
