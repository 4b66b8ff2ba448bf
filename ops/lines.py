"""Usage records as a person reads them: one line each. Pure."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import Hour, hour_text
from lambdas.metering.quantities import decimal_text
from ops.times import time_text


@dataclass(frozen=True, slots=True)
class Line:
    """A usage record and what became of it.

    Attributes:
        license: whose.
        dimension: its API name.
        hour: the metering hour.
        quantity: in 10⁻⁶.
        timestamp_s: as it was or would be sent.
        status: an outcome, or a word for what comes before one.
        reason: AWS Marketplace's word, or ours.
        metering_record_id: AWS Marketplace's receipt.
        at_s: when it was last tried or judged; None before that.
        redriven_s: when its usage was counted again, in another hour.
    """

    license: LicenseKey
    dimension: str
    hour: Hour
    quantity: int
    timestamp_s: int
    status: str
    reason: str = ""
    metering_record_id: str = ""
    at_s: int | None = None
    redriven_s: int | None = None


def reason_text(line: Line) -> str:
    """Write why a record is not on the bill, and whether its usage was redriven since."""
    if line.redriven_s is None:
        return line.reason
    return f"{line.reason}; redriven at {time_text(line.redriven_s)}"


def as_json(line: Line) -> dict[str, Any]:
    """Write a record for programs; what there is not is null."""
    return {
        "license": line.license,
        "hour": hour_text(line.hour),
        "dimension": line.dimension,
        "quantity": decimal_text(line.quantity),
        "status": line.status,
        "reason": line.reason or None,
        "metering_record_id": line.metering_record_id or None,
        "timestamp": time_text(line.timestamp_s),
        "at": time_text(line.at_s),
        "redriven_at": time_text(line.redriven_s),
    }


CSV_COLUMNS = (
    *("license", "hour", "dimension", "quantity", "status", "reason"),
    *("metering_record_id", "timestamp", "at", "redriven_at"),
)


def as_csv(lines: Iterable[Line]) -> str:
    """Write records for spreadsheets, a heading first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(as_json, lines))
    return text.getvalue()


@dataclass(frozen=True, slots=True)
class Total:
    """What the records of a dimension with one status add up to."""

    dimension: str
    status: str
    records: int
    quantity: int


def totals(lines: Iterable[Line]) -> list[Total]:
    """Add up records by dimension and status."""
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for line in lines:
        sums[line.dimension, line.status].append(line.quantity)
    return [Total(*key, len(each), sum(each)) for key, each in sorted(sums.items())]


def totals_json(found: Sequence[Total]) -> list[dict[str, Any]]:
    """Write totals for programs."""
    return [
        {
            "dimension": each.dimension,
            "status": each.status,
            "records": each.records,
            "quantity": decimal_text(each.quantity),
        }
        for each in found
    ]
