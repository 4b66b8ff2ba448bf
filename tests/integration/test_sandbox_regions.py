"""The stack in another region than AWS Marketplace's, with the small one that forwards events."""

import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.sandbox import Sandbox
from tests.integration.toy import create_function

pytestmark = pytest.mark.slow

FAR = "eu-west-1"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), context={"region": FAR}) as sandbox:
        yield sandbox


def stacks(sandbox: Sandbox, region: str) -> set[str]:
    described = sandbox.client("cloudformation", region).describe_stacks()["Stacks"]
    return {stack["StackName"] for stack in described} - {"CDKToolkit"}


def test_each_stack_is_in_its_region(sandbox: Sandbox) -> None:
    assert stacks(sandbox, FAR) == {"MarketplaceMetering"}
    assert stacks(sandbox, "us-east-1") == {"MarketplaceMetering-Events"}


def test_all_of_both_stacks_is_there(sandbox: Sandbox) -> None:
    sandbox.verify()


def test_a_function_runs_in_the_region_of_its_stack(sandbox: Sandbox) -> None:
    variables = sandbox.invoke(create_function(sandbox, "toy"))["variables"]

    assert (variables["AWS_REGION"], variables["AWS_DEFAULT_REGION"]) == (FAR, FAR)


def test_functions_of_one_name_are_told_apart_by_their_region(sandbox: Sandbox) -> None:
    create_function(sandbox, "twin")

    with pytest.raises(sandbox.client("lambda").exceptions.ResourceNotFoundException):
        sandbox.client("lambda", "us-east-1").invoke(FunctionName="twin")


def test_the_api_is_reached_by_the_url_it_has_at_aws(sandbox: Sandbox) -> None:
    assert f".execute-api.{FAR}.amazonaws.com/" in sandbox.outputs["RegistrationUrl"]

    with urllib.request.urlopen(sandbox.url("RegistrationUrl")) as answer:
        assert answer.status == 200


def test_an_event_of_aws_marketplace_reaches_the_function_far_away(sandbox: Sandbox) -> None:
    order: dict[str, Any] = {
        "product_code": "example000000000000000001",
        "account": "111122223333",
        "dimensions": ["users"],
        "state": "as-real",
    }
    sandbox.emulator("purchases", order)
    sandbox.clock.advance(120)

    handled = sandbox.settle()

    function = sandbox.outputs["SubscriptionFunctionName"]
    assert [each.trigger.function.split(":")[-1] for each in handled] == [function]
    assert handled[0].trigger.queue_arn.startswith(f"arn:aws:sqs:{FAR}:")
    assert handled[0].failed == frozenset()
