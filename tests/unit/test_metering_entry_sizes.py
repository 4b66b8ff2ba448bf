"""Every entry fits into an item of 400 KB, whatever is counted, and nothing is lost to make it fit.

An entry that does not fit can never be written: metering would stop for everybody.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random

import pytest

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws import Outcomes
from lambdas.metering.fold import QUANTITY_MICROS_MAX, fold
from lambdas.metering.hours import HOUR_S, end_s
from lambdas.metering.ledger import (
    DIMENSIONS_MAX,
    ENTRY_BYTES_MAX,
    KEY_BYTES,
    Cell,
    Entry,
    Fold,
    Ledger,
    Seal,
    pack,
)
from lambdas.metering.records import Outcome, Status
from lambdas.metering.usage import Reason, Tags, Usage
from sandbox.memory import MemoryDynamoDB, create_table
from sandbox.memory.attributes import item_size
from tests.unit.metering_stage import (
    ANYTHING,
    BUYER,
    NOW_S,
    THIS_HOUR,
    append,
    begun,
    bought,
    close,
    count,
    customers,
    decide,
    frozen_in,
    sealed,
    seals_upto,
    usage,
)

ITEM_BYTES_MAX = 400 * 1024
"""Of an item, attribute names included (DynamoDB quotas)."""

OTHER_ATTRIBUTES_BYTES = 100
"""What an entry's item holds besides keys and body: pk, sk, kind, v, at, expires."""

DIGITS, LOWER = "0123456789", "abcdefghijklmnopqrstuvwxyz"
LETTERS = DIGITS + LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ +-=._:/@"


