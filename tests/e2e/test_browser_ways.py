"""The other ways through the sign-up pages: without scripts, by keyboard, back, again, too late."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, ViewportSize

from tests.e2e.shopper import DESKTOP, PHONE, Shopper, press, tab_to
from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow

Come = Callable[..., Shopper]

both_screens = pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desk"])

CONFIRMED = "Thank you, you are registered"
EXPIRED = "This page has expired"


def sign_up(form: Page, email: str) -> None:
    form.get_by_label("E-mail address").fill(email)
    press(form.get_by_role("button", name="Finish set-up"))


def heading(page: Page) -> str:
    return page.inner_text("h1")


def test_scripts_are_not_needed(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted, scripts=False)
    form = buyer.set_up(buyer.purchase())

    sign_up(form, "no")
    sign_up(form, "no-scripts@example.com")

    assert heading(form) == CONFIRMED


def test_a_keyboard_is_enough(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    market = buyer.marketplace()

    tab_to(market, "button", "Purchase")
    market.keyboard.press("Enter")
    market.wait_for_url("**said=purchased*")
    with buyer.context.expect_page() as opened:
        tab_to(market, "button", "Set up your account")
        market.keyboard.press("Enter")
    form = opened.value
    tab_to(form, "textbox", "E-mail address")
    form.keyboard.type("keyboard@example.com")
    tab_to(form, "textbox", "Company (optional)")
    form.keyboard.type("Example Corp")
    tab_to(form, "button", "Finish set-up")
    form.keyboard.press("Enter")
    form.wait_for_url("**/signup/done")

    assert heading(form) == CONFIRMED


def test_a_mistake_can_be_mended_by_keyboard(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    form = buyer.set_up(buyer.purchase())
    tab_to(form, "button", "Finish set-up")
    form.keyboard.press("Enter")
    form.get_by_role("alert").wait_for()

    # Without finding the way to the field oneself: the summary has the focus, its link is next.
    form.keyboard.press("Tab")
    form.keyboard.press("Enter")
    form.keyboard.type("mended@example.com")
    form.keyboard.press("Enter")
    form.wait_for_url("**/signup/done")

    assert heading(form) == CONFIRMED


def test_a_form_that_was_reloaded_is_as_good(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    form = buyer.set_up(buyer.purchase())

    form.reload()
    sign_up(form, "reloaded@example.com")

    assert heading(form) == CONFIRMED


def test_a_confirmation_can_be_reloaded(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    form = buyer.set_up(buyer.purchase())
    sign_up(form, "again@example.com")

    form.reload()

    assert heading(form) == CONFIRMED


def test_back_from_the_confirmation_leads_to_the_confirmation(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    form = buyer.set_up(buyer.purchase())
    sign_up(form, "back@example.com")

    form.go_back()

    assert heading(form) == CONFIRMED
    assert len(hosted.mails_to("back@example.com")) == 1


def test_a_form_sent_twice_counts_once(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    form = buyer.set_up(buyer.purchase())
    second = buyer.context.new_page()
    second.goto(form.url)
    sign_up(form, "twice@example.com")

    sign_up(second, "other@example.com")

    (held,) = hosted.licenses_of(buyer.account)
    assert heading(second) == CONFIRMED
    assert [each["email"] for each in hosted.contacts(held.key)] == ["twice@example.com"]


def test_coming_back_later_is_a_registration_like_the_first(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    market = buyer.purchase()
    sign_up(buyer.set_up(market), "first@example.com")
    (before,) = hosted.licenses_of(buyer.account)
    hosted.let_pass(days=1)

    market.reload()
    again = buyer.set_up(market)
    sign_up(again, "second@example.com")

    (after,) = hosted.licenses_of(buyer.account)
    addresses = {each["email"] for each in hosted.contacts(after.key)}
    assert heading(again) == CONFIRMED
    assert (after.key, after.registered_s) == (before.key, before.registered_s)
    assert addresses == {"first@example.com", "second@example.com"}


def test_pressing_the_button_twice_opens_two_good_forms(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    market = buyer.purchase()
    buyer.set_up(market)

    second = buyer.set_up(market)
    sign_up(second, "second-tab@example.com")

    assert heading(second) == CONFIRMED


def test_a_free_trial_is_known_as_one(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)

    buyer.set_up(buyer.purchase("Start free trial"))

    (held,) = hosted.licenses_of(buyer.account)
    assert held.free_trial


@both_screens
def test_a_form_left_for_an_hour_says_how_to_get_another(
    hosted: Stage, shopper: Come, screen: ViewportSize
) -> None:
    buyer = shopper(hosted, screen=screen)
    form = buyer.set_up(buyer.purchase())
    hosted.let_pass(minutes=61)

    sign_up(form, "late@example.com")

    buyer.picture(form, "expired")
    assert heading(form) == EXPIRED
    assert form.get_by_role("link", name="Open AWS Marketplace").is_visible()


@both_screens
def test_who_comes_without_a_token_is_told_where_to_begin(
    hosted: Stage, shopper: Come, screen: ViewportSize
) -> None:
    buyer = shopper(hosted, screen=screen)
    page = buyer.context.new_page()
    url = hosted.sandbox.url("RegistrationUrl")
    page.set_content(f'<form method="post" action="{url}"><button>Go</button></form>')

    press(page.get_by_role("button"))

    buyer.picture(page, "no-token")
    assert heading(page) == "This page needs to be opened from AWS Marketplace"


@both_screens
def test_who_opens_the_address_is_told_where_to_begin(
    hosted: Stage, shopper: Come, screen: ViewportSize
) -> None:
    buyer = shopper(hosted, screen=screen)
    page = buyer.context.new_page()

    page.goto(hosted.sandbox.url("RegistrationUrl"))

    buyer.picture(page, "start")
    assert heading(page) == "Set up your account from AWS Marketplace"


def test_a_token_that_has_expired_says_how_to_get_another(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    market = buyer.purchase()
    hosted.let_pass(days=2)

    page = buyer.set_up(market)

    buyer.picture(page, "token-refused")
    assert heading(page) == "Your registration could not be confirmed"


def test_while_aws_marketplace_is_down_nothing_is_lost(hosted: Stage, shopper: Come) -> None:
    buyer = shopper(hosted)
    market = buyer.purchase()
    # As often as the function asks before it gives up.
    down = {"operation": "ResolveCustomer", "fault": "InternalServiceErrorException", "times": 2}
    hosted.sandbox.emulator("faults", down)

    page = buyer.set_up(market)
    buyer.picture(page, "unavailable")
    sorry = heading(page)
    form = buyer.set_up(market)
    sign_up(form, "patient@example.com")

    assert (sorry, heading(form)) == ("Please try again in a minute", CONFIRMED)


def test_the_browser_would_complain_of_a_style_that_is_not_ours(
    hosted: Stage, shopper: Come, account: str
) -> None:
    """Shows that the complaints, which no test may cause, are heard."""
    buyer = shopper(hosted)
    page = buyer.context.new_page()
    page.goto(hosted.sandbox.url("RegistrationUrl"))

    page.evaluate("document.body.setAttribute('style', 'color: red')")

    (complaint,) = buyer.complaints
    buyer.forgive()
    assert "Content Security Policy" in complaint
