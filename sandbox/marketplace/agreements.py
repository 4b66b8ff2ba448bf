"""Products and agreements: what was sold to whom, when, and what became of it. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from sandbox.marketplace.errors import Unacceptable

Status = Literal["ACTIVE", "CANCELLED", "EXPIRED", "RENEWED", "REPLACED", "TERMINATED"]
Value = bool | int | float | str
"""How much of a dimension a contract includes; AWS has these four kinds."""

# The seller of AWS's own examples would do as well; it only must not be a buyer.
SELLER_ACCOUNT = "444455556666"
# https://docs.aws.amazon.com/marketplace/latest/userguide/saas-free-trials.html
FREE_TRIAL_DAYS_MIN, FREE_TRIAL_DAYS_MAX = 7, 90
# https://docs.aws.amazon.com/marketplace/latest/userguide/saas-contracts.html
CONTRACT_MONTHS = (1, 12, 24, 36)


@dataclass(frozen=True, slots=True)
class Product:
    """What is sold; `legacy` ones are metered by product code and customer identifier."""

    code: str
    legacy: bool
    dimensions: frozenset[str]
    id: str = ""
    title: str = "Example product"
    seller: str = "Example seller"
    seller_account: str = SELLER_ACCOUNT
    public_key_version: int = 1
    public_key_rotated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The product page: what the page for a person sells, and where it sends the buyer then.

    Args:
        product_code: Of the product.
        product_id: Its id; empty for one that follows from the code.
        title: Its name.
        seller: The seller's name.
        seller_account: The seller's AWS account.
        fulfillment_url: Where *Set up your account* goes; empty as long as nobody has said.
        dimensions: What has a price.
        legacy: Listed before 1 June 2026.
        free_trial_days: How long the free trial lasts.
        contract_months: How long a contract lasts.
    """

    product_code: str = "example000000000000000001"
    product_id: str = ""
    title: str = "Example product"
    seller: str = "Example seller"
    seller_account: str = SELLER_ACCOUNT
    fulfillment_url: str = ""
    dimensions: tuple[str, ...] = ("users",)
    legacy: bool = False
    free_trial_days: int = 14
    contract_months: int = 12

    def __post_init__(self) -> None:
        if self.fulfillment_url and not re.match("https?://.", self.fulfillment_url):
            raise Unacceptable("fulfillment_url", self.fulfillment_url, "an HTTP or HTTPS URL")
        if not self.dimensions:
            raise Unacceptable("dimensions", self.dimensions, "at least one API name")
        if not re.fullmatch("[0-9]{12}", self.seller_account):
            raise Unacceptable("seller_account", self.seller_account, "an account id of 12 digits")
        if self.contract_months not in CONTRACT_MONTHS:
            text = " or ".join(map(str, CONTRACT_MONTHS))
            raise Unacceptable("contract_months", self.contract_months, text)
        if not FREE_TRIAL_DAYS_MIN <= self.free_trial_days <= FREE_TRIAL_DAYS_MAX:
            text = f"from {FREE_TRIAL_DAYS_MIN} to {FREE_TRIAL_DAYS_MAX}"
            raise Unacceptable("free_trial_days", self.free_trial_days, text)

    def product(self, code: str, *, legacy: bool) -> Product:
        """A product as it is listed, or with names of no meaning if it is another one."""
        if code != self.product_code:
            return Product(code, legacy, frozenset(), id=product_id_of(code))
        return Product(
            code,
            legacy,
            frozenset(),
            id=self.product_id or product_id_of(code),
            title=self.title,
            seller=self.seller,
            seller_account=self.seller_account,
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """An accepted offer.

    Args:
        id: Unique.
        license_arn: The license it grants.
        product: What was bought, as it was listed then.
        account: Of the buyer, who accepted it.
        customer_identifier: The buyer of a legacy product.
        offer_id: What was accepted.
        accepted_at: When.
        starts_at: When it starts; later than the acceptance if it is future-dated.
        ends_at: When it ends; None for pay as you go.
        updated_at: When anything about it changed last.
        initial_id: The first agreement in a chain of renewals and replacements.
        intent: Why it was made.
        previous_id: The agreement it renews or replaces.
        status: What became of it.
        auto_renew: Whether another one follows at its end.
        free_trial_ends_at: Until then nothing is charged.
        entitlements: What a contract includes, by dimension.
    """

    id: str
    license_arn: str
    product: Product
    account: str
    customer_identifier: str
    offer_id: str
    accepted_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    updated_at: datetime
    initial_id: str
    intent: Literal["NEW", "RENEW", "REPLACE"] = "NEW"
    previous_id: str | None = None
    status: Status = "ACTIVE"
    auto_renew: bool = False
    free_trial_ends_at: datetime | None = None
    entitlements: Mapping[str, Value] = field(default_factory=dict)

    def closed(self, status: Status, at: datetime) -> "Agreement":
        """The agreement once it is over."""
        return replace(self, status=status, updated_at=at)

    def successor(
        self,
        agreement_id: str,
        intent: Literal["RENEW", "REPLACE"],
        at: datetime,
        license_arn: str,
        offer_id: str,
    ) -> "Agreement":
        """The agreement that follows: as long again, and nothing of it is free any more."""
        return replace(
            self,
            id=agreement_id,
            license_arn=license_arn,
            offer_id=offer_id,
            accepted_at=at,
            starts_at=at,
            ends_at=self.ends_at and at + (self.ends_at - self.starts_at),
            updated_at=at,
            intent=intent,
            previous_id=self.id,
            free_trial_ends_at=None,
        )


def product_id_of(code: str) -> str:
    """An id in AWS's form for a product that was never given one.

    >>> product_id_of("example000000000000000001")
    'prod-5b2c1c28e2cef'
    """
    return f"prod-{hashlib.sha256(code.encode()).hexdigest()[:13]}"
