"""What rules are put to: a service to call, and a stage on which it can be set up."""

import http.client
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.conformance.against import NO_ACCOUNT, NO_LICENSE

NOW = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
BUYER = "111122223333"
OTHER_BUYER = "222233334444"
DIMENSIONS = ["users", "storage-gb"]
REFUSED_HTTP_STATUSES = range(400, 500)
# Answers that say nothing about the call itself
# (https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/common-errors.html).
ABOUT_THE_CALLER = frozenset(
    {
        "AccessDeniedException",
        "DisabledApiException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "ThrottlingException",
        "UnrecognizedClientException",
    }
)

NO_PRODUCT = "nobody-has-this-product"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bought:
    """What a buyer has bought; the identifier is empty for new products."""

    product_code: str
    account: str
    license_arn: str
    agreement_id: str
    registration_token: str
    customer_identifier: str
    starts_at: datetime


class Service:
    """The endpoint, called as any seller calls it.

    Args:
        connect: Makes a boto3 client; `validated=False` lets it send what it would refuse itself.
    """

    def __init__(self, connect: Callable[..., Any]) -> None:
        self.connect = connect
        self.client = connect()

    @property
    def unchecked(self) -> Any:
        """A client that does not look at its parameters, like those of other languages."""
        return self.connect(validated=False)

    @staticmethod
    def record_of_nobody(**fields: Any) -> Record:
        """A record that cannot be billed to anybody, but for the fields given.

        Fields that are None are left out.
        """
        record = {
            "Timestamp": NINE,
            "LicenseArn": NO_LICENSE,
            "CustomerAWSAccountId": NO_ACCOUNT,
            "Dimension": "users",
            "Quantity": 3,
        }
        return _changed(record, fields)

    def refusal(self, *records: Record, **request: Any) -> str:
        """Send records in a call that the service must refuse; returns the error's code."""
        call = self.unchecked.batch_meter_usage
        return refusal_of(lambda: call(UsageRecords=list(records), **request))


class Stage(Service):
    """An emulator: all that buyers, time and accidents do, through the routes it has for them.

    Every purchase is of a new product, so that one emulator serves many tests.
    """

    def __init__(self, url: str, connect: Callable[..., Any]) -> None:
        super().__init__(connect)
        self._address = urlsplit(url).netloc
        self.set_clock(NOW)
        self.ask("DELETE", "faults")

    def ask(self, method: str, route: str, **body: Any) -> dict[str, Any]:
        """Call one of the emulator's own routes."""
        connection = _connection(self._address)
        text = json.dumps(body, default=_iso) if method == "POST" else None
        connection.request(method, f"/emulator/{route}", text)
        answer = connection.getresponse()
        reply: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 200, reply
        return reply

    def set_clock(self, now: datetime) -> None:
        """Let it be this time, and stay."""
        self.ask("POST", "clock", speed=0)
        self.ask("POST", "clock", now=now)

    def buy(self, product_code: str | None = None, account: str = BUYER, **options: Any) -> Bought:
        """Let an account buy, three days ago unless told otherwise."""
        product_code = product_code or new_product_code()
        starts_at = options.get("starts_at", NOW - timedelta(days=3))
        fields = {"dimensions": DIMENSIONS} | options
        if fields.get("state") != "pending":
            fields["starts_at"] = starts_at
        reply = self.ask("POST", "purchases", product_code=product_code, account=account, **fields)
        return Bought(
            product_code=product_code,
            account=account,
            license_arn=reply["license_arn"],
            agreement_id=reply["agreement_id"],
            registration_token=reply["registration_token"],
            customer_identifier=reply["customer_identifier"],
            starts_at=starts_at,
        )

    def buy_legacy(self, product_code: str | None = None, **options: Any) -> Bought:
        """Let an account buy a product that was listed before June 2026."""
        return self.buy(product_code, legacy=True, **options)

    def change(self, bought: Bought, change: str, at: datetime | None = None) -> None:
        """Activate, cancel, end or suspend a license."""
        when = {} if at is None else {"at": at}
        self.ask("POST", "licenses", license_arn=bought.license_arn, change=change, **when)

    def fault(self, fault: str, **options: Any) -> None:
        """Let the next call go wrong."""
        self.ask("POST", "faults", fault=fault, **options)

    @staticmethod
    def record(bought: Bought, **fields: Any) -> Record:
        """A record of a buyer, but for the fields given; those that are None are left out."""
        who = (
            {"CustomerIdentifier": bought.customer_identifier}
            if bought.customer_identifier
            else {"LicenseArn": bought.license_arn, "CustomerAWSAccountId": bought.account}
        )
        return _changed({"Timestamp": NINE, "Dimension": "users", "Quantity": 3} | who, fields)

    def answer(self, *records: Record, **request: Any) -> dict[str, Any]:
        """Send records in one call; returns the whole answer."""
        call = self.client.batch_meter_usage
        answer: dict[str, Any] = call(UsageRecords=list(records), **request)
        return answer

    def send(self, *records: Record, **request: Any) -> list[str]:
        """Send records in one call; returns their statuses."""
        return [result["Status"] for result in self.answer(*records, **request)["Results"]]

    def usage(self, *bought: Bought) -> list[dict[str, Any]]:
        """The hours on the bill of these purchases' products."""
        codes = {each.product_code for each in bought}
        lines = self.ask("GET", "usage")["usage"]
        return [line for line in lines if line["product_code"] in codes]

    def billed(self, *bought: Bought) -> list[Decimal | int]:
        """The quantities on the bill of these purchases' products, hour by hour."""
        return [Decimal(line["quantity"]) for line in self.usage(*bought)]

    def total(self, *bought: Bought) -> Decimal | int:
        """All that is billed of these purchases' products."""
        return sum(self.billed(*bought), Decimal(0))


def new_product_code() -> str:
    """The code of a product nobody has bought yet."""
    return f"conformance-{uuid4().hex}"


def error_of(call: Callable[[], object]) -> dict[str, Any]:
    """The error's answer to a call that must fail."""
    with pytest.raises(ClientError) as error:
        call()
    response: dict[str, Any] = error.value.response
    return response


def refusal_of(call: Callable[[], object]) -> str:
    """The code of the error of a call that must be refused as the caller's own mistake."""
    return _code(error_of(call))


def outcome_of(call: Callable[[], Any]) -> tuple[str | None, Any]:
    """The code of a call's refusal, or None and its answer."""
    try:
        return None, call()
    except ClientError as error:
        return _code(error.response), None


def _code(error: Mapping[str, Any]) -> str:
    assert error["ResponseMetadata"]["HTTPStatusCode"] in REFUSED_HTTP_STATUSES
    code = str(error["Error"]["Code"])
    credentials_expired = "security token" in error["Error"].get("Message", "")
    assert code not in ABOUT_THE_CALLER, error["Error"]
    assert not credentials_expired, error["Error"]
    return code


def all_of(records: Iterable[Record], **fields: Any) -> list[Record]:
    """The same records, each with these fields changed."""
    return [_changed(record, fields) for record in records]


def _changed(record: Record, fields: Record) -> Record:
    if "QuantityAsDecimal" in fields and "Quantity" not in fields:
        fields = {"Quantity": None, **fields}
    return {name: value for name, value in (record | fields).items() if value is not None}


@cache
def _connection(address: str) -> http.client.HTTPConnection:
    """One connection for all routes of an emulator; it opens itself again when it was closed."""
    return http.client.HTTPConnection(address, timeout=10)


def _iso(moment: datetime) -> str:
    return moment.isoformat()
