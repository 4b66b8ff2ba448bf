"""Whatever is posted: never a 5xx of ours, and nothing comes back that was not escaped.

500 inputs a test; ``FUZZ_EXAMPLES=10000 HYPOTHESIS_PROFILE=thorough`` for a long run.
"""

import base64
import json
import os
from collections.abc import Iterator
from functools import cache
from itertools import product
from urllib.parse import quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.customers.license import LicenseKey
from lambdas.registration.codes import CODE_BYTES, Registration, code_of, hash_of
from lambdas.registration.contact import Entry, Problem
from lambdas.registration.page import Page, Pages
from tests.registration_stage import FORM, SELLER, Answered, Outline, Stage

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "500"))

TEXT = st.text(max_size=80)
HOSTILE = st.sampled_from(
    [
        '"><script>alert(1)</script>',
        "'><img src=x onerror=alert(1)>",
        "</title></style><script>alert(1)</script>",
        "<!--", "{0}{seller.__class__}", "%s%n", "%0d%0aSet-Cookie: a=b",
        "\r\nLocation: https://evil.example\r\n\r\n",
        "javascript:alert(1)", "\x00", "\ud800", "\u202e", "\ufeff", "e\u0301" * 50,
        "x" * 5_000, "' OR 1=1 --", "${jndi:ldap://x}", "../../etc/passwd", "#", "contact#a",
        "ada@example.com", "a" * 64 + "@example.com", "ada@example.com\n",
    ]
)  # fmt: skip
VALUE = TEXT | HOSTILE
NAME = st.sampled_from(
    ["x-amzn-marketplace-token", "x-amzn-marketplace-offer-type", "registration", *Entry]
)
FIELDS = st.lists(st.tuples(NAME | TEXT, VALUE), max_size=8)
CONTENT_TYPE = (
    st.sampled_from([FORM, f"{FORM}; charset=UTF-8", f"{FORM};", "", "text/plain"]) | TEXT
)


def encoded(fields: list[tuple[str, str]]) -> str:
    """Write a form as a browser does; what no browser could send becomes a question mark."""
    return "&".join(
        f"{quote_plus(name, errors='replace')}={quote_plus(value, errors='replace')}"
        for name, value in fields
    )


FORM_BODY = FIELDS.map(encoded)
RAW_BODY = st.none() | TEXT | HOSTILE
JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME | TEXT, inner, max_size=3),
    max_leaves=6,
)
ANY_JSON = JSON_VALUE.map(json.dumps)
ANY_BODY = FORM_BODY | RAW_BODY


@cache
def stage() -> Stage:
    """One for all examples: what they leave behind is part of the trial."""
    return Stage(sender="welcome@example.com")


@cache
def known() -> frozenset[tuple[object, ...]]:
    """Every page there is, taken apart: with every combination of problems, and nothing typed."""
    return frozenset(_taken_apart(page.html) for page in _every_page())


def _every_page() -> Iterator[Page]:
    pages = Pages(SELLER)
    yield from (pages.start(), pages.no_token(), pages.token_refused(), pages.expired())
    yield from (pages.not_found(), pages.done(mailed=True), pages.form("x" * 43))
    either: tuple[Problem | None, ...] = (None, Problem.TOO_LONG, Problem.CHARACTERS)
    for email, name, company in product((None, *Problem), either, either):
        told = {Entry.EMAIL: email, Entry.NAME: name, Entry.COMPANY: company}
        problems = {entry: problem for entry, problem in told.items() if problem is not None}
        yield pages.form("x" * 43, {}, problems)


def _taken_apart(html: str) -> tuple[object, ...]:
    """Tags, names of attributes, all texts, and all values but those of the inputs."""
    outline = Outline(html)
    values = [
        (tag, name, value)
        for tag, attributes in outline.tags
        for name, value in attributes.items()
        if (tag, name) != ("input", "value")
    ]
    return tuple(outline.skeleton), tuple(outline.texts), tuple(values)


