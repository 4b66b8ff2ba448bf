"""Quantities and their allocations are read exactly, or rejected with the rule they break."""

import json
import time
from typing import Any

import pytest

from lambdas.metering.quantities import ALLOCATIONS_MAX
from lambdas.metering.usage import Reason, Usage
from tests.unit.usage_messages import read, record, record_without, rejected_of, usage_of


def with_number(text: str) -> str:
    """Write a record whose Quantity has exactly these characters."""
    return json.dumps(record(Quantity="HERE")).replace('"HERE"', text)


def with_decimal(text: Any) -> dict[str, Any]:
    return record_without("Quantity", QuantityAsDecimal=text)


# Quantity: a JSON number, by its value


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.0e5", 0),
        ("0e999999999999", 0),
        ("17", 17_000_000),
        ("17.0", 17_000_000),
        ("0.10", 100_000),
        ("0.1000000000", 100_000),
        ("2e2", 200_000_000),
        ("2E+2", 200_000_000),
        ("2e0", 2_000_000),
        ("2e-0006", 2),
        ("123.456789e3", 123_456_789_000),
        ("1234567890000e-6", 1_234_567_890_000),
        ("9007199254.740993", 9_007_199_254_740_993),
        ("9999999999.999999", 9_999_999_999_999_999),
        ("9999999999.9999990", 9_999_999_999_999_999),
        ("0." + "0" * 100 + "1e101", 1_000_000),
    ],
)
def test_a_number_is_read_exactly(text: str, micros: int) -> None:
    assert usage_of(with_number(text)).quantity == micros


@pytest.mark.parametrize(
    "text",
    [
        "10000000000",
        "9999999999.9999995",
        "0.0000001",
        "1e10",
        "1e400",
        "1e999999",
        "1e999999999999999999999",
        "1e-7",
        "1e-999999999999999999999",
        "1" * 5_000,
        "1." + "1" * 5_000,
    ],
)
def test_a_number_of_too_many_digits_is_rejected(text: str) -> None:
    assert rejected_of(with_number(text)).reason is Reason.TOO_MANY_DIGITS


@pytest.mark.parametrize("text", ["-1", "-0.0000001", "-1e999999", "-1e-999999"])
def test_a_negative_number_is_rejected(text: str) -> None:
    assert rejected_of(with_number(text)).reason is Reason.NEGATIVE


@pytest.mark.parametrize(
    ("value", "kind"),
    [("5", "text"), (True, "true"), (False, "false"), ([5], "a list"), ({"N": 5}, "an object")],
)
def test_a_quantity_of_another_type_is_told_what_it_is(value: Any, kind: str) -> None:
    rejected = rejected_of(record(Quantity=value))

    assert rejected.tell == f"Quantity must be a JSON number, not {kind}."


@pytest.mark.parametrize(
    "text",
    [
        "1e" + "9" * 900_000,
        "1e-" + "9" * 900_000,
        "9" * 900_000,
        "0." + "0" * 900_000 + "1",
        "0." + "0" * 900_000 + "1e900001",
        "-" + "9" * 900_000,
        "[" + "1," * 400_000 + "1]",
        '"' + "9" * 900_000 + '"',
    ],
)
def test_a_quantity_of_a_million_characters_is_read_in_no_time(text: str) -> None:
    body = with_number(text)
    started = time.process_time()

    read(body)

    assert time.process_time() - started < 2


