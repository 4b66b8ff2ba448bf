"""Whom usage means: a customer as a producer wrote it becomes one license. Pure.

The answer is frozen in the ledger when the usage is folded, so that two producers who name one
customer in two ways end in one usage record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lambdas.customers.license import (
    License,
    LicenseKey,
    license_key_of_arn,
    license_key_of_legacy,
    meant_by_account,
)
from lambdas.metering.named import Named
from lambdas.metering.usage import Reason


@dataclass(frozen=True, slots=True)
class Customers:
    """The licenses that a batch of usage may mean, as the Customers table holds them now.

    Attributes:
        licenses: every license asked for by key that exists.
        accounts: every account asked for that exists; one that registered before its license
            was known has an empty list.
    """

    licenses: Mapping[LicenseKey, License] = field(default_factory=dict)
    accounts: Mapping[str, Sequence[License]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why usage is not counted: a reason, the field at fault, and what a person can do."""

    reason: Reason
    field: str | None
    tell: str


def license_meant(
    named: Named, customers: Customers, *, used_s: int, now_s: int, product_code: str
) -> LicenseKey | Refusal:
    """Resolve a customer as written to the one license that the usage is for.

    A license that is named need not be known: usage may arrive before the purchase is announced,
    and its records wait until it is. An account or a legacy customer must be known, since nothing
    but the table says which license it means.
    """
    if named.license_arn:
        return _named_by_license(named, customers)
    if named.customer_identifier:
        return _named_by_identifier(named, customers, product_code)
    return _named_by_account(named, customers, used_s=used_s, now_s=now_s)


def _named_by_license(named: Named, customers: Customers) -> LicenseKey | Refusal:
    key = license_key_of_arn(named.license_arn)
    known = customers.licenses.get(key)
    if known is not None:
        if named.account and known.account and named.account != known.account:
            return Refusal(
                Reason.CUSTOMER_MISMATCH,
                "CustomerAWSAccountId",
                f"License {named.license_arn} belongs to another account than {named.account};"
                " leave CustomerAWSAccountId out, or name the license's own account.",
            )
        if named.customer_identifier and named.customer_identifier != known.customer_identifier:
            return Refusal(
                Reason.CUSTOMER_MISMATCH,
                "CustomerIdentifier",
                f"License {named.license_arn} does not belong to customer"
                f" {named.customer_identifier}; leave CustomerIdentifier out.",
            )
    return key


def _named_by_identifier(
    named: Named, customers: Customers, product_code: str
) -> LicenseKey | Refusal:
    product = named.product_code or product_code
    key = license_key_of_legacy(product, named.customer_identifier)
    known = customers.licenses.get(key)
    if known is None:
        return Refusal(
            Reason.UNKNOWN_CUSTOMER,
            "CustomerIdentifier",
            f"No customer {named.customer_identifier} of product {product or '(none named)'} has"
            " registered; check both, or redrive once the customer has registered.",
        )
    if named.account and known.account and named.account != known.account:
        return Refusal(
            Reason.CUSTOMER_MISMATCH,
            "CustomerIdentifier",
            f"CustomerIdentifier {named.customer_identifier} and account {named.account} name two"
            " customers; give one of them.",
        )
    return key


def _named_by_account(
    named: Named, customers: Customers, *, used_s: int, now_s: int
) -> LicenseKey | Refusal:
    of_account = customers.accounts.get(named.account)
    if of_account is not None and not of_account:
        return Refusal(
            Reason.LICENSE_UNKNOWN_YET,
            "CustomerAWSAccountId",
            f"Account {named.account} has registered, but its license is not known yet; redrive"
            " once AWS Marketplace has announced it.",
        )
    candidates = [
        each
        for each in of_account or ()
        if not named.product_code or named.product_code == each.product_code
    ]
    meant = meant_by_account(candidates, used_s, now_s)
    if len(meant) == 1:
        return meant[0].key
    if meant:
        return Refusal(
            Reason.AMBIGUOUS_CUSTOMER,
            "CustomerAWSAccountId",
            f"Account {named.account} holds {len(meant)} licenses of the product at that time;"
            " name one with LicenseArn.",
        )
    return Refusal(
        Reason.UNKNOWN_CUSTOMER,
        "CustomerAWSAccountId",
        f"Account {named.account} holds no pending, active or ending license of the product, nor"
        " one that ended within 24 hours and after the usage; check the account, or redrive once"
        " the customer has registered.",
    )
