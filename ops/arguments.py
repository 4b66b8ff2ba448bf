"""What is written on the command line, read into values. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from lambdas.customers.license import LicenseKey, license_key_of_arn
from lambdas.metering.hours import HOUR_S, Hour, hour_from_text, hour_of
from ops.errors import OperatorError

VALUED = frozenset({"--profile", "--region", "--stack"})
FLAGS = frozenset({"--json"})
"""Options of every command, which may stand anywhere, as with the AWS CLI."""

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def hoisted(arguments: Sequence[str]) -> list[str]:
    """Put the options of every command before the command.

    >>> hoisted(["statement", "l-1", "--region=eu-west-1", "--json"])
    ['--region=eu-west-1', '--json', 'statement', 'l-1']
    >>> hoisted(["status", "--stack", "Acme", "--", "--json"])
    ['--stack', 'Acme', 'status', '--', '--json']
    """
    first: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        each = waiting.pop(0)
        if each == "--":
            rest += [each, *waiting]
            break
        if each in FLAGS or each.partition("=")[0] in VALUED:
            first.append(each)
            if each in VALUED and waiting:
                first.append(waiting.pop(0))
        else:
            rest.append(each)
    return first + rest


def license_key(text: str) -> LicenseKey:
    """Read the name of a license: its ARN, the last part of it, or PRODUCT/CUSTOMER.

    >>> license_key("arn:aws:license-manager::777788889999:license:l-0123")
    'l-0123'
    >>> license_key("n0123/X01")
    'n0123/X01'
    """
    if not text.strip():
        raise OperatorError("The license is empty; give its ARN, or the last part of it, l-….")
    return license_key_of_arn(text) if text.startswith("arn:") else LicenseKey(text)


def hours_of_month(text: str) -> tuple[Hour, Hour]:
    """Return the first and the last hour of a month.

    >>> first, last = hours_of_month("2026-02")
    >>> last - first + 1 == 28 * 24
    True
    """
    if _MONTH.fullmatch(text) is None:
        raise OperatorError(f"--month is {text!r}; write year and month, such as 2026-11.")
    year, month = map(int, text.split("-"))
    begin = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return hour_of(int(begin.timestamp())), Hour(hour_of(int(end.timestamp())) - 1)


def month_text(time_s: int) -> str:
    """Write the month of a time, as `--month` takes it."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m")


def hour_given(text: str) -> Hour:
    """Read a metering hour, as statements show it."""
    try:
        return hour_from_text(text)
    except ValueError:
        raise OperatorError(f"--hour is {text!r}; write it as 2026-11-23T10Z.") from None


def since_s(days: int, now_s: int) -> int:
    """Return the time so many days ago."""
    return now_s - days * 24 * HOUR_S
