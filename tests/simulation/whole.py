"""The large size of the simulation: whole functions on real boto3 clients, and the emulator."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.customers.license import License, LicenseKey, license_key_of_arn
from lambdas.metering.hours import hour_from_text, hour_of
from lambdas.metering.ledger import Cell, Packed
from lambdas.metering.terms import Terms
from lambdas.metering.wiring import Wiring
from sandbox.marketplace.faults import Fault as MarketplaceFault
from sandbox.marketplace.http import attach
from sandbox.memory.double import Fault, Params, ServiceError
from sandbox.memory.dynamodb import TableFaults
from sandbox.memory.queue import QueueFaults
from tests.simulation.crew import Crew
from tests.simulation.functions import REGISTRATIONS, Functions
from tests.simulation.invariants import Ledgerkeeper, Sight
from tests.simulation.market import cell_of
from tests.simulation.registrar import Item
from tests.simulation.shells import OnAnswer, OnCall, counted_by_service, name_of_outcome
from tests.simulation.subscribers import Subscribers, leave_out_agreement
from tests.simulation.tale import Tale
from tests.world import CUSTOMERS, LEDGER, METERING_CALL, World, metering_client

CHECK_CHARS = 8
RESOLVE_CALL = "marketplace-metering.ResolveCustomer"
WRITES_OF_LICENSES = frozenset({"TransactWriteItems", "DeleteItem", "PutEvents"})


class Whole:
    """A world of real clients, with AWS in memory behind them."""

    name = "whole"
    steps = 300
    failures: ClassVar[tuple[type[Exception], ...]] = (ClientError, BotoCoreError)
    marketplace_faults: ClassVar[tuple[str, ...]] = ()

    def __init__(self, tale: Tale, seed: int) -> None:
        self.aws = World(
            start=tale.start,
            seed=seed,
            terms=tale.terms,
            readings=replace(
                tale.readings,
                license_in_first_answer=tale.news.license_in_first_answer,
                activation_period=tale.news.activation_period,
            ),
            before_call=self._before_marketplace,
        )
        self.rng = self.aws.rng
        self.keeper = Ledgerkeeper(
            Sight(
                clock=lambda: self.aws.now_s,
                entry=self._entry,
                quarantined=lambda: {name for name, _ in self.aws.quarantined()},
                messages=lambda: len(self.aws.sqs.queue(self.aws.queue_url).messages()),
                bill=self.bill,
                outcomes=self.outcomes,
            ),
            tale.terms,
        )
        self.on_call: OnCall = lambda *_: None
        self.on_answer: OnAnswer = lambda *_: None
        self.pause: Callable[[], None] = lambda: None
        self._elsewhere: Counter[Cell] = Counter()
        self.aws.sqs.faults, self.aws.dynamodb.faults = tale.queue, tale.table
        self.on_write: Callable[[], None] = lambda: None
        self.functions = Functions(self.aws, lambda: self.pause(), self._before_marketplace)
        for double in (self.aws.sqs, self.aws.dynamodb, self.functions.bus):
            double.on_call = self._on_call
            double.on_answer = self._on_answer
        events = self.aws.marketplace_client.meta.events
        events.register(f"provide-client-params.{METERING_CALL}", self._see_call)
        events.register(f"after-call.{METERING_CALL}", self._see_answer)
        if not tale.news.agreement_in_answer:
            events.register(f"after-call.{RESOLVE_CALL}", leave_out_agreement)
        events.register(
            f"after-call.{RESOLVE_CALL}",
            lambda **_: self.on_answer("marketplace", "ResolveCustomer"),
        )

    @property
    def now_s(self) -> float:
        """The time."""
        return self.aws.now_s

    @now_s.setter
    def now_s(self, now_s: float) -> None:
        self.aws.now_s = now_s

    @property
    def terms(self) -> Terms:
        """The seller's settings, for containers that start cold."""
        return self.aws.terms

    @terms.setter
    def terms(self, terms: Terms) -> None:
        self.aws.terms = terms

    def listen(self, on_call: OnCall, on_answer: OnAnswer) -> None:
        """Have every call of a function announced."""
        self.on_call, self.on_answer = on_call, on_answer

    def wiring(self, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> Wiring:
        """A cold container."""
        return replace(self.aws.wiring(), clock=clock, sleep=sleep)

    def send(self, body: str) -> str:
        """Let a producer send a message; returns its MessageId."""
        sent = self.aws.producer.send_message(QueueUrl=self.aws.queue_url, MessageBody=body)
        return str(sent["MessageId"])

    def buyers(self, crew: Crew) -> Subscribers:
        """Whoever buys at the emulator; what is known of them, functions write."""
        self.pause = crew.pause
        return Subscribers(self, crew)

    def licenses(self) -> list[Item]:
        """All licenses in the Customers table."""
        return [each for each in self.aws.dynamodb.items(CUSTOMERS) if "state" in each]

    def outbox(self) -> dict[str, Item]:
        """What waits to be published, by its id."""
        return {
            each["sk"]["S"]: each
            for table in (CUSTOMERS, REGISTRATIONS)
            for each in self.aws.dynamodb.items(table, "outbox")
        }

    def trouble(self, fault: str, *, times: int, records: int | None) -> None:
        """Let calls of BatchMeterUsage go wrong."""
        self.aws.marketplace.inject(MarketplaceFault(fault, times=times, records=records))

    def bill_elsewhere(self, who: License, dimension: str, at_s: int, units: int) -> None:
        """Let somebody else meter an hour of a license, if AWS Marketplace takes it."""
        client = metering_client()
        attach(client, self.aws.marketplace)
        record = {
            "Timestamp": datetime.fromtimestamp(at_s, UTC),
            "LicenseArn": who.arn,
            "CustomerAWSAccountId": who.account,
            "Dimension": dimension,
            "Quantity": units,
        }
        cell = (who.key, dimension, hour_of(at_s))
        before = self._billed()[cell]
        with suppress(ClientError, BotoCoreError):
            client.batch_meter_usage(UsageRecords=[record])
        # Whatever the answer was, the bill tells what became of it.
        if self._billed()[cell] != before:
            self.keeper.elsewhere.add(cell)
            self._elsewhere[cell] = units * 10**6

    def land_late_writes(self) -> None:
        """Execute the writes whose callers saw a time-out."""
        while self.aws.dynamodb.pending:
            self.aws.dynamodb.land_pending(0)
            self.on_write()
        self.functions.bus.land_pending()

    def calm(self) -> None:
        """End all faults."""
        self.aws.marketplace.clear_faults()
        self.aws.sqs.faults, self.aws.dynamodb.faults = QueueFaults(), TableFaults()

    def struck(self) -> Counter[str]:
        """How often each fault struck that AWS has of itself, whoever called."""
        urls = (self.aws.queue_url, self.functions.queue_url)
        calls = [
            each for each in self.aws.marketplace.calls() if each.operation == "BatchMeterUsage"
        ]
        return counted_by_service(
            sqs=sum((self.aws.sqs.queue(url).struck for url in urls), Counter()),
            dynamodb=self.aws.dynamodb.struck,
            marketplace=Counter(each.fault for each in calls if each.fault),
        )

    def bill(self) -> dict[Cell, int]:
        """What AWS Marketplace bills of what we sent."""
        return {
            cell: micros - self._elsewhere[cell]
            for cell, micros in self._billed().items()
            if micros != self._elsewhere[cell] or not micros
        }

    def _billed(self) -> Counter[Cell]:
        bill: Counter[Cell] = Counter()
        for line in self.aws.marketplace.usage():
            hour = hour_of(int(line.hour.timestamp()))
            cell = (license_key_of_arn(line.license_arn or ""), line.dimension, hour)
            bill[cell] += int(line.quantity * 10**6)
        return bill

    def outcomes(self) -> dict[Cell, str]:
        """What the ledger says became of records."""
        return {
            _cell(item["pk"]["S"], item["sk"]["S"], name): _name(value["M"])
            for item in self.aws.dynamodb.items(LEDGER)
            if item["pk"]["S"].startswith("license#")
            for name, value in item.items()
            if "M" in value
        }

    def _entry(self, number: int) -> Packed | None:
        item = self.aws.dynamodb.item(LEDGER, "log", f"{number:012d}")
        if not item:
            return None
        return Packed(
            item["kind"]["S"],
            int(item["v"]["N"]),
            int(item["at"]["N"]),
            item["keys"]["B"] if "keys" in item else b"",
            item["body"]["B"],
        )

    # What is seen of the functions' calls

    def _on_call(self, service: str, operation: str, params: Params) -> Fault | None:
        fault = self.on_call(service, operation)
        if operation == "DeleteMessageBatch" and params["QueueUrl"] == self.aws.queue_url:
            handles = [entry["ReceiptHandle"] for entry in params["Entries"]]
            self.keeper.see_deletion(handle.partition("#")[0] for handle in handles)
        if operation == "UpdateItem":
            self._see_update(params)
        return fault

    def _see_update(self, params: Params) -> None:
        values = params["ExpressionAttributeValues"]
        pk, sk = params["Key"]["pk"]["S"], params["Key"]["sk"]["S"]
        if ":reason" in values:
            key, check = bytes.fromhex(sk[:-CHECK_CHARS]), bytes.fromhex(sk[-CHECK_CHARS:])
            self.keeper.see_quarantined(key, check, values[":reason"]["S"])
        for part in params["UpdateExpression"].removeprefix("SET ").split(", "):
            name, _, value = part.partition(" = ")
            if "M" in values.get(value, {}):
                cell = _cell(pk, sk, params["ExpressionAttributeNames"][name])
                self.keeper.see_outcome(cell, _name(values[value]["M"]))

    def _on_answer(self, service: str, operation: str, params: Params, answer: Any) -> None:
        received = operation == "ReceiveMessage" and not isinstance(answer, ServiceError)
        if received and not answer.get("Messages") and params["QueueUrl"] == self.aws.queue_url:
            self.keeper.see_empty()
        if operation in WRITES_OF_LICENSES and params.get("TableName") != LEDGER:
            self.on_write()
        self.on_answer(service, operation)

    def _before_marketplace(self, operation: str) -> None:
        self.on_call("marketplace", operation)

    def _see_call(self, params: dict[str, Any], **_: Any) -> None:
        self.keeper.see_call(params["UsageRecords"])

    def _see_answer(self, parsed: dict[str, Any], **_: Any) -> None:
        for result in parsed.get("Results", ()):
            self.keeper.see_result(cell_of(result["UsageRecord"]), result["Status"])
        self.on_answer("marketplace", "BatchMeterUsage")


def _cell(pk: str, sk: str, name: str) -> Cell:
    """Tell what record an attribute is about."""
    who, dimension = LicenseKey(pk.partition("#")[2]), name.partition(":")[2]
    return who, dimension, hour_from_text(sk)


def _name(outcome: dict[str, Any]) -> str:
    return name_of_outcome(outcome["status"]["S"], outcome.get("reason", {}).get("S", ""))
