"""The Agreement API: searches, descriptions, and what became of licenses."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.marketplace.faults import Fault
from sandbox.marketplace.http import attach
from tests.unit.marketplace_stage import (
    BUYER,
    HOUR,
    NOW,
    OTHER_BUYER,
    Stage,
    client_of,
    code_of,
    status_of,
)

SELLER = "444455556666"
PRODUCT_ID = "prod-5b2c1c28e2cef"
START, END = NOW - timedelta(days=3), NOW + timedelta(days=30)
PROPOSER = {"PartyType": "Proposer", "AgreementType": "PurchaseAgreement"}
ACCEPTOR = PROPOSER | {"PartyType": "Acceptor"}


class Agreements(Stage):
    """Three agreements: the buyer's without an end, another one with, and a free trial."""

    def __init__(self, key: str = "test", **options: Any) -> None:
        super().__init__(**options)
        self.contract = self.buy(
            entitlements={"users": 50}, ends_at=END, starts_at=NOW - timedelta(days=2)
        )
        self.trial = self.buy(
            account=OTHER_BUYER, free_trial_days=14, starts_at=NOW - timedelta(days=1)
        )
        self.api = client_of("marketplace-agreement", key)
        attach(self.api, self.marketplace)

    def search(self, filters: dict[str, str], **request: Any) -> list[dict[str, Any]]:
        """The summaries of all pages."""
        named = [{"name": name, "values": [value]} for name, value in filters.items()]
        pages = self.api.get_paginator("search_agreements").paginate(
            catalog="AWSMarketplace", filters=named, **request
        )
        return [each for page in pages for each in page["agreementViewSummaries"]]

    def found(self, filters: dict[str, str], **request: Any) -> list[str]:
        """What was found, by the names of this stage."""
        names = {
            self.bought.agreement_id: "bought",
            self.contract.agreement_id: "contract",
            self.trial.agreement_id: "trial",
        }
        return [names.get(each["agreementId"], "new") for each in self.search(filters, **request)]

    def describe(self, agreement_id: str) -> dict[str, Any]:
        """A description."""
        answer: dict[str, Any] = self.api.describe_agreement(agreementId=agreement_id)
        del answer["ResponseMetadata"]
        return answer

    def entitlement(self, agreement_id: str) -> dict[str, Any]:
        """The one entitlement of an agreement."""
        answer = self.api.get_agreement_entitlements(agreementId=agreement_id)
        (entitlement,) = answer["agreementEntitlements"]
        return dict(entitlement)


