"""Fold: decide what of the usage at hand is counted, each unit of it once. Pure."""

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import msgspec

from lambdas.customers.license import LicenseKey, State
from lambdas.metering.customer import Customers, Refusal, license_meant
from lambdas.metering.hours import (
    HOUR_S,
    Hour,
    first_open_hour,
    hour_of,
    hour_text,
    month_of,
    start_s,
)
from lambdas.metering.ledger import (
    DIMENSIONS_MAX,
    ENTRY_BYTES_MAX,
    FULL_HOURS_MAX,
    KEY_BYTES,
    Cell,
    Fold,
    Ledger,
    OpenUsage,
    Row,
    pack,
)
from lambdas.metering.named import Named
from lambdas.metering.terms import Terms
from lambdas.metering.usage import Allocations, Reason, Tags, Usage, license_key_digest

QUANTITY_MICROS_MAX = 9_999_999_999_999_999
"""The largest quantity of a record, 9,999,999,999.999999, in 10⁻⁶
(pattern of QuantityAsDecimal, botocore 1.44.5)."""

WINDOW_LEFT_HOURS_MIN = 1
"""Late usage rides in an hour whose window is open for this much longer, so that it can be sealed
and sent; sellers have reported refusals near the window's end."""

TAG_SETS_MAX = 20_000
"""Tag sets that are kept apart for one license, dimension and hour; more are counted as untagged.
AWS Marketplace takes 2,500. It bounds memory where a producer tags with request ids."""

_ROW_BYTES = 40
"""What the numbers and the framing of a row take, at most; its texts come on top."""

_ROWS_BYTES_SURE_MAX = 20_000
"""Rows of one usage that are larger are compressed to guess what they take in an entry."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Usage that is not counted and goes to quarantine; `index` is its place in the batch."""

    index: int
    refusal: Refusal


@dataclass(slots=True)
class Folded:
    """What was decided about the first `taken` usages of a batch; the rest needs another entry.

    Nothing of it holds unless the entry is appended, or there is none to append.
    """

    entry: Fold | None
    taken: int
    counted: int
    duplicates: int
    refused: list[Refused]


class _Verdict(Enum):
    COUNTED = auto()
    DUPLICATE = auto()
    NO_ROOM = auto()


_COUNTED, _DUPLICATE, _NO_ROOM = _Verdict
"""Named for every event; to look up a member of an Enum takes as long as two dictionaries."""


