"""The log as one tick knows it: read to its end, kept between ticks, appended to.

Appending has one rule. Entry n + 1 is put only if it does not exist; on any failure or doubt the
caller reads what is new and decides again from nothing. So concurrent ticks, late-landing writes
and lost answers are harmless, and there is no lock.
"""

from collections.abc import Callable, Collection

from lambdas.metering.aws import LedgerTable, Place, Settled
from lambdas.metering.hours import Hour
from lambdas.metering.ledger import (
    CLOCK_SKEW_S,
    Entry,
    Fold,
    Ledger,
    Seal,
    SealedRecord,
    keys_among,
    oldest_open_s,
    pack,
    records_of,
    unpack,
)
from lambdas.metering.terms import Terms

KEYS_MAX = 40_000_000
"""Keys that a warm container keeps, some 600 MB; then it forgets them and reads the log again."""

_END = 10**12 - 1


class Log:
    """Reads and extends the log. Keep one per process: a warm one reads only what is new."""

    def __init__(self, table: LedgerTable, terms: Terms) -> None:
        self._table = table
        self._terms = terms
        self._ledger: Ledger | None = None
        self._settled: Settled | None = None

    def read(self, now_s: int) -> Ledger:
        """Bring the state up to the log's end, and return it."""
        needed_s = now_s - self._terms.id_memory_s
        ledger = self._ledger
        if ledger is not None and ledger.keys.count > KEYS_MAX:
            # Not before some of them are long useless, or a busy log would be read at every call.
            useless_s = self._terms.id_memory_s // 4
            if ledger.first_at_s < needed_s - useless_s - CLOCK_SKEW_S:
                ledger = self._ledger = None
        if ledger is None:
            ledger = self._read_cold(needed_s)
        else:
            for number, packed in self._table.entries_after(ledger.last):
                assert number == ledger.last + 1, f"entry {number} follows {ledger.last}"
                ledger.apply(number, unpack(packed))
        self._ledger = ledger
        return ledger

    def reach_back(
        self, ledger: Ledger, time_s: int, wanted: Callable[[], Collection[bytes]] = frozenset
    ) -> None:
        """Read older entries, so that keys counted since a time are known.

        All of them are remembered as long as there is room, then only the wanted ones: however far
        back usage may have been counted, looking must not take more memory than there is.
        """
        if ledger.reaches_back_to(time_s):
            return
        keys: Collection[bytes] | None = None
        for number, packed in self._table.entries_before(ledger.first):
            entry = unpack(packed)
            if keys is None and ledger.keys.count < KEYS_MAX:
                ledger.apply_older(number, entry)
                if ledger.reaches_back_to(time_s):
                    return
            else:
                keys = keys or frozenset(wanted())
                if isinstance(entry, Fold):
                    ledger.keys.add(keys_among(entry.keys, keys))
                if entry.at_s < time_s - CLOCK_SKEW_S:
                    return
        if keys is None:
            ledger.first_at_s = 0

    def append(self, ledger: Ledger, entry: Entry) -> bool:
        """Write the next entry; if it may not be there, tell so and leave the state as it was."""
        if not self._table.append(ledger.last + 1, pack(entry)):
            return False
        ledger.apply(ledger.last + 1, entry)
        return True

    def note_settled(self, settled: Settled) -> None:
        """Write the hint from where on records are unfinished, if it changed."""
        if settled != self._settled:
            self._table.put_settled(settled)
            self._settled = settled

    def sealed_records(self, places: Collection[Place]) -> dict[Place, SealedRecord]:
        """Read records of seals, wherever in the log, each seal once; expired ones are left out."""
        found: dict[Place, SealedRecord] = {}
        for number in sorted({number for number, _ in places}):
            packed = self._table.entry(number)
            entry = unpack(packed) if packed else None
            if isinstance(entry, Seal):
                records = records_of(number, entry)
                found |= {each.at: each for each in records if each.at in places}
        return found

    def _read_cold(self, needed_s: int) -> Ledger:
        """Read back as far as keys, open usage and unfinished records may lie."""
        settled = self._table.settled()
        ledger = Ledger()
        newest_first, whole = self._read_back(ledger, needed_s, settled)
        for number, entry in reversed(newest_first):
            ledger.apply(number, entry)
        if whole:
            ledger.first_at_s = 0
        if ledger.first > 1:
            first = self._table.entry(1)
            ledger.began_s = first.at_s if first else 0
        listed = set(settled.unfinished)
        for cell, record in list(ledger.unfinished.items()):
            if record.seal <= settled.upto and (record.seal, record.place) not in listed:
                del ledger.unfinished[cell]
        before = self.sealed_records({place for place in listed if place[0] < ledger.first})
        ledger.unfinished |= {record.cell: record for record in before.values()}
        return ledger

    def _read_back(
        self, ledger: Ledger, needed_s: int, settled: Settled
    ) -> tuple[list[tuple[int, Entry]], bool]:
        """Read entries, newest first, and tell whether the log has nothing older.

        Keys are packed away at once, usage that a newer seal closed is dropped, and so are records
        that are final, since a busy log would not fit as it is.
        """
        listed = {number for number, _ in settled.unfinished}
        entries: list[tuple[int, Entry]] = []
        watermark: Hour | None = None
        for number, packed in self._table.entries_before(_END):
            entry = unpack(packed)
            if isinstance(entry, Fold):
                ledger.keys.add(entry.keys)
                rows = entry.rows
                if watermark is not None:
                    rows = tuple(row for row in rows if row.hour > watermark)
                entry = Fold(entry.at_s, b"", rows)
            else:
                if watermark is None and entry.everyone:
                    watermark = entry.upto
                if number <= settled.upto and number not in listed:
                    entry = Seal(
                        entry.at_s, entry.upto, entry.everyone, dict.fromkeys(entry.records, ())
                    )
            entries.append((number, entry))
            if watermark is None or number > settled.upto + 1:
                continue
            if entry.at_s < min(needed_s, oldest_open_s(watermark)) - CLOCK_SKEW_S:
                return entries, False
        return entries, True
