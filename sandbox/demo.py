"""`make demo`: the whole life of a seller's customers, through a really deployed stack.

Five buyers purchase, register, use and one cancels; five dimensions, a few thousand usage events
through the real queue, and whatever goes wrong in a day. At the end, what the producer sent is
compared with what AWS Marketplace would bill.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws import LedgerTable, Outcomes, Quarantine
from lambdas.metering.log import Log
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from sandbox.children import ChildDiedError
from sandbox.demo_book import NOBODY, Book, Line
from sandbox.demo_buyers import DIMENSIONS, Buyer
from sandbox.demo_day import NIGHT, Day
from sandbox.deploy import DeployError
from sandbox.sandbox import Sandbox
from sandbox.verify import IncompleteError

HOURS = 10
SPEED = 20.0
"""Emulated seconds per real one while something runs; between the slots the clock jumps."""

PLAIN_COLUMNS = 120
"""Of the output where it goes into a file, which has no width."""

Names = Mapping[LicenseKey, str]


def settle(sandbox: Sandbox, book: Book, buyers: Mapping[str, Buyer]) -> None:
    """Fill the book with what became of everything."""
    name_of_arn = {each.license_arn: name for name, each in buyers.items()}
    for line in sandbox.emulator("usage")["usage"]:
        name = name_of_arn.get(line["license_arn"], line["account"])
        book.billed[name, line["dimension"]] += Decimal(line["quantity"])
    names = {each.key: name for name, each in buyers.items()}
    now_s = int(sandbox.clock.now().timestamp())
    _add_waiting(sandbox, book, names, now_s)
    _add_expired(sandbox, book, names)
    _add_quarantined(sandbox, book, name_of_arn)


def _add_waiting(sandbox: Sandbox, book: Book, names: Names, now_s: int) -> None:
    client, table = sandbox.client("dynamodb"), sandbox.outputs["LedgerTableName"]
    ledger = Log(LedgerTable(client, table), Terms()).read(now_s)
    for (who, dimension, _), usage in ledger.open.items():
        book.open[names[who], dimension] += Decimal(usage.total).scaleb(-6)
    outcomes = Outcomes(client, table, map).read(ledger.unfinished)
    for cell, record in ledger.unfinished.items():
        column = book.parked if cell in outcomes else book.open
        if cell not in outcomes or not outcomes[cell].is_final:
            column[names[cell[0]], cell[1]] += Decimal(record.frozen.quantity).scaleb(-6)


def _add_expired(sandbox: Sandbox, book: Book, names: Names) -> None:
    for who, name in names.items():
        for item in _partition(sandbox, f"license#{who}"):
            for attribute, value in item.items():
                outcome = value.get("M", {})
                if outcome and outcome["status"]["S"] == Status.EXPIRED:
                    line = name, attribute.removeprefix("d:")
                    reason = f"expired, {outcome['reason']['S']}"
                    amount = Decimal(outcome["quantity"]["N"]).scaleb(-6)
                    book.unbilled[line][reason] += amount


def _add_quarantined(sandbox: Sandbox, book: Book, name_of_arn: Mapping[str, str]) -> None:
    quarantine = Quarantine(sandbox.client("dynamodb"), sandbox.outputs["LedgerTableName"])
    for item in _partition(sandbox, "quarantine"):
        waiting = quarantine.get(item["sk"]["S"])
        if waiting is not None:
            line, quantity = _read_quarantined(waiting.text, name_of_arn)
            book.unbilled[line][waiting.reason] += quantity


def _partition(sandbox: Sandbox, pk: str) -> list[dict[str, Any]]:
    pages = (
        sandbox.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=sandbox.outputs["LedgerTableName"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
        )
    )
    return [item for page in pages for item in page["Items"]]


def _read_quarantined(text: str, name_of_arn: Mapping[str, str]) -> tuple[Line, Decimal]:
    """Read a quarantined message as its producer would; one that nobody can read counts nothing."""
    try:
        (record,) = json.loads(text, parse_float=Decimal).get("UsageRecords", [json.loads(text)])
    except ValueError:
        return NOBODY, Decimal(1)
    quantity = record.get("Quantity", record.get("QuantityAsDecimal"))
    return (name_of_arn[record["LicenseArn"]], record["Dimension"]), Decimal(quantity)


def balance_table(book: Book) -> Table:
    """Draw the account: a row for every buyer and dimension."""
    table = Table(title="Sent by the producer, and found again", title_justify="left")
    for name in ("buyer", "dimension"):
        table.add_column(name)
    for name in ("sent", "billed", "open", "parked"):
        table.add_column(name, justify="right")
    table.add_column("not billed, and why")
    table.add_column("difference", justify="right")
    for line in book.lines():
        waiting = book.unbilled.get(line, {})
        columns = (book.sent, book.billed, book.open, book.parked)
        table.add_row(
            *line,
            *(_plain(column[line]) for column in columns),
            "; ".join(f"{reason}: {_plain(amount)}" for reason, amount in waiting.items()),
            _plain(book.difference(line)),
        )
    return table


def _plain(amount: Decimal) -> str:
    """Write an amount without an exponent and without idle zeros.

    >>> _plain(Decimal("1200.500000")), _plain(Decimal("3"))
    ('1,200.5', '3')
    """
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the day, then the account; exit with 0 only if it balances."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--hours", type=int, default=HOURS, help="of the day (default: 10)")
    parser.add_argument(
        "--rival",
        action="store_true",
        help="let another submitter bill an hour, to see the account not balance",
    )
    options = parser.parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_COLUMNS)
    try:
        with tempfile.TemporaryDirectory(prefix="demo-") as folder:
            return _show(console, Path(folder), hours=options.hours, rival=options.rival)
    except (ChildDiedError, DeployError, IncompleteError) as error:
        console.print(str(error), style="red", markup=False)
        return 1


def _show(console: Console, folder: Path, *, hours: int, rival: bool) -> int:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        starting = progress.add_task(
            "Starting AWS and AWS Marketplace, deploying the stack", total=None
        )
        context = {"dimensions": ",".join(DIMENSIONS)}
        with Sandbox(folder, context=context, clock_start=NIGHT, speed=SPEED) as sandbox:
            progress.remove_task(starting)
            console.print(f"The stack is deployed: {len(sandbox.outputs)} outputs, fulfilment URL")
            console.print(f"  {sandbox.outputs['RegistrationUrl']}", highlight=False)
            day = Day(sandbox, progress)
            day.run(hours, rival=rival)
            settle(sandbox, day.book, day.buyers)
            told = Counter(each["detail-type"] for each in sandbox.published())
    console.print(
        f"{day.events:,} usage events in {day.messages:,} messages; "
        + ", ".join(f"{count:,} {name}" for name, count in day.totals.items())
    )
    console.print("Told to the seller's systems: " + _listed(told))
    console.print(balance_table(day.book))
    if day.book.agrees():
        console.print(
            "Everything that was sent is billed once, or waits with a reason.", style="bold green"
        )
        return 0
    console.print("The account does NOT balance: look at the differences.", style="bold red")
    return 1


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
