"""ResolveCustomer: from a browser's token to a customer."""

import re
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from tests.conformance.against import NO_TOKEN
from tests.conformance.citations import has, page, raises, says
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import NOW, OTHER_BUYER, SECOND, Bought, Service, Stage, refusal_of

LIVES = {240: page("SETUP", "a token lives 4 hours"), 60: page("SETUP", "a token lives an hour")}
THIRTY = says(
    "AgreementEntitlement.registrationToken",
    "The token is only valid for 30 minutes after creation",
    "marketplace-agreement",
)
LICENSE_ARN = (
    "^arn:aws[a-zA-Z-]*:[A-Za-z0-9][A-Za-z0-9_/.-]{0,62}:[A-Za-z0-9_/.-]{0,63}:"
    "[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,1023}$"
)
EXPIRED = says("ExpiredTokenException", "The submitted registration token has expired")
RESOLVED = says(
    "ResolveCustomer",
    "resolved through this API to obtain a CustomerIdentifier along with the CustomerAWSAccountId, "
    "ProductCode, and LicenseArn",
)


def resolve(stage: Stage, bought: Bought) -> dict[str, object]:
    """What AWS says of a buyer's token."""
    answer = stage.client.resolve_customer(RegistrationToken=bought.registration_token)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def refusal(service: Service, token: str) -> str:
    call = service.unchecked.resolve_customer
    return refusal_of(lambda: call(RegistrationToken=token))


@rule(RESOLVED)
def test_a_token_tells_account_product_and_license(stage: Stage) -> None:
    bought = stage.buy()

    customer = resolve(stage, bought)

    assert customer["CustomerAWSAccountId"] == bought.account
    assert customer["ProductCode"] == bought.product_code
    assert customer["LicenseArn"] == bought.license_arn


@rule(
    says("ResolveCustomerResult.Metadata", "including the AgreementId"),
    has("AgreementId", pattern="[A-Za-z0-9_/-]+"),
)
def test_a_token_tells_the_agreement(stage: Stage) -> None:
    bought = stage.buy()

    assert resolve(stage, bought)["Metadata"] == {"AgreementId": bought.agreement_id}


@rule(
    says(
        "ResolveCustomer",
        "For new SaaS product integrations, the CustomerIdentifier field is not populated",
    )
)
def test_a_new_products_customer_has_no_identifier(stage: Stage) -> None:
    assert not resolve(stage, stage.buy()).get("CustomerIdentifier")


@rule(says("ResolveCustomer", "Existing integrations continue to work unchanged"))
def test_a_legacy_products_customer_has_an_identifier(stage: Stage) -> None:
    bought = stage.buy_legacy()

    customer = resolve(stage, bought)

    assert customer["CustomerIdentifier"] == bought.customer_identifier != ""
    assert customer["ProductCode"] == bought.product_code
    assert customer["CustomerAWSAccountId"] == bought.account


@rule(RESOLVED)
def test_tokens_of_two_buyers_tell_two_customers(stage: Stage) -> None:
    one = stage.buy()
    other = stage.buy(one.product_code, OTHER_BUYER)

    assert resolve(stage, one)["LicenseArn"] == one.license_arn
    assert resolve(stage, other)["LicenseArn"] == other.license_arn


@rule(says("ResolveCustomerResult.LicenseArn", "store that for future purposes/API calls"))
def test_what_a_token_tells_can_be_metered(stage: Stage) -> None:
    bought = stage.buy()
    customer = resolve(stage, bought)
    who = {name: customer[name] for name in ("LicenseArn", "CustomerAWSAccountId")}

    assert stage.send(stage.record(bought) | who) == ["Success"]


@rule(has("LicenseArn", pattern=LICENSE_ARN))
def test_a_license_has_the_form_that_metering_takes(stage: Stage) -> None:
    assert re.fullmatch(LICENSE_ARN, str(resolve(stage, stage.buy())["LicenseArn"]))


@rule(says("InvalidTokenException", "Registration token is invalid"))
def test_a_token_nobody_was_given_is_invalid(service: Service) -> None:
    assert refusal(service, NO_TOKEN) == "InvalidTokenException"


