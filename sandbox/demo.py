"""`make demo`: a working day of usage reaches the bill, through a really deployed stack.

Three buyers, five dimensions, a few thousand usage events through the real queue, and whatever goes
wrong in a day. At the end, what the producer sent is compared with what AWS Marketplace would bill.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lambdas.customers.license import License, LicenseKey, State, license_key_of_arn
from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import LedgerTable
from lambdas.metering.log import Log
from lambdas.metering.terms import Terms
from sandbox.children import ChildDiedError
from sandbox.demo_book import NOBODY, Book, Line
from sandbox.deploy import DeployError
from sandbox.sandbox import FunctionError, Sandbox
from sandbox.verify import IncompleteError

MORNING = datetime(2026, 11, 24, 7, 2, tzinfo=UTC)
PRODUCT = "example000000000000000001"
DIMENSIONS = ("users", "api-calls", "storage-gb", "reports", "messages")
BUYERS = {"Ana": "111122223333", "Ben": "222233334444", "Cleo": "333344445555"}
HOURS = 10
SPEED = 20.0
"""Emulated seconds per real one while something runs; between the slots the clock jumps."""

SLOT_MINUTES = 15
EVENTS_PER_SLOT = 80
"""Half of them one to a message, half in a message together."""

EVENTS_OF_THE_NIGHT = 300
SLOTS_AFTER = 12
"""Three hours, in which all that was sent comes to rest."""

PLAIN_COLUMNS = 120
"""Of the output where it goes into a file, which has no width."""

BATCH = 10
"""Messages of one SendMessageBatch (SQS quotas)."""

COPIES = 0.06
"""The part of usage that its producer sends twice, under its Id."""


class Day:
    """A working day: what is sent, what goes wrong, and what comes of it."""

    def __init__(self, sandbox: Sandbox, progress: Progress) -> None:
        self.sandbox = sandbox
        self.progress = progress
        self.rng = Random(20261124)  # noqa: S311 (the same day every time)
        self.sqs = sandbox.client("sqs")
        self.queue_url = sandbox.outputs["UsageQueueUrl"]
        self.customers = CustomersTable(
            sandbox.client("dynamodb"), sandbox.outputs["CustomersTableName"]
        )
        self.book = Book()
        self.licenses: dict[str, License] = {}
        self.events = 0
        self.messages = 0
        self.totals: dict[str, int] = {}

    # Buyers

    def purchase(self, buyer: str, *, state: State) -> None:
        """A buyer purchases; what registration will do is done here with its own code."""
        start = MORNING.replace(day=1, hour=0, minute=0)
        order = {
            "product_code": PRODUCT,
            "account": BUYERS[buyer],
            "dimensions": list(DIMENSIONS),
            "state": str(state),
        }
        if state is not State.PENDING:
            order["starts_at"] = start.isoformat()
        bought = self.sandbox.emulator("purchases", order)
        each = License(
            key=license_key_of_arn(bought["license_arn"]),
            arn=bought["license_arn"],
            account=BUYERS[buyer],
            product_code=PRODUCT,
            state=state,
            agreement_id=bought["agreement_id"],
            start_s=None if state is State.PENDING else int(start.timestamp()),
        )
        self.licenses[buyer] = each
        self.customers.save(each)

    def activate(self, buyer: str) -> None:
        """AWS Marketplace activates a license, as of its purchase."""
        each = self.licenses[buyer]
        start = MORNING - timedelta(hours=6)
        activation = {"license_arn": each.arn, "change": "activate", "at": start.isoformat()}
        self.sandbox.emulator("licenses", activation)
        self.licenses[buyer] = replace(each, state=State.ACTIVE, start_s=int(start.timestamp()))
        self.customers.save(self.licenses[buyer])

    # Usage

    def usage(self, buyer: str, dimension: str, quantity: int | Decimal, **fields: Any) -> Any:
        """Write one usage record of the last ten minutes, and book it."""
        ago_s = fields.pop("ago_s", self.rng.randrange(SLOT_MINUTES * 60))
        at = self.sandbox.clock.now() - timedelta(seconds=ago_s)
        self.events += 1
        self.book.sent[buyer, dimension] += Decimal(quantity)
        whole = isinstance(quantity, int)
        return {
            "Id": f"event-{self.events:05}",
            "Timestamp": at.isoformat(timespec="seconds"),
            "LicenseArn": self.licenses[buyer].arn,
            "Dimension": dimension,
            "Quantity" if whole else "QuantityAsDecimal": quantity if whole else str(quantity),
            **fields,
        }

    def some_usage(self, **fields: Any) -> Any:
        """Write usage as a product would."""
        dimension = self.rng.choice(DIMENSIONS)
        quantity: int | Decimal = self.rng.randrange(1, 50)
        if dimension == "storage-gb":
            quantity = Decimal(self.rng.randrange(1, 5_000_000)).scaleb(-6)
        return self.usage(self.rng.choice(list(BUYERS)), dimension, quantity, **fields)

    def send(self, bodies: Iterable[Any]) -> None:
        """Send messages, ten to a call."""
        texts = [each if isinstance(each, str) else json.dumps(each) for each in bodies]
        self.messages += len(texts)
        for at in range(0, len(texts), BATCH):
            self.sqs.send_message_batch(
                QueueUrl=self.queue_url,
                Entries=[
                    {"Id": str(number), "MessageBody": text}
                    for number, text in enumerate(texts[at : at + BATCH])
                ],
            )

    def send_usual(self) -> None:
        """Send what a slot brings: single messages, one message with many, and some copies."""
        half = EVENTS_PER_SLOT // 2
        single = [self.some_usage() for _ in range(half)]
        together = [self.some_usage() for _ in range(EVENTS_PER_SLOT - half)]
        copies = [each for each in single + together if self.rng.random() < COPIES]
        self.send([*single, {"UsageRecords": together}, *copies])
        self.tally("copies sent", len(copies))

    # What happens in the day

    def story(self, hours: int) -> dict[int, list[Any]]:
        """Say what happens in which slot; a shorter day has it all, closer together."""
        events = [
            self.two_in_one_second,
            self.trouble("UnprocessedRecords", fault="unprocessed", times=3, records=4),
            self.late_usage,
            self.trouble("a throttling spell", fault="ThrottlingException", times=4),
            self.kill_while_folding,
            self.id_used_again,
            self.nonsense,
            self.trouble("a 500 after the records were applied", fault="applied-but-500", times=2),
            self.cleo_becomes_active,
            self.kill_while_submitting,
            self.trouble("time-outs", fault="timeout-after", times=2),
        ]
        slots = hours * 60 // SLOT_MINUTES
        at: dict[int, list[Any]] = {}
        for number, event in enumerate(events):
            at.setdefault(2 + number * (slots - 3) // len(events), []).append(event)
        return at

    def two_in_one_second(self) -> str:
        """Send what a row keyed by the second would lose."""
        first = self.usage("Ana", "messages", 3, ago_s=30)
        self.send([first, self.usage("Ana", "messages", 4, ago_s=30)])
        return "two events of one buyer in the same second"

    def late_usage(self) -> str:
        """Send usage whose own hours are sealed."""
        self.send([self.some_usage(ago_s=5 * 3600) for _ in range(20)])
        return "20 events five hours late, for hours that are sealed already"

    def id_used_again(self) -> str:
        """Send a producer's mistake: other usage under a used Id."""
        first = self.usage("Ben", "reports", 5)
        self.book.sent["Ben", "reports"] += 7
        self.send([first, first | {"Quantity": 7}])
        return "one Id with two quantities: one is counted, the other waits for a person"

    def nonsense(self) -> str:
        """Send what cannot be counted."""
        self.book.sent[NOBODY] += 1
        self.send(["quantity=5&dimension=users", self.usage("Ana", "api-cals", 11)])
        return "a message nobody can parse, and a dimension that does not exist"

    def cleo_becomes_active(self) -> str:
        """Let the purchase become active in which usage came early."""
        self.activate("Cleo")
        return "Cleo's license becomes active: what waited for it is billed now"

    def trouble(self, name: str, **fault: Any) -> Any:
        """Let AWS Marketplace fail for the next calls."""

        def happen() -> str:
            self.sandbox.emulator("faults", fault)
            return f"AWS Marketplace: {name}"

        return happen

    def kill_while_folding(self) -> str:
        """Kill the function between its append to the ledger and its deletes from the queue."""
        self.send_usual()
        before = self.entries()
        self.kill_when(lambda: self.entries() > before)
        return "the metering function is killed after counting, before deleting its messages"

    def kill_while_submitting(self) -> str:
        """Kill the function while it calls AWS Marketplace."""
        before = len(self.sandbox.emulator("calls")["calls"])
        self.sandbox.clock.advance(3600)
        self.kill_when(lambda: len(self.sandbox.emulator("calls")["calls"]) > before)
        return "the metering function is killed in the middle of submitting"

    def kill_when(self, ready: Any) -> None:
        """Start a tick and kill it as soon as something shows; it may also get through."""
        ticking = threading.Thread(target=self.tick, daemon=True)
        ticking.start()
        while ticking.is_alive() and not ready():
            time.sleep(0.002)
        if ticking.is_alive():
            self.sandbox.kill_function()
        ticking.join()

    def entries(self) -> int:
        """Count the entries of the log."""
        answer = self.sandbox.client("dynamodb").query(
            TableName=self.sandbox.outputs["LedgerTableName"],
            KeyConditionExpression="pk = :log",
            ExpressionAttributeValues={":log": {"S": "log"}},
            Select="COUNT",
        )
        return int(answer["Count"])

    # Running

    def tally(self, name: str, count: int) -> None:
        """Add to the day's figures."""
        self.totals[name] = self.totals.get(name, 0) + count

    def tick(self) -> None:
        """Run the metering function once; that it may fail is part of the day."""
        try:
            summary = self.sandbox.invoke_metering()
        except FunctionError:
            self.tally("ticks that died", 1)
            return
        self.tally("ticks", 1)
        self.tally("calls of BatchMeterUsage", summary["calls"])
        self.tally("duplicates recognised", summary["duplicates"])

    def run(self, hours: int) -> None:
        """Live through the day, and on until everything of it is billed."""
        slots = hours * 60 // SLOT_MINUTES
        story = self.story(hours)
        task = self.progress.add_task("", total=slots + SLOTS_AFTER)
        night = range(EVENTS_OF_THE_NIGHT)
        self.send(self.some_usage(ago_s=self.rng.randrange(4 * 3600)) for _ in night)
        for slot in range(slots + SLOTS_AFTER):
            self.sandbox.clock.advance(SLOT_MINUTES * 60)
            if slot < slots:
                self.send_usual()
            for happening in story.get(slot, []):
                line = happening()
                self.progress.console.print(f"  {self.sandbox.clock.now():%H:%M}  {line}")
            self.tick()
            said = f"{self.sandbox.clock.now():%H:%M}  {self.events:,} events sent"
            self.progress.update(task, advance=1, description=said)

    def meter_as_rival(self) -> None:
        """Bill an hour of Ana's by another submitter, as happens where an old one still runs."""
        self.sandbox.client("meteringmarketplace").batch_meter_usage(
            UsageRecords=[
                {
                    "Timestamp": self.sandbox.clock.now().replace(minute=0, second=0),
                    "LicenseArn": self.licenses["Ana"].arn,
                    "CustomerAWSAccountId": BUYERS["Ana"],
                    "Dimension": "users",
                    "Quantity": 1,
                }
            ]
        )

    # The account

    def settle(self) -> Book:
        """Fill the book with what became of everything."""
        buyer_of = {each.arn: buyer for buyer, each in self.licenses.items()}
        key_of = {each.key: buyer for buyer, each in self.licenses.items()}
        for line in self.sandbox.emulator("usage")["usage"]:
            buyer = buyer_of.get(line["license_arn"], line["account"])
            self.book.billed[buyer, line["dimension"]] += Decimal(line["quantity"])
        self._add_waiting(key_of)
        self._add_quarantined(buyer_of)
        return self.book

    def _add_waiting(self, key_of: dict[LicenseKey, str]) -> None:
        client, name = self.sandbox.client("dynamodb"), self.sandbox.outputs["LedgerTableName"]
        table = LedgerTable(client, name, map)
        ledger = Log(table, Terms()).read(int(self.sandbox.clock.now().timestamp()))
        for (who, dimension, _), usage in ledger.open.items():
            self.book.open[key_of[who], dimension] += Decimal(usage.total).scaleb(-6)
        outcomes = table.outcomes(ledger.unfinished)
        for cell, record in ledger.unfinished.items():
            column = self.book.parked if cell in outcomes else self.book.open
            if cell not in outcomes or not outcomes[cell].is_final:
                amount = Decimal(record.frozen.quantity).scaleb(-6)
                column[key_of[cell[0]], cell[1]] += amount

    def _add_quarantined(self, buyer_of: dict[str, str]) -> None:
        client, name = self.sandbox.client("dynamodb"), self.sandbox.outputs["LedgerTableName"]
        table = LedgerTable(client, name, map)
        pages = client.get_paginator("query").paginate(
            TableName=name,
            KeyConditionExpression="pk = :quarantine",
            ExpressionAttributeValues={":quarantine": {"S": "quarantine"}},
        )
        for item in (item for page in pages for item in page["Items"]):
            waiting = table.quarantined(item["sk"]["S"])
            if waiting is None:
                continue
            line, quantity = _read_quarantined(waiting.text, buyer_of)
            self.book.quarantined[line][waiting.reason] += quantity


