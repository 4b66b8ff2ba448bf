"""The metering function as Lambda calls it: its environment, its answer, its log, its metrics.

SQS and DynamoDB are the doubles, and once moto; AWS Marketplace is the emulator over HTTP.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from itertools import count
from random import Random
from typing import Any

import boto3
import pytest
import time_machine
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from lambdas import telemetry
from lambdas.customers.license import License, State, license_key_of_arn
from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import connect
from lambdas.metering.environment import NAMES
from lambdas.metering.handler import handler, wiring
from lambdas.telemetry import Metric
from lambdas.variables import EnvironmentInvalidError
from sandbox.clock import Clock
from sandbox.marketplace import Marketplace
from sandbox.marketplace.faults import Fault
from sandbox.marketplace.http import serve
from sandbox.memory import create_table
from sandbox.memory.dynamodb import MemoryDynamoDB
from sandbox.memory.sqs import MemorySQS
from tests.world import BUYER, PRODUCT

START = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
REQUIRED = {
    "USAGE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/usage",
    "LEDGER_TABLE": "ledger",
    "CUSTOMERS_TABLE": "customers",
    "METERING_REGION": "us-east-1",
}
NAMESPACE = "MarketplaceMetering"
_numbers = count()


class Context:
    """What Lambda tells of an invocation."""

    def __init__(self, remaining_s: float = 270) -> None:
        self.remaining_s = remaining_s

    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining_s * 1000)


@dataclass
class Function:
    """The function in this process, and what it prints."""

    printed: StringIO = field(default_factory=StringIO)

    def invoke(self, *, remaining_s: float = 270) -> dict[str, Any]:
        context: Any = Context(remaining_s)
        with redirect_stdout(self.printed):
            return handler({}, context)

    def lines(self) -> list[dict[str, Any]]:
        """What was printed since the last look, line by line."""
        text = self.printed.getvalue()
        self.printed.seek(0)
        self.printed.truncate()
        return [json.loads(line) for line in text.splitlines()]

    def metrics(self) -> dict[str, list[float]]:
        """The metrics that the last invocation printed."""
        [line] = [each for each in self.lines() if "_aws" in each]
        [directive] = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == NAMESPACE
        return {each["Name"]: line[each["Name"]] for each in directive["Metrics"]}


@dataclass
class Around:
    """What is around the function: a queue, a customer, AWS Marketplace, and the clock."""

    queue_url: str
    buyer: License
    marketplace: Marketplace
    clock: Any

    def send(self, *records: dict[str, Any]) -> None:
        """Send usage in one message; each record says how it differs from five users just now."""
        usual = {
            "LicenseArn": self.buyer.arn,
            "Dimension": "users",
            "Quantity": 5,
            "Timestamp": datetime.now(UTC).isoformat(),
        }
        body = json.dumps({"UsageRecords": [usual | each for each in records or [{}]]})
        boto3.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """A new container, with every variable that it must have."""
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    # A logger keeps the stream it began with: one for each test, by its name.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"metering-{next(_numbers)}")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    for each in (wiring, telemetry.logger, telemetry.metrics):
        each.cache_clear()
    yield Function()
    wiring.cache_clear()


@contextmanager
def in_memory() -> Iterator[None]:
    """Let the doubles answer every client of SQS and DynamoDB that is made in the block."""
    boto3.setup_default_session()
    for double in (MemorySQS, MemoryDynamoDB):
        answers = double(now=time.time, rng=Random(0))._before_send
        boto3.DEFAULT_SESSION.events.register(f"before-send.{double.service}", answers)
    yield
    boto3.DEFAULT_SESSION = None


@pytest.fixture(params=[in_memory])
def around(
    request: pytest.FixtureRequest, function: Function, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Around]:
    marketplace = Marketplace(lambda: datetime.now(UTC))
    with (
        time_machine.travel(START) as clock,
        request.param(),
        serve(marketplace, Clock(start=START, speed=0)) as url,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING", url)
        queue_url = boto3.client("sqs").create_queue(QueueName="usage")["QueueUrl"]
        monkeypatch.setenv("USAGE_QUEUE_URL", queue_url)
        dynamodb = boto3.client("dynamodb")
        for table in ("ledger", "customers"):
            create_table(dynamodb, table)
        begun = datetime(2026, 11, 1, tzinfo=UTC)
        bought = marketplace.purchase(PRODUCT, BUYER, ["users"], starts_at=begun)
        buyer = License(
            license_key_of_arn(bought.license_arn),
            arn=bought.license_arn,
            account=BUYER,
            state=State.ACTIVE,
            start_s=int(begun.timestamp()),
        )
        CustomersTable(dynamodb, "customers").save(buyer)
        yield Around(queue_url, buyer, marketplace, clock)


@pytest.mark.parametrize("around", [in_memory, mock_aws], indirect=True)
def test_usage_in_the_queue_is_billed_by_two_invocations(
    function: Function, around: Around
) -> None:
    around.send()
    first = function.invoke()
    around.clock.shift(3600)

    second = function.invoke()

    assert (first["messages"], first["counted"], first["drained"]) == (1, 1, True)
    assert (second["calls"], second["outcomes"]) == (1, {"accepted": 1})
    assert [line.quantity for line in around.marketplace.usage()] == [5]


def test_the_answer_is_the_summary_as_json(function: Function, around: Around) -> None:
    around.send({"Quantity": -1})

    answer = function.invoke()

    assert json.loads(json.dumps(answer)) == answer
    assert answer["quarantined"] == {"negative": 1}


def test_the_log_has_the_summary(function: Function, around: Around) -> None:
    around.send()

    answer = function.invoke()

    [line] = [each for each in function.lines() if each.get("message") == "Tick"]
    assert line["level"] == "INFO"
    assert line["summary"] == answer


def test_metrics_tell_what_happened(function: Function, around: Around) -> None:
    around.send({"Id": "u-1"}, {"Id": "u-1"}, {"Id": "u-1", "Quantity": 6})

    function.invoke()

    assert function.metrics() == {
        Metric.TICKS: [1],
        Metric.COUNTED: [1],
        Metric.DUPLICATES: [1],
        Metric.QUARANTINED: [1],
        Metric.IN_QUARANTINE: [1],
        Metric.HOURS_SEALED: [23],
        Metric.OLDEST_UNBILLED: [pytest.approx(1200, abs=30)],
    }


def test_metrics_tell_what_became_of_records(function: Function, around: Around) -> None:
    around.send()
    function.invoke()
    function.lines()
    around.marketplace.inject(Fault("ThrottlingException"))
    around.clock.shift(3600)
    function.invoke()
    refused = function.metrics()

    function.invoke()
    accepted = function.metrics()

    assert refused == {
        Metric.TICKS: [1],
        Metric.HOURS_SEALED: [1],
        Metric.RECORDS_SENT: [1],
        Metric.CALLS_REFUSED: [1],
        Metric.RECORDS_UNFINISHED: [1],
        Metric.OLDEST_UNBILLED: [pytest.approx(80 * 60, abs=30)],
    }
    assert accepted == {
        Metric.TICKS: [1],
        Metric.RECORDS_SENT: [1],
        Metric.RECORDS_ACCEPTED: [1],
    }


def test_what_lies_in_quarantine_is_counted_when_an_hour_is_sealed(
    function: Function, around: Around
) -> None:
    around.send({"Quantity": -1})
    function.invoke()
    function.lines()
    found = []
    for minutes in (5, 60):
        around.clock.shift(minutes * 60)
        function.invoke()
        found.append(function.metrics().get(Metric.IN_QUARANTINE))

    assert found == [None, [1]]


def test_zeros_are_not_emitted(function: Function, around: Around) -> None:
    function.invoke()
    function.lines()

    function.invoke()

    assert function.metrics() == {Metric.TICKS: [1]}


def test_settings_reach_the_tick(
    function: Function, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "DIMENSIONS": '["users", "api-calls"]',
        "METERING_FROM": "2026-11-23T10:00:00+00:00",
        "PRODUCT_CODE": PRODUCT,
        "ID_MEMORY_HOURS": "30",
        "SETTLE_MINUTES": "15",
        "ENDING_SETTLE_MINUTES": "25",
    }.items():
        monkeypatch.setenv(name, value)
    around.send({"Timestamp": "2026-11-23T09:59:00Z"}, {"Dimension": "storage-gb"})

    answer = function.invoke()

    terms = wiring().terms
    assert answer["quarantined"] == {"before-metering-from": 1, "unknown-dimension": 1}
    assert terms.product_code == PRODUCT
    assert (terms.id_memory_hours, terms.settle_minutes, terms.ending_settle_minutes) == (
        30,
        15,
        25,
    )


@pytest.mark.parametrize("name", REQUIRED)
def test_a_variable_that_is_missing_is_named(
    function: Function, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(EnvironmentInvalidError, match=rf"^{name} is not set$"):
        function.invoke()

    assert any(name in each.get("exception", "") for each in function.lines())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DIMENSIONS", "users"),
        ("DIMENSIONS", '{"users": 1}'),
        ("DIMENSIONS", "[1]"),
        ("METERING_FROM", "yesterday"),
        ("METERING_FROM", "2026-11-23T10:00:00"),
        ("ID_MEMORY_HOURS", "1.5"),
        ("SETTLE_MINUTES", "-1"),
        ("ENDING_SETTLE_MINUTES", "soon"),
    ],
)
def test_a_variable_that_is_malformed_is_named_with_an_example(
    function: Function, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(EnvironmentInvalidError, match=rf"^{name} is .*, not a .* (such as|like) "):
        function.invoke()


def test_a_failure_is_logged_and_raised_and_consumes_nothing(
    function: Function, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.send()
    monkeypatch.setenv("LEDGER_TABLE", "elsewhere")

    with pytest.raises(ClientError):
        function.invoke()
    [line] = [each for each in function.lines() if each.get("level") == "ERROR"]
    monkeypatch.setenv("LEDGER_TABLE", "ledger")
    wiring.cache_clear()
    answer = function.invoke()

    assert line["message"].startswith("The tick failed")
    assert "ResourceNotFoundException" in line["exception"]
    assert answer["counted"] == 1


def test_an_invocation_that_fails_before_it_did_anything_emits_no_metrics(
    function: Function, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_QUEUE_URL", f"{around.queue_url}-elsewhere")

    with pytest.raises(ClientError):
        function.invoke()

    assert not any("_aws" in each for each in function.lines())


def leave_to_expire(function: Function, around: Around) -> None:
    """Let usage be counted, and its window pass before anybody seals it."""
    around.send()
    function.invoke()
    around.clock.shift(25 * 3600)
    function.lines()


def invoke_in_vain(function: Function) -> None:
    """Invoke the function in a new container, whose last write gets no connection."""

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["Item"]["pk"] == {"S": "settled"}:
            raise EndpointConnectionError(endpoint_url="dynamodb")

    wiring.cache_clear()
    events, event = boto3.DEFAULT_SESSION.events, "provide-client-params.dynamodb.PutItem"
    events.register(event, refuse)
    with pytest.raises(EndpointConnectionError):
        function.invoke()
    events.unregister(event, refuse)
    wiring.cache_clear()


def test_an_invocation_that_fails_tells_what_became_of_records_but_is_no_tick(
    function: Function, around: Around
) -> None:
    leave_to_expire(function, around)

    invoke_in_vain(function)
    told = function.metrics()
    function.invoke()
    then = function.metrics()

    assert told == {Metric.HOURS_SEALED: [25], Metric.RECORDS_EXPIRED: [1]}
    assert then == {Metric.TICKS: [1]}


def test_the_log_names_the_records_of_an_invocation_that_fails(
    function: Function, around: Around
) -> None:
    leave_to_expire(function, around)

    invoke_in_vain(function)

    [line] = [each for each in function.lines() if each.get("level") == "ERROR"]
    assert "EndpointConnectionError" in line["exception"]
    assert [each["license"] for each in line["summary"]["attention"]] == [around.buyer.key]


def test_an_invocation_with_no_time_left_leaves_the_queue_alone(
    function: Function, around: Around
) -> None:
    around.send()

    late = function.invoke(remaining_s=15)
    then = function.invoke()

    assert (late["out_of_time"], late["messages"]) == (True, 0)
    assert then["counted"] == 1


def test_a_container_connects_once(function: Function, around: Around) -> None:
    function.invoke()
    before = wiring()
    function.invoke()

    assert wiring() is before


def test_a_call_of_aws_marketplace_is_never_repeated_by_the_sdk(
    function: Function, around: Around
) -> None:
    around.send()
    function.invoke()
    around.clock.shift(3600)
    around.marketplace.inject(Fault("InternalServiceErrorException"))

    answer = function.invoke()

    assert [each.outcome for each in around.marketplace.calls()] == [
        "InternalServiceErrorException",
        "OK",
    ]
    assert answer["calls"] == 2


def test_aws_marketplace_is_called_in_the_metering_region(function: Function) -> None:
    sqs, dynamodb, marketplace = connect("eu-west-1", connections=1)

    assert marketplace.meta.region_name == "eu-west-1"
    assert {sqs.meta.region_name, dynamodb.meta.region_name} == {"us-east-1"}
