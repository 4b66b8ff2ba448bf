"""ResolveCustomer: what a registration token says, and how long."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.marketplace.rules import Readings
from tests.unit.marketplace_stage import BUYER, HOUR, LEGACY_PRODUCT, NOW, PRODUCT, Stage, code_of


def resolve(stage: Stage, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = stage.client.resolve_customer(RegistrationToken=token)
    del answer["ResponseMetadata"]
    return answer


def test_a_token_tells_customer_product_license_and_agreement() -> None:
    stage = Stage()

    assert resolve(stage, stage.bought.registration_token) == {
        "CustomerIdentifier": "",
        "ProductCode": PRODUCT,
        "CustomerAWSAccountId": BUYER,
        "LicenseArn": stage.bought.license_arn,
        "Metadata": {"AgreementId": stage.bought.agreement_id},
    }


def test_a_legacy_token_tells_an_identifier() -> None:
    stage = Stage()
    bought = stage.buy_legacy()

    assert resolve(stage, bought.registration_token) == {
        "CustomerIdentifier": bought.customer_identifier,
        "ProductCode": LEGACY_PRODUCT,
        "CustomerAWSAccountId": BUYER,
    }


def test_a_token_must_be_decoded_from_its_form() -> None:
    assert {"+", "/", "="} <= set(Stage().bought.registration_token)


def test_a_made_up_token_is_invalid() -> None:
    stage = Stage()

    assert code_of(lambda: resolve(stage, "made-up")) == "InvalidTokenException"


def test_a_token_that_lost_its_plus_signs_is_invalid() -> None:
    stage = Stage()
    token = stage.bought.registration_token.replace("+", " ")

    assert code_of(lambda: resolve(stage, token)) == "InvalidTokenException"


def test_an_empty_token_is_refused() -> None:
    stage = Stage()

    assert code_of(lambda: resolve(stage, "")) == "ValidationException"


@pytest.mark.parametrize("minutes", [240, 60, 30])
def test_a_token_expires(minutes: Any) -> None:
    stage = Stage(readings=Readings(token_minutes=minutes))
    token = stage.bought.registration_token

    stage.now = NOW + timedelta(minutes=minutes) - timedelta(seconds=1)
    resolve(stage, token)
    stage.now = NOW + timedelta(minutes=minutes)

    assert code_of(lambda: resolve(stage, token)) == "ExpiredTokenException"


def test_a_token_lives_four_hours() -> None:
    stage = Stage()

    stage.now = NOW + 4 * HOUR

    assert code_of(lambda: resolve(stage, stage.bought.registration_token)) == (
        "ExpiredTokenException"
    )


def test_a_token_that_comes_again_has_the_same_answer() -> None:
    stage = Stage()
    token = stage.bought.registration_token

    assert resolve(stage, token) == resolve(stage, token)


def test_a_token_that_comes_again_has_expired_in_another_reading() -> None:
    stage = Stage(readings=Readings(resubmission="expired"))
    resolve(stage, stage.bought.registration_token)

    assert code_of(lambda: resolve(stage, stage.bought.registration_token)) == (
        "ExpiredTokenException"
    )


def test_a_buyer_who_comes_back_has_a_new_token_for_the_same_license() -> None:
    stage = Stage()

    again = stage.marketplace.registration_token(stage.bought.license_arn)

    assert again != stage.bought.registration_token
    assert resolve(stage, again)["LicenseArn"] == stage.bought.license_arn


def test_the_license_comes_with_the_second_answer_in_another_reading() -> None:
    stage = Stage(readings=Readings(license_in_first_answer=False))

    answers = [resolve(stage, stage.bought.registration_token) for _ in range(2)]

    assert [answer.get("LicenseArn") for answer in answers] == [None, stage.bought.license_arn]


def test_a_token_resolves_before_its_license_is_active() -> None:
    stage = Stage()
    pending = stage.buy(state="pending")

    assert resolve(stage, pending.registration_token)["LicenseArn"] == pending.license_arn