# QuantityAsDecimal: a text, by its characters


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("0.0", 0),
        ("17.42", 17_420_000),
        ("17.420000", 17_420_000),
        ("0.000001", 1),
        ("9999999999.999999", 9_999_999_999_999_999),
    ],
)
def test_a_decimal_is_read_exactly(text: str, micros: int) -> None:
    assert usage_of(with_decimal(text)).quantity == micros


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.BAD_NUMBER),
        (" 1", Reason.BAD_NUMBER),
        ("1\n", Reason.BAD_NUMBER),
        ("1.", Reason.BAD_NUMBER),
        (".5", Reason.BAD_NUMBER),
        ("1,5", Reason.BAD_NUMBER),
        ("1_000", Reason.BAD_NUMBER),
        ("1e3", Reason.BAD_NUMBER),
        ("+1", Reason.BAD_NUMBER),
        ("-0", Reason.BAD_NUMBER),
        ("--1", Reason.BAD_NUMBER),
        ("007", Reason.BAD_NUMBER),
        ("00", Reason.BAD_NUMBER),
        ("NaN", Reason.BAD_NUMBER),
        ("Infinity", Reason.BAD_NUMBER),
        ("１２", Reason.BAD_NUMBER),
        ("1.٥", Reason.BAD_NUMBER),
        ("-1", Reason.NEGATIVE),
        ("-0.0000001", Reason.NEGATIVE),
        ("10000000000", Reason.TOO_MANY_DIGITS),
        ("1.0000000", Reason.TOO_MANY_DIGITS),
        ("9" * 900_000, Reason.TOO_MANY_DIGITS),
    ],
)
def test_a_decimal_that_aws_would_refuse_is_rejected(text: str, reason: Reason) -> None:
    assert rejected_of(with_decimal(text)).reason is reason


def test_the_side_of_the_point_that_has_too_many_digits_is_told() -> None:
    assert "6 digits may stand after the point" in rejected_of(with_decimal("1.0000000")).tell


@pytest.mark.parametrize("value", [17.42, True, ["1"], {}])
def test_a_decimal_that_is_no_text_is_of_the_wrong_type(value: Any) -> None:
    rejected = rejected_of(with_decimal(value))

    assert (rejected.reason, rejected.field) == (Reason.WRONG_TYPE, "QuantityAsDecimal")


@pytest.mark.parametrize("other", [0, None])
def test_a_quantity_that_is_null_is_not_there(other: int | None) -> None:
    found = read(record(Quantity=other, QuantityAsDecimal="1"))

    assert isinstance(found[0], Usage) == (other is None)


# UsageAllocations


def tagged(quantity: Any, **tags: Any) -> dict[str, Any]:
    written = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {"AllocatedUsageQuantity": quantity, "Tags": written}


def untagged(quantity: Any) -> dict[str, Any]:
    return {"AllocatedUsageQuantity": quantity}


def test_tags_are_sorted_by_key_and_allocations_by_tags() -> None:
    usage = usage_of(record(UsageAllocations=[tagged(1, b="2", a="1"), untagged(2)]))

    assert usage.allocations == (((), 2_000_000), ((("a", "1"), ("b", "2")), 1_000_000))


def test_allocations_may_have_fractions() -> None:
    allocations = [tagged(0.1, a="1"), tagged(0.2, a="2"), untagged(2.7)]

    assert len(usage_of(record(UsageAllocations=allocations)).allocations) == 3


def test_an_allocation_may_be_zero() -> None:
    assert usage_of(record(UsageAllocations=[tagged(0, a="1"), untagged(3)])).quantity == 3_000_000


def test_tags_that_are_null_are_not_there() -> None:
    allocations = [untagged(3) | {"Tags": None, "AllocatedUsageQuantityAsDecimal": None}]

    assert usage_of(record(UsageAllocations=allocations)).allocations == (((), 3_000_000),)


def test_allocations_of_decimals_are_decimals() -> None:
    allocations = [{"AllocatedUsageQuantityAsDecimal": "1.5"}]

    usage = usage_of(with_decimal("1.50") | {"UsageAllocations": allocations})

    assert usage.allocations == (((), 1_500_000),)


