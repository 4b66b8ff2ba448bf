"""The deployed stacks and the browser that tests share; each starts once, when a test wants it.

Where several processes run the tests, each has stacks and a browser of its own.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count

import pytest
from playwright.sync_api import Browser

from sandbox.children import HOST, Child, answers, choose_ports, python_module
from sandbox.deploy import ROOT
from sandbox.environment import for_children
from sandbox.sandbox import Sandbox
from tests.e2e.browser import open_browser
from tests.e2e.shopper import Shopper
from tests.e2e.stage import PRODUCT_ID, Stage

# In the middle of a month, so that no month ends while tests let days pass.
BEGIN = datetime(2026, 11, 10, 9, 5, tzinfo=UTC)

SELLER = {
    "seller_name": "Example Software",
    "logo_url": "https://cdn.example.com/logo.svg",
    "brand_color": "#0b5cad",
    "support_email": "help@example.com",
    "support_url": "https://example.com/help",
    "sign_in_url": "https://app.example.com/sign-in",
    "terms_url": "https://example.com/terms",
    "privacy_url": "https://example.com/privacy",
    "next_steps": "We send you an invitation within an hour. Open it to choose a password.",
    "sender_email": "welcome@example.com",
}

_accounts = count(700_000_000_000)


@pytest.fixture(scope="package")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stack whose buyers sign up on the hosted pages, of a product with contracts."""
    context = {
        **SELLER,
        "product_ids": PRODUCT_ID,
        "contracts": "true",
        "usage_endpoint": "true",
    }
    folder = tmp_path_factory.mktemp("hosted")
    with Sandbox(folder, context=context, clock_start=BEGIN) as sandbox:
        yield Stage(sandbox)


@pytest.fixture(scope="package")
def own_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stack whose buyers sign up on the seller's own page, which a little server shows."""
    (port,) = choose_ports(0)
    context = {
        "signup_url": f"http://{HOST}:{port}/sign-up?from=aws",
        "product_ids": PRODUCT_ID,
        "reconciliation": "report",
    }
    folder = tmp_path_factory.mktemp("own-page")
    with Sandbox(folder, context=context, clock_start=BEGIN) as sandbox:
        seller = Child(
            "seller",
            python_module("tests.e2e.seller", port),
            environment=for_children(**sandbox.variables(), PYTHONPATH=str(ROOT)),
            log=folder / "logs" / "seller.log",
        )
        try:
            seller.wait_until(partial(answers, port))
            yield Stage(sandbox)
        finally:
            seller.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser; every buyer has a profile of their own in it."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def account() -> str:
    """The AWS account of somebody who has not bought anything yet."""
    return str(next(_accounts))


@pytest.fixture
def shopper(browser: Browser, account: str) -> Iterator[Callable[..., Shopper]]:
    """Makes buyers at a browser. Whatever they do, it must find no fault with any page."""
    shoppers = []

    def come(stage: Stage, **how: object) -> Shopper:
        shoppers.append(Shopper(browser, stage.sandbox.marketplace_url, account, **how))  # type: ignore[arg-type]
        return shoppers[-1]

    yield come
    complaints = [text for each in shoppers for text in each.complaints]
    for each in shoppers:
        each.context.close()
    assert not complaints
