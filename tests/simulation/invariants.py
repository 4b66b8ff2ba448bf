"""The invariants of docs/design.md, checked while a simulation runs and when it has ended.

The keeper reads the log as it grows, entry by entry, and keeps an account of its own: plain
dictionaries of whole keys, no packed memory, no cursor, no code of the ledger but its encoding. It
knows what producers meant, and what AWS Marketplace really bills.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import (
    HOUR_S,
    Hour,
    end_s,
    hour_of,
    hour_text,
    is_last_of_month,
    month_of,
    start_s,
)
from lambdas.metering.ledger import Cell, Fold, FrozenRecord, Packed, Seal, records_of, unpack
from lambdas.metering.terms import Terms
from lambdas.metering.usage import record_key
from tests.simulation.market import Wire, cell_of, is_closed, micros_of, seconds_of
from tests.simulation.shells import MARKED
from tests.simulation.tale import SKEW_S_MAX
from tests.simulation.units import HUGE_MICROS_MIN, Unit, Units

KEY_BYTES = 16
CHECK_AT = 12
STORY_LINES_MAX = 60

TICK_S_MAX = 300
"""Whoever seals has seen an empty queue at most so long ago, or waits for longer."""

OWED_S = 3 * HOUR_S
"""A record that could be sent for so long without any fault must be on the bill."""


def told(cell: Cell) -> str:
    """Name a record in a story."""
    who, dimension, hour = cell
    return f"{dimension} of {who[-4:]}, {hour_text(hour)}"


class Violation(AssertionError):  # noqa: N818 (a word of the domain)
    """An invariant does not hold; the message says which, and what happened before."""

    def __init__(self, claim: str, story: Sequence[str]) -> None:
        super().__init__("\n".join([claim, *story[-STORY_LINES_MAX:]]))
        self.claim = claim


@dataclass(frozen=True, slots=True)
class Sight:
    """What the keeper may look at, whatever the world is made of.

    Attributes:
        clock: the world's time.
        entry: an entry of the log.
        quarantined: names of what waits in quarantine.
        messages: how many messages the queue holds, in whatever state.
        bill: what AWS Marketplace bills of what we sent, in 10⁻⁶.
        outcomes: what the ledger says became of records.
    """

    clock: Callable[[], float]
    entry: Callable[[int], Packed | None]
    quarantined: Callable[[], set[str]]
    messages: Callable[[], int]
    bill: Callable[[], dict[Cell, int]]
    outcomes: Callable[[], dict[Cell, str]]


class Ledgerkeeper:
    """Keeps an account of its own beside the ledger, and compares.

    Attributes:
        terms: the settings that the run began with.
        caller: those of the tick whose turn it is.
        metering_from_s: what is earlier is another submitter's, by the newest settings.
    """

    def __init__(self, sight: Sight, terms: Terms) -> None:
        self.sight = sight
        self.terms = terms
        self.caller = terms
        self.metering_from_s = terms.metering_from_s
        self.units = Units(terms)
        self.story: list[str] = []
        self.last = 0
        self.watermark = Hour(-1)
        self.early: dict[LicenseKey, Hour] = {}
        self.keys: dict[bytes, bytes] = {}
        self.open: Counter[Cell] = Counter()
        self.sealed: dict[Cell, tuple[int, int]] = {}
        self.sealed_at_s: dict[Cell, float] = {}
        self.folded: Counter[tuple[LicenseKey, str, int]] = Counter()
        self.succeeded: set[Cell] = set()
        self.duplicates: set[Cell] = set()
        self.elsewhere: set[Cell] = set()
        self.marked: set[Cell] = set()
        self.emptied_s: list[float] = []

    def note(self, line: str) -> None:
        """Remember what happened, for the story of a violation."""
        now = datetime.fromtimestamp(self.sight.clock(), UTC)
        self.story.append(f"{now:%d %H:%M:%S} {line}")

    def fail(self, claim: str) -> NoReturn:
        """Raise, with the last lines of the story."""
        raise Violation(claim, self.story)

    # While it runs

    def see_deployment(self, terms: Terms) -> None:
        """Remember other settings; who runs has those of before."""
        self.metering_from_s = self.units.metering_from_s = terms.metering_from_s
        since = f"{datetime.fromtimestamp(terms.metering_from_s, UTC):, from %d %H:%M on}"
        mode = "dry-run" if terms.dry_run else "live"
        self.note(f"deployed: {mode}{since if terms.metering_from_s else ''}")

    def see_deletion(self, message_ids: Iterable[str]) -> None:
        """Check that what a message meant is somewhere else when it is deleted."""
        self.look()
        waiting = self.sight.quarantined()
        ids = list(message_ids)
        self.note(f"deleted: {', '.join(ids)}")
        for unit in self.units.of_messages(ids):
            if not unit.is_counted(self.keys) and not unit.waits(waiting):
                self.fail(f"deleted from the queue, but nowhere else: {unit.told}")

    def see_empty(self) -> None:
        """Remember that a receive came back with nothing."""
        self.emptied_s.append(self.sight.clock())

    def see_quarantined(self, key: bytes, check: bytes, reason: str) -> None:
        """Check that usage does not wait without need."""
        self.note(f"quarantined as {reason}: {self.units.called((key, check))}")
        if not self.units.may_wait((key, check), reason, self.sight.clock()):
            self.fail(f"quarantined as {reason}: {self.units.called((key, check))}")

    def see_call(self, usage_records: Iterable[Wire]) -> None:
        """Check that what is sent is what is sealed, and that whoever sends it may."""
        self.look()
        for wire in usage_records:
            sent, sealed = (micros_of(wire), seconds_of(wire)), self.sealed.get(cell_of(wire))
            if sent != sealed:
                self.fail(f"sent, not sealed: {sent} for {cell_of(wire)}, sealed {sealed}")
            if self.caller.dry_run:
                self.fail(f"sent in a dry-run: {cell_of(wire)}")
            if seconds_of(wire) < self.caller.metering_from_s:
                self.fail(f"sent, though it is another submitter's: {cell_of(wire)}")

    def see_result(self, cell: Cell, status: str) -> None:
        """Remember what AWS Marketplace said to us."""
        if status == "Success":
            self.succeeded.add(cell)
        elif status == "DuplicateRecord":
            self.duplicates.add(cell)

    def see_outcome(self, cell: Cell, status: str) -> None:
        """Check that nothing is accepted but by AWS Marketplace, nor over but by time."""
        self.look()
        if cell not in self.sealed:
            self.fail(f"{status}, but never sealed: {cell}")
        if status == "accepted" and cell not in self.succeeded:
            self.fail(f"accepted by nobody: {cell}")
        if status == MARKED:
            self.marked.add(cell)
            if not self.caller.dry_run:
                self.fail(f"marked, though live: {cell}")
        if status == "dry-run" and cell not in self.marked:
            self.fail(f"dry-run, but never marked: {cell}")
        at_s, now_s = self.sealed[cell][1], self.sight.clock()
        open_ = not is_closed(at_s, now_s, self.terms.window_hours)
        if open_ and status in ("expired", "dry-run"):
            self.fail(f"{status} in its window: {cell}")
        if open_ and status == "unconfirmed" and cell not in self.duplicates:
            self.fail(f"unconfirmed, though nobody called it a duplicate: {cell}")
        if self.sealed[cell][0] and status not in ("accepted", MARKED):
            self.note(f"{status}: {told(cell)}")

    # The log

    def look(self) -> None:
        """Take in new entries of the log and check each of them."""
        while (packed := self.sight.entry(self.last + 1)) is not None:
            self.last += 1
            entry = unpack(packed)
            if isinstance(entry, Fold):
                self.take_fold(entry)
            else:
                self.take_seal(entry)

    def sealed_upto(self, who: LicenseKey) -> Hour:
        return max(self.watermark, self.early.get(who, self.watermark))

    def take_fold(self, entry: Fold) -> None:
        for at in range(0, len(entry.keys), KEY_BYTES):
            key = entry.keys[at : at + CHECK_AT]
            if key in self.keys:
                self.fail(f"key counted twice: {key.hex()}, in entry {self.last}")
            self.keys[key] = entry.keys[at + CHECK_AT : at + KEY_BYTES]
        for row in entry.rows:
            if row.hour <= self.sealed_upto(row.license):
                self.fail(f"added to a sealed hour: {row}, by entry {self.last}")
            if start_s(row.hour) < self.terms.metering_from_s:
                self.fail(f"counted what is another submitter's: {row}, by entry {self.last}")
            self.open[row.license, row.dimension, row.hour] += row.quantity
            self.folded[row.license, row.dimension, month_of(row.hour)] += row.quantity
            cell = (row.license, row.dimension, row.hour)
            self.note(f"entry {self.last}: counted {row.quantity / 10**6:g}: {told(cell)}")

    def take_seal(self, entry: Seal) -> None:
        for record in records_of(self.last, entry):
            self.take_record(record.cell, record.frozen)
        if entry.everyone and self.last > 1:
            self.check_settled(entry)
        for cell in self.open:
            if cell[2] <= entry.upto and (entry.everyone or cell[0] in entry.records):
                self.fail(f"sealed over open usage: {cell}, by entry {self.last}")
        if entry.everyone:
            self.watermark = max(self.watermark, entry.upto)
        else:
            for who in entry.records:
                self.early[who] = max(entry.upto, self.sealed_upto(who))
        for who, records in entry.records.items():
            only = "" if entry.everyone else ", alone"
            for each in filter(lambda each: each.quantity, records):
                self.note(
                    f"entry {self.last}: sealed{only}: {told((who, each.dimension, each.hour))},"
                    f" {each.quantity / 10**6:g}"
                )

    def take_record(self, cell: Cell, frozen: FrozenRecord) -> None:
        counted = self.open.pop(cell, 0)
        if cell in self.sealed:
            self.fail(f"sealed twice: {cell}, by entry {self.last}")
        if counted != frozen.quantity:
            self.fail(f"sealed, not counted: {frozen}, counted {counted}")
        if hour_of(frozen.timestamp_s) != frozen.hour:
            self.fail(f"sealed with a time outside of its hour: {frozen}")
        if start_s(frozen.hour) < self.terms.metering_from_s:
            self.fail(f"sealed what is another submitter's: {frozen}")
        self.sealed[cell] = (frozen.quantity, frozen.timestamp_s)
        self.sealed_at_s[cell] = self.sight.clock()

    def check_settled(self, entry: Seal) -> None:
        """Check that usage in flight, or still queued, was waited for.

        What counts is when the tick decided, by its own clock; the entry may have landed later.
        """
        settle_s, wait_s = self.waits_s(entry.upto)
        over_s = entry.at_s - end_s(entry.upto)
        if over_s < settle_s:
            self.fail(f"sealed before it settled: {entry.upto % 24}h, by entry {self.last}")
        if over_s < wait_s and not any(
            -SKEW_S_MAX - 1 <= entry.at_s - at_s <= TICK_S_MAX + SKEW_S_MAX
            for at_s in self.emptied_s
        ):
            self.fail(f"sealed over a backlog: {entry.upto % 24}h, by entry {self.last}")
        for hour in map(Hour, range(self.watermark + 1, entry.upto + 1)):
            if is_last_of_month(hour) and entry.at_s - end_s(hour) < self.waits_s(hour)[1]:
                self.check_nobody_waits(entry)

    def check_nobody_waits(self, entry: Seal) -> None:
        """Check that nothing is queued that can ride nowhere now, in or out of sight."""
        waiting = self.sight.quarantined()
        for unit in self.units:
            before = unit.sent_s < entry.at_s - SKEW_S_MAX - 1
            if before and not unit.is_counted(self.keys) and not unit.waits(waiting):
                self.fail(f"a month closed over {unit.told}, by entry {self.last}")

    def waits_s(self, hour: Hour) -> tuple[int, int]:
        """Return how long an hour must be over before it closes: without, and with a backlog."""
        if is_last_of_month(hour):
            return 3 * HOUR_S, 5 * HOUR_S
        return self.terms.settle_minutes * 60, 2 * HOUR_S

    # The end

    def settle(
        self,
        *,
        account_of: Callable[[LicenseKey], str],
        owed: Callable[[Cell, int], bool],
        calm_s: float,
    ) -> None:
        """Check that everything meant is accounted for, once, to the last unit.

        Args:
            account_of: tells whose a license is.
            owed: tells of a record and its time whether AWS Marketplace takes it in calm.
            calm_s: when faults stopped.
        """
        self.look()
        if self.sight.messages():
            self.fail("queue not empty")
        if self.open:
            self.fail(f"never sealed: {self.open}")
        bill, outcomes = self.sight.bill(), self.sight.outcomes()
        self.settle_usage(outcomes, account_of)
        if self.metering_from_s:
            self.settle_cut_over(outcomes, account_of)
        for cell, quantity in bill.items():
            sealed = self.sealed.get(cell, (None, 0))[0]
            if quantity != sealed:
                self.fail(f"billed, not sealed: {quantity} for {cell}, sealed {sealed}")
        for cell, (quantity, at_s) in self.sealed.items():
            status, billed = outcomes.get(cell, "none"), cell in bill
            taken = self.was_open(cell, calm_s) and owed(cell, at_s)
            if not self.holds(cell, status, billed=billed, taken=taken):
                self.fail(
                    f"{status}, {'billed' if billed else 'not billed'}"
                    f"{', though it could be sent' if taken else ''}: {quantity} for {cell}"
                )

    def settle_usage(
        self, outcomes: Mapping[Cell, str], account_of: Callable[[LicenseKey], str]
    ) -> None:
        """Every unit of usage is in the log or in quarantine, and the log holds nothing else."""
        places: Counter[tuple[LicenseKey, str, int]] = Counter()
        meant: Counter[tuple[str, str]] = Counter()
        counted: Counter[tuple[str, str]] = Counter()
        for unit in self.counted_units():
            usage = unit.usage
            if usage is None:
                self.fail(f"counted, though it is no usage: {unit.told}")
            meant[unit.account, usage.dimension] += usage.quantity
            if unit.license and not unit.any_month:
                month = month_of(hour_of(usage.used_s))
                places[unit.license, usage.dimension, month] += usage.quantity
        for who, dimension, hour in self.redriven_cells(outcomes):
            quantity = self.sealed[who, dimension, hour][0]
            meant[account_of(who), dimension] += quantity
            if record_key(who, dimension, hour) not in self.units.billed_now:
                places[who, dimension, month_of(hour)] += quantity
        for (who, dimension, _), quantity in self.folded.items():
            counted[account_of(who), dimension] += quantity
        if lost := meant - counted:
            self.fail(f"counted too little: {lost}")
        if doubled := counted - meant:
            self.fail(f"counted too much: {doubled}")
        for place, quantity in places.items():
            if self.folded[place] < quantity:
                self.fail(f"counted elsewhere: of {quantity}, {self.folded[place]} for {place}")

    def settle_cut_over(
        self, outcomes: Mapping[Cell, str], account_of: Callable[[LicenseKey], str]
    ) -> None:
        """Nothing that another submitter bills is sealed for an hour of ours.

        Except what an hour had no room for: no submitter could have billed it there.
        """
        full = {
            (unit.account, unit.usage.dimension)
            for unit in self.units
            if unit.usage and unit.usage.quantity >= HUGE_MICROS_MIN
        }
        ours: Counter[tuple[str, str]] = Counter()
        sealed: Counter[tuple[str, str]] = Counter()
        for unit in self.counted_units():
            if unit.usage and (unit.any_month or unit.last_s >= self.metering_from_s):
                ours[unit.account, unit.usage.dimension] += unit.usage.quantity
        for who, dimension, hour in self.redriven_cells(outcomes):
            ours[account_of(who), dimension] += self.sealed[who, dimension, hour][0]
        for (who, dimension, hour), (quantity, _) in self.sealed.items():
            place = (account_of(who), dimension)
            if start_s(hour) >= self.metering_from_s and place not in full:
                sealed[place] += quantity
        if doubled := sealed - ours:
            self.fail(f"sealed for an hour of ours, though another submitter's: {doubled}")

    def counted_units(self) -> Iterator[Unit]:
        """List the units in the log; all others must be in quarantine."""
        waiting = self.sight.quarantined()
        for unit in self.units:
            if unit.is_counted(self.keys):
                yield unit
            elif not unit.waits(waiting):
                self.fail(f"lost: {unit.told}")

    def redriven_cells(self, outcomes: Mapping[Cell, str]) -> Iterator[Cell]:
        """List the records that were counted anew; none of them may be on the bill, ever."""
        for cell in self.sealed:
            if record_key(*cell) in self.keys:
                if outcomes.get(cell) not in ("expired", "dry-run"):
                    self.fail(f"redriven, but not expired: {cell}")
                yield cell

    def was_open(self, cell: Cell, calm_s: float) -> bool:
        """Tell whether a record's window was open in calm for long enough to send it.

        Calm is live; what is another submitter's is never sent.
        """
        if start_s(cell[2]) < self.metering_from_s:
            return False
        since_s = max(calm_s, self.sealed_at_s[cell])
        closed = is_closed(self.sealed[cell][1], since_s + OWED_S, self.terms.window_hours)
        return not closed and cell not in self.elsewhere

    def holds(self, cell: Cell, status: str, *, billed: bool, taken: bool) -> bool:
        """Tell whether an outcome agrees with the bill, and nothing but AWS caused it.

        Who heard of a success may have died before it was written down; then it is `unconfirmed`.
        """
        succeeded = cell in self.succeeded
        if not self.sealed[cell][0]:
            # A zero is no money: how it ended is nobody's concern, that it ended is.
            return status in ("accepted", "refused")
        if status == "accepted":
            return billed and succeeded
        if status == "conflict":
            return not billed and cell in self.elsewhere
        if status in ("expired", "dry-run"):
            return not billed and not taken
        return status == "unconfirmed" and (billed or not taken)
