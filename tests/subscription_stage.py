"""The subscription functions as Lambda calls them, in one process.

DynamoDB and the event bus are doubles, entitlements and agreements are the Marketplace emulator's,
and every client is the real one that the functions make themselves.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count
from random import Random
from typing import Any, Literal

import boto3
import pytest
import time_machine

from lambdas import telemetry
from lambdas.customers.history import Event
from lambdas.customers.license import License, LicenseKey, license_key_of_arn
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from lambdas.subscription.environment import NAMES
from lambdas.subscription.handler import handler, reconcile, sweep, wiring
from sandbox.marketplace import Marketplace
from sandbox.marketplace.http import attach
from sandbox.marketplace.sales import Purchase
from sandbox.memory import create_table
from sandbox.memory.dynamodb import MemoryDynamoDB
from tests.customers_stage import BUYER, PRODUCT, BusDouble, registers

CUSTOMERS, REGISTRATIONS = "customers", "registrations"
START = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
NAMESPACE = "MarketplaceMetering"
DIMENSIONS = ["users", "api-calls", "seats"]
VARIABLES = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "CUSTOMERS_TABLE": CUSTOMERS,
    "REGISTRATIONS_TABLE": REGISTRATIONS,
    "EVENT_BUS": "default",
    "CONTRACTS": "false",
    "PRODUCT_IDS": "[]",
    "PRODUCT_CODE": PRODUCT,
    "CONCURRENT_AGREEMENTS": "true",
    "RECONCILIATION": "repair",
}
_numbers = count()


@dataclass
class Functions:
    """The three functions, and what is around them.

    Attributes:
        bus: what the seller's systems hear.
        printed: what the functions write to the log.
    """

    clock: Any
    monkeypatch: pytest.MonkeyPatch
    dynamodb: MemoryDynamoDB
    bus: BusDouble
    marketplace: Marketplace
    printed: StringIO = field(default_factory=StringIO)
    delivered: int = 0

    def handle(self, *bodies: str | dict[str, Any]) -> dict[str, Any]:
        """Let the function take messages; the first is named m-1, the next m-2."""
        with self._running():
            return handler(queued(*bodies), context())

    def sweep(self) -> dict[str, Any]:
        with self._running():
            return sweep({}, context())

    def reconcile(self) -> dict[str, Any]:
        with self._running():
            return reconcile({}, context())

    def deliver(self) -> int:
        """Hand over what the emulator has announced since the last time, one by one."""
        events = self.marketplace.events_since(self.delivered)
        for each in events:
            assert self.handle(dict(each.body)) == {"batchItemFailures": []}, self.lines()
            self.delivered = each.cursor
        return len(events)

    def configure(self, **variables: str) -> None:
        """Start a new container with other variables."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)
        wiring.cache_clear()

    def wait(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        self.clock.shift(timedelta(days=days, hours=hours, seconds=seconds))

    def buy(self, account: str = BUYER, **fields: Any) -> Purchase:
        """Purchase, as AWS Marketplace does it; nothing is delivered yet."""
        arguments: dict[str, Any] = {"state": "as-real", **fields}
        return self.marketplace.purchase(PRODUCT, account, DIMENSIONS, **arguments)

    def buy_and_renew_unheard(self, intent: Literal["RENEW", "REPLACE"] = "RENEW") -> Purchase:
        """Let a buyer register for an agreement of which nothing is heard before it is left.

        The registration names no license. What the emulator announced of the purchase is lost; of
        the next agreement it is still to be delivered.
        """
        bought = self.buy()
        self.register(replace(bought, license_arn=""))
        self.wait(seconds=90)
        self.delivered = self.marketplace.events_since(0)[-1].cursor
        self.marketplace.succeed(bought.license_arn, intent)
        self.wait(hours=1)
        return bought

    def register(self, bought: Purchase, account: str = BUYER) -> None:
        """Let the buyer register, as the registration function notes it."""
        with self._running():
            wiring().changes.note([self.registration(bought, account)])

    def registration(self, bought: Purchase, account: str = BUYER) -> Event:
        event = registers(
            license_arn=bought.license_arn, account=account, agreement_id=bought.agreement_id
        )
        return replace(event, at_ms=round(datetime.now(UTC).timestamp() * 1000))

    @property
    def customers(self) -> CustomersTable:
        return CustomersTable(self.dynamodb.client(), CUSTOMERS)

    def license(self, of: Purchase | LicenseKey) -> License:
        key = license_key_of_arn(of.license_arn) if isinstance(of, Purchase) else of
        return self.customers.licenses([key])[key]

    def product_id(self, bought: Purchase) -> str:
        """How agreements name the product that was bought."""
        return self.marketplace.agreements[bought.agreement_id].product.id

    def outbox(self, table: str = CUSTOMERS) -> Outbox:
        return Outbox(self.dynamodb.client(), table)

    def told(self) -> list[str]:
        """The detail types on the bus, copies left out."""
        ids: dict[str, str] = {}
        for each in self.bus.published:
            ids.setdefault(json.loads(each["Detail"])["Id"], each["DetailType"])
        return list(ids.values())

    def items(self) -> list[dict[str, Any]]:
        """Everything in the Customers table."""
        return self.dynamodb.items(CUSTOMERS)

    def lines(self) -> list[dict[str, Any]]:
        """What was printed since the last look, line by line."""
        text = self.printed.getvalue()
        self.printed.seek(0)
        self.printed.truncate()
        return [json.loads(line) for line in text.splitlines()]

    def metrics(self) -> dict[str, float]:
        """The metrics printed since the last look, added up."""
        found: dict[str, float] = {}
        for line in [each for each in self.lines() if "_aws" in each]:
            [directive] = line["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == NAMESPACE
            for each in directive["Metrics"]:
                found[each["Name"]] = found.get(each["Name"], 0) + sum(line[each["Name"]])
        return found

    @contextmanager
    def _running(self) -> Iterator[None]:
        with redirect_stdout(self.printed):
            if not wiring.cache_info().currsize:
                wired = wiring()
                attach(wired.entitlements._client, self.marketplace)
                attach(wired.agreements._client, self.marketplace)
            yield


def queued(*bodies: str | dict[str, Any]) -> dict[str, Any]:
    """An SQS event as Lambda hands it over."""
    sent_ms = str(round(datetime.now(UTC).timestamp() * 1000))
    return {
        "Records": [
            {
                "messageId": f"m-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": sent_ms,
                    "SenderId": "AIDAEXAMPLE",
                    "ApproximateFirstReceiveTimestamp": sent_ms,
                },
                "messageAttributes": {},
                "md5OfBody": "0" * 32,
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:444455556666:subscription",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies, start=1)
        ]
    }


def context() -> Any:
    """What Lambda tells of an invocation, as far as anybody looks."""
    return object()


def failed(answer: dict[str, Any]) -> list[str]:
    """The messages that come back."""
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    """New containers around empty tables."""
    names = {name for each in NAMES.values() for name in each}
    assert names <= VARIABLES.keys()
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    # A logger keeps the stream it began with: one for each test, by its name.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"subscription-{next(_numbers)}")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
    for each in (wiring, telemetry.logger, telemetry.metrics):
        each.cache_clear()
    with time_machine.travel(START, tick=False) as clock:

        def now_s() -> float:
            return datetime.now(UTC).timestamp()

        dynamodb = MemoryDynamoDB(now=now_s, rng=Random(0))
        bus = BusDouble(now_s)
        for table in (CUSTOMERS, REGISTRATIONS):
            create_table(dynamodb.client(), table)
        boto3.setup_default_session()
        for name, double in (("dynamodb", dynamodb), ("eventbridge", bus)):
            boto3.DEFAULT_SESSION.events.register(f"before-send.{name}", double._before_send)
        marketplace = Marketplace(lambda: datetime.now(UTC))
        yield Functions(clock, monkeypatch, dynamodb, bus, marketplace)
        boto3.DEFAULT_SESSION = None
        wiring.cache_clear()
