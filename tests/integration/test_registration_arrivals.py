"""A buyer presses "Set up your account": what every answer of ResolveCustomer leads to."""

from typing import Any

import pytest

from lambdas.customers.history import Event, Kind
from lambdas.customers.license import State, license_key_of_arn
from lambdas.registration.register import LICENSE_WAIT_S
from sandbox.marketplace.rules import Readings
from tests.registration_stage import CUSTOMERS, EVENTS, REGISTRATIONS, Stage, sample
from tests.world import BUYER, PRODUCT

TOKEN = "EXAMPLE+token/with=reserved"
ANSWER = sample("resolve-customer.json")
NO_LICENSE = sample("resolve-customer.no-license-yet.json")
LEGACY = sample("resolve-customer.legacy.json")
KEY = "l-0123456789abcdef0123456789abcdef"
BODIES = ("token.txt", "free-trial.txt", "extra-fields.txt", "unknown-field.txt")
WHOLE_EVENTS = sorted(
    path.name for path in EVENTS.glob("rest-api.post.*.json") if "signup" not in path.name
)


def resolving(*names: str, **settings: Any) -> Stage:
    """A stage whose ResolveCustomer gives these samples."""
    stage = Stage(**settings)
    stage.resolves_to(*(sample(f"resolve-customer.{name}.json") for name in names))
    return stage


def written(stage: Stage) -> list[Any]:
    return [*stage.dynamodb.items(CUSTOMERS), *stage.dynamodb.items(REGISTRATIONS)]


# Success


def test_a_buyer_becomes_a_known_customer_and_goes_on_to_the_form() -> None:
    stage = Stage()
    bought = stage.buy()

    answer = stage.arrive(bought.registration_token)

    assert (answer.status, answer.location) == (303, f"signup?registration={answer.code}")
    license_ = stage.license(bought)
    assert (license_.arn, license_.account) == (bought.license_arn, BUYER)
    assert (license_.product_code, license_.agreement_id) == (PRODUCT, bought.agreement_id)
    assert license_.state is State.PENDING
    assert license_.registered_s == int(stage.now_s)


def test_the_form_is_beside_the_address_that_was_asked_for() -> None:
    stage = resolving("no-metadata")

    answer = stage.send("POST", "/register/", body="x-amzn-marketplace-token=t")

    assert answer.location.startswith("../signup?registration=")


def test_with_a_sign_up_page_of_the_seller_s_the_buyer_goes_there() -> None:
    stage = Stage(signup_url="https://app.example.com/signup?plan=pro")

    answer = stage.arrive(stage.buy().registration_token)

    assert answer.status == 303
    assert answer.location == f"https://app.example.com/signup?plan=pro&registration={answer.code}"


@pytest.mark.parametrize("name", BODIES)
def test_every_form_that_aws_marketplace_sends_is_taken(name: str) -> None:
    stage = Stage()
    stage.resolves_to(ANSWER)

    answer = stage.send("POST", "/register", body=(EVENTS / name).read_text())

    assert answer.status == 303
    assert stage.licenses() == [KEY]


@pytest.mark.parametrize("name", WHOLE_EVENTS)
def test_every_event_of_the_gateway_is_understood(name: str) -> None:
    stage = Stage()
    stage.resolves_to(ANSWER)

    answer = stage.pass_on(sample(name))

    assert answer.status == {
        "rest-api.post.json-body.json": 400,
        "rest-api.post.claim.json": 404,
    }.get(name, 303)


def test_a_free_trial_is_kept_with_the_license() -> None:
    stage = Stage()
    stage.resolves_to(ANSWER)

    stage.arrive(TOKEN, **{"x-amzn-marketplace-offer-type": "free-trial"})

    [license_] = stage.customers.licenses([license_key_of_arn(ANSWER["LicenseArn"])]).values()
    assert license_.free_trial


def test_the_registration_is_announced() -> None:
    stage = Stage()
    bought = stage.buy()

    stage.arrive(bought.registration_token)

    [event] = stage.announced()
    assert (event["type"], event["LicenseArn"]) == ("Customer Registered", bought.license_arn)
    assert stage.left_in_outbox() == []


def test_a_registration_is_counted_and_logged_with_its_license() -> None:
    stage = Stage()
    stage.resolves_to(ANSWER)

    stage.arrive(TOKEN)

    [line] = stage.lines()
    assert (line["message"], line["license"], line["account"]) == ("Registered", KEY, BUYER)
    assert stage.metrics() == {"Registrations": 1}


# Again


def test_a_buyer_who_comes_again_gets_a_new_code_and_changes_nothing() -> None:
    stage = Stage()
    bought = stage.buy()
    first = stage.arrive(bought.registration_token)
    before = stage.license(bought)
    stage.advance(minutes=90)

    again = stage.arrive(stage.marketplace.registration_token(bought.license_arn))

    assert again.status == 303
    assert again.code != first.code
    assert stage.license(bought) == before
    assert len(stage.announced()) == 1


def test_a_buyer_who_comes_again_does_not_undo_what_events_have_set() -> None:
    stage = Stage()
    bought = stage.buy()
    stage.arrive(bought.registration_token)
    activated = Event(
        id="e-1",
        kind=Kind.ACTIVATED,
        at_ms=int(stage.now_s * 1000),
        said="License Updated",
        license=license_key_of_arn(bought.license_arn),
        agreement_id=bought.agreement_id,
        offer_id="offer-1",
    )
    stage.wiring.changes.note([activated])
    before = stage.license(bought)

    stage.arrive(bought.registration_token)

    assert before.state is State.ACTIVE
    assert stage.license(bought) == before


