"""Why usage is not counted: one list of fixed codes, and the usage that waits with one of them.

Usage that cannot be counted is quarantined whole, with a code to count by and a sentence that
tells a person what to do. The codes are fixed: alarms, dashboards and the operator's commands
name them.
"""

from enum import StrEnum

import msgspec

SHOWN_CHARS_MAX = 80
"""Of a producer's value in a sentence; the original text is kept whole beside it."""

TELL_CHARS_MAX = 1_000
"""Of a sentence; a list of many configured dimensions may be longer."""


class Reason(StrEnum):
    """Why usage waits in quarantine; the comment says what a person can do about it."""

    BAD_JSON = "bad-json"  # Repair the producer: the message does not parse.
    UNKNOWN_FORM = "unknown-form"  # Send one of the three forms of message.
    WRONG_TYPE = "wrong-type"  # Give the field the JSON type it needs.
    MISSING_FIELD = "missing-field"  # Add the field, and send the usage again.
    UNKNOWN_FIELD = "unknown-field"  # Correct the field's name, or leave it out.
    BAD_CLOUDEVENT = "bad-cloudevent"  # Give the event what CloudEvents 1.0 requires.
    BAD_REDRIVE = "bad-redrive"  # Correct the redrive message; the usage still waits.
    BAD_ID = "bad-id"  # Send the usage under an Id of 1 to 256 characters.
    BAD_TIMESTAMP = "bad-timestamp"  # Write the time in ISO 8601 with an offset.
    FUTURE = "future"  # Set the producer's clock right, redrive when the time has come.
    EXPIRED = "expired"  # Its hour is gone: redrive with BillAt now, or write it off.
    BEFORE_METERING_FROM = "before-metering-from"  # The older submitter bills this hour.
    BAD_NUMBER = "bad-number"  # Write the quantity as 0 or 123.456.
    TOO_MANY_DIGITS = "too-many-digits"  # Round or split: 10 digits before the point, 6 after.
    NEGATIVE = "negative"  # Usage cannot be taken back here: refund through AWS Marketplace.
    BOTH_QUANTITIES = "both-quantities"  # Send Quantity or QuantityAsDecimal, not both.
    BAD_ALLOCATIONS = "bad-allocations"  # Make the allocations add up, each with its own tags.
    BAD_TAG = "bad-tag"  # Shorten, rename or drop the tag.
    UNKNOWN_DIMENSION = "unknown-dimension"  # Correct the name, or configure the dimension.
    UNKNOWN_LICENSE = "unknown-license"  # Send the LicenseArn as AWS gave it.
    UNKNOWN_CUSTOMER = "unknown-customer"  # Wait for the registration, then redrive.
    AMBIGUOUS_CUSTOMER = "ambiguous-customer"  # Name the license: the account holds several.
    CUSTOMER_MISMATCH = "customer-mismatch"  # Find out which of the two customers is meant.
    LICENSE_UNKNOWN_YET = "license-unknown-yet"  # Redrive once the license has been announced.
    ID_REUSED = "id-reused"  # Give the other usage an Id of its own: the first one counts.
    TOO_LARGE = "too-large"  # Send fewer records in a message, or fewer allocations in one.
    REDRIVE_TOO_OLD = "redrive-too-old"  # Over 35 days: nobody can tell whether it was counted.


class NotUnderstoodError(Exception):
    """A message, or one record of it, breaks a rule of the usage format."""

    def __init__(self, reason: Reason, field: str | None, tell: str) -> None:
        super().__init__(tell)
        self.reason = reason
        self.field = field
        self.tell = tell if len(tell) <= TELL_CHARS_MAX else f"{tell[:TELL_CHARS_MAX]}…"


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """Usage that cannot be counted, with everything a person needs to put it right.

    Attributes:
        key: 12 bytes; what the usage would be counted under, if that much is understood.
        check: 4 bytes; of the content if that is understood, else of the text.
        reason: see `Reason`.
        field: the field at fault; None for the whole record or message.
        tell: one sentence a person can act on.
        index: place in the message; None for the whole message.
        arrived_s: when SQS took the message.
        text: the original, whole, as a message of exactly this one record.
    """

    key: bytes
    check: bytes
    reason: Reason
    field: str | None
    tell: str
    index: int | None
    arrived_s: int
    text: str


def shown(value: str) -> str:
    r"""Quote a producer's value for a sentence, cut where it is longer than a sentence bears.

    >>> print(shown("api-cals"), shown("é\n"), shown("x" * 200).count("x"))
    'api-cals' 'é\n' 80
    """
    return repr(value) if len(value) <= SHOWN_CHARS_MAX else f"{value[:SHOWN_CHARS_MAX]!r}…"


def kind_of(json: bytes) -> str:
    """Say in a word what a JSON value is.

    >>> [kind_of(each) for each in (b'"5"', b"-1", b"true", b"null", b"[]", b"{}")]
    ['text', 'a number', 'true', 'null', 'a list', 'an object']
    """
    kinds = {b'"': "text", b"[": "a list", b"{": "an object"}
    words = (b"true", b"false", b"null")
    return json.decode() if json in words else kinds.get(json[:1], "a number")
