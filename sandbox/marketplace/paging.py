"""Answers in pages, with tokens that only fit the request they came from. Pure."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

TOKEN_BYTES = 12
"""Of the digest of the request, and four of the place to go on from."""


class WrongToken(ValueError):  # noqa: N818 (a word of the domain)
    """The token was never given to this request."""


def page(
    items: Sequence[Item], size: int, token: str | None, asked: object, *, empty_first: bool = False
) -> tuple[Sequence[Item], str | None]:
    """The items of one page, and the token of the next, if there is one.

    Args:
        items: All of them, in an order that stays.
        size: How many there are on a page.
        token: Of this page; None is the first.
        asked: The rest of the request, as JSON knows it: a token does not fit another.
        empty_first: The first page has a token and nothing else, where there is anything.

    Raises:
        WrongToken: The token is not of this request.

    >>> first, token = page("abc", 2, None, {})
    >>> first, page("abc", 2, token, {})
    ('ab', ('c', None))
    """
    seal = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()[:TOKEN_BYTES]
    start = 0 if token is None else _place(token, seal)
    if token is None and empty_first and items:
        return items[:0], _token(0, seal)
    end = start + size
    return items[start:end], _token(end, seal) if end < len(items) else None


def _token(place: int, seal: bytes) -> str:
    return base64.urlsafe_b64encode(place.to_bytes(4) + seal).decode()


def _place(token: str, seal: bytes) -> int:
    try:
        found = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError as error:
        raise WrongToken(token) from error
    if found[4:] != seal:
        raise WrongToken(token)
    return int.from_bytes(found[:4])
