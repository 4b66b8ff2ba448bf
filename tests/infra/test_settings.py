from datetime import UTC, datetime

import pytest
from aws_cdk import aws_logs as logs

from infra.parsers import DIMENSIONS_MAX, LOG_RETENTION_DAYS, SNS_TOPICS_MAX, contrast_to_white
from infra.settings import RULES, SettingError, Settings
from tests.infra.conftest import CDK_JSON

HOUR = datetime(2026, 12, 1, tzinfo=UTC)
TOPIC = "arn:aws:sns:us-east-1:123456789012:aws-mp-subscription-notification-abc"
CERTIFICATE = RULES["certificate_arn"].example
TOGETHER = {"domain_name", "certificate_arn"}
"""Settings of which none is any good alone."""


def test_without_any_setting_the_defaults_hold() -> None:
    assert Settings.from_context({}) == Settings()


def test_cdk_json_shows_every_setting_of_a_seller_with_its_default() -> None:
    shown = {key: CDK_JSON["context"].get(key, "missing") for key in RULES}

    assert shown.pop("function_platform") == "missing"  # The sandbox's, not a seller's.
    assert "missing" not in shown.values()
    assert Settings.from_context(shown) == Settings()


def test_every_setting_has_a_rule() -> None:
    assert list(RULES) == list(Settings.__dataclass_fields__)


@pytest.mark.parametrize("key", RULES)
def test_the_example_of_an_error_is_itself_a_good_setting(key: str) -> None:
    keys = TOGETHER if key in TOGETHER else {key}

    Settings.from_context({each: RULES[each].example for each in keys})


@pytest.mark.parametrize(
    ("key", "given", "read"),
    [
        ("stack_name", "Acme-Metering", "Acme-Metering"),
        ("region", "eu-west-1", "eu-west-1"),
        ("metering_region", "eu-west-3", "eu-west-3"),
        ("product_code", "dsx0p0vi96vw1j8bu0gkcy8pm", "dsx0p0vi96vw1j8bu0gkcy8pm"),
        ("dimensions", ["api-calls", "storage, cold"], ("api-calls", "storage, cold")),
        ("dimensions", '["api-calls", "storage, cold"]', ("api-calls", "storage, cold")),
        ("dimensions", "api-calls, storage", ("api-calls", "storage")),
        ("dimensions", [], ()),
        ("dimensions", "[]", ()),
        ("metering", "dry-run", "dry-run"),
        ("metering_from", "2026-12-01T00:00:00Z", HOUR),
        ("metering_from", "2026-12-01T05:30:00+05:30", HOUR),
        ("id_memory_hours", 168, 168),
        ("id_memory_hours", "1", 1),
        ("settle_minutes", "60", 60),
        ("ending_settle_minutes", 45, 45),
        ("concurrent_agreements", False, False),
        ("concurrent_agreements", "false", False),
        ("product_ids", ["prod-abc", "prod-DEF1"], ("prod-abc", "prod-DEF1")),
        ("product_ids", "prod-abc, prod-DEF1", ("prod-abc", "prod-DEF1")),
        ("contracts", "true", True),
        ("reconciliation", "off", "off"),
        ("sns_topics", [TOPIC], (TOPIC,)),
        (
            "sns_topics",
            TOPIC.replace("subscription", "entitlement"),
            (TOPIC.replace("subscription", "entitlement"),),
        ),
        (
            "signup_url",
            "https://a.example:8443/x?plan=1&b=%20",
            "https://a.example:8443/x?plan=1&b=%20",
        ),
        ("signup_url", "https://a.example", "https://a.example"),
        ("signup_url", "https://a.example?plan=1", "https://a.example?plan=1"),
        ("seller_name", "Müller & Söhne", "Müller & Söhne"),
        ("logo_url", "https://a.example/l.svg", "https://a.example/l.svg"),
        ("brand_color", "#0B5CAD", "#0B5CAD"),
        ("brand_color", "#767676", "#767676"),
        ("support_email", "a.b+c@sub.example.com", "a.b+c@sub.example.com"),
        ("support_url", "https://a.example/help", "https://a.example/help"),
        ("sign_in_url", "https://a.example/in", "https://a.example/in"),
        ("terms_url", "https://a.example/terms", "https://a.example/terms"),
        ("privacy_url", "https://a.example/privacy", "https://a.example/privacy"),
        ("next_steps", "First this.\nThen that.\n", "First this.\nThen that."),
        ("sender_email", "hi@a.example", "hi@a.example"),
        ("web_acl", True, True),
        ("web_acl_rate", "10", 10),
        ("web_acl_rate", 20_000_000, 20_000_000),
        ("access_logs", "true", True),
        ("usage_endpoint", "true", True),
        ("alarm_email", "on-call@a.example", "on-call@a.example"),
        ("customer_managed_key", "true", True),
        ("adopt", '{"LedgerTableName": "Old-1"}', {"LedgerTableName": "Old-1"}),
        ("adopt", {"UsageQueueUrl": "Old-2"}, {"UsageQueueUrl": "Old-2"}),
        ("log_retention_days", "365", 365),
        ("log_level", "DEBUG", "DEBUG"),
        ("function_platform", "local", "local"),
    ],
)
def test_a_setting_is_read_from_json_or_from_the_command_line(
    key: str, given: object, read: object
) -> None:
    assert getattr(Settings.from_context({key: given}), key) == read


