"""A whole metering world in one process: real clients, real code, AWS in memory, one clock.

Unit tests, integration tests and the simulation build on it; what it answers with is
`sandbox.memory` and the Marketplace emulator.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import boto3
from botocore.config import Config

from lambdas.customers.history import registration
from lambdas.customers.license import (
    License,
    LicenseKey,
    State,
    license_key_of_arn,
    license_key_of_legacy,
)
from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import (
    LedgerTable,
    Marketplace,
    Outcomes,
    Parallel,
    Quarantine,
    UsageQueue,
)
from lambdas.metering.hours import hour_from_text
from lambdas.metering.log import Log
from lambdas.metering.records import Outcome
from lambdas.metering.summary import Summary
from lambdas.metering.terms import Terms
from lambdas.metering.tick import tick
from lambdas.metering.wiring import Wiring
from sandbox import marketplace as emulator
from sandbox.marketplace.http import attach
from sandbox.marketplace.rules import Readings
from sandbox.memory import create_table
from sandbox.memory.double import Params
from sandbox.memory.dynamodb import MemoryDynamoDB
from sandbox.memory.sqs import MemorySQS

START = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
PRODUCT = "example000000000000000001"
BUYER = "111122223333"
DIMENSIONS = ("users", "api-calls", "storage-gb")
LEDGER, CUSTOMERS = "ledger", "customers"
TICK_S = 250
HOUR = 3600
METERING_CALL = "marketplace-metering.BatchMeterUsage"

Hook = Callable[[str, Params], None]
"""Told the name of an AWS call, such as ``dynamodb.PutItem``, and its parameters."""


class World:
    """Everything a tick touches.

    Attributes:
        now_s: the time, for AWS and ticks alike.
        skew_s: how far the ticks' clock is ahead of AWS's.
        submitted: the usage records of every call that ticks made, as they were sent.
    """

    def __init__(
        self,
        *,
        start: datetime = START,
        seed: int = 0,
        terms: Terms | None = None,
        readings: Readings | None = None,
        before_call: Callable[[str], None] | None = None,
    ) -> None:
        self.now_s = start.timestamp()
        self.skew_s = 0.0
        self.rng = Random(seed)
        self.terms = terms or Terms(dimensions=DIMENSIONS, product_code=PRODUCT)
        self.sqs = MemorySQS(now=lambda: self.now_s, rng=self.rng)
        self.dynamodb = MemoryDynamoDB(now=lambda: self.now_s, rng=self.rng)
        self.marketplace = emulator.Marketplace(self.time, seed=seed, readings=readings)
        self.producer = self.sqs.client()
        self.queue_url = self.producer.create_queue(
            QueueName="usage", Attributes={"VisibilityTimeout": "900"}
        )["QueueUrl"]
        self.tables_client = self.dynamodb.client()
        for table in (LEDGER, CUSTOMERS):
            create_table(self.tables_client, table)
        self.customers = CustomersTable(self.tables_client, CUSTOMERS)
        self.table = LedgerTable(self.tables_client, LEDGER)
        self.outcomes_table = Outcomes(self.tables_client, LEDGER, map)
        self.quarantine = Quarantine(self.tables_client, LEDGER)
        self.marketplace_client = metering_client()
        attach(self.marketplace_client, self.marketplace, before_call=before_call)
        self.submitted: list[list[dict[str, Any]]] = []
        self.marketplace_client.meta.events.register(
            f"provide-client-params.{METERING_CALL}",
            lambda params, **_: self.submitted.append(params["UsageRecords"]),
        )
        self._ids = 0
        self.warm = self.wiring()

    def time(self) -> datetime:
        """The time, as the emulator wants it."""
        return datetime.fromtimestamp(self.now_s, UTC)

    def wiring(self, *, parallel: Parallel = map) -> Wiring:
        """A cold container: nothing read of the log yet. Clients are shared, they keep nothing."""
        return Wiring(
            queue=UsageQueue(self.producer, self.queue_url, parallel),
            table=self.table,
            log=Log(self.table, self.terms),
            outcomes=Outcomes(self.tables_client, LEDGER, parallel),
            quarantine=self.quarantine,
            customers=CustomersTable(self.tables_client, CUSTOMERS),
            marketplace=Marketplace(self.marketplace_client),
            terms=self.terms,
            clock=lambda: self.now_s + self.skew_s,
            sleep=self.sleep,
            parallel=parallel,
            new_id=self.new_id,
        )

    def new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids:08}"

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def advance(self, *, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        self.now_s += hours * HOUR + minutes * 60 + seconds

    def at(self, text: str) -> None:
        """Set the time."""
        self.now_s = datetime.fromisoformat(text).timestamp()

    @contextmanager
    def hooked(self, *, before: Hook | None = None, after: Hook | None = None) -> Iterator[None]:
        """Call these around every AWS call of the block; they may raise, or let time pass.

        After a call of AWS Marketplace means that an answer came. Its parameters are not told:
        `submitted` has them.
        """
        events = self.marketplace_client.meta.events
        registered = []
        for event, attribute, hook in (
            ("before-call", "on_call", before),
            ("after-call", "on_answer", after),
        ):
            if hook is not None:
                registered.append((f"{event}.{METERING_CALL}", _of_client(hook)))
                events.register(*registered[-1])
                for double in (self.sqs, self.dynamodb):
                    setattr(double, attribute, _of_double(hook))
        try:
            yield
        finally:
            for each in registered:
                events.unregister(*each)
            for double in (self.sqs, self.dynamodb):
                double.on_call = double.on_answer = None

    def buy(
        self,
        account: str = BUYER,
        *,
        state: State = State.ACTIVE,
        start: datetime | None = None,
        known: bool = True,
        dimensions: Iterable[str] = DIMENSIONS,
    ) -> License:
        """Purchase at the emulator, and tell the Customers table about it."""
        start = start or datetime(2026, 11, 1, tzinfo=UTC)
        bought = self.marketplace.purchase(
            PRODUCT, account, list(dimensions), state="active", starts_at=start
        )
        each = License(
            key=license_key_of_arn(bought.license_arn),
            arn=bought.license_arn,
            account=account,
            product_code=PRODUCT,
            state=state,
            agreement_id=bought.agreement_id,
            start_s=int(start.timestamp()),
        )
        if known:
            self.customers.save(each)
        return each

    def buy_legacy(self, account: str = BUYER, *, product_code: str = "legacyproduct") -> License:
        """Purchase a product that has no licenses; the table knows product code and identifier."""
        bought = self.marketplace.purchase(product_code, account, list(DIMENSIONS), legacy=True)
        each = License(
            key=license_key_of_legacy(product_code, bought.customer_identifier),
            account=account,
            product_code=product_code,
            state=State.ACTIVE,
            customer_identifier=bought.customer_identifier,
            start_s=int(self.now_s),
        )
        self.customers.save(each)
        return each

    def register_early(self, account: str) -> None:
        """Let a buyer register whose license AWS Marketplace has not told yet."""
        self.customers.keep_waiting(
            registration(
                at_ms=int(self.now_s * 1000),
                license_arn="",
                account=account,
                product_code=PRODUCT,
                customer_identifier="",
                agreement_id="",
                free_trial=None,
            )
        )

    def change(self, each: License, **fields: Any) -> License:
        """Save a license with other fields."""
        changed = replace(each, **fields)
        self.customers.save(changed)
        return changed

    def usage(
        self,
        who: License | str,
        quantity: int | str = 1,
        *,
        dimension: str = "users",
        ago_s: float = 60,
        id_: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Write a usage record of so many seconds ago; a text names an account, not its license."""
        at = datetime.fromtimestamp(self.now_s - ago_s, UTC).isoformat()
        record: dict[str, Any] = {"Timestamp": at, "Dimension": dimension}
        if isinstance(who, str):
            record["CustomerAWSAccountId"] = who
        elif who.arn:
            record["LicenseArn"] = who.arn
        else:
            record["CustomerIdentifier"] = who.customer_identifier
            record["ProductCode"] = who.product_code
        record["QuantityAsDecimal" if isinstance(quantity, str) else "Quantity"] = quantity
        if id_ is not None:
            record["Id"] = id_
        return record | fields

    def send(self, *records: dict[str, Any] | str) -> None:
        """Send each as a message of its own."""
        for each in records:
            body = each if isinstance(each, str) else json.dumps(each)
            self.producer.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def send_together(self, *records: dict[str, Any]) -> None:
        """Send all in one message."""
        self.send({"UsageRecords": list(records)})

    def redrive(self, order: str | tuple[License, str, str], *, bill_now: bool = False) -> None:
        """Ask, as an operator does, to count what waits: in quarantine, or as an expired record.

        Args:
            order: a name from quarantine; or a license, a dimension and an hour.
            bill_now: whether to bill it at the time of the redrive.
        """
        if isinstance(order, str):
            wanted = {"Key": order}
        else:
            who, dimension, hour = order
            wanted = {"License": who.key, "Dimension": dimension, "Hour": hour}
        self.send({"Redrive": wanted | ({"BillAt": "now"} if bill_now else {})})

    def bill_elsewhere(self, who: License, quantity: int, *, ago_s: float) -> None:
        """Meter users with AWS Marketplace past the ledger, as an older submitter might."""
        client = metering_client()
        attach(client, self.marketplace)
        record = {
            "Timestamp": datetime.fromtimestamp(self.now_s - ago_s, UTC),
            "LicenseArn": who.arn,
            "CustomerAWSAccountId": who.account,
            "Dimension": "users",
            "Quantity": quantity,
        }
        [result] = client.batch_meter_usage(UsageRecords=[record])["Results"]
        assert result["Status"] == "Success", result

    def tick(self, wiring: Wiring | None = None) -> Summary:
        """Run one tick, warm unless a container is given."""
        wiring = wiring or self.warm
        return tick(wiring, until_s=wiring.clock() + TICK_S)

    def tick_until_settled(self, *, hours: float = 3, cold: bool = False) -> list[Summary]:
        """Let hours pass, with a tick every five minutes."""
        summaries = []
        for _ in range(int(hours * 12)):
            self.advance(minutes=5)
            summaries.append(self.tick(self.wiring() if cold else None))
        return summaries

    def billed(self, who: License | None = None, dimension: str | None = None) -> Decimal:
        """What AWS Marketplace would bill, of a license, of a dimension."""
        return sum(
            (
                line.quantity
                for line in self.marketplace.usage()
                if (who is None or (line.license_arn or "") == who.arn)
                and (dimension is None or line.dimension == dimension)
            ),
            Decimal(0),
        )

    def items(self, partition: str) -> list[dict[str, Any]]:
        """The items of one partition of the ledger table."""
        return [item for item in self.dynamodb.items(LEDGER) if item["pk"]["S"] == partition]

    def expire_items(self) -> None:
        """Delete what has expired, which DynamoDB does sooner or later."""
        for item in self.dynamodb.items(LEDGER):
            if "expires" in item and int(item["expires"]["N"]) < self.now_s:
                key = {name: item[name] for name in ("pk", "sk")}
                self.tables_client.delete_item(TableName=LEDGER, Key=key)

    def outcome(
        self, who: License, dimension: str = "users", hour: str = "2026-11-23T10Z"
    ) -> Outcome | None:
        """What the ledger says became of a record."""
        cell = (who.key, dimension, hour_from_text(hour))
        return self.outcomes_table.read([cell]).get(cell)

    def quarantined(self) -> list[tuple[str, str]]:
        """Names and reasons of what is in quarantine."""
        return [(item["sk"]["S"], item["reason"]["S"]) for item in self.items("quarantine")]

    def outcomes(self) -> dict[tuple[LicenseKey, str, str], str]:
        """Statuses by license, dimension and hour."""
        return {
            (LicenseKey(item["pk"]["S"].partition("#")[2]), name[2:], item["sk"]["S"]): value["M"][
                "status"
            ]["S"]
            for item in self.dynamodb.items(LEDGER)
            if item["pk"]["S"].startswith("license#")
            for name, value in item.items()
            if name.startswith("d:")
        }


def _of_double(hook: Hook) -> Any:
    def call(service: str, name: str, params: Params, *_: Any) -> None:
        hook(f"{service}.{name}", params)

    return call


def _of_client(hook: Hook) -> Any:
    def call(**_: Any) -> None:
        hook("marketplace.BatchMeterUsage", {})

    return call


def metering_client() -> Any:
    """A real client of the metering service that never retries."""
    return boto3.client(
        "meteringmarketplace",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
