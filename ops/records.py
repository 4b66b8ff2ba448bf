"""`marketplace parked`, `unconfirmed`, `expired`, `conflicts`: records a person should look at."""

from collections.abc import Sequence

from rich.console import RenderableType

from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import hour_of, hour_text
from lambdas.metering.quantities import decimal_text
from lambdas.metering.records import Status
from ops import reading
from ops.arguments import since_s
from ops.deployment import Deployment, in_parallel
from ops.lines import Line, as_json, reason_text, totals, totals_json
from ops.output import Output, table
from ops.times import span_text, time_text
from ops.waiting import PARKED, WITHHELD, closing_s

_PART = 50
"""Licenses looked up between two signs of life."""

WHAT_TO_DO = {
    Status.UNCONFIRMED: "These may be on the bill, so they are never sent again, and cannot be"
    ' redriven. docs/operate.md, "Unconfirmed records", says how to look each up in CloudTrail.',
    Status.CONFLICT: "AWS Marketplace had another quantity for these hours first: look for another"
    " submitter, or for a record sent by hand.",
    Status.EXPIRED: "These are certainly not on the bill. `marketplace quarantine redrive"
    " --bill-now` with --license, --dimension and --hour bills one in the present hour.",
}


def parked(deployment: Deployment, output: Output, now_s: int) -> None:
    """List records that AWS Marketplace refuses, or that wait for their license."""
    state = reading.ledger(deployment, output, now_s)
    lines = [
        each
        for each in reading.waiting(deployment, state)
        if each.status in (PARKED, WITHHELD) and each.quantity
    ]
    window_hours = deployment.environment.terms.window_hours

    def left(line: Line) -> str:
        left_s = closing_s(line, window_hours) - now_s
        return span_text(left_s) if left_s > 0 else "too late"

    value = [
        as_json(each) | {"window_closes": time_text(closing_s(each, window_hours))}
        for each in lines
    ]
    shown: list[RenderableType] = ["Nothing is parked."]
    if lines:
        shown = [
            _lines_table(lines, "left", [left(each) for each in lines]),
            "They are tried again by themselves until their window closes.",
        ]
    output.answer({"records": value}, *shown)


def ended_as(
    deployment: Deployment, output: Output, now_s: int, *, status: Status, days: int
) -> None:
    """List the records of some days that ended with a status, of all licenses."""
    books = reading.books(deployment)
    since = since_s(days, now_s)
    with output.progress("Reading the ledger") as seen:
        licenses = sorted(books.sealed_licenses(since, seen))
    lines: list[Line] = []

    def of_license(who: LicenseKey) -> list[Line]:
        found = books.lines(who, hour_of(since), hour_of(now_s))
        return [each for each in found if each.status == status]

    with output.progress("Reading outcomes", "licenses") as seen:
        for at in range(0, len(licenses), _PART):
            found = in_parallel(of_license, licenses[at : at + _PART])
            lines += [line for each in found for line in each]
            seen(at)
    shown: list[RenderableType] = [f"No record of the last {days} days ended as {status}."]
    if lines:
        shown = [
            _lines_table(lines, "at", [time_text(each.at_s) for each in lines]),
            WHAT_TO_DO[status],
        ]
    value = {
        "status": str(status),
        "days": days,
        "records": [as_json(each) for each in lines],
        "totals": totals_json(totals(lines)),
    }
    output.answer(value, *shown)


def _lines_table(lines: Sequence[Line], heading: str, last: Sequence[str | None]) -> RenderableType:
    return table(
        ("license", "hour", "dimension", "quantity", "status", "reason", heading),
        [
            (
                each.license,
                hour_text(each.hour),
                each.dimension,
                decimal_text(each.quantity),
                each.status,
                reason_text(each),
                end,
            )
            for each, end in zip(lines, last, strict=True)
        ],
        right="quantity",
    )
