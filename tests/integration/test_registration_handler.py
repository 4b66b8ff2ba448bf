"""The registration function as Lambda calls it: its environment, its clients, its log.

DynamoDB, EventBridge and SES are answered in memory; AWS Marketplace is the emulator over HTTP.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from itertools import count
from random import Random
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from moto import mock_aws

from lambdas import telemetry
from lambdas.registration.aws import connect
from lambdas.registration.environment import EnvironmentInvalidError
from lambdas.registration.handler import desk, handler
from sandbox.clock import Clock
from sandbox.marketplace import Marketplace
from sandbox.marketplace.faults import Fault
from sandbox.marketplace.http import serve
from sandbox.memory import create_table
from sandbox.memory.dynamodb import MemoryDynamoDB
from tests.registration_stage import Answered, Wire, sample
from tests.world import BUYER, PRODUCT

REQUIRED = {
    "CUSTOMERS_TABLE": "customers",
    "REGISTRATIONS_TABLE": "registrations",
    "EVENT_BUS": "default",
    "METERING_REGION": "us-east-1",
}
_numbers = count()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A new container, with every variable that it must have."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"registration-handler-{next(_numbers)}")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "MarketplaceMetering")
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    for each in (desk, telemetry.logger, telemetry.metrics):
        each.cache_clear()
    yield monkeypatch
    desk.cache_clear()
    logging.getLogger("botocore").setLevel(logging.NOTSET)


@dataclass
class Around:
    """What is around the function, and what it prints."""

    marketplace: Marketplace
    ses: Wire
    printed: StringIO

    def press(self, token: str) -> Answered:
        return self.send("POST", "/register", urlencode({"x-amzn-marketplace-token": token}))

    def send(self, method: str, path: str, body: str | None = None) -> Answered:
        context: Any = None
        event = sample("rest-api.post.plain.json")
        with redirect_stdout(self.printed):
            return Answered(
                handler(event | {"httpMethod": method, "path": path, "body": body}, context)
            )


@pytest.fixture
def around(environment: pytest.MonkeyPatch) -> Iterator[Around]:
    marketplace = Marketplace(lambda: datetime.now(UTC))
    dynamodb = MemoryDynamoDB(now=time.time, rng=Random(0))
    for name in ("customers", "registrations"):
        create_table(dynamodb.client(), name)
    events = Wire(lambda asked: {"Entries": [{"EventId": "e"} for _ in asked["Entries"]]})
    ses = Wire(lambda _: {"MessageId": "m"})
    boto3.setup_default_session()
    session: Any = boto3.DEFAULT_SESSION
    session.events.register("before-send.dynamodb", dynamodb._before_send)
    session.events.register("before-send.eventbridge", events)
    session.events.register("before-send.sesv2", ses)
    with serve(marketplace, Clock(start=datetime.now(UTC), speed=0)) as url:
        environment.setenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING", url)
        yield Around(marketplace, ses, StringIO())
    boto3.DEFAULT_SESSION = None


def test_a_buyer_registers_signs_up_and_is_written_to(
    environment: pytest.MonkeyPatch, around: Around
) -> None:
    environment.setenv("SENDER_EMAIL", "welcome@example.com")
    bought = around.marketplace.purchase(PRODUCT, BUYER, ["users"])

    arrived = around.press(bought.registration_token)
    typed = urlencode({"registration": arrived.code, "email": "ada@example.com"})
    signed_up = around.send("POST", "/signup", typed)

    assert (arrived.status, signed_up.location) == (303, "signup/done")
    assert len(around.ses.asked) == 1


def test_settings_reach_the_pages(environment: pytest.MonkeyPatch, around: Around) -> None:
    environment.setenv("SELLER_NAME", "Example & Daughters")
    environment.setenv("BRAND_COLOR", "#123456")

    html = around.send("GET", "/register").body

    assert "Example &amp; Daughters" in html
    assert "#123456" in html


def test_a_sign_up_page_of_the_seller_s_is_where_buyers_go(
    environment: pytest.MonkeyPatch, around: Around
) -> None:
    environment.setenv("SIGNUP_URL", "https://app.example.com/signup")
    bought = around.marketplace.purchase(PRODUCT, BUYER, ["users"])

    assert around.press(bought.registration_token).location.startswith(
        "https://app.example.com/signup?registration="
    )


def test_a_product_may_be_metered_by_customer(
    environment: pytest.MonkeyPatch, around: Around
) -> None:
    environment.setenv("CONCURRENT_AGREEMENTS", "false")

    around.send("GET", "/register")

    assert desk()._wiring.concurrent_agreements is False


def test_throttling_that_passes_is_not_noticed(around: Around) -> None:
    bought = around.marketplace.purchase(PRODUCT, BUYER, ["users"])
    around.marketplace.inject(Fault("ThrottlingException", operation="ResolveCustomer"))

    assert around.press(bought.registration_token).status == 303


def test_throttling_that_lasts_is_given_up_soon(around: Around) -> None:
    bought = around.marketplace.purchase(PRODUCT, BUYER, ["users"])
    around.marketplace.inject(Fault("ThrottlingException", operation="ResolveCustomer", times=None))

    assert around.press(bought.registration_token).status == 503
    assert len(around.marketplace.calls()) == 2


@pytest.mark.parametrize("name", REQUIRED)
def test_a_variable_that_is_missing_ends_the_function_and_is_named(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.delenv(name)
    context: Any = None

    with pytest.raises(EnvironmentInvalidError, match=f"^{name} is not set$"):
        handler(sample("rest-api.get.json"), context)


def test_a_container_connects_once(around: Around) -> None:
    around.send("GET", "/register")
    before = desk()
    around.send("GET", "/register")

    assert desk() is before


def test_aws_marketplace_is_asked_in_the_metering_region(environment: pytest.MonkeyPatch) -> None:
    with mock_aws():
        dynamodb, events, marketplace, ses = connect("eu-west-1")

    assert marketplace.meta.region_name == "eu-west-1"
    assert {each.meta.region_name for each in (dynamodb, events, ses)} == {"us-east-1"}


def test_every_client_gives_up_long_before_the_gateway_does(
    environment: pytest.MonkeyPatch,
) -> None:
    dynamodb, events, marketplace, ses = connect("us-east-1")

    for client in (dynamodb, events, marketplace, ses):
        config = client.meta.config
        attempts = config.retries["total_max_attempts"]
        assert attempts * (config.connect_timeout + config.read_timeout) < 10
    assert ses.meta.config.retries["total_max_attempts"] == 1


# The log at its most talkative


@pytest.fixture
def everything_logged() -> Iterator[StringIO]:
    """Lambda sets the level of the root logger to that of the function: here, DEBUG."""
    stream = StringIO()
    root, to_stream = logging.getLogger(), logging.StreamHandler(stream)
    level = root.level
    root.addHandler(to_stream)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(to_stream)
    root.setLevel(level)


@pytest.mark.filterwarnings("ignore:POWERTOOLS_DEV")
def test_no_log_level_tells_tokens_or_contacts(
    environment: pytest.MonkeyPatch, around: Around, everything_logged: StringIO
) -> None:
    environment.setenv("SENDER_EMAIL", "welcome@example.com")
    environment.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")
    environment.setenv("POWERTOOLS_DEV", "true")
    bought = around.marketplace.purchase(PRODUCT, BUYER, ["users"])

    code = around.press(bought.registration_token).code
    typed = urlencode({"registration": code, "email": "ada@example.com"})
    around.send("POST", "/signup", typed)

    logged = everything_logged.getvalue() + around.printed.getvalue()
    assert "Registered" in logged
    for secret in (bought.registration_token, code, "ada@example.com"):
        for form in (secret, urlencode({"": secret})[1:]):
            assert form not in logged


def test_botocore_would_tell_them_if_it_were_let(
    around: Around, everything_logged: StringIO
) -> None:
    """So that the test above can fail."""
    bought = around.marketplace.purchase(PRODUCT, BUYER, ["users"])
    around.send("GET", "/register")
    logging.getLogger("botocore").setLevel(logging.DEBUG)

    around.press(bought.registration_token)

    assert bought.registration_token in everything_logged.getvalue()
