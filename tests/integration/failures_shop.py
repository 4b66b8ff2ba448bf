"""A seller's whole stack in one process: registration, subscription and metering meet in tables.

The emulator sells, gives tokens, tells events and bills. The functions are called as Lambda calls
them: with API Gateway's requests, with a batch of the subscription queue, by the schedule.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import count
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
import pytest
import time_machine
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from lambdas import telemetry
from lambdas.customers.license import License
from lambdas.registration import handler as registration
from lambdas.subscription import handler as subscription
from sandbox.marketplace.http import attach
from sandbox.marketplace.rules import Readings
from sandbox.marketplace.sales import Purchase
from sandbox.memory import create_table
from tests.integration.failures_stage import NO_HEARTBEATS
from tests.world import BUYER, CUSTOMERS, DIMENSIONS, PRODUCT, START, World

REGISTRATIONS = "registrations"
SENDER, SUPPORT = "hello@seller.example", "help@seller.example"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "CUSTOMERS_TABLE": CUSTOMERS,
    "REGISTRATIONS_TABLE": REGISTRATIONS,
    "EVENT_BUS": "default",
    "METERING_REGION": "us-east-1",
    "SELLER_NAME": "Example & Sons",
    "SUPPORT_EMAIL": SUPPORT,
    "SENDER_EMAIL": SENDER,
    "POWERTOOLS_METRICS_NAMESPACE": "MarketplaceMetering",
}
TOKEN_FIELD = "x-amzn-marketplace-token"
_numbers = count()


@dataclass(frozen=True)
class Page:
    """What a browser gets."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def code(self) -> str:
        """The one-time code of the page it is sent on to."""
        assert self.status == 303, self
        return urlsplit(self.headers["Location"]).query.partition("=")[2]


