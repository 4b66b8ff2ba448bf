"""The memory of keys: packed, found again exactly, and no larger than it says."""

import tracemalloc
from random import Random

import pytest

from lambdas.metering.ledger import BUCKET_KEYS, BUCKETS_MIN, KEY_BYTES, Keys


def key(number: int, check: int = 0) -> bytes:
    return number.to_bytes(12, "big") + check.to_bytes(4, "big")


def test_a_key_nobody_counted_is_unknown() -> None:
    assert Keys().check_of(bytes(12)) is None


def test_a_key_comes_back_with_its_check() -> None:
    keys = Keys()

    keys.add(key(1, 11) + key(2, 22))

    assert keys.check_of(key(2)[:12]) == key(2, 22)[12:]


def test_keys_that_begin_alike_are_told_apart() -> None:
    keys = Keys()
    alike = [key(number, number) for number in range(300)]

    keys.add(b"".join(alike))

    assert [keys.check_of(each[:12]) for each in alike] == [each[12:] for each in alike]


def test_keys_that_differ_in_their_first_two_bytes_only_are_told_apart() -> None:
    keys = Keys()
    spread = [
        number.to_bytes(2, "big") + bytes(10) + number.to_bytes(4, "big") for number in (1, 2)
    ]

    keys.add(b"".join(spread))

    assert [keys.check_of(each[:12]) for each in spread] == [each[12:] for each in spread]


def two_neighbours(shift: int) -> bytes:
    """Two keys of one bucket, and between them bytes that begin as both do."""
    packed = bytearray(range(1, 33))
    for start in (0, KEY_BYTES, shift):
        packed[start : start + 4] = bytes(4)
    return bytes(packed)


@pytest.mark.parametrize("shift", range(1, KEY_BYTES))
def test_bytes_of_two_neighbours_are_no_key(shift: int) -> None:
    keys = Keys()
    packed = two_neighbours(shift)
    keys.add(packed)

    assert keys.check_of(packed[shift : shift + 12]) is None


@pytest.mark.parametrize("shift", range(1, KEY_BYTES))
def test_a_key_is_found_behind_bytes_that_look_like_it(shift: int) -> None:
    keys = Keys()
    packed = two_neighbours(shift)
    wanted = packed[shift : shift + 12]

    keys.add(packed + wanted + b"good")

    assert keys.check_of(wanted) == b"good"


def test_a_key_is_found_between_bytes_that_look_like_it() -> None:
    keys = Keys()
    before, after = two_neighbours(5), two_neighbours(9)
    wanted = before[5:17]

    keys.add(before + wanted + b"good" + after)

    assert keys.check_of(wanted) == b"good"


def test_a_key_is_found_between_and_within_runs_of_its_bytes() -> None:
    keys = Keys()
    run = b"aa" + b"x" + b"a" * 13

    keys.add(run + b"a" * 12 + b"good" + run)

    assert keys.check_of(b"a" * 12) == b"good"


def test_keys_of_one_repeated_byte_are_found() -> None:
    keys = Keys()
    keys.add(b"a" * 12 + b"aaab" + b"a" * 11 + b"b" + b"here")

    assert keys.check_of(b"a" * 11 + b"b") == b"here"


def test_a_hundred_thousand_keys_are_all_found_and_no_other() -> None:
    rng = Random(1)
    known = [rng.randbytes(KEY_BYTES) for _ in range(100_000)]
    keys = Keys()

    keys.add(b"".join(known))

    assert keys.count == 100_000
    assert all(keys.check_of(each[:12]) == each[12:] for each in known)
    assert not any(keys.check_of(rng.randbytes(12)) for _ in range(20_000))


def test_keys_of_several_entries_are_counted_together() -> None:
    keys = Keys()

    keys.add(key(1) + key(2))
    keys.add(key(3))

    assert keys.count == 3
    assert isinstance(keys.count, int)


@pytest.fixture(scope="module")
def many() -> list[bytes]:
    """Keys for which there must be more buckets than at first."""
    rng = Random(1)
    return [rng.randbytes(KEY_BYTES) for _ in range(BUCKETS_MIN * BUCKET_KEYS + 20_000)]


def test_keys_are_found_when_there_are_more_buckets_than_before(many: list[bytes]) -> None:
    keys = Keys()

    for at in range(0, len(many), 50_000):
        keys.add(b"".join(many[at : at + 50_000]))

    assert keys.count == len(many)
    assert all(keys.check_of(each[:12]) == each[12:] for each in many)


def test_keys_are_found_that_came_all_at_once(many: list[bytes]) -> None:
    keys = Keys()

    keys.add(b"".join(many))

    assert keys.count == len(many)
    assert all(keys.check_of(each[:12]) == each[12:] for each in many)


@pytest.mark.parametrize("number", [30_000, BUCKETS_MIN * BUCKET_KEYS, None])
def test_a_key_takes_forty_bytes_at_most(many: list[bytes], number: int | None) -> None:
    keys = Keys()
    packed = b"".join(many[:number])
    tracemalloc.start()

    keys.add(packed)

    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken_bytes < 40 * keys.count


def test_nothing_remembered_takes_little_memory() -> None:
    tracemalloc.start()

    keys = Keys()

    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert keys.count == 0
    assert taken_bytes < 40_000
