"""The environment of the registration function, read once and checked. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lambdas.registration.seller import Seller

NAMES = (
    "CUSTOMERS_TABLE",
    "REGISTRATIONS_TABLE",
    "EVENT_BUS",
    "METERING_REGION",
    "CONCURRENT_AGREEMENTS",
    "SIGNUP_URL",
    "SELLER_NAME",
    "LOGO_URL",
    "BRAND_COLOR",
    "SUPPORT_EMAIL",
    "SUPPORT_URL",
    "SIGN_IN_URL",
    "TERMS_URL",
    "PRIVACY_URL",
    "NEXT_STEPS",
    "SENDER_EMAIL",
)
"""Every variable that the stack may set; the first four it must."""

_URL = re.compile(
    # Only the sandbox has pages without TLS, and only on its own machine.
    r"(?:https://[a-z0-9.-]+|http://(?:localhost|127\.0\.0\.1))(?::[0-9]{1,5})?(?:[/?#]\S*)?",
    re.ASCII | re.IGNORECASE,
)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_EMAIL = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")


class EnvironmentInvalidError(Exception):
    """A variable of the function's environment is missing or malformed: the stack set it wrong."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where things are, how the product identifies customers, and what buyers see.

    Attributes:
        signup_url: of the seller's own sign-up page; empty for the one that is hosted here.
        sender_email: from whom the confirmation e-mail comes; empty for none.
    """

    customers_table: str
    registrations_table: str
    event_bus: str
    metering_region: str
    concurrent_agreements: bool
    signup_url: str
    sender_email: str
    seller: Seller


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the function's variables; `EnvironmentInvalidError` names the one that is wrong."""
    return Environment(
        customers_table=_text(variables, "CUSTOMERS_TABLE"),
        registrations_table=_text(variables, "REGISTRATIONS_TABLE"),
        event_bus=_text(variables, "EVENT_BUS"),
        metering_region=_text(variables, "METERING_REGION"),
        concurrent_agreements=_truth(variables, "CONCURRENT_AGREEMENTS", default=True),
        signup_url=_url(variables, "SIGNUP_URL"),
        sender_email=_email(variables, "SENDER_EMAIL"),
        seller=Seller(
            name=variables.get("SELLER_NAME", ""),
            logo_url=_url(variables, "LOGO_URL"),
            brand_color=_matching(variables, "BRAND_COLOR", _COLOR, "a colour such as #0b5cad"),
            support_email=_email(variables, "SUPPORT_EMAIL"),
            support_url=_url(variables, "SUPPORT_URL"),
            sign_in_url=_url(variables, "SIGN_IN_URL"),
            terms_url=_url(variables, "TERMS_URL"),
            privacy_url=_url(variables, "PRIVACY_URL"),
            next_steps=variables.get("NEXT_STEPS", ""),
        ),
    )


def _text(variables: Mapping[str, str], name: str) -> str:
    if not variables.get(name):
        raise EnvironmentInvalidError(f"{name} is not set")
    return variables[name]


def _truth(variables: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = variables.get(name)
    if not text:
        return default
    if text not in ("true", "false"):
        raise EnvironmentInvalidError(f"{name} is {text!r}, not a truth value such as true")
    return text == "true"


def _url(variables: Mapping[str, str], name: str) -> str:
    return _matching(variables, name, _URL, "a URL such as https://example.com/signup")


def _email(variables: Mapping[str, str], name: str) -> str:
    return _matching(variables, name, _EMAIL, "an address such as help@example.com")


def _matching(
    variables: Mapping[str, str], name: str, pattern: re.Pattern[str], example: str
) -> str:
    text = variables.get(name, "")
    if text and not pattern.fullmatch(text):
        raise EnvironmentInvalidError(f"{name} is {text!r}, not {example}")
    return text
