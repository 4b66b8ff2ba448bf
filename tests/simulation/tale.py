"""What a seed decides about a run before it begins."""

from dataclasses import dataclass, replace
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

DRY_RUNS = 0.15
"""Of the runs; in a dry-run no call can go wrong, and that is what the others are for."""


@dataclass(frozen=True, slots=True)
class News:
    """What may become of AWS Marketplace's events on their way; probabilities are per event.

    Attributes:
        late: it comes any time later, perhaps much later.
        twice: it comes once more, any time later.
        lost: it never comes; only then does the nightly reconciliation run.
        deprovisioned_s: from the end of an agreement to the end of its license, or the other way.
        license_in_first_answer: whether ResolveCustomer names a license when first asked.
        activation_period: from when AWS Marketplace takes the usage of a new license.
        agreement_in_answer: whether ResolveCustomer names the agreement of a buyer who never has
            another one; whoever has several is not told apart without it.
    """

    late: float
    twice: float
    lost: float
    deprovisioned_s: int
    license_in_first_answer: bool
    activation_period: Literal["agreement", "license-updated"]
    agreement_in_answer: bool = True


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
        news: what may become of events.
        dry_run: when usage is metered without a call: in spells, or from the first until a cut-over
            and in spells after it.
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
    news: News
    dry_run: Literal["never", "in spells", "at first"] = "never"


def tale_of(seed: int, *, steps: int) -> Tale:
    """Decide what a run is like."""
    rng = Random(seed)
    start = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=rng.randrange(24 * 60))
    if rng.random() < 0.34:
        start = datetime(2026, 11, 30, 6, tzinfo=UTC) + timedelta(minutes=rng.randrange(17 * 60))
    windows: tuple[Literal[24, 6], ...] = (24, 24, 24, 6)
    window_hours = rng.choice(windows)
    tale = Tale(
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
        news=News(
            late=rng.choice((0, 0.1, 0.4)),
            twice=rng.choice((0, 0.1, 0.4)),
            lost=rng.choice((0, 0, 0, 0.1)),
            deprovisioned_s=rng.choice((31, 31, -31)),
            license_in_first_answer=rng.random() < 0.7,
            activation_period=rng.choice(("agreement", "agreement", "license-updated")),
        ),
    )
    luck = rng.random()
    # These came later than the others, and are drawn after them, so that a seed's run stays alike.
    tale = replace(
        tale,
        readings=replace(
            tale.readings,
            resubmission=rng.choice(("allowed", "expired", "expired")),
            token_minutes=rng.choice((240, 60, 30)),
            code_with_license=rng.choice(("billed-twice", "refused")),
            tag_keys=rng.choice(("allocation", "record")),
            tag_characters=rng.choice(("pattern", "listed")),
        ),
        news=replace(tale.news, agreement_in_answer=rng.random() < 0.2),
    )
    if luck < DRY_RUNS / 3:
        # The hour of the cut-over is known when it comes.
        terms = replace(tale.terms, dry_run=True, metering_from_s=0)
        return replace(tale, terms=terms, dry_run="at first")
    return replace(tale, dry_run="in spells") if luck < DRY_RUNS else tale


def _cut_over_s(rng: Random, start: datetime) -> int:
    """Choose the full hour that an older submitter metered until; in most runs there was none."""
    if rng.random() < 0.7:
        return 0
    return (int(start.timestamp()) // HOUR_S + rng.randrange(-4, 5)) * HOUR_S
