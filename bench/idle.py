"""What a month costs in which nobody uses anything, but every active license gets heartbeats."""

import time
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import boto3

from bench import prices
from bench.hour import THREADS
from bench.load import dimension_names
from bench.rig import CUSTOMERS, PRODUCT, TICK_INTERVAL_S, Requests, Rig
from bench.table import Table
from lambdas.customers.bus import Bus
from lambdas.customers.changes import Changes
from lambdas.customers.outbox import Outbox
from lambdas.metering.records import Status
from lambdas.subscription.aws import Agreements
from lambdas.subscription.reconciliation import differences, open_licenses
from lambdas.telemetry import Metric
from sandbox.marketplace.http import attach

DOLLARS_MAX = 0.50
WATCH_DOLLARS_MAX = 3.00
DAYS = 365 / 12
DAY_S = 86_400
TICKS_OF_A_DAY = DAY_S // TICK_INTERVAL_S

POLLS_PER_MINUTE = 15
"""Of an event source mapping on an idle queue: five receives of 20 seconds at a time
(Lambda developer guide, "Configuring scaling behavior for SQS event source mappings")."""

LOG_BYTES_OF_A_RUN = 2_500
"""What a function writes for a run: its summary, its metrics, and Lambda's own two lines."""


@dataclass(frozen=True, slots=True)
class Day:
    """What a day without usage took, by who asked."""

    ticks: Requests
    tick_cpu_s: float
    waited_s: float
    sweeps: Requests
    night: Requests
    other_cpu_s: float
    zeros: int


def idle(*, quick: bool) -> list[Table]:
    """Run a day of every function that a schedule starts, and price a month of such days."""
    table = Table(
        "idle",
        "A month without usage, with heartbeats",
        ("what", "10 licenses × 5", "100 licenses × 5"),
        note=(
            f"One day counted in real runs, times {DAYS:.1f}. Polling is the {POLLS_PER_MINUTE}"
            " receives a minute of the subscription queue's event source mapping;"
            f" logs are taken as {LOG_BYTES_OF_A_RUN / 1000} KB a run. Storage is not in it: 100"
            " licenses add some 70 MB of outcomes a month."
        ),
    )
    sizes = (2, 4) if quick else (10, 100)
    found = [month(day(licenses, 5)) for licenses in sizes]
    for part in found[0]:
        table.add(part, *(f"${each[part]:.3f}" for each in found))
    totals = [sum(each.values()) for each in found]
    table.add(
        *("together", *(f"**${each:.2f}**" for each in totals)),
        target=f"under ${DOLLARS_MAX:.2f}",
        met=None if quick else max(totals) < DOLLARS_MAX,
    )
    return [table, _watch()]


def day(licenses: int, dimensions: int) -> Day:
    """Let a day pass in which nothing is used."""
    rig = Rig(dimensions=dimension_names(dimensions), heartbeats=True)
    rig.buy(licenses)
    container = rig.wiring()
    rig.tick(container)
    began_s = rig.now_s = rig.now_s + 3 * DAY_S // 24
    rig.tick(container)
    changes = _changes(rig)
    agreements = boto3.client("marketplace-agreement", **_NOWHERE)
    attach(agreements, rig.marketplace)
    rig.requests()

    ticks, sweeps = Requests(), Requests()
    cpu_s = other_cpu_s = waited_s = 0.0
    zeros = 0
    while rig.now_s < began_s + DAY_S:
        rig.now_s += TICK_INTERVAL_S
        before_s = time.process_time()
        summary = rig.tick(container)
        cpu_s += time.process_time() - before_s
        waited_s += rig.waited_s
        zeros += summary.outcomes[Status.ACCEPTED]
        ticks = ticks.plus(rig.requests())
        before_s = time.process_time()
        changes.end_overdue()
        changes.publish_leftovers()
        other_cpu_s += time.process_time() - before_s
        sweeps = sweeps.plus(rig.requests())
    before_s = time.process_time()
    found = differences(
        rig.customers,
        Agreements(agreements),
        open_licenses(rig.customers),
        product_ids=(),
        product_code=PRODUCT,
        asked_ms=int(rig.now_s * 1000),
    )
    other_cpu_s += time.process_time() - before_s
    if zeros != licenses * dimensions * 24 or found:
        raise RuntimeError(f"{zeros} heartbeats were accepted, {len(found)} licenses differ")
    return Day(ticks, cpu_s, waited_s, sweeps, rig.requests(), other_cpu_s, zeros)


