from datetime import UTC, datetime

import pytest
from aws_cdk import aws_logs as logs

from infra.settings import (
    DIMENSIONS_MAX,
    LOG_RETENTION_DAYS,
    RULES,
    SettingError,
    Settings,
)
from tests.infra.conftest import CDK_JSON

HOUR = datetime(2026, 12, 1, tzinfo=UTC)


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
    Settings.from_context({key: RULES[key].example})


@pytest.mark.parametrize(
    ("key", "given", "read"),
    [
        ("stack_name", "Acme-Metering", "Acme-Metering"),
        ("metering_region", "eu-west-3", "eu-west-3"),
        ("product_code", "dsx0p0vi96vw1j8bu0gkcy8pm", "dsx0p0vi96vw1j8bu0gkcy8pm"),
        ("dimensions", ["api-calls", "storage, cold"], ("api-calls", "storage, cold")),
        ("dimensions", '["api-calls", "storage, cold"]', ("api-calls", "storage, cold")),
        ("dimensions", "api-calls, storage", ("api-calls", "storage")),
        ("dimensions", [], ()),
        ("dimensions", "[]", ()),
        ("metering_from", "2026-12-01T00:00:00Z", HOUR),
        ("metering_from", "2026-12-01T05:30:00+05:30", HOUR),
        ("id_memory_hours", 168, 168),
        ("id_memory_hours", "1", 1),
        ("settle_minutes", "60", 60),
        ("ending_settle_minutes", 45, 45),
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
        ("stack_name", "a" * 129, "1 to 128"),
        ("metering_region", "us-east-9", "region where AWS Marketplace takes BatchMeterUsage"),
        ("metering_region", ["us-east-1"], "region where"),
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
