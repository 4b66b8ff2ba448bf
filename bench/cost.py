"""What a million usage events in an hour cost."""

from bench import prices
from bench.hour import Hour, hour
from bench.load import Form
from bench.table import Table

EVENTS = 1_000_000
TARGETS = {Form.SINGLE: 0.16, Form.PACKED: 0.02, Form.PACKED_BY_ACCOUNT: 0.03}
"""Dollars for a million events of 100 licenses × 5 dimensions."""

HOURS = (
    (100, 5, Form.SINGLE),
    (100, 5, Form.PACKED),
    (100, 5, Form.PACKED_BY_ACCOUNT),
    (1_000, 5, Form.PACKED),
    (1_000, 25, Form.PACKED),
    (5_000, 10, Form.PACKED),
)
"""Licenses, dimensions and form."""

ALTERNATIVES = (
    ("AWS's serverless SaaS sample, 100 × 5", "$3.17"),
    ("AWS's serverless SaaS sample, 5,000 × 10", "$5.84"),
    ("AWS's agent skill, 100 × 5 to 5,000 × 10", "$2.53 to $2.73"),
)
"""By the same count of their published code, taken once; not run here."""


def cost(*, quick: bool) -> list[Table]:
    """Count the requests of an hour in every form and shape, and price them."""
    events = EVENTS // 10 if quick else EVENTS
    bill = Table(
        "cost",
        f"{events:,} usage events in one hour, from the producer to AWS Marketplace's bill",
        ("licenses × dimensions, form", "SQS", "DynamoDB", "Lambda", "dollars"),
    )
    counts = Table(
        "counts",
        "What was counted for it",
        (
            *("licenses × dimensions, form", "SQS requests", "write units", "read units"),
            *("calls of BatchMeterUsage", "ticks", "CPU s"),
        ),
    )
    for licenses, dimensions, form in HOURS:
        found = hour(licenses=licenses, dimensions=dimensions, events=events, form=form)
        name = f"{licenses:,} × {dimensions}, {form.says}"
        aim = TARGETS[form] if (licenses, dimensions) == (100, 5) else None
        _add(bill, name, found, aim, quick=quick)
        asked = found.asked
        counts.add(
            name,
            f"{asked.sqs_billed:,}",
            f"{asked.write_units:,.0f}",
            f"{asked.read_units:,.0f}",
            f"{asked.metering:,}",
            f"{found.ticks}",
            f"{found.cpu_s:.0f}",
        )
    for name, dollars in ALTERNATIVES:
        bill.add(f"for comparison: {name}", "", "", "", dollars)
    return [bill, counts, price_list()]


def _add(bill: Table, name: str, found: Hour, aim: float | None, *, quick: bool) -> None:
    met = None if quick or aim is None else found.dollars <= aim
    bill.add(
        name,
        f"${found.sqs:.4f}",
        f"${found.dynamodb:.4f}",
        f"${found.function:.4f}",
        f"${found.dollars:.4f}",
        target=f"at most ${aim:.2f}" if aim else "",
        met=met,
    )


def price_list() -> Table:
    """Show the prices that everything is priced with."""
    table = Table(
        "prices",
        f"List prices, us-east-1, {prices.PRICED_ON}",
        ("what", "dollars", "source"),
    )
    for each in prices.PRICES:
        per = " per million" if each.per == prices.MILLION else ""
        table.add(each.what, f"{_price(each.dollars)}{per}", each.source)
    return table


def _price(dollars: float) -> str:
    """Write a price with its cents, and with more where it has more."""
    cents = f"{dollars:.2f}"
    return f"${cents}" if float(cents) == dollars else f"${dollars:g}"