def _read_quarantined(text: str, buyer_of: dict[str, str]) -> tuple[Line, Decimal]:
    """Read a quarantined message as its producer would; one that nobody can read counts nothing."""
    try:
        (record,) = json.loads(text, parse_float=Decimal).get("UsageRecords", [json.loads(text)])
    except ValueError:
        return NOBODY, Decimal(1)
    quantity = record.get("Quantity", record.get("QuantityAsDecimal"))
    return (buyer_of[record["LicenseArn"]], record["Dimension"]), Decimal(quantity)


def balance_table(book: Book) -> Table:
    """Draw the account: a row for every buyer and dimension."""
    table = Table(title="Sent by the producer, and found again", title_justify="left")
    for name in ("buyer", "dimension"):
        table.add_column(name)
    for name in ("sent", "billed", "open", "parked"):
        table.add_column(name, justify="right")
    table.add_column("quarantined")
    table.add_column("difference", justify="right")
    for line in book.lines():
        waiting = book.quarantined.get(line, {})
        columns = (book.sent, book.billed, book.open, book.parked)
        table.add_row(
            *line,
            *(_plain(column[line]) for column in columns),
            ", ".join(f"{reason}: {_plain(amount)}" for reason, amount in waiting.items()),
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
        help="let another submitter bill an hour first, to see the account not balance",
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
        with Sandbox(folder, context=context, clock_start=MORNING, speed=SPEED) as sandbox:
            progress.remove_task(starting)
            console.print(f"The stack is deployed: {len(sandbox.outputs)} outputs, queue")
            console.print(f"  {sandbox.outputs['UsageQueueUrl']}", highlight=False)
            day = Day(sandbox, progress)
            for buyer in BUYERS:
                day.purchase(buyer, state=State.PENDING if buyer == "Cleo" else State.ACTIVE)
            if rival:
                day.meter_as_rival()
            day.run(hours)
            book = day.settle()
    console.print(
        f"{day.events:,} usage events in {day.messages:,} messages; "
        + ", ".join(f"{count:,} {name}" for name, count in day.totals.items())
    )
    console.print(balance_table(book))
    if book.agrees():
        console.print(
            "Everything that was sent is billed once, or waits with a reason.", style="bold green"
        )
        return 0
    console.print("The account does NOT balance: look at the differences.", style="bold red")
    return 1


if __name__ == "__main__":
    sys.exit(main())
