"""What a seed decides about a run before it begins."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

from lambdas.metering.hours import HOUR_S
from lambdas.metering.terms import Terms
from sandbox.marketplace.rules import Readings
from sandbox.memory.dynamodb import TableFaults
from sandbox.memory.queue import QueueFaults

DIMENSIONS = ("users", "api-calls", "storage-gb")
PRODUCT = "example000000000000000001"

SKEW_S_MAX = 450
"""Clocks of two ticks are up to 15 minutes apart."""


@dataclass(frozen=True, slots=True)
class Tale:
    """How hostile a run is; probabilities are per AWS call.

    Attributes:
        start: when it begins; a third of the runs live through the end of a month.
        steps: how many things happen.
        ticks: how many ticks run at once, at the most.
        kill: a tick dies at this call, before or after it.
        fault: a write fails, in a spell of faults; a read does so less often.
        marketplace_fault: AWS Marketplace is told to fail, where it may be.
        rival: somebody else meters an hour of ours, where that may happen.
        skew_s: how far a tick's clock may be off, to either side.
        terms: the seller's settings.
        readings: how AWS is read where it contradicts itself.
        queue: what SQS may do.
        table: what DynamoDB may do.
    """

    start: datetime
    steps: int
    ticks: int
    kill: float
    fault: float
    marketplace_fault: float
    rival: float
    skew_s: int
    terms: Terms
    readings: Readings
    queue: QueueFaults
    table: TableFaults


def tale_of(seed: int, *, steps: int) -> Tale:
    """Decide what a run is like."""
    rng = Random(seed)
    start = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=rng.randrange(24 * 60))
    if rng.random() < 0.34:
        start = datetime(2026, 11, 30, 6, tzinfo=UTC) + timedelta(minutes=rng.randrange(17 * 60))
    windows: tuple[Literal[24, 6], ...] = (24, 24, 24, 6)
    window_hours = rng.choice(windows)
    return Tale(
        start=start,
        steps=steps,
        ticks=rng.choice((1, 2, 2, 3)),
        kill=rng.choice((0, 0.002, 0.01, 0.03)),
        fault=rng.choice((0, 0.05, 0.2, 0.5)),
        marketplace_fault=rng.choice((0, 0.3, 0.7, 1)),
        rival=rng.choice((0, 0, 0.5)),
        skew_s=rng.choice((0, 0, 60, SKEW_S_MAX)),
        terms=Terms(
            # Without a list of dimensions anything may be metered, and there are no heartbeats.
            dimensions=rng.choice((DIMENSIONS, (), ())),
            product_code=PRODUCT,
            metering_from_s=_cut_over_s(rng, start),
            id_memory_hours=rng.choice((2, 8, 26)),
            window_hours=window_hours,
        ),
        readings=Readings(
            window_hours=window_hours,
            identical_resend=rng.choice(("success", "success", "duplicate")),
            same_time=rng.choice(("hour", "hour", "exact-time")),
        ),
        queue=QueueFaults(
            duplicate=rng.choice((0, 0.05, 0.2)),
            undead=rng.choice((0, 0.02, 0.1)),
            empty=rng.choice((0, 0.1)),
            partial=rng.choice((0, 0.3)),
            failed_entry=rng.choice((0, 0.05)),
            arrival_seconds_max=rng.choice((0, 0, 120)),
        ),
        table=TableFaults(
            stale_read=rng.choice((0, 0.5)),
            stale_seconds=rng.choice((1, 60)),
            unprocessed=rng.choice((0, 0.2)),
        ),
    )


def _cut_over_s(rng: Random, start: datetime) -> int:
    """Choose the full hour that an older submitter metered until; in most runs there was none."""
    if rng.random() < 0.7:
        return 0
    return (int(start.timestamp()) // HOUR_S + rng.randrange(-4, 5)) * HOUR_S
