"""A buyer who cannot be registered: whose fault it is, what the page says, and what is logged."""

import json

import pytest

from lambdas.registration.aws import CREDENTIALS_WORD
from sandbox.marketplace.faults import Fault
from sandbox.memory.double import Fault as TableFault
from tests.registration_stage import CUSTOMERS, EVENTS, REGISTRATIONS, Stage, sample

TOKEN = "EXAMPLE+token/with=reserved"
BAD_BODIES = ("bad-empty-body.txt", "bad-empty-token.txt", "bad-no-token.txt", "bad-two-tokens.txt")
TOKEN_ERRORS = ("error-invalid-token", "error-expired-token")
PASSING_ERRORS = ("error-throttling", "error-internal")
OUR_ERRORS = ("error-access-denied", "error-disabled-api", "error-expired-credentials")


def resolving(*names: str) -> Stage:
    """A stage whose ResolveCustomer gives these samples."""
    stage = Stage()
    stage.resolves_to(*(sample(f"resolve-customer.{name}.json") for name in names))
    return stage


def written(stage: Stage) -> list[object]:
    return [*stage.dynamodb.items(CUSTOMERS), *stage.dynamodb.items(REGISTRATIONS)]


# What the buyer did wrong


@pytest.mark.parametrize("name", BAD_BODIES)
def test_who_comes_without_a_token_is_told_where_to_start(name: str) -> None:
    stage = Stage()

    answer = stage.send("POST", "/register", body=(EVENTS / name).read_text())

    assert answer.status == 400
    assert "This page needs to be opened from AWS Marketplace" in answer.body
    assert stage.marketplace.calls() == []


def test_json_is_not_the_form() -> None:
    assert Stage().pass_on(sample("rest-api.post.json-body.json")).status == 400


@pytest.mark.parametrize("name", TOKEN_ERRORS)
def test_a_token_that_is_refused_sends_the_buyer_back_to_aws_marketplace(name: str) -> None:
    stage = resolving(name)

    answer = stage.arrive(TOKEN)

    assert answer.status == 400
    assert "Press “Set up your account”" in answer.body
    assert written(stage) == []


def test_a_token_that_was_not_encoded_is_refused_by_aws_marketplace() -> None:
    answer = Stage().send(
        "POST", "/register", body=(EVENTS / "bad-token-not-encoded.txt").read_text()
    )

    assert answer.status == 400
    assert "could not be confirmed" in answer.body


def test_a_token_that_aws_marketplace_finds_malformed_is_the_buyer_s() -> None:
    stage = Stage()
    stage.marketplace.inject(Fault("ValidationException", operation="ResolveCustomer"))

    assert stage.arrive(TOKEN).status == 400


def test_a_token_that_has_expired_is_the_buyer_s() -> None:
    stage = Stage()
    bought = stage.buy()
    stage.advance(hours=5)

    assert stage.arrive(bought.registration_token).status == 400


# What AWS or the seller did wrong


@pytest.mark.parametrize("name", [*PASSING_ERRORS, *OUR_ERRORS])
def test_a_buyer_whom_nobody_can_resolve_now_may_try_again(name: str) -> None:
    stage = resolving(name)

    answer = stage.arrive(TOKEN)

    assert answer.status == 503
    assert answer.headers["Retry-After"] == "60"
    assert "press “Set up your account” again" in answer.body
    assert written(stage) == []
    assert stage.metrics() == {"RegistrationsFailed": 1}


@pytest.mark.parametrize("name", OUR_ERRORS)
def test_what_only_the_seller_can_mend_is_an_error_that_says_how(name: str) -> None:
    stage = resolving(name)

    stage.arrive(TOKEN)

    [line] = stage.lines()
    assert line["level"] == "ERROR"
    assert line["code"] == sample(f"resolve-customer.{name}.json")["body"]["__type"]
    assert len(line["advice"]) > 40


@pytest.mark.parametrize("name", PASSING_ERRORS)
def test_what_passes_by_itself_is_no_error(name: str) -> None:
    stage = resolving(name)

    stage.arrive(TOKEN)

    [line] = stage.lines()
    assert line["level"] == "WARNING"


def test_expired_credentials_are_told_from_expired_tokens_by_their_words() -> None:
    answer = sample("resolve-customer.error-expired-credentials.json")
    token = sample("resolve-customer.error-expired-token.json")

    assert answer["body"]["__type"] == token["body"]["__type"]
    assert CREDENTIALS_WORD in answer["body"]["message"]


@pytest.mark.parametrize("fault", ["timeout-before", "timeout-after", "SomethingNewException"])
def test_no_answer_or_an_unknown_one_is_no_refusal(fault: str) -> None:
    stage = Stage()
    stage.marketplace.inject(Fault(fault, operation="ResolveCustomer"))

    assert stage.arrive(stage.buy().registration_token).status == 503
    assert written(stage) == []


def test_a_second_answer_that_fails_leaves_the_first() -> None:
    stage = resolving("no-license-yet", "error-throttling")

    assert stage.arrive(TOKEN).status == 303


@pytest.mark.parametrize("fault", [TableFault.THROTTLED, TableFault.ANSWER_LOST])
def test_a_table_that_fails_is_no_fault_of_the_buyer_s_who_may_come_again(
    fault: TableFault,
) -> None:
    stage = Stage()
    bought = stage.buy()
    stage.dynamodb.on_call = lambda *_: fault
    failed = stage.arrive(bought.registration_token)
    stage.dynamodb.on_call = None

    again = stage.arrive(bought.registration_token)

    assert (failed.status, failed.headers["Retry-After"]) == (503, "60")
    assert again.status == 303
    assert stage.license(bought).registered_s


def test_a_failure_is_logged_by_kind_call_and_place() -> None:
    stage = Stage()
    bought = stage.buy()
    stage.dynamodb.on_call = lambda *_: TableFault.THROTTLED

    stage.arrive(bought.registration_token)

    [line] = stage.lines()
    assert line["level"] == "ERROR"
    assert line["code"] in ("ProvisionedThroughputExceededException", "ThrottlingException")
    assert line["call"] == "PutItem"
    assert any("register.py" in each for each in line["trace"])
    assert stage.metrics() == {"RegistrationsFailed": 1}


def test_an_event_bus_that_fails_leaves_the_announcement_for_the_sweep() -> None:
    stage = Stage()
    stage.events.error = (500, "InternalException")
    bought = stage.buy()

    assert stage.arrive(bought.registration_token).status == 303
    [left] = stage.left_in_outbox()
    assert json.loads(left["detail"]["S"])["LicenseArn"] == bought.license_arn
