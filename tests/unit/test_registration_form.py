"""What a browser posted: bodies as they really come, and bodies nobody should send."""

import base64
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.registration.form import (
    BODY_CHARACTERS_MAX,
    FIELDS_MAX,
    TOKEN_CHARACTERS_MAX,
    TOKEN_FIELD,
    Arrival,
    Flaw,
    first_value,
    read_arrival,
    read_fields,
)

EVENTS = Path(__file__).parents[1] / "events" / "register"
TOKEN = "EXAMPLE+token/with=reserved+characters:0123456789._-abcdefghijklmnopqrstuvwxyz=="
FORM = "application/x-www-form-urlencoded"


def read(body: str | None, *, is_base64: bool = False, content_type: str = FORM) -> Arrival | Flaw:
    fields = read_fields(body, is_base64=is_base64, content_type=content_type)
    return fields if isinstance(fields, Flaw) else read_arrival(fields)


def read_sample(name: str) -> Arrival | Flaw:
    if name.endswith(".txt"):
        return read((EVENTS / name).read_text())
    event = json.loads((EVENTS / name).read_text())
    return read(
        event["body"],
        is_base64=event["isBase64Encoded"],
        content_type=event["headers"].get("Content-Type", ""),
    )


@pytest.mark.parametrize(
    "name",
    [
        "token.txt",
        "extra-fields.txt",
        "unknown-field.txt",
        "rest-api.post.plain.json",
        "rest-api.post.base64.json",
        "rest-api.post.base64.extra-fields.json",
        "rest-api.post.charset.json",
        "rest-api.post.custom-domain.json",
    ],
)
def test_a_buyer_arrives_with_the_token_decoded(name: str) -> None:
    assert read_sample(name) == Arrival(TOKEN, free_trial=False)


@pytest.mark.parametrize("name", ["free-trial.txt", "rest-api.post.base64.free-trial.json"])
def test_a_free_trial_is_seen(name: str) -> None:
    assert read_sample(name) == Arrival(TOKEN, free_trial=True)


@pytest.mark.parametrize(
    ("name", "flaw"),
    [
        ("bad-empty-body.txt", Flaw.NO_TOKEN),
        ("bad-empty-token.txt", Flaw.NO_TOKEN),
        ("bad-no-token.txt", Flaw.NO_TOKEN),
        ("bad-two-tokens.txt", Flaw.TWO_TOKENS),
        ("rest-api.post.json-body.json", Flaw.NOT_A_FORM),
    ],
)
def test_what_is_no_arrival_has_a_reason(name: str, flaw: Flaw) -> None:
    assert read_sample(name) is flaw


def test_a_token_that_was_not_encoded_comes_as_the_form_has_it() -> None:
    """AWS Marketplace refuses it; guessing would be worse than to say so."""
    assert read_sample("bad-token-not-encoded.txt") == Arrival(
        TOKEN.replace("+", " "), free_trial=False
    )


def test_an_offer_type_that_is_not_known_is_no_free_trial() -> None:
    assert read(urlencode({TOKEN_FIELD: "t", "x-amzn-marketplace-offer-type": "other"})) == Arrival(
        "t", free_trial=False
    )


@pytest.mark.parametrize("body", [None, ""])
def test_no_body_is_no_token(body: str | None) -> None:
    assert read(body, content_type="") is Flaw.NO_TOKEN


def test_a_token_of_spaces_is_no_token() -> None:
    assert read(urlencode({TOKEN_FIELD: "  "})) is Flaw.NO_TOKEN


@pytest.mark.parametrize("content_type", ["", FORM, f"{FORM}; charset=ISO-8859-1", FORM.upper()])
def test_a_form_is_a_form_whatever_its_charset(content_type: str) -> None:
    assert read(f"{TOKEN_FIELD}=t", content_type=content_type) == Arrival("t", free_trial=False)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
def test_another_content_type_is_not_a_form(content_type: str) -> None:
    assert read(f"{TOKEN_FIELD}=t", content_type=content_type) is Flaw.NOT_A_FORM


@pytest.mark.parametrize("body", ["=", "AAA", "%%%%", "é", "\ud800"])
def test_what_is_said_to_be_base64_and_is_not_is_not_a_form(body: str) -> None:
    assert read(body, is_base64=True) is Flaw.NOT_A_FORM


def test_a_body_has_a_largest_size() -> None:
    head = f"{TOKEN_FIELD}=t&x="

    assert read(head + "x" * (BODY_CHARACTERS_MAX - len(head))) == Arrival("t", free_trial=False)
    assert read(head + "x" * (BODY_CHARACTERS_MAX - len(head) + 1)) is Flaw.TOO_LARGE


def test_a_token_has_a_largest_size() -> None:
    longest = "t" * TOKEN_CHARACTERS_MAX

    assert read(f"{TOKEN_FIELD}={longest}") == Arrival(longest, free_trial=False)
    assert read(f"{TOKEN_FIELD}={longest}t") is Flaw.TOKEN_TOO_LONG


def test_a_form_has_a_largest_number_of_fields() -> None:
    fields = [TOKEN_FIELD + "=t", *(f"f{number}=" for number in range(1, FIELDS_MAX))]

    assert read("&".join(fields)) == Arrival("t", free_trial=False)
    assert read("&".join([*fields, "one-more="])) is Flaw.NOT_A_FORM


def test_a_token_is_in_no_representation() -> None:
    assert TOKEN not in repr(read_sample("token.txt"))


def test_of_a_field_that_comes_twice_the_first_counts() -> None:
    assert first_value({"email": ["a", "b"]}, "email") == "a"
    assert first_value({}, "email") == ""


@given(
    token=st.text(st.characters(codec="utf-8"), min_size=1, max_size=300).filter(str.strip),
    others=st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda name: name != TOKEN_FIELD),
        st.text(st.characters(codec="utf-8"), max_size=20),
        max_size=5,
    ),
    encoded=st.booleans(),
)
def test_whatever_a_browser_encodes_is_decoded(
    token: str, others: dict[str, str], encoded: bool
) -> None:
    body = urlencode({**others, TOKEN_FIELD: token})
    if encoded:
        body = base64.b64encode(body.encode()).decode()

    arrival = read(body, is_base64=encoded)

    assert isinstance(arrival, Arrival)
    assert arrival.token == token


@given(body=st.text(), is_base64=st.booleans(), content_type=st.sampled_from(["", FORM, "x"]))
def test_no_body_is_too_strange_to_be_read(body: str, is_base64: bool, content_type: str) -> None:
    assert isinstance(read(body, is_base64=is_base64, content_type=content_type), Arrival | Flaw)


@given(body=st.binary())
def test_no_bytes_are_too_strange_to_be_read(body: bytes) -> None:
    read(base64.b64encode(body).decode(), is_base64=True)
