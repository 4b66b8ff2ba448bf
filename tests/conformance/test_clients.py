"""What boto3's client of the service offers, and what it sends."""

import json
import re
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3.session
import botocore.exceptions
import pytest
from botocore.config import Config

from tests.conformance.against import NO_TOKEN
from tests.conformance.citations import (
    METERING,
    boto3_page,
    exceptions_of,
    has,
    page,
    says,
    service_model,
)
from tests.conformance.rulebook import rule
from tests.conformance.stage import NINE, NO_PRODUCT, Service

METHODS: dict[str, dict[str, Any]] = {
    "batch_meter_usage": {"UsageRecords": []},
    "meter_usage": {"ProductCode": NO_PRODUCT, "Timestamp": NINE, "UsageDimension": "users"},
    "register_usage": {"ProductCode": NO_PRODUCT, "PublicKeyVersion": 1},
    "resolve_customer": {"RegistrationToken": NO_TOKEN},
}
OPERATIONS = service_model(METERING)["operations"]
EXCEPTIONS = sorted({name for operation in OPERATIONS for name in exceptions_of(operation)})
RECORD = {"Timestamp": NINE, "Dimension": "users", "Quantity": 3}

every_method = pytest.mark.parametrize("method", METHODS)


def client_page(method: str, text: str) -> Any:
    return boto3_page(f"{METERING}/client/{method}", text)


class Caught(Exception):  # noqa: N818 (no error: it ends the call)
    pass


def of_region(region: str, **options: Any) -> Any:
    """A client that would call AWS in a region; nothing it sends gets there."""
    config = Config(
        region_name=region,
        ignore_configured_endpoint_urls=True,
        retries={"total_max_attempts": 1},
        **options,
    )
    return _session().client(METERING, config=config)


def sent(method: str, **parameters: Any) -> Any:
    """The request that a call would send."""
    found: list[Any] = []

    def catch(request: Any, **_: Any) -> None:
        found.append(request)
        raise Caught

    client = of_region("us-east-1")
    client.meta.events.register("before-send.*", catch)
    with pytest.raises(Caught):
        getattr(client, method)(**(METHODS[method] | parameters))
    return found[0]


@cache
def _session() -> Any:
    return boto3.session.Session("test", "test")


@rule(has("metadata", serviceId="Marketplace Metering"))
def test_the_client_has_a_method_for_every_operation(service: Service) -> None:
    mapping = dict(zip(sorted(METHODS), sorted(OPERATIONS), strict=True))

    assert service.client.meta.method_to_api_mapping == mapping


@every_method
@rule(client_page("can_paginate", "whether the operation has pages"))
def test_no_operation_has_pages(service: Service, method: str) -> None:
    assert service.client.can_paginate(method) is False


@every_method
@rule(client_page("get_paginator", "OperationNotPageableError if the operation has no pages"))
def test_no_operation_has_a_paginator(service: Service, method: str) -> None:
    with pytest.raises(botocore.exceptions.OperationNotPageableError, match=method):
        service.client.get_paginator(method)


@rule(client_page("can_paginate", "the name is one of the client's methods"))
def test_a_method_that_does_not_exist_is_no_answer_but_an_error(service: Service) -> None:
    with pytest.raises(KeyError):
        service.client.can_paginate("batch_meter_everything")


@rule(client_page("get_waiter", "one of the service's waiters, of which there is none"))
def test_there_is_nothing_to_wait_for(service: Service) -> None:
    assert service.client.waiter_names == []
    with pytest.raises(ValueError, match="Waiter does not exist: usage_metered"):
        service.client.get_waiter("usage_metered")


@every_method
@rule(client_page("generate_presigned_url", "a signed URL for a method; nothing is sent"))
def test_a_call_can_be_signed_as_a_url(service: Service, method: str) -> None:
    # It completes the parameters in place, so they are a copy.
    parameters = dict(METHODS[method])
    url = service.client.generate_presigned_url(method, Params=parameters, ExpiresIn=60)

    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Credential"][0].endswith("/aws-marketplace/aws4_request")
    assert re.fullmatch("[0-9a-f]{64}", query["X-Amz-Signature"][0])


@rule(client_page("generate_presigned_url", "valid for an hour unless told otherwise"))
def test_a_signed_url_is_valid_for_an_hour(service: Service) -> None:
    url = service.client.generate_presigned_url("batch_meter_usage", Params={"UsageRecords": []})

    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["3600"]


@rule(client_page("generate_presigned_url", "the parameters are those of the method"))
def test_a_url_is_not_signed_for_wrong_parameters(service: Service) -> None:
    with pytest.raises(botocore.exceptions.ParamValidationError):
        service.client.generate_presigned_url("resolve_customer", Params={"Token": NO_TOKEN})


@rule(client_page("generate_presigned_url", "the name is one of the client's methods"))
def test_a_url_is_not_signed_for_an_unknown_method(service: Service) -> None:
    with pytest.raises(botocore.exceptions.UnknownClientMethodError):
        service.client.generate_presigned_url("batch_meter_everything")


@pytest.mark.parametrize("name", EXCEPTIONS)
@rule(boto3_page(METERING, "client exceptions are attributes of client.exceptions"))
def test_a_modelled_exception_can_be_caught_by_name(service: Service, name: str) -> None:
    exception = getattr(service.client.exceptions, name)

    assert issubclass(exception, botocore.exceptions.ClientError)


@rule(boto3_page(METERING, "client exceptions are attributes of client.exceptions"))
def test_an_exception_that_is_not_modelled_cannot_be_caught_by_name(service: Service) -> None:
    with pytest.raises(AttributeError, match=", ".join(EXCEPTIONS)):
        _ = service.client.exceptions.CustomerNotSubscribedException


