"""A buyer at a browser, on a phone and at a desk: from *Purchase* to the confirmation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote_plus, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize

from lambdas.customers.license import License, State
from tests.e2e.shopper import DESKTOP, PHONE, Shopper, press
from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow

NAME = 'Ada "Countess" <King> & Söhne'
PRESSED_PIXELS_MIN = 44
"""What a thumb can hit: https://www.w3.org/WAI/WCAG22/Understanding/target-size-enhanced.html."""


@dataclass(frozen=True, slots=True)
class Story:
    """What a buyer saw on the way.

    Attributes:
        email: What they signed up with.
        focused: What had the focus when the form came back with a mistake told.
        kept: Address and name that were in it then.
        led_to: The field that the summary's link went to.
        button_pixels: How high the form's button was.
        confirmed: The heading in the end.
        too_wide: The pages that would have to be moved sideways.
        license: What the stack holds in the end.
    """

    shopper: Shopper
    email: str
    focused: str
    kept: Sequence[str]
    led_to: str
    button_pixels: float
    confirmed: str
    too_wide: Sequence[str]
    license: License


@pytest.fixture(scope="module", params=[PHONE, DESKTOP], ids=["phone", "desk"])
def story(request: pytest.FixtureRequest, browser: Browser, hosted: Stage) -> Iterator[Story]:
    screen = cast("ViewportSize", request.param)
    account = f"71000000{screen['width']:04}"
    shopper = Shopper(browser, hosted.sandbox.marketplace_url, account, screen=screen)
    yield live(shopper, hosted)
    shopper.context.close()


def live(shopper: Shopper, hosted: Stage) -> Story:
    """Purchase, set up the account with a mistake at first, and come to the confirmation."""
    too_wide: list[str] = []

    def see(page: Page, name: str) -> None:
        shopper.picture(page, name)
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            too_wide.append(name)

    see(shopper.marketplace(), "marketplace-empty")
    market = shopper.purchase()
    hosted.sandbox.settle()
    form = shopper.set_up(market)
    address, name = form.get_by_label("E-mail address"), form.get_by_label("Your name")
    button = form.get_by_role("button", name="Finish set-up")
    box = button.bounding_box()
    see(form, "form")
    address.fill("ada@example")
    name.fill(NAME)
    press(button)
    see(form, "form-mistake")
    focused = str(form.evaluate("document.activeElement.getAttribute('role')"))
    kept = address.input_value(), name.input_value()
    form.get_by_role("alert").get_by_role("link").click()
    led_to = str(form.evaluate("document.activeElement.id"))
    email = f"ada-{shopper.account}@example.com"
    address.fill(email)
    press(button)
    see(form, "confirmation")
    market.reload()
    see(market, "marketplace-active")
    (license_now,) = hosted.licenses_of(shopper.account)
    return Story(
        shopper=shopper,
        email=email,
        focused=focused,
        kept=kept,
        led_to=led_to,
        button_pixels=box["height"] if box else 0,
        confirmed=form.inner_text("h1"),
        too_wide=too_wide,
        license=license_now,
    )


def arrival(story: Story) -> Request:
    """The request that brought the token."""
    (posted,) = (each for each in story.shopper.requests if each.url.endswith("/register"))
    return posted


def test_the_token_comes_from_another_site(story: Story) -> None:
    posted = arrival(story)

    # Another port would be the same site; another name is not.
    came_from = urlsplit(posted.headers["origin"]).hostname
    assert came_from not in (None, urlsplit(posted.url).hostname)


def test_the_token_is_in_no_address_and_no_cookie(story: Story) -> None:
    token = unquote_plus((arrival(story).post_data or "").rpartition("token=")[2])

    assert len(token) > 100
    assert not [each.url for each in story.shopper.requests if token in unquote_plus(each.url)]
    assert story.shopper.context.cookies() == []


def test_a_mistake_is_what_has_the_focus(story: Story) -> None:
    assert story.focused == "alert"


def test_what_was_typed_is_kept(story: Story) -> None:
    assert story.kept == ("ada@example", NAME)


def test_the_summary_leads_to_the_field(story: Story) -> None:
    assert story.led_to == "email"


def test_the_button_can_be_hit_with_a_thumb(story: Story) -> None:
    assert story.button_pixels >= PRESSED_PIXELS_MIN


def test_the_buyer_is_told_of_success(story: Story) -> None:
    assert story.confirmed == "Thank you, you are registered"


def test_the_license_is_active_by_the_event(story: Story) -> None:
    assert story.license.state is State.ACTIVE


def test_the_contact_is_kept(story: Story, hosted: Stage) -> None:
    kept = {"email": story.email, "name": NAME, "company": ""}

    assert hosted.contacts(story.license.key) == [kept]


def test_one_confirmation_is_mailed(story: Story, hosted: Stage) -> None:
    (mail,) = hosted.mails_to(story.email)

    assert mail["FromEmailAddress"] == "welcome@example.com"


def test_the_registration_is_announced_and_so_is_the_contact(story: Story, hosted: Stage) -> None:
    told = hosted.told(story.license.key)

    assert [name for name, _ in told] == [
        "Customer Registered",
        "Subscription Activated",
        "Customer Registered",
    ]
    assert [detail.get("Contact") for _, detail in told] == [
        None,
        None,
        {"Email": story.email, "Name": NAME},
    ]


def test_no_page_is_wider_than_the_screen(story: Story) -> None:
    assert not story.too_wide


def test_the_browser_complains_of_nothing(story: Story) -> None:
    assert story.shopper.complaints == []
