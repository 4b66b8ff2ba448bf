"""What a seller may set, read from the CDK context and checked before anything is built.

Settings come from the `context` of cdk.json or from `cdk … -c key=value`. The command line hands
over text only, so numbers and lists may be text here. Nothing is asked of AWS.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from infra import adoption, parsers
from infra.package import PLATFORM_NAMES
from infra.parsers import between, matching, one_of

# Where BatchMeterUsage is answered: AWS Marketplace developer guide, page "metering-regions".
METERING_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-central-2"),
    *("eu-north-1", "eu-south-1", "eu-south-2", "ap-east-1", "ap-south-1", "ap-south-2"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
    *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
    *("me-south-1", "me-central-1", "il-central-1", "af-south-1", "cn-northwest-1"),
)
# The regions of China are another partition: no event of us-east-1 can be forwarded there.
STACK_REGIONS = tuple(region for region in METERING_REGIONS if not region.startswith("cn-"))

# A week: a cold function reads the log back one id memory before it can start.
ID_MEMORY_HOURS_MAX = 168
# Well below the two hours after which an hour is sealed over any backlog.
SETTLE_MINUTES_MAX = 60
# AWS Marketplace takes an ended license's usage for one hour: some ticks must be left to send it.
ENDING_SETTLE_MINUTES_MAX = 45

# AWS WAF, RateBasedStatement: 10 is its least; 20 million in 5 minutes is more than an API of
# 10,000 requests per second, the default of an account, lets through.
WEB_ACL_RATE_MIN = 10
WEB_ACL_RATE_MAX = 20_000_000

# The metrics travel in the log and count as INFO there: a higher level would throw them away.
LOG_LEVELS = ("INFO", "DEBUG")
METERINGS = ("live", "dry-run")
RECONCILIATIONS = ("repair", "report", "off")

# Context that tools leave behind under names that look like settings.
FOREIGN_KEYS = frozenset({"acknowledged-issue-numbers", "cdk-migrate"})
SETTING_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class SettingError(ValueError):
    """A setting cannot be used; the message names the key, the value and an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One deployment of the stack. What is empty is not set.

    `metering_from` is the hour from which this stack meters, where an older submitter met the hours
    before; `None` means there was none. Logs are kept for 400 days because AWS Marketplace asks
    sellers for audit logs of a year, and a year is not over on day 365. `concurrent_agreements` is
    false for a product listed before June 2026 that has not opted in; nothing AWS Marketplace
    answers would tell. `function_platform` is for the sandbox, which runs the same sources on the
    machine at hand.
    """

    stack_name: str = "MarketplaceMetering"
    region: str = "us-east-1"
    metering_region: str = "us-east-1"
    product_code: str = ""
    dimensions: tuple[str, ...] = ()
    metering: str = "live"
    metering_from: datetime | None = None
    id_memory_hours: int = 26
    settle_minutes: int = 10
    ending_settle_minutes: int = 20
    concurrent_agreements: bool = True
    product_ids: tuple[str, ...] = ()
    contracts: bool = False
    reconciliation: str = "repair"
    sns_topics: tuple[str, ...] = ()
    signup_url: str = ""
    seller_name: str = ""
    logo_url: str = ""
    brand_color: str = ""
    support_email: str = ""
    support_url: str = ""
    sign_in_url: str = ""
    terms_url: str = ""
    privacy_url: str = ""
    next_steps: str = ""
    sender_email: str = ""
    domain_name: str = ""
    certificate_arn: str = ""
    web_acl: bool = False
    web_acl_rate: int = 300
    access_logs: bool = False
    usage_endpoint: bool = False
    alarm_email: str = ""
    customer_managed_key: bool = False
    adopt: Mapping[str, str] = field(default_factory=dict)
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
                raise _refused(key, given, str(error)) from error
        settings = cls(**values)
        _check_addresses(settings)
        _check_domain(settings)
        _check_keys(settings)
        return settings

    def adopted(self, output: str) -> str:
        """Name what an earlier stack left behind under this output, or nothing."""
        return self.adopt.get(output, "")


def _refused(key: str, given: object, because: str) -> SettingError:
    return SettingError(f"Setting {key} = {given!r} {because}. Example: {key}={RULES[key].example}")


def _unknown(key: str, given: object) -> str:
    similar = difflib.get_close_matches(key.lower().replace("-", "_"), RULES, n=1)
    meant = similar[0] if similar else "metering_region"
    return (
        f"Setting {key} = {given!r} is none of {', '.join(RULES)}. "
        f"Example: {meant}={RULES[meant].example}"
    )


def _check_addresses(settings: Settings) -> None:
    """Refuse plain HTTP: only the sandbox has pages without TLS, on its own machine."""
    for key in (key for key in RULES if key.endswith("_url")):
        given = getattr(settings, key)
        if given.startswith("http:") and settings.function_platform != "local":
            raise _refused(key, given, "must be an https address")


def _check_domain(settings: Settings) -> None:
    """Refuse a domain without its certificate, or with one that API Gateway could not read."""
    domain, certificate = settings.domain_name, settings.certificate_arn
    if domain and not certificate:
        raise _refused("domain_name", domain, "needs its certificate_arn beside it")
    if certificate and not domain:
        raise _refused("certificate_arn", certificate, "needs the domain_name it is for beside it")
    if certificate and certificate.split(":")[3] != settings.region:
        raise _refused(
            "certificate_arn",
            certificate,
            f"must be in the stack's region, which is {settings.region}",
        )


def _check_keys(settings: Settings) -> None:
    """Refuse a key that nothing would be under: what it has encrypted would not be readable."""
    for output in adoption.KEYS:
        if settings.adopted(output) and not settings.customer_managed_key:
            raise _refused("adopt", dict(settings.adopt), "has a key: set customer_managed_key too")


class _Rule(NamedTuple):
    parse: Callable[[object], Any]
    example: str


# The pattern of product codes is that of the API's model; of stack names, CloudFormation's, less
# the characters that the name of the second stack adds.
RULES: dict[str, _Rule] = {
    "stack_name": _Rule(
        matching(
            "[A-Za-z][A-Za-z0-9-]{0,120}",
            "1 to 121 letters, digits and hyphens, the first of them a letter",
        ),
        "MarketplaceMetering",
    ),
    "region": _Rule(
        one_of(STACK_REGIONS, "a region that AWS Marketplace's events can be forwarded to"),
        "us-east-1",
    ),
    "metering_region": _Rule(
        one_of(METERING_REGIONS, "a region where AWS Marketplace takes BatchMeterUsage"),
        "us-east-1",
    ),
    "product_code": _Rule(
        matching(
            "[-a-zA-Z0-9/=:_.@]{1,255}",
            "1 to 255 letters, digits and -/=:_.@ (leave the key out if the product has no code)",
        ),
        "aaaabbbbccccddddeeee11112",
    ),
    "dimensions": _Rule(parsers.dimensions, "api-calls,storage-gb"),
    "metering": _Rule(one_of(METERINGS), "dry-run"),
    "metering_from": _Rule(parsers.hour, "2026-12-01T00:00:00Z"),
    "id_memory_hours": _Rule(between(1, ID_MEMORY_HOURS_MAX), "26"),
    "settle_minutes": _Rule(between(1, SETTLE_MINUTES_MAX), "10"),
    "ending_settle_minutes": _Rule(between(1, ENDING_SETTLE_MINUTES_MAX), "20"),
    "concurrent_agreements": _Rule(parsers.yes_or_no, "false"),
    "product_ids": _Rule(parsers.product_ids, "prod-abcdefghijklm"),
    "contracts": _Rule(parsers.yes_or_no, "true"),
    "reconciliation": _Rule(one_of(RECONCILIATIONS), "report"),
    "sns_topics": _Rule(
        parsers.sns_topics,
        "arn:aws:sns:us-east-1:123456789012:"
        "aws-mp-subscription-notification-aaaabbbbccccddddeeee11112",
    ),
    "signup_url": _Rule(parsers.url, "https://app.example.com/sign-up"),
    "seller_name": _Rule(parsers.text(parsers.SELLER_NAME_BYTES_MAX), "Example Corp"),
    "logo_url": _Rule(parsers.url, "https://example.com/logo.svg"),
    "brand_color": _Rule(parsers.color, "#0b5cad"),
    "support_email": _Rule(parsers.email, "support@example.com"),
    "support_url": _Rule(parsers.url, "https://example.com/support"),
    "sign_in_url": _Rule(parsers.url, "https://app.example.com/sign-in"),
    "terms_url": _Rule(parsers.url, "https://example.com/terms"),
    "privacy_url": _Rule(parsers.url, "https://example.com/privacy"),
    "next_steps": _Rule(
        parsers.text(parsers.NEXT_STEPS_BYTES_MAX, lines_max=parsers.NEXT_STEPS_LINES_MAX),
        "We send you a link to your workspace.",
    ),
    "sender_email": _Rule(parsers.email, "welcome@example.com"),
    "domain_name": _Rule(
        matching(
            rf"(?=.{{1,253}}$)({parsers.LABEL}\.)+{parsers.LABEL}",
            "a host name in lower-case letters",
        ),
        "marketplace.example.com",
    ),
    "certificate_arn": _Rule(
        matching(
            "arn:aws:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]{1,64}",
            "the ARN of a certificate in AWS Certificate Manager",
        ),
        "arn:aws:acm:us-east-1:123456789012:certificate/0b3c9a52-6f1d-4c1e-9a4e-5d2f7a8b9c0d",
    ),
    "web_acl": _Rule(parsers.yes_or_no, "true"),
    "web_acl_rate": _Rule(between(WEB_ACL_RATE_MIN, WEB_ACL_RATE_MAX), "300"),
    "access_logs": _Rule(parsers.yes_or_no, "true"),
    "usage_endpoint": _Rule(parsers.yes_or_no, "true"),
    "alarm_email": _Rule(parsers.email, "on-call@example.com"),
    "customer_managed_key": _Rule(parsers.yes_or_no, "true"),
    "adopt": _Rule(adoption.adopted, '{"LedgerTableName": "Acme-MeteringLedger-1A2B3C"}'),
    "log_retention_days": _Rule(parsers.retention_days, "400"),
    "log_level": _Rule(one_of(LOG_LEVELS), "INFO"),
    "function_platform": _Rule(one_of(PLATFORM_NAMES), "arm64"),
}
