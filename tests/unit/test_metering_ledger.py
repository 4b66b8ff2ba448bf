"""The log's entries as bytes, and the state that their replay gives."""

import msgspec
import pytest

from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import HOUR_S, Hour, start_s
from lambdas.metering.ledger import (
    CLOCK_SKEW_S,
    ENTRY_VERSION,
    KEY_BYTES,
    Entry,
    Fold,
    FrozenRecord,
    Ledger,
    OpenUsage,
    Row,
    Seal,
    pack,
    records_of,
    unpack,
)
from lambdas.versions import UnknownVersionError
from tests.unit.metering_stage import (
    LICENSE,
    NOW_S,
    OTHER,
    THIS_HOUR,
    UNIT,
    begun,
    close,
    count,
    usage,
)

Records = dict[LicenseKey, tuple[FrozenRecord, ...]]
TEAM_A, TEAM_B = (("team", "a"),), (("team", "ß"),)


def key(number: int, check: int = 0) -> bytes:
    return number.to_bytes(12, "big") + check.to_bytes(4, "big")


def row(
    quantity: int = UNIT,
    *,
    who: LicenseKey = LICENSE,
    dimension: str = "users",
    hour: int = THIS_HOUR,
    tags: tuple[tuple[str, str], ...] = (),
    last_s: int = NOW_S,
) -> Row:
    return Row(who, dimension, Hour(hour), tags, quantity, last_s)


def folded(*rows: Row, keys: bytes = b"", at_s: int = NOW_S) -> Fold:
    return Fold(at_s, keys, rows)


def record(dimension: str = "users", hour: int = THIS_HOUR) -> FrozenRecord:
    return FrozenRecord(dimension, Hour(hour), UNIT, start_s(Hour(hour)), ())


def for_everyone(upto: int, **records: FrozenRecord) -> Seal:
    rows: Records = {LicenseKey(who): (each,) for who, each in records.items()}
    return Seal(NOW_S, Hour(upto), everyone=True, records=rows)


def for_some(upto: int, *licenses: LicenseKey) -> Seal:
    rows: Records = {who: (record(hour=upto),) for who in licenses}
    return Seal(NOW_S, Hour(upto), everyone=False, records=rows)


def replayed(*entries: Entry) -> Ledger:
    ledger = Ledger()
    for number, entry in enumerate(entries, start=1):
        ledger.apply(number, entry)
    return ledger


