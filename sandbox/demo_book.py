"""The demo's account: what its producer sent, against what AWS Marketplace would bill.

Knows nothing of how usage is counted: it adds up what was sent, each unit once, and compares.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

Line = tuple[str, str]
"""A buyer and a dimension."""

NOBODY: Line = ("(nobody)", "(unreadable)")
"""Where messages are booked that nobody can read, one each."""


Amounts = defaultdict[Line, Decimal]


def amounts() -> Amounts:
    """Begin a column."""
    return defaultdict(Decimal)


@dataclass(slots=True)
class Book:
    """Quantities by buyer and dimension.

    Attributes:
        sent: distinct usage, copies not counted; written by the producer as it sends.
        billed: what AWS Marketplace would bill.
        open: counted, and its hour not over or not sent yet.
        parked: refused for now, and tried again.
        unbilled: in quarantine, or refused until it was too late, by reason.
    """

    sent: Amounts = field(default_factory=amounts)
    billed: Amounts = field(default_factory=amounts)
    open: Amounts = field(default_factory=amounts)
    parked: Amounts = field(default_factory=amounts)
    unbilled: dict[Line, dict[str, Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Decimal))
    )

    def lines(self) -> list[Line]:
        """All buyers and dimensions that occur anywhere."""
        everywhere: Iterable[Mapping[Line, object]] = (
            self.sent,
            self.billed,
            self.open,
            self.parked,
            self.unbilled,
        )
        return sorted({line for column in everywhere for line in column})

    def difference(self, line: Line) -> Decimal:
        """Return what was sent and is nowhere (or, negative, what is somewhere unsent)."""
        waiting = sum(self.unbilled.get(line, {}).values(), Decimal(0))
        found = self.billed[line] + self.open[line] + self.parked[line] + waiting
        return self.sent[line] - found

    def agrees(self) -> bool:
        """Tell whether every unit sent is found once."""
        return not any(self.difference(line) for line in self.lines())
