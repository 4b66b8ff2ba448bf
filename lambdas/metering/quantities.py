"""Exact quantities out of JSON: numbers and decimal texts, and how usage is split by tags.

A quantity is an integer of 10⁻⁶ units ("micros") and never passes through a binary float.
"""

import re
from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec import Raw

from lambdas.metering.reasons import NotUnderstoodError, Reason, kind_of, shown

Tags: TypeAlias = tuple[tuple[str, str], ...]
"""The tags of one allocation, sorted by key; empty for the untagged rest."""

Allocations: TypeAlias = tuple[tuple[Tags, int], ...]
"""How a quantity is split; sorted by tags. Empty where the producer does not split it."""

MICROS_PER_UNIT = 1_000_000

INTEGER_DIGITS_MAX = 10
DECIMAL_DIGITS_MAX = 6
"""``QuantityAsDecimal`` has at most 10 digits before the point and 6 after it (botocore 1.44.5,
service model); so no quantity passes 9,999,999,999.999999."""

ALLOCATIONS_MAX = 2_500
TAG_KEYS_MAX = 5
TAG_KEY_CHARS_MAX = 100
TAG_VALUE_CHARS_MAX = 256
"""Of one usage record (botocore 1.44.5, service model). The user guide reads "5 tags" as keys over
the whole list of allocations, the model as tags of one allocation; the guide is the stricter."""

ABSENT = Raw(b"")
"""Stands for a field that is not there."""

_NUMBER = re.compile(rb"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)0*([0-9]*))?")
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,6})?")
_DECIMAL_OF_ANY_LENGTH = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
# The model's pattern has a range " -=" that lets in most punctuation, probably by mistake.
_TAG_TEXT = re.compile(r"[A-Za-z0-9 +=._:/@-]+")

_EXPONENT_MAX = 10**9
"""An exponent is cut here: no message is long enough to make up for a larger one."""