def reason_of(stage: Agreements, filters: dict[str, str], **request: Any) -> str:
    """Why a search is refused."""
    with pytest.raises(ClientError) as error:
        stage.search(filters, **request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    return str(error.value.response["reason"])


def test_a_summary_names_parties_product_and_license() -> None:
    stage = Agreements()

    (summary,) = stage.search(PROPOSER | {"LicenseArn": stage.bought.license_arn})

    assert summary == {
        "agreementId": stage.bought.agreement_id,
        "agreementType": "PurchaseAgreement",
        "acceptor": {"accountId": BUYER},
        "proposer": {"accountId": SELLER},
        "acceptanceTime": START,
        "startTime": START,
        "lastUpdateTime": START,
        "initialAgreementId": stage.bought.agreement_id,
        "status": "ACTIVE",
        "proposalSummary": {
            "offerId": stage.bought.offer_id,
            "resources": [{"id": PRODUCT_ID, "type": "SaaSProduct"}],
        },
        "entitlements": [{"licenseArn": stage.bought.license_arn}],
    }


def test_a_summary_of_what_has_an_end_says_what_follows() -> None:
    stage = Agreements()

    (summary,) = stage.search(PROPOSER | {"EndTimeBehaviorType": "EXPIRE"})

    assert summary["agreementId"] == stage.contract.agreement_id
    assert summary["endTime"] == END
    assert summary["endTimeBehaviorReasonCode"] == "ACCEPTOR_RENEW_OPTED_OUT"


def test_a_summary_of_a_free_trial_says_until_when() -> None:
    stage = Agreements()

    (summary,) = stage.search(PROPOSER | {"AcceptorAccountId": OTHER_BUYER})

    assert summary["freeTrialEndTime"] == NOW + timedelta(days=13)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["contract", "bought", "trial"]),
        ({"ResourceIdentifier": PRODUCT_ID}, ["contract", "bought", "trial"]),
        ({"ResourceIdentifier": "prod-none"}, []),
        ({"ResourceType": "SaaSProduct"}, ["contract", "bought", "trial"]),
        ({"ResourceType": "AmiProduct"}, []),
        ({"AcceptorAccountId": BUYER}, ["contract", "bought"]),
        ({"Status": "ACTIVE"}, ["contract", "bought", "trial"]),
        ({"Status": "CANCELLED"}, []),
        ({"OfferSetId": "none"}, []),
        ({"IncludesContactOfType": "ACCEPTOR"}, []),
        ({"BeforeEndTime": "2027-01-01T00:00:00Z"}, ["contract"]),
        ({"AfterEndTime": "2027-01-01T00:00:00Z"}, ["bought", "trial"]),
        ({"AfterStartTime": "2026-11-21T00:00:00Z"}, ["contract", "trial"]),
        ({"BeforeLastUpdateTime": "2026-11-21T10:20:00Z"}, ["bought"]),
        ({"AfterLastUpdateTime": "2026-11-21T10:20:00Z"}, ["trial"]),
        ({"AcceptorAccountId": BUYER, "AfterEndTime": "2027-01-01T00:00:00"}, ["bought"]),
    ],
)
def test_filters_narrow(filters: dict[str, str], found: list[str]) -> None:
    assert Agreements().found(PROPOSER | filters) == found


def test_an_offer_can_be_asked_for() -> None:
    stage = Agreements()

    assert stage.found(PROPOSER | {"OfferId": stage.trial.offer_id}) == ["trial"]


def test_a_chain_of_agreements_can_be_asked_for() -> None:
    stage = Agreements()
    stage.marketplace.succeed(stage.contract.license_arn, "RENEW")

    found = stage.search(PROPOSER | {"InitialAgreementId": stage.contract.agreement_id})

    assert [each["status"] for each in found] == ["RENEWED", "ACTIVE"]


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ({"sortBy": "StartTime"}, ["bought", "contract", "trial"]),
        ({"sortBy": "StartTime", "sortOrder": "DESCENDING"}, ["trial", "contract", "bought"]),
        ({"sortBy": "LastUpdateTime"}, ["bought", "contract", "trial"]),
        ({"sortOrder": "ASCENDING"}, ["contract", "bought", "trial"]),
    ],
)
def test_what_is_found_can_be_sorted(sort: dict[str, str], found: list[str]) -> None:
    assert Agreements().found(PROPOSER, sort=sort) == found


def test_a_search_has_pages() -> None:
    stage = Agreements()
    filters = [{"name": name, "values": [value]} for name, value in PROPOSER.items()]

    first = stage.api.search_agreements(filters=filters, maxResults=2)

    assert len(first["agreementViewSummaries"]) == 2
    assert len(stage.search(PROPOSER, maxResults=2)) == 3


