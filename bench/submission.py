"""100,000 licenses × 3 dimensions through AWS Marketplace's ceiling of 10 calls a second.

Threads are greenlets and time is a number: whoever waits gives way to whoever wakes first, so that
hours of submitting take minutes, and every call has its exact time.
"""

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from greenlet import getcurrent, greenlet

from bench.load import Form, bodies, dimension_names, records
from bench.prices import CALL_S, METERING_CALL_S
from bench.rig import START, TICK_INTERVAL_S, Rig
from bench.table import Table
from lambdas.metering.handler import THREADS
from lambdas.metering.limiter import CALLS_PER_S_MAX
from lambdas.metering.records import Status

LICENSES, DIMENSIONS = 100_000, 3
RATE_MIN = 9.0
TICKS_MAX = 40


class Crew:
    """A pool of threads, as greenlets, in a time that is a number."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.rig: Rig | None = None
        self._asleep: list[tuple[float, int, greenlet]] = []
        self._tickets = count()
        self._foreman: greenlet | None = None

    def sleep(self, seconds: float) -> None:
        """Wait; meanwhile the others of the crew work."""
        assert self.rig is not None
        if self._foreman is None:
            self.rig.now_s += seconds
            return
        wakes_s = self.rig.now_s + seconds
        heapq.heappush(self._asleep, (wakes_s, next(self._tickets), getcurrent()))
        self._foreman.switch()

    def parallel(self, work: Callable[..., Any], *items: Iterable[Any]) -> list[Any]:
        """Do what the function's pool does: so many at a time, results in order."""
        assert self.rig is not None and self._foreman is None  # noqa: PT018 one crew, one foreman
        jobs = list(enumerate(zip(*items, strict=True)))
        jobs.reverse()
        results: list[Any] = [None] * len(jobs)
        failures: list[BaseException] = []

        def worker() -> None:
            while jobs:
                number, job = jobs.pop()
                try:
                    results[number] = work(*job)
                except Exception as error:  # noqa: BLE001 raised again below
                    failures.append(error)

        self._foreman = getcurrent()
        for _ in range(min(self.threads, len(jobs))):
            greenlet(worker).switch()
        while self._asleep:
            wakes_s, _, next_one = heapq.heappop(self._asleep)
            self.rig.now_s = max(self.rig.now_s, wakes_s)
            next_one.switch()
        self._foreman = None
        if failures:
            raise failures[0]
        return results


def submission(*, quick: bool, licenses: int = LICENSES) -> list[Table]:
    """Submit an hour of very many licenses, in as many ticks as it takes."""
    if quick:
        licenses = min(licenses, LICENSES // 50)
    crew = Crew(THREADS)
    rig = Rig(
        dimensions=dimension_names(DIMENSIONS),
        throttling=True,
        before_metering=lambda _: crew.sleep(METERING_CALL_S),
    )
    crew.rig = rig
    buyers = rig.buy(licenses)
    container = rig.wiring(parallel=crew.parallel, sleep=crew.sleep)
    rig.now_s += 60
    rig.tick(container)
    events = licenses * DIMENSIONS
    rig.now_s = START.timestamp() + 30 * 60
    for at in range(0, licenses, 30_000):
        part = buyers[at : at + 30_000]
        number = len(part) * DIMENSIONS
        usage = records(part, rig.dimensions, number, form=Form.PACKED, at_s=rig.now_s, seed=at)
        rig.put(bodies(usage, Form.PACKED))
    rig.tick(container)
    rig.dynamodb.on_call = lambda *_: crew.sleep(CALL_S)
    rig.calls.clear()

    rig.now_s = START.timestamp() + 71 * 60
    ticks: list[list[float]] = []
    accepted = refused = 0
    while accepted < events and len(ticks) < TICKS_MAX:
        began_s = rig.now_s
        before = len(rig.calls)
        summary = rig.tick(container)
        accepted += summary.outcomes[Status.ACCEPTED]
        refused += summary.calls_refused
        ticks.append([at_s for at_s, _ in rig.calls[before:]])
        rig.now_s = max(rig.now_s, began_s + TICK_INTERVAL_S)
    return [_table(rig, licenses, ticks, accepted, refused, quick=quick)]


def _table(
    rig: Rig,
    licenses: int,
    ticks: list[list[float]],
    accepted: int,
    refused: int,
    *,
    quick: bool,
) -> Table:
    events = licenses * DIMENSIONS
    table = Table(
        "submission",
        f"{licenses:,} licenses × {DIMENSIONS} dimensions, of one hour",
        ("what", "measured"),
        note=(
            f"A fake clock; BatchMeterUsage takes {METERING_CALL_S * 1000:.0f} ms and DynamoDB"
            f" {CALL_S * 1000:.0f} ms, {THREADS} threads; the emulator refuses more than"
            f" {CALLS_PER_S_MAX} calls in a second. The rate is of the whole ticks that had enough"
            " to send, from a tick's first call to its last."
        ),
    )
    whole = [calls for calls in ticks[:-1] if len(calls) > 1] or ticks[:1]
    rates = [(len(calls) - 1) / (calls[-1] - calls[0]) for calls in whole]
    busiest = _most_in_a_second([at_s for calls in ticks for at_s in calls])
    sent = Counter(
        (each["LicenseArn"], each["Dimension"], each["Timestamp"])
        for _, records_ in rig.calls
        for each in records_
    )
    twice = sum(number - 1 for number in sent.values())
    table.add(
        *("calls a second, slowest and fastest tick", f"{min(rates):.2f} to {max(rates):.2f}"),
        target=f"{RATE_MIN:.0f} to {CALLS_PER_S_MAX}",
        met=None if quick else RATE_MIN <= min(rates) <= max(rates) <= CALLS_PER_S_MAX,
    )
    table.add(
        *("most calls in any second", f"{busiest}"),
        target=f"at most {CALLS_PER_S_MAX}",
        met=busiest <= CALLS_PER_S_MAX,
    )
    table.add("calls refused", f"{refused}", target="0", met=refused == 0)
    table.add("records sent twice", f"{twice}", target="0", met=twice == 0)
    table.add(
        *("records accepted", f"{accepted:,} of {events:,}"),
        target="all",
        met=accepted == events,
    )
    table.add("ticks it took", f"{len(ticks)}, one every five minutes")
    table.add("calls", f"{len(rig.calls):,}")
    return table


def _most_in_a_second(times: list[float]) -> int:
    """Count the calls of the busiest second, wherever it begins."""
    return max(bisect_left(times, at_s + 1) - number for number, at_s in enumerate(times))
