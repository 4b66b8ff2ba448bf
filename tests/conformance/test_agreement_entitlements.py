"""DescribeAgreement and GetAgreementEntitlements: one agreement, and what became of its license."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conformance.against import NO_AGREEMENT
from tests.conformance.citations import AGREEMENT, has, says
from tests.conformance.rulebook import rule
from tests.conformance.stage import HOUR, NOW, Bought, Service, Stage, error_of, refusal_of

ENDS_AT = NOW + timedelta(days=30)
SHORT_LIVED = says(
    "AgreementEntitlement.registrationToken",
    "A short-lived token required by acceptors to register their account with the product "
    "provider. The token is only valid for 30 minutes after creation",
    AGREEMENT,
)


def provisioning(stage: Stage, bought: Bought, client: Any = None) -> dict[str, Any]:
    """What became of the license of an agreement."""
    call = (client or stage.connect(AGREEMENT)).get_agreement_entitlements
    (found,) = call(agreementId=bought.agreement_id)["agreementEntitlements"]
    return dict(found)


@rule(
    says("DescribeAgreement", "such as the proposer, acceptor, start date, and end date", AGREEMENT)
)
def test_an_agreement_can_be_described(stage: Stage) -> None:
    bought = stage.buy(ends_at=ENDS_AT)

    told = stage.connect(AGREEMENT).describe_agreement(agreementId=bought.agreement_id)

    assert told["acceptor"] == {"accountId": bought.account}
    assert (told["startTime"], told["endTime"]) == (bought.starts_at, ENDS_AT)


@pytest.mark.parametrize("method", ["describe_agreement", "get_agreement_entitlements"])
@rule(
    says(
        "ResourceNotFoundException", "Request references a resource which does not exist", AGREEMENT
    ),
    has("ResourceNotFoundException", AGREEMENT, httpStatusCode=404),
)
def test_an_agreement_that_does_not_exist_is_not_found(service: Service, method: str) -> None:
    call = getattr(service.connect(AGREEMENT), method)

    error = error_of(lambda: call(agreementId=NO_AGREEMENT))

    assert error["Error"]["Code"] == "ResourceNotFoundException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 404


@rule(says("AgreementEntitlement.status", "The current state of an entitlement", AGREEMENT))
def test_an_active_license_is_provisioned(stage: Stage) -> None:
    bought = stage.buy()

    found = provisioning(stage, bought)

    assert (found["status"], found["licenseArn"]) == ("PROVISIONED", bought.license_arn)


@pytest.mark.parametrize("change", ["cancel", "end"])
@rule(says("AgreementEntitlement.status", "The current state of an entitlement", AGREEMENT))
def test_a_license_that_is_not_active_is_not_provisioned(stage: Stage, change: str) -> None:
    bought = stage.buy()
    stage.change(bought, change)

    assert provisioning(stage, bought)["status"] != "PROVISIONED"


@rule(says("AgreementEntitlement.statusReasonCode", "Provides more information about", AGREEMENT))
def test_an_agreement_of_the_future_is_scheduled(stage: Stage) -> None:
    bought = stage.buy(starts_at=NOW + HOUR)

    found = provisioning(stage, bought)

    assert (found["status"], found["statusReasonCode"]) == ("SCHEDULED", "FUTURE_START_DATE")


@rule(SHORT_LIVED)
def test_a_buyer_gets_a_token_that_resolves_for_half_an_hour(stage: Stage) -> None:
    bought = stage.buy()
    token = provisioning(stage, bought, stage.connect(AGREEMENT, key=bought.account))[
        "registrationToken"
    ]
    stage.set_clock(NOW + timedelta(minutes=29))
    customer = stage.client.resolve_customer(RegistrationToken=token)
    stage.set_clock(NOW + timedelta(minutes=30))

    code = refusal_of(lambda: stage.client.resolve_customer(RegistrationToken=token))

    assert (customer["LicenseArn"], code) == (bought.license_arn, "ExpiredTokenException")


@rule(SHORT_LIVED)
def test_a_seller_gets_no_token(stage: Stage) -> None:
    assert "registrationToken" not in provisioning(stage, stage.buy())
