"""The seller's server claims a registration: once, in time, and with nothing to forge."""

import json
from typing import Any

import pytest

from lambdas.customers.history import Event, Kind
from lambdas.customers.license import license_key_of_arn
from sandbox.memory.double import Fault as TableFault
from tests.registration_stage import Answered, Stage, sample
from tests.world import BUYER, PRODUCT

ANSWER = sample("resolve-customer.json")
SIGNUP_URL = "https://app.example.com/signup"


def stage_with(answer: str = "resolve-customer.json") -> Stage:
    stage = Stage(signup_url=SIGNUP_URL)
    stage.resolves_to(sample(answer))
    return stage


def posted(stage: Stage, body: str | None, *, is_base64: bool = False) -> Answered:
    return stage.send(
        "POST",
        "/registrations/claim",
        body=body,
        content_type="application/json",
        is_base64=is_base64,
    )


def test_a_claim_tells_who_the_buyer_is() -> None:
    stage = stage_with()

    answer = stage.claim(stage.arrive("t").code)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "License": "l-0123456789abcdef0123456789abcdef",
        "LicenseArn": ANSWER["LicenseArn"],
        "CustomerAWSAccountId": BUYER,
        "ProductCode": PRODUCT,
        "AgreementId": ANSWER["Metadata"]["AgreementId"],
        "State": "pending",
        "RegisteredAt": "2026-11-23T10:20:00Z",
    }


def test_a_claim_tells_of_a_legacy_customer() -> None:
    stage = stage_with("resolve-customer.legacy.json")

    assert stage.claim(stage.arrive("t").code).json == {
        "License": "n0123EXAMPLEXXXXXXXXXXXX/X01EXAMPLEX",
        "CustomerAWSAccountId": "333344445555",
        "ProductCode": "n0123EXAMPLEXXXXXXXXXXXX",
        "CustomerIdentifier": "X01EXAMPLEX",
        "State": "pending",
        "RegisteredAt": "2026-11-23T10:20:00Z",
    }


def test_a_claim_tells_of_a_buyer_whose_license_is_not_known_yet() -> None:
    stage = stage_with("resolve-customer.no-license-yet.json")

    assert stage.claim(stage.arrive("t").code).json == {
        "CustomerAWSAccountId": BUYER,
        "ProductCode": PRODUCT,
        "AgreementId": ANSWER["Metadata"]["AgreementId"],
        "State": "pending",
        "RegisteredAt": "2026-11-23T10:20:01Z",
    }


def test_a_claim_tells_the_license_that_became_known_since() -> None:
    stage = stage_with("resolve-customer.no-license-yet.json")
    code = stage.arrive("t").code
    activate(stage)

    claimed = stage.claim(code).json

    assert (claimed["LicenseArn"], claimed["State"]) == (ANSWER["LicenseArn"], "active")


def test_a_claim_tells_the_state_as_it_is_now() -> None:
    stage = stage_with()
    code = stage.arrive("t").code
    activate(stage)

    assert stage.claim(code).json["State"] == "active"


def test_a_claim_tells_of_a_free_trial() -> None:
    stage = stage_with()
    code = stage.arrive("t", **{"x-amzn-marketplace-offer-type": "free-trial"}).code

    assert stage.claim(code).json["OfferType"] == "free-trial"


def test_a_code_is_good_for_one_claim() -> None:
    stage = stage_with()
    code = stage.arrive("t").code
    stage.claim(code)

    again = stage.claim(code)

    assert (again.status, again.json["error"]) == (410, "claimed")


def test_a_code_that_signed_somebody_up_is_used() -> None:
    stage = Stage()
    code = stage.arrive(stage.buy().registration_token).code
    stage.sign_up(code)

    assert (stage.claim(code).status, stage.claim(code).json["error"]) == (410, "claimed")


def test_a_code_that_has_expired_is_gone() -> None:
    stage = stage_with()
    code = stage.arrive("t").code
    stage.advance(minutes=60)

    gone = stage.claim(code)

    assert (gone.status, gone.json["error"]) == (410, "expired")


@pytest.mark.parametrize("code", ["x" * 43, "made-up", "é"])
def test_a_code_nobody_made_is_unknown(code: str) -> None:
    answer = stage_with().claim(code)

    assert (answer.status, answer.json["error"]) == (404, "unknown")


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"registration": ""}',
        '{"registration": 1}',
        '{"registration": null}',
        '{"Registration": "x"}',
        "registration=x",
        "[" * 100_000,
        "[" * 4_000,
        json.dumps({"registration": "x" * 5_000}),
    ],
)
def test_a_claim_that_is_malformed_is_shown_the_form(body: str | None) -> None:
    answer = posted(stage_with(), body)

    assert (answer.status, answer.json["error"]) == (400, "malformed")
    assert '{"registration": "…"}' in answer.json["message"]


def test_a_claim_in_base64_is_read() -> None:
    answer = posted(stage_with(), "eyJyZWdpc3RyYXRpb24iOiAieCJ9", is_base64=True)

    assert answer.status == 404
    assert posted(stage_with(), "%", is_base64=True).status == 400


def test_a_claim_that_fails_uses_nothing_up() -> None:
    stage = stage_with()
    code = stage.arrive("t").code

    def fail(_service: str, name: str, _params: Any) -> TableFault | None:
        return TableFault.INTERNAL_ERROR if name == "BatchGetItem" else None

    stage.dynamodb.on_call = fail
    failed = stage.claim(code)
    stage.dynamodb.on_call = None

    assert (failed.status, failed.json["error"]) == (503, "unavailable")
    assert failed.headers["Retry-After"] == "60"
    assert stage.claim(code).status == 200


def activate(stage: Stage) -> None:
    """Let the event come that names the license and lets it be metered."""
    stage.wiring.changes.note(
        [
            Event(
                id="e-1",
                kind=Kind.ACTIVATED,
                at_ms=int(stage.now_s * 1000),
                said="License Updated",
                license=license_key_of_arn(ANSWER["LicenseArn"]),
                arn=ANSWER["LicenseArn"],
                account=BUYER,
                product_code=PRODUCT,
                agreement_id=ANSWER["Metadata"]["AgreementId"],
            )
        ]
    )
