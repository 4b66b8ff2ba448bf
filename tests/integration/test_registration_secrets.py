"""The registration token is kept nowhere and told to nobody but AWS Marketplace.

Neither is the one-time code, but to the browser it is made for; and contacts are in no log.
"""

import base64
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest

from sandbox.marketplace.faults import Fault
from sandbox.marketplace.rules import Readings
from sandbox.marketplace.sales import Purchase
from sandbox.memory.double import Params, ServiceError
from tests.registration_stage import CUSTOMERS, REGISTRATIONS, SENDER, Answered, Stage

CONTACT = ("ada.byron@example.com", "Augusta Ada", "Analytical Engines")


def forms_of(secret: str) -> Iterator[str]:
    """How a text may look where it was copied, encoded, or made part of something encoded."""
    written = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    written.add(json.dumps(secret)[1:-1])
    yield from written
    for each in written:
        for before in range(3):
            # What surrounds it decides the first and the last characters, not those between.
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                yield encode(b"-" * before + each.encode()).decode()[4:-4]


def found_in(text: str, secret: str) -> bool:
    return any(form in text for form in forms_of(secret))


def kept(stage: Stage) -> str:
    """All that is stored, published and sent."""
    items = [*stage.dynamodb.items(CUSTOMERS), *stage.dynamodb.items(REGISTRATIONS)]
    return json.dumps([items, stage.events.asked, stage.ses.asked], default=str)


def told(answer: Answered) -> str:
    return answer.body + json.dumps(answer.headers)


def everything_goes_well(stage: Stage, bought: Purchase) -> list[Answered]:
    arrived = stage.arrive(bought.registration_token)
    email, name, company = CONTACT
    return [
        arrived,
        stage.open_form(arrived.code),
        stage.sign_up(arrived.code, "no address", name=name),
        stage.sign_up(arrived.code, email, name=name, company=company),
        stage.sign_up(arrived.code, email, name=name, company=company),
        stage.open_form(arrived.code),
        stage.claim(arrived.code),
        stage.claim(stage.arrive(bought.registration_token).code),
    ]


def with_fault(
    code: str, message: str | None = None
) -> Callable[[Stage, Purchase], list[Answered]]:
    def play(stage: Stage, bought: Purchase) -> list[Answered]:
        text = message and message.format(token=bought.registration_token)
        stage.marketplace.inject(Fault(code, operation="ResolveCustomer", times=9, message=text))
        return [stage.arrive(bought.registration_token)]

    return play


def with_tables_down(stage: Stage, bought: Purchase) -> list[Answered]:
    arrived = stage.arrive(bought.registration_token)
    email, name, company = CONTACT

    def refuse(_service: str, name: str, params: Params) -> None:
        raise ServiceError(400, "ValidationException", f"{name} cannot take {params}")

    stage.dynamodb.on_call = refuse
    return [
        arrived,
        stage.arrive(bought.registration_token),
        stage.open_form(arrived.code),
        stage.sign_up(arrived.code, email, name=name, company=company),
        stage.claim(arrived.code),
    ]


def with_e_mail_refused(stage: Stage, bought: Purchase) -> list[Answered]:
    arrived = stage.arrive(bought.registration_token)
    email, name, company = CONTACT
    stage.ses.error = (400, "MessageRejected")
    return [arrived, stage.sign_up(arrived.code, email, name=name, company=company)]


def with_an_odd_body(stage: Stage, bought: Purchase) -> list[Answered]:
    token = bought.registration_token
    field = "x-amzn-marketplace-token"
    return [
        stage.send("POST", "/register", body=f'{{"{field}": "{token}"}}', content_type="text/json"),
        stage.send("POST", "/register", body=f"{field}={quote(token)}&{field}={quote(token)}"),
        stage.send("POST", "/register", body=f"{field}={token}"),
        stage.send("POST", "/register", body=f"{field}={quote(token)}", is_base64=True),
        stage.send("POST", "/signup", body=f"{field}={quote(token)}&registration={quote(token)}"),
        stage.send("GET", "/signup", query={"registration": token}),
        stage.claim(token),
    ]


PLAYS: dict[str, Callable[[Stage, Purchase], list[Answered]]] = {
    "well": everything_goes_well,
    "refused": with_fault("InvalidTokenException", "Bad token {token}"),
    "throttled": with_fault("ThrottlingException", "Slow down with {token}"),
    "denied": with_fault("AccessDeniedException", "Not allowed to resolve {token}"),
    "unknown": with_fault("NewException", "{token}"),
    "no answer": with_fault("timeout-after"),
    "tables down": with_tables_down,
    "e-mail refused": with_e_mail_refused,
    "odd bodies": with_an_odd_body,
}


@pytest.fixture(params=PLAYS)
def played(request: pytest.FixtureRequest) -> tuple[Stage, Purchase, list[Answered]]:
    stage = Stage(sender=SENDER, readings=Readings(license_in_first_answer=False))
    bought = stage.buy()
    return stage, bought, PLAYS[request.param](stage, bought)


Played = tuple[Stage, Purchase, list[Answered]]


def test_a_token_is_in_no_log(played: Played) -> None:
    stage, bought, _ = played

    assert not found_in(stage.printed.getvalue(), bought.registration_token)


def test_a_token_is_in_no_table_no_event_and_no_e_mail(played: Played) -> None:
    stage, bought, _ = played

    assert not found_in(kept(stage), bought.registration_token)


def test_a_token_is_in_no_answer(played: Played) -> None:
    _, bought, answers = played

    for answer in answers:
        assert not found_in(told(answer), bought.registration_token)


def test_a_code_is_in_no_log_and_no_table(played: Played) -> None:
    stage, _, answers = played
    codes = [
        answer.code for answer in answers if "registration=" in answer.headers.get("Location", "")
    ]

    for code in codes:
        assert not found_in(stage.printed.getvalue(), code)
        assert not found_in(kept(stage), code)


def test_a_contact_is_in_no_log(played: Played) -> None:
    stage, _, _ = played

    for each in CONTACT:
        assert not found_in(stage.printed.getvalue(), each)


def test_the_search_finds_a_secret_in_every_disguise() -> None:
    """So that the tests above can fail."""
    token = Stage().buy().registration_token

    for text in (
        f"x{token}x",
        f"token={quote(token, safe='')}&",
        base64.b64encode(f"token={quote(token)}&x=1".encode()).decode(),
        base64.b64encode(f"a={token}, and more".encode()).decode(),
        base64.b64encode(f"ab={token}, and more".encode()).decode(),
        json.dumps({"body": token}),
    ):
        assert found_in(text, token), text
    assert not found_in("nothing of the kind", token)


def test_the_plays_reach_what_they_are_about() -> None:
    """Or nothing would be searched."""
    stage = Stage(sender=SENDER)
    bought = stage.buy()

    answers = everything_goes_well(stage, bought)

    assert [answer.status for answer in answers] == [303, 200, 400, 303, 303, 303, 410, 200]
    assert CONTACT[0] in kept(stage)
