"""Events of the emulator: their shapes, as captured and documented, and their times."""

import json
from datetime import timedelta
from typing import Any

import pytest

from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.events import Timing
from tests.unit.marketplace_stage import (
    BUYER,
    DIMENSIONS,
    HOUR,
    LEGACY_PRODUCT,
    NOW,
    PRODUCT,
    Stage,
)

SELLER = "444455556666"


def a_purchase(**options: Any) -> Stage:
    """A stage on which the buyer has bought one more license, as it really goes."""
    stage = Stage()
    stage.hush()
    stage.now += timedelta(milliseconds=13)
    stage.bought = stage.buy(state="as-real", starts_at=None, **options)
    stage.wait(minutes=2)
    return stage


def test_a_purchase_is_told_as_it_was_captured() -> None:
    stage = a_purchase()

    event = stage.body("Purchase Agreement Created")

    assert event == {
        "version": "0",
        "id": event["id"],
        "detail-type": "Purchase Agreement Created - Proposer",
        "source": "aws.agreement-marketplace",
        "account": SELLER,
        "time": "2026-11-23T10:20:11Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:aws-marketplace::aws:agreement:{stage.bought.agreement_id}"],
        "detail": {
            "requestId": event["detail"]["requestId"],
            "catalog": "AWSMarketplace",
            "acceptor": {"accountId": BUYER},
            "proposer": {"accountId": SELLER},
            "agreement": {
                "id": stage.bought.agreement_id,
                "intent": "NEW",
                "status": "ACTIVE",
                "acceptanceTime": "2026-11-23T10:20:00.013Z",
                "startTime": "2026-11-23T10:20:00.013Z",
                "endTime": "9999-01-01T00:00:00Z",
            },
            "offer": {"id": stage.bought.offer_id},
            "resaleAuthorization": {"id": None},
        },
    }


def test_an_activation_joins_agreement_product_and_license() -> None:
    stage = a_purchase()

    event = stage.body("License Updated")

    assert event["detail-type"] == "License Updated - Manufacturer"
    assert event["time"] == "2026-11-23T10:21:12Z"
    assert event["detail"] == {
        "requestId": event["detail"]["requestId"],
        "catalog": "AWSMarketplace",
        "acceptor": {"accountId": BUYER},
        "proposer": {"accountId": SELLER},
        "agreement": {"id": stage.bought.agreement_id},
        "license": {"arn": stage.bought.license_arn},
        "offer": {"id": stage.bought.offer_id},
        "product": {"code": PRODUCT, "id": "prod-5b2c1c28e2cef"},
    }


def test_an_end_names_neither_offer_nor_license() -> None:
    stage = a_purchase()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(seconds=2)

    event = stage.body("Purchase Agreement Ended")

    assert event["detail-type"] == "Purchase Agreement Ended - Proposer"
    assert event["detail"] == {
        "requestId": event["detail"]["requestId"],
        "catalog": "AWSMarketplace",
        "acceptor": {"accountId": BUYER},
        "proposer": {"accountId": SELLER},
        "agreement": {"id": stage.bought.agreement_id, "status": "CANCELLED"},
        "resaleAuthorization": {"id": None},
    }


def test_the_license_is_withdrawn_half_a_minute_after_the_end() -> None:
    stage = a_purchase()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(minutes=1)

    assert stage.body("Purchase Agreement Ended")["time"] == "2026-11-23T10:22:02Z"
    assert stage.body("License Deprovisioned")["time"] == "2026-11-23T10:22:33Z"


def test_a_withdrawn_license_is_shaped_like_an_updated_one() -> None:
    stage = a_purchase()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(minutes=1)

    updated, gone = (stage.body(name)["detail"] for name in ("License Updated", "License Depr"))

    assert updated | {"requestId": ""} == gone | {"requestId": ""}


def test_a_contract_has_an_end() -> None:
    stage = a_purchase(ends_at=NOW + timedelta(days=30))

    agreement = stage.body("Purchase Agreement Created")["detail"]["agreement"]

    assert agreement["endTime"] == "2026-12-23T10:20:00Z"


def test_a_renewal_names_product_seller_and_predecessor() -> None:
    stage = a_purchase(ends_at=NOW + timedelta(days=30))
    renewed = stage.marketplace.succeed(stage.bought.license_arn, "RENEW")
    stage.wait(minutes=2)

    detail = stage.body("Purchase Agreement Created")["detail"]

    assert detail["agreement"]["intent"] == "RENEW"
    assert detail["agreement"]["id"] == renewed.agreement_id
    assert detail["agreement"]["previousAgreementId"] == stage.bought.agreement_id
    assert detail["product"] == {"id": "prod-5b2c1c28e2cef", "title": "Example product"}
    assert detail["proposer"] == {"name": "Example seller", "accountId": SELLER}
    assert "resaleAuthorization" not in detail


