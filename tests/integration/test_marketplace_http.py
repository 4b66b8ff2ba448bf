"""The Marketplace emulator over HTTP: for any SDK, and for whoever sets the stage."""

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from sandbox.clock import Clock
from tests.integration.marketplace_visitor import (
    BUYER,
    NINE,
    NOW,
    PRODUCT,
    PURCHASE,
    Visitor,
    a_visit,
)


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    with a_visit(monkeypatch) as visitor:
        yield visitor


def test_a_purchase_is_registered_metered_and_billed(visitor: Visitor) -> None:
    bought = visitor.buy()
    customer = visitor.client.resolve_customer(RegistrationToken=bought["registration_token"])

    answer = visitor.client.batch_meter_usage(
        UsageRecords=[visitor.record({"license_arn": customer["LicenseArn"]})]
    )

    assert customer["Metadata"]["AgreementId"] == bought["agreement_id"]
    assert [result["Status"] for result in answer["Results"]] == ["Success"]
    assert visitor.usage() == [
        {
            "license_arn": bought["license_arn"],
            "product_code": PRODUCT,
            "account": BUYER,
            "dimension": "users",
            "hour": "2026-11-23T09:00:00Z",
            "quantity": "3",
        }
    ]


@pytest.mark.parametrize(
    ("text", "billed"), [("17.420000", "17.42"), ("100", "100"), ("0.000001", "0.000001")]
)
def test_quantities_are_billed_as_exact_text(visitor: Visitor, text: str, billed: str) -> None:
    record = visitor.record(visitor.buy())
    del record["Quantity"]

    visitor.client.batch_meter_usage(UsageRecords=[record | {"QuantityAsDecimal": text}])

    assert [line["quantity"] for line in visitor.usage()] == [billed]


def test_the_buyers_side_is_served_too(visitor: Visitor) -> None:
    visitor.buy()

    metered = visitor.client.meter_usage(
        ProductCode=PRODUCT, Timestamp=NINE, UsageDimension="users", UsageQuantity=3
    )
    registered = visitor.client.register_usage(ProductCode=PRODUCT, PublicKeyVersion=1)

    assert metered["MeteringRecordId"]
    assert registered["Signature"].count(".") == 2


