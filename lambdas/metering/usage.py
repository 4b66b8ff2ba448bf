"""Read a message of the usage queue: usage, or rejected usage with a reason. Pure.

A message is the body of a BatchMeterUsage request, one bare usage record, or CloudEvents; or an
operator's request to redrive. The forms are told apart by their keys. What is not understood is
rejected record by record, so that one bad record never costs its neighbours; only what cannot be
taken apart is rejected whole.

Where the API is silent, this is what is read:

- null is the same as leaving the field out, since serializers write it for what is not set.
- A key that an object holds twice counts with its last value, as in nearly every JSON parser.
- An Id within the data of a CloudEvent wins over its ``source`` and ``id``: who writes one means
  the usage by it, also when another event carries it once more.
- ``CustomerIdentifier`` and ``ProductCode`` may be empty, as ResolveCustomer returns them.
- A record's own ``ProductCode`` wins over that of the body around it.
- An empty list of records or events holds nothing to count, and nothing to reject.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import msgspec

from lambdas.customers.license import LicenseKey
from lambdas.metering.forms import (
    DIMENSION_CHARS_MAX,
    Form,
    Message,
    PlainRecord,
    WrittenEvent,
    WrittenRecord,
    read,
    split,
    standalone,
)
from lambdas.metering.keys import (
    content_check,
    id_digest,
    license_key_digest,
    message_digest,
    place_digest,
    record_key,
    text_check,
)
from lambdas.metering.named import Named, customer_named
from lambdas.metering.quantities import (
    ABSENT,
    MICROS_PER_UNIT,
    Allocations,
    Tags,
    given,
    micros_of_decimal,
    micros_of_number,
    read_allocations,
)
from lambdas.metering.reasons import NotUnderstoodError, Reason, Rejected, shown
from lambdas.metering.redrives import Redrive, read_redrive
from lambdas.metering.timestamps import used_seconds, without_fraction

__all__ = [
    "Allocations",
    "Reason",
    "Redrive",
    "Rejected",
    "Rules",
    "Tags",
    "Usage",
    "content_check",
    "license_key_digest",
    "original_text",
    "read_message",
    "record_key",
]

ID_CHARS_MAX = 256
"""Ours, also for the id of a CloudEvent."""

SOURCE_CHARS_MAX = 2_048
"""Ours: CloudEvents 1.0 sets no limit to the URI that names a source."""

_TIMES_REMEMBERED = 4_096

# All records of a message may be refused, and each is asked for by itself.
_split_once = lru_cache(maxsize=1)(split)


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Usage that is well-formed; whose it is and whether it counts is the ledger's to say.

    Attributes:
        key: 12 bytes; what it is counted under, once.
        check: 4 bytes; equal for equal dimension, quantity and tags.
        id: the producer's Id; for a CloudEvent its source and id as one text; None without.
        named: the customer as written.
        dimension: the API name of what was used.
        quantity: in 10⁻⁶ units.
        used_s: when, in whole seconds since the epoch, rounded down.
        allocations: how the quantity is split by tags; empty where it is not.
        arrived_s: when SQS took the message.
        index: place in the message.
        bill_at_s: the time it is billed at instead, for a redrive that says so.
        license: the license it was resolved to before, for an expired usage record.
        by_license: whether its key is that of its license and Id, so that it needs no second one.
    """

    key: bytes
    check: bytes
    id: str | None
    named: Named
    dimension: str
    quantity: int
    used_s: int
    allocations: Allocations
    arrived_s: int
    index: int
    bill_at_s: int | None = None
    license: LicenseKey | None = None
    by_license: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """The seller's settings that decide whether usage is well-formed.

    Attributes:
        dimensions: what may be metered; empty means anything.
        product_code: the product of legacy customers that name none; may be empty.
    """

    dimensions: frozenset[str] = frozenset()
    product_code: str = ""


