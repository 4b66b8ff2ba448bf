"""`marketplace customers`: who may be metered, and who is."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from lambdas.customers.license import License, State
from lambdas.metering.hours import DAY_HOURS, hour_of, hour_text
from lambdas.metering.records import Status
from ops import reading
from ops.books import Books
from ops.deployment import Deployment, in_parallel
from ops.output import Output, table
from ops.times import time_text

LOOK_BACK_DAYS = 35
"""How far back the last billed hour is looked for: a month, and some days to ask about it."""

_PART = 50
"""Licenses looked up between two signs of life."""


def customers(
    deployment: Deployment,
    output: Output,
    now_s: int,
    *,
    states: Sequence[State],
    account: str | None,
) -> None:
    """List licenses: state, account, agreement, and the last hour that was billed."""
    if account is None:
        licenses = [each for state in states for each in deployment.customers.in_state(state)]
    else:
        found = deployment.customers.of_accounts([account]).get(account, [])
        licenses = [each for each in found if each.state in states]
    licenses.sort(key=lambda each: (list(State).index(each.state), each.account, each.key))
    last_billed = partial(_last_billed, reading.books(deployment), now_s)
    rows: list[dict[str, Any]] = []
    with output.progress("Looking up billed hours", "licenses") as seen:
        for at in range(0, len(licenses), _PART):
            part = licenses[at : at + _PART]
            rows += map(_row, part, in_parallel(last_billed, part))
            seen(len(rows))
    shown = [
        (
            each["license"],
            each["state"],
            each["account"] or each["customer_identifier"],
            each["agreement"],
            each["active_since"],
            each["last_billed_hour"],
        )
        for each in rows
    ]
    headings = ("license", "state", "account", "agreement", "active since", "last billed hour")
    output.answer(
        {"customers": rows},
        table(headings, shown) if rows else "No license: nobody has registered or purchased yet.",
    )


def _last_billed(books: Books, now_s: int, each: License) -> str | None:
    """Find the newest hour of which AWS Marketplace has taken a quantity that is not 0."""
    for line in books.lines_back(each.key, hour_of(now_s), LOOK_BACK_DAYS * DAY_HOURS):
        if line.status == Status.ACCEPTED and line.quantity:
            return hour_text(line.hour)
    return None


def _row(each: License, last_billed: str | None) -> dict[str, Any]:
    return {
        "license": each.key,
        "license_arn": each.arn or None,
        "state": str(each.state),
        "account": each.account or None,
        "customer_identifier": each.customer_identifier or None,
        "product_code": each.product_code or None,
        "agreement": each.agreement_id or None,
        "registered": time_text(each.registered_s),
        "active_since": time_text(each.active_since_s),
        "ending_since": time_text(each.ending_since_s),
        "ended": time_text(each.ended_s),
        "agreement_ends": time_text(each.end_s),
        "last_billed_hour": last_billed,
    }
