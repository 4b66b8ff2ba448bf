"""The function's environment: what is read, what is refused, and in which words."""

from collections.abc import Iterator, Mapping

import pytest

from lambdas.registration.environment import (
    NAMES,
    Environment,
    EnvironmentInvalidError,
    read_environment,
)
from lambdas.registration.seller import BRAND_COLOR, Seller

WHERE = {
    "CUSTOMERS_TABLE": "customers",
    "REGISTRATIONS_TABLE": "registrations",
    "EVENT_BUS": "default",
    "METERING_REGION": "us-east-1",
}
"""The least that must be set."""

URLS = ("SIGNUP_URL", "LOGO_URL", "SUPPORT_URL", "SIGN_IN_URL", "TERMS_URL", "PRIVACY_URL")


class Asked(Mapping[str, str]):
    """Variables that remember which of them were asked for."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)


def refusal(**variables: str) -> str:
    with pytest.raises(EnvironmentInvalidError) as error:
        read_environment(WHERE | variables)
    return str(error.value)


def test_the_variables_listed_for_the_stack_are_those_that_are_read() -> None:
    asked = Asked(WHERE)

    read_environment(asked)

    assert asked.names == set(NAMES)


@pytest.mark.parametrize("name", WHERE)
def test_a_place_that_is_not_set_is_named(name: str) -> None:
    assert refusal(**{name: ""}) == f"{name} is not set"


@pytest.mark.parametrize("empty", [{}, {name: "" for name in NAMES if name not in WHERE}])
def test_what_is_not_set_has_safe_defaults(empty: dict[str, str]) -> None:
    assert read_environment(WHERE | empty) == Environment(
        customers_table="customers",
        registrations_table="registrations",
        event_bus="default",
        metering_region="us-east-1",
        concurrent_agreements=True,
        signup_url="",
        sender_email="",
        seller=Seller(),
    )


def test_everything_can_be_set() -> None:
    environment = read_environment(
        WHERE
        | {
            "CONCURRENT_AGREEMENTS": "false",
            "SIGNUP_URL": "https://app.example.com/signup?plan=pro",
            "SENDER_EMAIL": "welcome@example.com",
            "SELLER_NAME": "Example",
            "LOGO_URL": "https://cdn.example.com:8443/logo.svg",
            "BRAND_COLOR": "#6b21A8",
            "SUPPORT_EMAIL": "help@example.com",
            "SUPPORT_URL": "https://example.com/help",
            "SIGN_IN_URL": "https://app.example.com",
            "TERMS_URL": "https://example.com/terms#now",
            "PRIVACY_URL": "https://example.com/privacy",
            "NEXT_STEPS": "One.\nTwo.",
        }
    )

    assert environment.concurrent_agreements is False
    assert environment.signup_url == "https://app.example.com/signup?plan=pro"
    assert environment.sender_email == "welcome@example.com"
    assert environment.seller == Seller(
        name="Example",
        logo_url="https://cdn.example.com:8443/logo.svg",
        brand_color="#6b21A8",
        support_email="help@example.com",
        support_url="https://example.com/help",
        sign_in_url="https://app.example.com",
        terms_url="https://example.com/terms#now",
        privacy_url="https://example.com/privacy",
        next_steps="One.\nTwo.",
    )


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "text",
    [
        "http://example.com",
        "javascript:alert(1)",
        "example.com",
        "https://",
        "https://example.com/a b",
        "https://example.com;x",
        "https://user@example.com",
        "https://example.com\n",
    ],
)
def test_what_is_no_safe_url_is_refused(name: str, text: str) -> None:
    assert refusal(**{name: text}).startswith(f"{name} is {text!r}, not a URL such as https://")


@pytest.mark.parametrize("url", ["http://localhost:8000/signup", "http://127.0.0.1:8000/"])
def test_a_page_of_this_machine_needs_no_tls(url: str) -> None:
    assert read_environment(WHERE | {"SIGNUP_URL": url}).signup_url == url


@pytest.mark.parametrize("text", ["red", "#12345", "#1234567", "#12345g", "#123456;}"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    assert refusal(BRAND_COLOR=text) == f"BRAND_COLOR is {text!r}, not a colour such as #0b5cad"


@pytest.mark.parametrize("name", ["SENDER_EMAIL", "SUPPORT_EMAIL"])
@pytest.mark.parametrize("text", ["help", "a b@example.com", "a@b.c,d@e.f", "A <a@b.c>"])
def test_what_is_no_address_is_refused(name: str, text: str) -> None:
    assert refusal(**{name: text}).startswith(f"{name} is {text!r}, not an address such as")


@pytest.mark.parametrize("text", ["yes", "True", "1"])
def test_what_is_neither_true_nor_false_is_refused(text: str) -> None:
    assert refusal(CONCURRENT_AGREEMENTS=text).startswith(
        f"CONCURRENT_AGREEMENTS is {text!r}, not a truth value such as"
    )


def test_a_seller_without_a_colour_has_ours() -> None:
    assert Seller().color == BRAND_COLOR
    assert Seller(brand_color="#123456").color == "#123456"
