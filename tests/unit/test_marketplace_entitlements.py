"""GetEntitlements: what active contracts include, in pages that may be empty."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.marketplace.faults import Fault
from sandbox.marketplace.http import attach
from sandbox.marketplace.rules import Readings
from tests.unit.marketplace_stage import (
    BUYER,
    LEGACY_PRODUCT,
    NOW,
    OTHER_BUYER,
    PRODUCT,
    Stage,
    client_of,
    code_of,
    status_of,
)

END = NOW + timedelta(days=30)


class Contracts(Stage):
    """The buyer has a contract beside the license, somebody else has one too."""

    def __init__(self, region: str = "us-east-1", **options: Any) -> None:
        super().__init__(**options)
        self.contract = self.buy(entitlements={"users": 50, "storage-gb": 100}, ends_at=END)
        self.others = self.buy(account=OTHER_BUYER, entitlements={"users": 7}, ends_at=END)
        self.entitlements = client_of("marketplace-entitlement", region=region)
        attach(self.entitlements, self.marketplace)

    def pages(self, **request: Any) -> list[list[dict[str, Any]]]:
        """Every page of the answer."""
        pages = self.entitlements.get_paginator("get_entitlements").paginate(
            **{"ProductCode": PRODUCT} | request
        )
        return [page["Entitlements"] for page in pages]

    def found(self, **request: Any) -> list[tuple[str, str, int]]:
        """The accounts, dimensions and amounts on all pages."""
        return [
            (each["CustomerAWSAccountId"], each["Dimension"], each["Value"]["IntegerValue"])
            for page in self.pages(**request)
            for each in page
        ]


def test_an_entitlement_says_who_may_use_how_much_until_when() -> None:
    stage = Contracts()

    (entitlement,) = (
        each
        for page in stage.pages(Filter={"CUSTOMER_AWS_ACCOUNT_ID": [OTHER_BUYER]})
        for each in page
    )

    assert entitlement == {
        "ProductCode": PRODUCT,
        "Dimension": "users",
        "CustomerAWSAccountId": OTHER_BUYER,
        "Value": {"IntegerValue": 7},
        "ExpirationDate": END,
        "LicenseArn": stage.others.license_arn,
    }


@pytest.mark.parametrize(
    ("value", "member"),
    [(5, "IntegerValue"), (2.5, "DoubleValue"), (True, "BooleanValue"), ("gold", "StringValue")],
)
def test_a_value_is_of_one_of_four_kinds(value: Any, member: str) -> None:
    stage = Contracts()
    stage.marketplace.amend(stage.others.license_arn, entitlements={"users": value})

    last = stage.pages()[-1][-1]

    assert last["Value"] == {member: value}


def test_a_legacy_entitlement_names_its_customer() -> None:
    stage = Contracts()
    bought = stage.buy_legacy(entitlements={"users": 5})

    _, (entitlement,) = stage.pages(
        ProductCode=LEGACY_PRODUCT, Filter={"CUSTOMER_IDENTIFIER": [bought.customer_identifier]}
    )

    assert entitlement["CustomerIdentifier"] == bought.customer_identifier


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, 3),
        ({"DIMENSION": ["users"]}, 2),
        ({"DIMENSION": ["users", "storage-gb"]}, 3),
        ({"CUSTOMER_AWS_ACCOUNT_ID": [BUYER]}, 2),
        ({"CUSTOMER_AWS_ACCOUNT_ID": [BUYER], "DIMENSION": ["users"]}, 1),
        ({"CUSTOMER_AWS_ACCOUNT_ID": [BUYER, OTHER_BUYER], "DIMENSION": ["users"]}, 2),
        ({"LICENSE_ARN": ["arn:aws:license-manager::1:license:l-none"]}, 0),
        ({"CUSTOMER_IDENTIFIER": ["nobody"]}, 0),
    ],
)
def test_values_of_a_filter_add_and_filters_narrow(filters: Any, found: int) -> None:
    assert len(Contracts().found(Filter=filters)) == found


def test_a_license_can_be_asked_for() -> None:
    stage = Contracts()

    assert stage.found(Filter={"LICENSE_ARN": [stage.contract.license_arn]}) == [
        (BUYER, "storage-gb", 100),
        (BUYER, "users", 50),
    ]


def test_the_first_page_is_empty_and_says_that_there_is_more() -> None:
    stage = Contracts()

    answer = stage.entitlements.get_entitlements(ProductCode=PRODUCT)

    assert answer["Entitlements"] == []
    assert answer["NextToken"]


def test_where_there_is_nothing_there_is_one_page() -> None:
    stage = Contracts()

    assert stage.pages(Filter={"DIMENSION": ["none"]}) == [[]]


def test_the_first_page_is_filled_in_another_reading() -> None:
    stage = Contracts(readings=Readings(first_entitlements="filled"))

    assert [len(page) for page in stage.pages()] == [3]


def test_pages_are_as_long_as_asked() -> None:
    assert [len(page) for page in Contracts().pages(MaxResults=2)] == [0, 2, 1]


@pytest.mark.parametrize("request_", [{"NextToken": "made-up"}, {"MaxResults": 26}])
def test_what_cannot_be_asked_is_an_invalid_parameter(request_: dict[str, Any]) -> None:
    stage = Contracts()

    def ask() -> None:
        stage.entitlements.get_entitlements(ProductCode=PRODUCT, **request_)

    assert code_of(ask) == "InvalidParameterException"


def test_a_token_does_not_fit_another_request() -> None:
    stage = Contracts()
    token = stage.entitlements.get_entitlements(ProductCode=PRODUCT)["NextToken"]

    def ask() -> None:
        stage.entitlements.get_entitlements(
            ProductCode=PRODUCT, NextToken=token, Filter={"DIMENSION": ["users"]}
        )

    assert code_of(ask) == "InvalidParameterException"


def test_identifier_and_account_exclude_each_other() -> None:
    stage = Contracts()
    filters = {"CUSTOMER_IDENTIFIER": ["X"], "CUSTOMER_AWS_ACCOUNT_ID": [BUYER]}

    assert code_of(lambda: stage.pages(Filter=filters)) == "InvalidParameterException"


def test_a_filter_nobody_knows_is_refused() -> None:
    stage = Contracts()

    assert code_of(lambda: stage.pages(Filter={"COLOUR": ["red"]})) == "InvalidParameterException"


def test_a_product_nobody_sells_is_refused() -> None:
    stage = Contracts()

    assert code_of(lambda: stage.pages(ProductCode="none")) == "InvalidParameterException"


def test_there_is_one_region() -> None:
    stage = Contracts(region="eu-west-1")

    assert code_of(stage.pages) == "InvalidSignatureException"
    assert status_of(stage.pages) == 403


def test_an_agreement_without_amounts_has_no_entitlements() -> None:
    stage = Contracts()

    assert stage.found(Filter={"LICENSE_ARN": [stage.bought.license_arn]}) == []


@pytest.mark.parametrize("change", ["cancel", "suspend"])
def test_what_is_not_active_includes_nothing(change: Any) -> None:
    stage = Contracts()

    stage.marketplace.change_license(stage.contract.license_arn, change)

    assert stage.found() == [(OTHER_BUYER, "users", 7)]


def test_what_is_not_activated_yet_includes_nothing() -> None:
    stage = Contracts()
    stage.buy(state="as-real", starts_at=None, entitlements={"users": 9})

    before = len(stage.found())
    stage.wait(minutes=2)

    assert (before, len(stage.found())) == (3, 4)


def test_an_expired_contract_includes_nothing() -> None:
    stage = Contracts()

    stage.wait(days=30)

    assert stage.found() == []


def test_a_renewed_contract_includes_its_amounts_once() -> None:
    stage = Contracts()

    stage.marketplace.succeed(stage.others.license_arn, "RENEW", entitlements={"users": 8})

    assert stage.found(Filter={"CUSTOMER_AWS_ACCOUNT_ID": [OTHER_BUYER]}) == [
        (OTHER_BUYER, "users", 8)
    ]


def test_it_can_be_throttled() -> None:
    stage = Contracts()
    stage.marketplace.inject(Fault("ThrottlingException", operation="GetEntitlements"))

    with pytest.raises(ClientError) as error:
        stage.pages()

    assert error.value.response["Error"]["Code"] == "ThrottlingException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_its_own_fault_is_named_as_in_its_model() -> None:
    stage = Contracts()
    stage.marketplace.inject(Fault("applied-but-500", operation="GetEntitlements"))

    assert code_of(stage.pages) == "InternalServiceErrorException"
