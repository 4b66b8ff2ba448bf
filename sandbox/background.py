"""A step that is repeated in the background until it is stopped."""

import threading
from collections.abc import Callable
from urllib.error import URLError

from botocore.exceptions import BotoCoreError, ClientError

# What may go wrong while servers are deployed to, or stopped, and be right a moment later.
PASSING = (BotoCoreError, ClientError, URLError, ConnectionError)


class Background:
    """Takes a step, rests, and takes the next one.

    A step that fails is taken again. The same failure is reported once.

    Args:
        step: What is repeated; it gets the report, for what it has to say itself.
        rest_real_seconds: How long the rest is.
        failures: How a step may fail.
    """

    def __init__(
        self,
        step: Callable[[Callable[[str], None]], object],
        *,
        rest_real_seconds: float,
        failures: tuple[type[Exception], ...] = PASSING,
    ) -> None:
        self._step = step
        self._rest = rest_real_seconds
        self._failures = failures
        self._stopped = threading.Event()
        self._running: threading.Thread | None = None

    def start(self, report: Callable[[str], None]) -> None:
        """Begin, and say a line about each thing worth one."""
        self._stopped.clear()
        self._running = threading.Thread(target=self._repeat, args=(report,), daemon=True)
        self._running.start()

    def stop(self) -> None:
        """Take no further step, and wait for the one that is being taken."""
        self._stopped.set()
        if self._running is not None:
            self._running.join()
            self._running = None

    def _repeat(self, report: Callable[[str], None]) -> None:
        def report_while_running(line: str) -> None:
            # While everything is being stopped, errors are no news.
            if not self._stopped.is_set():
                report(line)

        complaint = ""
        while not self._stopped.wait(self._rest):
            try:
                self._step(report_while_running)
                problem = ""
            except self._failures as error:
                problem = str(error)
            if problem and problem != complaint:
                report_while_running(problem)
            complaint = problem
