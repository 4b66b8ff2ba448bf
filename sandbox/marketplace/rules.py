"""AWS Marketplace's rules for one record and one license, as plain functions of values.

Sources, by name:

- botocore 1.44.5 service model: meteringmarketplace 2016-01-14, the same text as
  https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-metering_BatchMeterUsage.html
- Metering for usage: https://docs.aws.amazon.com/marketplace/latest/userguide/metering-for-usage.html
- AWS's metering skill: https://github.com/aws/agent-toolkit-for-aws/blob/main/skills/specialized-skills/aws-marketplace-skills/aws-marketplace-metering/SKILL.md

Where they contradict each other, both readings are modes in `Readings`, and the default is the
service model's, the newest and most exact.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from sandbox.marketplace.errors import Refused

# "We accept usage records for the previous billing month until 06:00 UTC on the first day of the
# next month" (botocore 1.44.5 service model, BatchMeterUsage).
MONTH_GRACE = timedelta(hours=6)
# "If you submit records more than six hours after events occur, the records won't be accepted"
# (botocore 1.44.5 service model, MeterUsage).
METER_USAGE_WINDOW = timedelta(hours=6)
# One hour to send what is left after a cancellation (Metering for usage; and
# https://docs.aws.amazon.com/marketplace/latest/userguide/saas-eventbridge-integration.html).
LAST_REPORT = timedelta(hours=1)
# "Each request must be less than 1 MB in size" (botocore 1.44.5 service model, BatchMeterUsage);
# which of the two megabytes is not said, so the smaller one.
REQUEST_BYTES_LIMIT = 1_000_000
# "The number of tags is greater than 5" (botocore 1.44.5 service model, InvalidTagException).
TAG_KEYS_MAX = 5
# The model's tag pattern has an accidental range, ` -=`, which lets in most punctuation; these are
# the characters it means.
TAG_CHARACTERS_LISTED = re.compile(r"[a-zA-Z0-9+ \-=._:/@]+")


Change = Literal["activate", "cancel", "end", "suspend"]


@dataclass(frozen=True, slots=True)
class Readings:
    """How to read AWS where its own pages contradict each other.

    Args:
        window_hours: Usage is refused at this age: 24 (service model), or 6 (service models before
            botocore 1.43.39, and pages that still quote them).
        identical_resend: A record that was metered already, sent again with an equal quantity, is
            `success` ("identical requests are idempotent", service model) or `duplicate` (AWS's
            metering skill).
        same_time: Records of one license and dimension are the same if they fall in one `hour`
            (Metering for usage), or only at the `exact-time` (the text of DuplicateRecord in the
            service model speaks of the time).
        tag_keys: At most five different tag keys in one `allocation` (service model), or in all
            allocations of a `record` (Metering for usage).
        tag_characters: As the service model's `pattern` lets through, or only those `listed`.
        code_with_license: A call with both `ProductCode` and `LicenseArn` is `billed-twice`
            (service model) or `refused`
            (https://github.com/RedHatInsights/rhsm-subscriptions/pull/6539).
        unknown_identifier: A `CustomerIdentifier` that does not exist fails the call with an
            `exception` (InvalidCustomerIdentifierException) or is the record's `status`
            (CustomerNotSubscribed); the service model says both.
        identifier_with_account: `CustomerIdentifier` and `CustomerAWSAccountId` exclude each other
            within a `record`, or within a `request`
            (https://docs.aws.amazon.com/goto/WebAPI/meteringmarketplace-2016-01-14/BatchMeterUsage).
        token_minutes: Registration tokens live 240 minutes, or 60 (both on
            https://docs.aws.amazon.com/marketplace/latest/userguide/saas-product-customer-setup.html),
            or 30 (those minted by API, botocore 1.44.5 service model of marketplace-agreement).
        resubmission: A token that comes a second time is `allowed` (the same page) or `expired`
            ("the buyer has resubmitted the registration token", service model).
        license_in_first_answer: Whether the first ResolveCustomer after a purchase has the
            `LicenseArn` already; it was seen to come only with the second
            (https://github.com/MoltyCel/moltrust-api).
        activation_period: Usage may be of any time since the `agreement` started, or only since
            `license-updated`; neither is said.
        first_entitlements: The first page of GetEntitlements is `empty` but has a NextToken, which
            the service model allows, or `filled`.
        legacy_channels: Sellers of older products hear by `sns`, or by `both` SNS and EventBridge;
            the pages do not say that one excludes the other.
    """

    window_hours: Literal[24, 6] = 24
    identical_resend: Literal["success", "duplicate"] = "success"
    same_time: Literal["hour", "exact-time"] = "hour"
    tag_keys: Literal["allocation", "record"] = "allocation"
    tag_characters: Literal["pattern", "listed"] = "pattern"
    code_with_license: Literal["billed-twice", "refused"] = "billed-twice"
    unknown_identifier: Literal["exception", "status"] = "exception"
    identifier_with_account: Literal["record", "request"] = "record"
    token_minutes: Literal[240, 60, 30] = 240
    resubmission: Literal["allowed", "expired"] = "allowed"
    license_in_first_answer: bool = True
    activation_period: Literal["agreement", "license-updated"] = "agreement"
    first_entitlements: Literal["empty", "filled"] = "empty"
    legacy_channels: Literal["sns", "both"] = "sns"


@dataclass(frozen=True, slots=True)
class License:
    """One purchase of one product; what may be metered for it, and when.

    Pending until `starts_at`, and until `reports_from` where that is later: License Updated comes
    some time after the agreement has started. Active until `ends_at`; then its usage may still be
    reported until `report_until`.
    """

    arn: str
    agreement_id: str
    product_code: str
    account: str
    customer_identifier: str
    dimensions: frozenset[str]
    starts_at: datetime | None
    ends_at: datetime | None = None
    report_until: datetime | None = None
    suspended: bool = False
    reports_from: datetime | None = None

    def state(self, now: datetime) -> Literal["pending", "active", "ending", "ended", "suspended"]:
        """Where the license is in its life."""
        if self.suspended:
            return "suspended"
        if self.ends_at is not None and now >= self.ends_at:
            reporting = self.report_until is not None and now < self.report_until
            return "ending" if reporting else "ended"
        return "active" if self.began(now) else "pending"

    def began(self, at: datetime) -> bool:
        """Whether it has been activated by then."""
        if self.starts_at is None or at < self.starts_at:
            return False
        return self.reports_from is None or self.reports_from <= at

    def changed(self, change: Change, at: datetime) -> "License":
        """The license after a change.

        A cancellation leaves one hour to report what was used until then; an end leaves none. A
        license that never began has nothing to report.
        """
        if change == "suspend":
            return replace(self, suspended=True)
        if change == "activate":
            started = self.starts_at is not None and self.starts_at <= at
            return replace(
                self,
                starts_at=self.starts_at if started else at,
                ends_at=None,
                report_until=None,
                suspended=False,
                reports_from=self.reports_from and min(at, self.reports_from),
            )
        ends_at = at if self.ends_at is None else min(at, self.ends_at)
        last = LAST_REPORT if change == "cancel" and self.began(ends_at) else timedelta(0)
        return replace(self, ends_at=ends_at, report_until=ends_at + last)

    def belongs_to(self, account: str | None, identifier: str | None) -> bool:
        """Whether a record that names its customer so is for this license's buyer."""
        if account is not None:
            return account == self.account
        return identifier is not None and identifier == self.customer_identifier

    def takes_reports(self, now: datetime) -> bool:
        """False means CustomerNotSubscribed: no active agreement, or a suspended account.

        Source: botocore 1.44.5 service model, UsageRecordResult$Status; for the last hour, Metering
        for usage.
        """
        return self.state(now) in ("active", "ending")

    def covers(self, moment: datetime) -> bool:
        """Whether usage of that moment is within the activation period."""
        return (
            self.starts_at is not None
            and self.starts_at <= moment
            and (self.ends_at is None or moment <= self.ends_at)
        )


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """A record of a BatchMeterUsage call, understood; `raw` is what the answer repeats."""

    timestamp: datetime
    dimension: str
    quantity: Decimal
    license_arn: str | None
    account: str | None
    identifier: str | None
    raw: Mapping[str, Any]


def read_record(raw: Mapping[str, Any], readings: Readings) -> UsageRecord:
    """Understand a record whose shape has been checked.

    Raises:
        Refused: For the first of the record's own rules that it breaks; the customer, the
            dimension and the time are judged elsewhere.
    """
    # "CustomerIdentifier … CustomerAWSAccountID … are mutually exclusive"; the exception is not
    # published (https://docs.aws.amazon.com/goto/WebAPI/meteringmarketplace-2016-01-14/BatchMeterUsage).
    if raw.get("CustomerIdentifier") and raw.get("CustomerAWSAccountId"):
        raise Refused(
            "ValidationException",
            "CustomerIdentifier and CustomerAWSAccountId are mutually exclusive",
        )
    return UsageRecord(
        timestamp=moment_of(raw["Timestamp"]),
        dimension=raw["Dimension"],
        quantity=quantity_of(raw, "Quantity", "QuantityAsDecimal", readings),
        license_arn=raw.get("LicenseArn"),
        account=raw.get("CustomerAWSAccountId"),
        identifier=raw.get("CustomerIdentifier") or None,
        raw=raw,
    )


def moment_of(epoch_seconds: float) -> datetime:
    """The moment a timestamp on the wire means."""
    try:
        return datetime.fromtimestamp(epoch_seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise out_of_bounds(f"{epoch_seconds} is no date") from error


def check_age(moment: datetime, now: datetime, window_hours: int) -> None:
    """Refuse what BatchMeterUsage no longer, or not yet, takes.

    "Usage records aren't accepted 24 hours or more after an event", and the month that is over
    only until 06:00 UTC on the 1st (botocore 1.44.5 service model, BatchMeterUsage). The future is
    out of bounds too (https://github.com/RedHatInsights/rhsm-subscriptions/pull/2687).
    """
    if moment > now:
        raise out_of_bounds(f"{moment:%FT%TZ} is in the future")
    if now - moment >= timedelta(hours=window_hours):
        raise out_of_bounds(f"{moment:%FT%TZ} is {window_hours} hours or more ago")
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if moment < month and now >= month + MONTH_GRACE:
        raise out_of_bounds(f"{moment:%FT%TZ} is of a billing month that closed at 06:00 UTC")


def check_meter_usage_age(moment: datetime, now: datetime) -> None:
    """Refuse what MeterUsage no longer, or not yet, takes: more than six hours ago, or ahead."""
    if moment > now:
        raise out_of_bounds(f"{moment:%FT%TZ} is in the future")
    if now - moment > METER_USAGE_WINDOW:
        raise out_of_bounds(f"{moment:%FT%TZ} is more than 6 hours ago")


def quantity_of(raw: Mapping[str, Any], whole: str, decimal: str, readings: Readings) -> Decimal:
    """The exact quantity of a record or request, with its allocations checked against it.

    "Defaults to 0 if neither … is specified. You can't specify both" (botocore 1.44.5 service
    model, UsageRecord); for both, "the entire BatchMeterUsage request fails", with an exception
    that is not published.
    """
    if raw.get(whole) is not None and raw.get(decimal) is not None:
        raise Refused("ValidationException", f"{whole} and {decimal} can't both be specified")
    as_decimal = raw.get(decimal) is not None
    quantity = Decimal(raw[decimal]) if as_decimal else Decimal(raw.get(whole) or 0)
    allocations = raw.get("UsageAllocations")
    if allocations is not None:
        _check_allocations(allocations, quantity, as_decimal=as_decimal)
        _check_tags(allocations, readings)
    return quantity


def _check_allocations(
    allocations: list[dict[str, Any]], quantity: Decimal, *, as_decimal: bool
) -> None:
    """Equal sum, same type of number, no set of tags twice, so at most one without tags.

    Source: botocore 1.44.5 service model, UsageAllocation, MeterUsageRequest$UsageAllocations and
    InvalidUsageAllocationsException.
    """
    wanted, other = "AllocatedUsageQuantity", "AllocatedUsageQuantityAsDecimal"
    if as_decimal:
        wanted, other = other, wanted
    total = Decimal(0)
    seen = set()
    for allocation in allocations:
        if allocation.get(wanted) is None or allocation.get(other) is not None:
            raise _bad_allocations(f"every allocation must have {wanted}, and only that")
        total += Decimal(allocation[wanted])
        tags = frozenset((tag["Key"], tag["Value"]) for tag in allocation.get("Tags") or ())
        if tags in seen:
            raise _bad_allocations("two allocations have the same set of tags")
        seen.add(tags)
    if total != quantity:
        raise _bad_allocations(f"the allocations add up to {total}, not to {quantity}")


def _check_tags(allocations: list[dict[str, Any]], readings: Readings) -> None:
    """Five tags, each key once, in characters AWS lists; count and pattern are in the shape too."""
    keys_of_record = set()
    for allocation in allocations:
        tags = allocation.get("Tags") or ()
        keys = {tag["Key"] for tag in tags}
        # A key with two values in one bucket is not documented; no cost report could show it.
        if len(keys) < len(tags):
            raise Refused("InvalidTagException", "an allocation has a tag key twice")
        keys_of_record |= keys
        if readings.tag_characters == "listed":
            texts = [text for tag in tags for text in (tag["Key"], tag["Value"])]
            if not all(map(TAG_CHARACTERS_LISTED.fullmatch, texts)):
                raise Refused("InvalidTagException", "a tag has a character that is not listed")
    if readings.tag_keys == "record" and len(keys_of_record) > TAG_KEYS_MAX:
        raise Refused("InvalidTagException", "the record has more than 5 different tag keys")


def out_of_bounds(reason: str) -> Refused:
    """The answer to a time outside the window, whatever its reason."""
    return Refused("TimestampOutOfBoundsException", f"The timestamp is out of range: {reason}")


def _bad_allocations(reason: str) -> Refused:
    return Refused("InvalidUsageAllocationsException", f"The allocations are invalid: {reason}")