def assert_sound(answer: Answered, *, code: str = "") -> None:
    """A page that we know, or a redirect to one of ours."""
    assert answer.status in (200, 303, 400), answer.status
    assert all(value.isprintable() for value in answer.headers.values())
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status == 303:
        assert answer.location == "signup/done" or answer.location.startswith(
            "signup?registration="
        )
        assert answer.body == ""
        return
    assert _taken_apart(answer.body) in known()
    hidden = [each for each in Outline(answer.body).named("input") if each["type"] == "hidden"]
    assert [each["value"] for each in hidden] in ([], [code])


def a_code() -> str:
    """A fresh code, as an arrival makes it."""
    wiring = stage().wiring
    code = code_of(wiring.random(CODE_BYTES))
    found = Registration(
        license=LicenseKey("l-1"),
        arn="arn:aws:license-manager::777788889999:license:l-1",
        account="111122223333",
        product_code="n0123",
        customer_identifier="",
        agreement_id="",
        free_trial=False,
        at_s=wiring.now_s(),
    )
    wiring.table.save(hash_of(code), found)
    return code


@settings(max_examples=EXAMPLES)
@given(body=ANY_BODY, is_base64=st.booleans(), content_type=CONTENT_TYPE)
def test_no_arrival_breaks_registration(
    body: str | None, is_base64: bool, content_type: str
) -> None:
    answer = stage().send(
        "POST", "/register", body=body, is_base64=is_base64, content_type=content_type
    )

    assert_sound(answer)
    assert answer.status == 400


@settings(max_examples=EXAMPLES)
@given(token=VALUE, fields=FIELDS, in_base64=st.booleans())
def test_no_token_breaks_registration(
    token: str, fields: list[tuple[str, str]], in_base64: bool
) -> None:
    body = encoded([("x-amzn-marketplace-token", token), *fields])
    if in_base64:
        body = base64.b64encode(body.encode()).decode()

    answer = stage().send("POST", "/register", body=body, is_base64=in_base64)

    assert_sound(answer)
    assert answer.status == 400


@settings(max_examples=EXAMPLES)
@given(body=ANY_BODY, is_base64=st.booleans(), content_type=CONTENT_TYPE)
def test_no_form_breaks_the_sign_up(body: str | None, is_base64: bool, content_type: str) -> None:
    answer = stage().send(
        "POST", "/signup", body=body, is_base64=is_base64, content_type=content_type
    )

    assert_sound(answer)
    assert answer.status == 400


@settings(max_examples=EXAMPLES)
@given(email=VALUE, name=VALUE, company=VALUE, fields=FIELDS, in_base64=st.booleans())
def test_nothing_typed_breaks_the_sign_up(
    email: str, name: str, company: str, fields: list[tuple[str, str]], in_base64: bool
) -> None:
    code = a_code()
    typed = [("registration", code), ("email", email), ("name", name), ("company", company)]
    body = encoded([*typed, *fields])
    if in_base64:
        body = base64.b64encode(body.encode()).decode()

    assert_sound(stage().send("POST", "/signup", body=body, is_base64=in_base64), code=code)


@settings(max_examples=EXAMPLES)
@given(code=VALUE, path=st.sampled_from(["/signup", "/registrations/claim"]))
def test_no_code_that_was_made_up_opens_anything(code: str, path: str) -> None:
    if path == "/signup":
        answer = stage().send("GET", path, query={"registration": code})
        assert_sound(answer)
        assert answer.status == 400
    else:
        assert stage().claim(code).status in (400, 404)


@settings(max_examples=EXAMPLES)
@given(body=RAW_BODY | ANY_JSON, is_base64=st.booleans())
def test_no_claim_breaks_registration(body: str | None, is_base64: bool) -> None:
    answer = stage().send(
        "POST",
        "/registrations/claim",
        body=body,
        is_base64=is_base64,
        content_type="application/json",
    )

    assert answer.status in (400, 404)
    assert set(answer.json) == {"error", "message"}


def test_the_trial_sees_what_is_not_escaped() -> None:
    """So that the tests above can fail."""
    page = Pages(SELLER).form("x" * 43)
    spoiled = page.html.replace('value=""', 'value=""><img src="x" alt=""', 1)

    assert _taken_apart(page.html) in known()
    assert _taken_apart(spoiled) not in known()
