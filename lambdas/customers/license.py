"""What a license is, which state it is in, and whom a usage record means by it.

A license is one purchase of one product and the unit of metering. Products listed before
June 2026 have no license ARN; there, product code and ``CustomerIdentifier`` take its place.
Everything here is pure: times are whole seconds since the epoch, and now is an argument.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

LicenseKey = NewType("LicenseKey", str)
"""Names a license in the ledger: the last part of its ARN, or ``PRODUCT/CUSTOMER`` (legacy)."""

ENDED_LICENSE_HOURS_MAX = 24
"""Usage may name an account whose license ended at most this long ago: the window in which
AWS Marketplace takes records at all (API reference of BatchMeterUsage, July 2026)."""

LICENSE_ARN = re.compile(
    r"arn:aws[a-zA-Z-]*:[A-Za-z0-9][A-Za-z0-9_/.-]{0,62}:[A-Za-z0-9_/.-]{0,63}"
    r":[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,1023}"
)
"""What BatchMeterUsage takes as LicenseArn (botocore 1.44.5, service model)."""


class State(StrEnum):
    """Where a license stands.

    ``PENDING`` is registered, or activated by AWS Marketplace, but not both yet.
    """

    PENDING = "pending"
    ACTIVE = "active"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a contract gives of one dimension.

    Attributes:
        dimension: its API name.
        kind: ``Integer``, ``Double``, ``Boolean`` or ``String``, as GetEntitlements names it.
        value: the number, truth value or text, written as text.
        expires_s: the earliest time it can end; renewing contracts have one too.
    """

    dimension: str
    kind: str
    value: str
    expires_s: int | None = None


@dataclass(frozen=True, slots=True)
class License:
    """One purchase of one product.

    Attributes:
        key: its name in the ledger.
        arn: the license ARN, verbatim as AWS gave it; empty for a legacy customer.
        account: the buyer's ``CustomerAWSAccountId``, 12 digits; empty while unknown.
        product_code: sent along for a legacy customer only.
        state: see `State`.
        agreement_id: the accepted offer; empty while unknown.
        customer_identifier: of a legacy customer; empty otherwise.
        start_s: when the agreement began, whole seconds rounded up; None while unknown.
        ending_since_s: when the last hour of reporting began; None unless ending or ended.
        ended_s: when the license ended; None unless ended.
        registered_s: when the buyer registered first; None before.
        active_since_s: when AWS Marketplace last began to take usage; None before it ever did.
        end_s: when the agreement ends; None while unknown, or where it has no end.
        product_id: of the product, as agreements name it; empty while unknown.
        offer_id: of the accepted offer; empty while unknown.
        free_trial: whether the offer is a free trial.
        notice: the last thing AWS Marketplace announced about the agreement, in its words.
        notice_s: when that was.
        entitlements: what a contract gives; empty for other products.
        entitlements_s: when they were asked for; None if never.
        version: counts the changes of this item in the Customers table; 0 before the first.
    """

    key: LicenseKey
    arn: str = ""
    account: str = ""
    product_code: str = ""
    state: State = State.PENDING
    agreement_id: str = ""
    customer_identifier: str = ""
    start_s: int | None = None
    ending_since_s: int | None = None
    ended_s: int | None = None
    registered_s: int | None = None
    active_since_s: int | None = None
    end_s: int | None = None
    product_id: str = ""
    offer_id: str = ""
    free_trial: bool = False
    notice: str = ""
    notice_s: int | None = None
    entitlements: tuple[Entitlement, ...] = ()
    entitlements_s: int | None = None
    version: int = 0


def license_key_of_arn(arn: str) -> LicenseKey:
    """Name a license by the last part of its ARN, since AWS writes the rest in two ways.

    >>> license_key_of_arn("arn:aws:license-manager::777788889999:license:l-0123")
    'l-0123'
    >>> license_key_of_arn("aws:license-manager:us-east-1:123456789012:l-0123")
    'l-0123'
    """
    return LicenseKey(arn.rpartition(":")[2].rpartition("/")[2])


def license_key_of_legacy(product_code: str, customer_identifier: str) -> LicenseKey:
    """Name a customer of a product that has no licenses.

    >>> license_key_of_legacy("n0123", "X01")
    'n0123/X01'
    """
    return LicenseKey(f"{product_code}/{customer_identifier}")


def is_license_arn(text: str) -> bool:
    """Tell whether BatchMeterUsage would take this as a LicenseArn at all.

    >>> is_license_arn("arn:aws:license-manager::777788889999:license:l-0123")
    True
    >>> is_license_arn("l-0123")
    False
    """
    return LICENSE_ARN.fullmatch(text) is not None


def meant_by_account(licenses: Sequence[License], used_s: int, now_s: int) -> list[License]:
    """Pick whom usage means that names an account: exactly one license is an answer.

    Candidates are licenses that are pending, active or ending, and those that ended within the
    last 24 hours and not before the usage. Of several, those whose life holds the time of the
    usage win; pending ones lose to others, because an account that buys again while its old
    license still runs means the one that runs.

    Returns:
        Nothing (nobody), one license (the answer), or several (ambiguous).
    """
    oldest_end_s = now_s - ENDED_LICENSE_HOURS_MAX * 3600
    candidates = [
        each
        for each in licenses
        if each.state is not State.ENDED
        or (each.ended_s is not None and each.ended_s >= max(oldest_end_s, used_s))
    ]
    if len(candidates) <= 1:
        return candidates
    started = [each for each in candidates if each.state is not State.PENDING]
    alive = [each for each in started if _lived_at(each, used_s)]
    return alive or started or candidates


def _lived_at(each: License, used_s: int) -> bool:
    begun = each.start_s is None or each.start_s <= used_s
    return begun and (each.ended_s is None or used_s <= each.ended_s)
