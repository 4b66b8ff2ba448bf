"""How the text, numbers and lists of single settings are read and checked.

A parser takes what the CDK context holds, which is text only where it came from the command line,
and returns the setting's value. It raises `ValueError` with the end of a sentence that begins with
the setting's name and value.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

# AWS Marketplace: a SaaS product has at most 200 dimensions; an API name has 1 to 255 characters.
DIMENSIONS_MAX = 200
DIMENSION_CHARACTERS_MAX = 255
# Lambda takes 4 KB of environment variables in all; the others may need 1.5 KB.
LIST_BYTES_MAX = 2_560

# Six addresses and the texts share the 4 KB of the registration function's environment.
URL_CHARACTERS_MAX = 300
NEXT_STEPS_BYTES_MAX = 500
NEXT_STEPS_LINES_MAX = 10
SELLER_NAME_BYTES_MAX = 100
# RFC 5321, section 4.5.3.1.3, without the angle brackets.
EMAIL_CHARACTERS_MAX = 254
# A product has two at most; each is a statement in the queue's policy, which SQS limits to 8 KB.
SNS_TOPICS_MAX = 10

# CloudWatch Logs, PutRetentionPolicy: any other number is refused at deployment.
LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)

# WCAG 2.2, success criterion 1.4.3: below it, white text on the color is hard to read for many.
CONTRAST_MIN = 4.5

# What a browser never has to escape in an address, so that none can end an attribute or a line.
URL = (
    r"(https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|http://(localhost|127\.0\.0\.1))"
    r"(:[0-9]{1,5})?([/?][A-Za-z0-9._~:/?@!$&*+,;=%-]*)?"
)
EMAIL = r"[A-Za-z0-9.!#$%&*+/=?^_{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# AWS Marketplace's user guide, page "saas-notification": its topics are in us-east-1, under its own
# account, and are named for the product code.
SNS_TOPIC = (
    r"arn:aws:sns:us-east-1:[0-9]{12}:"
    r"aws-mp-(subscription|entitlement)-notification-[A-Za-z0-9_-]{1,200}"
)


def matching(pattern: str, must: str) -> Callable[[object], str]:
    """Take text that is the pattern from its beginning to its end."""

    def parse(given: object) -> str:
        if not isinstance(given, str) or not re.fullmatch(pattern, given):
            raise ValueError(f"must be {must}")
        return given

    return parse


def one_of(allowed: tuple[str, ...], must: str = "") -> Callable[[object], str]:
    """Take one of these words."""

    def parse(given: object) -> str:
        if given not in allowed:
            raise ValueError(f"must be {must or 'one of ' + ', '.join(allowed)}")
        return str(given)

    return parse


def between(least: int, most: int) -> Callable[[object], int]:
    """Take a whole number, or its digits."""

    def parse(given: object) -> int:
        number = _whole(given)
        if number is None or not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return parse


def retention_days(given: object) -> int:
    """Take a number of days that CloudWatch Logs knows."""
    days = _whole(given)
    if days is None or days not in LOG_RETENTION_DAYS:
        raise ValueError(f"must be one of {', '.join(map(str, LOG_RETENTION_DAYS))}")
    return days


def yes_or_no(given: object) -> bool:
    """Take a JSON boolean, or its name."""
    if isinstance(given, bool):
        return given
    if given not in ("true", "false"):
        raise ValueError("must be true or false")
    return given == "true"


def dimensions(given: object) -> tuple[str, ...]:
    """Take the API names of dimensions."""
    names = _list(given, "dimension names")
    if not all(1 <= len(name) <= DIMENSION_CHARACTERS_MAX and name.isprintable() for name in names):
        raise ValueError(
            f"must name each dimension by 1 to {DIMENSION_CHARACTERS_MAX} printable characters"
        )
    if len(names) > DIMENSIONS_MAX:
        raise ValueError(f"has more than the {DIMENSIONS_MAX} dimensions a product can have")
    return names


def product_ids(given: object) -> tuple[str, ...]:
    """Take ids of products, as AWS Marketplace's events and agreements name them."""
    ids = _list(given, "product ids")
    if not all(re.fullmatch("prod-[A-Za-z0-9]{1,64}", each) for each in ids):
        raise ValueError("must name each product by prod- and its letters and digits")
    return ids