@pytest.mark.parametrize(
    ("filters", "request_", "reason"),
    [
        ({"AgreementType": "PurchaseAgreement"}, {}, "MISSING_PARTY_TYPE"),
        ({"PartyType": "Proposer"}, {}, "INVALID_FILTERS"),
        (PROPOSER | {"PartyType": "Seller"}, {}, "INVALID_FILTER_VALUES"),
        (PROPOSER | {"AgreementType": "Lease"}, {}, "INVALID_FILTER_VALUES"),
        (PROPOSER | {"Status": "LATE"}, {}, "INVALID_FILTER_VALUES"),
        (PROPOSER | {"AfterEndTime": "tomorrow"}, {}, "INVALID_FILTER_VALUES"),
        (PROPOSER | {"Colour": "red"}, {}, "INVALID_FILTER_NAME"),
        (PROPOSER, {"sort": {"sortBy": "Price"}}, "INVALID_SORT_BY"),
        (ACCEPTOR, {"sort": {"sortBy": "LastUpdateTime"}}, "INVALID_SORT_BY"),
        (ACCEPTOR | {"LicenseArn": "l-1"}, {}, "UNSUPPORTED_FILTERS"),
        (ACCEPTOR | {"OfferId": "a", "ResourceType": "SaaSProduct"}, {}, "UNSUPPORTED_FILTERS"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(
    filters: dict[str, str], request_: dict[str, Any], reason: str
) -> None:
    assert reason_of(Agreements(), filters, **request_) == reason


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"catalog": "AWSMarketplaceOfMine"}, "INVALID_CATALOG"),
        ({"nextToken": "bWFkZSB1cA=="}, "INVALID_NEXT_TOKEN"),
        ({"filters": [{"values": ["a"]}]}, "MISSING_FILTER_NAME"),
        ({"filters": [{"name": "Status"}]}, "MISSING_FILTER_VALUES"),
        ({"filters": [{"name": "OfferId", "values": ["a"]}] * 2}, "INVALID_FILTERS"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(request_: dict[str, Any], reason: str) -> None:
    stage = Agreements()
    filters = [{"name": name, "values": [value]} for name, value in PROPOSER.items()]

    with pytest.raises(ClientError) as error:
        stage.api.search_agreements(**{"filters": filters} | request_)

    assert error.value.response["reason"] == reason


def test_a_search_by_two_values_is_refused() -> None:
    stage = Agreements()

    def ask() -> None:
        stage.api.search_agreements(filters=[{"name": "Status", "values": ["ACTIVE", "EXPIRED"]}])

    assert code_of(ask) == "ValidationException"


def test_a_buyer_finds_what_they_accepted() -> None:
    assert Agreements(key=OTHER_BUYER).found(ACCEPTOR | {"Status": "ACTIVE"}) == ["trial"]


def test_a_buyer_proposed_nothing() -> None:
    assert Agreements(key=OTHER_BUYER).found(PROPOSER) == []


def test_a_description_of_what_has_no_end() -> None:
    stage = Agreements()

    assert stage.describe(stage.bought.agreement_id) == {
        "agreementId": stage.bought.agreement_id,
        "agreementType": "PurchaseAgreement",
        "acceptor": {"accountId": BUYER},
        "proposer": {"accountId": SELLER},
        "acceptanceTime": START,
        "startTime": START,
        "initialAgreementId": stage.bought.agreement_id,
        "status": "ACTIVE",
        "proposalSummary": {
            "offerId": stage.bought.offer_id,
            "resources": [{"id": PRODUCT_ID, "type": "SaaSProduct"}],
        },
        "estimatedCharges": {"currencyCode": "USD", "agreementValue": "0"},
    }


def test_a_description_says_when_the_free_trial_ends() -> None:
    stage = Agreements()

    description = stage.describe(stage.trial.agreement_id)

    assert description["freeTrialSummary"] == {"trialEndTime": NOW + timedelta(days=13)}


def test_a_description_says_what_follows_the_end() -> None:
    stage = Agreements()
    stage.marketplace.amend(stage.contract.license_arn, auto_renew=True)

    description = stage.describe(stage.contract.agreement_id)

    assert description["endTime"] == END
    assert description["endTimeBehavior"] == {
        "type": "RENEW",
        "renewalSummary": {"offerId": stage.contract.offer_id},
    }


def test_nothing_follows_what_is_over() -> None:
    stage = Agreements()
    stage.wait(days=30)

    description = stage.describe(stage.contract.agreement_id)

    assert description["status"] == "EXPIRED"
    assert "endTimeBehavior" not in description


def test_an_agreement_nobody_made_is_not_found() -> None:
    stage = Agreements()

    with pytest.raises(ClientError) as error:
        stage.describe("agmt-none")

    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert error.value.response["resourceId"] == "agmt-none"


def test_an_agreement_between_others_is_denied() -> None:
    stage = Agreements(key=OTHER_BUYER)

    assert code_of(lambda: stage.describe(stage.bought.agreement_id)) == "AccessDeniedException"
    assert status_of(lambda: stage.describe(stage.bought.agreement_id)) == 403


def test_an_entitlement_is_of_the_product_and_has_a_license() -> None:
    stage = Agreements()

    assert stage.entitlement(stage.bought.agreement_id) == {
        "resource": {"id": PRODUCT_ID, "type": "SaaSProduct"},
        "status": "PROVISIONED",
        "licenseArn": stage.bought.license_arn,
    }


def test_a_new_license_is_told_once_it_is_provisioned() -> None:
    stage = Agreements()
    new = stage.buy(state="as-real", starts_at=None)

    before = stage.entitlement(new.agreement_id)
    summary = stage.search(PROPOSER | {"OfferId": new.offer_id})[0]
    stage.wait(minutes=2)

    assert (before["status"], before["statusReasonCode"]) == ("PENDING", "PROVISIONING_IN_PROGRESS")
    assert "licenseArn" not in before
    assert summary["entitlements"] == []
    assert stage.entitlement(new.agreement_id)["licenseArn"] == new.license_arn


def test_a_future_dated_license_is_scheduled() -> None:
    stage = Agreements()
    new = stage.buy(state="as-real", starts_at=NOW + HOUR)

    found = stage.entitlement(new.agreement_id)

    assert (found["status"], found["statusReasonCode"]) == ("SCHEDULED", "FUTURE_START_DATE")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("cancel", "AGREEMENT_INACTIVE"),
        ("end", "AGREEMENT_INACTIVE"),
        ("suspend", "ACCOUNT_SUSPENDED"),
    ],
)
def test_what_is_over_is_deprovisioned(change: Any, reason: str) -> None:
    stage = Agreements()
    stage.marketplace.change_license(stage.bought.license_arn, change)

    found = stage.entitlement(stage.bought.agreement_id)

    assert (found["status"], found["statusReasonCode"]) == ("DEPROVISIONED", reason)
    assert found["licenseArn"] == stage.bought.license_arn


