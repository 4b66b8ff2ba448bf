"""A walk along every AWS call of a registration and a sign-up, with a death at each of them."""

from collections.abc import Callable
from functools import partial

import pytest

from lambdas.customers.license import license_key_of_arn
from sandbox.marketplace.rules import Readings
from sandbox.marketplace.sales import Purchase
from tests.interruptions import Killed
from tests.registration_stage import SENDER, Stage


def begin() -> tuple[Stage, Purchase]:
    """A buyer before the first press of the button; the first answer will lack the license."""
    stage = Stage(sender=SENDER, readings=Readings(license_in_first_answer=False))
    return stage, stage.buy()


def count_calls(stage: Stage, request: Callable[[], object]) -> int:
    """Tell how many moments a request has at which it could die."""
    seen: list[str] = []
    with stage.hooked(seen.append):
        request()
    return len(seen)


def die_at(stage: Stage, number: int, request: Callable[[], object]) -> str:
    """Let a request die at its moment of this number, and tell which one that was."""
    seen: list[str] = []

    def die(moment: str) -> None:
        seen.append(moment)
        if len(seen) == number:
            raise Killed

    with stage.hooked(die), pytest.raises(Killed):
        request()
    return seen[-1]


def sweep(stage: Stage) -> None:
    stage.wiring.changes.publish_leftovers(stage.wiring.outbox)


def assert_registered_once(stage: Stage, bought: Purchase, died: str) -> None:
    assert stage.licenses() == [license_key_of_arn(bought.license_arn)], died
    assert stage.license(bought).registered_s is not None, died
    assert stage.left_in_outbox() == [], died
    announced = stage.announced()
    assert {each["type"] for each in announced} == {"Customer Registered"}, died
    assert len({each["Id"] for each in announced if "Contact" not in each}) == 1, died


def test_a_registration_may_die_at_every_call() -> None:
    whole, bought = begin()
    moments = count_calls(whole, partial(whole.arrive, bought.registration_token))
    assert moments >= 16

    for number in range(1, moments + 1):
        stage, bought = begin()
        died = die_at(stage, number, partial(stage.arrive, bought.registration_token))
        again = stage.arrive(stage.marketplace.registration_token(bought.license_arn))
        sweep(stage)

        assert again.status == 303, died
        assert stage.open_form(again.code).status == 200, died
        assert_registered_once(stage, bought, died)


def test_a_sign_up_may_die_at_every_call() -> None:
    whole, bought = begin()
    code = whole.arrive(bought.registration_token).code
    moments = count_calls(whole, partial(whole.sign_up, code))
    assert moments >= 14

    for number in range(1, moments + 1):
        stage, bought = begin()
        code = stage.arrive(bought.registration_token).code
        died = die_at(stage, number, partial(stage.sign_up, code))
        again = stage.sign_up(code)
        sweep(stage)

        assert again.location == "signup/done", died
        assert len(stage.contacts()) == 1, died
        assert_registered_once(stage, bought, died)
        told = [each for each in stage.announced() if "Contact" in each]
        assert len({each["Id"] for each in told}) == 1, died
        assert len(stage.ses.asked) <= 1, died


def test_an_e_mail_is_lost_only_by_a_death_between_its_claim_and_its_sending() -> None:
    whole, bought = begin()
    code = whole.arrive(bought.registration_token).code
    seen: list[str] = []
    with whole.hooked(seen.append):
        whole.sign_up(code)
    send = seen.index("before SendEmail")

    for number in range(1, len(seen) + 1):
        stage, bought = begin()
        code = stage.arrive(bought.registration_token).code
        died = die_at(stage, number, partial(stage.sign_up, code))
        stage.sign_up(code)

        lost = number - 1 in (send - 1, send)
        assert len(stage.ses.asked) == (0 if lost else 1), died


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_claim_that_dies_is_made_good_by_pressing_the_button_again(phase: str) -> None:
    stage, bought = begin()
    code = stage.arrive(bought.registration_token).code

    def die(moment: str) -> None:
        if moment == f"{phase} TransactWriteItems":
            raise Killed

    with stage.hooked(die), pytest.raises(Killed):
        stage.claim(code)

    assert stage.claim(code).status == (200 if phase == "before" else 410)
    again = stage.arrive(bought.registration_token).code
    assert stage.claim(again).json["LicenseArn"] == bought.license_arn
