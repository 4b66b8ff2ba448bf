"""What a seller may set, read from the CDK context and checked before anything is built.

Settings come from the `context` of cdk.json or from `cdk … -c key=value`. The command line hands
over text only, so numbers and lists may be text here. Nothing is asked of AWS.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from infra.package import PLATFORM_NAMES

# Where BatchMeterUsage is answered: AWS Marketplace developer guide, page "metering-regions".
METERING_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-central-2"),
    *("eu-north-1", "eu-south-1", "eu-south-2", "ap-east-1", "ap-south-1", "ap-south-2"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
    *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
    *("me-south-1", "me-central-1", "il-central-1", "af-south-1", "cn-northwest-1"),
)

# AWS Marketplace: a SaaS product has at most 200 dimensions; an API name has 1 to 255 characters.
DIMENSIONS_MAX = 200
DIMENSION_CHARACTERS_MAX = 255
# Lambda takes 4 KB of environment variables in all; the others may need 1.5 KB.
DIMENSIONS_BYTES_MAX = 2_560

# A week: a cold function reads the log back one id memory before it can start.
ID_MEMORY_HOURS_MAX = 168
# Well below the two hours after which an hour is sealed over any backlog.
SETTLE_MINUTES_MAX = 60
# AWS Marketplace takes an ended license's usage for one hour: some ticks must be left to send it.
ENDING_SETTLE_MINUTES_MAX = 45

# CloudWatch Logs, PutRetentionPolicy: any other number is refused at deployment.
LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)

# The metrics travel in the log and count as INFO there: a higher level would throw them away.
LOG_LEVELS = ("INFO", "DEBUG")

# Context that tools leave behind under names that look like settings.
FOREIGN_KEYS = frozenset({"acknowledged-issue-numbers", "cdk-migrate"})
SETTING_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class SettingError(ValueError):
    """A setting cannot be used; the message names the key, the value and an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One deployment of the stack.

    `metering_from` is the hour from which this stack meters, where an older submitter met the hours
    before; `None` means there was none. Logs are kept for 400 days because AWS Marketplace asks
    sellers for audit logs of a year, and a year is not over on day 365. `function_platform` is for
    the sandbox, which runs the same sources on the machine at hand.
    """

    stack_name: str = "MarketplaceMetering"
    metering_region: str = "us-east-1"
    product_code: str = ""
    dimensions: tuple[str, ...] = ()
    metering_from: datetime | None = None
    id_memory_hours: int = 26
    settle_minutes: int = 10
    ending_settle_minutes: int = 20
    log_retention_days: int = 400
    log_level: str = "INFO"
    function_platform: str = "arm64"

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> Self:
        """Read the settings among the context, refusing any key that nobody would read.

        Raises:
            SettingError: for the first value that cannot be used, or key that is not known.
        """
        values: dict[str, Any] = {}
        for key, given in context.items():
            # `aws:cdk:…`, `@aws-cdk/…:…` and look-ups are the CDK's own; null means not set.
            if key in FOREIGN_KEYS or not SETTING_LIKE.fullmatch(key) or given is None:
                continue
            if key not in RULES:
                raise SettingError(_unknown(key, given))
            rule = RULES[key]
            try:
                values[key] = rule.parse(given)
            except ValueError as error:
                raise SettingError(
                    f"Setting {key} = {given!r} {error}. Example: {key}={rule.example}"
                ) from error
        return cls(**values)


def _unknown(key: str, given: object) -> str:
    similar = difflib.get_close_matches(key.lower().replace("-", "_"), RULES, n=1)
    meant = similar[0] if similar else "metering_region"
    return (
        f"Setting {key} = {given!r} is none of {', '.join(RULES)}. "
        f"Example: {meant}={RULES[meant].example}"
    )


def _text(given: object, pattern: str, must: str) -> str:
    if not isinstance(given, str) or not re.fullmatch(pattern, given):
        raise ValueError(f"must be {must}")
    return given


def _matching(pattern: str, must: str) -> Callable[[object], str]:
    return lambda given: _text(given, pattern, must)


def _one_of(allowed: tuple[str, ...]) -> Callable[[object], str]:
    def parse(given: object) -> str:
        if given not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(given)

    return parse


def _whole(given: object) -> int | None:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and re.fullmatch("[0-9]{1,9}", given):
        return int(given)
    return None


def _between(least: int, most: int) -> Callable[[object], int]:
    def parse(given: object) -> int:
        number = _whole(given)
        if number is None or not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return parse


def _retention(given: object) -> int:
    days = _whole(given)
    if days is None or days not in LOG_RETENTION_DAYS:
        raise ValueError(f"must be one of {', '.join(map(str, LOG_RETENTION_DAYS))}")
    return days


def _dimensions(given: object) -> tuple[str, ...]:
    """Read a list, a JSON list as text, or names with commas between them."""
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.lstrip().startswith("[") else given.split(",")
        except json.JSONDecodeError as error:
            raise ValueError("starts like a JSON list but is none") from error
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ValueError("must be a list of dimension names")
    names = [name.strip() for name in given]
    if not all(1 <= len(name) <= DIMENSION_CHARACTERS_MAX and name.isprintable() for name in names):
        raise ValueError(
            f"must name each dimension by 1 to {DIMENSION_CHARACTERS_MAX} printable characters"
        )
    if len(set(names)) < len(names):
        raise ValueError("names a dimension twice")
    if len(names) > DIMENSIONS_MAX:
        raise ValueError(f"has more than the {DIMENSIONS_MAX} dimensions a product can have")
    if len(json.dumps(names)) > DIMENSIONS_BYTES_MAX:
        raise ValueError(
            f"is longer than the {DIMENSIONS_BYTES_MAX} bytes a function's environment has room for"
        )
    return tuple(names)


def _hour(given: object) -> datetime:
    """Read the start of a UTC hour: within one hour two submitters would collide."""
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


def _region(given: object) -> str:
    if given not in METERING_REGIONS:
        raise ValueError("must be a region where AWS Marketplace takes BatchMeterUsage")
    return str(given)


class _Rule(NamedTuple):
    parse: Callable[[object], Any]
    example: str


# The pattern of product codes is that of the API's model; of stack names, CloudFormation's.
RULES: dict[str, _Rule] = {
    "stack_name": _Rule(
        _matching(
            "[A-Za-z][A-Za-z0-9-]{0,127}",
            "1 to 128 letters, digits and hyphens, the first of them a letter",
        ),
        "MarketplaceMetering",
    ),
    "metering_region": _Rule(_region, "us-east-1"),
    "product_code": _Rule(
        _matching(
            "[-a-zA-Z0-9/=:_.@]{1,255}",
            "1 to 255 letters, digits and -/=:_.@ (leave the key out if the product has no code)",
        ),
        "aaaabbbbccccddddeeee11112",
    ),
    "dimensions": _Rule(_dimensions, "api-calls,storage-gb"),
    "metering_from": _Rule(_hour, "2026-12-01T00:00:00Z"),
    "id_memory_hours": _Rule(_between(1, ID_MEMORY_HOURS_MAX), "26"),
    "settle_minutes": _Rule(_between(1, SETTLE_MINUTES_MAX), "10"),
    "ending_settle_minutes": _Rule(_between(1, ENDING_SETTLE_MINUTES_MAX), "20"),
    "log_retention_days": _Rule(_retention, "400"),
    "log_level": _Rule(_one_of(LOG_LEVELS), "INFO"),
    "function_platform": _Rule(_one_of(PLATFORM_NAMES), "arm64"),
}
