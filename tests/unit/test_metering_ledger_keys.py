"""The memory of keys: packed, found again exactly, and no larger than it says."""

import tracemalloc
from random import Random

import pytest

from lambdas.metering.ledger import KEY_BYTES, Keys


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


@pytest.mark.parametrize("shift", range(1, 14))
def test_bytes_of_two_neighbours_are_no_key(shift: int) -> None:
    keys = Keys()
    rest = bytes(range(1, 29))
    keys.add(b"\0\0" + rest[:14] + b"\0\0" + rest[14:])

    assert keys.check_of(b"\0\0" + rest[shift : shift + 10]) is None


@pytest.mark.parametrize("shift", range(1, 14))
def test_a_key_is_found_behind_bytes_that_look_like_it(shift: int) -> None:
    keys = Keys()
    wanted = bytes(range(1, 11))
    decoy = (bytes(shift) + wanted + bytes(18))[:28]
    keys.add(b"\0\0" + decoy[:14] + b"\0\0" + decoy[14:])
    keys.add(b"\0\0" + wanted + b"good")

    assert keys.check_of(b"\0\0" + wanted) == b"good"


def test_a_key_is_found_right_behind_a_byte_that_looks_like_its_first() -> None:
    keys = Keys()
    keys.add(b"\0\0" + b"b" * 10 + b"ccca" + b"\0\0" + b"a" * 10 + b"good")

    assert keys.check_of(b"\0\0" + b"a" * 10) == b"good"


def test_a_key_is_found_between_bytes_that_look_like_it() -> None:
    keys = Keys()
    wanted = bytes(range(1, 11))
    decoy = (bytes(2) + wanted + bytes(2))[:14]
    for each in (decoy, wanted + b"good", decoy):
        keys.add(b"\0\0" + each)

    assert keys.check_of(b"\0\0" + wanted) == b"good"


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


def test_a_key_takes_no_more_memory_than_in_its_entry() -> None:
    rng = Random(1)
    # Sixteen buckets hold as many keys each as all buckets do when there are 200 million.
    packed = b"".join(bytes([0, rng.randrange(16)]) + rng.randbytes(14) for _ in range(50_000))
    keys = Keys()
    tracemalloc.start()

    keys.add(packed)

    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken_bytes < KEY_BYTES * 50_000


def test_buckets_take_little_memory_themselves() -> None:
    keys = Keys()
    one_in_each = b"".join(number.to_bytes(2, "big") + bytes(14) for number in range(65_536))
    tracemalloc.start()

    keys.add(one_in_each)

    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken_bytes < 12_000_000
