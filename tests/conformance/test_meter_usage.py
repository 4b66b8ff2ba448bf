"""MeterUsage: software in the buyer's own account."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.conformance.citations import has, page, raises, says
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import (
    HOUR,
    NINE,
    NOW,
    OTHER_BUYER,
    SECOND,
    Bought,
    Service,
    Stage,
    new_product_code,
    refusal_of,
)

CONFLICT = "IdempotencyConflictException"
DUPLICATE = "DuplicateRequestException"
OUT_OF_BOUNDS = "TimestampOutOfBoundsException"

DRY_RUN = says(
    "MeterUsageRequest.DryRun",
    "If you have the permissions, the request returns DryRunOperation; otherwise, it returns "
    "UnauthorizedException",
)
NO_REQUEST = says("MeterUsageRequest.DryRun", "but does not make the request")
ONCE_PER_HOUR = says("MeterUsage", "you can only report usage once per hour for each dimension")
ROUNDED = says(
    "MeterUsage",
    "For requests that are identical after the Timestamp is rounded down, the API is idempotent "
    "and returns the metering record ID",
)
PER_RESOURCE = says("MeterUsage", "this is per dimension and per EC2 instance")
BY_VALUE = says(
    "MeterUsageRequest.UsageQuantityAsDecimal",
    "Quantities are compared by value when checking for duplicate or retried requests",
)
SIX_HOURS = says(
    "MeterUsage",
    "If you submit records more than six hours after events occur, the records won't be accepted",
)
ALL_PARAMETERS = says(
    "MeterUsageRequest.ClientToken",
    "Passing the same value to a later call to an operation requires that you also pass the same "
    "value for all other parameters",
)
TOKEN_CONFLICT = says(
    "MeterUsageRequest.ClientToken",
    "If you retry the operation with the same ClientToken, but with different parameters, the "
    "retry fails with an IdempotencyConflictException error",
)
ADDED_UP = says(
    "MeterUsage",
    "Requests with duplicate Timestamps are aggregated as long as the ClientToken is unique",
)
TOKEN_REQUIRED = says(
    "MeterUsage", "You must include an idempotency token in the ClientToken request parameter"
)


def usage_of(bought: Bought, **fields: Any) -> dict[str, Any]:
    """A request for 3 users at nine, but for the fields given; those that are None are left out."""
    request = {
        "ProductCode": bought.product_code,
        "Timestamp": NINE,
        "UsageDimension": "users",
        "UsageQuantity": 3,
    }
    if "UsageQuantityAsDecimal" in fields:
        fields = {"UsageQuantity": None, **fields}
    return {name: value for name, value in (request | fields).items() if value is not None}


def meter(stage: Stage, bought: Bought, client: Any = None, **fields: Any) -> str:
    """Meter; returns the record's id."""
    answer = (client or stage.client).meter_usage(**usage_of(bought, **fields))
    return str(answer["MeteringRecordId"])


def refusal(stage: Stage, bought: Bought, client: Any = None, **fields: Any) -> str:
    """The code of the refusal."""
    call = (client or stage.unchecked).meter_usage
    return refusal_of(lambda: call(**usage_of(bought, **fields)))


@rule(says("MeterUsage", "to emit metering records"))
def test_usage_is_billed_to_the_buyer_who_runs_the_software(stage: Stage) -> None:
    bought = stage.buy()

    assert meter(stage, bought)
    (line,) = stage.usage(bought)
    assert (line["account"], line["quantity"]) == (bought.account, "3")


@rule(DRY_RUN, NO_REQUEST)
def test_a_dry_run_is_answered_by_an_error_that_says_so(service: Service) -> None:
    with pytest.raises(ClientError) as error:
        service.client.meter_usage(
            ProductCode=new_product_code(), Timestamp=NINE, UsageDimension="users", DryRun=True
        )

    codes = {"DryRunOperation", "UnauthorizedException"}
    assert error.value.response["Error"]["Code"] in codes


@rule(NO_REQUEST)
def test_a_dry_run_meters_nothing(stage: Stage) -> None:
    bought = stage.buy()
    refusal(stage, bought, DryRun=True)

    assert meter(stage, bought, UsageQuantity=4)
    assert stage.billed(bought) == [4]


@pytest.mark.parametrize("member", ["ProductCode", "Timestamp", "UsageDimension"])
@rule(has("MeterUsageRequest", required=("ProductCode", "Timestamp", "UsageDimension")))
def test_product_time_and_dimension_are_required(stage: Stage, member: str) -> None:
    assert refusal(stage, stage.buy(), **{member: None})