def sns_topics(given: object) -> tuple[str, ...]:
    """Take ARNs of the topics that AWS Marketplace keeps for products listed before June 2026."""
    topics = _list(given, "topic ARNs")
    if not all(re.fullmatch(SNS_TOPIC, topic) for topic in topics):
        raise ValueError(
            "must name topics of AWS Marketplace, which are in us-east-1 and called "
            "aws-mp-subscription-notification-… or aws-mp-entitlement-notification-…"
        )
    if len(topics) > SNS_TOPICS_MAX:
        raise ValueError(f"has more than {SNS_TOPICS_MAX} topics")
    return topics


def url(given: object) -> str:
    """Take an address that can stand in a page as it is: https, or a page on one's own machine."""
    if not isinstance(given, str) or not re.fullmatch(URL, given):
        raise ValueError(
            "must be an https address without a fragment, its other characters percent-encoded"
        )
    if len(given) > URL_CHARACTERS_MAX:
        raise ValueError(f"must be at most {URL_CHARACTERS_MAX} characters long")
    return given


def email(given: object) -> str:
    """Take one e-mail address, without a name beside it."""
    address = matching(EMAIL, "an e-mail address")(given)
    if len(address) > EMAIL_CHARACTERS_MAX:
        raise ValueError(f"must be at most {EMAIL_CHARACTERS_MAX} characters long")
    return address


def text(bytes_max: int, *, lines_max: int = 1) -> Callable[[object], str]:
    """Take text for people."""
    must = "one line of text" if lines_max == 1 else f"1 to {lines_max} lines of text"

    def parse(given: object) -> str:
        lines = given.strip().splitlines() if isinstance(given, str) else []
        if not 1 <= len(lines) <= lines_max or not all(line.isprintable() for line in lines):
            raise ValueError(f"must be {must}")
        if len("\n".join(lines).encode()) > bytes_max:
            raise ValueError(f"must be at most {bytes_max} bytes long")
        return "\n".join(lines)

    return parse


def color(given: object) -> str:
    """Take a color dark enough to be read white on it."""
    found = matching("#[0-9A-Fa-f]{6}", "a color as #rrggbb")(given)
    if (contrast := contrast_to_white(found)) < CONTRAST_MIN:
        raise ValueError(
            f"is too light: white text on it has a contrast of {contrast:.1f}, "
            f"and below {CONTRAST_MIN} many cannot read it"
        )
    return found


def contrast_to_white(rgb: str) -> float:
    """Tell the contrast ratio of a color to white, as WCAG 2.2 defines it.

    >>> round(contrast_to_white("#0b5cad"), 1)
    6.6
    """
    channels = (int(rgb[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels
    ]
    luminance = sum(
        weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
    return 1.05 / (luminance + 0.05)


def hour(given: object) -> datetime:
    """Take the start of a UTC hour: within one hour two submitters would collide."""
    try:
        time = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError("must be an ISO 8601 time with its offset from UTC")
    time = time.astimezone(UTC)
    if (time.minute, time.second, time.microsecond) != (0, 0, 0):
        raise ValueError("must be the start of an hour in UTC, as usage is metered by the hour")
    return time


def _whole(given: object) -> int | None:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and re.fullmatch("[0-9]{1,9}", given):
        return int(given)
    return None


def _list(given: object, what: str) -> tuple[str, ...]:
    """Read a list, a JSON list as text, or items with commas between them."""
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.lstrip().startswith("[") else given.split(",")
        except json.JSONDecodeError as error:
            raise ValueError("starts like a JSON list but is none") from error
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise ValueError(f"must be a list of {what}")
    items = tuple(item.strip() for item in given)
    if len(set(items)) < len(items):
        raise ValueError("names one twice")
    if len(json.dumps(items)) > LIST_BYTES_MAX:
        raise ValueError(
            f"is longer than the {LIST_BYTES_MAX} bytes a function's environment has room for"
        )
    return items
