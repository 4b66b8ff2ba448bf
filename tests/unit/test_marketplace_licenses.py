"""Licenses: what can be bought, and what may be metered in which part of a license's life."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.marketplace.errors import Unacceptable
from tests.unit.marketplace_stage import (
    BUYER,
    DIMENSIONS,
    HOUR,
    NINE,
    NOW,
    PRODUCT,
    UNKNOWN_LICENSE,
    Stage,
)


def test_a_license_arn_looks_like_a_real_one() -> None:
    arn = Stage().bought.license_arn

    assert arn.startswith("arn:aws:license-manager::777788889999:license:l-")
    assert len(arn.rpartition("-")[2]) == 32


def test_purchases_are_the_same_for_the_same_seed() -> None:
    assert Stage(seed=7).bought == Stage(seed=7).bought
    assert Stage(seed=7).bought != Stage(seed=8).bought


def test_a_pending_license_is_not_subscribed() -> None:
    stage = Stage()
    pending = stage.buy(state="pending")

    assert stage.send(stage.record(LicenseArn=pending.license_arn)) == ["CustomerNotSubscribed"]


def test_what_is_not_subscribed_is_not_billed() -> None:
    stage = Stage()
    pending = stage.buy(state="pending")

    stage.send(stage.record(LicenseArn=pending.license_arn))

    assert stage.billed() == {}


def test_an_activated_license_is_metered_from_then_on() -> None:
    stage = Stage()
    pending = stage.buy(state="pending")
    stage.marketplace.change_license(pending.license_arn, "activate", NINE)

    record = stage.record(LicenseArn=pending.license_arn)

    assert stage.send(record) == ["Success"]


def test_usage_before_the_activation_fails_the_call() -> None:
    stage = Stage()
    pending = stage.buy(state="pending")
    stage.marketplace.change_license(pending.license_arn, "activate", NINE)

    record = stage.record(
        LicenseArn=pending.license_arn, Timestamp=NINE - timedelta(milliseconds=1)
    )

    assert stage.refusal(record) == "InvalidLicenseException"


def test_a_license_begins_by_itself_when_its_agreement_does() -> None:
    stage = Stage()
    later = stage.buy(state="pending", starts_at=NOW + HOUR)
    stage.now = NOW + HOUR

    record = stage.record(LicenseArn=later.license_arn, Timestamp=NOW + HOUR)

    assert stage.send(record) == ["Success"]


def test_a_license_begins_at_a_whole_millisecond() -> None:
    stage = Stage()
    stage.now = NOW + timedelta(microseconds=400)
    bought = stage.marketplace.purchase(PRODUCT, BUYER, DIMENSIONS)

    record = stage.record(LicenseArn=bought.license_arn, Timestamp=NOW)

    assert stage.send(record) == ["Success"]


def test_a_suspended_account_is_not_subscribed() -> None:
    stage = Stage()

    stage.marketplace.change_license(stage.bought.license_arn, "suspend")

    assert stage.send(stage.record()) == ["CustomerNotSubscribed"]


def test_a_suspension_can_be_taken_back() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "suspend")

    stage.marketplace.change_license(stage.bought.license_arn, "activate")

    assert stage.send(stage.record()) == ["Success"]


@pytest.mark.parametrize(
    ("minutes", "status"), [(0, "Success"), (59, "Success"), (60, "CustomerNotSubscribed")]
)
def test_a_cancelled_license_has_an_hour_to_report(minutes: int, status: str) -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")

    stage.now = NOW + timedelta(minutes=minutes)

    assert stage.send(stage.record()) == [status]


def test_usage_of_the_moment_of_a_cancellation_is_taken() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")

    assert stage.send(stage.record(Timestamp=NOW)) == ["Success"]


def test_usage_after_a_cancellation_fails_the_call() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.now = NOW + timedelta(minutes=30)

    record = stage.record(Timestamp=NOW + timedelta(minutes=1))

    assert stage.refusal(record) == "InvalidLicenseException"


def test_a_second_cancellation_gives_no_second_hour() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.now = NOW + timedelta(minutes=59)
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")

    stage.now = NOW + timedelta(minutes=60)

    assert stage.send(stage.record()) == ["CustomerNotSubscribed"]


def test_a_license_cancelled_as_it_began_has_its_hour() -> None:
    stage = Stage()
    brief = stage.buy(starts_at=NOW)
    stage.marketplace.change_license(brief.license_arn, "cancel")

    record = stage.record(LicenseArn=brief.license_arn, Timestamp=NOW)

    assert stage.send(record) == ["Success"]


def test_a_license_that_never_began_has_no_hour_to_report() -> None:
    stage = Stage()
    pending = stage.buy(state="pending")

    stage.marketplace.change_license(pending.license_arn, "cancel")

    assert stage.send(stage.record(LicenseArn=pending.license_arn)) == ["CustomerNotSubscribed"]


def test_an_ended_license_is_not_subscribed_at_once() -> None:
    stage = Stage()

    stage.marketplace.change_license(stage.bought.license_arn, "end")

    assert stage.send(stage.record()) == ["CustomerNotSubscribed"]


def test_an_ended_license_may_come_back() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "end")

    stage.marketplace.change_license(stage.bought.license_arn, "activate")

    assert stage.send(stage.record()) == ["Success"]


def test_one_license_of_a_buyer_ends_alone() -> None:
    stage = Stage()
    second = stage.buy()
    stage.marketplace.change_license(stage.bought.license_arn, "end")

    statuses = stage.send(stage.record(), stage.record(LicenseArn=second.license_arn))

    assert statuses == ["CustomerNotSubscribed", "Success"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"product_code": ""}, "product_code"),
        ({"product_code": "a b"}, "product_code"),
        ({"account": "12345"}, "account"),
        ({"dimensions": []}, "dimensions"),
        ({"dimensions": [""]}, "dimensions"),
        ({"dimensions": ["x" * 256]}, "dimensions"),
        ({"legacy": True}, "legacy"),
        ({"state": "ended"}, "state"),
        ({"starts_at": NOW.replace(tzinfo=None)}, "starts_at"),
        ({"state": "pending", "starts_at": NOW}, "starts_at"),
        ({"license_arn": "l-1"}, "license_arn"),
        ({"customer_identifier": "X01EXAMPLEX"}, "customer_identifier"),
    ],
)
def test_an_impossible_purchase_is_refused(arguments: dict[str, Any], field: str) -> None:
    stage = Stage()
    possible = {"product_code": PRODUCT, "account": BUYER, "dimensions": DIMENSIONS}

    with pytest.raises(Unacceptable) as error:
        stage.marketplace.purchase(**(possible | arguments))

    assert error.value.field == field


def test_a_dimension_may_be_as_long_as_in_a_record() -> None:
    stage = Stage()
    bought = stage.marketplace.purchase(PRODUCT, BUYER, ["x" * 255], starts_at=NINE)

    record = stage.record(LicenseArn=bought.license_arn, Dimension="x" * 255)

    assert stage.send(record) == ["Success"]


def test_a_license_is_bought_once() -> None:
    stage = Stage()

    with pytest.raises(Unacceptable, match="license_arn must be one that is not bought yet"):
        stage.buy(license_arn=stage.bought.license_arn)


def test_an_unknown_license_can_not_be_changed() -> None:
    with pytest.raises(Unacceptable, match="license_arn must be the ARN of a license bought here"):
        Stage().marketplace.change_license(UNKNOWN_LICENSE, "cancel")


def test_an_unknown_change_is_refused() -> None:
    stage = Stage()

    with pytest.raises(Unacceptable, match="change must be activate or cancel or end or suspend"):
        stage.marketplace.change_license(stage.bought.license_arn, "renew")  # type: ignore[arg-type]
