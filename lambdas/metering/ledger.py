"""The ledger: an append-only log of folds and seals, and the state that its replay gives. Pure.

The log is the one truth from which usage records are derived. Its entries are numbered 1, 2, 3 …
and never change. A fold adds usage, each usage once; a seal closes hours and holds, frozen, the
records that are sent for them. Whoever appends must have read the log to its end and decided on
that state: entry n + 1 is written only if it does not exist, so that a decision made on a stale
state cannot take effect (docs/design.md, "The log").
"""

import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import msgspec

from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import HOUR_S, Hour, start_s
from lambdas.metering.usage import Tags
from lambdas.versions import UnknownVersionError

ENTRY_VERSION = 1
"""Written into every entry; a reader refuses what it does not know."""

ENTRY_BYTES_MAX = 390_000
"""DynamoDB takes items of 400 KB (409,600 bytes) with attribute names; the rest is margin."""

KEY_BYTES = 16
"""A key in an entry: 12 bytes of digest, and 4 that tell one content from another."""

BUCKETS_MIN, BUCKETS_MAX, BUCKETS_GROWTH = 1 << 12, 1 << 18, 1 << 3
BUCKET_KEYS = 16
"""A bucket holds so many keys on average, as long as there are not too many buckets: a longer one
takes longer to search and to append to."""

FULL_HOURS_MAX = 12
"""Usage moves on by at most this many hours where hours are full. It bounds how far a fold may
reach into the future, and so how far back a reader must look for open usage."""

DIMENSIONS_MAX = 300
"""Dimensions of one license in one hour; products have at most 200 (guide page
"saas-subscriptions"). Their outcomes are one item of 400 KB, some 1,200 bytes each at the worst."""

CLOCK_SKEW_S = 30 * 60
"""Clocks of two ticks may differ; entries are read back by this much more than need be."""

_NO_HOUR = Hour(-1)
_KEY = struct.Struct("12s4s")
_WHOLE_KEY = struct.Struct(f"{KEY_BYTES}s")
_start_of = struct.Struct("I").unpack_from


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one fold adds to one bucket of usage; quantity in 10⁻⁶, the time of the last usage."""

    license: LicenseKey
    dimension: str
    hour: Hour
    tags: Tags
    quantity: int
    last_s: int


class Fold(msgspec.Struct, frozen=True, gc=False):
    """Usage counted by one group commit: the keys that it counts, packed, and the sums."""

    at_s: int
    keys: bytes
    rows: tuple[Row, ...]


class FrozenRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The one quantity and timestamp that will ever be sent for a license, dimension and hour."""

    dimension: str
    hour: Hour
    quantity: int
    timestamp_s: int
    allocations: tuple[tuple[Tags, int], ...]


class Seal(msgspec.Struct, frozen=True, gc=False):
    """Hours closed for ever, for everyone or for the licenses named in `records` alone."""

    at_s: int
    upto: Hour
    everyone: bool
    records: dict[LicenseKey, tuple[FrozenRecord, ...]]


Entry = Fold | Seal


class Packed(msgspec.Struct, frozen=True):
    """An entry as it is stored: keys do not compress, the rest does, well."""

    kind: str
    version: int
    at_s: int
    keys: bytes
    body: bytes

    @property
    def size_bytes(self) -> int:
        """What the entry takes of `ENTRY_BYTES_MAX`."""
        return len(self.keys) + len(self.body)


class _FoldBody(msgspec.Struct, array_like=True):
    rows: tuple[Row, ...]


class _SealBody(msgspec.Struct, array_like=True):
    upto: Hour
    everyone: bool
    records: dict[LicenseKey, tuple[FrozenRecord, ...]]


_encode = msgspec.msgpack.Encoder().encode
_decode_fold = msgspec.msgpack.Decoder(_FoldBody).decode
_decode_seal = msgspec.msgpack.Decoder(_SealBody).decode