def read_message(
    body: str, *, message_id: str, arrived_s: int, now_s: int, rules: Rules
) -> list[Usage | Rejected | Redrive]:
    """Read every record of a message, each as usage or as rejected usage; never raise.

    The same message gives the same keys and checks however often it is read.

    Args:
        body: the message, as SQS delivers it.
        message_id: SQS's name for it, the same at every delivery.
        arrived_s: when SQS took it (``SentTimestamp``), in whole seconds.
        now_s: by which the future is told.
        rules: the seller's settings.

    >>> [usage] = read_message(
    ...     '{"CustomerAWSAccountId": "111122223333", "Dimension": "users", "Quantity": 3,'
    ...     ' "Timestamp": "2026-11-23T10:15:00Z"}',
    ...     message_id="m-1", arrived_s=1795428910, now_s=1795429200, rules=Rules())
    >>> usage.dimension, usage.quantity, usage.used_s
    ('users', 3000000, 1795428900)
    """
    try:
        message = split(body)
        if message.form is Form.REDRIVE:
            return [read_redrive(message, arrived_s)]
        delivery = _Delivery(message, message_id, arrived_s, now_s, rules)
        return [
            (isinstance(each, PlainRecord) and _plain(delivery, index, each))
            or _read(delivery, index)
            for index, each in enumerate(message.records)
        ]
    except NotUnderstoodError as fault:
        return [_rejected_whole(body, message_id, arrived_s, fault)]
    except RecursionError:
        tell = "The message is nested too deeply to be read."
        deep = NotUnderstoodError(Reason.BAD_JSON, None, tell)
        return [_rejected_whole(body, message_id, arrived_s, deep)]


def original_text(body: str, index: int) -> str:
    """Return one record of a message that was understood, as a message of its own.

    For usage that the ledger sends to quarantine: taken out again only then, because most usage
    never is.

    >>> original_text('{"UsageRecords": [{"Quantity": 1}, {"Quantity": 2.50}]}', 1)
    '{"UsageRecords": [{"Quantity": 2.50}]}'
    """
    return standalone(_split_once(body), index)


class _Delivery(msgspec.Struct, frozen=True, gc=False):
    """A message, and what is known about all of its records."""

    message: Message
    message_id: str
    arrived_s: int
    now_s: int
    rules: Rules


def _read(delivery: _Delivery, index: int) -> Usage | Rejected:
    record, event, fault = read(delivery.message, index)
    if fault is not None:
        return _rejected(delivery, index, record, event, fault)
    try:
        return _usage(delivery, index, record, event)
    except NotUnderstoodError as error:
        return _rejected(delivery, index, record, event, error)


def _plain(delivery: _Delivery, index: int, record: PlainRecord) -> Usage | None:
    """Read a plain record at one go; None is the answer to whatever needs a closer look."""
    id_, dimension, time = record.Id, record.Dimension, record.Timestamp
    if "." in time:
        time = without_fraction(time)
    known = delivery.rules.dimensions
    if (
        not 1 <= len(id_) <= ID_CHARS_MAX
        or id_[0] == "\0"
        or not 1 <= len(dimension) <= DIMENSION_CHARS_MAX
        or (known and dimension not in known)
    ):
        return None
    try:
        named, name = _named(delivery, record)
        used_s = _used_at(time, delivery.now_s)
    except NotUnderstoodError:
        return None
    quantity = record.Quantity * MICROS_PER_UNIT
    return Usage(
        id_digest(name, id_),
        content_check(dimension, quantity, ()),
        id_,
        named,
        dimension,
        quantity,
        used_s,
        (),
        delivery.arrived_s,
        index,
        None,
        None,
        record.LicenseArn is not None,
    )


# Much usage is of one second.
@lru_cache(maxsize=_TIMES_REMEMBERED)
def _used_at(time: str, now_s: int) -> int:
    return used_seconds(msgspec.json.encode(time), "Timestamp", now_s)


def _usage(
    delivery: _Delivery, index: int, record: WrittenRecord, event: WrittenEvent | None
) -> Usage:
    named, name = _named(delivery, record)
    id_ = _id(record, event)
    key = place_digest(delivery.message_id, index) if id_ is None else id_digest(name, id_)
    used_s = _used_s(record, event, delivery.now_s)
    dimension = _dimension(record)
    known = delivery.rules.dimensions
    if known and dimension not in known:
        tell = f"Dimension is {shown(dimension)}, not one of {', '.join(sorted(known))}."
        raise NotUnderstoodError(Reason.UNKNOWN_DIMENSION, "Dimension", tell)
    quantity, allocations = _quantity(record)
    return Usage(
        key,
        content_check(dimension, quantity, allocations),
        id_,
        named,
        dimension,
        quantity,
        used_s,
        allocations,
        delivery.arrived_s,
        index,
        by_license=id_ is not None and record.LicenseArn is not None,
    )


