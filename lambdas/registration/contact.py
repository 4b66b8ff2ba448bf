"""What a buyer types into the sign-up form: a contact, or what is wrong with it. Pure.

The e-mail address is checked for its form only. Addresses of free mail services are as good as any:
AWS Marketplace asks that they be taken (SaaS integration checklist).
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

EMAIL_CHARACTERS_MAX = 254
"""Longer ones cannot be delivered (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""

LOCAL_PART_CHARACTERS_MAX = 64
"""Before the ``@`` (RFC 5321, section 4.5.3.1.1)."""

NAME_CHARACTERS_MAX = 200
"""Of a person or a company: longer than any that is used."""

SHOWN_CHARACTERS_MAX = 1_000
"""What was typed is shown again so that it can be mended; nobody mends more than this."""

_EMAIL = re.compile(
    rf"""[^\s@"(),:;<>\[\]\\]{{1,{LOCAL_PART_CHARACTERS_MAX}}}"""
    r"@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_](?:[\w-]{0,61}[^\W_])?"
)
"""No spaces, quotes or lists, and a domain with a dot: one mailbox that a provider could have
given. Letters of any script, since mail may have them."""

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the text around that stands after them, wherever the name is shown."""


class Entry(StrEnum):
    """The fields of the form, by their names in it."""

    EMAIL = "email"
    NAME = "name"
    COMPANY = "company"


class Problem(StrEnum):
    """What is wrong with an entry."""

    MISSING = "missing"
    MALFORMED = "malformed"
    TOO_LONG = "too-long"
    CHARACTERS = "characters"


Problems = Mapping[Entry, Problem]

CHARACTERS_MAX: Mapping[Entry, int] = {
    Entry.EMAIL: EMAIL_CHARACTERS_MAX,
    Entry.NAME: NAME_CHARACTERS_MAX,
    Entry.COMPANY: NAME_CHARACTERS_MAX,
}


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom the seller may write to. In no representation of a value, so that no log holds it."""

    email: str = field(repr=False)
    name: str = field(default="", repr=False)
    company: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """The address as one and the same, however its letters were typed."""
        return self.email.lower()


def read_contact(typed: Mapping[Entry, str]) -> Contact | Problems:
    """Check all entries; every problem is told at once, so that the form comes back once only.

    >>> read_contact({Entry.EMAIL: " ada@example.com "}).email
    'ada@example.com'
    >>> read_contact({Entry.EMAIL: "ada"})
    {<Entry.EMAIL: 'email'>: <Problem.MALFORMED: 'malformed'>}
    """
    entries = {entry: typed.get(entry, "").strip() for entry in Entry}
    found = {entry: _problem(entry, text) for entry, text in entries.items()}
    problems = {entry: problem for entry, problem in found.items() if problem is not None}
    if problems:
        return problems
    return Contact(entries[Entry.EMAIL], entries[Entry.NAME], entries[Entry.COMPANY])


def _problem(entry: Entry, text: str) -> Problem | None:
    if len(text) > CHARACTERS_MAX[entry]:
        return Problem.TOO_LONG
    if any(map(_refused, text)):
        return Problem.CHARACTERS
    if entry is not Entry.EMAIL:
        return None
    if not text:
        return Problem.MISSING
    return None if _EMAIL.fullmatch(text) else Problem.MALFORMED


def shown(text: str) -> str:
    r"""Return what may be shown again of what was typed: no control characters, no endless text.

    >>> shown("Ada\x00")
    'Ada'
    """
    return "".join(each for each in text[:SHOWN_CHARACTERS_MAX] if not _refused(each))


def _refused(character: str) -> bool:
    return unicodedata.category(character) in _REFUSED_CATEGORIES or character in _DIRECTION_MARKS