def fold(
    ledger: Ledger, batch: Sequence[Usage], *, customers: Customers, terms: Terms, now_s: int
) -> Folded:
    """Decide about as much of a batch as one entry of the log can hold.

    Usage whose key is known is dropped if its content is the same, and refused if it is another.
    All other usage is counted in its own hour or, where that is closed, in the next open one of
    the same month.
    """
    folded, sure = _fold(ledger, batch, customers, terms, now_s)
    while not sure and folded.taken > 1 and folded.entry is not None:
        if pack(folded.entry).size_bytes <= ENTRY_BYTES_MAX:
            break
        # Tags of different kinds take more compressed together than each by itself.
        folded, sure = _fold(ledger, batch[: folded.taken // 2], customers, terms, now_s)
    return folded


def _fold(
    ledger: Ledger, batch: Sequence[Usage], customers: Customers, terms: Terms, now_s: int
) -> tuple[Folded, bool]:
    """Decide about what should fit into one entry, and tell whether that is sure."""
    folding = _Folding(ledger, customers, terms, now_s)
    refused: list[Refused] = []
    taken = counted = duplicates = 0
    decide = folding.decide
    for usage in batch:
        verdict = decide(usage)
        if verdict is _COUNTED:
            counted += 1
        elif verdict is _DUPLICATE:
            duplicates += 1
        elif isinstance(verdict, Refusal):
            refused.append(Refused(taken, verdict))
        else:
            break
        taken += 1
    folded = Folded(folding.entry(), taken, counted, duplicates, refused)
    return folded, not folding.guessed


@dataclass(slots=True)
class _Folding:
    """One entry in the making.

    What is the same for much usage is decided once. `owners` holds whom a name means whenever the
    usage was; `homes`, by license, dimension and the usage's own hour, where usage without tags
    goes, and how much may be there.
    """

    ledger: Ledger
    customers: Customers
    terms: Terms
    now_s: int
    keys: dict[bytes, bytes] = field(default_factory=dict)
    cells: dict[Cell, OpenUsage] = field(default_factory=dict)
    dimensions: Counter[tuple[LicenseKey, Hour]] = field(default_factory=Counter)
    owners: dict[Named, LicenseKey] = field(default_factory=dict)
    homes: dict[tuple[LicenseKey, str, int], tuple[OpenUsage, int]] = field(default_factory=dict)
    bytes_taken: int = 0
    guessed: bool = False
    check_of: Callable[[bytes], bytes | None] = field(init=False)
    expired_s: int = field(init=False)
    first_open: Hour = field(init=False)

    def __post_init__(self) -> None:
        self.check_of = self.ledger.keys.check_of
        window_hours = self.terms.window_hours
        self.expired_s = self.now_s - window_hours * HOUR_S
        closing_s = self.now_s + WINDOW_LEFT_HOURS_MIN * HOUR_S
        self.first_open = first_open_hour(closing_s, window_hours)

    def entry(self) -> Fold | None:
        if not self.keys:
            return None
        rows = tuple(
            Row(who, dimension, hour, tags, quantity, usage.last_s)
            for (who, dimension, hour), usage in self.cells.items()
            for tags, quantity in usage.by_tags.items()
        )
        return Fold(self.now_s, b"".join(key + check for key, check in self.keys.items()), rows)

    def decide(self, usage: Usage) -> _Verdict | Refusal:
        known = self.keys.get(usage.key) or self.check_of(usage.key)
        if known is not None:
            return _seen_before(usage, known)
        who = self.owners.get(usage.named)
        if who is None:
            found = self.owner_of(usage)
            if isinstance(found, Refusal):
                return found
            who = found
        license_digest = None if usage.by_license else self.second_key(usage, who)
        if license_digest is not None:
            known = self.keys.get(license_digest) or self.check_of(license_digest)
            if known is not None:
                return _seen_before(usage, known)
        bill_s = usage.used_s if usage.bill_at_s is None else usage.bill_at_s
        home = self.homes.get((who, usage.dimension, bill_s // HOUR_S))
        if home is not None and not usage.allocations:
            open_usage, total_max = home
            if open_usage.total + usage.quantity <= total_max:
                size = KEY_BYTES if license_digest is None else 2 * KEY_BYTES
                if not self.take_keys(usage, license_digest, size):
                    return _NO_ROOM
                open_usage.add((), usage.quantity, usage.used_s)
                return _COUNTED
        hour = self.hour_for(usage, who, bill_s)
        if isinstance(hour, Refusal):
            return hour
        cell = (who, usage.dimension, hour)
        verdict = self.count(usage, cell, license_digest)
        if verdict is _COUNTED and not usage.allocations:
            self.remember_home(cell, hour_of(bill_s))
        return verdict

    def second_key(self, usage: Usage, who: LicenseKey) -> bytes | None:
        """Return the key by license and Id of usage that has another; None if it has no other."""
        if usage.id is not None:
            license_digest = license_key_digest(who, usage.id)
            if license_digest != usage.key:
                return license_digest
        return None

    def owner_of(self, usage: Usage) -> LicenseKey | Refusal:
        who = license_of(usage, self.customers, terms=self.terms, now_s=self.now_s)
        named = usage.named
        if not isinstance(who, Refusal) and usage.license is None:
            of_account = self.customers.accounts.get(named.account, ())
            # Of several licenses the time of the usage picks one, and one that has ended is meant
            # by older usage only.
            one_for_ever = [each.state is not State.ENDED for each in of_account] == [True]
            if named.license_arn or named.customer_identifier or one_for_ever:
                self.owners[named] = who
        return who

    def remember_home(self, cell: Cell, own: Hour) -> None:
        """Let more usage of an hour follow where some went, if it is the first hour to try.

        And if any time of its own hour may be billed: within the hour in which usage expires, each
        must be looked at.
        """
        who, dimension, hour = cell
        oldest_s = max(self.expired_s + 1, self.terms.metering_from_s)
        if hour == self.earliest(who, own) and start_s(own) >= oldest_s:
            known = self.ledger.open.get(cell)
            total_max = QUANTITY_MICROS_MAX - (known.total if known else 0)
            self.homes[who, dimension, own] = self.cells[cell], total_max

    def earliest(self, who: LicenseKey, own: Hour) -> Hour:
        return Hour(max(own, self.ledger.sealed_upto(who) + 1, self.first_open))

    def hour_for(self, usage: Usage, who: LicenseKey, bill_s: int) -> Hour | Refusal:
        if bill_s < self.terms.metering_from_s:
            return Refusal(
                Reason.BEFORE_METERING_FROM,
                "Timestamp",
                "The usage is older than the setting metering_from; whoever metered before it"
                " bills it, or redrive it with BillAt.",
            )
        if bill_s <= self.expired_s:
            return Refusal(
                Reason.EXPIRED,
                "Timestamp",
                f"The usage is {self.terms.window_hours} hours old or older: AWS Marketplace no"
                " longer takes it; redrive it with BillAt to bill it now.",
            )
        own = hour_of(bill_s)
        earliest = self.earliest(who, own)
        for hour in map(Hour, range(earliest, earliest + FULL_HOURS_MAX + 1)):
            if month_of(hour) != month_of(own):
                return Refusal(
                    Reason.EXPIRED,
                    "Timestamp",
                    f"The month of {hour_text(own)} can take no more usage, and usage does not"
                    " change month by itself; redrive it with BillAt to bill it in this one.",
                )
            if self.has_room((who, usage.dimension, hour), usage.quantity):
                return hour
        return Refusal(
            Reason.TOO_LARGE,
            "Quantity",
            f"The next {FULL_HOURS_MAX} hours are full: AWS Marketplace takes 9,999,999,999.999999"
            f" of a dimension in an hour (use a bigger unit), and at most {DIMENSIONS_MAX}"
            " dimensions are kept.",
        )

    def has_room(self, cell: Cell, quantity: int) -> bool:
        """Tell whether a record could still be sent with this much more."""
        known, new = self.ledger.open.get(cell), self.cells.get(cell)
        if known is None and new is None:
            who, _, hour = cell
            return self.ledger.dimensions[who, hour] + self.dimensions[who, hour] < DIMENSIONS_MAX
        total = (known.total if known else 0) + (new.total if new else 0)
        return total + quantity <= QUANTITY_MICROS_MAX

    def count(self, usage: Usage, cell: Cell, license_digest: bytes | None) -> _Verdict | Refusal:
        parts = self.parts(usage, cell)
        open_usage = self.cells.get(cell)
        size = KEY_BYTES if license_digest is None else 2 * KEY_BYTES
        if open_usage is None:
            size += self.rows_bytes(cell, parts)
        elif any(tags not in open_usage.by_tags for tags, _ in parts):
            new = [each for each in parts if each[0] not in open_usage.by_tags]
            size += self.rows_bytes(cell, new)
        if size > ENTRY_BYTES_MAX:
            return Refusal(
                Reason.TOO_LARGE,
                "UsageAllocations",
                "The tags of this usage do not fit into one ledger entry of 400 KB; send it in"
                " several records.",
            )
        if not self.take_keys(usage, license_digest, size):
            return _NO_ROOM
        if open_usage is None:
            open_usage = self.cells[cell] = OpenUsage()
            if cell not in self.ledger.open:
                self.dimensions[cell[0], cell[2]] += 1
        for tags, quantity in parts:
            open_usage.add(tags, quantity, usage.used_s)
        return _COUNTED

    def take_keys(self, usage: Usage, license_digest: bytes | None, size: int) -> bool:
        """Take in what usage is counted under, if it fits with all that belongs to it."""
        if self.bytes_taken + size > ENTRY_BYTES_MAX:
            return False
        self.bytes_taken += size
        self.keys[usage.key] = usage.check
        if license_digest is not None:
            self.keys[license_digest] = usage.check
        return True

    def parts(self, usage: Usage, cell: Cell) -> Allocations:
        """Split usage by its tags, as long as the hour has room for more sets of them."""
        if not usage.allocations:
            return (((), usage.quantity),)
        known = self.ledger.open.get(cell)
        if known is None or len(known.by_tags) < TAG_SETS_MAX:
            return usage.allocations
        return tuple(
            (tags if tags in known.by_tags else (), quantity)
            for tags, quantity in usage.allocations
        )

    def rows_bytes(self, cell: Cell, parts: Sequence[tuple[Tags, int]]) -> int:
        """Bound what new rows add to an entry; many tags are compressed to see what they take."""
        names = len(cell[0].encode()) + len(cell[1].encode()) + _ROW_BYTES
        size = sum(
            names + sum(len(key) + len(value) + 12 for key, value in tags) for tags, _ in parts
        )
        if size <= _ROWS_BYTES_SURE_MAX:
            return size
        self.guessed = True
        rows = [Row(*cell, tags, quantity, self.now_s) for tags, quantity in parts]
        return len(zlib.compress(msgspec.msgpack.encode(rows))) + _ROW_BYTES


def license_of(
    usage: Usage, customers: Customers, *, terms: Terms, now_s: int
) -> LicenseKey | Refusal:
    """Tell whose usage it is: the license it was resolved to before, or the one it names now."""
    if usage.license is not None:
        return usage.license
    return license_meant(
        usage.named,
        customers,
        used_s=usage.used_s,
        now_s=now_s,
        product_code=terms.product_code,
    )


def _seen_before(usage: Usage, known: bytes) -> _Verdict | Refusal:
    if known == usage.check:
        return _DUPLICATE
    return Refusal(
        Reason.ID_REUSED,
        "Id",
        f"Id {usage.id!r} was counted before with another dimension, quantity or tags; if this is"
        " other usage, send it under an Id of its own.",
    )