@rule(client_page("close", "closes the connections to the endpoint"))
def test_a_client_can_be_closed_more_than_once(service: Service) -> None:
    client = service.connect()
    client.batch_meter_usage(UsageRecords=[])

    assert client.close() is None
    assert client.close() is None


@pytest.mark.parametrize(
    ("method", "parameters", "complaint"),
    [
        ("batch_meter_usage", {}, "UsageRecords"),
        ("batch_meter_usage", {"UsageRecords": [{"Dimension": "users"}]}, "Timestamp"),
        ("batch_meter_usage", {"UsageRecords": [{"Timestamp": NINE}]}, "Dimension"),
        ("batch_meter_usage", {"UsageRecords": [RECORD | {"Quantity": -1}]}, "Quantity"),
        ("batch_meter_usage", {"UsageRecords": [RECORD | {"Quantity": 1.5}]}, "Quantity"),
        ("batch_meter_usage", {"UsageRecords": [RECORD | {"Quantity": "3"}]}, "Quantity"),
        ("batch_meter_usage", {"UsageRecords": [RECORD | {"QuantityAsDecimal": 3}]}, "AsDecimal"),
        ("batch_meter_usage", {"UsageRecords": [RECORD | {"Quantiy": 3}]}, "Quantiy"),
        ("batch_meter_usage", {"UsageRecords": [], "DryRun": True}, "DryRun"),
        ("batch_meter_usage", {"UsageRecords": [], "ClientToken": "one"}, "ClientToken"),
        ("batch_meter_usage", {"UsageRecords": [RECORD | {"UsageAllocations": []}]}, "Allocations"),
        ("meter_usage", {"ProductCode": NO_PRODUCT, "Timestamp": NINE}, "UsageDimension"),
        ("register_usage", {"ProductCode": NO_PRODUCT, "PublicKeyVersion": 0}, "PublicKeyVersion"),
        ("register_usage", {"ProductCode": NO_PRODUCT}, "PublicKeyVersion"),
        ("resolve_customer", {}, "RegistrationToken"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@rule(
    has("UsageRecord", required=("Timestamp", "Dimension")),
    has("UsageQuantity", min=0),
    has("UsageAllocations", min=1),
    has("RegisterUsageRequest", required=("ProductCode", "PublicKeyVersion")),
    has("ResolveCustomerRequest", required=("RegistrationToken",)),
)
def test_the_client_refuses_by_itself_wrong_types_missing_and_unknown_members_and_minima(
    service: Service, method: str, parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(botocore.exceptions.ParamValidationError, match=complaint):
        getattr(service.client, method)(**parameters)


@every_method
@rule(has("metadata", targetPrefix="AWSMPMeteringService"), has("metadata", jsonVersion="1.1"))
def test_a_call_is_json_1_1_and_names_its_operation(method: str) -> None:
    request = sent(method)

    operation = "".join(part.capitalize() for part in method.split("_"))
    assert _header(request, "X-Amz-Target") == f"AWSMPMeteringService.{operation}"
    assert _header(request, "Content-Type") == "application/x-amz-json-1.1"
    assert json.loads(request.body).keys() >= METHODS[method].keys()


@rule(has("metadata", signingName="aws-marketplace"), has("metadata", signatureVersion="v4"))
def test_a_call_is_signed_for_aws_marketplace() -> None:
    authorization = _header(sent("batch_meter_usage"), "Authorization")

    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=")
    assert "/aws-marketplace/aws4_request," in authorization


@pytest.mark.parametrize(
    "moment",
    [NINE, NINE.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-11-23T09:00:00Z"],
    ids=["utc", "offset", "text"],
)
@rule(has("Timestamp", type="timestamp"), says("UsageRecord.Timestamp", "Timestamp, in UTC"))
def test_a_time_travels_as_seconds_since_1970(moment: datetime | str) -> None:
    records = [RECORD | {"Timestamp": moment}]

    request = sent("batch_meter_usage", UsageRecords=records)

    (record,) = json.loads(request.body)["UsageRecords"]
    assert record["Timestamp"] == int(NINE.timestamp())


@rule(has("MeterUsageRequest.ClientToken", idempotencyToken=True))
def test_the_client_puts_a_token_of_its_own_into_every_usage() -> None:
    tokens = {json.loads(sent("meter_usage").body)["ClientToken"] for _ in range(2)}

    assert len(tokens) == 2
    assert all(re.fullmatch("[0-9a-f-]{36}", token) for token in tokens)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "metering.marketplace.us-east-1.amazonaws.com"),
        ("eu-central-1", "metering.marketplace.eu-central-1.amazonaws.com"),
        ("ap-southeast-2", "metering.marketplace.ap-southeast-2.amazonaws.com"),
        ("cn-northwest-1", "metering.marketplace.cn-northwest-1.amazonaws.com.cn"),
    ],
)
@rule(has("metadata", endpointPrefix="metering.marketplace"), page("REGIONS", "one per region"))
def test_every_region_has_an_endpoint_of_its_own(region: str, host: str) -> None:
    assert of_region(region).meta.endpoint_url == f"https://{host}"


@rule(has("metadata", endpointPrefix="metering.marketplace"))
def test_the_dual_stack_endpoint_has_another_name() -> None:
    client = of_region("us-east-1", use_dualstack_endpoint=True)

    assert client.meta.endpoint_url == "https://metering-marketplace.us-east-1.api.aws"


def _header(request: Any, name: str) -> str:
    value = request.headers[name]
    return value.decode() if isinstance(value, bytes) else str(value)
