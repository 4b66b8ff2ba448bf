"""The seller's own sign-up page at a browser: it learns who came from a code, once."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.shopper import Shopper
from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow

Come = Callable[..., Shopper]


def test_the_sellers_page_learns_who_came(own_page: Stage, shopper: Come, account: str) -> None:
    visitor = shopper(own_page)

    page = visitor.set_up(visitor.purchase())

    (held,) = own_page.licenses_of(account)
    assert page.inner_text("h1") == "Welcome"
    assert page.inner_text("p") == f"{account} has {held.arn}"


def test_the_browser_carries_a_code_and_nothing_else(own_page: Stage, shopper: Come) -> None:
    visitor = shopper(own_page)

    page = visitor.set_up(visitor.purchase())

    assert list(parse_qs(urlsplit(page.url).query)) == ["from", "registration"]


def test_the_sellers_page_learns_it_once(own_page: Stage, shopper: Come) -> None:
    visitor = shopper(own_page)
    page = visitor.set_up(visitor.purchase())

    page.reload()

    assert page.inner_text("p") == "The registration was not good any more (410)."


def test_pressing_the_button_again_lets_the_buyer_in_again(
    own_page: Stage, shopper: Come, account: str
) -> None:
    visitor = shopper(own_page)
    market = visitor.purchase()
    first = visitor.set_up(market)

    second = visitor.set_up(market)

    assert second.inner_text("p") == first.inner_text("p")
    assert second.url != first.url
