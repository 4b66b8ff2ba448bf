"""What a seed decides about a run before it begins."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from sandbox.marketplace_rules import Readings
from sandbox.memory.dynamodb import TableFaults
from sandbox.memory.queue import QueueFaults

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
        fault: AWS fails, in a spell of faults.
        marketplace_fault: AWS Marketplace does, in a spell.
        id_memory_hours: how long an Id is remembered.
        skew_s: how far a tick's clock may be off, to either side.
        readings: how the emulator reads AWS where it contradicts itself.
        queue: what SQS may do.
        table: what DynamoDB may do.
    """

    start: datetime
    steps: int
    ticks: int
    kill: float
    fault: float
    marketplace_fault: float
    id_memory_hours: int
    skew_s: int
    readings: Readings
    queue: QueueFaults
    table: TableFaults


def tale_of(seed: int, *, steps: int) -> Tale:
    """Decide what a run is like."""
    rng = Random(seed)
    start = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=rng.randrange(24 * 60))
    if rng.random() < 0.34:
        start = datetime(2026, 11, 30, 6, tzinfo=UTC) + timedelta(minutes=rng.randrange(17 * 60))
    return Tale(
        start=start,
        steps=steps,
        ticks=rng.choice((1, 2, 2, 3)),
        kill=rng.choice((0, 0.002, 0.01, 0.03)),
        fault=rng.choice((0, 0.01, 0.05, 0.15)),
        marketplace_fault=rng.choice((0, 0.1, 0.3, 0.6)),
        id_memory_hours=rng.choice((2, 8, 26)),
        skew_s=rng.choice((0, 0, 60, SKEW_S_MAX)),
        readings=Readings(
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
        table=TableFaults(stale_read=rng.choice((0, 0.5)), unprocessed=rng.choice((0, 0.2))),
    )
