"""Two ticks at once: whoever loses a race, or an answer, every key is counted once."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from lambdas.metering.hours import Hour
from lambdas.metering.ledger import Entry, Ledger, Seal
from lambdas.metering.seal import first_entry
from lambdas.metering.usage import Usage
from tests.unit.metering_sent import KNOWN, Sent, keys_in, small
from tests.unit.metering_stage import NOW_S, THIS_HOUR, decide, frozen_in, seals_upto


@dataclass
class Reader:
    """A tick with messages in hand and its own idea of where the log ends."""

    left: list[Usage]
    ledger: Ledger = field(default_factory=Ledger)
    must_read: bool = True

    def read(self, log: list[Entry]) -> None:
        for number in range(self.ledger.last + 1, len(log) + 1):
            self.ledger.apply(number, log[number - 1])
        self.must_read = False

    def put(self, log: list[Entry], entry: Entry, *, answer_lost: bool) -> bool:
        """Append on condition; after any doubt, read and decide again from nothing."""
        if len(log) != self.ledger.last:
            self.must_read = True
            return False
        log.append(entry)
        if answer_lost:
            self.must_read = True
            return False
        self.ledger.apply(len(log), entry)
        return True

    def fold(self, log: list[Entry], size: int, *, answer_lost: bool) -> None:
        folded = decide(self.ledger, *self.left[:size], known=KNOWN)
        assert not folded.refused
        entry = folded.entry
        if entry is None or self.put(log, entry, answer_lost=answer_lost):
            del self.left[: folded.taken]

    def seal(self, log: list[Entry], upto: Hour, *, answer_lost: bool) -> None:
        if upto > self.ledger.watermark:
            for each in seals_upto(self.ledger, upto):
                if not self.put(log, each, answer_lost=answer_lost):
                    return


steps = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.booleans(),
        st.booleans(),
        st.integers(1, 4),
        st.sampled_from([None, None, None, -2, -1, 0]),
    ),
    max_size=25,
)
"""Who acts, does it read first, is its answer lost, how much it folds, or which hour it seals."""


@given(small, steps, st.data())
def test_two_readers_and_lost_answers_count_every_key_once(
    sent: list[Sent],
    steps: list[tuple[int, bool, bool, int, int | None]],
    data: st.DataObject,
) -> None:
    log: list[Entry] = [first_entry(NOW_S)]
    hands = [
        [each.delivered(by_account=data.draw(st.booleans())) for each in sent] for _ in range(2)
    ]
    readers = [Reader(data.draw(st.permutations(hand))) for hand in hands]

    for who, reads, answer_lost, size, seals in steps:
        reader = readers[who]
        if reads or reader.must_read:
            reader.read(log)
        if seals is None:
            reader.fold(log, size, answer_lost=answer_lost)
        else:
            reader.seal(log, Hour(THIS_HOUR + seals), answer_lost=answer_lost)
    for reader in readers:
        while reader.left:
            reader.read(log)
            reader.fold(log, 3, answer_lost=False)

    counted = Counter(key for entry in log for key, _ in keys_in(entry))
    assert set(counted.values()) == {1}
    assert billed_quantity(log) == sum(each.quantity for each in sent)


def billed_quantity(log: list[Entry]) -> int:
    """Add up what is sealed and what is still open."""
    ledger = Ledger()
    for number, entry in enumerate(log, start=1):
        ledger.apply(number, entry)
    frozen = frozen_in([entry for entry in log if isinstance(entry, Seal)])
    sealed = sum(each.quantity for _, each in frozen)
    return sealed + sum(each.total for each in ledger.open.values())
