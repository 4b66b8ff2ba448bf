"""The hosted form: from the one-time code to a contact, an announcement and an e-mail."""

import pytest

from lambdas.customers.license import LicenseKey
from sandbox.marketplace.sales import Purchase
from sandbox.memory.double import Fault as TableFault
from sandbox.memory.double import ServiceError
from tests.registration_stage import REGISTRATIONS, SENDER, Outline, Stage, sample
from tests.world import BUYER, PRODUCT

CONTACT = {"email": "ada@example.com", "name": "Ada Lovelace", "company": "Analytical Engines"}


def arrived(*, sender: str = "") -> tuple[Stage, Purchase, str]:
    """A buyer who is on the form, with a code."""
    stage = Stage(sender=sender)
    bought = stage.buy()
    return stage, bought, stage.arrive(bought.registration_token).code


def test_a_code_opens_the_form() -> None:
    stage, _, code = arrived()

    answer = stage.open_form(code)

    assert answer.status == 200
    assert code in {each.get("value") for each in Outline(answer.body).named("input")}


@pytest.mark.parametrize("code", ["", "made-up", "x" * 43, "\ud800" * 43])
def test_a_code_nobody_made_opens_a_page_that_says_where_to_start(code: str) -> None:
    stage, _, _ = arrived()

    for answer in (stage.open_form(code), stage.pass_on(sample("rest-api.post.signup.json"))):
        assert answer.status == 400
        assert "Press “Set up your account”" in answer.body


def test_the_form_without_a_code_says_where_to_start() -> None:
    assert Stage().send("GET", "/signup").status == 400
    assert Stage().send("POST", "/signup", body="email=ada%40example.com").status == 400


def test_an_expired_code_opens_no_form() -> None:
    stage, _, code = arrived()
    stage.advance(minutes=60)

    assert stage.open_form(code).status == 400
    assert stage.sign_up(code).status == 400
    assert stage.contacts() == []


def test_a_contact_is_kept_with_its_license() -> None:
    stage, bought, code = arrived()

    answer = stage.sign_up(code, **CONTACT)

    assert (answer.status, answer.location) == (303, "signup/done")
    [contact] = stage.contacts()
    assert contact["pk"]["S"] == f"license#{stage.license(bought).key}"
    assert {name: contact[name]["S"] for name in CONTACT} == CONTACT


def test_name_and_company_may_be_left_out() -> None:
    stage, _, code = arrived()

    assert stage.sign_up(code, "ada@example.com", name="", company="").status == 303


def test_the_contact_of_an_unknown_license_is_kept_with_account_and_product() -> None:
    stage = Stage()
    stage.resolves_to(sample("resolve-customer.no-license-yet.json"))
    code = stage.arrive("t").code

    assert stage.sign_up(code).status == 303

    [contact] = stage.contacts()
    assert contact["pk"]["S"] == f"account#{BUYER}#product#{PRODUCT}"
    event = stage.announced()[-1]
    assert event["Contact"] == {"Email": "ada@example.com"}
    assert (event["CustomerAWSAccountId"], event["ProductCode"]) == (BUYER, PRODUCT)


def test_the_seller_s_systems_hear_of_the_contact() -> None:
    stage, bought, code = arrived()

    stage.sign_up(code, **CONTACT)

    event = stage.announced()[-1]
    assert (event["type"], event["LicenseArn"]) == ("Customer Registered", bought.license_arn)
    assert event["Contact"] == {
        "Email": CONTACT["email"],
        "Name": CONTACT["name"],
        "Company": CONTACT["company"],
    }
    assert stage.left_in_outbox() == []


def test_the_announcement_of_a_contact_has_an_id_of_its_own() -> None:
    stage, _, code = arrived()

    stage.sign_up(code)

    ids = [each["Id"] for each in stage.announced()]
    assert len(set(ids)) == len(ids) == 2


