"""DynamoDB's attribute values: validated, compared and weighed as DynamoDB does.

A stored value is shaped as a boto3 client shows it, `{"S": "a"}`, with binary as bytes, numbers in
one canonical spelling, and sets sorted. So two equal values are equal in Python, and an answer is
the stored value itself: stored values are never changed in place.
"""

import decimal
import re
from decimal import Decimal
from typing import Any

import msgspec

from sandbox.memory.double import ServiceError

Value = dict[str, Any]
Item = dict[str, Value]

# All limits: Constraints in Amazon DynamoDB, developer guide.
ITEM_BYTES_MAX = 400 * 1024
PARTITION_KEY_BYTES_MAX = 2048
SORT_KEY_BYTES_MAX = 1024
NUMBER_DIGITS_MAX = 38
NUMBER_EXPONENT_MAX = 125
NUMBER_EXPONENT_MIN = -130
NESTING_LEVELS_MAX = 32

SCALAR_KINDS = frozenset({"S", "N", "B"})
_SET_MEMBER_KINDS = {"SS": "S", "NS": "N", "BS": "B"}
_PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]{0,37}")
# Wide enough that arithmetic on two legal numbers is exact before it is checked.
_EXACT = decimal.Context(prec=300, traps=[decimal.InvalidOperation])


def invalid(message: str) -> ServiceError:
    """The ValidationException with which DynamoDB refuses a request."""
    return ServiceError(400, "ValidationException", message)


def canonical_number(text: str) -> str:
    """One spelling for one number: no exponent, no leading or trailing zeros.

    >>> canonical_number("1.50"), canonical_number("2E3"), canonical_number("-0")
    ('1.5', '2000', '0')
    """
    if _PLAIN_NUMBER.fullmatch(text):
        return text
    try:
        number = Decimal(text)
    except decimal.InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    return number_text(number)


def number_text(number: Decimal) -> str:
    """A number as DynamoDB writes it, or its refusal if DynamoDB cannot hold it."""
    if not number:
        return "0"
    number = number.normalize(_EXACT)
    if len(number.as_tuple().digits) > NUMBER_DIGITS_MAX:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if number.adjusted() > NUMBER_EXPONENT_MAX:
        raise invalid(
            "Number overflow. Attempting to store a number with magnitude larger than "
            "supported range"
        )
    if number.adjusted() < NUMBER_EXPONENT_MIN:
        raise invalid(
            "Number underflow. Attempting to store a number with magnitude smaller than "
            "supported range"
        )
    return format(number, "f")


def plus(augend: Value, addend: Value) -> Value:
    """The exact sum of two numbers."""
    return {"N": number_text(_EXACT.add(Decimal(augend["N"]), Decimal(addend["N"])))}


def minus(minuend: Value, subtrahend: Value) -> Value:
    """The exact difference of two numbers."""
    return {"N": number_text(_EXACT.subtract(Decimal(minuend["N"]), Decimal(subtrahend["N"])))}


def kind_of(value: Value) -> str:
    """The type descriptor of a value: S, N, B, SS, NS, BS, L, M, BOOL or NULL."""
    return next(iter(value))


def order(value: Value) -> Any:
    """What a scalar sorts by: strings by code point (as in UTF-8), numbers by size."""
    [(kind, raw)] = value.items()
    return Decimal(raw) if kind == "N" else raw


def stored(wire: dict[str, Any], level: int = 0) -> Value:
    """The stored form of a value as it comes over the wire, or a ValidationException."""
    if len(wire) != 1:
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one "
            "of the supported datatypes"
            if wire
            else "Supplied AttributeValue is empty, must contain exactly one of the supported "
            "datatypes"
        )
    [(kind, raw)] = wire.items()
    match kind:
        case "S" | "BOOL":
            return wire
        case "N":
            return {"N": canonical_number(raw)}
        case "B":
            return {"B": _decoded(raw)}
        case "SS" | "NS" | "BS":
            return _stored_set(kind, raw)
        case "NULL":
            if raw is not True:
                raise invalid(
                    "One or more parameter values were invalid: Null attribute value "
                    "types must have the value of true"
                )
            return wire
    if level == NESTING_LEVELS_MAX:
        raise invalid("Nesting Levels have exceeded supported limits")
    if kind == "L":
        return {"L": [stored(element, level + 1) for element in raw]}
    return {"M": {name: stored(element, level + 1) for name, element in raw.items()}}


def _decoded(text: str) -> bytes:
    # msgspec reads base64 four times as fast as the standard library: an entry is up to 400 KB.
    try:
        return msgspec.convert(text, bytes)
    except msgspec.ValidationError as error:
        raise ServiceError(400, "SerializationException", str(error)) from error


def _stored_set(kind: str, raw: list[str]) -> Value:
    if not raw:
        raise invalid("One or more parameter values were invalid: An set may not be empty")
    members = [stored({_SET_MEMBER_KINDS[kind]: member}) for member in raw]
    unique = {order(member): member[_SET_MEMBER_KINDS[kind]] for member in members}
    if len(unique) < len(members):
        raise invalid(
            f"One or more parameter values were invalid: Input collection [{', '.join(raw)}] "
            "contains duplicates."
        )
    return {kind: [unique[key] for key in sorted(unique)]}


def united(kind: str, ours: list[Any], theirs: list[Any]) -> Value:
    """The set with the members of both, in the stored order."""
    key = Decimal if kind == "NS" else None
    return {kind: sorted({*ours, *theirs}, key=key)}


def stored_item(wire: dict[str, Any]) -> Item:
    """The stored form of an item or key."""
    return {name: stored(value) for name, value in wire.items()}


def text_bytes(text: str) -> int:
    """The length of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def size(value: Value) -> int:
    """The bytes DynamoDB counts for a value.

    Rules: "DynamoDB item sizes and formats", developer guide. The size of a number is given there
    as approximate: a byte for two digits, and one more; a further one for a sign is as measured.
    """
    [(kind, raw)] = value.items()
    match kind:
        case "S":
            return text_bytes(raw)
        case "N":
            return _number_bytes(raw)
        case "B":
            return len(raw)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + size(element) for element in raw)
        case "M":
            return 3 + sum(1 + text_bytes(name) + size(element) for name, element in raw.items())
    return sum(size({_SET_MEMBER_KINDS[kind]: member}) for member in raw)


def _number_bytes(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def item_size(item: Item) -> int:
    """The bytes DynamoDB counts for an item: the sum of its names and values."""
    return sum(text_bytes(name) + size(value) for name, value in item.items())
