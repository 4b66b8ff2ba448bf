"""Take apart what a browser posted: a form, and in it a registration token. Pure.

Nothing here fails for bad input: what cannot be taken has a `Flaw`. A token appears in no
representation of a value, so that no log can hold one by accident.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs

BODY_CHARACTERS_MAX = 65_536
"""A token has some hundred characters, a sign-up form a few hundred; API Gateway takes 10 MB."""

FIELDS_MAX = 50
"""AWS Marketplace sends one to five fields; what has more is not its form."""

TOKEN_CHARACTERS_MAX = 4_096
"""Tokens that are made by API have at most 512 characters (botocore 1.44.5, service model of
marketplace-agreement); for those of the website no limit is published."""

FORM_TYPE = "application/x-www-form-urlencoded"
TOKEN_FIELD = "x-amzn-marketplace-token"  # noqa: S105 (a field's name)
OFFER_TYPE_FIELD = "x-amzn-marketplace-offer-type"
FREE_TRIAL = "free-trial"
"""The only offer type that is documented (SaaS guide, "SaaS customer onboarding")."""

Fields = Mapping[str, Sequence[str]]
"""The fields of a form; one name may have several values."""


class Flaw(StrEnum):
    """Why what was posted cannot be taken."""

    NOT_A_FORM = "not-a-form"
    TOO_LARGE = "too-large"
    NO_TOKEN = "no-token"  # noqa: S105 (a reason)
    TWO_TOKENS = "two-tokens"
    TOKEN_TOO_LONG = "token-too-long"  # noqa: S105 (a reason)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A buyer who pressed "Set up your account".

    Attributes:
        token: the registration token, decoded.
        free_trial: whether AWS Marketplace said that the offer is a free trial.
    """

    token: str = field(repr=False)
    free_trial: bool


def read_fields(body: str | None, *, is_base64: bool, content_type: str) -> Fields | Flaw:
    """Decode a posted form, in base64 or not, whatever charset it claims to have.

    Percent-encoded bytes are UTF-8, as the URL standard says of this form type.

    >>> read_fields("a=1%2B1&b=x+y&b=", is_base64=False, content_type="")
    {'a': ['1+1'], 'b': ['x y', '']}
    """
    body = body or ""
    if len(body) > BODY_CHARACTERS_MAX:
        return Flaw.TOO_LARGE
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in ("", FORM_TYPE):
        return Flaw.NOT_A_FORM
    text = decoded(body, is_base64=is_base64)
    if text is None:
        return Flaw.NOT_A_FORM
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        return Flaw.NOT_A_FORM


def decoded(body: str, *, is_base64: bool) -> str | None:
    """Return a body as text; None if it is not the base64 it is said to be.

    >>> decoded("YT0x", is_base64=True)
    'a=1'
    """
    if not is_base64:
        return body
    try:
        return base64.b64decode(body, validate=True).decode(errors="replace")
    except ValueError:
        return None


def read_arrival(fields: Fields) -> Arrival | Flaw:
    """Find the registration token; fields that nobody knows are ignored.

    >>> read_arrival({"x-amzn-marketplace-offer-type": ["free-trial"]})
    <Flaw.NO_TOKEN: 'no-token'>
    """
    tokens = fields.get(TOKEN_FIELD, ())
    if len(tokens) > 1:
        return Flaw.TWO_TOKENS
    if not tokens or not tokens[0].strip():
        return Flaw.NO_TOKEN
    if len(tokens[0]) > TOKEN_CHARACTERS_MAX:
        return Flaw.TOKEN_TOO_LONG
    return Arrival(tokens[0], FREE_TRIAL in fields.get(OFFER_TYPE_FIELD, ()))


def first_value(fields: Fields, name: str) -> str:
    """Return a field's first value; empty if the form has no such field.

    >>> first_value({"name": ["Ada", "Grace"]}, "name")
    'Ada'
    """
    return next(iter(fields.get(name, ())), "")
