"""GetEntitlements: what a contract includes."""

from datetime import timedelta
from typing import Any

import botocore.exceptions
import pytest

from tests.conformance.citations import (
    AGREEMENT,
    ENTITLEMENT,
    METERING,
    boto3_page,
    exceptions_of,
    has,
    page,
    raises,
    says,
    service_model,
)
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import (
    BUYER,
    HOUR,
    NO_PRODUCT,
    NOW,
    OTHER_BUYER,
    Bought,
    Service,
    Stage,
    new_product_code,
    refusal_of,
)

INCLUDED: dict[str, Any] = {"users": 25, "storage-gb": 1.5, "support": True, "plan": "gold"}
ENDS_AT = NOW + timedelta(days=30)
PAGE_MAX = 25
FILTERS = ("CUSTOMER_IDENTIFIER", "DIMENSION", "CUSTOMER_AWS_ACCOUNT_ID", "LICENSE_ARN")
UNION = says(
    "GetEntitlementsRequest.Filter",
    "Filtered requests are unioned for each value in the value list, and then intersected for each "
    "filter key",
    ENTITLEMENT,
)
EMPTY_PAGE = says(
    "GetEntitlementsResult.NextToken",
    "If the result contains an empty set of entitlements, NextToken might still be present and "
    "should be used",
    ENTITLEMENT,
)
INVALID = says("InvalidParameterException", "was invalid", ENTITLEMENT)
US_EAST_1 = page("CHECKING", "GetEntitlements is answered in us-east-1 only")


def contract(stage: Stage, code: str | None = None, account: str = BUYER, **options: Any) -> Bought:
    """A contract that includes something of every kind."""
    options = {"entitlements": INCLUDED, "ends_at": ENDS_AT} | options
    return stage.buy(code, account, dimensions=sorted(INCLUDED), **options)


def client_of(service: Service) -> Any:
    return service.connect(ENTITLEMENT)


def entitlements(stage: Stage, code: str, **request: Any) -> list[dict[str, Any]]:
    """All entitlements of a product, page by page."""
    pages = client_of(stage).get_paginator("get_entitlements").paginate(ProductCode=code, **request)
    return [each for found in pages for each in found["Entitlements"]]


def refusal(service: Service, **request: Any) -> str:
    call = service.connect(ENTITLEMENT, validated=False).get_entitlements
    return refusal_of(lambda: call(**({"ProductCode": NO_PRODUCT} | request)))


@rule(says("Entitlement", "represents capacity in a product owned by the customer", ENTITLEMENT))
@under(first_entitlements=("empty", "filled"))
def test_a_contract_includes_an_amount_of_each_dimension(stage: Stage) -> None:
    bought = contract(stage)

    found = entitlements(stage, bought.product_code)

    assert {each["Dimension"] for each in found} == INCLUDED.keys()
    assert {each["ProductCode"] for each in found} == {bought.product_code}


@pytest.mark.parametrize(
    ("dimension", "member"),
    [
        ("users", "IntegerValue"),
        ("storage-gb", "DoubleValue"),
        ("support", "BooleanValue"),
        ("plan", "StringValue"),
    ],
)
@rule(says("EntitlementValue.DoubleValue", "Otherwise, the field will not be set", ENTITLEMENT))
def test_an_amount_is_in_the_member_of_its_kind_and_no_other(
    stage: Stage, dimension: str, member: str
) -> None:
    bought = contract(stage)

    (found,) = entitlements(stage, bought.product_code, Filter={"DIMENSION": [dimension]})

    assert found["Value"] == {member: INCLUDED[dimension]}


@rule(
    says("Entitlement.LicenseArn", "unique identifier for a specific granted license", ENTITLEMENT)
)
def test_an_entitlement_names_license_and_account(stage: Stage) -> None:
    bought = contract(stage)

    found = entitlements(stage, bought.product_code)

    assert {each["LicenseArn"] for each in found} == {bought.license_arn}
    assert {each["CustomerAWSAccountId"] for each in found} == {bought.account}


@rule(says("Entitlement.CustomerIdentifier", "obtained through the ResolveCustomer", ENTITLEMENT))
def test_a_legacy_customers_entitlement_names_the_identifier(stage: Stage) -> None:
    bought = contract(stage, legacy=True)

    found = entitlements(stage, bought.product_code)

    assert {each["CustomerIdentifier"] for each in found} == {bought.customer_identifier}


