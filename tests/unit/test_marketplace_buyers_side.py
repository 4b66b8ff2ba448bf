"""MeterUsage and RegisterUsage: software that runs in the buyer's own account."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from sandbox.marketplace.http import attach
from tests.unit.marketplace_stage import (
    BUYER,
    HOUR,
    NINE,
    NOW,
    OTHER_BUYER,
    PRODUCT,
    Stage,
    code_of,
    metering_client,
)


def meter(stage: Stage, client: Any = None, **fields: Any) -> str:
    """Meter 3 users at nine, but for the fields given; returns the record's id."""
    request = {
        "ProductCode": PRODUCT,
        "Timestamp": NINE,
        "UsageDimension": "users",
        "UsageQuantity": 3,
    }
    if "UsageQuantityAsDecimal" in fields:
        del request["UsageQuantity"]
    answer = (client or stage.client).meter_usage(**(request | fields))
    return str(answer["MeteringRecordId"])


def refusal(stage: Stage, client: Any = None, **fields: Any) -> str:
    return code_of(lambda: meter(stage, client, **fields))


def as_buyer(stage: Stage, key: str, region: str = "us-east-1") -> Any:
    """A client with another access key."""
    client = metering_client(key, region)
    attach(client, stage.marketplace)
    return client


def test_metered_usage_is_billed() -> None:
    stage = Stage()

    meter(stage)

    assert stage.billed() == {(BUYER, "users", 9): "3"}


def test_the_same_request_again_has_the_same_id_and_is_billed_once() -> None:
    stage = Stage()

    assert meter(stage) == meter(stage)
    assert stage.total() == "3"


def test_times_are_rounded_down_to_the_hour() -> None:
    stage = Stage()

    assert meter(stage) == meter(stage, Timestamp=NINE + timedelta(minutes=59))


def test_quantities_are_compared_by_value() -> None:
    stage = Stage()

    assert meter(stage) == meter(stage, UsageQuantityAsDecimal="3.00")


def test_another_quantity_for_an_hour_is_a_duplicate_request() -> None:
    stage = Stage()
    meter(stage)

    assert refusal(stage, UsageQuantity=4) == "DuplicateRequestException"


def test_resources_of_one_buyer_are_added_up() -> None:
    stage = Stage()

    meter(stage, UsageQuantity=3)
    meter(stage, as_buyer(stage, "another-instance"), UsageQuantity=4)

    assert stage.total() == "7"


def test_a_dry_run_succeeds_by_failing_and_meters_nothing() -> None:
    stage = Stage()

    assert refusal(stage, DryRun=True) == "DryRunOperation"
    assert stage.billed() == {}


@pytest.mark.parametrize("moment", [NOW - 6 * HOUR, NOW])
def test_usage_is_taken_from_now_until_it_is_six_hours_old(moment: Any) -> None:
    stage = Stage()

    assert meter(stage, Timestamp=moment)


@pytest.mark.parametrize("moment", [NOW - 6 * HOUR - timedelta(seconds=1), NOW + timedelta(0, 1)])
def test_other_times_are_out_of_bounds(moment: Any) -> None:
    stage = Stage()

    assert refusal(stage, Timestamp=moment) == "TimestampOutOfBoundsException"


def test_usage_before_the_subscription_is_out_of_bounds() -> None:
    stage = Stage()
    stage.buy("example000000000000000002", starts_at=NINE + timedelta(minutes=30))

    assert refusal(stage, ProductCode="example000000000000000002") == (
        "TimestampOutOfBoundsException"
    )


def test_an_unknown_product_is_refused() -> None:
    stage = Stage()

    assert refusal(stage, ProductCode="nobodys") == "InvalidProductCodeException"


def test_an_unknown_dimension_is_refused() -> None:
    stage = Stage()

    assert refusal(stage, UsageDimension="seats") == "InvalidUsageDimensionException"


def test_both_quantities_are_one_too_many() -> None:
    stage = Stage()

    code = code_of(
        lambda: stage.client.meter_usage(
            ProductCode=PRODUCT,
            Timestamp=NINE,
            UsageDimension="users",
            UsageQuantity=3,
            UsageQuantityAsDecimal="3",
        )
    )

    assert code == "ValidationException"


def test_allocations_must_add_up() -> None:
    stage = Stage()

    code = refusal(stage, UsageAllocations=[{"AllocatedUsageQuantity": 2}])

    assert code == "InvalidUsageAllocationsException"


def test_a_buyer_without_subscription_is_not_entitled() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "end")

    assert refusal(stage) == "CustomerNotEntitledException"


