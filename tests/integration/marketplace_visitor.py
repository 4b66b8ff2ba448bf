"""Whoever speaks to the Marketplace emulator over HTTP: boto3 clients, scripts, and browsers."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3.session
import pytest
from botocore.config import Config

from sandbox.clock import Clock
from sandbox.marketplace import Marketplace
from sandbox.marketplace.http import serve

NOW = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
PRODUCT = "example000000000000000001"
BUYER = "111122223333"
PURCHASE = {
    "product_code": PRODUCT,
    "account": BUYER,
    "dimensions": ["users", "storage-gb"],
    "starts_at": "2026-11-20T09:00:00Z",
}


@cache
def session() -> Any:
    """One session for all clients: it holds the parsed service model."""
    return boto3.session.Session("test", "test", region_name="us-east-1")


class Visitor:
    """Speaks to the emulator as a seller's tools do: boto3 for AWS, JSON for the stage."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = self.new_client()

    def new_client(self, service: str = "meteringmarketplace", **options: Any) -> Any:
        """A client that makes one attempt, its endpoint taken from the environment."""
        config = Config(retries={"total_max_attempts": 1}, **options)
        return session().client(service, config=config)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request; the status and JSON that come back."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        connection.request(method, path, text, headers or {})
        answer = connection.getresponse()
        reply = json.loads(answer.read())
        connection.close()
        return answer.status, reply

    def look(self, path: str = "/") -> tuple[int, str]:
        """A page, as a browser gets it."""
        status, _, page = self._visit("GET", path, None)
        return status, page

    def press(self, path: str, **form: str) -> tuple[int, str, str]:
        """A button; the status, where it leads, and the page that comes back."""
        return self._visit("POST", path, urlencode(form))

    def _visit(self, method: str, path: str, form: str | None) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection.request(method, path, form, kind)
        answer = connection.getresponse()
        page = answer.read().decode()
        connection.close()
        return answer.status, answer.headers.get("Location", ""), page

    def buy(self, **fields: Any) -> dict[str, Any]:
        """One purchase."""
        status, reply = self.ask("POST", "/emulator/purchases", PURCHASE | fields)
        assert status == 200, reply
        return dict(reply)

    def record(self, bought: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """A record for a purchase."""
        return {
            "Timestamp": NINE,
            "LicenseArn": bought["license_arn"],
            "CustomerAWSAccountId": BUYER,
            "Dimension": "users",
            "Quantity": 3,
        } | fields

    def usage(self) -> list[dict[str, Any]]:
        """What AWS would bill."""
        return list(self.ask("GET", "/emulator/usage")[1]["usage"])


@contextmanager
def a_visit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    """An emulator whose clock stands still, and all clients of AWS pointed at it."""
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    clock = Clock(start=NOW, speed=0)
    with serve(Marketplace(clock.now), clock) as url:
        for service in ("METERING", "ENTITLEMENT_SERVICE", "AGREEMENT"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_MARKETPLACE_{service}", url)
        yield Visitor(url)
