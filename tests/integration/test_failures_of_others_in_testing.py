"""Failures of others that their tests could not see.

Clients that do not exist, a double that takes everything, a region that was nobody's decision.
Where each was seen is in docs/failures.md.
"""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.metering.aws import Marketplace, connect
from lambdas.registration import aws as registration
from lambdas.subscription import aws as subscription
from sandbox.marketplace.http import attach
from tests.integration.failures_stage import a_quarter_past
from tests.world import BUYER, METERING_CALL, World, metering_client


@pytest.fixture(autouse=True)
def in_another_region(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The functions run far from where AWS Marketplace is called."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    boto3.setup_default_session()
    yield
    boto3.DEFAULT_SESSION = None


def test_every_client_that_the_functions_ask_for_exists() -> None:
    """The service is documented as metering.marketplace, and its client is called otherwise."""
    clients = [
        *connect("us-east-1", connections=1),
        *registration.connect("us-east-1"),
        *subscription.connect(),
    ]

    operations = {operation for client in clients for operation in dir(client)}
    assert operations >= {
        "batch_meter_usage",
        "resolve_customer",
        "get_entitlements",
        "search_agreements",
        "receive_message",
        "transact_write_items",
        "put_events",
        "send_email",
    }


@pytest.mark.parametrize(
    ("wrong", "times", "code"),
    [
        ({"Timestamp": "2026-11-22T10:20:00Z"}, 1, "TimestampOutOfBoundsException"),
        ({"Timestamp": "2026-11-23T10:21:00Z"}, 1, "TimestampOutOfBoundsException"),
        ({"Dimension": "unheard-of"}, 1, "InvalidUsageDimensionException"),
        ({"CustomerAWSAccountId": "222233334444"}, 1, "InvalidLicenseException"),
        ({"LicenseArn": "arn:aws:license-manager::1:license:l-0"}, 1, "InvalidLicenseException"),
        ({"QuantityAsDecimal": "1"}, 1, "ValidationException"),
        ({}, 26, "ValidationException"),
    ],
)
def test_what_aws_refuses_is_refused_in_tests_too(
    wrong: dict[str, Any], times: int, code: str
) -> None:
    """A double that answers Success to everything, as usual ones do, proves nothing."""
    world = World()
    buyer = world.buy()
    client = metering_client()
    attach(client, world.marketplace)
    record = {**world.usage(buyer, 5), "CustomerAWSAccountId": BUYER, **wrong}

    with pytest.raises(ClientError) as refused:
        client.batch_meter_usage(UsageRecords=[record] * times)

    assert refused.value.response["Error"]["Code"] == code
    assert world.marketplace.usage() == []


def test_usage_is_submitted_in_one_region_wherever_the_function_runs() -> None:
    """AWS compares records within a region only: moved, or sent from two, usage is billed twice."""
    world, buyer = a_quarter_past()
    _, _, client = connect("eu-west-1", connections=1)
    attach(client, world.marketplace)
    hosts: list[str] = []
    client.meta.events.register(
        f"before-call.{METERING_CALL}", lambda params, **_: hosts.append(params["url"])
    )
    wiring = world.wiring()
    wiring.marketplace._client = client

    world.tick(wiring)

    assert hosts == ["https://metering.marketplace.eu-west-1.amazonaws.com/"]
    assert isinstance(wiring.marketplace, Marketplace)
    assert world.billed(buyer) == 5