@pytest.mark.parametrize(
    ("key", "given", "because"),
    [
        ("stack_name", "1st", "letters, digits and hyphens"),
        ("stack_name", "a" * 122, "1 to 121"),
        ("region", "us-east-9", "region that AWS Marketplace's events can be forwarded to"),
        ("region", "cn-northwest-1", "region that AWS Marketplace's events"),
        ("metering_region", "us-east-9", "region where AWS Marketplace takes BatchMeterUsage"),
        ("metering_region", ["us-east-1"], "region where"),
        ("metering", "off", "one of live, dry-run"),
        ("metering", True, "one of live, dry-run"),
        ("product_code", "has spaces", "letters, digits"),
        ("product_code", "", "leave the key out"),
        ("dimensions", 7, "list of dimension names"),
        ("dimensions", ["api-calls", 7], "list of dimension names"),
        ("dimensions", '["api-calls"', "starts like a JSON list"),
        ("dimensions", "", "1 to 255 printable characters"),
        ("dimensions", "api-calls,,storage", "1 to 255 printable characters"),
        ("dimensions", ["a" * 256], "1 to 255 printable characters"),
        ("dimensions", ["api\ncalls"], "1 to 255 printable characters"),
        ("dimensions", "api-calls,api-calls", "twice"),
        ("dimensions", [f"d{n}" for n in range(DIMENSIONS_MAX + 1)], "more than the 200"),
        ("dimensions", [f"d{n}" + "-" * 40 for n in range(100)], "environment has room for"),
        ("metering_from", "tomorrow", "ISO 8601"),
        ("metering_from", 1796083200, "ISO 8601"),
        ("metering_from", "2026-12-01T00:00:00", "offset from UTC"),
        ("metering_from", "2026-12-01T00:30:00Z", "start of an hour"),
        ("metering_from", "", "ISO 8601"),
        ("id_memory_hours", "0", "from 1 to 168"),
        ("id_memory_hours", 169, "from 1 to 168"),
        ("settle_minutes", 0, "from 1 to 60"),
        ("settle_minutes", 61, "from 1 to 60"),
        ("settle_minutes", "soon", "whole number"),
        ("settle_minutes", 7.5, "whole number"),
        ("settle_minutes", True, "whole number"),
        ("ending_settle_minutes", "-1", "from 1 to 45"),
        ("ending_settle_minutes", 46, "from 1 to 45"),
        ("concurrent_agreements", "yes", "true or false"),
        ("contracts", 1, "true or false"),
        ("web_acl", "True", "true or false"),
        ("product_ids", "abc", "prod- and its letters"),
        ("product_ids", "prod-abc,prod-abc", "twice"),
        ("product_ids", [f"prod-{n}{'a' * 50}" for n in range(50)], "environment has room for"),
        ("reconciliation", "never", "repair, report, off"),
        ("sns_topics", TOPIC.replace("us-east-1", "eu-west-1"), "us-east-1"),
        ("sns_topics", "arn:aws:sns:us-east-1:123456789012:mine", "topics of AWS Marketplace"),
        ("sns_topics", [f"{TOPIC}{n}" for n in range(SNS_TOPICS_MAX + 1)], "more than 10 topics"),
        ("signup_url", "http://a.example/x", "https address"),
        ("signup_url", "http://localhost:8000/x", "https address"),
        ("signup_url", "https://a.example/#/sign-up", "without a fragment"),
        ("signup_url", "https://user:secret@a.example/", "https address"),
        ("signup_url", "javascript:alert(1)", "https address"),
        ("logo_url", 'https://a.example/"><script>', "percent-encoded"),
        ("logo_url", "https://a.example/a b", "percent-encoded"),
        ("logo_url", "https://a.example/\n", "percent-encoded"),
        ("terms_url", "https://a.example/" + "x" * 300, "at most 300"),
        ("privacy_url", 7, "https address"),
        ("seller_name", "  ", "one line of text"),
        ("seller_name", "a\nb", "one line of text"),
        ("seller_name", "ö" * 51, "at most 100 bytes"),
        ("next_steps", "a\n" * 11, "1 to 10 lines"),
        ("next_steps", "a\tb", "1 to 10 lines"),
        ("next_steps", "a" * 501, "at most 500 bytes"),
        ("brand_color", "0b5cad", "#rrggbb"),
        ("brand_color", "#777777", "a contrast of 4.5, and below 4.5"),
        ("brand_color", "#ffcc00", "too light"),
        ("support_email", "support@example", "e-mail address"),
        ("support_email", "Support <a@example.com>", "e-mail address"),
        ("sender_email", "a" * 250 + "@example.com", "at most 254"),
        ("alarm_email", "a@example.com,b@example.com", "e-mail address"),
        ("domain_name", "*.example.com", "host name"),
        ("domain_name", "Example.com", "host name"),
        ("domain_name", "https://example.com", "host name"),
        ("domain_name", "marketplace.example.com", "needs its certificate_arn"),
        ("certificate_arn", "arn:aws:iam::123456789012:server-certificate/x", "ARN of a cert"),
        ("certificate_arn", CERTIFICATE, "needs the domain_name"),
        ("web_acl_rate", 9, "from 10 to 20000000"),
        ("web_acl_rate", 20_000_001, "from 10 to 20000000"),
        ("log_retention_days", 366, "must be one of 1, 3, 5"),
        ("log_retention_days", "a year", "must be one of 1, 3, 5"),
        ("log_level", "WARNING", "INFO, DEBUG"),
        ("function_platform", "riscv", "arm64, local"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line_with_key_value_reason_and_example(
    key: str, given: object, because: str
) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_context({key: given})

    message = str(refused.value)
    assert message.startswith(f"Setting {key} = {given!r} ")
    assert because in message
    assert message.endswith(f"Example: {key}={RULES[key].example}")
    assert "\n" not in message


@pytest.mark.parametrize("key", ["setle_minutes", "settle-minutes", "settleMinutes"])
def test_a_key_that_nobody_reads_is_refused_with_what_was_meant(key: str) -> None:
    with pytest.raises(SettingError, match=f"Setting {key} = 12 .*Example: settle_minutes=10"):
        Settings.from_context({key: 12})


@pytest.mark.parametrize(
    "key",
    [
        "aws:cdk:bundling-stacks",
        "@aws-cdk/core:checkSecretUsage",
        "availability-zones:account=123456789012:region=us-east-1",
        "acknowledged-issue-numbers",
    ],
)
def test_the_cdks_own_context_is_left_alone(key: str) -> None:
    assert Settings.from_context({key: ["anything"]}) == Settings()


def test_the_log_retentions_are_those_the_cdk_knows() -> None:
    assert len(LOG_RETENTION_DAYS) + len(["INFINITE"]) == len(logs.RetentionDays)


def test_a_certificate_of_another_region_is_refused() -> None:
    context = {
        "domain_name": "marketplace.example.com",
        "certificate_arn": CERTIFICATE,
        "region": "eu-west-1",
    }

    with pytest.raises(SettingError, match="stack's region, which is eu-west-1"):
        Settings.from_context(context)


def test_plain_http_is_for_the_sandbox_on_its_own_machine() -> None:
    address = "http://127.0.0.1:8000/sign-up"
    context = {"function_platform": "local", "signup_url": address}

    assert Settings.from_context(context).signup_url == address


@pytest.mark.parametrize(
    ("color", "contrast"),
    # Of the WCAG's own working group: #767676 is the lightest gray that passes.
    [("#000000", 21.0), ("#ffffff", 1.0), ("#767676", 4.54), ("#777777", 4.48)],
)
def test_contrast_is_what_the_wcag_calls_so(color: str, contrast: float) -> None:
    assert contrast_to_white(color) == pytest.approx(contrast, abs=0.005)
