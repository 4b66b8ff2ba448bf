"""What can be bought, and on which terms. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from sandbox.marketplace import shapes
from sandbox.marketplace.agreements import FREE_TRIAL_DAYS_MAX, FREE_TRIAL_DAYS_MIN, Value
from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.events import Timing
from sandbox.marketplace.rules import Readings

# What a contract lasts if nothing else was agreed; a year is one of the terms AWS offers
# (https://docs.aws.amazon.com/marketplace/latest/userguide/saas-contracts.html).
CONTRACT = timedelta(days=365)

PurchaseState = Literal["active", "pending", "as-real"]


@dataclass(frozen=True, slots=True)
class Offer:
    """The terms a buyer accepts.

    Args:
        entitlements: What a contract includes, by dimension; empty for pay as you go.
        ends_at: When the agreement ends; None for pay as you go, or after a year.
        auto_renew: Whether another one follows then.
        free_trial_days: How long nothing is charged.
    """

    entitlements: Mapping[str, Value] = field(default_factory=dict)
    ends_at: datetime | None = None
    auto_renew: bool = False
    free_trial_days: int | None = None

    def check(self, dimensions: Collection[str], starts_at: datetime) -> None:
        """Refuse terms that AWS would not have.

        Raises:
            Unacceptable: Any of the terms is wrong.
        """
        check_entitlements(self.entitlements, dimensions)
        check_end(self.ends_at, starts_at)
        days = self.free_trial_days
        if days is not None and not FREE_TRIAL_DAYS_MIN <= days <= FREE_TRIAL_DAYS_MAX:
            text = f"from {FREE_TRIAL_DAYS_MIN} to {FREE_TRIAL_DAYS_MAX}, or absent"
            raise Unacceptable("free_trial_days", days, text)
        if self.auto_renew and self.end(starts_at) is None:
            raise Unacceptable("auto_renew", self.auto_renew, "false: pay as you go has no end")

    def end(self, starts_at: datetime) -> datetime | None:
        """When an agreement on these terms ends."""
        if self.ends_at is not None:
            return milliseconds(self.ends_at)
        return starts_at + CONTRACT if self.entitlements else None

    def free_trial_end(self, starts_at: datetime) -> datetime | None:
        """When charging begins, if it does not at once."""
        return starts_at + timedelta(days=self.free_trial_days) if self.free_trial_days else None


@dataclass(frozen=True, slots=True)
class Beginning:
    """When an agreement starts, and its license with it.

    Args:
        agreement: The agreement's start.
        license: The start of what may be metered; None for a license to be activated by hand.
        reports_from: When records are taken, if later.
        told: When License Updated comes; None likewise.
    """

    agreement: datetime
    license: datetime | None
    reports_from: datetime | None
    told: datetime | None


def beginning(
    state: PurchaseState,
    starts_at: datetime | None,
    now: datetime,
    timing: Timing,
    readings: Readings,
) -> Beginning:
    """When a purchase begins; see `Marketplace.purchase` for the states.

    Raises:
        Unacceptable: State and start contradict each other.
    """
    if starts_at is not None and starts_at.tzinfo is None:
        raise Unacceptable("starts_at", starts_at.isoformat(), "a time with an offset")
    start = milliseconds(starts_at or now)
    told = timing.activation(start)
    if state == "active":
        return Beginning(start, start, None, told)
    if state == "as-real":
        since = start if readings.activation_period == "agreement" else told
        return Beginning(start, since, told, told)
    if state != "pending":
        raise Unacceptable("state", state, "active, pending or as-real")
    if starts_at is None:
        return Beginning(start, None, None, None)
    if starts_at <= now:
        raise Unacceptable("starts_at", starts_at.isoformat(), "ahead, or absent")
    return Beginning(start, start, None, told)


def check_purchase(
    product_code: str, account: str, dimensions: Collection[str], license_arn: str
) -> None:
    """Refuse names that AWS would not have.

    Raises:
        Unacceptable: One of them is wrong.
    """
    shape = shapes.service_model("meteringmarketplace")["shapes"]
    if not product_code or not re.fullmatch(shape["ProductCode"]["pattern"], product_code):
        raise Unacceptable("product_code", product_code, "letters, digits and -/=:_.@")
    if not re.fullmatch("[0-9]{12}", account):
        raise Unacceptable("account", account, "an AWS account id of 12 digits")
    if not dimensions or not all(0 < len(dimension) <= 255 for dimension in dimensions):
        raise Unacceptable("dimensions", dimensions, "API names of 1 to 255 characters")
    if not re.fullmatch(shape["LicenseArn"]["pattern"], license_arn):
        raise Unacceptable("license_arn", license_arn, "a license ARN")


def check_entitlements(entitlements: Mapping[str, Value], dimensions: Collection[str]) -> None:
    """Refuse amounts of what the offer has no price for."""
    for dimension in entitlements:
        if dimension not in dimensions:
            expected = f"of the offer's dimensions {', '.join(sorted(dimensions))}"
            raise Unacceptable("entitlements", dimension, expected)


def check_end(ends_at: datetime | None, starts_at: datetime) -> None:
    """Refuse an end that is not after the start."""
    if ends_at is not None and (ends_at.tzinfo is None or ends_at <= starts_at):
        raise Unacceptable("ends_at", ends_at.isoformat(), f"a time after {starts_at:%FT%TZ}")


def milliseconds(moment: datetime) -> datetime:
    """Times of agreements carry milliseconds, not more, in events and in the Agreement API."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
