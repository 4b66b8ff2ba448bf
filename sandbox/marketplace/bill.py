"""What AWS Marketplace would bill: the first quantity under every key, summed by hour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class MeterKey:
    """What is metered once. A license and a product code are billed apart, even for one buyer.

    `when` is the hour, or the exact time, or a ClientToken: as the rule at hand has it. `resource`
    is the buyer's instance, task or pod, for MeterUsage only.
    """

    license_arn: str | None
    product_code: str
    account: str
    dimension: str
    when: datetime | str
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Metered:
    """The record that counts under a key."""

    record_id: str
    quantity: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class BillLine:
    """One hour on the bill; `license_arn` is None where usage came by product code."""

    license_arn: str | None
    product_code: str
    account: str
    dimension: str
    hour: datetime
    quantity: Decimal


class Bill:
    """Keeps the first quantity under every key and never changes it.

    "Nothing is amended": a second quantity for a key is refused, and the first is billed
    (https://docs.aws.amazon.com/marketplace/latest/userguide/metering-for-usage.html).
    """

    def __init__(self) -> None:
        self._metered: dict[MeterKey, Metered] = {}

    def enter(self, key: MeterKey, metered: Metered) -> Metered:
        """The record that counts under this key: this one, if it is the first."""
        return self._metered.setdefault(key, metered)

    def lines(self) -> list[BillLine]:
        """Every hour of every customer and dimension, zeros too, in order."""
        sums: dict[tuple[str, str, str, str, datetime], Decimal] = {}
        for key, metered in self._metered.items():
            row = (
                key.product_code,
                key.account,
                key.license_arn or "",
                key.dimension,
                hour_of(metered.at),
            )
            sums[row] = sums.get(row, Decimal(0)) + metered.quantity
        return list(_lines(sorted(sums.items())))


def hour_of(moment: datetime) -> datetime:
    """The start of the UTC hour.

    >>> hour_of(datetime(2026, 11, 23, 9, 59, 59, tzinfo=UTC)).isoformat()
    '2026-11-23T09:00:00+00:00'
    """
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _lines(
    sums: Iterable[tuple[tuple[str, str, str, str, datetime], Decimal]],
) -> Iterable[BillLine]:
    for (product_code, account, license_arn, dimension, hour), quantity in sums:
        yield BillLine(license_arn or None, product_code, account, dimension, hour, quantity)