def _rejected_whole(
    body: str, message_id: str, arrived_s: int, fault: NotUnderstoodError
) -> Rejected:
    # SQS delivers no half of a surrogate pair; if one comes all the same, it is kept escaped.
    text = body.encode("utf-8", "backslashreplace").decode()
    key, check = message_digest(message_id), text_check(text)
    return Rejected(key, check, fault.reason, fault.field, fault.tell, None, arrived_s, text)


def _rejected(
    delivery: _Delivery,
    index: int,
    record: WrittenRecord,
    event: WrittenEvent | None,
    fault: NotUnderstoodError,
) -> Rejected:
    """Keep the key and check that the usage would have had, as far as they are understood."""
    text = standalone(delivery.message, index)
    key = place_digest(delivery.message_id, index)
    check = text_check(text)
    with suppress(NotUnderstoodError):
        _, name = _named(delivery, record)
        id_ = _id(record, event)
        if id_ is not None:
            key = id_digest(name, id_)
    with suppress(NotUnderstoodError):
        check = content_check(_dimension(record), *_quantity(record))
    return Rejected(
        key, check, fault.reason, fault.field, fault.tell, index, delivery.arrived_s, text
    )


def _id(record: WrittenRecord, event: WrittenEvent | None) -> str | None:
    id_ = record.Id
    if id_ is not None:
        if not 1 <= len(id_) <= ID_CHARS_MAX or id_[0] == "\0":
            tell = f"Id needs 1 to {ID_CHARS_MAX} characters, the first not U+0000: {shown(id_)}."
            raise NotUnderstoodError(Reason.BAD_ID, "Id", tell)
        return id_
    if event is None:
        return None
    for field, text, most in (
        ("source", event.source, SOURCE_CHARS_MAX),
        ("id", event.id, ID_CHARS_MAX),
    ):
        if not text or len(text) > most:
            tell = f"A CloudEvent needs {field}, a text of 1 to {most:,} characters."
            raise NotUnderstoodError(Reason.BAD_CLOUDEVENT, field, tell)
    # Begins as no Id may, so that no Id is ever taken for an event.
    return f"\0{len(event.source or '')} {event.source}{event.id}"


def _named(delivery: _Delivery, record: PlainRecord | WrittenRecord) -> tuple[Named, blake2b]:
    return customer_named(
        record.LicenseArn,
        record.CustomerAWSAccountId,
        record.CustomerIdentifier,
        record.ProductCode or delivery.message.product_code,
        delivery.rules.product_code,
    )


def _used_s(record: WrittenRecord, event: WrittenEvent | None, now_s: int) -> int:
    if written := given(record.Timestamp):
        return used_seconds(written, "Timestamp", now_s)
    if event is not None and (written := given(event.time)):
        return used_seconds(written, "time", now_s)
    missing = "Timestamp is" if event is None else "Both time and data.Timestamp are"
    tell = f"{missing} missing; say when the usage happened."
    raise NotUnderstoodError(Reason.MISSING_FIELD, "Timestamp", tell)


def _dimension(record: WrittenRecord) -> str:
    dimension = record.Dimension
    if dimension is None:
        tell = "Dimension is missing; give its API name."
        raise NotUnderstoodError(Reason.MISSING_FIELD, "Dimension", tell)
    if not 1 <= len(dimension) <= DIMENSION_CHARS_MAX:
        tell = f"Dimension needs 1 to {DIMENSION_CHARS_MAX} characters, not {len(dimension):,}."
        raise NotUnderstoodError(Reason.UNKNOWN_DIMENSION, "Dimension", tell)
    return dimension


def _quantity(record: WrittenRecord) -> tuple[int, Allocations]:
    number, text = given(record.Quantity), record.QuantityAsDecimal
    if text is not None:
        if number:
            tell = "Quantity and QuantityAsDecimal are both there; give one of them."
            raise NotUnderstoodError(Reason.BOTH_QUANTITIES, "QuantityAsDecimal", tell)
        quantity = micros_of_decimal(text, "QuantityAsDecimal")
    elif number:
        quantity = micros_of_number(number, "Quantity")
    else:
        tell = "Quantity or QuantityAsDecimal is missing; write 0 if nothing was used."
        raise NotUnderstoodError(Reason.MISSING_FIELD, "Quantity", tell)
    if record.UsageAllocations is ABSENT or not (split_ := given(record.UsageAllocations)):
        return quantity, ()
    return quantity, read_allocations(split_, quantity, as_decimal=text is not None)
