"""Failures of others between the button at AWS Marketplace and a customer who can be billed.

Where each was seen is in docs/failures.md.
"""

import json
from urllib.parse import quote_plus

import pytest

from lambdas.customers.license import State
from sandbox.marketplace.events import Timing
from sandbox.marketplace.faults import Detour, Fault
from tests.integration.failures_shop import TOKEN_FIELD, a_shop
from tests.world import HOUR

NO_EMAIL_ADDRESSES = (
    "",
    "ada",
    "ada@",
    "@buyer.example",
    "ada@buyer",
    "a b@buyer.example",
    "ada@buyer.example\nBcc: eve@elsewhere.example",
    "ada@buyer.example, eve@elsewhere.example",
    "<ada@buyer.example>",
    "x" * 400 + "@buyer.example",
)
MALFORMED_FORMS = (
    None,
    "",
    "{}",
    "a=b",
    f"{TOKEN_FIELD}=",
    f"{TOKEN_FIELD}=a&{TOKEN_FIELD}=b",
    f"{TOKEN_FIELD}={'a' * 5_000}",
    "%ff" * 99,
    "x" * 100_000,
    "&".join(f"f{number}=1" for number in range(99)),
    "\x00",
)
HTML = """<img src=x onerror="alert('&amp;')"> & Sons"""


def test_a_buyer_signs_up_without_waiting_for_an_event() -> None:
    """Stuck at "confirming your subscription", AWS's reviewer sent the listing back."""
    with a_shop() as shop:
        shop.world.marketplace.set_timing(Timing(license_updated_seconds=2 * HOUR))
        bought = shop.sell()

        arrived = shop.arrive(bought.registration_token)
        done = shop.sign_up(arrived.code)
        shop.world.send(shop.world.usage(shop.the_license(), 5, ago_s=0))
        shop.pass_time(minutes=150)

        assert (arrived.status, done.status) == (303, 303)
        assert done.headers["Location"] == "signup/done"
        assert shop.the_license().state is State.ACTIVE
        assert shop.world.billed() == 5


def test_a_get_of_the_landing_page_is_answered_with_a_page() -> None:
    """A route for POST only answers 405; the listing's check and a bookmark come with GET."""
    with a_shop() as shop:
        page = shop.ask("GET", "/register")

        assert page.status == 200
        assert page.headers["Content-Type"].startswith("text/html")
        assert "AWS Marketplace" in page.text


@pytest.mark.parametrize("as_base64", [True, False])
def test_a_form_is_read_whether_or_not_it_arrives_in_base64(as_base64: bool) -> None:
    """Some gateways hand a form over in base64; tests never did, AWS does."""
    with a_shop() as shop:
        bought = shop.sell()

        arrived = shop.arrive(bought.registration_token, as_base64=as_base64)

        assert arrived.status == 303
        assert shop.the_license().arn == bought.license_arn


def test_a_registration_needs_no_cookie() -> None:
    """The POST comes from another site, so a session's cookie does not come along."""
    with a_shop() as shop:
        bought = shop.sell()

        arrived = shop.arrive(bought.registration_token)
        form = shop.ask("GET", "/signup", query={"registration": arrived.code})
        done = shop.sign_up(arrived.code)

        assert (arrived.status, form.status, done.status) == (303, 200, 303)
        assert not any("Set-Cookie" in page.headers for page in (arrived, form, done))
        assert [each["email"] for each in shop.contacts()] == ["ada@buyer.example"]


@pytest.mark.parametrize("fault", [None, "InvalidTokenException", "InternalServiceErrorException"])
def test_a_token_is_in_no_cookie_log_address_or_table(fault: str | None) -> None:
    """Kept in a cookie or a log, it lets whoever reads it register as the buyer; AWS forbids it."""
    with a_shop(POWERTOOLS_LOG_LEVEL="DEBUG") as shop:
        token = shop.sell().registration_token
        if fault:
            shop.world.marketplace.inject(Fault(fault, operation="ResolveCustomer", times=None))

        page = shop.arrive(token)
        shop.ask("POST", "/signup", {"registration": "x", TOKEN_FIELD: token})

        told = json.dumps(page.headers) + page.text + shop.printed.getvalue()
        left = told + shop.everything_kept()
        assert shop.printed.getvalue() != ""
        assert not any(text in left for text in (token, quote_plus(token), token[:24]))


def test_a_call_from_another_account_than_the_publishing_one_is_told_to_the_seller() -> None:
    """ResolveCustomer is denied; as "registration data not valid" it is blamed on the buyer."""
    with a_shop() as shop:
        bought = shop.sell()
        denied = Fault("AccessDeniedException", operation="ResolveCustomer", times=None)
        shop.world.marketplace.inject(denied)
        refused = shop.arrive(bought.registration_token)
        kept = shop.everything_kept()
        [error] = [line for line in shop.log() if line.get("level") == "ERROR"]

        shop.world.marketplace.clear_faults()
        again = shop.arrive(bought.registration_token)

        assert refused.status == 503
        assert "Retry-After" in refused.headers
        assert kept == "[[], []]"
        assert "account that published the product" in error["advice"]
        assert again.status == 303


