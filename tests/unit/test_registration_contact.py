"""What a buyer types: which addresses and names are taken, and what is said of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.registration.contact import (
    EMAIL_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    SHOWN_CHARACTERS_MAX,
    Contact,
    Entry,
    Problem,
    Problems,
    read_contact,
    shown,
)


def read(email: str = "ada@example.com", name: str = "", company: str = "") -> Contact | Problems:
    return read_contact({Entry.EMAIL: email, Entry.NAME: name, Entry.COMPANY: company})


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.com",
        "ada.lovelace+aws@mail.example.co.uk",
        "someone@gmail.com",
        "o'hara_7%x@example.museum",
        "a@b.cd",
        "ada@xn--bcher-kva.example",
        "ada@bücher.example",
        "αδα@παράδειγμα.ελ",
        f"{'a' * 64}@example.com",
    ],
)
def test_an_address_of_any_provider_is_taken(email: str) -> None:
    assert read(email) == Contact(email)


@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "@example.com",
        "ada@",
        "ada@example",
        "ada@@example.com",
        "ada@example..com",
        "ada@.example.com",
        "ada@example.com.",
        "ada@-example.com",
        "ada@exa mple.com",
        "ada lovelace@example.com",
        "ada@example.com, eve@example.com",
        "Ada <ada@example.com>",
        "ada@example.com;eve@example.com",
        '"ada"@example.com',
        "ada@[192.0.2.1]",
        f"{'a' * 65}@example.com",
    ],
)
def test_what_is_not_one_address_is_malformed(email: str) -> None:
    assert read(email) == {Entry.EMAIL: Problem.MALFORMED}


@pytest.mark.parametrize("email", ["", "   "])
def test_an_address_is_required(email: str) -> None:
    assert read(email) == {Entry.EMAIL: Problem.MISSING}


def test_name_and_company_are_optional() -> None:
    assert read(name=" ", company="") == Contact("ada@example.com", "", "")


def test_what_surrounds_an_entry_is_cut_off() -> None:
    assert read(" ada@example.com\n", " Ada ", "\tEngines ") == Contact(
        "ada@example.com", "Ada", "Engines"
    )


@pytest.mark.parametrize("name", ["Zoë Ó Briain", "李小龍", "می‌خواهم", "👩‍👩‍👧 & <b>", "x" * 200])
def test_names_of_any_script_are_taken(name: str) -> None:
    assert read(name=name, company=name) == Contact("ada@example.com", name, name)


@pytest.mark.parametrize(
    "character",
    ["\n", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ud800"],
)
def test_characters_that_control_are_refused(character: str) -> None:
    name = f"Ada{character}Lovelace"

    assert read(name=name) == {Entry.NAME: Problem.CHARACTERS}
    assert read(f"ada{character}@example.com") == {Entry.EMAIL: Problem.CHARACTERS}


@pytest.mark.parametrize(
    ("entry", "limit"),
    [
        (Entry.EMAIL, EMAIL_CHARACTERS_MAX),
        (Entry.NAME, NAME_CHARACTERS_MAX),
        (Entry.COMPANY, NAME_CHARACTERS_MAX),
    ],
)
def test_an_entry_has_a_largest_size(entry: Entry, limit: int) -> None:
    longest = "a@" + "b" * 60 + ".com"
    while len(longest) < limit:
        longest = longest.replace("@", "@x.", 1) if limit - len(longest) > 1 else "y" + longest

    typed = {Entry.EMAIL: "ada@example.com", entry: longest}

    assert isinstance(read_contact(typed), Contact)
    assert read_contact(typed | {entry: f"y{longest}"}) == {entry: Problem.TOO_LONG}


def test_all_problems_are_told_at_once() -> None:
    assert read("ada", "x" * 201, "a\nb") == {
        Entry.EMAIL: Problem.MALFORMED,
        Entry.NAME: Problem.TOO_LONG,
        Entry.COMPANY: Problem.CHARACTERS,
    }


def test_an_address_is_the_same_however_it_is_typed() -> None:
    assert Contact("Ada@Example.com").key == Contact("ada@example.com").key


def test_a_contact_is_in_no_representation() -> None:
    assert repr(Contact("ada@example.com", "Ada", "Engines")) == "Contact()"


def test_what_is_shown_again_ends_somewhere() -> None:
    assert shown("x" * 2_000) == "x" * SHOWN_CHARACTERS_MAX


@given(typed=st.fixed_dictionaries({entry: st.text() for entry in Entry}))
def test_whatever_is_typed_is_a_contact_or_has_problems(typed: dict[Entry, str]) -> None:
    contact = read_contact(typed)

    if isinstance(contact, Contact):
        kept = contact.email + contact.name + contact.company
        assert contact.email.count("@") == 1
        assert shown(kept) == kept
    else:
        assert contact


@given(email=st.emails())
def test_addresses_as_the_standard_has_them_are_taken(email: str) -> None:
    """But for those whose domain has no letter or digit at the edges of its labels."""
    assert read(email) in (Contact(email), {Entry.EMAIL: Problem.MALFORMED})
    if len(email.partition("@")[0]) <= 64 and email.isascii():
        assert read(email) == Contact(email)