@pytest.mark.parametrize("auto_renew", [False, True])
@rule(
    says(
        "Entitlement.ExpirationDate",
        "Customers who are opting to renew their contract will still have entitlements with an "
        "expiration date",
        ENTITLEMENT,
    )
)
def test_an_entitlement_expires_with_the_contract_even_if_it_renews(
    stage: Stage, auto_renew: bool
) -> None:
    bought = contract(stage, auto_renew=auto_renew)

    found = entitlements(stage, bought.product_code)

    assert {each["ExpirationDate"] for each in found} == {ENDS_AT}


@rule(page("CONTRACTS", "at the end of a contract its entitlements are gone"))
@under(first_entitlements=("empty", "filled"))
def test_a_contract_that_has_ended_includes_nothing(stage: Stage) -> None:
    bought = contract(stage)

    stage.set_clock(ENDS_AT + HOUR)

    assert entitlements(stage, bought.product_code) == []


@rule(page("CONTRACTS", "pay as you go has no entitlements"))
def test_pay_as_you_go_includes_nothing(stage: Stage) -> None:
    assert entitlements(stage, stage.buy().product_code) == []


@rule(says("GetEntitlements", "retrieves entitlement values for a given product", ENTITLEMENT))
def test_entitlements_of_another_product_are_not_told(stage: Stage) -> None:
    one, other = contract(stage), contract(stage, entitlements={"users": 3})

    assert len(entitlements(stage, one.product_code)) == len(INCLUDED)
    assert len(entitlements(stage, other.product_code)) == 1


@rule(UNION)
def test_values_of_one_filter_are_alternatives(stage: Stage) -> None:
    bought = contract(stage)

    found = entitlements(stage, bought.product_code, Filter={"DIMENSION": ["users", "plan"]})

    assert sorted(each["Dimension"] for each in found) == ["plan", "users"]


@rule(UNION)
def test_all_filters_must_fit(stage: Stage) -> None:
    one = contract(stage)
    other = contract(stage, one.product_code, OTHER_BUYER)
    both = {"CUSTOMER_AWS_ACCOUNT_ID": [OTHER_BUYER], "DIMENSION": ["users", "plan"]}

    found = entitlements(stage, one.product_code, Filter=both)

    assert {each["LicenseArn"] for each in found} == {other.license_arn}
    assert len(found) == 2


@rule(has("GetEntitlementFilterName", ENTITLEMENT, enum=FILTERS))
def test_a_license_can_be_asked_for(stage: Stage) -> None:
    one = contract(stage)
    other = contract(stage, one.product_code)

    found = entitlements(stage, one.product_code, Filter={"LICENSE_ARN": [other.license_arn]})

    assert {each["LicenseArn"] for each in found} == {other.license_arn}


@rule(has("GetEntitlementFilterName", ENTITLEMENT, enum=FILTERS))
def test_a_legacy_customer_can_be_asked_for(stage: Stage) -> None:
    one = contract(stage, legacy=True)
    contract(stage, one.product_code, OTHER_BUYER, legacy=True)
    only = {"CUSTOMER_IDENTIFIER": [one.customer_identifier]}

    found = entitlements(stage, one.product_code, Filter=only)

    assert {each["CustomerAWSAccountId"] for each in found} == {one.account}


@rule(
    says(
        "GetEntitlementsRequest.Filter",
        "CustomerIdentifier and CustomerAWSAccountId are mutually exclusive parameters",
        ENTITLEMENT,
    ),
    INVALID,
)
def test_identifier_and_account_are_not_asked_for_together(stage: Stage) -> None:
    code = contract(stage, legacy=True).product_code
    both = {"CUSTOMER_IDENTIFIER": ["somebody"], "CUSTOMER_AWS_ACCOUNT_ID": [BUYER]}

    assert refusal(stage, ProductCode=code, Filter=both) == "InvalidParameterException"


@pytest.mark.parametrize(
    "request_",
    [
        {"ProductCode": ""},
        {"ProductCode": "p" * 256},
        {"ProductCode": None},
        {"MaxResults": 0},
        {"MaxResults": 26},
        {"NextToken": ""},
        {"Filter": {"COLOR": ["red"]}},
        {"Filter": {"DIMENSION": []}},
    ],
    ids=str,
)
@rule(
    INVALID,
    has("PageSizeInteger", ENTITLEMENT, max=PAGE_MAX),
    has("ProductCode", ENTITLEMENT, max=255),
    has("FilterValueList", ENTITLEMENT, min=1),
)
def test_what_no_shape_allows_is_refused(service: Service, request_: dict[str, Any]) -> None:
    assert refusal(service, **request_)


