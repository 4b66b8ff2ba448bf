"""What the documented rules make of a request: a second opinion, written from the pages alone.

A rule whose exception AWS does not publish allows any refusal (`ANY`). Where a request breaks
several rules, any of their exceptions will do: in which order AWS looks is not said.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.conformance.stage import Record

ANY = "any refusal"
BAD_ALLOCATIONS = "InvalidUsageAllocationsException"
BAD_DIMENSION = "InvalidUsageDimensionException"
BAD_LICENSE = "InvalidLicenseException"
BAD_TAG = "InvalidTagException"
BAD_TIME = "TimestampOutOfBoundsException"

# The shapes' own words, copied by hand (botocore 1.44.5 service model).
DECIMAL = re.compile(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?")
TAG_TEXT = re.compile(r"[a-zA-Z0-9+ -=._:/@]+")
TAG_TEXT_LISTED = re.compile(r"[a-zA-Z0-9+\- =._:/@]+")
ARN = re.compile(
    r"arn:aws[a-zA-Z-]*:[A-Za-z0-9][A-Za-z0-9_/.-]{0,62}:[A-Za-z0-9_/.-]{0,63}:"
    r"[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,1023}"
)
RECORDS_MAX, ALLOCATIONS_MAX, TAGS_MAX = 25, 2_500, 5
WHOLE_MAX = 2_147_483_647
KEY_CHARACTERS_MAX, VALUE_CHARACTERS_MAX, DIMENSION_CHARACTERS_MAX = 100, 256, 255


@dataclass(frozen=True, slots=True)
class Deal:
    """What a buyer has: a license, active since its start, and whether reports of it are taken."""

    license_arn: str
    account: str
    product_code: str
    dimensions: frozenset[str]
    starts_at: datetime
    subscribed: bool = True


@dataclass(frozen=True, slots=True)
class World:
    """All that decides about a request, and how to read the pages that contradict each other."""

    now: datetime
    deals: Mapping[str, Deal]
    window_hours: int = 24
    tag_keys: str = "allocation"
    tag_characters: str = "pattern"
    same_time: str = "hour"
    identical_resend: str = "success"
    first: dict[tuple[str, str, datetime], Decimal] = field(default_factory=dict)


def broken(records: list[Record], world: World) -> set[str]:
    """The exceptions of the rules that a BatchMeterUsage call breaks; none if it is answered."""
    codes = {code for record in records for code in _broken_by(record, world)}
    if len(records) > RECORDS_MAX:
        codes.add(ANY)
    deals = [world.deals.get(str(record.get("LicenseArn"))) for record in records]
    if len({deal.product_code for deal in deals if deal}) > 1:
        codes |= {BAD_LICENSE, ANY}
    return codes


def _broken_by(record: Record, world: World) -> Iterator[str]:
    yield from broken_by_quantity(record, world, "Quantity", "QuantityAsDecimal")
    dimension, moment, arn = (record.get(name) for name in ("Dimension", "Timestamp", "LicenseArn"))
    if dimension is None or moment is None:
        yield ANY
    if dimension is not None and not 1 <= len(dimension) <= DIMENSION_CHARACTERS_MAX:
        yield ANY
    if arn is None or not ARN.fullmatch(arn) or record.get("CustomerAWSAccountId") is None:
        yield ANY
    if moment is not None and not _within_window(moment, world):
        yield BAD_TIME
    deal = world.deals.get(str(arn))
    if deal is None or record.get("CustomerAWSAccountId") != deal.account:
        yield BAD_LICENSE
    if deal is not None and moment is not None and moment < deal.starts_at:
        yield BAD_LICENSE
    if deal is not None and dimension not in deal.dimensions:
        yield BAD_DIMENSION


def _within_window(moment: datetime, world: World) -> bool:
    """Not ahead, not so old, and not of a month that was closed at 06:00 UTC on the 1st."""
    closed = (world.now - timedelta(hours=6)).replace(day=1, hour=0, minute=0, second=0)
    age = world.now - moment
    return timedelta(0) <= age < timedelta(hours=world.window_hours) and moment >= closed


def broken_by_quantity(request: Record, world: World, whole: str, decimal: str) -> Iterator[str]:
    """What is wrong with a quantity, its allocations and their tags."""
    if whole in request and decimal in request:
        yield ANY
    if not _is_whole(request.get(whole, 0)) or not _is_decimal(request.get(decimal, "0")):
        yield ANY
        return
    buckets = request.get("UsageAllocations")
    if buckets is None:
        return
    if not 1 <= len(buckets) <= ALLOCATIONS_MAX:
        yield ANY
    yield from _broken_by_sum(buckets, request, decimal, Decimal(request.get(whole, 0)))
    for bucket in buckets:
        if "Tags" in bucket:
            yield from _broken_by_tags(bucket["Tags"], world)
    sets = [frozenset((tag["Key"], tag["Value"]) for tag in b.get("Tags", ())) for b in buckets]
    if len(set(sets)) < len(sets):
        yield from (ANY, BAD_ALLOCATIONS)
    keys = {key for tags in sets for key, _ in tags}
    if world.tag_keys == "record" and len(keys) > TAGS_MAX:
        yield BAD_TAG


def _broken_by_sum(
    buckets: list[dict[str, Any]], request: Record, decimal: str, whole_quantity: Decimal
) -> Iterator[str]:
    wanted, other = "AllocatedUsageQuantity", "AllocatedUsageQuantityAsDecimal"
    quantity = whole_quantity
    if decimal in request:
        wanted, other, quantity = other, wanted, Decimal(request[decimal])
    if any((wanted in bucket) == (other in bucket) for bucket in buckets):
        yield from (ANY, BAD_ALLOCATIONS)
    if not all(
        _is_whole(bucket.get("AllocatedUsageQuantity", 0))
        and _is_decimal(bucket.get("AllocatedUsageQuantityAsDecimal", "0"))
        for bucket in buckets
    ):
        yield ANY
        return
    if any(other in bucket for bucket in buckets):
        yield BAD_ALLOCATIONS
    if sum(Decimal(bucket.get(wanted, 0)) for bucket in buckets) != quantity:
        yield BAD_ALLOCATIONS


def _broken_by_tags(tags: list[dict[str, str]], world: World) -> Iterator[str]:
    allowed = TAG_TEXT if world.tag_characters == "pattern" else TAG_TEXT_LISTED
    if not tags or len({tag["Key"] for tag in tags}) < len(tags):
        yield from (ANY, BAD_TAG)
    if len(tags) > TAGS_MAX:
        yield BAD_TAG
    for tag in tags:
        too_long = len(tag["Key"]) > KEY_CHARACTERS_MAX or len(tag["Value"]) > VALUE_CHARACTERS_MAX
        if too_long or not allowed.fullmatch(tag["Key"]) or not allowed.fullmatch(tag["Value"]):
            yield BAD_TAG


def _is_whole(value: int) -> bool:
    return 0 <= value <= WHOLE_MAX


def _is_decimal(text: str) -> bool:
    return DECIMAL.fullmatch(text) is not None


def quantity_of(record: Record) -> Decimal:
    """The quantity of a record that breaks no rule."""
    return Decimal(str(record.get("QuantityAsDecimal", record.get("Quantity", 0))))


def status(record: Record, world: World) -> str:
    """The status of a record that breaks no rule; the world remembers it if it is the first."""
    if not world.deals[record["LicenseArn"]].subscribed:
        return "CustomerNotSubscribed"
    moment = record["Timestamp"]
    if world.same_time == "hour":
        moment = moment.replace(minute=0, second=0)
    key = (record["LicenseArn"], record["Dimension"], moment)
    quantity = quantity_of(record)
    if key not in world.first:
        world.first[key] = quantity
        return "Success"
    if world.first[key] != quantity or world.identical_resend == "duplicate":
        return "DuplicateRecord"
    return "Success"


def bill(world: World) -> dict[tuple[str, str, datetime], Decimal]:
    """What is billed: the first quantities, summed by license, dimension and hour."""
    hours: dict[tuple[str, str, datetime], Decimal] = {}
    for (arn, dimension, moment), quantity in world.first.items():
        key = (arn, dimension, moment.replace(minute=0, second=0))
        hours[key] = hours.get(key, Decimal(0)) + quantity
    return hours
