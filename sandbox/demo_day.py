"""The demo's day: what buyers do, what the producer sends, and what goes wrong."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from rich.progress import Progress

from sandbox.demo_book import NOBODY, Book
from sandbox.demo_buyers import DIMENSIONS, Buyer, purchase
from sandbox.sandbox import FunctionError, Sandbox

NIGHT = datetime(2026, 11, 24, 1, 2, tzinfo=UTC)
"""When the first buyers purchase."""

MORNING_HOURS = 6
"""From then until usage begins."""

SLOT_MINUTES = 15
EVENTS_PER_SLOT = 80
"""Half of them one to a message, half in a message together."""

EVENTS_OF_THE_NIGHT = 300
SLOTS_AFTER = 12
"""Three hours, in which all that was sent comes to rest."""

NEXT_DAY_HOURS = 25
"""After which AWS Marketplace takes nothing more of this day."""

BATCH = 10
"""Messages of one SendMessageBatch (SQS quotas)."""

COPIES = 0.06
"""The part of usage that its producer sends twice, under its Id."""

LATE_EVENT_HOURS = 3

Happening = Callable[[], str]
"""Does something and says what."""


class Day:
    """A day of one seller's product: what is sent, what goes wrong, and what comes of it."""

    def __init__(self, sandbox: Sandbox, progress: Progress) -> None:
        self.sandbox = sandbox
        self.progress = progress
        self.rng = Random(20261124)  # noqa: S311 (the same day every time)
        self.sqs = sandbox.client("sqs")
        self.queue_url = sandbox.outputs["UsageQueueUrl"]
        self.book = Book()
        self.buyers: dict[str, Buyer] = {}
        self.using: list[str] = []
        self.events = 0
        self.messages = 0
        self.totals: Counter[str] = Counter()

    # Buyers

    def first_buyers_come(self) -> str:
        """Let all but Cleo purchase and register, one of them after the event of the license."""
        for name in ("Ana", "Ben", "Dora 1", "Dora 2", "Emil"):
            self.buyers[name] = purchase(self.sandbox, name)
            if name == "Ben":
                self.sandbox.clock.advance(120)
                self.sandbox.settle()
            self.buyers[name].register(self.sandbox)
            self.using.append(name)
        self.sandbox.clock.advance(120)
        self.sandbox.settle()
        return (
            "Ana, Ben, Dora (two licenses) and Emil purchase and register; "
            "Ben's license is announced before he comes"
        )

    def cleo_comes(self) -> str:
        """Let a buyer register whose activation is delivered hours late."""
        late = {"kind": "late", "event": "License Updated", "seconds": LATE_EVENT_HOURS * 3600}
        self.sandbox.emulator("delivery", late)
        self.buyers["Cleo"] = purchase(self.sandbox, "Cleo")
        self.buyers["Cleo"].register(self.sandbox)
        self.using.append("Cleo")
        return (
            "Cleo purchases, registers and uses; the event that activates her license is "
            f"{LATE_EVENT_HOURS} hours late, and her usage waits"
        )

    def emil_cancels(self) -> str:
        """Let a buyer cancel with usage still in flight; the events come twice, in any order."""
        for kind in ("overtaken", "twice"):
            self.sandbox.emulator("delivery", {"kind": kind})
        self.using.remove("Emil")
        self.buyers["Emil"].cancel(self.sandbox)
        self.send(self.usage("Emil", "api-calls", 5) for _ in range(20))
        return "Emil cancels with usage in flight: an hour is left to bill the last of it"

    def emil_uses_after_the_end(self) -> str:
        """Send usage that nobody can bill any more."""
        self.send([self.usage("Emil", "users", 9, ago_s=60)])
        return "usage of Emil after his last hour: AWS Marketplace will refuse it"

    # Usage

    def usage(self, name: str, dimension: str, quantity: int | Decimal, **fields: Any) -> Any:
        """Write one usage record of the last slot, and book it."""
        ago_s = fields.pop("ago_s", self.rng.randrange(SLOT_MINUTES * 60))
        at = self.sandbox.clock.now() - timedelta(seconds=ago_s)
        self.events += 1
        self.book.sent[name, dimension] += Decimal(quantity)
        whole = isinstance(quantity, int)
        return {
            "Id": f"event-{self.events:05}",
            "Timestamp": at.isoformat(timespec="seconds"),
            "LicenseArn": self.buyers[name].license_arn,
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
        return self.usage(self.rng.choice(self.using), dimension, quantity, **fields)

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
        self.totals["copies sent"] += len(copies)

    # What happens in the day

    def story(self, hours: int) -> dict[int, list[Happening]]:
        """Say what happens in which slot; a shorter day has it all, closer together."""
        happenings: list[Happening] = [
            self.two_in_one_second,
            self.emil_cancels,
            self.cleo_comes,
            self.late_usage,
            self.trouble("UnprocessedRecords", fault="unprocessed", times=3, records=4),
            self.id_used_again,
            self.trouble("a throttling spell", fault="ThrottlingException", times=4),
            self.kill_while_folding,
            self.nonsense,
            self.trouble("time-outs", fault="timeout-after", times=2),
            self.trouble("a 500 after the records were applied", fault="applied-but-500", times=2),
            self.kill_while_submitting,
            self.emil_uses_after_the_end,
        ]
        slots = hours * 60 // SLOT_MINUTES
        at: dict[int, list[Happening]] = {}
        for number, happening in enumerate(happenings):
            at.setdefault(2 + number * (slots - 3) // len(happenings), []).append(happening)
        return at

    def two_in_one_second(self) -> str:
        """Send what a row keyed by the second would lose."""
        first = self.usage("Ana", "messages", 3, ago_s=30)
        self.send([first, self.usage("Ana", "messages", 4, ago_s=30)])
        return "two events of one buyer in the same second"

    def late_usage(self) -> str:
        """Send usage whose own hours are sealed."""
        self.send([self.usage("Ben", "messages", 2, ago_s=5 * 3600) for _ in range(20)])
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

    def trouble(self, name: str, **fault: Any) -> Happening:
        """Let AWS Marketplace fail for the next calls."""

        def happen() -> str:
            self.sandbox.emulator("faults", {"operation": "BatchMeterUsage", **fault})
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

    def kill_when(self, ready: Callable[[], bool]) -> None:
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

    def tick(self) -> None:
        """Run the metering function once; that it may fail is part of the day."""
        try:
            summary = self.sandbox.invoke_metering()
        except FunctionError:
            self.totals["ticks that died"] += 1
            return
        self.totals["ticks"] += 1
        self.totals["calls of BatchMeterUsage"] += summary["calls"]
        self.totals["duplicates recognised"] += summary["duplicates"]

    def pass_time(self, **time_passed: int) -> None:
        """Let time pass; then do what AWS does: deliver events, run the functions."""
        self.sandbox.clock.advance(timedelta(**time_passed).total_seconds())
        self.sandbox.settle()
        self.tick()
        self.sandbox.invoke(self.sandbox.outputs["SweepFunctionName"])

    def say(self, line: str) -> None:
        """Tell what happens, and when."""
        self.progress.console.print(f"  {self.sandbox.clock.now():%H:%M}  {line}")

    def run(self, hours: int, *, rival: bool) -> None:
        """Live through the day, and on until everything of it has come to its end."""
        slots = hours * 60 // SLOT_MINUTES
        task = self.progress.add_task("01:02", total=slots + SLOTS_AFTER)
        self.tick()
        self.say(self.first_buyers_come())
        self.pass_time(hours=MORNING_HOURS)
        if rival:
            self.meter_as_rival()
        story = self.story(hours)
        night = range(EVENTS_OF_THE_NIGHT)
        self.send(self.some_usage(ago_s=self.rng.randrange(4 * 3600)) for _ in night)
        for slot in range(slots + SLOTS_AFTER):
            self.pass_time(minutes=SLOT_MINUTES)
            if slot < slots:
                self.send_usual()
            for happening in story.get(slot, []):
                self.say(happening())
            said = f"{self.sandbox.clock.now():%H:%M}  {self.events:,} events sent"
            self.progress.update(task, advance=1, description=said)
        self.pass_time(hours=NEXT_DAY_HOURS)

    def meter_as_rival(self) -> None:
        """Bill an hour of Ana's by another submitter, as happens where an old one still runs."""
        ana = self.buyers["Ana"]
        self.sandbox.client("meteringmarketplace").batch_meter_usage(
            UsageRecords=[
                {
                    "Timestamp": self.sandbox.clock.now().replace(minute=0, second=0),
                    "LicenseArn": ana.license_arn,
                    "CustomerAWSAccountId": ana.account,
                    "Dimension": "users",
                    "Quantity": 1,
                }
            ]
        )
