"""`marketplace statement`: what was sent for a license, and what AWS Marketplace answered."""

from collections.abc import Sequence

from rich.console import RenderableType

from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import Hour, closes_s, hour_text, start_s
from lambdas.metering.quantities import decimal_text
from lambdas.metering.records import LATE_S
from ops import reading
from ops.arguments import hours_of_month
from ops.deployment import Deployment
from ops.lines import Line, as_csv, as_json, reason_text, totals, totals_json
from ops.output import Output, facts, table
from ops.times import time_text


def statement(
    deployment: Deployment,
    output: Output,
    now_s: int,
    *,
    who: LicenseKey,
    month: str,
    as_table: bool,
    zeros: bool,
) -> None:
    """Show every record of a license and month, and what they add up to."""
    first, last = hours_of_month(month)
    lines = reading.books(deployment).lines(who, first, last)
    if not _is_over(last, now_s):
        lines = _with_waiting(deployment, output, now_s, lines, who, (first, last))
    if not zeros:
        lines = [each for each in lines if each.quantity]
    if not as_table and not output.as_json:
        output.text(as_csv(lines))
        return
    sums = totals(lines)
    known = deployment.customers.licenses([who]).get(who)
    value = {
        "license": who,
        "account": known.account if known else None,
        "state": str(known.state) if known else None,
        "month": month,
        "records": [as_json(each) for each in lines],
        "totals": totals_json(sums),
    }
    about = {
        "license": who,
        "account": known.account if known else "not announced by AWS Marketplace",
        "state": known.state if known else None,
        "month": month,
    }
    if not lines:
        output.answer(value, facts(about), f"No usage of {who} in {month}.")
        return
    output.answer(
        value,
        facts(about),
        _records_table(lines),
        table(
            ("dimension", "status", "records", "quantity"),
            [
                (each.dimension, each.status, each.records, decimal_text(each.quantity))
                for each in sums
            ],
            right="records quantity",
        ),
    )


def _records_table(lines: Sequence[Line]) -> RenderableType:
    return table(
        ("hour", "dimension", "quantity", "status", "MeteringRecordId", "reason", "at"),
        [
            (
                hour_text(each.hour),
                each.dimension,
                decimal_text(each.quantity),
                each.status,
                each.metering_record_id,
                reason_text(each),
                time_text(each.at_s),
            )
            for each in lines
        ],
        right="quantity",
    )


def _is_over(last: Hour, now_s: int) -> bool:
    """Tell whether no record of a month can wait any more: all windows are closed and judged."""
    return closes_s(start_s(last)) + LATE_S < now_s


def _with_waiting(
    deployment: Deployment,
    output: Output,
    now_s: int,
    lines: Sequence[Line],
    who: LicenseKey,
    hours: tuple[Hour, Hour],
) -> list[Line]:
    """Add the records that have no outcome yet; those that have one are there already."""
    state = reading.ledger(deployment, output, now_s)
    waiting = [
        each
        for each in reading.waiting(deployment, state)
        if each.license == who and hours[0] <= each.hour <= hours[1]
    ]
    there = {(each.dimension, each.hour) for each in lines}
    found = [*lines, *(each for each in waiting if (each.dimension, each.hour) not in there)]
    return sorted(found, key=lambda each: (each.hour, each.dimension))