def pack(entry: Entry) -> Packed:
    """Write an entry as bytes."""
    if isinstance(entry, Fold):
        body = zlib.compress(_encode(_FoldBody(entry.rows)))
        return Packed("fold", ENTRY_VERSION, entry.at_s, entry.keys, body)
    body = zlib.compress(_encode(_SealBody(entry.upto, entry.everyone, entry.records)))
    return Packed("seal", ENTRY_VERSION, entry.at_s, b"", body)


def unpack(packed: Packed) -> Entry:
    """Read an entry back; one of an unknown version or kind raises `UnknownVersionError`."""
    if packed.version != ENTRY_VERSION or packed.kind not in ("fold", "seal"):
        raise UnknownVersionError(
            f"an entry of the log is a {packed.kind!r} of version {packed.version}, and this"
            f" release knows fold and seal of version {ENTRY_VERSION}: a newer release has written"
            " it, so deploy that one again"
        )
    body = zlib.decompress(packed.body)
    if packed.kind == "fold":
        return Fold(packed.at_s, packed.keys, _decode_fold(body).rows)
    seal = _decode_seal(body)
    return Seal(packed.at_s, seal.upto, seal.everyone, seal.records)


class Keys:
    """Remembers keys at 17 to 40 bytes each, however many: 26 million take half a GB.

    The first bytes of a key choose a bucket, to which it is appended. Finding one is a search in a
    few hundred bytes of memory, which Python does in C. Where keys become more, so do buckets.
    """

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        self._buckets = [b""] * BUCKETS_MIN
        self.count = 0

    def add(self, packed: bytes) -> None:
        """Remember keys, `KEY_BYTES` each, one behind the other."""
        self.count += len(packed) // KEY_BYTES
        number = len(self._buckets)
        while number < BUCKETS_MAX and self.count > number * BUCKET_KEYS:
            number *= BUCKETS_GROWTH
        if number > len(self._buckets):
            packed = b"".join([*self._buckets, packed])
            self._buckets = [b""] * number
        buckets = self._buckets
        starts = memoryview(packed).cast("I")[:: KEY_BYTES // 4]
        for start, (key,) in zip(starts, _WHOLE_KEY.iter_unpack(packed), strict=True):
            buckets[start % number] += key

    def check_of(self, key: bytes) -> bytes | None:
        """Return the check that a key was counted with, or None for a key never seen."""
        buckets = self._buckets
        start: int = _start_of(key)[0]
        bucket = buckets[start % len(buckets)]
        at = bucket.find(key)
        while at != -1 and at % KEY_BYTES:
            at = bucket.find(key, at + 1)
        if at == -1:
            return None
        return bucket[at + len(key) : at + KEY_BYTES]


def keys_among(packed: bytes, wanted: Collection[bytes]) -> bytes:
    """Pick the wanted keys out of an entry's, with their checks.

    >>> keys_among(b"a" * 12 + b"1234" + b"b" * 12 + b"5678", {b"b" * 12})
    b'bbbbbbbbbbbb5678'
    """
    return b"".join(key + check for key, check in _KEY.iter_unpack(packed) if key in wanted)


@dataclass(slots=True)
class OpenUsage:
    """What is counted so far for a license, dimension and hour that are not sealed."""

    total: int = 0
    last_s: int = 0
    by_tags: dict[Tags, int] = field(default_factory=dict)

    def add(self, tags: Tags, quantity: int, last_s: int) -> None:
        """Count more usage, quantity in 10⁻⁶."""
        self.total += quantity
        if last_s > self.last_s:
            self.last_s = last_s
        self.by_tags[tags] = self.by_tags.get(tags, 0) + quantity


Cell = tuple[LicenseKey, str, Hour]
"""What a record is for, and what AWS Marketplace de-duplicates by: license, dimension, hour."""


class SealedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of a seal, and where it stands: the number of the seal, the place within it."""

    seal: int
    place: int
    license: LicenseKey
    frozen: FrozenRecord

    @property
    def cell(self) -> Cell:
        """What the record is for."""
        return (self.license, self.frozen.dimension, self.frozen.hour)

    @property
    def at(self) -> tuple[int, int]:
        """Its seal and place: how call items name it."""
        return (self.seal, self.place)


def records_of(number: int, seal: Seal) -> Iterator[SealedRecord]:
    """List the records of a seal in their places."""
    place = 0
    for license_key, rows in seal.records.items():
        for row in rows:
            yield SealedRecord(number, place, license_key, row)
            place += 1


@dataclass(slots=True)
class Ledger:
    """The state of the log: what is counted, what is sealed, what is not finished.

    Attributes:
        first: number of the oldest entry read; its keys and all newer ones are known.
        last: number of the newest entry read; 0 while the log is empty.
        last_seal: number of the newest seal among them.
        first_at_s: when the oldest entry read was written.
        began_s: when the very first entry of the log was written.
        watermark: every hour up to this one is sealed for everyone.
        early: licenses that were sealed further than the watermark, alone.
        keys: what was counted already.
        open: usage that waits for its hour's seal.
        dimensions: how many of those a license has in an hour.
        unfinished: sealed records whose outcome is not known to be final.
        marked: those of them that are known to bear the mark of a dry-run.
    """

    first: int = 1
    last: int = 0
    last_seal: int = 0
    first_at_s: int = 0
    began_s: int = 0
    watermark: Hour = _NO_HOUR
    early: dict[LicenseKey, Hour] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)
    open: dict[Cell, OpenUsage] = field(default_factory=dict)
    dimensions: Counter[tuple[LicenseKey, Hour]] = field(default_factory=Counter)
    unfinished: dict[Cell, SealedRecord] = field(default_factory=dict)
    marked: set[Cell] = field(default_factory=set)

    def apply(self, number: int, entry: Entry) -> None:
        """Take in the next entry of the log.

        Numbers may be missing only where folds have expired, weeks ago.
        """
        assert number > self.last, f"entry {number} comes after {self.last}"
        if not self.last:
            self.first, self.first_at_s = number, entry.at_s
        if number == 1:
            self.began_s = entry.at_s
        self.last = number
        if isinstance(entry, Fold):
            self.keys.add(entry.keys)
            for row in entry.rows:
                cell = (row.license, row.dimension, row.hour)
                usage = self.open.get(cell)
                if usage is None:
                    usage = self.open[cell] = OpenUsage()
                    self.dimensions[row.license, row.hour] += 1
                usage.add(row.tags, row.quantity, row.last_s)
        else:
            self._apply_seal(number, entry)

    def _apply_seal(self, number: int, seal: Seal) -> None:
        self.last_seal = number
        for record in records_of(number, seal):
            self.unfinished[record.cell] = record
        if seal.everyone:
            self.watermark = max(self.watermark, seal.upto)
            self.early = {who: upto for who, upto in self.early.items() if upto > self.watermark}
        else:
            for who in seal.records:
                self.early[who] = max(seal.upto, self.sealed_upto(who))
        for cell in [cell for cell in self.open if self.is_sealed(cell[0], cell[2])]:
            del self.open[cell]
            self.dimensions.pop((cell[0], cell[2]), None)

    def apply_older(self, number: int, entry: Entry) -> None:
        """Take in the entry before the oldest one read: only its keys still matter."""
        assert number < self.first, f"entry {number} comes before {self.first}"
        self.first, self.first_at_s = number, min(self.first_at_s, entry.at_s)
        if isinstance(entry, Fold):
            self.keys.add(entry.keys)

    def sealed_upto(self, who: LicenseKey) -> Hour:
        """Return the last hour that is sealed for a license."""
        return max(self.watermark, self.early.get(who, self.watermark))

    def is_sealed(self, who: LicenseKey, hour: Hour) -> bool:
        """Tell whether a license's records for an hour are frozen."""
        return hour <= self.sealed_upto(who)

    def reaches_back_to(self, time_s: int) -> bool:
        """Tell whether every entry written since a time, by whatever clock, has been read."""
        return self.first == 1 or self.first_at_s < time_s - CLOCK_SKEW_S


def oldest_open_s(watermark: Hour) -> int:
    """Return a time before which no entry can hold usage of an hour after the watermark.

    Usage may be five minutes ahead of its fold and ride on for `FULL_HOURS_MAX` more hours.
    """
    return start_s(watermark) - (FULL_HOURS_MAX + 1) * HOUR_S
