"""What functions have measured: their metrics, which travel in their logs.

CloudWatch takes metrics out of lines in the embedded metric format
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html),
and so does this.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Datum:
    """One value of one metric.

    Attributes:
        at: When it was measured, by the function's clock.
        namespace: Of the metric.
        name: Of the metric.
        dimensions: Their names and values.
        value: What was measured.
    """

    at: datetime
    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    value: float


def measured(logs: Path) -> list[Datum]:
    """Read all that functions have measured, oldest first."""
    found = [
        datum
        for log in logs.glob("*.log")
        for text in log.read_text(errors="replace").splitlines()
        if text.startswith("{") and '"_aws"' in text
        for datum in _values(json.loads(text))
    ]
    return sorted(found, key=lambda each: each.at)


def _values(line: Mapping[str, Any]) -> Iterator[Datum]:
    written = line.get("_aws", {"Timestamp": 0, "CloudWatchMetrics": ()})
    at = datetime.fromtimestamp(written["Timestamp"] / 1000, UTC)
    for directive in written["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, str(line[name])) for name in names)
            for metric in directive["Metrics"]:
                given = line[metric["Name"]]
                for value in given if isinstance(given, list) else [given]:
                    yield Datum(at, directive["Namespace"], metric["Name"], dimensions, value)
