"""The metering function: one tick at every invocation, whoever invokes it."""

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import LedgerTable, Marketplace, Outcomes, Quarantine, UsageQueue, connect
from lambdas.metering.environment import read_environment
from lambdas.metering.log import Log
from lambdas.metering.quantities import MICROS_PER_UNIT
from lambdas.metering.records import Status
from lambdas.metering.summary import Summary
from lambdas.metering.tick import tick
from lambdas.metering.wiring import Wiring
from lambdas.telemetry import Metric, logger, metrics

THREADS = 16
"""Requests at a time. They wait rather than work, and a tick makes some thousands at the most."""

RESERVE_S = 20
"""Kept of the function's time for calls under way and for the last words."""


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run one tick and answer with its summary (`Summary.as_json`).

    The event is not looked at: what is to be done stands in the queue and in the ledger.
    """
    log = logger()
    summary = Summary()
    try:
        until_s = time.time() + context.get_remaining_time_in_millis() / 1000 - RESERVE_S
        wired = wiring()
        tick(wired, until_s=until_s, summary=summary)
        if summary.hours_sealed or summary.quarantined:
            # Once an hour, and when there is more: a count reads what it counts.
            summary.in_quarantine = wired.quarantine.size()
    except Exception:
        # Nothing is consumed: what this tick took up is there for the next one. What it has done is
        # told now or never, since the next tick finds it done.
        log.exception(
            "The tick failed; usage stays where it is, and the next tick goes on",
            extra={"summary": summary.as_json()},
        )
        _emit(summary, ticks=0)
        raise
    answer = summary.as_json()
    log.info("Tick", extra={"summary": answer})
    _emit(summary, ticks=1)
    return answer


@cache
def wiring() -> Wiring:
    """Connect everything, once per container; the log keeps its state between ticks."""
    environment = read_environment(os.environ)
    pool = ThreadPoolExecutor(THREADS)

    def parallel(work: Callable[..., Any], *items: Iterable[Any]) -> list[Any]:
        # Waits for all before the first failure is told, so that nothing goes on behind the back
        # of the next tick.
        futures = [pool.submit(work, *each) for each in zip(*items, strict=True)]
        wait(futures)
        return [each.result() for each in futures]

    sqs, dynamodb, marketplace = connect(environment.metering_region, connections=THREADS)
    table = LedgerTable(dynamodb, environment.ledger_table)
    return Wiring(
        queue=UsageQueue(sqs, environment.queue_url, parallel),
        table=table,
        log=Log(table, environment.terms),
        outcomes=Outcomes(dynamodb, environment.ledger_table, parallel),
        quarantine=Quarantine(dynamodb, environment.ledger_table),
        customers=CustomersTable(dynamodb, environment.customers_table, parallel),
        marketplace=Marketplace(marketplace),
        terms=environment.terms,
        clock=time.time,
        sleep=time.sleep,
        parallel=parallel,
        new_id=lambda: uuid4().hex,
    )


def _emit(summary: Summary, *, ticks: int) -> None:
    """Emit what happened as metrics, zeros left out, and how many ticks succeeded."""
    risk = summary.risk
    counts = {
        Metric.TICKS: ticks,
        Metric.COUNTED: summary.counted,
        Metric.DUPLICATES: summary.duplicates,
        Metric.QUARANTINED: summary.quarantined.total(),
        Metric.IN_QUARANTINE: summary.in_quarantine or 0,
        Metric.HOURS_SEALED: summary.hours_sealed,
        Metric.RECORDS_SENT: summary.records_sent,
        Metric.RECORDS_ACCEPTED: summary.outcomes[Status.ACCEPTED],
        Metric.RECORDS_CONFLICT: summary.outcomes[Status.CONFLICT],
        Metric.RECORDS_EXPIRED: summary.outcomes[Status.EXPIRED],
        Metric.RECORDS_UNCONFIRMED: summary.outcomes[Status.UNCONFIRMED],
        Metric.CALLS_REFUSED: summary.calls_refused,
        Metric.RECORDS_UNFINISHED: risk.unfinished,
        Metric.RECORDS_AT_RISK: risk.at_risk,
        # A metric is a binary float whatever is handed in; it is looked at, not billed.
        Metric.QUANTITY_PARKED: risk.micros_parked / MICROS_PER_UNIT,
        Metric.LICENSES_ENDING: summary.ending,
    }
    times = {
        Metric.OLDEST_UNBILLED: risk.oldest_s,
        Metric.FINAL_FLUSH_LEFT: summary.final_flush_left_s,
    }
    told: list[tuple[Metric, MetricUnit, float]] = [
        *((name, MetricUnit.Count, count) for name, count in counts.items() if count),
        *((name, MetricUnit.Seconds, left) for name, left in times.items() if left is not None),
    ]
    for each in told:
        metrics().add_metric(*each)
    if told:
        metrics().flush_metrics()