class _Tag(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    Key: str
    Value: str


class _Allocation(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    AllocatedUsageQuantity: Raw = ABSENT
    AllocatedUsageQuantityAsDecimal: str | None = None
    Tags: list[_Tag] | None = None


_ALLOCATIONS = msgspec.json.Decoder(list[_Allocation])


def given(raw: Raw) -> bytes:
    """Return the JSON text of a field; empty where it is absent or null, which is the same.

    >>> given(Raw(b"17")), given(Raw(b"null")), given(ABSENT)
    (b'17', b'', b'')
    """
    text = bytes(raw)
    return b"" if text == b"null" else text


def exact_number(json: bytes) -> tuple[bool, bytes, int] | None:
    """Take a JSON number apart, exactly and in linear time whatever its exponent.

    Returns:
        Whether it is negative, its significant digits (empty for zero) and the power of ten
        they are to be multiplied by; None if it is no number.

    >>> exact_number(b"-12.50e2"), exact_number(b"-0.0e9"), exact_number(b"true")
    ((True, b'125', 1), (False, b'', 0), None)
    """
    match = _NUMBER.fullmatch(json)
    if match is None:
        return None
    sign, whole, fraction, exponent_sign, exponent = match.groups(default=b"")
    written = (whole + fraction).lstrip(b"0")
    digits = written.rstrip(b"0")
    if not digits:
        return False, b"", 0
    power = int(exponent or b"0") if len(exponent) < 10 else _EXPONENT_MAX
    if exponent_sign == b"-":
        power = -power
    return bool(sign), digits, power - len(fraction) + len(written) - len(digits)


def micros_of_number(json: bytes, field: str) -> int:
    """Read a JSON number by its value, so that 17, 17.0 and 1.7e1 are the same quantity.

    >>> [micros_of_number(each, "Quantity") for each in (b"17", b"0.1", b"2e2", b"-0.0")]
    [17000000, 100000, 200000000, 0]

    Raises:
        NotUnderstoodError: not a number, negative, or too many digits.
    """
    if json.isdigit() and len(json) <= INTEGER_DIGITS_MAX:
        return int(json) * MICROS_PER_UNIT
    number = exact_number(json)
    if number is None:
        tell = f"{field} must be a JSON number, not {kind_of(json)}."
        raise NotUnderstoodError(Reason.WRONG_TYPE, field, tell)
    negative, digits, power = number
    if negative:
        raise _negative(json.decode(), field)
    if not digits:
        return 0
    if power < -DECIMAL_DIGITS_MAX:
        raise _too_many_digits(json.decode(), field, "after", DECIMAL_DIGITS_MAX)
    if len(digits) + power > INTEGER_DIGITS_MAX:
        raise _too_many_digits(json.decode(), field, "before", INTEGER_DIGITS_MAX)
    return int(digits + b"0" * (power + DECIMAL_DIGITS_MAX))


def micros_of_decimal(text: str, field: str) -> int:
    """Read a decimal text as AWS Marketplace does: by its characters, not by its value.

    >>> [micros_of_decimal(each, "QuantityAsDecimal") for each in ("17", "17.42", "0.000001")]
    [17000000, 17420000, 1]

    Raises:
        NotUnderstoodError: AWS Marketplace would refuse the text.
    """
    if _DECIMAL.fullmatch(text) is None:
        raise _why_no_decimal(text, field)
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(DECIMAL_DIGITS_MAX, "0"))


def _why_no_decimal(text: str, field: str) -> NotUnderstoodError:
    match = _DECIMAL_OF_ANY_LENGTH.fullmatch(text)
    if match is None:
        tell = (
            f"{field} is {shown(text)}; write the digits 0 to 9 and at most one point, as 123.45."
        )
        return NotUnderstoodError(Reason.BAD_NUMBER, field, tell)
    sign, whole, fraction = match.groups(default="")
    if sign and (whole + fraction).strip("0"):
        return _negative(text, field)
    if sign or (whole[0] == "0" and len(whole) > 1):
        tell = f"{field} is {shown(text)}; write it without sign and leading zeros."
        return NotUnderstoodError(Reason.BAD_NUMBER, field, tell)
    if len(whole) > INTEGER_DIGITS_MAX:
        return _too_many_digits(text, field, "before", INTEGER_DIGITS_MAX)
    return _too_many_digits(text, field, "after", DECIMAL_DIGITS_MAX)


def _negative(text: str, field: str) -> NotUnderstoodError:
    tell = f"{field} is {shown(text)}, which is negative; usage cannot be taken back."
    return NotUnderstoodError(Reason.NEGATIVE, field, tell)


def _too_many_digits(text: str, field: str, side: str, digits_max: int) -> NotUnderstoodError:
    tell = f"{field} is {shown(text)}; at most {digits_max} digits may stand {side} the point."
    return NotUnderstoodError(Reason.TOO_MANY_DIGITS, field, tell)


def read_allocations(json: bytes, quantity: int, *, as_decimal: bool) -> Allocations:
    """Read how a quantity is split by tags, and hold it against the quantity.

    Args:
        json: the JSON text of ``UsageAllocations``.
        quantity: what the allocations must add up to, in micros.
        as_decimal: whether the record gives ``QuantityAsDecimal``; its allocations must then too.

    Raises:
        NotUnderstoodError: AWS Marketplace would refuse the allocations.

    >>> read_allocations(b'[{"AllocatedUsageQuantity": 2, "Tags": [{"Key": "k", "Value": "v"}]}]',
    ...                  2_000_000, as_decimal=False)
    (((('k', 'v'),), 2000000),)
    """
    try:
        written = _ALLOCATIONS.decode(json)
    except msgspec.ValidationError as error:
        raise _bad(f"UsageAllocations is not well-formed: {error}.") from None
    if not written:
        raise _bad("UsageAllocations is an empty list; leave the field out.")
    if len(written) > ALLOCATIONS_MAX:
        raise _bad(
            f"UsageAllocations has {len(written):,} entries; {ALLOCATIONS_MAX:,} is the most."
        )
    split: dict[Tags, int] = {}
    for index, each in enumerate(written):
        tags = () if each.Tags is None else _tags(each.Tags)
        if tags in split:
            same = "the same tags" if tags else "no tags"
            raise _bad(f"UsageAllocations has two entries with {same}; add them up in one.")
        split[tags] = _allocated(each, index, as_decimal=as_decimal)
    _check_tag_keys(split)
    if sum(split.values()) != quantity:
        sums = f"{decimal_text(sum(split.values()))}, the quantity is {decimal_text(quantity)}"
        raise _bad(f"UsageAllocations add up to {sums}; the two must be equal.")
    return tuple(sorted(split.items()))


def _allocated(each: _Allocation, index: int, *, as_decimal: bool) -> int:
    number, text = given(each.AllocatedUsageQuantity), each.AllocatedUsageQuantityAsDecimal
    wanted = "AllocatedUsageQuantityAsDecimal" if as_decimal else "AllocatedUsageQuantity"
    if (text is not None) != as_decimal or bool(number) == as_decimal:
        record = "QuantityAsDecimal" if as_decimal else "Quantity"
        raise _bad(
            f"UsageAllocations[{index}] needs {wanted} and no other: the record has {record}."
        )
    try:
        return micros_of_number(number, wanted) if text is None else micros_of_decimal(text, wanted)
    except NotUnderstoodError as error:
        tell = f"UsageAllocations[{index}]: {error.tell}"
        raise NotUnderstoodError(error.reason, "UsageAllocations", tell) from None


def _tags(written: list[_Tag]) -> Tags:
    if not written:
        raise _bad_tag("Tags is an empty list; leave the field out.")
    for tag in written:
        if not 1 <= len(tag.Key) <= TAG_KEY_CHARS_MAX:
            raise _bad_tag(f"a tag key has 1 to {TAG_KEY_CHARS_MAX} characters: {shown(tag.Key)}.")
        if not 1 <= len(tag.Value) <= TAG_VALUE_CHARS_MAX:
            value = f"{shown(tag.Value)} of {shown(tag.Key)}"
            raise _bad_tag(f"a tag value has 1 to {TAG_VALUE_CHARS_MAX} characters: {value}.")
        if _TAG_TEXT.fullmatch(tag.Key + tag.Value) is None:
            allowed = "letters (A to Z), digits, space and + - = . _ : / @"
            raise _bad_tag(f"a tag holds {allowed} only: {shown(tag.Key)}: {shown(tag.Value)}.")
    tags = tuple(sorted((tag.Key, tag.Value) for tag in written))
    if len(dict(tags)) < len(tags):
        raise _bad_tag("one allocation has a tag key twice; keep one of them.")
    return tags


def _check_tag_keys(tag_sets: Iterable[Tags]) -> None:
    keys = {key for tags in tag_sets for key, _ in tags}
    if len(keys) > TAG_KEYS_MAX:
        raise _bad_tag(
            f"the record has {len(keys)} different tag keys; {TAG_KEYS_MAX} is the most."
        )


def _bad(tell: str) -> NotUnderstoodError:
    return NotUnderstoodError(Reason.BAD_ALLOCATIONS, "UsageAllocations", tell)


def _bad_tag(tell: str) -> NotUnderstoodError:
    return NotUnderstoodError(Reason.BAD_TAG, "UsageAllocations", f"UsageAllocations: {tell}")


def decimal_text(micros: int) -> str:
    """Write a quantity of 10⁻⁶ as AWS Marketplace's decimals: no exponent, no idle zeros.

    >>> decimal_text(17_420_000), decimal_text(2_000_000), decimal_text(1)
    ('17.42', '2', '0.000001')
    """
    whole, rest = divmod(micros, MICROS_PER_UNIT)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".") if rest else str(whole)
