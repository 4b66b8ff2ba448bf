"""A buyer at a browser: purchases at AWS Marketplace's page, and sets the account up."""

import os
import re
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    Route,
    ViewportSize,
    WebError,
)

PHONE = ViewportSize(width=390, height=844)
DESKTOP = ViewportSize(width=1280, height=800)

SCREENSHOTS = "SCREENSHOTS"
"""Names the folder for pictures of the pages; without it none are taken."""

LOGO = """<svg xmlns="http://www.w3.org/2000/svg" width="180" height="48" viewBox="0 0 180 48">
<rect width="48" height="48" rx="10" fill="#0b5cad"/><path d="M14 34V14h20v6H21v14z" fill="#fff"/>
<text x="60" y="32" font-family="sans-serif" font-size="22" fill="#16191f">Example</text></svg>"""
"""What is at every address of example.com, where sellers have their logos in tests."""

STATUS_COMPLAINT = "Failed to load resource: the server responded with a status of"
"""How the console tells of an answer from 400 on. Pages of ours that tell of a mistake are such."""

TABS_MAX = 60
"""More than any of the pages has places to stop at."""


class Shopper:
    """One buyer with a browser of their own: no cookies, no history.

    Attributes:
        account: The buyer's AWS account.
        requests: All that the browser has asked for, oldest first.
        context: The browser's.
    """

    def __init__(
        self,
        browser: Browser,
        marketplace_url: str,
        account: str,
        *,
        screen: ViewportSize = DESKTOP,
        scripts: bool = True,
    ) -> None:
        self.account = account
        self.requests: list[Request] = []
        self.context: BrowserContext = browser.new_context(
            viewport=screen, java_script_enabled=scripts, reduced_motion="reduce"
        )
        self._marketplace_url = marketplace_url
        self._width = screen["width"]
        self._said: list[tuple[str, str]] = []
        self._refused: set[str] = set()
        self.context.route(re.compile(r"https://([a-z]+\.)?example\.com/"), _answer_with_logo)
        # On the context, since a new tab has asked for its page before it is known.
        self.context.on("console", self._hear)
        self.context.on("weberror", self._fail)
        self.context.on("request", self._ask)
        self.context.on("requestfailed", self._miss)
        self.context.on("response", self._see)

    def marketplace(self) -> Page:
        """Open AWS Marketplace's page in a new tab."""
        page = self.context.new_page()
        page.goto(f"{self._marketplace_url}/?buyer={self.account}")
        return page

    def purchase(self, button: str = "Purchase") -> Page:
        """Purchase, and wait at AWS Marketplace until the seller has been told."""
        page = self.marketplace()
        press(page.get_by_role("button", name=button, exact=True))
        press(page.get_by_role("button", name="+ 2 minutes"))
        return page

    def set_up(self, page: Page) -> Page:
        """Press *Set up your account*, and return the tab that opens."""
        with self.context.expect_page() as opened:
            page.get_by_role("button", name="Set up your account").first.click()
        tab = opened.value
        tab.wait_for_load_state()
        return tab

    def picture(self, page: Page, name: str) -> None:
        """Keep a picture of a whole page, for people to look at, if they asked for it."""
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            page.screenshot(path=Path(folder) / f"{name}-{self._width}.png", full_page=True)

    @property
    def complaints(self) -> list[str]:
        """What the browser has found fault with, but for the status of a page as such."""
        return [
            text
            for text, url in self._said
            if not (text.startswith(STATUS_COMPLAINT) and url in self._refused)
        ]

    def forgive(self) -> None:
        """Forget what the browser has complained of."""
        self._said.clear()

    def _ask(self, request: Request) -> None:
        self.requests.append(request)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._said.append((message.text, str(message.location["url"])))

    def _fail(self, error: WebError) -> None:
        self._said.append((str(error.error), ""))

    def _miss(self, request: Request) -> None:
        self._said.append((f"{request.failure}: {request.url}", ""))

    def _see(self, response: Response) -> None:
        if response.status >= 400 and response.request.is_navigation_request():
            self._refused.add(response.url)


def press(button: Locator) -> None:
    """Press what leads to another page, and wait for that page: a click alone does not."""
    with button.page.expect_navigation():
        button.click()


def tab_to(page: Page, role: str, name: str) -> None:
    """Press Tab until the thing of this role and name has the focus, and shows it.

    Raises:
        AssertionError: It never does.
    """
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        named = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
        if focused.count() and named.and_(focused).count():
            ring = focused.evaluate("each => getComputedStyle(each).outlineStyle")
            assert ring != "none", f"{name} has the focus, and does not show it"
            return
    raise AssertionError(f"{TABS_MAX} times Tab do not lead to the {role} {name!r}")


def _answer_with_logo(route: Route) -> None:
    route.fulfill(content_type="image/svg+xml", body=LOGO)
