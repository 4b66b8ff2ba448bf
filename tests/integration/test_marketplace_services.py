"""Entitlements, agreements and events over HTTP, with the clients of all three services."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.marketplace_visitor import BUYER, PRODUCT, Visitor, a_visit

PROPOSER = [
    {"name": "PartyType", "values": ["Proposer"]},
    {"name": "AgreementType", "values": ["PurchaseAgreement"]},
]
AS_REAL = {"state": "as-real", "starts_at": None}


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    with a_visit(monkeypatch) as visitor:
        yield visitor


def wait(visitor: Visitor, seconds: float) -> None:
    """Let emulated time pass."""
    visitor.ask("POST", "/emulator/clock", {"advance_seconds": seconds})


def told(visitor: Visitor, after: int = 0) -> list[str]:
    """The names of the events after a cursor."""
    return [
        each["name"] for each in visitor.ask("GET", f"/emulator/events?after={after}")[1]["events"]
    ]


def test_a_contract_is_entitled_and_agreed(visitor: Visitor) -> None:
    bought = visitor.buy(entitlements={"users": 50}, ends_at="2027-11-20T09:00:00Z")

    pages = visitor.new_client("marketplace-entitlement").get_paginator("get_entitlements")
    (entitlement,) = pages.paginate(ProductCode=PRODUCT).search("Entitlements")
    agreements = visitor.new_client("marketplace-agreement")
    (summary,) = agreements.search_agreements(filters=PROPOSER)["agreementViewSummaries"]

    assert entitlement["Value"] == {"IntegerValue": 50}
    assert entitlement["ExpirationDate"].isoformat() == "2027-11-20T09:00:00+00:00"
    assert summary["entitlements"] == [{"licenseArn": bought["license_arn"]}]
    assert summary["agreementId"] == bought["agreement_id"]


def test_an_error_of_the_agreement_service_has_its_modelled_type(visitor: Visitor) -> None:
    client = visitor.new_client("marketplace-agreement")

    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_agreement(agreementId="agmt-none")


def test_throttling_of_the_agreement_service_is_its_own_status(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/faults", {"fault": "ThrottlingException", "operation": "*"})
    client = visitor.new_client("marketplace-agreement")

    with pytest.raises(client.exceptions.ThrottlingException) as error:
        client.search_agreements(filters=PROPOSER)

    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_events_are_fetched_by_cursor(visitor: Visitor) -> None:
    visitor.buy(**AS_REAL)
    wait(visitor, 11)
    _, first = visitor.ask("GET", "/emulator/events?after=0")
    wait(visitor, 61)

    _, second = visitor.ask("GET", f"/emulator/events?after={first['cursor']}")
    _, third = visitor.ask("GET", f"/emulator/events?after={second['cursor']}")

    assert [each["name"] for each in first["events"]] == ["Purchase Agreement Created - Proposer"]
    assert [each["name"] for each in second["events"]] == ["License Updated - Manufacturer"]
    assert third == {"events": [], "cursor": 2}


def test_an_event_comes_whole(visitor: Visitor) -> None:
    bought = visitor.buy(**AS_REAL)
    wait(visitor, 11)

    (event,) = visitor.ask("GET", "/emulator/events")[1]["events"]

    assert (event["cursor"], event["channel"]) == (1, "eventbridge")
    assert event["at"] == event["body"]["time"] == "2026-11-23T10:20:11Z"
    assert event["body"]["detail"]["agreement"]["id"] == bought["agreement_id"]


@pytest.mark.parametrize("after", ["-1", "one", "1.5"])
def test_a_cursor_that_is_none_is_refused(visitor: Visitor, after: str) -> None:
    status, reply = visitor.ask("GET", f"/emulator/events?after={after}")

    assert (status, reply["field"]) == (400, "after")


def test_events_can_be_diverted(visitor: Visitor) -> None:
    _, pending = visitor.ask("POST", "/emulator/delivery", {"kind": "twice", "event": "License"})
    visitor.buy(**AS_REAL)
    wait(visitor, 72)

    assert pending["detours"][0]["times"] == 1
    assert told(visitor) == [
        "Purchase Agreement Created - Proposer",
        "License Updated - Manufacturer",
        "License Updated - Manufacturer",
    ]


def test_detours_are_forgotten(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/delivery", {"kind": "lost", "times": None})

    cleared = visitor.ask("DELETE", "/emulator/delivery")

    assert cleared == visitor.ask("GET", "/emulator/delivery") == (200, {"detours": []})


def test_pauses_are_changed_one_by_one(visitor: Visitor) -> None:
    _, before = visitor.ask("GET", "/emulator/timing")

    changed = visitor.ask("POST", "/emulator/timing", {"deprovisioned_seconds": -31})

    assert changed == (200, before | {"deprovisioned_seconds": -31})


def test_the_product_page_is_changed_one_by_one(visitor: Visitor) -> None:
    url = "https://localhost:1234/v1/register"
    _, before = visitor.ask("GET", "/emulator/listing")

    changed = visitor.ask(
        "POST", "/emulator/listing", {"fulfillment_url": url, "dimensions": ["users", "seats"]}
    )

    expected = before | {"fulfillment_url": url, "dimensions": ["users", "seats"]}
    assert changed == (200, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"fulfillment_url": "ftp://example.com"},
        {"dimensions": []},
        {"free_trial_days": 5},
        {"contract_months": 7},
        {"seller_account": "12"},
        {"fulfilment_url": "https://example.com"},
    ],
)
def test_a_product_page_that_makes_no_sense_is_refused(
    visitor: Visitor, change: dict[str, Any]
) -> None:
    status, reply = visitor.ask("POST", "/emulator/listing", change)

    assert (status, [reply["field"]]) == (400, list(change))


def test_a_buyer_who_comes_back_gets_a_token(visitor: Visitor) -> None:
    bought = visitor.buy()

    _, reply = visitor.ask("POST", "/emulator/tokens", {"license_arn": bought["license_arn"]})
    customer = visitor.client.resolve_customer(RegistrationToken=reply["registration_token"])

    assert customer["LicenseArn"] == bought["license_arn"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"change": "amend", "ends_at": "2027-01-01T00:00:00Z"}, "Purchase Agreement Amended"),
        ({"change": "renew"}, "Purchase Agreement Created"),
        ({"change": "replace", "new_license": True}, "Purchase Agreement Created"),
    ],
)
def test_agreements_change_over_http(visitor: Visitor, change: Any, name: str) -> None:
    bought = visitor.buy(entitlements={"users": 5})

    status, reply = visitor.ask(
        "POST", "/emulator/agreements", {"license_arn": bought["license_arn"]} | change
    )
    wait(visitor, 11)

    assert (status, "agreement_id" in reply) == (200, True)
    assert told(visitor, after=2)[0].startswith(name)


@pytest.mark.parametrize(
    "change",
    [
        {"change": "end"},
        {"change": "amend", "new_license": True},
        {"change": "renew", "auto_renew": True},
    ],
)
def test_a_change_nobody_knows_is_refused(visitor: Visitor, change: dict[str, Any]) -> None:
    arn = visitor.buy()["license_arn"]

    status, reply = visitor.ask("POST", "/emulator/agreements", {"license_arn": arn} | change)

    assert (status, reply["field"]) == (400, "change")


def test_a_purchase_tells_its_offer(visitor: Visitor) -> None:
    bought = visitor.buy(account=BUYER)

    assert bought["offer_id"].startswith("offer-")
