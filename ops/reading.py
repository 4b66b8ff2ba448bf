"""Reads that several commands need, with a person waiting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lambdas.metering.hours import HOUR_S
from lambdas.metering.ledger import Ledger
from lambdas.metering.log import Log
from lambdas.telemetry import Metric
from ops.books import Books, WatchedTable
from ops.deployment import Deployment
from ops.lines import Line
from ops.output import Output
from ops.waiting import lines_waiting

TICKS_LOOK_BACK_HOURS = 3
AGE_LOOK_BACK_S = 15 * 60
"""SQS reports the age of a queue every minute, some minutes late."""


def books(deployment: Deployment) -> Books:
    """Open the ledger table for reading."""
    return Books(deployment.client("dynamodb"), deployment.environment.ledger_table)


def ledger(deployment: Deployment, output: Output, now_s: int) -> Ledger:
    """Read what is open and what is unfinished.

    No Id has to be remembered for that, so a day of ids is left unread.
    """
    environment = deployment.environment
    with output.progress("Reading the ledger") as seen:
        table = WatchedTable(deployment.client("dynamodb"), environment.ledger_table, seen)
        return Log(table, replace(environment.terms, id_memory_hours=0)).read(now_s)


def waiting(deployment: Deployment, state: Ledger) -> list[Line]:
    """Tell of every record that has no final outcome why that is."""
    unfinished = state.unfinished
    outcomes = deployment.outcomes.read(unfinished)
    licenses = deployment.customers.licenses({each.license for each in unfinished.values()})
    found = lines_waiting(state, outcomes, licenses, deployment.environment.terms)
    return sorted(found, key=lambda each: (each.timestamp_s, each.license, each.dimension))


@dataclass(frozen=True, slots=True)
class Datapoint:
    """A value of a metric, and when it was."""

    at_s: int
    value: float


def last_tick_s(deployment: Deployment, now_s: int) -> int | None:
    """Tell when metering was last seen at work; None if not for hours.

    By its metric, which is some minutes late, or by what it has written into the log since.
    """
    variables = deployment.variables
    tick = newest_datapoint(
        deployment.client("cloudwatch"),
        namespace=variables["POWERTOOLS_METRICS_NAMESPACE"],
        metric=Metric.TICKS,
        dimensions=[{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}],
        since_s=now_s - TICKS_LOOK_BACK_HOURS * HOUR_S,
        now_s=now_s,
    )
    seen = [tick.at_s] if tick else []
    written_s = books(deployment).newest_entry_s()
    if written_s is not None:
        seen.append(written_s)
    return max(seen, default=None)


def queue_age_s(deployment: Deployment, now_s: int) -> int | None:
    """Tell how old the oldest message of the usage queue is; None where SQS has not said."""
    found = newest_datapoint(
        deployment.client("cloudwatch"),
        namespace="AWS/SQS",
        metric="ApproximateAgeOfOldestMessage",
        dimensions=[{"Name": "QueueName", "Value": queue_name(deployment.environment.queue_url)}],
        since_s=now_s - AGE_LOOK_BACK_S,
        now_s=now_s,
    )
    return int(found.value) if found else None


def queue_name(url: str) -> str:
    """Return the name at the end of a queue's URL."""
    return url.rpartition("/")[2]


def newest_datapoint(
    cloudwatch: Any,
    *,
    namespace: str,
    metric: str,
    dimensions: Sequence[dict[str, str]],
    since_s: int,
    now_s: int,
) -> Datapoint | None:
    """Read the newest minute of a metric that has a value."""
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=list(dimensions),
        StartTime=datetime.fromtimestamp(since_s, UTC),
        EndTime=datetime.fromtimestamp(now_s + 60, UTC),
        Period=60,
        Statistics=["Maximum"],
    )
    points = sorted(answer["Datapoints"], key=lambda each: each["Timestamp"])
    if not points:
        return None
    return Datapoint(int(points[-1]["Timestamp"].timestamp()), points[-1]["Maximum"])