def test_expired_credentials_are_not_taken_for_an_expired_token() -> None:
    """One code for two things: the buyer is sent back for a token that was never at fault."""
    with a_shop() as shop:
        bought = shop.sell()
        shop.world.marketplace.inject(Fault("ExpiredTokenException", operation="ResolveCustomer"))
        ours = shop.arrive(bought.registration_token)

        shop.world.advance(hours=5)
        theirs = shop.arrive(bought.registration_token)

        assert (ours.status, theirs.status) == (503, 400)
        assert [line["level"] for line in shop.log() if "advice" in line] == ["ERROR"]


def test_a_welcome_mail_is_sent_once() -> None:
    """A form sent twice, a function that is called again, a buyer who comes again."""
    with a_shop() as shop:
        bought = shop.sell()
        code = shop.arrive(bought.registration_token).code

        pages = [shop.sign_up(code), shop.sign_up(code)]
        again = shop.arrive(shop.world.marketplace.registration_token(bought.license_arn))
        pages.append(shop.sign_up(again.code, email="Ada@buyer.example"))

        assert [page.status for page in pages] == [303] * 3
        assert len(shop.mails) == 1


def test_a_welcome_mail_that_was_refused_does_not_cost_the_registration() -> None:
    """Stored, then failed at the mail: the buyer is told that the registration is not valid."""
    with a_shop() as shop:
        bought = shop.sell()
        code = shop.arrive(bought.registration_token).code
        shop.mail_refusals.append("MessageRejected")

        first = shop.sign_up(code)
        mails_before = list(shop.mails)
        shop.sign_up(code)

        assert first.status == 303
        assert (mails_before, len(shop.mails)) == ([], 1)
        assert len(shop.contacts()) == 1


def test_html_in_a_company_name_stays_text() -> None:
    """Written into a page or a mail as it is, it runs in the browser of whoever opens it."""
    with a_shop() as shop:
        bought = shop.sell()
        code = shop.arrive(bought.registration_token).code

        form = shop.sign_up(code, email="nothing", name=HTML, company=HTML)
        shop.sign_up(code, name=HTML, company=HTML)
        shop.world.send(shop.world.usage(shop.the_license(), 5, ago_s=0))
        shop.pass_time(minutes=90)

        assert form.status == 400
        assert "<img" not in form.text
        assert "&lt;img src=x" in form.text
        assert not any("<img" in json.dumps(mail) for mail in shop.mails)
        assert [each["company"] for each in shop.contacts()] == [HTML]
        assert shop.world.billed() == 5


def test_something_that_is_no_email_address_is_asked_for_again() -> None:
    """Stored and mailed to, it fails after the customer was written, or is mailed to strangers."""
    with a_shop() as shop:
        bought = shop.sell()
        code = shop.arrive(bought.registration_token).code

        asked_again = [shop.sign_up(code, email=each) for each in NO_EMAIL_ADDRESSES]
        done = shop.sign_up(code)
        shop.world.send(shop.world.usage(shop.the_license(), 5, ago_s=0))
        shop.pass_time(minutes=90)

        assert [page.status for page in asked_again] == [400] * len(NO_EMAIL_ADDRESSES)
        assert all('aria-invalid="true"' in page.text for page in asked_again)
        assert done.status == 303
        assert [each["email"] for each in shop.contacts()] == ["ada@buyer.example"]
        assert len(shop.mails) == 1
        assert shop.world.billed() == 5


@pytest.mark.parametrize("as_base64", [False, True])
def test_a_malformed_form_gets_a_page_and_changes_nothing(as_base64: bool) -> None:
    """Read with an error that nobody expected, it is a 500, and a stack trace for a buyer."""
    with a_shop() as shop:
        pages = [
            shop.ask("POST", "/register", body, as_base64=as_base64) for body in MALFORMED_FORMS
        ]

        assert [page.status for page in pages] == [400] * len(MALFORMED_FORMS)
        assert all(page.headers["Content-Type"].startswith("text/html") for page in pages)
        assert shop.everything_kept() == "[[], []]"
        assert shop.world.marketplace.calls() == []


def test_a_registration_whose_events_are_lost_is_mended_when_they_come() -> None:
    """A hole of every flow that makes a customer of two halves: one of them is late for a day."""
    with a_shop() as shop:
        shop.world.marketplace.divert(Detour("late", event="License Updated", seconds=20 * HOUR))
        shop.sign_up(shop.arrive(shop.sell().registration_token).code)
        shop.world.advance(minutes=5)
        shop.world.send(shop.world.usage(shop.the_license(), 5, ago_s=0))
        shop.pass_time(minutes=60)
        billed_before = shop.world.billed()

        shop.world.advance(hours=19)
        shop.pass_time(minutes=10)

        assert billed_before == 0
        assert shop.world.billed() == 5