@rule(EMPTY_PAGE)
@under(first_entitlements="empty")
def test_a_page_may_be_empty_and_yet_have_a_token(stage: Stage) -> None:
    first = client_of(stage).get_entitlements(ProductCode=contract(stage).product_code)

    assert (first["Entitlements"], bool(first["NextToken"])) == ([], True)


@rule(says("GetEntitlementsResult.Entitlements", "The set of entitlements found", ENTITLEMENT))
@under(first_entitlements="filled")
def test_or_the_first_page_has_what_there_is(stage: Stage) -> None:
    first = client_of(stage).get_entitlements(ProductCode=contract(stage).product_code)

    assert len(first["Entitlements"]) == len(INCLUDED)
    assert "NextToken" not in first


@pytest.mark.parametrize("size", [1, 2, PAGE_MAX])
@rule(says("GetEntitlementsRequest.MaxResults", "maximum number of items to retrieve", ENTITLEMENT))
@under(first_entitlements=("empty", "filled"))
def test_pages_of_any_size_together_have_everything_once(stage: Stage, size: int) -> None:
    code = contract(stage).product_code
    paginator = client_of(stage).get_paginator("get_entitlements")

    pages = list(paginator.paginate(ProductCode=code, PaginationConfig={"PageSize": size}))

    assert all(len(each["Entitlements"]) <= size for each in pages)
    dimensions = [found["Dimension"] for each in pages for found in each["Entitlements"]]
    assert sorted(dimensions) == sorted(INCLUDED)


@rule(INVALID)
def test_a_token_that_was_never_given_is_an_invalid_parameter(stage: Stage) -> None:
    code = contract(stage).product_code

    assert refusal(stage, ProductCode=code, NextToken="made-up") == "InvalidParameterException"


@pytest.mark.parametrize("name", exceptions_of("GetEntitlements", ENTITLEMENT))
@rule(
    raises("GetEntitlements", "ThrottlingException", ENTITLEMENT),
    raises("GetEntitlements", "InternalServiceErrorException", ENTITLEMENT),
)
def test_a_modelled_exception_is_raised_by_its_own_name(stage: Stage, name: str) -> None:
    client = client_of(stage)
    stage.fault(name, operation="GetEntitlements")

    with pytest.raises(getattr(client.exceptions, name)):
        client.get_entitlements(ProductCode=NO_PRODUCT)


@rule(US_EAST_1)
def test_another_region_does_not_answer(stage: Stage) -> None:
    code = contract(stage).product_code
    client = stage.connect(ENTITLEMENT, region="eu-west-1")

    with pytest.raises(botocore.exceptions.ClientError):
        client.get_entitlements(ProductCode=code)


@rule(boto3_page(f"{ENTITLEMENT}/paginator/GetEntitlements", "GetEntitlements has pages"))
def test_only_get_entitlements_has_pages(service: Service) -> None:
    client = client_of(service)

    assert client.can_paginate("get_entitlements")
    assert client.waiter_names == []
    assert list(client.meta.method_to_api_mapping) == ["get_entitlements"]


@rule(
    has("metadata", ENTITLEMENT, signingName="aws-marketplace"),
    has("metadata", AGREEMENT, signingName="aws-marketplace"),
)
def test_the_three_services_are_signed_for_under_one_name(service: Service) -> None:
    names = {
        service.connect(name).meta.service_model.signing_name
        for name in (METERING, ENTITLEMENT, AGREEMENT)
    }

    assert names == {"aws-marketplace"}


@rule(has("Entitlement", ENTITLEMENT, type="structure"))
def test_an_entitlement_has_no_member_the_model_does_not_know(stage: Stage) -> None:
    known = service_model(ENTITLEMENT)["shapes"]["Entitlement"]["members"]

    found = entitlements(stage, contract(stage).product_code)

    assert all(each.keys() <= known.keys() for each in found)


@rule(UNION)
def test_a_filter_that_fits_nothing_finds_nothing(stage: Stage) -> None:
    code = contract(stage).product_code

    assert entitlements(stage, code, Filter={"LICENSE_ARN": [new_product_code()]}) == []
