"""What AWS Marketplace says of a registration token, and whom that makes known. Pure."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The answer of ResolveCustomer; every member may be missing in it (service model).

    Attributes:
        account: ``CustomerAWSAccountId``, the buyer's.
        product_code: ``ProductCode``.
        license_arn: ``LicenseArn``; the first answer after a purchase may lack it.
        customer_identifier: ``CustomerIdentifier``; empty for products listed since June 2026.
        agreement_id: ``Metadata.AgreementId``.
    """

    account: str = ""
    product_code: str = ""
    license_arn: str = ""
    customer_identifier: str = ""
    agreement_id: str = ""

    @property
    def is_identified(self) -> bool:
        """Whether it is known what is to be metered: a license, or a legacy customer."""
        return bool(self.license_arn or (self.product_code and self.customer_identifier))

    @property
    def is_known(self) -> bool:
        """Whether it is known at least who came for what; the license may follow by an event."""
        return self.is_identified or bool(self.product_code and self.account)


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """AWS Marketplace does not take this token, or not any more; the code says why."""

    code: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """AWS Marketplace gave no usable answer, which says nothing about the token.

    Attributes:
        code: of the error.
        advice: what the seller can do; empty where waiting is all.
    """

    code: str
    advice: str = ""


Answer = Customer | TokenRefused | Unavailable


def as_product_says(customer: Customer, *, concurrent_agreements: bool) -> Customer:
    """Drop the license of a product that is metered by customer.

    Such a product was listed before June 2026 and has not opted in to Concurrent Agreements. One
    customer must never be metered in both ways: AWS Marketplace would bill both (service model of
    BatchMeterUsage).
    """
    if concurrent_agreements or not customer.customer_identifier:
        return customer
    return replace(customer, license_arn="")
