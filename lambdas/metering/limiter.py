"""Keep calls below AWS Marketplace's ceiling, which is per account and region."""

from collections.abc import Callable
from threading import Lock

CALLS_PER_S_MAX = 10
"""BatchMeterUsage, per account and region
(developer guide, page "metering-service-quotas")."""

SPACING_S = 1.02 / CALLS_PER_S_MAX
"""Between the starts of two calls; the two hundredths keep a slow clock from making it eleven."""


class Limiter:
    """Spaces calls evenly, whichever thread makes them."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._next_s = 0.0

    def wait(self) -> None:
        """Return when the next call may start."""
        with self._lock:
            now_s = self._clock()
            at_s = max(now_s, self._next_s)
            # A clock that was set back must not hold calls up for longer than one of them takes.
            at_s = min(at_s, now_s + 60)
            self._next_s = at_s + SPACING_S
        if at_s > now_s:
            self._sleep(at_s - now_s)
