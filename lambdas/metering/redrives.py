"""Read an operator's request to count usage that waits, by reference to it. Pure.

``{"Redrive": {"Key": "…"}}`` is for usage in quarantine: 24 hexadecimal digits of its key, then 8
of its check. ``{"Redrive": {"License": "…", "Dimension": "…", "Hour": "2026-11-23T10Z"}}`` is for
an expired usage record. Both may say ``"BillAt": "now"``.
"""

import re
from typing import Literal

import msgspec

from lambdas.customers.license import LicenseKey
from lambdas.metering.forms import (
    DIMENSION_CHARS_MAX,
    IDENTIFIER_CHARS_MAX,
    PRODUCT_CODE_CHARS_MAX,
    Message,
)
from lambdas.metering.hours import Hour, hour_from_text
from lambdas.metering.keys import KEY_BYTES, record_key
from lambdas.metering.reasons import NotUnderstoodError, Reason, shown

LICENSE_KEY_BYTES_MAX = PRODUCT_CODE_CHARS_MAX + len("/") + 4 * IDENTIFIER_CHARS_MAX
"""Of a legacy customer, whose identifier may have any letters; the last part of a license's ARN is
shorter. DynamoDB has room for 2,048 bytes in a partition key."""

_KEY_AND_CHECK = re.compile(r"[0-9a-fA-F]{32}")


class Redrive(msgspec.Struct, frozen=True, gc=False):
    """An operator's request to count usage that waits, under the key it already has.

    Attributes:
        key: 12 bytes; of the quarantined usage, or of the expired usage record.
        check: 4 bytes; of the quarantined usage. None for an expired usage record.
        license: of the expired usage record; None for quarantined usage.
        dimension: of the expired usage record; empty for quarantined usage.
        hour: of the expired usage record; None for quarantined usage.
        bill_now: bill it at the time of the redrive, because its own hour is gone.
        arrived_s: when SQS took the message.
    """

    key: bytes
    check: bytes | None
    license: LicenseKey | None
    dimension: str
    hour: Hour | None
    bill_now: bool
    arrived_s: int


class _Order(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    Key: str | None = None
    License: str | None = None
    Dimension: str | None = None
    Hour: str | None = None
    BillAt: Literal["now"] | None = None


class _OrderBody(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    Redrive: _Order


_ORDER = msgspec.json.Decoder(_OrderBody)


def read_redrive(message: Message, arrived_s: int) -> Redrive:
    """Read a redrive message, of quarantined usage by its key or of an expired usage record.

    >>> key = "00112233445566778899aabb" "ccddeeff"
    >>> from lambdas.metering.forms import split
    >>> read_redrive(split('{"Redrive": {"Key": "%s"}}' % key), 1795428910).check.hex()
    'ccddeeff'

    Raises:
        NotUnderstoodError: it asks for nothing, for two things at once, or for what cannot be.
    """
    try:
        order = _ORDER.decode(message.body.removeprefix("\ufeff")).Redrive
    except msgspec.ValidationError as error:
        raise _bad_redrive(f"The redrive message is not well-formed: {error}.") from None
    bill_now = order.BillAt is not None
    if order.Key is not None:
        if (order.License, order.Dimension, order.Hour) != (None, None, None):
            raise _bad_redrive("Give Key, or License, Dimension and Hour, not both.")
        if _KEY_AND_CHECK.fullmatch(order.Key) is None:
            raise _bad_redrive(f"Key is {shown(order.Key)}; it must be 32 hexadecimal digits.")
        both = bytes.fromhex(order.Key)
        key, check = both[:KEY_BYTES], both[KEY_BYTES:]
        return Redrive(key, check, None, "", None, bill_now, arrived_s)
    if not order.License or not order.Dimension or not order.Hour:
        raise _bad_redrive("Give Key, or all of License, Dimension and Hour.")
    if len(order.License.encode()) > LICENSE_KEY_BYTES_MAX:
        tell = f"License is {shown(order.License)}; give the last part of the license's ARN."
        raise _bad_redrive(tell)
    if len(order.Dimension) > DIMENSION_CHARS_MAX:
        tell = f"Dimension has {len(order.Dimension):,} characters; {DIMENSION_CHARS_MAX} at most."
        raise _bad_redrive(tell)
    try:
        hour = hour_from_text(order.Hour)
    except ValueError:
        tell = f"Hour is {shown(order.Hour)}; write it as 2026-11-23T10Z."
        raise _bad_redrive(tell) from None
    license_ = LicenseKey(order.License)
    key = record_key(license_, order.Dimension, hour)
    return Redrive(key, None, license_, order.Dimension, hour, bill_now, arrived_s)


def _bad_redrive(tell: str) -> NotUnderstoodError:
    return NotUnderstoodError(Reason.BAD_REDRIVE, "Redrive", tell)