def test_a_rule_that_is_broken_is_a_modelled_exception(visitor: Visitor) -> None:
    record = visitor.record(visitor.buy(), Dimension="seats")

    with pytest.raises(visitor.client.exceptions.InvalidUsageDimensionException) as error:
        visitor.client.batch_meter_usage(UsageRecords=[record])

    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_fault_strikes_over_http(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/faults", {"fault": "applied-but-500"})

    with pytest.raises(visitor.client.exceptions.InternalServiceErrorException) as error:
        visitor.client.batch_meter_usage(UsageRecords=[visitor.record(visitor.buy())])

    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert len(visitor.usage()) == 1


def test_a_lost_answer_closes_the_connection(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/faults", {"fault": "timeout-after"})

    with pytest.raises(ConnectionClosedError):
        visitor.client.batch_meter_usage(UsageRecords=[visitor.record(visitor.buy())])

    assert len(visitor.usage()) == 1


def test_a_lost_answer_may_keep_the_client_waiting(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/faults", {"fault": "timeout-before", "hang_seconds": 2})
    client = visitor.new_client(read_timeout=0.2)

    with pytest.raises(ReadTimeoutError):
        client.batch_meter_usage(UsageRecords=[visitor.record(visitor.buy())])

    assert visitor.usage() == []


def test_a_hanging_call_does_not_keep_others_waiting(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/faults", {"fault": "timeout-before", "hang_seconds": 5})
    bought = visitor.buy()
    with pytest.raises(ReadTimeoutError):
        visitor.new_client(read_timeout=0.1).batch_meter_usage(UsageRecords=[])

    answer = visitor.client.batch_meter_usage(UsageRecords=[visitor.record(bought)])

    assert answer["Results"][0]["Status"] == "Success"


def test_pending_faults_are_listed_and_forgotten(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/faults", {"fault": "unprocessed", "times": 3, "records": 1})
    visitor.client.batch_meter_usage(UsageRecords=[])

    _, listed = visitor.ask("GET", "/emulator/faults")
    _, left = visitor.ask("DELETE", "/emulator/faults")

    assert [(fault["fault"], fault["times"]) for fault in listed["faults"]] == [("unprocessed", 2)]
    assert left == {"faults": []}


def test_a_fault_that_was_listed_can_be_injected_again(visitor: Visitor) -> None:
    _, listed = visitor.ask("POST", "/emulator/faults", {"fault": "omit", "times": None})

    status, _ = visitor.ask("POST", "/emulator/faults", listed["faults"][0])

    assert status == 200


def test_calls_are_listed(visitor: Visitor) -> None:
    visitor.client.batch_meter_usage(UsageRecords=[visitor.record(visitor.buy())])

    assert visitor.ask("GET", "/emulator/calls") == (
        200,
        {
            "calls": [
                {
                    "at": "2026-11-23T10:20:00Z",
                    "region": "us-east-1",
                    "operation": "BatchMeterUsage",
                    "records": 1,
                    "outcome": "OK",
                    "statuses": {"Success": 1},
                    "fault": None,
                }
            ]
        },
    )


def test_the_clock_moves_the_window(visitor: Visitor) -> None:
    record = visitor.record(visitor.buy())

    moved = visitor.ask("POST", "/emulator/clock", {"now": "2026-11-24T09:00:00Z"})

    assert moved == (200, {"now": "2026-11-24T09:00:00Z", "speed": 0.0})
    with pytest.raises(visitor.client.exceptions.TimestampOutOfBoundsException):
        visitor.client.batch_meter_usage(UsageRecords=[record])


def test_the_clock_can_be_advanced(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/clock", {"advance_seconds": 90.5})

    assert visitor.ask("GET", "/emulator/clock")[1]["now"] == "2026-11-23T10:21:30.500000Z"


def test_the_clock_can_run_fast(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/clock", {"speed": 86_400})

    later = visitor.ask("GET", "/emulator/clock")[1]

    assert (later["speed"], later["now"] > "2026-11-23T10:20:01Z") == (86_400, True)


def test_a_license_goes_through_its_life(visitor: Visitor) -> None:
    arn = visitor.buy(state="pending", starts_at=None)["license_arn"]

    states = [
        visitor.ask("POST", "/emulator/licenses", {"license_arn": arn, "change": change})[1][
            "state"
        ]
        for change in ("activate", "suspend", "activate", "cancel", "end")
    ]

    assert states == ["active", "suspended", "active", "ending", "ended"]


def test_a_change_of_a_license_tells_its_times(visitor: Visitor) -> None:
    bought = visitor.buy()

    _, reply = visitor.ask(
        "POST", "/emulator/licenses", {"license_arn": bought["license_arn"], "change": "cancel"}
    )

    assert reply == {
        "license_arn": bought["license_arn"],
        "agreement_id": bought["agreement_id"],
        "product_code": PRODUCT,
        "account": BUYER,
        "state": "ending",
        "starts_at": "2026-11-20T09:00:00Z",
        "ends_at": "2026-11-23T10:20:00Z",
        "report_until": "2026-11-23T11:20:00Z",
    }


def test_a_legacy_purchase_has_an_identifier(visitor: Visitor) -> None:
    bought = visitor.buy(product_code="old", legacy=True, customer_identifier="X01EXAMPLEX")

    assert bought["customer_identifier"] == "X01EXAMPLEX"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("purchases", "{", "body"),
        ("purchases", [], "body"),
        ("purchases", {}, "product_code"),
        ("purchases", PURCHASE | {"account": 111122223333}, "account"),
        ("purchases", PURCHASE | {"account": "1"}, "account"),
        ("purchases", PURCHASE | {"dimensions": "users"}, "dimensions"),
        ("purchases", PURCHASE | {"dimensions": [1]}, "dimensions"),
        ("purchases", PURCHASE | {"legacy": "yes"}, "legacy"),
        ("purchases", PURCHASE | {"state": "ended"}, "state"),
        ("purchases", PURCHASE | {"starts_at": "yesterday"}, "starts_at"),
        ("purchases", PURCHASE | {"starts_at": "2026-11-20T09:00:00"}, "starts_at"),
        ("purchases", PURCHASE | {"acount": "111122223333"}, "acount"),
        ("licenses", {"license_arn": "l-1", "change": "cancel"}, "license_arn"),
        ("licenses", {"change": "cancel"}, "license_arn"),
        ("faults", {"fault": "explode"}, "fault"),
        ("faults", {"fault": "omit", "times": 1.5}, "times"),
        ("faults", {"fault": "omit", "times": True}, "times"),
        ("faults", {"fault": "omit", "probability": "often"}, "probability"),
        ("faults", {"fault": "omit", "operation": "MeterUsage"}, "operation"),
        ("clock", {}, "body"),
        ("clock", {"now": None}, "body"),
        ("clock", {"speed": 1, "advance_seconds": 1}, "body"),
        ("clock", {"now": "2026-11-23"}, "now"),
        ("clock", {"now": "9999-01-01T00:00:00Z"}, "now"),
        ("clock", {"speed": -1}, "speed"),
        ("clock", {"speed": 1_000_000}, "speed"),
        ("clock", {"advance_seconds": "1"}, "advance_seconds"),
        ("clock", {"advance_seconds": 10**400}, "advance_seconds"),
        ("clock", {"sped": 1}, "sped"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_the_field(
    visitor: Visitor, path: str, body: Any, field: str
) -> None:
    status, reply = visitor.ask("POST", f"/emulator/{path}", body)

    assert (status, reply["field"]) == (400, field)


def test_a_refusal_says_what_was_sent_and_what_should_be(visitor: Visitor) -> None:
    _, reply = visitor.ask("POST", "/emulator/purchases", PURCHASE | {"account": "12"})

    assert reply == {
        "message": 'account must be an AWS account id of 12 digits; it is "12"',
        "field": "account",
        "was": "12",
        "expected": "an AWS account id of 12 digits",
    }


def test_a_refused_move_leaves_the_clock_alone(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/clock", {"speed": 60, "sped": 1})

    assert visitor.ask("GET", "/emulator/clock")[1] == {"now": "2026-11-23T10:20:00Z", "speed": 0.0}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_route_is_not_found(visitor: Visitor, method: str) -> None:
    status, reply = visitor.ask(method, "/emulator/prices", "{}")

    assert (status, "/emulator/purchases" in reply["message"]) == (404, True)


def test_a_route_takes_only_its_methods(visitor: Visitor) -> None:
    status, reply = visitor.ask("DELETE", "/emulator/usage")

    assert (status, reply["message"]) == (405, "/emulator/usage takes GET")


def test_a_call_of_another_service_is_an_unknown_operation(visitor: Visitor) -> None:
    target = {"X-Amz-Target": "AWSMPDiscovery.SearchListings"}

    status, reply = visitor.ask("POST", "/", {"ProductCode": PRODUCT}, target)

    assert (status, reply["__type"]) == (400, "UnknownOperationException")


def test_a_request_that_is_too_large_is_refused_by_the_rules(visitor: Visitor) -> None:
    target = {"X-Amz-Target": "AWSMPMeteringService.BatchMeterUsage"}

    status, reply = visitor.ask(
        "POST", "/", {"UsageRecords": [], "Padding": "x" * 2_000_000}, target
    )

    assert (status, reply["__type"]) == (400, "ValidationException")


@pytest.mark.parametrize("length", ["-1", "ten", str(17 * 1024 * 1024)])
def test_a_body_nobody_would_send_is_refused_unread(visitor: Visitor, length: str) -> None:
    status, reply = visitor.ask("POST", "/", "{}", {"Content-Length": length})

    assert (status, "at most" in reply["message"]) == (413, True)


def test_one_connection_serves_many_calls(visitor: Visitor) -> None:
    connection = http.client.HTTPConnection(urlsplit(visitor.url).netloc, timeout=10)
    connection.connect()
    port = connection.sock.getsockname()[1]

    for _ in range(50):
        connection.request("GET", "/emulator/clock")
        connection.getresponse().read()

    assert connection.sock.getsockname()[1] == port
    connection.close()


def test_concurrent_calls_lose_nothing_and_bill_nothing_twice(visitor: Visitor) -> None:
    bought = visitor.buy()
    records = [
        visitor.record(
            bought, Timestamp=NINE - timedelta(hours=hour), Dimension=dimension, Quantity=hour + 1
        )
        for hour in range(20)
        for dimension in ("users", "storage-gb")
    ]

    def send(shift: int) -> None:
        for record in records[shift:] + records[:shift]:
            visitor.client.batch_meter_usage(UsageRecords=[record])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, range(0, 40, 5)))

    assert sum(int(line["quantity"]) for line in visitor.usage()) == 2 * sum(range(1, 21))
    assert len(visitor.ask("GET", "/emulator/calls")[1]["calls"]) == 320


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Run the emulator alone; returns its process and URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.marketplace.http", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().rpartition(" ")[2].strip()


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    return process.returncode


def test_the_emulator_runs_alone_and_publishes_its_clock(tmp_path: Path) -> None:
    process, url = start("--clock-file", str(tmp_path / "clock"))

    Visitor(url).ask("POST", "/emulator/clock", {"now": "2026-11-23T10:20:00Z"})

    assert abs(Clock.read(tmp_path / "clock").now() - NOW) < timedelta(seconds=60)
    assert stop(process) == 0


def test_the_emulator_follows_a_clock_that_is_there(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock", start=NOW, speed=0)
    process, url = start("--clock-file", str(tmp_path / "clock"))

    clock.advance(3_600)

    assert Visitor(url).ask("GET", "/emulator/clock")[1]["now"] == "2026-11-23T11:20:00Z"
    assert stop(process) == 0


def test_the_emulator_throttles_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    process, url = start("--throttling")
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING", url)
    visitor = Visitor(url)
    visitor.ask("POST", "/emulator/clock", {"speed": 0})
    for _ in range(10):
        visitor.client.batch_meter_usage(UsageRecords=[])

    with pytest.raises(ClientError, match="ThrottlingException"):
        visitor.client.batch_meter_usage(UsageRecords=[])

    assert stop(process) == 0