def test_an_event_bus_that_fails_leaves_the_contact_s_announcement_for_the_sweep() -> None:
    stage, _, code = arrived()
    stage.events.error = (500, "InternalException")

    assert stage.sign_up(code).status == 303
    assert [each["change"]["S"] for each in stage.left_in_outbox()] == ["Customer Registered"]

    stage.events.error = None
    stage.wiring.changes.publish_leftovers(stage.wiring.outbox)
    assert stage.announced()[-1]["Contact"] == {"Email": "ada@example.com"}
    assert stage.left_in_outbox() == []


# Problems


def test_problems_bring_the_form_back_with_what_was_typed() -> None:
    stage, _, code = arrived()

    answer = stage.sign_up(code, "ada", name="Ada", company="x" * 201)

    values = {each["name"]: each["value"] for each in Outline(answer.body).named("input")}
    assert answer.status == 400
    assert values == {"registration": code, "email": "ada", "name": "Ada", "company": "x" * 201}
    assert stage.contacts() == []


def test_a_form_with_problems_does_not_use_up_its_code() -> None:
    stage, _, code = arrived()
    stage.sign_up(code, "ada")

    assert stage.sign_up(code, "ada@example.com").status == 303


def test_what_is_not_a_form_says_where_to_start() -> None:
    stage, _, code = arrived()

    answer = stage.send(
        "POST", "/signup", body=f'{{"registration": "{code}"}}', content_type="application/json"
    )

    assert answer.status == 400


# Again


def test_a_form_sent_twice_is_confirmed_twice_and_kept_once() -> None:
    stage, _, code = arrived(sender=SENDER)
    stage.sign_up(code, **CONTACT)
    before = (stage.dynamodb.items(REGISTRATIONS), stage.announced(), len(stage.ses.asked))

    again = stage.sign_up(code, "eve@example.com", name="Eve")

    assert (again.status, again.location) == (303, "signup/done")
    assert (stage.dynamodb.items(REGISTRATIONS), stage.announced(), len(stage.ses.asked)) == before


def test_a_form_opened_again_after_it_was_sent_shows_the_confirmation() -> None:
    stage, _, code = arrived()
    stage.sign_up(code)

    assert stage.open_form(code).location == "signup/done"


def test_a_form_with_problems_sent_after_a_good_one_shows_the_confirmation() -> None:
    stage, _, code = arrived()
    stage.sign_up(code)

    assert stage.sign_up(code, "ada").location == "signup/done"


def test_a_buyer_may_sign_up_again_with_a_new_code_and_another_address() -> None:
    stage, bought, code = arrived()
    stage.sign_up(code, "ada@example.com")

    again = stage.arrive(bought.registration_token).code
    stage.sign_up(again, "grace@example.com")

    assert [each["email"]["S"] for each in stage.contacts()] == [
        "ada@example.com",
        "grace@example.com",
    ]
    assert stage.licenses() == [LicenseKey(stage.license(bought).key)]


def test_an_address_typed_otherwise_is_the_same_contact() -> None:
    stage, bought, code = arrived()
    stage.sign_up(code, "ada@example.com")

    stage.sign_up(stage.arrive(bought.registration_token).code, "Ada@Example.com", name="Ada")

    [contact] = stage.contacts()
    assert (contact["email"]["S"], contact["name"]["S"]) == ("Ada@Example.com", "Ada")


def test_a_claimed_code_signs_nobody_up() -> None:
    stage, _, code = arrived()
    stage.claim(code)

    assert stage.sign_up(code).status == 400
    assert stage.contacts() == []