@cache
def alphabet(letters: str) -> bytes:
    return bytes(ord(letters[each * len(letters) // 256]) for each in range(256))


def text(rng: Random, size: int, letters: str = LETTERS) -> str:
    return rng.randbytes(size).translate(alphabet(letters)).decode()


def emoji(rng: Random, size: int) -> str:
    return "".join(chr(0x1F300 + each) for each in rng.randbytes(size))


def tagged(rng: Random, sets: int, size: int, letters: str = LETTERS) -> dict[Tags, int]:
    return {(("k", text(rng, size, letters)),): rng.randrange(10**9) for _ in range(sets)}


def thousands_of_licenses(rng: Random) -> Iterator[Usage]:
    for each in range(15_000):
        yield usage(f"u-{each}", rng.randrange(10**15), who=f"l-{rng.getrandbits(128):032x}")


def one_cell(rng: Random) -> Iterator[Usage]:
    for each in range(26_000):
        yield usage(None, rng.randrange(10**9), index=each)


def by_account(rng: Random) -> Iterator[Usage]:
    for each in range(13_000):
        yield usage(f"u-{each}", rng.randrange(10**9), who=BUYER)


def names_as_long_as_they_may_be(rng: Random) -> Iterator[Usage]:
    for each in range(300):
        who = text(rng, 1000, "0123456789abcdef")
        yield usage(f"u-{each}", who=who, dimension=emoji(rng, 255))


def splits_of_2500_sets(rng: Random) -> Iterator[Usage]:
    for each in range(4):
        yield usage(f"u-{each}", who=f"l-{each}", split=tagged(rng, 2500, 80))


def small_splits(rng: Random) -> Iterator[Usage]:
    for each in range(2000):
        yield usage(f"u-{each}", who=f"l-{each % 50}", split=tagged(rng, 5, 60))


def numbers_among_letters(rng: Random) -> Iterator[Usage]:
    """As from two producers with tags of their own: each compresses worse beside the other's."""
    for each in range(60):
        letters = DIGITS if each % 2 else LOWER
        yield usage(f"u-{each}", who=f"l-{each % 50}", split=tagged(rng, 72, 250, letters))


HOSTILE = {
    each.__name__: each
    for each in (
        thousands_of_licenses,
        one_cell,
        by_account,
        names_as_long_as_they_may_be,
        splits_of_2500_sets,
        small_splits,
        numbers_among_letters,
    )
}


@dataclass(frozen=True)
class Story:
    """A batch of usage, the folds that count it, what is open then, and the seals that close it."""

    batch: list[Usage]
    folds: list[Fold]
    counted: dict[Cell, int]
    seals: list[Seal]


@cache
def told(name: str) -> Story:
    """Fold a hostile batch into as many entries as it takes, then seal it."""
    batch = list(HOSTILE[name](Random(1)))
    ledger, folds, left = begun(), [], batch
    while left:
        folded = fold(ledger, left, customers=customers(bought()), terms=ANYTHING, now_s=NOW_S)
        assert folded.taken
        assert folded.entry is not None
        append(ledger, folded.entry)
        folds.append(folded.entry)
        left = left[folded.taken :]
    counted = quantities(ledger)
    return Story(batch, folds, counted, close(ledger, THIS_HOUR))


def quantities(ledger: Ledger) -> dict[Cell, int]:
    return {cell: each.total for cell, each in ledger.open.items()}


def sealed_quantities(seals: list[Seal]) -> dict[Cell, int]:
    found = frozen_in(seals)
    cells = {(who, each.dimension, each.hour): each.quantity for who, each in found}
    assert len(cells) == len(found)
    return cells


def fits(entry: Entry) -> bool:
    return pack(entry).size_bytes + OTHER_ATTRIBUTES_BYTES <= ITEM_BYTES_MAX


@pytest.mark.parametrize("name", HOSTILE)
def test_every_fold_fits_into_an_item(name: str) -> None:
    assert all(map(fits, told(name).folds))


@pytest.mark.parametrize("name", HOSTILE)
def test_every_seal_says_when_it_was_made(name: str) -> None:
    assert {each.at_s for each in told(name).seals} == {end_s(THIS_HOUR) + 600}


def test_two_hours_that_do_not_fit_together_keep_all_of_their_tags() -> None:
    ledger, rng = begun(), Random(1)
    for used_s in (NOW_S - HOUR_S, NOW_S):
        count(ledger, usage(f"{used_s}", used_s=used_s, split=tagged(rng, 2500, 120)))

    seals = seals_upto(ledger, THIS_HOUR, bought())

    assert [(each.upto, each.everyone) for each in seals] == [
        (THIS_HOUR - 1, False),
        (THIS_HOUR, True),
    ]
    assert [len(each.allocations) for _, each in frozen_in(seals)] == [2500, 2500]
    assert {each.at_s for each in seals} == {end_s(THIS_HOUR) + 600}


@pytest.mark.parametrize("name", HOSTILE)
def test_folds_together_count_all_of_the_usage(name: str) -> None:
    story = told(name)

    counted = sum(row.quantity for each in story.folds for row in each.rows)

    assert counted == sum(each.quantity for each in story.batch)


@pytest.mark.parametrize("name", HOSTILE)
def test_every_seal_fits_into_an_item(name: str) -> None:
    assert all(map(fits, told(name).seals))


@pytest.mark.parametrize("name", HOSTILE)
def test_seals_together_hold_exactly_what_was_counted(name: str) -> None:
    assert sealed_quantities(told(name).seals) == told(name).counted


@pytest.mark.parametrize("name", HOSTILE)
def test_a_split_that_was_made_smaller_still_adds_up(name: str) -> None:
    splits = [each for _, each in frozen_in(told(name).seals) if each.allocations]

    assert all(sum(part for _, part in each.allocations) == each.quantity for each in splits)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_last_of_all_seals_moves_the_watermark(name: str) -> None:
    *others, last = told(name).seals

    assert last.everyone
    assert not any(each.everyone for each in others)


def test_no_license_is_in_two_seals_of_one_hour() -> None:
    names = [who for seal in told("thousands_of_licenses").seals for who in seal.records]

    assert len(told("thousands_of_licenses").seals) > 1
    assert len(set(names)) == len(names)


def test_an_entry_is_well_filled_with_keys() -> None:
    first, *_ = told("one_cell").folds

    assert pack(first).size_bytes > ENTRY_BYTES_MAX * 0.99


@pytest.mark.parametrize(("who", "keys"), [("l-1", 1), (BUYER, 2)])
def test_keys_fill_an_entry_to_the_last_byte_and_not_beyond(who: str, keys: int) -> None:
    key_bytes = keys * KEY_BYTES
    # A row is reckoned with 40 bytes and its names; the dimension's makes keys come out even.
    dimension = "d" * ((ENTRY_BYTES_MAX - len("l-1") - 40) % key_bytes)
    fitting = (ENTRY_BYTES_MAX - len("l-1") - 40 - len(dimension)) // key_bytes
    batch = [usage(f"u-{each}", who=who, dimension=dimension) for each in range(fitting + 2)]

    known = customers(bought("l-1"))
    folded = fold(begun(), batch, customers=known, terms=ANYTHING, now_s=NOW_S)

    assert folded.taken == fitting


def test_usage_with_more_tags_than_an_entry_holds_is_refused() -> None:
    huge = usage("a", split=tagged(Random(1), 2500, 256))

    [refused] = decide(begun(), huge, usage("b")).refused

    assert (refused.index, refused.refusal.reason) == (0, Reason.TOO_LARGE)


def test_usage_behind_a_refused_giant_is_counted() -> None:
    huge = usage("a", split=tagged(Random(1), 2500, 256))

    assert decide(begun(), huge, usage("b")).counted == 1


def one_license_in_many_hours(ledger: Ledger) -> None:
    rng = Random(1)
    for each in range(8):
        split = tagged(rng, 900, 100)
        count(ledger, usage(f"u-{each}", used_s=NOW_S - each * 3600, split=split))


def many_licenses_in_two_hours(ledger: Ledger) -> None:
    rng = Random(1)
    for each in range(6):
        split = tagged(rng, 2000, 60)
        used_s = NOW_S - each % 2 * 3600
        count(ledger, usage(f"u-{each}", who=f"l-{each // 2}", used_s=used_s, split=split))


@pytest.mark.parametrize("fill", [one_license_in_many_hours, many_licenses_in_two_hours])
def test_whoever_is_stopped_between_two_seals_has_lost_nothing(
    fill: Callable[[Ledger], None],
) -> None:
    ledger = begun()
    fill(ledger)
    counted = quantities(ledger)
    seals = seals_upto(ledger, THIS_HOUR)

    assert len(seals) > 1
    for each in range(len(seals)):
        append(ledger, seals[each])
        assert sealed_quantities(seals[: each + 1]) | quantities(ledger) == counted


def test_whoever_goes_on_between_two_seals_seals_the_rest() -> None:
    ledger = begun()
    one_license_in_many_hours(ledger)
    counted = quantities(ledger)
    first = seals_upto(ledger, THIS_HOUR)[0]
    append(ledger, first)

    rest = close(ledger, THIS_HOUR)

    assert sealed_quantities([first, *rest]) == counted


def test_tags_give_way_where_one_hour_of_one_license_is_too_large() -> None:
    rng = Random(1)
    ledger = begun()
    for each in range(4):
        split = tagged(rng, 2000, 100)
        count(ledger, usage(f"u-{each}", dimension=f"d-{each}", split=split))
    counted = quantities(ledger)

    [seal] = close(ledger, THIS_HOUR)

    assert fits(seal)
    assert (seal.at_s, seal.everyone) == (end_s(THIS_HOUR) + 600, True)
    assert sealed_quantities([seal]) == counted
    assert all(each.allocations for _, each in frozen_in([seal]))


def test_only_the_records_with_most_tags_lose_half_of_them() -> None:
    rng = Random(1)
    ledger = begun()
    for sets in (2000, 1998, 1996, 1000):
        split = tagged(rng, sets, 100)
        count(ledger, usage(f"u-{sets}", dimension=f"d-{sets}", split=split))

    [seal] = close(ledger, THIS_HOUR)

    assert [len(each.allocations) for _, each in frozen_in([seal])] == [1000, 999, 998, 1000]


@pytest.mark.parametrize("write", [text, emoji])
def test_an_hour_with_as_many_dimensions_as_it_may_have_can_be_sealed(
    write: Callable[[Random, int], str],
) -> None:
    rng = Random(1)
    ledger = begun()
    count(ledger, *(usage(f"u-{at}", dimension=write(rng, 255)) for at in range(DIMENSIONS_MAX)))

    assert all(map(fits, close(ledger, THIS_HOUR)))


def test_a_dimension_too_many_rides_in_the_next_hour() -> None:
    ledger = begun()
    count(ledger, *(usage(f"u-{at}", dimension=f"d-{at}") for at in range(DIMENSIONS_MAX)))

    count(ledger, usage("one more", dimension="one-more"))

    assert (LicenseKey("l-1"), "one-more", THIS_HOUR + 1) in ledger.open


def test_outcomes_of_as_many_dimensions_as_an_hour_may_have_fit_into_one_item() -> None:
    dynamodb = MemoryDynamoDB(now=lambda: NOW_S, rng=Random(1))
    create_table(dynamodb.client(), "ledger")
    outcomes = Outcomes(dynamodb.client(), "ledger", map)
    receipt = "00000000-0000-4000-8000-000000000000"
    outcome = Outcome(Status.UNCONFIRMED, NOW_S, "DuplicateRecord", receipt)
    quantity = QUANTITY_MICROS_MAX
    outcomes.put(sealed(dimension=emoji(Random(1), 255), quantity=quantity), outcome)

    [item] = dynamodb.items("ledger")

    assert DIMENSIONS_MAX * item_size(item) < ITEM_BYTES_MAX