def test_an_abandoned_registration_is_no_hindrance_to_the_next() -> None:
    stage = Stage()
    bought = stage.buy()
    abandoned = stage.arrive(bought.registration_token).code

    code = stage.arrive(bought.registration_token).code

    assert stage.sign_up(code).location == "signup/done"
    assert stage.open_form(abandoned).status == 200


def test_two_licenses_of_one_account_are_two_customers() -> None:
    stage = resolving("second-license-b1", "second-license-b2")

    codes = [stage.arrive(TOKEN).code for _ in range(2)]

    assert len(stage.licenses()) == 2
    claimed = [stage.claim(code).json for code in codes]
    assert [each["License"][:4] for each in claimed] == ["l-b1", "l-b2"]
    assert {each["CustomerAWSAccountId"] for each in claimed} == {"222233334444"}


# Whom an answer names


def test_a_license_that_comes_with_the_second_answer_is_waited_for() -> None:
    stage = Stage(readings=Readings(license_in_first_answer=False))
    bought = stage.buy()

    answer = stage.arrive(bought.registration_token)

    assert answer.status == 303
    assert stage.license(bought).registered_s
    assert stage.slept_s == LICENSE_WAIT_S


def test_an_answer_with_a_license_is_not_asked_for_again() -> None:
    stage = Stage()

    stage.arrive(stage.buy().registration_token)

    assert len(stage.marketplace.calls()) == 1


def test_a_legacy_customer_is_not_asked_for_again() -> None:
    stage = Stage()
    bought = stage.buy_legacy()

    stage.arrive(bought.registration_token)

    assert len(stage.marketplace.calls()) == 1
    assert stage.licenses() == [f"legacyproduct/{bought.customer_identifier}"]


def test_a_token_that_is_taken_once_only_is_good_with_its_first_answer() -> None:
    readings = Readings(license_in_first_answer=False, resubmission="expired")
    stage = Stage(readings=readings)

    answer = stage.arrive(stage.buy().registration_token)

    assert answer.status == 303


def test_a_buyer_whose_license_stays_unknown_waits_for_its_event() -> None:
    stage = resolving("no-license-yet")

    answer = stage.arrive(TOKEN)

    assert answer.status == 303
    assert stage.licenses() == []
    waiting = stage.customers.waiting(BUYER, PRODUCT)
    assert waiting is not None
    assert waiting.agreement_id == NO_LICENSE["Metadata"]["AgreementId"]


def test_a_license_whose_event_came_before_its_buyer_is_found() -> None:
    stage = resolving("no-license-yet")
    arn = ANSWER["LicenseArn"]
    stage.wiring.changes.note(
        [
            Event(
                id="e-1",
                kind=Kind.ACTIVATED,
                at_ms=int(stage.now_s * 1000),
                said="License Updated",
                license=license_key_of_arn(arn),
                arn=arn,
                account=BUYER,
                product_code=PRODUCT,
                agreement_id=NO_LICENSE["Metadata"]["AgreementId"],
            )
        ]
    )

    code = stage.arrive(TOKEN).code

    assert stage.claim(code).json["LicenseArn"] == arn
    [license_] = stage.customers.licenses([license_key_of_arn(arn)]).values()
    assert license_.state is State.ACTIVE


def test_a_product_without_concurrent_agreements_has_customers_not_licenses() -> None:
    stage = Stage(concurrent_agreements=False)
    stage.resolves_to(LEGACY | {"LicenseArn": ANSWER["LicenseArn"]})

    stage.arrive(TOKEN)

    assert stage.licenses() == ["n0123EXAMPLEXXXXXXXXXXXX/X01EXAMPLEX"]


def test_with_concurrent_agreements_the_license_counts() -> None:
    stage = Stage()
    stage.resolves_to(LEGACY | {"LicenseArn": ANSWER["LicenseArn"]})

    stage.arrive(TOKEN)

    assert stage.licenses() == [KEY]


@pytest.mark.parametrize("name", ["resolve-customer.json", "resolve-customer.no-metadata.json"])
def test_an_answer_may_lack_its_agreement(name: str) -> None:
    stage = Stage()
    stage.resolves_to(sample(name))

    stage.arrive(TOKEN)

    assert stage.licenses() == [KEY]


@pytest.mark.parametrize(
    "answer", [{}, {"ProductCode": PRODUCT}, {"CustomerAWSAccountId": BUYER, "Metadata": {}}]
)
def test_an_answer_that_names_nobody_is_no_answer(answer: dict[str, Any]) -> None:
    stage = Stage()
    stage.resolves_to(answer)

    assert stage.arrive(TOKEN).status == 503
    assert written(stage) == []


# The other routes


def test_a_get_is_a_friendly_page() -> None:
    answer = Stage().pass_on(sample("rest-api.get.json"))

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Set up your account from AWS Marketplace" in answer.body


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/register"), ("GET", "/x")])
def test_an_address_that_does_not_exist_is_a_page_with_404(method: str, path: str) -> None:
    answer = Stage().send(method, path)

    assert answer.status == 404
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/signup"), ("POST", "/signup"), ("GET", "/signup/done")]
)
def test_a_seller_with_a_page_of_their_own_has_no_hosted_one(method: str, path: str) -> None:
    assert Stage(signup_url="https://app.example.com/").send(method, path).status == 404


def test_every_redirect_and_every_page_forbids_to_be_kept() -> None:
    stage = Stage()
    arrived = stage.arrive(stage.buy().registration_token)

    for answer in (arrived, stage.open_form(arrived.code), stage.sign_up(arrived.code)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in answer.headers
