"""What is sent to AWS itself, if the suite is told to: nothing that costs anybody anything.

No rules of AWS but of the suite: they hold without any endpoint.
"""

from functools import cache
from typing import Any

import boto3.session
import pytest

from tests.conformance.against import (
    AGAINST_VARIABLE,
    ENDPOINT_VARIABLE,
    NO_LICENSE,
    NO_TOKEN,
    Against,
    CouldBeBilled,
    against,
    protect,
)
from tests.conformance.stage import BUYER, NINE, NO_PRODUCT, Record, Service

NOBODYS = Service.record_of_nobody()
LEGACY: Record = {"Timestamp": NINE, "Dimension": "users", "CustomerIdentifier": "somebody"}
USAGE = {"ProductCode": NO_PRODUCT, "Timestamp": NINE, "UsageDimension": "users"}


class Sent(Exception):  # noqa: N818 (no error: the call would have left)
    pass


@pytest.fixture
def client() -> Any:
    """A guarded client of AWS, whose calls end just before the network."""
    client = _session().client("meteringmarketplace", region_name="us-east-1")
    protect(client)
    client.meta.events.register("before-send.*", _end)
    return client


@cache
def _session() -> Any:
    return boto3.session.Session("test", "test")


def _end(**_: Any) -> None:
    raise Sent


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv(AGAINST_VARIABLE, raising=False)
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("batch_meter_usage", {"UsageRecords": []}),
        ("batch_meter_usage", {"UsageRecords": [NOBODYS] * 26}),
        ("meter_usage", USAGE | {"DryRun": True}),
        ("resolve_customer", {"RegistrationToken": NO_TOKEN}),
        ("resolve_customer", {"RegistrationToken": ""}),
    ],
)
def test_what_can_be_billed_to_nobody_is_sent(
    client: Any, method: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(Sent):
        getattr(client, method)(**parameters)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("batch_meter_usage", {"UsageRecords": [NOBODYS | {"LicenseArn": NO_LICENSE[:-1] + "1"}]}),
        ("batch_meter_usage", {"UsageRecords": [NOBODYS | {"CustomerAWSAccountId": BUYER}]}),
        ("batch_meter_usage", {"UsageRecords": [NOBODYS, NOBODYS | {"LicenseArn": "l-1"}]}),
        ("batch_meter_usage", {"UsageRecords": [NOBODYS | {"CustomerIdentifier": "somebody"}]}),
        ("batch_meter_usage", {"UsageRecords": [LEGACY], "ProductCode": NO_PRODUCT}),
        ("batch_meter_usage", {"UsageRecords": [NOBODYS], "ProductCode": NO_PRODUCT}),
        ("meter_usage", USAGE),
        ("meter_usage", USAGE | {"DryRun": False}),
        ("register_usage", {"ProductCode": NO_PRODUCT, "PublicKeyVersion": 1}),
        ("resolve_customer", {"RegistrationToken": "a buyer's"}),
    ],
)
def test_anything_else_is_never_sent(client: Any, method: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(CouldBeBilled, match="is not to be sent to AWS"):
        getattr(client, method)(**parameters)


def test_the_suite_is_put_to_an_emulator_of_its_own(environment: pytest.MonkeyPatch) -> None:
    assert against() is Against.EMULATOR


def test_an_endpoint_in_the_environment_is_taken(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:4570")

    assert against() is Against.ENDPOINT


def test_aws_must_be_asked_for_by_name(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(AGAINST_VARIABLE, "aws")

    assert against() is Against.AWS


@pytest.mark.parametrize(
    ("wanted", "endpoint", "complaint"),
    [
        ("prod", "", "must be emulator, endpoint, aws"),
        ("endpoint", "", ENDPOINT_VARIABLE),
        ("aws", "http://127.0.0.1:4570", "unset"),
    ],
)
def test_an_environment_that_contradicts_itself_is_refused(
    environment: pytest.MonkeyPatch, wanted: str, endpoint: str, complaint: str
) -> None:
    environment.setenv(AGAINST_VARIABLE, wanted)
    if endpoint:
        environment.setenv(ENDPOINT_VARIABLE, endpoint)

    with pytest.raises(ValueError, match=complaint):
        against()