def test_an_access_key_of_twelve_digits_is_the_account_that_must_be_entitled() -> None:
    stage = Stage()

    assert meter(stage, as_buyer(stage, BUYER))
    assert refusal(stage, as_buyer(stage, OTHER_BUYER)) == "CustomerNotEntitledException"


def test_the_region_must_be_the_resources_own() -> None:
    stage = Stage(resource_region="eu-west-1")

    assert refusal(stage) == "InvalidEndpointRegionException"
    assert meter(stage, as_buyer(stage, BUYER, "eu-west-1"))


def test_a_client_token_with_the_same_request_has_the_same_id() -> None:
    stage = Stage(platform="agentcore")

    assert meter(stage, ClientToken="one") == meter(stage, ClientToken="one")
    assert stage.total() == "3"


@pytest.mark.parametrize(
    "other",
    [{"Timestamp": NINE - HOUR}, {"UsageAllocations": [{"AllocatedUsageQuantity": 3}]}],
    ids=["time", "allocations"],
)
def test_a_client_token_with_another_request_conflicts(other: dict[str, Any]) -> None:
    stage = Stage()
    meter(stage, ClientToken="one")

    code = refusal(stage, ClientToken="one", **other)

    assert code == "IdempotencyConflictException"


def test_a_client_token_of_a_refused_request_is_free() -> None:
    stage = Stage()
    refusal(stage, ClientToken="one", UsageDimension="seats")

    assert meter(stage, ClientToken="one")


def test_on_agentcore_usage_of_one_hour_adds_up() -> None:
    stage = Stage(platform="agentcore")

    meter(stage, ClientToken="one", UsageQuantity=3)
    meter(stage, ClientToken="two", UsageQuantity=4)

    assert stage.billed() == {(BUYER, "users", 9): "7"}


def test_on_agentcore_a_client_token_is_required() -> None:
    stage = Stage(platform="agentcore")
    request = {"ProductCode": PRODUCT, "Timestamp": NINE.timestamp(), "UsageDimension": "users"}

    answer = stage.marketplace.answer(
        "AWSMPMeteringService.MeterUsage", json.dumps(request).encode()
    )

    assert answer.body["__type"] == "ValidationException"


def register(stage: Stage, version: int = 1, **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = stage.client.register_usage(
        ProductCode=PRODUCT, PublicKeyVersion=version, **fields
    )
    return answer


def test_a_registration_is_a_jwt_with_the_products_claims() -> None:
    signature = register(Stage(), Nonce="n-1")["Signature"]

    header, claims, _ = (part + "=" * (-len(part) % 4) for part in signature.split("."))
    assert json.loads(base64.urlsafe_b64decode(header))["typ"] == "JWT"
    assert json.loads(base64.urlsafe_b64decode(claims)) == {
        "productCode": PRODUCT,
        "publicKeyVersion": 1,
        "issuedAt": int(NOW.timestamp()),
        "nonce": "n-1",
    }


def test_an_unknown_public_key_is_refused() -> None:
    stage = Stage()

    assert code_of(lambda: register(stage, version=2)) == "InvalidPublicKeyVersionException"


def test_an_expired_public_key_says_when_it_was_rotated() -> None:
    stage = Stage()

    assert stage.marketplace.rotate_public_key(PRODUCT) == 2

    assert register(stage, version=1)["PublicKeyRotationTimestamp"] == NOW
    assert "PublicKeyRotationTimestamp" not in register(stage, version=2)


@pytest.mark.parametrize("platform", ["ec2", "agentcore"])
def test_only_containers_are_registered(platform: str) -> None:
    stage = Stage(platform=platform)

    assert code_of(lambda: register(stage)) == "PlatformNotSupportedException"


def test_a_container_without_subscription_is_not_entitled() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "end")

    assert code_of(lambda: register(stage)) == "CustomerNotEntitledException"


def test_a_container_that_was_registered_stays_so_after_the_subscription() -> None:
    stage = Stage()
    register(stage)

    stage.marketplace.change_license(stage.bought.license_arn, "end")

    assert register(stage)["Signature"]


def test_a_container_is_registered_in_its_own_region() -> None:
    stage = Stage(resource_region="eu-west-1")

    assert code_of(lambda: register(stage)) == "InvalidRegionException"


def test_an_unknown_product_is_not_registered() -> None:
    stage = Stage()

    code = code_of(lambda: stage.client.register_usage(ProductCode="nobodys", PublicKeyVersion=1))

    assert code == "InvalidProductCodeException"
