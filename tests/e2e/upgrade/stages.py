"""The stages that usage can be in when a newer version is deployed, one license for each."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PRODUCT = "example000000000000000001"
DIMENSION = "users"
# Past the minutes for which an hour is kept open: a tick now seals the hour before.
BEGIN = datetime(2026, 11, 10, 9, 16, tzinfo=UTC)
BOUGHT_AT = BEGIN - timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of one license, which is in one stage when the release is stopped."""

    number: int
    quantity: int

    @property
    def license_arn(self) -> str:
        """The license, whose ARN is the same whoever sells it."""
        return f"arn:aws:license-manager::777788889999:license:l-{self.number:032x}"

    @property
    def account(self) -> str:
        """The buyer."""
        return f"{700_000_000_000 + self.number}"

    def message(self, at: datetime) -> dict[str, object]:
        """What the product sends."""
        return {
            "Id": f"usage-{self.number}",
            "Timestamp": at.isoformat(),
            "LicenseArn": self.license_arn,
            "Dimension": DIMENSION,
            "Quantity": self.quantity,
        }


ACCEPTED = Usage(1, 10)
"""Billed. A copy of it is in the queue."""
APPLIED = Usage(2, 20)
"""In a call without an answer that AWS Marketplace has applied: its call item survives."""
NOT_APPLIED = Usage(3, 30)
"""In a call without an answer that never arrived: its call item survives."""
PARKED = Usage(4, 40)
"""Refused for now."""
SEALED = Usage(5, 50)
"""In a seal, and not sent yet."""
FOLDED = Usage(6, 60)
"""Counted in an hour that is still open."""
QUARANTINED = Usage(7, 70)
"""Dated half an hour ahead; a redrive counts it when that time has come."""
QUEUED = Usage(8, 80)
"""In the usage queue."""

STAGES = (ACCEPTED, APPLIED, NOT_APPLIED, PARKED, SEALED, FOLDED, QUARANTINED, QUEUED)
