"""The time of usage, read from ISO 8601 text with an offset or from epoch seconds. Pure."""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from lambdas.metering.quantities import exact_number
from lambdas.metering.reasons import NotUnderstoodError, Reason, kind_of, shown

FUTURE_S_MAX = 300
"""A producer's clock may be 5 minutes ahead of ours."""

TEXT_BYTES_MAX = 80
"""Of a time in JSON. The longest one with nanoseconds has 37; escapes may lengthen it."""

YEAR_1_S = -62_135_596_800
YEAR_10000_S = 253_402_300_800
"""The ends of the calendar that Python and ISO 8601 can write."""

_YEAR_S = 31_556_952
_NUMBER_DIGITS_MAX = 15
_TIMES_REMEMBERED = 4_096
_BEYOND_S = 1_000_000_000_000_000
_MARKS = frozenset(
    f"{before_hour}:{after_minute}" for before_hour in "T " for after_minute in (*":Z+-", "")
)
"""What stands before hour, minute and second. Python also takes hours and minutes with a fraction,
and reads the fraction as one of a second, which ISO 8601 does not mean."""

_DIGITS = "0123456789"
_OFFSETS = ("Z", "z", "+", "-")
"""What an offset begins with."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = msgspec.json.Decoder(str)


def used_seconds(json: bytes, field: str, now_s: int) -> int:
    """Read when usage happened, in whole seconds since the epoch, rounded down.

    Any time of the past is a time, since how late is too late is decided elsewhere. One before
    the year 1 becomes the first second of the year 1, so that it stays a date.

    >>> used_seconds(b'"2026-11-23T11:15:00.250+01:00"', "Timestamp", 1795429200)
    1795428900
    >>> used_seconds(b"1795428900.75", "Timestamp", 1795429200)
    1795428900

    Raises:
        NotUnderstoodError: no time, a time without offset, or one more than 5 minutes ahead.
    """
    if len(json) > TEXT_BYTES_MAX:
        tell = f"{field} has {len(json):,} characters, which is too long for a time."
        raise NotUnderstoodError(Reason.BAD_TIMESTAMP, field, tell)
    seconds = _seconds(json, field)
    if seconds < YEAR_1_S:
        return YEAR_1_S
    if seconds <= now_s + FUTURE_S_MAX:
        return seconds
    if seconds >= YEAR_10000_S:
        years = (seconds - now_s) // _YEAR_S
        hint = f"more than {years:,} years ahead; are these milliseconds? Write seconds"
    else:
        hint = f"more than {FUTURE_S_MAX // 60} minutes ahead; check the producer's clock"
    raise NotUnderstoodError(Reason.FUTURE, field, f"{field} is {json.decode()}, {hint}.")


def without_fraction(text: str) -> str:
    """Leave the fraction of a second out of a time; whatever is not surely one stays as it is.

    For who remembers times: with fractions, hardly two are the same.

    >>> without_fraction("2026-11-23T11:15:00.250417+01:00")
    '2026-11-23T11:15:00+01:00'
    """
    if text[13:20:3] != "::." or len(text) >= TEXT_BYTES_MAX:
        return text
    offset = text[20:].lstrip(_DIGITS)
    plain = offset[:1] in _OFFSETS and len(offset) <= len("+hh:mm")
    if not plain or len(offset) == len(text) - 20:
        return text
    return text[:19] + offset


# All records of a message often bear one time.
@lru_cache(maxsize=_TIMES_REMEMBERED)
def _seconds(json: bytes, field: str) -> int:
    if json[:1] == b'"':
        return _seconds_of_text(_TEXT.decode(json), field)
    number = exact_number(json)
    if number is None:
        tell = f"{field} must be ISO 8601 text or epoch seconds, not {kind_of(json)}."
        raise NotUnderstoodError(Reason.WRONG_TYPE, field, tell)
    negative, digits, power = number
    sign = -1 if negative else 1
    if len(digits) + power > _NUMBER_DIGITS_MAX:
        return sign * _BEYOND_S
    if power >= 0:
        return sign * int(digits + b"0" * power or b"0")
    # Digits after the point are never all zeros here, so a negative time rounds away from zero.
    return sign * int(digits[:power] or b"0") - negative


def _seconds_of_text(text: str, field: str) -> int:
    upper = text.upper()
    try:
        # Cuts fractions of a second, however long.
        moment = datetime.fromisoformat(upper)
    except ValueError:
        moment = None
    if moment is None or upper[10:17:3] not in _MARKS:
        tell = f"{field} is {shown(text)}, which is not a time; write 2026-11-23T10:15:00Z."
        raise NotUnderstoodError(Reason.BAD_TIMESTAMP, field, tell)
    if moment.tzinfo is None:
        tell = f"{field} is {shown(text)}, which has no offset; end it with Z or +hh:mm."
        raise NotUnderstoodError(Reason.BAD_TIMESTAMP, field, tell)
    since = moment - _EPOCH
    return since.days * 86_400 + since.seconds
