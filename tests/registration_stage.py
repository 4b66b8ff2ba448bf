"""Registration in one process: real clients, real code, AWS in memory, one clock.

DynamoDB is the double, AWS Marketplace the emulator; EventBridge and SES take what they are given
and remember it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from lambdas import telemetry
from lambdas.customers.bus import Bus
from lambdas.customers.changes import Changes
from lambdas.customers.license import License, LicenseKey, license_key_of_arn
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from lambdas.registration.aws import Mailer, Marketplace, RegistrationsTable
from lambdas.registration.desk import Desk
from lambdas.registration.page import Pages
from lambdas.registration.seller import Seller
from lambdas.registration.wiring import Wiring
from sandbox import marketplace as emulator
from sandbox.marketplace.http import attach
from sandbox.marketplace.rules import Readings
from sandbox.marketplace.sales import Purchase
from sandbox.memory import create_table
from sandbox.memory.double import Params
from sandbox.memory.dynamodb import MemoryDynamoDB
from tests.world import BUYER, PRODUCT

EVENTS = Path(__file__).parent / "events" / "register"
START = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
CUSTOMERS, REGISTRATIONS = "customers", "registrations"
SENDER = "welcome@example.com"
FORM = "application/x-www-form-urlencoded"
SELLER = Seller(
    name="Example & Daughters",
    logo_url="https://cdn.example.com/logo.svg",
    brand_color="#6b21a8",
    support_email="help@example.com",
    support_url="https://example.com/help",
    sign_in_url="https://app.example.com/login?from=aws&plan=pro",
    terms_url="https://example.com/terms",
    privacy_url="https://example.com/privacy",
    next_steps="We will send you an invitation.\nOpen it to choose a password.",
)
"""Every setting that a page may show."""

Hook = Callable[[str, Params], None]
_containers = count()


@dataclass
class Wire:
    """A service that answers in one way, and remembers what it was asked.

    Attributes:
        answer: to what it is asked.
        asked: what it has taken.
        error: status and code that it refuses everything with, in a message that quotes what was
            sent, as some services do.
        hook: told of a call before and after it is taken; it may raise.
    """

    answer: Callable[[dict[str, Any]], dict[str, Any]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    error: tuple[int, str] | None = None
    hook: Callable[[str], None] = lambda _: None

    def __call__(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        name = event_name.rpartition(".")[2]
        self.hook(f"before {name}")
        if self.error is not None:
            status, code = self.error
            message = json.dumps({"message": f"about {request.body.decode()}"}).encode()
            return AWSResponse(request.url, status, {"x-amzn-errortype": code}, _Body(message))
        asked = json.loads(request.body)
        self.asked.append(asked)
        self.hook(f"after {name}")
        return AWSResponse(request.url, 200, {}, _Body(json.dumps(self.answer(asked)).encode()))


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


class Answered:
    """What the desk answered."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.status: int = answer["statusCode"]
        self.body: str = answer["body"]
        self.headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        assert not answer["isBase64Encoded"]

    @property
    def location(self) -> str:
        address: str = self.headers["Location"]
        return address

    @property
    def code(self) -> str:
        """The one-time code of the address that the browser is sent to."""
        [code] = parse_qs(urlsplit(self.location).query)["registration"]
        return code

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Stage:
    """Everything a request touches.

    Attributes:
        now_s: the time, for AWS and the desk alike.
        printed: all that was logged.
    """

    def __init__(
        self,
        *,
        signup_url: str = "",
        sender: str = "",
        concurrent_agreements: bool = True,
        seller: Seller = SELLER,
        readings: Readings | None = None,
    ) -> None:
        self.now_s = START.timestamp()
        self.slept_s = 0.0
        self.rng = Random(0)
        self.dynamodb = MemoryDynamoDB(now=lambda: self.now_s, rng=self.rng)
        self.tables_client = self.dynamodb.client()
        for name in (CUSTOMERS, REGISTRATIONS):
            create_table(self.tables_client, name)
        self.marketplace = emulator.Marketplace(self.time, readings=readings)
        self.resolver = _client("meteringmarketplace")
        attach(self.resolver, self.marketplace, before_call=self._before_resolve)
        self.events = Wire(lambda asked: {"Entries": [{"EventId": "e"} for _ in asked["Entries"]]})
        self.ses = Wire(lambda _: {"MessageId": "m"})
        self.customers = CustomersTable(self.tables_client, CUSTOMERS)
        self.before: Hook = lambda _name, _params: None
        events, ses = _client("events"), _client("sesv2")
        events.meta.events.register("before-send.eventbridge", self.events)
        ses.meta.events.register("before-send.sesv2", self.ses)
        changes = Changes(
            self.customers,
            Outbox(self.tables_client, CUSTOMERS),
            Bus(events, "default"),
            self.clock,
        )
        self.wiring = Wiring(
            marketplace=Marketplace(self.resolver),
            customers=self.customers,
            changes=changes,
            table=RegistrationsTable(self.tables_client, REGISTRATIONS),
            outbox=Outbox(self.tables_client, REGISTRATIONS),
            mailer=Mailer(ses, sender, seller.support_email) if sender else None,
            pages=Pages(seller),
            concurrent_agreements=concurrent_agreements,
            signup_url=signup_url,
            clock=self.clock,
            sleep=self.sleep,
            random=self.rng.randbytes,
        )
        self.desk = Desk(self.wiring)
        self.printed = StringIO()
        # A logger keeps the stream it began with: one for each stage, by its name.
        self.service = f"registration-{next(_containers)}"

    def clock(self) -> float:
        return self.now_s

    def time(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.slept_s += seconds

    def advance(self, *, minutes: float = 0, hours: float = 0) -> None:
        self.now_s += minutes * 60 + hours * 3600

    def buy(self, account: str = BUYER, **more: Any) -> Purchase:
        """Purchase at the emulator; the license waits for its activation."""
        more = {"state": "pending"} | more
        return self.marketplace.purchase(PRODUCT, account, ["users"], **more)

    def buy_legacy(self, account: str = BUYER) -> Purchase:
        return self.marketplace.purchase("legacyproduct", account, ["users"], legacy=True)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: str | None = None,
        content_type: str = FORM,
        is_base64: bool = False,
        query: Mapping[str, str] | None = None,
    ) -> Answered:
        """Send a request as API Gateway passes it on."""
        event = sample("rest-api.post.plain.json" if method == "POST" else "rest-api.get.json")
        headers = event["headers"] | ({"Content-Type": content_type} if method == "POST" else {})
        event |= {
            "path": path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": dict(query) if query else None,
            "multiValueQueryStringParameters": (
                {name: [value] for name, value in query.items()} if query else None
            ),
            "body": body,
            "isBase64Encoded": is_base64,
        }
        return self.pass_on(event)

    def pass_on(self, event: dict[str, Any]) -> Answered:
        """Hand the desk a whole event."""
        context: Any = None
        with self.logged():
            return Answered(self.desk.answer(event, context))

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Print logs and metrics of the block to `printed`, as a container of its own does."""
        with pytest.MonkeyPatch.context() as variables, redirect_stdout(self.printed):
            variables.setenv("POWERTOOLS_SERVICE_NAME", self.service)
            variables.setenv("POWERTOOLS_METRICS_NAMESPACE", "MarketplaceMetering")
            for each in (telemetry.logger, telemetry.metrics):
                each.cache_clear()
            yield

    def arrive(self, token: str, **fields: str) -> Answered:
        """Press "Set up your account"."""
        return self.send(
            "POST", "/register", body=urlencode({"x-amzn-marketplace-token": token, **fields})
        )

    def open_form(self, code: str) -> Answered:
        return self.send("GET", "/signup", query={"registration": code})

    def sign_up(self, code: str, email: str = "ada@example.com", **fields: str) -> Answered:
        """Send the form."""
        typed = {"registration": code, "email": email, **fields}
        return self.send("POST", "/signup", body=urlencode(typed))

    def claim(self, code: str) -> Answered:
        """Claim a registration, as the seller's server does."""
        body = json.dumps({"registration": code})
        return self.send("POST", "/registrations/claim", body=body, content_type="application/json")

    def resolves_to(self, *answers: dict[str, Any]) -> None:
        """Let ResolveCustomer give these answers, and the last of them for ever.

        Args:
            answers: members of an answer, or ``{status, headers, body}`` of an error.
        """
        left = list(answers)

        def send(request: Any, **_: Any) -> AWSResponse:
            answer = left.pop(0) if len(left) > 1 else left[0]
            if "status" not in answer:
                answer = {"status": 200, "headers": {}, "body": answer}
            body = json.dumps(answer["body"]).encode()
            return AWSResponse(request.url, answer["status"], answer["headers"], _Body(body))

        self.resolver.meta.events.register_first(
            "before-send.marketplace-metering.ResolveCustomer", send
        )

    def license(self, bought: Purchase) -> License:
        """The license as the Customers table has it."""
        key = license_key_of_arn(bought.license_arn)
        return self.customers.licenses([key])[key]

    def licenses(self) -> list[LicenseKey]:
        """The keys of all licenses in the Customers table."""
        items = self.dynamodb.items(CUSTOMERS)
        return [LicenseKey(each["key"]["S"]) for each in items if each["sk"]["S"] == "license"]

    def contacts(self) -> list[dict[str, Any]]:
        """The contacts in the registrations table."""
        items = self.dynamodb.items(REGISTRATIONS)
        return [each for each in items if each["sk"]["S"].startswith("contact#")]

    def left_in_outbox(self) -> list[dict[str, Any]]:
        """What is announced in either table and not published."""
        tables = (CUSTOMERS, REGISTRATIONS)
        items = [each for table in tables for each in self.dynamodb.items(table)]
        return [each for each in items if each["pk"]["S"] == "outbox"]

    def announced(self) -> list[dict[str, Any]]:
        """The details of what was published, in order."""
        entries = [each for put in self.events.asked for each in put["Entries"]]
        return [{"type": each["DetailType"], **json.loads(each["Detail"])} for each in entries]

    def lines(self) -> list[dict[str, Any]]:
        """What was logged, metrics left out."""
        lines = [json.loads(line) for line in self.printed.getvalue().splitlines()]
        return [line for line in lines if "_aws" not in line]

    def metrics(self) -> dict[str, float]:
        """Sums of the metrics that were emitted."""
        sums: dict[str, float] = {}
        for line in map(json.loads, self.printed.getvalue().splitlines()):
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
                for name in (each["Name"] for each in directive["Metrics"]):
                    sums[name] = sums.get(name, 0) + sum(line[name])
        return sums

    @contextmanager
    def hooked(self, hook: Callable[[str], None]) -> Iterator[None]:
        """Call this before and after every AWS call of the block; it may raise."""
        self.dynamodb.on_call = lambda _service, name, _params: hook(f"before {name}")
        self.dynamodb.on_answer = lambda _service, name, _params, _answer: hook(f"after {name}")
        self.events.hook = self.ses.hook = hook
        resolved = "after-call.marketplace-metering.ResolveCustomer"

        def after(**_: Any) -> None:
            hook("after ResolveCustomer")

        self.resolver.meta.events.register(resolved, after)
        self.before = lambda name, _params: hook(f"before {name}")
        try:
            yield
        finally:
            self.dynamodb.on_call = self.dynamodb.on_answer = None
            self.events.hook = self.ses.hook = lambda _: None
            self.resolver.meta.events.unregister(resolved, after)
            self.before = lambda _name, _params: None

    def _before_resolve(self, name: str) -> None:
        self.before(name, {})


def sample(name: str) -> Any:
    """Read an event or an answer of the samples."""
    return json.loads((EVENTS / name).read_text())


def _client(service: str) -> Any:
    """A real client that never retries."""
    return boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


class Outline(HTMLParser):
    """A page taken apart: its tags in order, and what stands in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "input", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes what is not open"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a page has no comments")

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all tags of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags and the names of their attributes: what no input may change."""
        return [(tag, tuple(attributes)) for tag, attributes in self.tags]
