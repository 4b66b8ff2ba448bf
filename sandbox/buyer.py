"""What a buyer's browser does after *Set up your account*, for programs: forms, no pictures."""

import urllib.parse
import urllib.request
from dataclasses import dataclass

from sandbox.environment import DIRECT

TOKEN_FIELD = "x-amzn-marketplace-token"  # noqa: S105 (the name of a form field)
"""Of the form that AWS Marketplace makes the browser post."""

CODE_FIELD = "registration"
"""Of the address that registration sends the browser on to."""


class RegistrationError(Exception):
    """The seller's pages did not take the buyer; the message has what they said."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a browser ended, and what it shows there."""

    url: str
    html: str


def arrive(registration_url: str, token: str) -> Page:
    """Post a registration token, and follow to the sign-up page.

    Raises:
        RegistrationError: It was refused.
    """
    return _post(registration_url, {TOKEN_FIELD: token})


def register(registration_url: str, token: str, *, email: str) -> Page:
    """Register on the hosted pages, from the token to the confirmation.

    Raises:
        RegistrationError: One of the pages refused.
    """
    form = arrive(registration_url, token)
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(form.url).query)[CODE_FIELD][0]
    action = urllib.parse.urljoin(form.url, "signup")
    return _post(action, {CODE_FIELD: code, "email": email})


def _post(url: str, fields: dict[str, str]) -> Page:
    try:
        with DIRECT.open(url, urllib.parse.urlencode(fields).encode()) as answer:
            return Page(answer.url, answer.read().decode())
    except urllib.request.HTTPError as error:
        raise RegistrationError(f"{url} answered {error.code}: {error.read().decode()}") from error