_NOWHERE: Any = {
    "region_name": "us-east-1",
    "aws_access_key_id": "bench",
    "aws_secret_access_key": "bench",
}


def _changes(rig: Rig) -> Changes:
    nobody: Any = None
    outbox = Outbox(rig.tables_client, CUSTOMERS)
    return Changes(rig.customers, outbox, Bus(nobody, "default"), rig.clock)


def month(each: Day) -> dict[str, float]:
    """Price a month of such days, part by part."""
    tick_s = prices.tick_seconds(
        cpu_s=each.tick_cpu_s,
        waited_s=each.waited_s,
        calls=each.ticks.total - each.ticks.metering,
        metering_calls=each.ticks.metering,
        threads=THREADS,
    )
    others = each.sweeps.plus(each.night)
    other_s = each.other_cpu_s / prices.SMALL_GB + others.total * prices.CALL_S
    runs = 2 * TICKS_OF_A_DAY + 1
    polls = POLLS_PER_MINUTE * 60 * 24
    everything = each.ticks.plus(others)
    of_a_day = {
        "Lambda polls the subscription queue": prices.SQS_REQUEST.of(polls),
        "ticks: Lambda": prices.GB_SECOND.of(tick_s * prices.TICK_GB),
        "sweeps and reconciliation: Lambda": prices.GB_SECOND.of(other_s * prices.SMALL_GB),
        "schedules and invocations": prices.SCHEDULE.of(runs) + prices.INVOCATION.of(runs),
        "ticks look into the usage queue": prices.SQS_REQUEST.of(each.ticks.sqs_billed),
        "DynamoDB writes: the zeros' outcomes": prices.WRITE_UNIT.of(everything.write_units),
        "DynamoDB reads": prices.READ_UNIT.of(everything.read_units),
        "logs": prices.LOG_GB.of(runs * LOG_BYTES_OF_A_RUN / 1e9),
    }
    return {part: dollars * DAYS for part, dollars in of_a_day.items()}


HOURLY = ("Ticks", "HoursSealed", "RecordsSent", "RecordsAccepted")
"""Metrics that come in every hour of an idle month (lambdas/metering/handler.py)."""

NIGHTLY = ("LicensesPending", "LicensesActive")
"""Those that the reconciliation emits, in one hour of 24."""

BUSY = ("UsageCounted", "UsageDuplicates", "RecordsUnfinished", "OldestUnbilledUsage")
"""Those that come on top in hours with usage."""

ALARM_METRICS, COMPOSITES = 27, 1
"""Metrics that alarms look at (docs/watch.md)."""


def _watch() -> Table:
    """Price metrics and alarms; a metric is billed in the hours in which it comes."""
    table = Table(
        "watch",
        "A month of watching, beside all of the above",
        ("what", "an idle month", "usage in every hour"),
        note=(
            "The dashboard costs nothing if it is among the first three of the account, else $3.00."
            " The free metrics and alarms of an account are not taken off."
        ),
    )
    unknown = {*HOURLY, *NIGHTLY, *BUSY} - set(Metric)
    if unknown:
        raise RuntimeError(f"there are no metrics {', '.join(sorted(unknown))}")
    calm = prices.METRIC_MONTH.of(len(HOURLY) + len(NIGHTLY) / 24)
    busy = calm + prices.METRIC_MONTH.of(len(BUSY))
    table.add(
        *("CloudWatch metrics and dashboard", _cents(calm), _cents(busy)),
        target=f"at most ${WATCH_DOLLARS_MAX:.2f}",
        met=busy <= WATCH_DOLLARS_MAX,
    )
    alarms = prices.ALARM.of(ALARM_METRICS) + prices.COMPOSITE_ALARM.of(COMPOSITES)
    table.add("alarms", _cents(alarms), _cents(alarms))
    return table


def _cents(dollars: float) -> str:
    """Write dollars with whole cents, half a cent being one."""
    return f"${Decimal(f'{dollars:.6f}').quantize(Decimal('0.01'), ROUND_HALF_UP)}"
