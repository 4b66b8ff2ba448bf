"""How the service says no: codes, HTTP statuses, and how often it may be asked."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.against import NO_TOKEN
from tests.conformance.citations import exceptions_of, page, raises, says, service_model
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import NINE, NO_PRODUCT, Stage, error_of

SHAPES = service_model("meteringmarketplace")["shapes"]
OPERATIONS = service_model("meteringmarketplace")["operations"]
MODELLED = [(operation, name) for operation in OPERATIONS for name in exceptions_of(operation)]
# What any AWS service may answer, though no model lists it, and its HTTP status.
COMMON = {
    "AccessDeniedException": 400,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "OptInRequired": 403,
    "ServiceUnavailable": 503,
    "UnrecognizedClientException": 403,
}
RATES = {"BatchMeterUsage": 10, "MeterUsage": 10, "RegisterUsage": 5}


def call(stage: Stage, operation: str) -> Callable[[], Any]:
    """A call that is in order but for its unknown product or token."""
    client = stage.client
    usage = {"ProductCode": NO_PRODUCT, "Timestamp": NINE, "UsageDimension": "users"}
    return {
        "BatchMeterUsage": lambda: client.batch_meter_usage(UsageRecords=[]),
        "MeterUsage": lambda: client.meter_usage(**usage),
        "RegisterUsage": lambda: client.register_usage(ProductCode=NO_PRODUCT, PublicKeyVersion=1),
        "ResolveCustomer": lambda: client.resolve_customer(RegistrationToken=NO_TOKEN),
    }[operation]


def meets(stage: Stage, operation: str, fault: str) -> dict[str, Any]:
    """The error's answer to a call that meets this fault."""
    stage.fault(fault, operation=operation)
    return error_of(call(stage, operation))


@pytest.mark.parametrize(("operation", "name"), MODELLED)
@rule(*(raises(operation, exceptions_of(operation)[0]) for operation in OPERATIONS))
def test_a_modelled_exception_is_raised_by_its_own_name(
    stage: Stage, operation: str, name: str
) -> None:
    stage.fault(name, operation=operation)

    with pytest.raises(getattr(stage.client.exceptions, name)) as error:
        call(stage, operation)()

    assert error.value.response["Error"]["Code"] == name


@pytest.mark.parametrize(
    ("operation", "name"),
    # As a fault, it is about credentials; test_resolve_customer.py has the one about tokens.
    [pair for pair in MODELLED if pair[1] != "ExpiredTokenException"],
)
@rule(page("COMMON", "errors of the caller are 4xx, throttling a 400; errors of the service 5xx"))
def test_only_errors_of_the_service_have_a_status_of_500(
    stage: Stage, operation: str, name: str
) -> None:
    status = meets(stage, operation, name)["ResponseMetadata"]["HTTPStatusCode"]

    assert status == (500 if SHAPES[name].get("fault") else 400)


@pytest.mark.parametrize("name", COMMON)
@rule(page("COMMON", "errors that all services have in common, with their statuses"))
def test_a_common_error_has_its_own_code_and_status(stage: Stage, name: str) -> None:
    error = meets(stage, "BatchMeterUsage", name)

    assert error["Error"]["Code"] == name
    assert error["ResponseMetadata"]["HTTPStatusCode"] == COMMON[name]


@rule(
    says("InternalServiceErrorException", "An internal error has occurred. Retry your request"),
    says("ThrottlingException", "The calls to the API are throttled"),
)
def test_a_call_that_was_throttled_or_met_an_internal_error_has_metered_nothing(
    stage: Stage,
) -> None:
    bought = stage.buy()
    for fault in ("ThrottlingException", "InternalServiceErrorException"):
        stage.fault(fault)
        with pytest.raises(ClientError):
            stage.send(stage.record(bought))

    assert stage.billed(bought) == []


@rule(says("ExpiredTokenException", "The submitted registration token has expired"))
def test_expired_credentials_and_tokens_share_a_code_but_not_a_message(stage: Stage) -> None:
    error = meets(stage, "ResolveCustomer", "ExpiredTokenException")["Error"]

    assert error["Code"] == "ExpiredTokenException"
    assert "security token" in error["Message"]


@rule(page("COMMON", "every answer names its request"))
def test_an_error_has_a_request_id(stage: Stage) -> None:
    assert meets(stage, "BatchMeterUsage", "ThrottlingException")["ResponseMetadata"]["RequestId"]


def throttled_after(stage: Stage, operation: str) -> int:
    """How many calls within one moment are answered before one is throttled."""
    for made in range(100):
        try:
            call(stage, operation)()
        except ClientError as error:
            if error.response["Error"]["Code"] == "ThrottlingException":
                return made
    return 100


@pytest.mark.parametrize("operation", RATES)
@rule(page("QUOTAS", "BatchMeterUsage and MeterUsage 10 calls a second, RegisterUsage 5"))
@under(throttling=True)
def test_more_calls_in_a_second_than_the_quota_are_throttled(stage: Stage, operation: str) -> None:
    stage.ask("POST", "clock", advance_seconds=1)

    assert throttled_after(stage, operation) == RATES[operation]


@pytest.mark.parametrize("operation", RATES)
@rule(page("QUOTAS", "the quota is per second"))
@under(throttling=True)
def test_a_second_later_calls_are_answered_again(stage: Stage, operation: str) -> None:
    stage.ask("POST", "clock", advance_seconds=1)
    throttled_after(stage, operation)

    stage.ask("POST", "clock", advance_seconds=1)

    assert throttled_after(stage, operation) > 0
