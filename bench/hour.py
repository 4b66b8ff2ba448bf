"""An hour of usage, from the producer to the bill, in real ticks; what it took is counted."""

import time
from dataclasses import dataclass

from bench import prices
from bench.load import Form, bodies, dimension_names, records
from bench.rig import START, TICK_INTERVAL_S, Requests, Rig
from lambdas.metering.records import Status

TICKS_OF_AN_HOUR = 12
THREADS = 8
"""Receives at a time, the fewest threads that a tick waits in."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What an hour took.

    Attributes:
        events: usage events sent, all of which were billed.
        records: usage records they became.
        ticks: runs of the function until everything had its outcome.
        asked: requests of producer and function.
        cpu_s: the ticks' CPU time here, the in-memory AWS included.
        waited_s: how long they waited for an empty queue.
    """

    events: int
    records: int
    ticks: int
    asked: Requests
    cpu_s: float
    waited_s: float

    @property
    def sqs(self) -> float:
        """Dollars for the queue."""
        return prices.SQS_REQUEST.of(self.asked.sqs_billed)

    @property
    def dynamodb(self) -> float:
        """Dollars for the tables."""
        writes, reads = self.asked.write_units, self.asked.read_units
        return prices.WRITE_UNIT.of(writes) + prices.READ_UNIT.of(reads)

    @property
    def function(self) -> float:
        """Dollars for the function and its schedule, by the model."""
        sends = self.asked.sqs.get("SendMessageBatch", 0)
        seconds = prices.tick_seconds(
            cpu_s=self.cpu_s,
            waited_s=self.waited_s,
            calls=self.asked.total - sends - self.asked.metering,
            metering_calls=self.asked.metering,
            threads=THREADS,
        )
        runs = prices.INVOCATION.of(self.ticks) + prices.SCHEDULE.of(self.ticks)
        return prices.GB_SECOND.of(seconds * prices.TICK_GB) + runs

    @property
    def dollars(self) -> float:
        """Dollars for all of it."""
        return self.sqs + self.dynamodb + self.function


def hour(*, licenses: int, dimensions: int, events: int, form: Form) -> Hour:
    """Send usage all through an hour, with a tick every five minutes, until all of it is billed."""
    rig = Rig(dimensions=dimension_names(dimensions))
    buyers = rig.buy(licenses)
    container = rig.wiring()
    rig.now_s += 60
    rig.tick(container)
    rig.requests()

    spent = waited = 0.0
    counted = accepted = ticks = 0
    per_tick = -(-events // TICKS_OF_AN_HOUR)
    due = min(licenses * dimensions, per_tick)
    rig.now_s = START.timestamp()
    while accepted < due:
        rig.now_s += TICK_INTERVAL_S
        number = max(0, min(per_tick, events - ticks * per_tick))
        usage = records(buyers, rig.dimensions, number, form=form, at_s=rig.now_s, seed=ticks)
        rig.send(bodies(usage, form))
        began = time.process_time()
        summary = rig.tick(container)
        spent += time.process_time() - began
        waited += rig.waited_s
        ticks += 1
        counted += summary.counted
        accepted += summary.outcomes[Status.ACCEPTED]
        if ticks > 3 * TICKS_OF_AN_HOUR:
            raise RuntimeError(f"{accepted} records accepted of {due}")
    _require_all(rig, counted, events)
    return Hour(events, accepted, ticks, rig.requests(), spent, waited)


def _require_all(rig: Rig, counted: int, events: int) -> None:
    """Hold what was counted and billed against what was sent; numbers of a lossy run are none."""
    if counted != events:
        raise RuntimeError(f"{counted} of {events} events were counted")
    billed = sum(line.quantity for line in rig.marketplace.usage())
    ledger = sum(
        each["QuantityAsDecimal" if "QuantityAsDecimal" in each else "Quantity"]
        for _, records_ in rig.calls
        for each in records_
    )
    if not billed == ledger > 0:
        raise RuntimeError(f"{ledger} units were submitted, {billed} are on the bill")
