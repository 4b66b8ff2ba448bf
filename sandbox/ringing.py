"""Which alarms ring, by what functions have measured.

Only alarms on one metric, of the kinds that occur here. CloudWatch looks a few periods further back
before it believes that a value is missing, so that it may ring some minutes later; see
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sandbox.measured import Datum

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
}
MISSING: Mapping[str, bool] = {"breaching": True, "notBreaching": False}


def own_alarms(cloudwatch: Any) -> list[Mapping[str, Any]]:
    """List the deployed alarms on metrics of the functions' own, as CloudWatch describes them."""
    pages = cloudwatch.get_paginator("describe_alarms").paginate()
    return [
        alarm
        for page in pages
        for alarm in page["MetricAlarms"]
        if not alarm.get("Namespace", "AWS/").startswith("AWS/")
    ]


def rings(alarm: Mapping[str, Any], data: Iterable[Datum], now: datetime) -> bool:
    """Tell whether an alarm rings at a moment.

    Args:
        alarm: As DescribeAlarms answers it.
        data: What was measured.
        now: The moment; periods are counted back from it.
    """
    wanted = frozenset((each["Name"], each["Value"]) for each in alarm["Dimensions"])
    period, periods = timedelta(seconds=alarm["Period"]), alarm["EvaluationPeriods"]
    values: list[list[float]] = [[] for _ in range(periods)]
    for each in data:
        named = (each.namespace, each.name) == (alarm["Namespace"], alarm["MetricName"])
        place = (now - each.at) // period
        if named and each.dimensions == wanted and 0 <= place < periods:
            values[place].append(each.value)
    statistic = STATISTICS[alarm["Statistic"]]
    is_beyond = COMPARISONS[alarm["ComparisonOperator"]]
    missing = MISSING[alarm["TreatMissingData"]]
    beyond = [
        is_beyond(statistic(each), alarm["Threshold"]) if each else missing for each in values
    ]
    needed: int = alarm.get("DatapointsToAlarm", periods)
    return sum(beyond) >= needed