@rule(says("MeterUsageRequest.UsageQuantity", "Defaults to 0 if neither"))
def test_usage_without_quantity_is_zero(stage: Stage) -> None:
    bought = stage.buy()

    meter(stage, bought, UsageQuantity=None)

    assert stage.billed(bought) == [0]


@rule(says("MeterUsageRequest.UsageQuantity", "You can't specify both"))
def test_both_quantities_are_refused(stage: Stage) -> None:
    bought = stage.buy()

    assert refusal(stage, bought, UsageQuantity=3, UsageQuantityAsDecimal="3")
    assert stage.billed(bought) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"UsageQuantity": -1},
        {"UsageQuantity": 2**31},
        {"UsageQuantityAsDecimal": "1e3"},
        {"UsageQuantityAsDecimal": "1.0000000"},
        {"UsageDimension": ""},
        {"UsageAllocations": []},
        {"ClientToken": ""},
        {"ClientToken": "t" * 65},
    ],
    ids=str,
)
@rule(
    has("UsageQuantity", max=2**31 - 1),
    has("UsageQuantityAsDecimalString", pattern=r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?$"),
    has("ClientToken", max=64),
)
def test_what_no_shape_allows_is_refused(stage: Stage, fields: dict[str, Any]) -> None:
    bought = stage.buy()

    assert refusal(stage, bought, **fields)
    assert stage.billed(bought) == []


@rule(
    says(
        "MeterUsageRequest.UsageAllocations",
        "The sum of all UsageAllocation quantities must equal the usage quantity of the MeterUsage "
        "request",
    ),
    raises("MeterUsage", "InvalidUsageAllocationsException"),
)
def test_allocations_must_add_up(stage: Stage) -> None:
    buckets = [{"AllocatedUsageQuantity": 2}]

    code = refusal(stage, stage.buy(), UsageAllocations=buckets)

    assert code == "InvalidUsageAllocationsException"


@rule(ONCE_PER_HOUR, says("DuplicateRequestException", "with a different usageQuantity"))
def test_another_quantity_for_an_hour_is_a_duplicate_request(stage: Stage) -> None:
    bought = stage.buy()
    meter(stage, bought)

    assert refusal(stage, bought, Timestamp=NINE + HOUR / 2, UsageQuantity=4) == DUPLICATE
    assert stage.billed(bought) == [3]


@rule(ROUNDED)
def test_the_same_usage_of_another_minute_has_the_same_id(stage: Stage) -> None:
    bought = stage.buy()

    assert meter(stage, bought) == meter(stage, bought, Timestamp=NINE + timedelta(minutes=59))
    assert stage.billed(bought) == [3]


@pytest.mark.parametrize("text", ["3", "3.0", "3.000000"])
@rule(BY_VALUE, says("DuplicateRequestException", "Quantities are compared by value"))
def test_quantities_are_compared_by_value(stage: Stage, text: str) -> None:
    bought = stage.buy()

    assert meter(stage, bought) == meter(stage, bought, UsageQuantityAsDecimal=text)


@rule(ONCE_PER_HOUR)
def test_hours_and_dimensions_are_metered_apart(stage: Stage) -> None:
    bought = stage.buy()

    meter(stage, bought)
    meter(stage, bought, UsageDimension="storage-gb")
    meter(stage, bought, Timestamp=NINE - SECOND)

    assert stage.billed(bought) == [3, 3, 3]


@rule(PER_RESOURCE)
def test_every_instance_of_the_software_reports_its_own_usage(stage: Stage) -> None:
    bought = stage.buy()

    meter(stage, bought)
    meter(stage, bought, stage.connect(key="another-instance"), UsageQuantity=4)

    assert stage.total(bought) == 7


@rule(SIX_HOURS, says("MeterUsageRequest.Timestamp", "up to six hours in the past"))
def test_usage_of_up_to_six_hours_ago_is_taken(stage: Stage) -> None:
    assert meter(stage, stage.buy(), Timestamp=NOW - 6 * HOUR)


@pytest.mark.parametrize("moment", [NOW - 6 * HOUR - SECOND, NOW - 24 * HOUR])
@rule(SIX_HOURS, raises("MeterUsage", OUT_OF_BOUNDS))
def test_older_usage_is_out_of_bounds(stage: Stage, moment: Any) -> None:
    assert refusal(stage, stage.buy(), Timestamp=moment) == OUT_OF_BOUNDS


@rule(page("RH-2687", "a time ahead of AWS's clock is out of bounds"))
def test_usage_of_the_future_is_out_of_bounds(stage: Stage) -> None:
    assert refusal(stage, stage.buy(), Timestamp=NOW + SECOND) == OUT_OF_BOUNDS


@rule(says("MeterUsageRequest.Timestamp", "is not before the start of the software usage"))
def test_usage_of_before_the_purchase_is_refused(stage: Stage) -> None:
    bought = stage.buy(starts_at=NOW - HOUR)

    assert refusal(stage, bought, Timestamp=NOW - HOUR - SECOND)
    assert stage.billed(bought) == []


@rule(raises("MeterUsage", "InvalidProductCodeException"))
def test_a_product_nobody_has_is_an_invalid_product_code(stage: Stage) -> None:
    code = refusal(stage, stage.buy(), ProductCode=new_product_code())

    assert code == "InvalidProductCodeException"


@rule(raises("MeterUsage", "InvalidUsageDimensionException"))
def test_a_dimension_the_product_does_not_have_is_an_invalid_dimension(stage: Stage) -> None:
    assert refusal(stage, stage.buy(), UsageDimension="seats") == "InvalidUsageDimensionException"


@rule(
    says(
        "CustomerNotEntitledException",
        "when the customer does not have a valid subscription for the product",
    )
)
def test_a_buyer_without_subscription_is_not_entitled(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "end")

    assert refusal(stage, bought) == "CustomerNotEntitledException"


@rule(
    says("MeterUsage", "You must use the following buyer Amazon Web Services account credentials")
)
def test_somebody_else_than_the_buyer_is_not_entitled(stage: Stage) -> None:
    bought = stage.buy()

    code = refusal(stage, bought, stage.connect(key=OTHER_BUYER))

    assert code == "CustomerNotEntitledException"


@rule(
    says(
        "InvalidEndpointRegionException",
        "the Amazon Web Services Region of the resource must match",
    )
)
@under(resource_region="eu-west-1")
def test_the_endpoint_must_be_in_the_resources_region(stage: Stage) -> None:
    bought = stage.buy()

    assert refusal(stage, bought) == "InvalidEndpointRegionException"
    assert meter(stage, bought, stage.connect(region="eu-west-1"))


@rule(says("MeterUsageRequest.ClientToken", "generates a random one for you"))
def test_calls_without_a_token_are_not_taken_for_one(stage: Stage) -> None:
    bought = stage.buy()

    assert meter(stage, bought) != meter(stage, bought, Timestamp=NINE - SECOND)


@rule(
    says(
        "MeterUsageRequest.ClientToken",
        "This lets you safely retry the request without accidentally performing the same operation "
        "a second time",
    )
)
@under(platform=("ecs", "agentcore"))
def test_a_call_with_the_same_token_is_the_same_call(stage: Stage) -> None:
    bought, token = stage.buy(), uuid4().hex

    assert meter(stage, bought, ClientToken=token) == meter(stage, bought, ClientToken=token)
    assert stage.billed(bought) == [3]


@pytest.mark.parametrize(
    "other",
    [
        {"Timestamp": NINE - HOUR},
        {"UsageDimension": "storage-gb"},
        {"UsageQuantity": 4},
        {"UsageAllocations": [{"AllocatedUsageQuantity": 3}]},
    ],
    ids=["time", "dimension", "quantity", "allocations"],
)
@rule(ALL_PARAMETERS, TOKEN_CONFLICT)
@under(platform=("ecs", "agentcore"))
def test_a_token_of_another_request_is_a_conflict(stage: Stage, other: dict[str, Any]) -> None:
    bought, token = stage.buy(), uuid4().hex
    meter(stage, bought, ClientToken=token)

    assert refusal(stage, bought, ClientToken=token, **other) == CONFLICT
    assert stage.billed(bought) == [3]


@rule(ADDED_UP)
@under(platform="agentcore")
def test_on_agentcore_usage_of_one_time_is_added_up(stage: Stage) -> None:
    bought = stage.buy()

    meter(stage, bought)
    meter(stage, bought, UsageQuantity=4)

    assert stage.billed(bought) == [7]


@rule(TOKEN_REQUIRED)
@under(platform="agentcore")
def test_on_agentcore_a_token_is_required(stage: Stage) -> None:
    bought = stage.buy()
    client = stage.connect(key="without-token")
    client.meta.events.register("before-call.*.MeterUsage", _without_token)

    assert refusal(stage, bought, client)
    assert stage.billed(bought) == []


def _without_token(params: dict[str, Any], **_: Any) -> None:
    """Take away the token that botocore puts into every call."""
    start = params["body"].index(b', "ClientToken"')
    params["body"] = params["body"][:start] + b"}"
