"""What usage is counted under: digests that are equal for the same usage, and for no other. Pure.

Every digest is of a text that begins with its kind and in which every part but the last is
preceded by its length, so no two different inputs share a text. Where many texts begin alike,
the digest of the beginning is kept and copied: that is half the work.
"""

from functools import lru_cache
from hashlib import blake2b

from lambdas.metering.quantities import Allocations

KEY_BYTES = 12
"""2⁹⁶ keys: among the 10⁹ of a very busy month, two coincide with probability 10⁻¹¹."""

CHECK_BYTES = 4
"""A key that comes again with another content is taken for a copy once in 4·10⁹ times."""

_NAMES_REMEMBERED = 8_192


@lru_cache(maxsize=_NAMES_REMEMBERED)
def name_of_license(license_key: str) -> blake2b:
    """Begin the keys of a customer named by license."""
    return _begun(f"license {len(license_key)} {license_key}", KEY_BYTES)


def name_of_account(account: str, product_code: str) -> blake2b:
    """Begin the keys of a customer named by account, and by product where the producer gave one."""
    return _begun(f"account {len(account)} {account}{len(product_code)} {product_code}", KEY_BYTES)


def name_of_legacy(identifier: str, product_code: str) -> blake2b:
    """Begin the keys of a customer of a product that has no licenses."""
    parts = f"{len(identifier)} {identifier}{len(product_code)} {product_code}"
    return _begun(f"legacy {parts}", KEY_BYTES)


def id_digest(name: blake2b, id_: str) -> bytes:
    """Return the key of usage that bears an Id, for a customer whose keys were begun above."""
    whole = name.copy()
    whole.update(id_.encode())
    return whole.digest()


def license_key_digest(license_key: str, id_: str) -> bytes:
    """Return the key of usage by its license and Id.

    Usage that names its license has this key alone; usage that names an account has it as its
    second key once the account is resolved, so that both ways of naming meet.
    """
    return id_digest(name_of_license(license_key), id_)


def place_digest(message_id: str, index: int) -> bytes:
    """Return the key of usage without Id: SQS's message and its place in it."""
    return _begun(f"place {index} {message_id}", KEY_BYTES).digest()


def message_digest(message_id: str) -> bytes:
    """Return the key of a whole message that is not understood."""
    return _begun(f"message {message_id}", KEY_BYTES).digest()


def record_key(license_key: str, dimension: str, hour: int) -> bytes:
    """Return the key under which an expired usage record is redriven."""
    text = f"record {hour} {len(license_key)} {license_key}{dimension}"
    return _begun(text, KEY_BYTES).digest()


def content_check(dimension: str, quantity: int, allocations: Allocations) -> bytes:
    """Return the check by which another use of an Id is told from a copy.

    Quantities are integers of 10⁻⁶, so 17 and 17.0 are one content; the order of allocations and
    the time make no difference either.

    >>> content_check("users", 17_000_000, ()) == content_check("users", 17_000_001, ())
    False
    """
    content = _content_of(dimension).copy()
    content.update(b"%d" % quantity)
    if allocations:
        # With every tag in quotes and escaped, so that none can be mistaken for two.
        content.update(repr(sorted(allocations)).encode())
    return content.digest()


def text_check(text: str) -> bytes:
    """Return the check of a record whose content is not understood."""
    return _begun(f"text {text}", CHECK_BYTES).digest()


@lru_cache(maxsize=1024)
def _content_of(dimension: str) -> blake2b:
    return _begun(f"content {len(dimension)} {dimension}", CHECK_BYTES)


def _begun(text: str, size: int) -> blake2b:
    return blake2b(text.encode(), digest_size=size)
