"""RegisterUsage: a container asks at its start whether it may run."""

import base64
import json
from typing import Any

import pytest

from tests.conformance.citations import has, raises, says
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import Bought, Stage, new_product_code, refusal_of

SAME_REGION = says(
    "InvalidRegionException",
    "RegisterUsage must be called in the same Amazon Web Services Region the ECS task was launched",
)
CONTAINERS = says(
    "PlatformNotSupportedException", "Currently, Amazon ECS, Amazon EKS, and Fargate are supported"
)
ENTITLED = says(
    "RegisterUsage", "verify that the customer running your paid software is subscribed"
)
FIRST_CALL_ONLY = says(
    "RegisterUsage",
    "even if the customer unsubscribes while the Amazon ECS task or Amazon EKS pod is still "
    "running",
)


def register(stage: Stage, bought: Bought, client: Any = None, **fields: Any) -> dict[str, Any]:
    request = {"ProductCode": bought.product_code, "PublicKeyVersion": 1} | fields
    answer: dict[str, Any] = (client or stage.client).register_usage(**request)
    return answer


def refusal(stage: Stage, bought: Bought, client: Any = None, **fields: Any) -> str:
    return refusal_of(lambda: register(stage, bought, client or stage.unchecked, **fields))


@rule(says("RegisterUsageResult.Signature", "JWT Token"))
def test_a_registration_is_signed(stage: Stage) -> None:
    header, claims, signature = register(stage, stage.buy())["Signature"].split(".")

    read = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
    assert all(type(part) is dict for part in read)
    assert signature


@rule(
    says(
        "RegisterUsageResult.PublicKeyRotationTimestamp",
        "Only included when public key version has expired",
    )
)
def test_a_public_key_that_is_in_force_has_no_time_of_rotation(stage: Stage) -> None:
    assert "PublicKeyRotationTimestamp" not in register(stage, stage.buy())


@rule(says("InvalidPublicKeyVersionException", "Public Key version is invalid"))
def test_a_public_key_that_does_not_exist_is_an_invalid_version(stage: Stage) -> None:
    code = refusal(stage, stage.buy(), PublicKeyVersion=999)

    assert code == "InvalidPublicKeyVersionException"


@rule(raises("RegisterUsage", "InvalidProductCodeException"))
def test_a_product_nobody_has_is_an_invalid_product_code(stage: Stage) -> None:
    code = refusal(stage, stage.buy(), ProductCode=new_product_code())

    assert code == "InvalidProductCodeException"


@rule(SAME_REGION)
@under(resource_region="eu-west-1")
def test_the_endpoint_must_be_in_the_tasks_region(stage: Stage) -> None:
    bought = stage.buy()

    assert refusal(stage, bought) == "InvalidRegionException"
    assert register(stage, bought, stage.connect(region="eu-west-1"))["Signature"]


@rule(CONTAINERS)
@under(platform=("ecs", "eks"))
def test_containers_are_registered(stage: Stage) -> None:
    assert register(stage, stage.buy())["Signature"]


@rule(CONTAINERS)
@under(platform=("ec2", "agentcore"))
def test_nothing_but_containers_is_registered(stage: Stage) -> None:
    assert refusal(stage, stage.buy()) == "PlatformNotSupportedException"


@rule(ENTITLED, raises("RegisterUsage", "CustomerNotEntitledException"))
def test_a_container_of_a_customer_without_subscription_is_not_entitled(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "end")

    assert refusal(stage, bought) == "CustomerNotEntitledException"


@rule(FIRST_CALL_ONLY)
def test_a_container_that_was_registered_may_go_on_after_the_subscription(stage: Stage) -> None:
    bought = stage.buy()
    register(stage, bought)

    stage.change(bought, "end")

    assert register(stage, bought)["Signature"]


@rule(FIRST_CALL_ONLY)
def test_another_container_is_asked_anew(stage: Stage) -> None:
    bought = stage.buy()
    register(stage, bought)
    stage.change(bought, "end")

    code = refusal(stage, bought, stage.connect(key="another-task"))

    assert code == "CustomerNotEntitledException"


@pytest.mark.parametrize("member", ["ProductCode", "PublicKeyVersion"])
@rule(has("RegisterUsageRequest", required=("ProductCode", "PublicKeyVersion")))
def test_product_and_public_key_are_required(stage: Stage, member: str) -> None:
    assert refusal(stage, stage.buy(), **{member: None})


@pytest.mark.parametrize("fields", [{"PublicKeyVersion": 0}, {"Nonce": "n" * 256}], ids=str)
@rule(has("VersionInteger", min=1), has("Nonce", max=255))
def test_what_no_shape_allows_is_refused(stage: Stage, fields: dict[str, Any]) -> None:
    assert refusal(stage, stage.buy(), **fields)


@rule(has("Nonce", max=255))
def test_a_nonce_may_have_255_characters(stage: Stage) -> None:
    assert register(stage, stage.buy(), Nonce="n" * 255)["Signature"]


@rule(says("RegisterUsage", "your software is not required to perform metering-specific actions"))
def test_a_registration_puts_no_record_on_the_bill(stage: Stage) -> None:
    bought = stage.buy()

    register(stage, bought)

    assert stage.billed(bought) == []
