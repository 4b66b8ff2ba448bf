"""What producers send, drawn at random; each usage may be delivered in many copies."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st

from lambdas.customers.license import State
from lambdas.metering.fold import QUANTITY_MICROS_MAX
from lambdas.metering.hours import HOUR_S
from lambdas.metering.ledger import KEY_BYTES, Entry, Fold
from lambdas.metering.usage import Tags, Usage
from tests.unit.metering_stage import NOW_S, UNIT, bought, customers, usage

costly = settings(max_examples=settings().max_examples // 2)
"""For laws whose examples take tens of milliseconds; follows the profile."""

LICENSES = [
    bought("l-1", account="111111111111"),
    bought("l-2", account="222222222222", start_s=None),
    bought("l-3", account="333333333333", start_s=NOW_S - 5000),
]
ENDING = [
    bought("l-3", account="333333333333", state=State.ENDING, ending_since_s=NOW_S - 10 * HOUR_S)
]
KNOWN = customers(*LICENSES)
TAGS: list[Tags] = [(), (("team", "a"),), (("team", "b"), ("tier", "1"))]


@dataclass(frozen=True)
class Sent:
    """Usage as its producer knows it; the number is its Id."""

    number: int
    who: int
    dimension: str
    quantity: int
    ago_s: int
    tags: Tags

    def delivered(self, *, by_account: bool = False, now_s: int = NOW_S) -> Usage:
        """Return one copy, which names the customer in one of two ways."""
        who = LICENSES[self.who]
        return usage(
            f"u-{self.number}",
            self.quantity,
            who=who.account if by_account else who.key,
            dimension=self.dimension,
            used_s=now_s - self.ago_s,
            split={self.tags: self.quantity} if self.tags else None,
        )


def usages(quantities: st.SearchStrategy[int]) -> st.SearchStrategy[list[Sent]]:
    """Draw what producers send: quantities, some of nothing, in two hours and more."""
    fields = st.tuples(
        st.integers(0, 2),
        st.sampled_from(["users", "größe"]),
        quantities,
        st.integers(0, 2 * HOUR_S),
        st.sampled_from(TAGS),
    )
    return st.lists(fields, min_size=1, max_size=8).map(
        lambda drawn: [Sent(number, *each) for number, each in enumerate(drawn)]
    )


small = usages(st.integers(0, 3 * UNIT))
huge = usages(st.integers(0, QUANTITY_MICROS_MAX))


def keys_in(entry: Entry) -> list[tuple[bytes, bytes]]:
    """List the keys that an entry counts, with their checks."""
    packed = entry.keys if isinstance(entry, Fold) else b""
    whole = [packed[at : at + KEY_BYTES] for at in range(0, len(packed), KEY_BYTES)]
    return [(each[:12], each[12:]) for each in whole]