class Shop:
    """The seller, and the buyers who come.

    Attributes:
        world: metering, and everything that the functions share with it.
        printed: what the functions logged.
        mails: what SES was asked to send.
        published: what was put on the event bus.
        mail_refusals: codes that SES answers with next, instead of sending.
    """

    def __init__(self, readings: Readings | None, start: datetime) -> None:
        self.world = World(terms=NO_HEARTBEATS, readings=readings, start=start)
        create_table(self.world.tables_client, REGISTRATIONS)
        self.printed = StringIO()
        self.mails: list[dict[str, Any]] = []
        self.published: list[dict[str, Any]] = []
        self.mail_refusals: list[str] = []
        self._cursor = 0
        self.world.tick()

    def sell(self, account: str = BUYER, **more: Any) -> Purchase:
        """Let an account buy; AWS activates the license about a minute later, and tells then."""
        return self.world.marketplace.purchase(
            PRODUCT, account, list(DIMENSIONS), **{"state": "as-real", **more}
        )

    def arrive(self, token: str, *, as_base64: bool = False) -> Page:
        """Let a browser come from AWS Marketplace with a token."""
        return self.ask("POST", "/register", {TOKEN_FIELD: token}, as_base64=as_base64)

    def sign_up(self, code: str, email: str = "ada@buyer.example", **more: str) -> Page:
        """Let a buyer fill in the hosted form."""
        return self.ask("POST", "/signup", {"registration": code, "email": email, **more})

    def ask(
        self,
        method: str,
        path: str,
        form: dict[str, str] | str | None = None,
        *,
        query: dict[str, str] | None = None,
        as_base64: bool = False,
    ) -> Page:
        """Call the registration function as a REST API does (payload 1.0)."""
        body = form if isinstance(form, str) or form is None else urlencode(form)
        if body is not None and as_base64:
            body = base64.b64encode(body.encode()).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        event = {
            "resource": path,
            "path": path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [text] for name, text in query.items()}
            if query
            else None,
            "pathParameters": None,
            "requestContext": {"stage": "v1", "path": f"/v1{path}", "identity": {}},
            "body": body,
            "isBase64Encoded": as_base64,
        }
        answer = self._call(lambda: registration.handler(event, _no_context()))
        several = answer["multiValueHeaders"].items()
        return Page(answer["statusCode"], {name: each[0] for name, each in several}, answer["body"])

    def hear(self) -> list[str]:
        """Hand every event that AWS has told since to the subscription function, as one batch."""
        told = self.world.marketplace.events_since(self._cursor)
        self._cursor += len(told)
        self.hear_again(*(dict(event.body) for event in told))
        return [event.name for event in told]

    def hear_again(self, *bodies: dict[str, Any] | str) -> list[str]:
        """Hand over messages of the subscription queue; returns which come back."""
        sent_ms = str(int(self.world.now_s * 1000))
        records = [
            {
                "messageId": f"m-{next(_numbers)}",
                "receiptHandle": "r",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"SentTimestamp": sent_ms, "ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:444455556666:subscription",
                "awsRegion": "us-east-1",
            }
            for body in bodies
        ]
        if not records:
            return []
        answer = self._call(lambda: subscription.handler({"Records": records}, _no_context()))
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def pass_time(self, *, minutes: float) -> None:
        """Let time pass; every five minutes AWS's events arrive, the sweep and a tick run."""
        until_s = self.world.now_s + minutes * 60
        while self.world.now_s < until_s:
            self.world.advance(seconds=min(300, until_s - self.world.now_s))
            self.hear()
            self._call(lambda: subscription.sweep({}, _no_context()))
            self.world.tick()

    def licenses(self, account: str = BUYER) -> list[License]:
        """What is known of an account."""
        return self.world.customers.of_accounts([account]).get(account, [])

    def the_license(self, account: str = BUYER) -> License:
        """The only license that is known of an account."""
        [each] = self.licenses(account)
        return each

    def log(self) -> list[dict[str, Any]]:
        """The lines that the functions have logged."""
        return [json.loads(line) for line in self.printed.getvalue().splitlines()]

    def announced(self) -> list[str]:
        """What the seller's own systems were told."""
        return [each["DetailType"] for each in self.published]

    def everything_kept(self) -> str:
        """All that the tables of customers and registrations hold, as text."""
        tables = [self.world.dynamodb.items(name) for name in (CUSTOMERS, REGISTRATIONS)]
        return json.dumps(tables, default=str)

    def contacts(self) -> list[dict[str, str]]:
        """Whom the seller may write to."""
        return [
            {name: item[name]["S"] for name in ("email", "name", "company")}
            for item in self.world.dynamodb.items(REGISTRATIONS)
            if item["sk"]["S"].startswith("contact#")
        ]

    def _call(self, function: Any) -> Any:
        with redirect_stdout(self.printed), time_machine.travel(self.world.now_s, tick=False):
            return function()

    def answer_bus(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """PutEvents: everything is taken."""
        entries = json.loads(request.body)["Entries"]
        self.published += entries
        results = [{"EventId": f"e-{next(_numbers)}"} for _ in entries]
        return _answer(request, 200, {"FailedEntryCount": 0, "Entries": results})

    def answer_mail(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """SendEmail, unless it is to be refused."""
        if self.mail_refusals:
            refusal = {"message": "refused"}
            headers = {"x-amzn-ErrorType": self.mail_refusals.pop()}
            return _answer(request, 400, refusal, headers)
        self.mails.append(json.loads(request.body))
        return _answer(request, 200, {"MessageId": "m"})


@contextmanager
def a_shop(
    *, readings: Readings | None = None, start: datetime = START, **settings: str
) -> Iterator[Shop]:
    """Open a shop; settings are further variables of the functions."""
    shop = Shop(readings, start)
    with pytest.MonkeyPatch.context() as patch:
        # A logger keeps the stream it began with: one for each shop, by its name.
        service = {"POWERTOOLS_SERVICE_NAME": f"shop-{next(_numbers)}"}
        for name, value in {**ENVIRONMENT, **service, **settings}.items():
            patch.setenv(name, value)
        _new_containers()
        boto3.setup_default_session()
        events: Any = boto3.DEFAULT_SESSION.events
        events.register("before-send.dynamodb", shop.world.dynamodb._before_send)
        events.register("before-send.eventbridge", shop.answer_bus)
        events.register("before-send.sesv2", shop.answer_mail)
        model = shop.world.marketplace_client.meta.service_model
        every_client: Any = SimpleNamespace(
            meta=SimpleNamespace(events=events, service_model=model)
        )
        attach(every_client, shop.world.marketplace)
        try:
            yield shop
        finally:
            boto3.DEFAULT_SESSION = None
            _new_containers()


def _new_containers() -> None:
    """Forget what the functions keep for the life of a container."""
    for module in (registration, subscription, telemetry):
        for each in vars(module).values():
            if hasattr(each, "cache_clear"):
                each.cache_clear()


def _no_context() -> Any:
    return None


def _answer(
    request: AWSPreparedRequest, status: int, body: Any, headers: dict[str, str] | None = None
) -> AWSResponse:
    return AWSResponse(request.url, status, headers or {}, _Body(json.dumps(body).encode()))


class _Body:
    """Bytes as botocore wants to read them from a connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> tuple[bytes]:
        return (self._content,)