def test_an_amendment_says_whether_it_renews() -> None:
    stage = a_purchase(ends_at=NOW + timedelta(days=60))
    stage.marketplace.amend(stage.bought.license_arn, auto_renew=True)
    stage.wait(minutes=2)

    detail = stage.body("Purchase Agreement Amended")["detail"]

    assert detail["agreement"]["intent"] == "AMEND"
    assert detail["agreement"]["autoRenewalEnabled"] is True
    assert detail["renewalSummary"] == {
        "lockoutStartTime": "2026-12-22T10:20:00Z",
        "disabledBy": None,
    }


def test_every_event_has_an_id_of_its_own() -> None:
    stage = a_purchase()
    stage.buy()

    ids = [event.body["id"] for event in stage.marketplace.events()]

    assert len(set(ids)) == len(ids) == 6


def test_events_are_the_same_for_the_same_seed() -> None:
    first, second = (Stage(seed=7).marketplace.events() for _ in range(2))

    assert first == second


def test_events_do_not_disturb_other_ids() -> None:
    quiet, asked = Stage(seed=7), Stage(seed=7)
    asked.marketplace.events()

    assert quiet.buy() == asked.buy()


def test_nothing_is_told_before_its_time() -> None:
    stage = Stage()
    after = stage.hush()
    stage.buy(state="as-real", starts_at=None)

    told = []
    for _ in range(4):
        stage.wait(seconds=18)
        told.append(stage.told(after))

    assert told == [["Purchase Agreement Created"]] * 3 + [
        ["Purchase Agreement Created", "License Updated"]
    ]


def test_a_cursor_takes_each_event_once() -> None:
    stage = a_purchase()
    taken = stage.marketplace.events_since(0)
    stage.buy()

    more = stage.marketplace.events_since(taken[-1].cursor)

    assert [event.cursor for event in taken + more] == [1, 2, 3, 4, 5, 6]


def test_events_come_in_the_order_of_their_times() -> None:
    stage = Stage()
    stage.buy(starts_at=NOW - 2 * HOUR)
    stage.buy(starts_at=NOW - 3 * HOUR)

    times = [event.at for event in stage.marketplace.events()]

    assert times == sorted(times)


def test_a_purchase_of_days_ago_was_told_days_ago() -> None:
    stage = Stage()

    assert stage.body("License Updated")["time"] == "2026-11-20T10:21:12Z"


def test_pauses_can_be_set() -> None:
    stage = Stage()
    after = stage.hush()
    stage.marketplace.set_timing(Timing(created_seconds=0, license_updated_seconds=5))
    stage.buy(state="as-real", starts_at=None)

    stage.wait(seconds=5)

    assert stage.told(after) == ["Purchase Agreement Created", "License Updated"]


def test_a_license_can_be_withdrawn_before_its_agreement_ends() -> None:
    stage = Stage(timing=Timing(deprovisioned_seconds=-31))
    after = stage.hush()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")

    stage.wait(minutes=1)

    assert stage.told(after) == ["License Deprovisioned", "Purchase Agreement Ended"]


def test_no_other_pause_is_negative() -> None:
    with pytest.raises(Unacceptable, match="ended_seconds"):
        Timing(ended_seconds=-1)


def test_a_legacy_purchase_is_told_by_topic() -> None:
    stage = Stage()
    bought = stage.buy_legacy()

    notification = stage.body("subscribe-success")

    assert notification["Type"] == "Notification"
    assert notification["TopicArn"] == (
        f"arn:aws:sns:us-east-1:123456789012:aws-mp-subscription-notification-{LEGACY_PRODUCT}"
    )
    assert notification["Timestamp"] == "2026-11-20T10:21:12Z"
    assert json.loads(notification["Message"]) == {
        "action": "subscribe-success",
        "customer-identifier": bought.customer_identifier,
        "product-code": LEGACY_PRODUCT,
        "offer-identifier": bought.offer_id,
        "isFreeTrialTermPresent": "false",
    }


def test_a_legacy_free_trial_is_told_as_text() -> None:
    stage = Stage()
    stage.buy_legacy(free_trial_days=14)

    message = json.loads(stage.body("subscribe-success")["Message"])

    assert message["isFreeTrialTermPresent"] == "true"


def test_a_legacy_entitlement_has_a_topic_of_its_own() -> None:
    stage = Stage()
    bought = stage.buy_legacy(entitlements={"users": 5})

    notification = stage.body("entitlement-updated")

    assert notification["TopicArn"].endswith(f":aws-mp-entitlement-notification-{LEGACY_PRODUCT}")
    assert json.loads(notification["Message"]) == {
        "action": "entitlement-updated",
        "customer-identifier": bought.customer_identifier,
        "product-code": LEGACY_PRODUCT,
    }


def test_the_listing_names_product_and_seller() -> None:
    stage = Stage()
    stage.marketplace.list_product(
        product_code="other", product_id="prod-other", seller_account="999900001111"
    )
    stage.marketplace.purchase("other", BUYER, DIMENSIONS)
    stage.wait(minutes=2)

    event = stage.body("License Updated")

    assert event["account"] == event["detail"]["proposer"]["accountId"] == "999900001111"
    assert event["detail"]["product"] == {"code": "other", "id": "prod-other"}