@rule(has("NonEmptyString", pattern=r"[\s\S]+"))
def test_an_empty_token_is_refused(service: Service) -> None:
    assert refusal(service, "")


@rule(has("ResolveCustomerRequest", required=("RegistrationToken",)))
def test_a_token_is_required(stage: Stage) -> None:
    assert refusal_of(lambda: stage.unchecked.resolve_customer())


@rule(says("InvalidTokenException", "Registration token is invalid"))
def test_a_token_whose_plus_signs_became_spaces_is_invalid(stage: Stage) -> None:
    token = stage.buy().registration_token
    changed = token.replace("+", " ").replace("/", "_")

    assert changed != token
    assert refusal(stage, changed) == "InvalidTokenException"


def refusal_after(stage: Stage, age: timedelta) -> str | None:
    """The refusal of a token that is so old, if it is refused."""
    bought = stage.buy()
    stage.set_clock(NOW + age)
    try:
        resolve(stage, bought)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def lives(stage: Stage, minutes: int) -> bool:
    """Whether a token lives so long, and not a second longer."""
    life = timedelta(minutes=minutes)
    before = refusal_after(stage, life - SECOND)
    stage.set_clock(NOW)
    return (before, refusal_after(stage, life)) == (None, "ExpiredTokenException")


@rule(LIVES[240], EXPIRED)
@under(token_minutes=240)
def test_a_token_lives_four_hours(stage: Stage) -> None:
    assert lives(stage, 240)


@rule(LIVES[60], EXPIRED)
@under(token_minutes=60)
def test_or_a_token_lives_an_hour(stage: Stage) -> None:
    assert lives(stage, 60)


@rule(THIRTY, EXPIRED)
@under(token_minutes=30)
def test_or_a_token_lives_half_an_hour(stage: Stage) -> None:
    assert lives(stage, 30)


@rule(
    EXPIRED, page("COMMON", "errors of the caller are 4xx; expired credentials have this code too")
)
def test_an_expired_token_is_not_taken_for_expired_credentials(stage: Stage) -> None:
    bought = stage.buy()
    stage.set_clock(NOW + timedelta(hours=5))

    # `refusal` fails on anything that is about the caller's credentials.
    assert refusal(stage, bought.registration_token) == "ExpiredTokenException"


@rule(page("SETUP", "a token may be resolved again while it lives"))
@under(resubmission="allowed")
def test_a_token_can_be_resolved_again(stage: Stage) -> None:
    bought = stage.buy()

    assert resolve(stage, bought) == resolve(stage, bought)


@rule(
    says("ExpiredTokenException", "the buyer has resubmitted the registration token"),
    raises("ResolveCustomer", "ExpiredTokenException"),
)
@under(resubmission="expired")
def test_or_a_token_that_comes_again_has_expired(stage: Stage) -> None:
    bought = stage.buy()
    resolve(stage, bought)

    assert refusal(stage, bought.registration_token) == "ExpiredTokenException"


@rule(RESOLVED)
@under(license_in_first_answer=True)
def test_the_first_answer_has_the_license(stage: Stage) -> None:
    bought = stage.buy()

    assert resolve(stage, bought)["LicenseArn"] == bought.license_arn


@rule(page("FIELD", "the first answer after a purchase had no LicenseArn, the second had it"))
@under(license_in_first_answer=False)
def test_or_only_the_second_answer_has_the_license(stage: Stage) -> None:
    bought = stage.buy()

    first, second = resolve(stage, bought), resolve(stage, bought)

    assert "LicenseArn" not in first
    assert second == first | {"LicenseArn": bought.license_arn}


@pytest.mark.parametrize("change", ["cancel", "end", "suspend"])
@rule(page("SETUP", "the buyer may open the page again at any time"))
def test_a_buyer_who_has_cancelled_is_still_known(stage: Stage, change: str) -> None:
    bought = stage.buy()
    stage.change(bought, change)

    assert resolve(stage, bought)["CustomerAWSAccountId"] == bought.account
