"""Tag sets merge until AWS Marketplace takes them; not a millionth of the quantity is lost."""

import json
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.metering.quantities import ALLOCATIONS_MAX, TAG_KEYS_MAX
from lambdas.metering.records import usage_record
from lambdas.metering.tags import merged
from lambdas.metering.usage import Allocations, Tags
from tests.unit.metering_stage import UNIT, bought, sealed

RECORD_BYTES_MAX = 1_000_000
"""A call of one record must be taken, too: "less than 1 MB" (API reference of BatchMeterUsage)."""

TEXT = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 +-=._:/@"


def tag(value: str, key: str = "team") -> Tags:
    return ((key, value),)


def many(count: int, quantity: int = UNIT) -> dict[Tags, int]:
    return {tag(f"{each:05}"): quantity for each in range(count)}


def random_split(sets: int, keys: int, letters: int) -> dict[Tags, int]:
    """Return a split by hostile tags, five of ``keys`` different ones to a set."""
    rng = Random(sets)
    text = "".join(rng.choices(TEXT, k=20_000))

    def piece(letters: int) -> str:
        start = rng.randrange(len(text) - letters)
        return text[start : start + letters]

    names = [piece(min(letters, 90)) + str(each) for each in range(keys)]
    return {
        tuple(sorted((key, piece(letters)) for key in rng.sample(names, min(keys, 5)))): (
            rng.randrange(10**10)
        )
        for _ in range(sets)
    }


def wire_bytes(allocations: Allocations) -> int:
    """Measure a record with this split as botocore writes it."""
    quantity = sum(each for _, each in allocations)
    wire = usage_record(sealed(quantity=quantity, allocations=allocations), bought())
    return len(json.dumps(wire, default=str))


def test_usage_without_tags_needs_no_split() -> None:
    assert merged({(): 5}) == ()


def test_a_split_comes_largest_first_after_the_untagged_part() -> None:
    assert merged({tag("a"): 1, (): 2, tag("b"): 3}) == (
        ((), 2),
        (tag("b"), 3),
        (tag("a"), 1),
    )


def test_a_split_does_not_depend_on_the_order_of_usage() -> None:
    split = many(20)
    backwards = dict(reversed(split.items()))

    assert merged(split) == merged(backwards)


def test_an_untagged_part_of_nothing_is_left_out() -> None:
    assert merged({(): 0, tag("a"): 1}) == ((tag("a"), 1),)


def test_a_tagged_part_of_nothing_stays() -> None:
    assert merged({tag("a"): 0}) == ((tag("a"), 0),)


def test_as_many_tag_sets_as_aws_takes_stay_as_they_are() -> None:
    split = many(ALLOCATIONS_MAX)

    assert dict(merged(split)) == split


def test_as_many_sets_as_aws_takes_stay_with_an_untagged_one_among_them() -> None:
    split = many(ALLOCATIONS_MAX - 1) | {(): UNIT}

    assert dict(merged(split)) == split


def test_one_set_too_many_joins_the_untagged_one() -> None:
    split = many(ALLOCATIONS_MAX) | {(): UNIT}

    assert len(merged(split)) == ALLOCATIONS_MAX


def test_the_smallest_parts_lose_their_tags_first() -> None:
    small = {tag("small", "k1"): 1}
    large = {tag("large", f"key-{each}"): 2 for each in range(5)}

    assert dict(merged(small | large)) == large | {(): 1}


def test_five_different_keys_stay() -> None:
    split = {tag("x", f"key-{each}"): UNIT for each in range(TAG_KEYS_MAX)}

    assert dict(merged(split)) == split


def test_a_sixth_key_goes_however_few_sets_there_are() -> None:
    split = {tag("x", f"key-{each}"): UNIT + each for each in range(TAG_KEYS_MAX + 1)}

    kept = {key for tags, _ in merged(split) for key, _ in tags}

    assert kept == {f"key-{each}" for each in range(1, TAG_KEYS_MAX + 1)}


def test_a_split_that_is_asked_to_have_no_parts_has_none() -> None:
    assert merged({tag("a"): 1}, sets_max=0) == ()


HOSTILE = {
    "longest": (2500, 5, 256),
    "shortest": (2500, 5, 1),
    "just within": (2499, 5, 60),
    "many keys": (3000, 40, 20),
    "many sets": (6000, 2, 30),
}
"""Splits by the number of their sets, of their keys, and of the letters of a value."""


@pytest.mark.parametrize("shape", HOSTILE.values(), ids=HOSTILE)
def test_a_merged_record_fits_into_a_call_and_keeps_its_sum(shape: tuple[int, int, int]) -> None:
    split = random_split(*shape)

    found = merged(split)

    assert wire_bytes(found) < RECORD_BYTES_MAX - 1000
    assert sum(each for _, each in found) == sum(split.values())


splits = st.dictionaries(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("xyz"), max_size=5).map(
        lambda tags: tuple(sorted(tags.items()))
    ),
    st.integers(0, 10**16),
    max_size=30,
)


def keys_of(split: Iterable[Tags]) -> set[str]:
    return {key for tags in split for key, _ in tags}


@given(splits, st.integers(0, 12))
def test_a_merged_split_obeys_every_limit(split: dict[Tags, int], sets_max: int) -> None:
    found = dict(merged(split, sets_max=sets_max))

    assert len(found) <= sets_max
    assert len(keys_of(found)) <= TAG_KEYS_MAX
    assert not found or sum(found.values()) == sum(split.values())


def tagged(split: dict[Tags, int]) -> dict[Tags, int]:
    return {tags: quantity for tags, quantity in split.items() if tags}


@given(splits)
def test_a_split_with_few_keys_stays(split: dict[Tags, int]) -> None:
    few = {tags: each for tags, each in split.items() if keys_of([tags]) <= set("abcde")}

    assert tagged(dict(merged(few))) == tagged(few)


@given(splits, st.integers(0, 12))
def test_only_the_smallest_parts_lose_their_tags(split: dict[Tags, int], sets_max: int) -> None:
    found = dict(merged(split, sets_max=sets_max))

    kept = tagged(found).values()
    lost = [quantity for tags, quantity in tagged(split).items() if tags not in found]
    assert min(kept, default=10**16) >= max(lost, default=0)