ENTRIES = [
    pytest.param(folded(), id="fold of nothing"),
    pytest.param(
        folded(row(), row(10**16, tags=TEAM_B, dimension="größe"), keys=key(1) + key(2, 7)),
        id="fold",
    ),
    pytest.param(for_everyone(THIS_HOUR), id="seal of nothing"),
    pytest.param(
        Seal(
            NOW_S,
            THIS_HOUR,
            everyone=False,
            records={
                OTHER: (record(), record("größe")),
                LICENSE: (msgspec.structs.replace(record(), allocations=((TEAM_B, UNIT),)),),
            },
        ),
        id="seal",
    ),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_comes_back_from_its_bytes(entry: Entry) -> None:
    assert unpack(pack(entry)) == entry


def test_the_places_of_records_survive_the_bytes() -> None:
    seal = for_some(THIS_HOUR, *map(LicenseKey, ("z", "a", "m")))

    again = unpack(pack(seal))

    assert isinstance(again, Seal)
    assert list(records_of(5, again)) == list(records_of(5, seal))


@pytest.mark.parametrize("version", [0, ENTRY_VERSION + 1])
def test_an_entry_of_another_version_is_refused(version: int) -> None:
    packed = msgspec.structs.replace(pack(folded()), version=version)

    with pytest.raises(UnknownVersionError, match=f"version {version}"):
        unpack(packed)


def test_an_entry_of_another_kind_is_refused() -> None:
    packed = msgspec.structs.replace(pack(folded()), kind="moult")

    with pytest.raises(UnknownVersionError, match="'moult'"):
        unpack(packed)


def test_the_size_of_an_entry_is_that_of_its_keys_and_its_body() -> None:
    packed = pack(folded(row(), keys=key(1)))

    assert packed.size_bytes == KEY_BYTES + len(packed.body)


def test_a_text_that_comes_again_and_again_takes_little() -> None:
    packed = pack(folded(*[row(who=LicenseKey("l" * 1000), hour=each) for each in range(300)]))

    assert packed.size_bytes < 10_000


def test_folds_add_up() -> None:
    ledger = replayed(folded(row(1)), folded(row(2), row(4)))

    assert ledger.open == {(LICENSE, "users", THIS_HOUR): OpenUsage(7, NOW_S, {(): 7})}


def test_the_last_usage_is_remembered_in_whatever_order_it_comes() -> None:
    ledger = replayed(folded(row(last_s=9)), folded(row(last_s=5)))

    assert ledger.open[LICENSE, "users", THIS_HOUR].last_s == 9


def test_tag_sets_are_kept_apart() -> None:
    ledger = replayed(folded(row(1, tags=TEAM_A), row(2, tags=TEAM_B)), folded(row(4, tags=TEAM_A)))

    assert ledger.open[LICENSE, "users", THIS_HOUR].by_tags == {TEAM_A: 5, TEAM_B: 2}


def test_dimensions_of_an_hour_are_counted_once() -> None:
    ledger = replayed(folded(row(), row(dimension="calls")), folded(row(), row(hour=1)))

    assert ledger.dimensions == {(LICENSE, THIS_HOUR): 2, (LICENSE, 1): 1}


def test_a_seal_for_everyone_moves_the_watermark() -> None:
    ledger = replayed(for_everyone(5), for_everyone(7))

    assert ledger.watermark == 7


def test_a_seal_for_everyone_never_moves_the_watermark_back() -> None:
    assert replayed(for_everyone(7), for_everyone(5)).watermark == 7


def test_a_seal_closes_open_usage_up_to_its_hour() -> None:
    ledger = replayed(folded(row(hour=5), row(hour=6), row(hour=7)), for_everyone(6))

    assert [hour for _, _, hour in ledger.open] == [7]
    assert ledger.dimensions == {(LICENSE, 7): 1}


def test_a_seal_for_some_leaves_the_others_open() -> None:
    ledger = replayed(
        for_everyone(4), folded(row(hour=6), row(hour=6, who=OTHER)), for_some(6, LICENSE)
    )

    assert list(ledger.open) == [(OTHER, "users", 6)]
    assert ledger.watermark == 4


def test_a_license_sealed_early_is_sealed_further_than_the_watermark() -> None:
    ledger = replayed(for_everyone(4), for_some(6, LICENSE))

    assert (ledger.sealed_upto(LICENSE), ledger.sealed_upto(OTHER)) == (6, 4)


def test_an_early_seal_never_moves_back() -> None:
    ledger = replayed(for_everyone(4), for_some(8, LICENSE), for_some(6, LICENSE))

    assert ledger.sealed_upto(LICENSE) == 8


def test_the_watermark_overtakes_early_seals() -> None:
    ledger = replayed(for_some(6, LICENSE), for_everyone(6))

    assert ledger.early == {}
    assert ledger.sealed_upto(LICENSE) == 6


def test_an_early_seal_beyond_the_watermark_outlives_it() -> None:
    ledger = replayed(for_some(7, LICENSE), for_everyone(6))

    assert ledger.is_sealed(LICENSE, Hour(7))
    assert not ledger.is_sealed(OTHER, Hour(7))


def test_the_newest_seal_is_known_whatever_was_counted_after_it() -> None:
    ledger = begun()
    assert (ledger.last, ledger.last_seal) == (1, 1)

    count(ledger, usage("a"))
    close(ledger, THIS_HOUR)
    count(ledger, usage("b", used_s=NOW_S + HOUR_S), now_s=NOW_S + HOUR_S)

    assert (ledger.last, ledger.last_seal) == (4, 3)


def test_sealed_records_are_unfinished_until_somebody_says_otherwise() -> None:
    ledger = replayed(for_everyone(6, l1=record(hour=6), l2=record(hour=6)))

    assert [each.at for each in ledger.unfinished.values()] == [(1, 0), (1, 1)]


def test_a_record_is_named_by_its_seal_and_its_place_among_all_of_them() -> None:
    seal = Seal(
        NOW_S,
        THIS_HOUR,
        everyone=True,
        records={LICENSE: (record(), record("calls")), OTHER: (record(),)},
    )

    assert [(each.at, each.cell) for each in records_of(9, seal)] == [
        ((9, 0), (LICENSE, "users", THIS_HOUR)),
        ((9, 1), (LICENSE, "calls", THIS_HOUR)),
        ((9, 2), (OTHER, "users", THIS_HOUR)),
    ]


def test_the_first_entry_tells_when_the_log_began() -> None:
    ledger = replayed(folded(at_s=100), folded(at_s=200))

    assert (ledger.began_s, ledger.first_at_s, ledger.last) == (100, 100, 2)


def test_reading_may_begin_anywhere() -> None:
    ledger = Ledger()

    ledger.apply(7, folded(at_s=100))

    assert (ledger.first, ledger.last, ledger.first_at_s, ledger.began_s) == (7, 7, 100, 0)


@pytest.mark.parametrize("number", [1, 2])
def test_an_entry_out_of_turn_is_a_broken_promise(number: int) -> None:
    ledger = replayed(folded(), folded())

    with pytest.raises(AssertionError, match="comes after 2"):
        ledger.apply(number, folded())


def test_where_folds_have_expired_the_next_seal_follows() -> None:
    ledger = replayed(folded())

    ledger.apply(4, for_everyone(4))

    assert (ledger.last, ledger.watermark) == (4, 4)


def test_of_older_entries_only_the_keys_matter() -> None:
    ledger = Ledger()
    ledger.apply(7, for_everyone(4))

    ledger.apply_older(6, folded(row(), keys=key(1, 3)))

    assert ledger.keys.check_of(key(1)[:12]) == key(1, 3)[12:]
    assert (ledger.open, ledger.first, ledger.last) == ({}, 6, 7)


def test_older_entries_come_before_those_that_were_read() -> None:
    ledger = Ledger()
    ledger.apply(7, folded())

    with pytest.raises(AssertionError, match="comes before 7"):
        ledger.apply_older(7, folded())


def test_a_log_read_from_its_first_entry_reaches_back_to_any_time() -> None:
    assert replayed(folded()).reaches_back_to(0)


@pytest.mark.parametrize(("newer_s", "reaches"), [(CLOCK_SKEW_S, False), (CLOCK_SKEW_S + 1, True)])
def test_a_log_reaches_back_as_far_as_any_clock_may_tell(newer_s: int, reaches: bool) -> None:
    ledger = Ledger()
    ledger.apply(7, folded(at_s=NOW_S))

    assert ledger.reaches_back_to(NOW_S + newer_s) is reaches


def test_an_older_entry_with_a_fast_clock_reaches_no_less_far_back() -> None:
    ledger = Ledger()
    ledger.apply(7, folded(at_s=NOW_S - HOUR_S))

    ledger.apply_older(6, folded(at_s=NOW_S - HOUR_S + 900))

    assert ledger.reaches_back_to(NOW_S)