def test_a_search_tells_what_events_told() -> None:
    stage = Agreements()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")

    (summary,) = stage.search(PROPOSER | {"Status": "CANCELLED"})

    assert summary["agreementId"] == stage.bought.agreement_id
    assert summary["lastUpdateTime"] == NOW


def test_the_seller_gets_no_registration_token() -> None:
    stage = Agreements()

    assert "registrationToken" not in stage.entitlement(stage.bought.agreement_id)


def test_a_buyers_registration_token_resolves_for_half_an_hour() -> None:
    stage = Agreements(key=BUYER)
    token = stage.entitlement(stage.bought.agreement_id)["registrationToken"]

    stage.wait(minutes=29)
    customer = stage.client.resolve_customer(RegistrationToken=token)
    stage.wait(minutes=1)

    assert customer["LicenseArn"] == stage.bought.license_arn
    assert code_of(lambda: stage.client.resolve_customer(RegistrationToken=token)) == (
        "ExpiredTokenException"
    )


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("ThrottlingException", "ThrottlingException", 429),
        ("AccessDeniedException", "AccessDeniedException", 403),
        ("InternalServerException", "InternalServerException", 500),
        ("applied-but-500", "InternalServerException", 500),
    ],
)
def test_faults_have_the_statuses_of_the_model(fault: str, code: str, status: int) -> None:
    stage = Agreements()
    stage.marketplace.inject(Fault(fault, operation="SearchAgreements", times=2))

    assert code_of(lambda: stage.search(PROPOSER)) == code
    assert status_of(lambda: stage.search(PROPOSER)) == status
