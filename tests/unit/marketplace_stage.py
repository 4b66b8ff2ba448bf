"""The stage most tests of the Marketplace emulator play on: one product, one buyer, one client."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.marketplace import Marketplace
from sandbox.marketplace.faults import Fault
from sandbox.marketplace.http import attach
from sandbox.marketplace.sales import Purchase

NOW = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRODUCT = "example000000000000000001"
LEGACY_PRODUCT = "n0123EXAMPLEXXXXXXXXXXXX"
BUYER = "111122223333"
OTHER_BUYER = "222233334444"
DIMENSIONS = ["users", "storage-gb"]
UNKNOWN_LICENSE = "arn:aws:license-manager::777788889999:license:l-" + "0" * 32


class Stage:
    """A marketplace whose clock stands still at `now`, and a real boto3 client for it.

    The buyer holds one license, active since three days ago. No attempt is ever repeated by the
    client.
    """

    def __init__(self, *, before_call: Callable[[str], None] | None = None, **options: Any) -> None:
        self.now = NOW
        self.marketplace = Marketplace(lambda: self.now, **options)
        self.bought = self.buy()
        self.client = metering_client()
        attach(self.client, self.marketplace, before_call=before_call)

    def buy(self, product: str = PRODUCT, account: str = BUYER, **options: Any) -> Purchase:
        """One more purchase."""
        if options.get("state") != "pending":
            options.setdefault("starts_at", NOW - timedelta(days=3))
        return self.marketplace.purchase(product, account, DIMENSIONS, **options)

    def buy_legacy(self, **options: Any) -> Purchase:
        """A purchase of a product that is older than June 2026."""
        return self.buy(LEGACY_PRODUCT, legacy=True, **options)

    def record(self, **fields: Any) -> dict[str, Any]:
        """A record of the buyer's, but for the fields given; those that are None are left out."""
        record = {
            "Timestamp": NINE,
            "LicenseArn": self.bought.license_arn,
            "CustomerAWSAccountId": BUYER,
            "Dimension": "users",
            "Quantity": 3,
        }
        if "QuantityAsDecimal" in fields:
            del record["Quantity"]
        return {name: value for name, value in (record | fields).items() if value is not None}

    def legacy_record(self, bought: Purchase, **fields: Any) -> dict[str, Any]:
        """A record that names its customer by identifier."""
        named = {"CustomerIdentifier": bought.customer_identifier}
        absent = {"LicenseArn": None, "CustomerAWSAccountId": None}
        return self.record(**absent | named | fields)

    def send(self, *records: dict[str, Any], **request: Any) -> list[str]:
        """Send records in one call; returns their statuses."""
        answer = self.client.batch_meter_usage(UsageRecords=list(records), **request)
        return [result["Status"] for result in answer["Results"]]

    def refusal(self, *records: dict[str, Any], **request: Any) -> str:
        """Send records in a call that fails; returns the code."""
        return code_of(lambda: self.send(*records, **request))

    def fault(self, fault: str, **options: Any) -> None:
        """Inject a fault."""
        self.marketplace.inject(Fault(fault, **options))

    def billed(self) -> dict[tuple[str, str, int], str]:
        """What is billed: (account, dimension, hour of the day) and quantity."""
        return {
            (line.account, line.dimension, line.hour.hour): str(line.quantity)
            for line in self.marketplace.usage()
        }

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    def told(self, after: int = 0) -> list[str]:
        """The names of what the seller was told, without the variants of detail-types."""
        return [event.name.partition(" - ")[0] for event in self.marketplace.events_since(after)]

    def hush(self) -> int:
        """Let everything told so far be known; returns the cursor."""
        return len(self.marketplace.events())

    def body(self, name: str) -> dict[str, Any]:
        """The newest event whose name begins so."""
        events = self.marketplace.events()
        return dict(next(each.body for each in reversed(events) if each.name.startswith(name)))

    def total(self) -> str:
        """The sum of everything billed."""
        return str(sum(line.quantity for line in self.marketplace.usage()))


def metering_client(key: str = "test", region: str = "us-east-1") -> Any:
    """A boto3 client that makes one attempt for each call."""
    return client_of("meteringmarketplace", key, region)


def client_of(service: str, key: str = "test", region: str = "us-east-1") -> Any:
    """The same for any service."""
    config = Config(retries={"total_max_attempts": 1})
    return _session(key).client(service, region_name=region, config=config)


@cache
def _session(key: str) -> Any:
    return boto3.session.Session(aws_access_key_id=key, aws_secret_access_key="test")


def code_of(call: Callable[[], object]) -> str:
    """The code of the error a call raises."""
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


def status_of(call: Callable[[], object]) -> int:
    """The HTTP status of the error a call raises."""
    with pytest.raises(ClientError) as error:
        call()
    return int(error.value.response["ResponseMetadata"]["HTTPStatusCode"])