@pytest.mark.parametrize("conflicts", [1, 3])
def test_a_double_click_waits_for_the_other_click(conflicts: int) -> None:
    stage, _, code = arrived()
    left = conflicts

    def conflict(_service: str, name: str, _params: object) -> None:
        nonlocal left
        if name == "TransactWriteItems" and left:
            left -= 1
            raise ServiceError(
                400,
                "TransactionCanceledException",
                "conflict",
                CancellationReasons=[{"Code": "TransactionConflict"}, {"Code": "None"}],
            )

    stage.dynamodb.on_call = conflict

    assert stage.sign_up(code).location == "signup/done"
    assert len(stage.contacts()) == 1
    assert stage.slept_s > 0


# E-mail


def test_a_confirmation_is_sent_to_the_contact() -> None:
    stage, _, code = arrived(sender=SENDER)

    stage.sign_up(code)

    [sent] = stage.ses.asked
    assert sent["FromEmailAddress"] == SENDER
    assert sent["Destination"] == {"ToAddresses": ["ada@example.com"]}
    assert sent["ReplyToAddresses"] == ["help@example.com"]
    assert sent["Content"]["Simple"]["Subject"]["Data"] == (
        "Your registration with Example & Daughters"
    )


def test_an_e_mail_says_nothing_that_was_typed() -> None:
    """Or anybody with a subscription could have us send messages of theirs to anybody."""
    stage, _, code = arrived(sender=SENDER)

    stage.sign_up(code, name="Buy https://evil.example", company="Evil")

    assert "evil" not in str(stage.ses.asked[0]["Content"]).lower()


def test_without_a_sender_no_e_mail_is_sent_and_none_is_promised() -> None:
    stage, _, code = arrived()

    stage.sign_up(code)

    assert stage.ses.asked == []
    assert "A confirmation comes" not in stage.send("GET", "/signup/done").body


def test_with_a_sender_the_confirmation_page_promises_an_e_mail() -> None:
    assert "A confirmation comes" in Stage(sender=SENDER).send("GET", "/signup/done").body


def test_a_contact_is_written_to_once() -> None:
    stage, bought, code = arrived(sender=SENDER)
    stage.sign_up(code)
    stage.sign_up(code)

    stage.sign_up(stage.arrive(bought.registration_token).code)

    assert len(stage.ses.asked) == 1


def test_an_e_mail_that_ses_refuses_is_no_failure_and_may_be_sent_later() -> None:
    stage, _, code = arrived(sender=SENDER)
    stage.ses.error = (400, "MessageRejected")

    refused = stage.sign_up(code)
    stage.ses.error = None
    stage.sign_up(code)

    assert refused.location == "signup/done"
    [line] = [each for each in stage.lines() if each["level"] == "ERROR"]
    assert line["code"] == "MessageRejected"
    assert "sender_email" in line["advice"]
    assert len(stage.ses.asked) == 1


def test_an_e_mail_that_may_have_been_sent_is_not_sent_again() -> None:
    stage, _, code = arrived(sender=SENDER)
    stage.ses.error = (500, "InternalFailure")
    stage.sign_up(code)
    stage.ses.error = None

    assert stage.sign_up(code).location == "signup/done"
    assert stage.ses.asked == []


# Failures


@pytest.mark.parametrize("fault", [TableFault.THROTTLED, TableFault.ANSWER_LOST])
def test_a_table_that_fails_lets_the_buyer_send_the_form_again(fault: TableFault) -> None:
    stage, _, code = arrived(sender=SENDER)

    def fail(_service: str, name: str, _params: object) -> TableFault | None:
        return fault if name == "TransactWriteItems" else None

    stage.dynamodb.on_call = fail
    failed = stage.sign_up(code)
    stage.dynamodb.on_call = None
    again = stage.sign_up(code)

    assert failed.status == 503
    assert "send it again" in failed.body
    assert again.location == "signup/done"
    assert len(stage.contacts()) == 1
    assert len(stage.ses.asked) == 1


def test_the_confirmation_page_knows_nobody() -> None:
    stage, _, code = arrived()
    before = stage.send("GET", "/signup/done").body

    stage.sign_up(code, **CONTACT)

    assert stage.send("GET", "/signup/done").body == before
