"""The one-time code that stands for a registration while the buyer goes on to sign up. Pure.

The browser carries the code and no identity, so there is nothing in it that could be forged. The
table holds the code's hash only: who reads the table cannot claim anybody's registration.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from lambdas.customers.license import LicenseKey

CODE_BYTES = 32
"""Of randomness: as much as the hash has, and more than anybody can try."""

CODE_MINUTES = 60
"""Long enough to fill in a form, short enough for a browser's history; whoever is later presses
"Set up your account" again."""

_CODE = re.compile(r"[A-Za-z0-9_-]{43}")


class Use(StrEnum):
    """What a code was used for."""

    SIGNUP = "signup"
    CLAIM = "claim"


class Standing(Enum):
    """What a code is good for now."""

    FRESH = auto()
    SIGNED_UP = auto()
    CLAIMED = auto()
    EXPIRED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a code stands for: who came, for which product, and when.

    Attributes:
        license: names the license; empty while AWS Marketplace has not told which it is.
        arn: the license ARN; empty for a legacy customer, or while unknown.
        account: the buyer's AWS account; empty while unknown.
        product_code: of the product.
        customer_identifier: of a legacy customer; empty otherwise.
        agreement_id: of the accepted offer; empty while unknown.
        free_trial: whether the buyer came with a free trial.
        at_s: when the buyer came.
        used: what the code was used for; None if it was not.
    """

    license: LicenseKey
    arn: str
    account: str
    product_code: str
    customer_identifier: str
    agreement_id: str
    free_trial: bool
    at_s: int
    used: Use | None = None

    @property
    def expires_s(self) -> int:
        """When the code ceases to be good."""
        return self.at_s + CODE_MINUTES * 60

    @property
    def owner(self) -> str:
        """Whose contacts are kept together: the license's, or the account's for a product.

        >>> Registration(
        ...     license="", arn="", account="111122223333", product_code="n0123", at_s=0,
        ...     customer_identifier="", agreement_id="", free_trial=False,
        ... ).owner
        'account#111122223333#product#n0123'
        """
        if self.license:
            return f"license#{self.license}"
        return f"account#{self.account}#product#{self.product_code}"


def code_of(random: bytes) -> str:
    """Write random bytes as a code that can stand in a URL.

    >>> code_of(bytes(32))
    'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    assert len(random) == CODE_BYTES
    return base64.urlsafe_b64encode(random).decode().rstrip("=")


def is_code(text: str) -> bool:
    """Tell whether this may be a code of ours at all; what is not needs no look into the table."""
    return _CODE.fullmatch(text) is not None


def hash_of(code: str) -> str:
    """Name a code in the table. It is random, so a plain hash is as good as a slow one."""
    return hashlib.sha256(code.encode()).hexdigest()


def standing(found: Registration, now_s: int) -> Standing:
    """Tell what a code is good for; that it was used matters more than that it has expired."""
    if found.used is Use.SIGNUP:
        return Standing.SIGNED_UP
    if found.used is Use.CLAIM:
        return Standing.CLAIMED
    return Standing.EXPIRED if now_s >= found.expires_s else Standing.FRESH
