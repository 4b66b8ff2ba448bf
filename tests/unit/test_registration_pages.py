"""The pages: their structure, their headers, their colours, and that nothing gets in unescaped."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.registration.contact import Contact, Entry, read_contact
from lambdas.registration.mail import confirmation
from lambdas.registration.page import Page, Pages
from lambdas.registration.seller import BRAND_COLOR, Seller
from lambdas.registration.style import BAD_DARK, BAD_LIGHT, DARK, LIGHT, LINK_DARK, style
from lambdas.registration.texts import ENGLISH
from tests.registration_stage import SELLER, Outline

CODE = "EXAMPLE-code_of-43-characters-0000000000000"
WRONG = {Entry.EMAIL: "ada", Entry.NAME: "x" * 201, Entry.COMPANY: "a\nb"}
TEXT_CONTRAST, EDGE_CONTRAST = 4.5, 3.0
"""WCAG 2.2, 1.4.3 and 1.4.11."""


def with_problems(pages: Pages, typed: dict[Entry, str]) -> Page:
    problems = read_contact(typed)
    assert not isinstance(problems, Contact)
    return pages.form(CODE, typed, problems)


EVERY: dict[str, Callable[[Pages], Page]] = {
    "start": Pages.start,
    "no-token": Pages.no_token,
    "token-refused": Pages.token_refused,
    "expired": Pages.expired,
    "not-found": Pages.not_found,
    "unavailable-at-registration": Pages.unavailable_at_registration,
    "unavailable-at-signup": Pages.unavailable_at_signup,
    "form": lambda pages: pages.form(CODE),
    "form-with-problems": lambda pages: with_problems(pages, WRONG),
    "done": lambda pages: pages.done(mailed=False),
    "done-mailed": lambda pages: pages.done(mailed=True),
}
STATUSES = {
    "start": 200,
    "no-token": 400,
    "token-refused": 400,
    "expired": 400,
    "not-found": 404,
    "unavailable-at-registration": 503,
    "unavailable-at-signup": 503,
    "form": 200,
    "form-with-problems": 400,
    "done": 200,
    "done-mailed": 200,
}
every_page = pytest.mark.parametrize("name", EVERY)
every_seller = pytest.mark.parametrize("seller", [SELLER, Seller()], ids=["full", "bare"])


def page(name: str, seller: Seller = SELLER) -> Page:
    return EVERY[name](Pages(seller))


def outline(name: str, seller: Seller = SELLER) -> Outline:
    return Outline(page(name, seller).html)


# Structure


@every_page
def test_a_page_has_its_status(name: str) -> None:
    assert page(name).status == STATUSES[name]


@every_page
@every_seller
def test_a_page_is_a_whole_document(name: str, seller: Seller) -> None:
    found = outline(name, seller)

    assert page(name, seller).html.startswith("<!doctype html>\n")
    assert found.open == []
    assert found.named("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in found.named("meta")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in found.named(
        "meta"
    )


@every_page
@every_seller
def test_a_page_has_one_heading_one_title_and_one_main_part(name: str, seller: Seller) -> None:
    found = outline(name, seller)

    assert [len(found.named(tag)) for tag in ("h1", "title", "main")] == [1, 1, 1]


@every_page
def test_a_page_has_no_script_and_loads_nothing_but_the_logo(name: str) -> None:
    found = outline(name)

    assert not {"script", "link", "iframe", "object", "base", "svg"} & {
        tag for tag, _ in found.tags
    }
    assert [tag["src"] for tag in found.named("img")] == [SELLER.logo_url]
    for _, attributes in found.tags:
        assert not any(key.startswith("on") or key == "style" for key in attributes)


@every_page
def test_no_id_is_given_twice(name: str) -> None:
    ids = [attributes["id"] for _, attributes in outline(name).tags if "id" in attributes]

    assert len(ids) == len(set(ids))


@every_page
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    found = outline(name)
    ids = {attributes.get("id") for _, attributes in found.tags}

    for link in found.named("a"):
        address = link["href"] or ""
        assert address.startswith(("https://", "mailto:")) or address.removeprefix("#") in ids


@every_page
def test_the_logo_has_the_seller_s_name_as_its_text(name: str) -> None:
    assert [tag["alt"] for tag in outline(name).named("img")] == [SELLER.name]


@pytest.mark.parametrize("name", ["form", "form-with-problems"])
def test_every_input_has_a_label_and_helps_the_browser_to_fill_it_in(name: str) -> None:
    found = outline(name)
    inputs = [each for each in found.named("input") if each["type"] != "hidden"]

    assert [each["for"] for each in found.named("label")] == [each["id"] for each in inputs]
    assert [(each["name"], each["type"], each["autocomplete"]) for each in inputs] == [
        ("email", "email", "email"),
        ("name", "text", "name"),
        ("company", "text", "organization"),
    ]
    assert ["required" in each for each in inputs] == [True, False, False]


@pytest.mark.parametrize("name", ["form", "form-with-problems"])
def test_whatever_describes_an_input_is_on_the_page(name: str) -> None:
    found = outline(name)
    ids = {attributes.get("id") for _, attributes in found.tags}

    for each in found.named("input"):
        assert set((each.get("aria-describedby") or "").split()) <= ids


def test_an_entry_with_a_problem_is_marked_and_described_by_it() -> None:
    inputs = {each["name"]: each for each in outline("form-with-problems").named("input")}

    for entry in Entry:
        assert inputs[entry]["aria-invalid"] == "true"
        assert f"{entry}-problem" in (inputs[entry]["aria-describedby"] or "")


def test_problems_are_summed_up_where_the_focus_goes() -> None:
    found = outline("form-with-problems")
    [summary] = [each for each in found.named("div") if each.get("role") == "alert"]

    assert {"tabindex", "autofocus"} <= set(summary)
    assert [each["href"] for each in found.named("a")][:3] == ["#email", "#name", "#company"]


def test_the_title_says_that_there_are_problems() -> None:
    assert "<title>Error: " in page("form-with-problems").html
    assert "Error" not in page("form").html


def test_a_form_without_problems_has_no_marks_of_any() -> None:
    assert not any(
        {"aria-invalid", "role"} & set(attributes) for _, attributes in outline("form").tags
    )


def test_the_form_is_sent_beside_itself_with_its_code() -> None:
    found = outline("form")

    [form] = found.named("form")
    assert (form["method"], form["action"]) == ("post", "signup")
    [hidden] = [each for each in found.named("input") if each["type"] == "hidden"]
    assert (hidden["name"], hidden["value"]) == ("registration", CODE)


# What they say


@every_page
def test_support_terms_and_privacy_are_on_every_page(name: str) -> None:
    links = {each["href"] for each in outline(name).named("a")}

    assert {
        "mailto:help@example.com",
        SELLER.support_url,
        SELLER.terms_url,
        SELLER.privacy_url,
    } <= links


@pytest.mark.parametrize("name", ["start", "no-token", "token-refused", "expired", "form", "done"])
def test_who_has_an_account_can_sign_in(name: str) -> None:
    assert SELLER.sign_in_url in {each["href"] for each in outline(name).named("a")}


@pytest.mark.parametrize("name", ["start", "no-token", "token-refused", "expired", "not-found"])
def test_who_came_without_a_good_token_is_told_which_button_to_press(name: str) -> None:
    assert "Press “Set up your account”" in page(name).html


def test_an_unavailable_page_says_when_to_try_again() -> None:
    for name in ("unavailable-at-registration", "unavailable-at-signup"):
        assert page(name).headers["Retry-After"] == "60"
    assert "press “Set up your account” again" in page("unavailable-at-registration").html


def test_the_confirmation_tells_the_seller_s_next_steps_a_paragraph_a_line() -> None:
    html = page("done").html

    assert "<p>We will send you an invitation.</p>\n<p>Open it to choose a password.</p>" in html


def test_the_confirmation_of_a_seller_without_next_steps_says_who_writes() -> None:
    assert "<p>The seller will contact you" in page("done", Seller()).html


def test_an_e_mail_is_announced_only_where_one_is_sent() -> None:
    assert ENGLISH.done_mailed in page("done-mailed").html
    assert ENGLISH.done_mailed not in page("done").html


@every_page
def test_a_bare_seller_leaves_no_empty_parts(name: str) -> None:
    found = outline(name, Seller())

    assert not found.named("footer")
    assert not found.named("header")
    assert '=""' not in page(name, Seller()).html.replace('value=""', "")


@every_page
def test_no_placeholder_is_left_unfilled(name: str) -> None:
    text = "".join(outline(name).texts[1:]).replace(style(SELLER), "")

    assert not re.search(r"[{}]", text)


def test_another_language_is_another_set_of_texts() -> None:
    french = replace(ENGLISH, language="fr", start_title="Créez votre compte")

    shown = Pages(SELLER, french).start()

    assert '<html lang="fr">' in shown.html
    assert "<h1>Créez votre compte</h1>" in shown.html
    assert shown.headers["Content-Language"] == "fr"


def test_every_text_is_used() -> None:
    pages = "".join(page(name, seller).html for name in EVERY for seller in (SELLER, Seller()))
    pages += with_problems(Pages(SELLER), {Entry.EMAIL: ""}).html
    mail = confirmation(SELLER)
    everything = (pages + mail.text + mail.subject).replace("&#39;", "'")

    for each in fields(ENGLISH):
        texts = getattr(ENGLISH, each.name)
        for text in [texts] if isinstance(texts, str) else texts:
            longest = max(re.split(r"\{\w+\}", text), key=len).strip()
            assert longest in everything, each.name


# Headers


@every_page
def test_a_page_has_strict_headers(name: str) -> None:
    headers = page(name).headers

    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert int(headers["Strict-Transport-Security"].partition("=")[2]) >= 31_536_000
    assert "camera=()" in headers["Permissions-Policy"]


@every_page
@every_seller
def test_the_policy_lets_in_the_style_sheet_and_the_logo_only(name: str, seller: Seller) -> None:
    shown = page(name, seller)
    [sheet] = re.findall("<style>(.*?)</style>", shown.html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()

    policy = dict(
        each.strip().split(" ", 1) for each in shown.headers["Content-Security-Policy"].split(";")
    )

    logo = {"img-src": "https://cdn.example.com"} if seller.logo_url else {}
    assert policy == logo | {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


# Colours


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("color", "on"),
    [
        *((LIGHT[name], LIGHT["back"]) for name in ("text", "soft")),
        *((DARK[name], DARK["back"]) for name in ("text", "soft")),
        (BAD_LIGHT, LIGHT["back"]),
        (BAD_DARK, DARK["back"]),
        (LINK_DARK, DARK["back"]),
        (BRAND_COLOR, LIGHT["back"]),
        ("#ffffff", BRAND_COLOR),
    ],
)
def test_text_can_be_read(color: str, on: str) -> None:
    assert contrast(color, on) >= TEXT_CONTRAST


@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_the_edge_of_an_input_can_be_seen(colors: dict[str, str]) -> None:
    assert contrast(colors["line"], colors["back"]) >= EDGE_CONTRAST


def test_the_style_sheet_names_no_other_colours() -> None:
    """So that the two tests above have seen them all; the white ones lie under text and logo."""
    named = set(re.findall(r"#[0-9a-f]{3,6}\b", style(SELLER)))

    assert named == {
        *LIGHT.values(),
        *DARK.values(),
        BAD_LIGHT,
        BAD_DARK,
        LINK_DARK,
        SELLER.brand_color,
        "#fff",
    }


def test_what_can_be_pressed_is_44_pixels_high() -> None:
    rules = dict(re.findall(r"([^{}]+)\{([^{}]*)\}", style(SELLER)))

    for selector in ("input", "button,.button"):
        assert "min-height:2.75rem" in rules[f"\n{selector}"]


# Nothing gets in unescaped

NASTY = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            '"><script>alert(1)</script>',
            "' onfocus='alert(1)' autofocus='",
            "</title><script>alert(1)</script>",
            "{seller}{0}{__class__}%s",
            "&lt;b&gt;&amp;",
            "<!--",
            "]]>",
            "javascript:alert(1)",
        ]
    ),
)


@given(code=NASTY, email=NASTY, name=NASTY, company=NASTY)
def test_what_was_typed_changes_no_tag_of_the_page(
    code: str, email: str, name: str, company: str
) -> None:
    typed = {Entry.EMAIL: email, Entry.NAME: name, Entry.COMPANY: company}
    problems = read_contact(typed)
    problems = {} if isinstance(problems, Contact) else problems

    shown = Outline(Pages(SELLER).form(code, typed, problems).html)

    plain = Outline(Pages(SELLER).form(CODE, dict.fromkeys(Entry, ""), problems).html)
    assert shown.skeleton == plain.skeleton
    assert shown.texts == plain.texts


@given(name=NASTY, steps=NASTY)
def test_what_the_seller_has_set_changes_no_tag_of_the_page(name: str, steps: str) -> None:
    seller = replace(SELLER, name=f"N{name}", next_steps=f"S{steps}".splitlines()[0])

    for each in EVERY.values():
        shown, plain = each(Pages(seller)), each(Pages(replace(SELLER, next_steps="S")))
        assert Outline(shown.html).skeleton == Outline(plain.html).skeleton


def test_what_was_typed_is_there_to_be_mended() -> None:
    typed = {Entry.EMAIL: 'ada"<&', Entry.NAME: "Ada"}

    shown = Outline(with_problems(Pages(SELLER), typed).html)

    inputs = {each["name"]: each for each in shown.named("input")}
    assert inputs["email"]["value"] == 'ada"<&'
    assert inputs["name"]["value"] == "Ada"
