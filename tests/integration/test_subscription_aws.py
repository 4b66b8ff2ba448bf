"""What AWS Marketplace may answer and the emulator does not: every status, every kind of value."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.customers.license import Entitlement, License
from lambdas.subscription.aws import Agreements, Entitlements
from tests.customers_stage import BUYER, FIRST, KEY, LEGACY, PRODUCT, PRODUCT_ID, SECOND, arn

BEGIN = datetime(2026, 11, 20, 9, 0, 0, 123_000, tzinfo=UTC)
EACH = License(KEY, arn=arn(KEY), product_code=PRODUCT)
STATUSES = ["PROVISIONED", "SCHEDULED", "PENDING", "FAILED", "DEPROVISIONED"]


def stubbed(service: str) -> tuple[Any, Stubber]:
    client = boto3.client(
        service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    return client, Stubber(client)


def summary(id_: str, **fields: Any) -> dict[str, Any]:
    return {"agreementId": id_, "acceptor": {"accountId": BUYER}, "status": "ACTIVE", **fields}


def found_by(*answers: tuple[str, dict[str, Any]]) -> list[Any]:
    """The active agreements of a product, by these answers in this order."""
    client, stubber = stubbed("marketplace-agreement")
    for operation, answer in answers:
        stubber.add_response(operation, answer)
    with stubber:
        found = list(Agreements(client).active(PRODUCT_ID))
    stubber.assert_no_pending_responses()
    return found


def asked_for(each: License, *pages: dict[str, Any], names: dict[str, list[str]]) -> Any:
    client, stubber = stubbed("marketplace-entitlement")
    token: dict[str, str] = {}
    for page in pages:
        wanted = {"ProductCode": each.product_code, "Filter": names, **token}
        stubber.add_response("get_entitlements", page, wanted)
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    with stubber:
        found = Entitlements(client).of(each)
    stubber.assert_no_pending_responses()
    return found


def entitlement(dimension: str, **value: Any) -> dict[str, Any]:
    return {"ProductCode": PRODUCT, "Dimension": dimension, "Value": value}


@pytest.mark.parametrize("status", STATUSES)
def test_a_license_counts_only_while_it_is_provisioned(status: str) -> None:
    one = {"status": status, "licenseArn": arn(KEY)}

    [agreement] = found_by(
        ("search_agreements", {"agreementViewSummaries": [summary(FIRST)]}),
        ("get_agreement_entitlements", {"agreementEntitlements": [one]}),
    )

    assert agreement.license_arns == ((arn(KEY),) if status == "PROVISIONED" else ())


def test_an_entitlement_without_license_is_passed_over() -> None:
    [agreement] = found_by(
        ("search_agreements", {"agreementViewSummaries": [summary(FIRST)]}),
        ("get_agreement_entitlements", {"agreementEntitlements": [{"status": "PROVISIONED"}]}),
    )

    assert agreement.license_arns == ()


def test_pages_are_read_to_the_last_one_also_past_an_empty_one() -> None:
    found = found_by(
        ("search_agreements", {"agreementViewSummaries": [], "nextToken": "a"}),
        ("search_agreements", {"agreementViewSummaries": [summary(FIRST)], "nextToken": "b"}),
        ("get_agreement_entitlements", {"agreementEntitlements": [], "nextToken": "c"}),
        ("get_agreement_entitlements", {}),
        ("search_agreements", {"agreementViewSummaries": [summary(SECOND)]}),
        ("get_agreement_entitlements", {}),
    )

    assert [each.id for each in found] == [FIRST, SECOND]


def test_an_agreement_is_taken_over_as_it_is_told() -> None:
    told = summary(FIRST, startTime=BEGIN, endTime=BEGIN, proposalSummary={"offerId": "offer-1"})

    [agreement] = found_by(
        ("search_agreements", {"agreementViewSummaries": [told]}),
        ("get_agreement_entitlements", {}),
    )

    assert (agreement.account, agreement.offer_id) == (BUYER, "offer-1")
    assert agreement.start_ms == agreement.end_ms == round(BEGIN.timestamp() * 1000)


def test_an_agreement_of_which_nothing_is_told_is_taken_over_too() -> None:
    [agreement] = found_by(
        ("search_agreements", {"agreementViewSummaries": [{"agreementId": FIRST}]}),
        ("get_agreement_entitlements", {}),
    )

    assert (agreement.status, agreement.account, agreement.offer_id) == ("", "", "")
    assert (agreement.start_ms, agreement.end_ms) == (None, None)


def test_every_kind_of_value_is_kept_as_text_in_a_stable_order() -> None:
    page = {
        "Entitlements": [
            entitlement("sso", BooleanValue=True),
            entitlement("audit", BooleanValue=False),
            entitlement("plan", StringValue="gold"),
            entitlement("ratio", DoubleValue=0.5),
            entitlement("seats", IntegerValue=25) | {"ExpirationDate": BEGIN},
        ]
    }

    assert asked_for(EACH, page, names={"LICENSE_ARN": [arn(KEY)]}) == [
        Entitlement("audit", "Boolean", "false"),
        Entitlement("plan", "String", "gold"),
        Entitlement("ratio", "Double", "0.5"),
        Entitlement("seats", "Integer", "25", int(BEGIN.timestamp())),
        Entitlement("sso", "Boolean", "true"),
    ]


def test_an_empty_page_may_have_another_behind_it() -> None:
    found = asked_for(
        EACH,
        {"Entitlements": [], "NextToken": "a"},
        {"Entitlements": [entitlement("seats", IntegerValue=1)], "NextToken": "b"},
        {"Entitlements": [entitlement("users", IntegerValue=2)]},
        names={"LICENSE_ARN": [arn(KEY)]},
    )

    assert [each.dimension for each in found] == ["seats", "users"]


def test_a_legacy_customer_is_asked_for_by_its_identifier() -> None:
    customer = License(LEGACY, customer_identifier="X01", product_code="n0123")

    assert asked_for(customer, {}, names={"CUSTOMER_IDENTIFIER": ["X01"]}) == []