@pytest.mark.parametrize(
    ("allocations", "reason"),
    [
        ([], Reason.BAD_ALLOCATIONS),
        ({}, Reason.BAD_ALLOCATIONS),
        ("[]", Reason.BAD_ALLOCATIONS),
        ([3], Reason.BAD_ALLOCATIONS),
        ([{}], Reason.BAD_ALLOCATIONS),
        ([tagged(3, a="1") | {"tags": []}], Reason.BAD_ALLOCATIONS),
        ([{"AllocatedUsageQuantityAsDecimal": "3"}], Reason.BAD_ALLOCATIONS),
        ([untagged(3) | {"AllocatedUsageQuantityAsDecimal": "3"}], Reason.BAD_ALLOCATIONS),
        ([untagged(2)], Reason.BAD_ALLOCATIONS),
        ([untagged(3.000001)], Reason.BAD_ALLOCATIONS),
        ([untagged(1), untagged(2)], Reason.BAD_ALLOCATIONS),
        ([tagged(1, a="1", b="2"), tagged(2, b="2", a="1")], Reason.BAD_ALLOCATIONS),
        ([tagged(3, a=1)], Reason.BAD_ALLOCATIONS),
        ([untagged(3) | {"Tags": [{"Key": "a"}]}], Reason.BAD_ALLOCATIONS),
        ([untagged(3) | {"Tags": {"a": "1"}}], Reason.BAD_ALLOCATIONS),
        ([untagged(0)] * (ALLOCATIONS_MAX + 1), Reason.BAD_ALLOCATIONS),
        ([untagged("3")], Reason.WRONG_TYPE),
        ([untagged(-3), tagged(6, a="1")], Reason.NEGATIVE),
        ([untagged(1e-7)], Reason.TOO_MANY_DIGITS),
        ([untagged(3) | {"Tags": []}], Reason.BAD_TAG),
        ([untagged(3) | {"Tags": [{"Key": "a", "Value": "1"}] * 2}], Reason.BAD_TAG),
        ([tagged(3, a="")], Reason.BAD_TAG),
        ([tagged(3, **{"": "1"})], Reason.BAD_TAG),
        ([tagged(3, a="v" * 257)], Reason.BAD_TAG),
        ([tagged(3, **{"k" * 101: "1"})], Reason.BAD_TAG),
        ([tagged(3, a="1;2")], Reason.BAD_TAG),
        ([tagged(3, a="1\n")], Reason.BAD_TAG),
        ([tagged(3, a="é")], Reason.BAD_TAG),
        ([tagged(3, a="٣")], Reason.BAD_TAG),
        ([tagged(3, **{"a&b": "1"})], Reason.BAD_TAG),
        ([tagged(0, **{f"k{each}": "1"}) for each in range(6)], Reason.BAD_TAG),
    ],
)
def test_allocations_that_aws_would_refuse_are_rejected(allocations: Any, reason: Reason) -> None:
    rejected = rejected_of(record(UsageAllocations=allocations))

    assert (rejected.reason, rejected.field) == (reason, "UsageAllocations")


def test_five_tag_keys_of_the_longest_kind_are_taken() -> None:
    tags = {f"{each}" + "k" * 99: "v" * 256 for each in range(5)}

    assert len(usage_of(record(UsageAllocations=[tagged(3, **tags)])).allocations[0][0]) == 5


def test_every_character_that_a_tag_may_hold_is_taken() -> None:
    characters = "AZaz09 +-=._:/@"

    usage = usage_of(record(UsageAllocations=[tagged(3, **{characters: characters})]))

    assert usage.allocations == ((((characters, characters),), 3_000_000),)


def test_the_most_allocations_are_taken() -> None:
    allocations = [tagged(0, team=f"{each}") for each in range(ALLOCATIONS_MAX - 1)] + [untagged(3)]

    usage = usage_of(record(UsageAllocations=allocations))

    assert len(usage.allocations) == ALLOCATIONS_MAX


def test_a_wrong_sum_is_told_with_both_numbers() -> None:
    rejected = rejected_of(record(Quantity=11, UsageAllocations=[untagged(10.5)]))

    assert rejected.tell == (
        "UsageAllocations add up to 10.5, the quantity is 11; the two must be equal."
    )


def test_the_place_of_a_bad_allocation_is_told() -> None:
    allocations = [untagged(1), tagged("2", a="1")]

    assert "UsageAllocations[1]" in rejected_of(record(UsageAllocations=allocations)).tell
