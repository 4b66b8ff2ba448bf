"""The seller's settings by which usage is counted; handed to every decision. Pure."""

from dataclasses import dataclass

from lambdas.metering.hours import HOUR_S, WINDOW_HOURS


@dataclass(frozen=True, slots=True)
class Terms:
    """How this seller's product is metered.

    Attributes:
        dimensions: API names of the product's dimensions; empty means any, and no heartbeats.
        product_code: the product of legacy customers that name none; may be empty.
        dry_run: whether everything is done but calls of AWS Marketplace.
        metering_from_s: usage before this is another submitter's; 0 where there was none.
        id_memory_hours: how long an Id is remembered after the first usage that bore it.
        settle_minutes: how long after its end an hour is kept open for usage in flight.
        ending_settle_minutes: how long a license that ends is kept open for the same.
        window_hours: how old a record may be when AWS Marketplace takes it.
    """

    dimensions: tuple[str, ...] = ()
    product_code: str = ""
    dry_run: bool = False
    metering_from_s: int = 0
    id_memory_hours: int = 26
    settle_minutes: int = 10
    ending_settle_minutes: int = 20
    window_hours: int = WINDOW_HOURS

    @property
    def id_memory_s(self) -> int:
        """The id memory in seconds."""
        return self.id_memory_hours * HOUR_S
