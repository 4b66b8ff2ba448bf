"""One-time codes, whom they stand for, and how buyers are told apart."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.license import LicenseKey
from lambdas.registration.codes import (
    CODE_BYTES,
    Registration,
    Standing,
    Use,
    code_of,
    hash_of,
    is_code,
    standing,
)
from lambdas.registration.customer import Customer, as_product_says
from lambdas.registration.register import with_code

FOUND = Registration(
    license=LicenseKey("l-1"),
    arn="arn:aws:license-manager::777788889999:license:l-1",
    account="111122223333",
    product_code="n0123",
    customer_identifier="",
    agreement_id="agmt-1",
    free_trial=False,
    at_s=1_000_000,
)


@given(random=st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_a_code_can_stand_in_a_url_as_it_is(random: bytes) -> None:
    code = code_of(random)

    assert is_code(code)
    assert with_code("signup", code) == f"signup?registration={code}"


@given(one=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_codes_are_as_different_as_their_randomness(one: bytes, other: bytes) -> None:
    assert (code_of(one) == code_of(other)) == (one == other)


@pytest.mark.parametrize(
    "text", ["", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 42 + "\n", "é" * 43]
)
def test_what_cannot_be_a_code_is_none(text: str) -> None:
    assert not is_code(text)


def test_a_hash_tells_nothing_of_its_code() -> None:
    code = code_of(bytes(32))

    assert code not in hash_of(code)
    assert len(hash_of(code)) == 64


def test_a_code_is_fresh_for_an_hour() -> None:
    assert standing(FOUND, FOUND.at_s) is Standing.FRESH
    assert standing(FOUND, FOUND.at_s + 3_599) is Standing.FRESH
    assert standing(FOUND, FOUND.at_s + 3_600) is Standing.EXPIRED


@pytest.mark.parametrize(
    ("use", "expected"), [(Use.SIGNUP, Standing.SIGNED_UP), (Use.CLAIM, Standing.CLAIMED)]
)
def test_a_used_code_stays_used_when_it_expires(use: Use, expected: Standing) -> None:
    used = replace(FOUND, used=use)

    assert standing(used, FOUND.at_s) is expected
    assert standing(used, FOUND.at_s + 3_600) is expected


def test_contacts_belong_to_the_license_or_while_it_is_unknown_to_account_and_product() -> None:
    assert FOUND.owner == "license#l-1"
    assert replace(FOUND, license=LicenseKey("")).owner == "account#111122223333#product#n0123"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/signup", "https://example.com/signup?registration=abc"),
        ("https://example.com", "https://example.com?registration=abc"),
        ("https://example.com/?a=b%20c", "https://example.com/?a=b%20c&registration=abc"),
        ("https://example.com/a#b", "https://example.com/a?registration=abc#b"),
    ],
)
def test_the_code_goes_into_the_query_that_a_sign_up_page_has(url: str, expected: str) -> None:
    assert with_code(url, "abc") == expected


def test_a_product_without_concurrent_agreements_knows_customers_by_identifier() -> None:
    both = Customer(product_code="n0123", license_arn="arn", customer_identifier="X01")

    assert as_product_says(both, concurrent_agreements=True) == both
    assert as_product_says(both, concurrent_agreements=False) == replace(both, license_arn="")


def test_a_license_is_kept_where_there_is_no_identifier() -> None:
    new = Customer(product_code="n0123", license_arn="arn", account="111122223333")

    assert as_product_says(new, concurrent_agreements=False) == new


@pytest.mark.parametrize(
    ("customer", "identified", "known"),
    [
        (Customer(license_arn="arn"), True, True),
        (Customer(product_code="n0123", customer_identifier="X01"), True, True),
        (Customer(product_code="n0123", account="111122223333"), False, True),
        (Customer(account="111122223333"), False, False),
        (Customer(product_code="n0123"), False, False),
        (Customer(customer_identifier="X01"), False, False),
        (Customer(), False, False),
    ],
)
def test_every_member_of_an_answer_may_be_missing(
    customer: Customer, identified: bool, known: bool
) -> None:
    assert (customer.is_identified, customer.is_known) == (identified, known)
