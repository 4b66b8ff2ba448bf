"""BatchMeterUsage: how old usage may be, and the end of the billing month."""

from datetime import datetime, timedelta

import pytest

from tests.conformance.citations import page, says
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import HOUR, NOW, SECOND, Bought, Stage

DAY = timedelta(hours=24)
OUT_OF_BOUNDS = "TimestampOutOfBoundsException"
WINDOW = says("BatchMeterUsage", "Usage records aren't accepted 24 hours or more after an event")
SIX_HOURS = page("CODE", "records older than six hours are refused (as until botocore 1.43.38)")
GRACE = says(
    "BatchMeterUsage",
    "We accept usage records for the previous billing month until 06:00 UTC on the first day of "
    "the next month",
)
CLOSED = says(
    "BatchMeterUsage",
    "are rejected regardless of the normal 24-hour submission window. After this grace period, we "
    "return a TimestampOutOfBoundsException error",
)
SINCE_THE_START = says(
    "UsageRecord.Timestamp",
    "Make sure the timestamp value is not before the start of the software usage",
)
WITHIN_ACTIVATION = says(
    "InvalidLicenseException",
    "Ensure the LicenseArn is valid, matches the customer, and usage is within the license "
    "activation period",
)
MONTHS = ["2026-12-01", "2027-01-01", "2027-03-01", "2028-03-01"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def buy_long_ago(stage: Stage) -> Bought:
    return stage.buy(starts_at=utc("2026-01-01T00:00:00"))


@rule(WINDOW)
@under(window_hours=24)
def test_usage_of_almost_24_hours_ago_is_taken(stage: Stage) -> None:
    assert stage.send(stage.record(stage.buy(), Timestamp=NOW - DAY + SECOND)) == ["Success"]


@rule(WINDOW)
@under(window_hours=24)
def test_usage_of_24_hours_ago_is_out_of_bounds(stage: Stage) -> None:
    assert stage.refusal(stage.record(stage.buy(), Timestamp=NOW - DAY)) == OUT_OF_BOUNDS


@rule(SIX_HOURS)
@under(window_hours=6)
def test_by_older_pages_usage_of_almost_6_hours_ago_is_taken(stage: Stage) -> None:
    assert stage.send(stage.record(stage.buy(), Timestamp=NOW - 6 * HOUR + SECOND)) == ["Success"]


@rule(SIX_HOURS)
@under(window_hours=6)
def test_by_older_pages_usage_of_more_than_6_hours_ago_is_out_of_bounds(stage: Stage) -> None:
    record = stage.record(stage.buy(), Timestamp=NOW - 6 * HOUR - SECOND)

    assert stage.refusal(record) == OUT_OF_BOUNDS


@rule(says("UsageRecord.Timestamp", "for which the usage is being reported"))
@under(window_hours=(24, 6))
def test_usage_of_this_moment_is_taken(stage: Stage) -> None:
    assert stage.send(stage.record(stage.buy(), Timestamp=NOW)) == ["Success"]


@rule(page("RH-2687", "a time ahead of AWS's clock is out of bounds"))
@under(window_hours=(24, 6))
def test_usage_of_the_future_is_out_of_bounds(stage: Stage) -> None:
    assert stage.refusal(stage.record(stage.buy(), Timestamp=NOW + SECOND)) == OUT_OF_BOUNDS


@rule(WINDOW)
def test_a_record_that_waits_grows_out_of_bounds(stage: Stage) -> None:
    record = stage.record(stage.buy())

    stage.set_clock(NOW + DAY)

    assert stage.refusal(record) == OUT_OF_BOUNDS


@pytest.mark.parametrize("first", MONTHS)
@rule(GRACE)
@under(window_hours=24)
def test_last_months_usage_is_taken_until_06_00_utc_on_the_first(stage: Stage, first: str) -> None:
    bought = buy_long_ago(stage)

    stage.set_clock(utc(f"{first}T05:59:59"))

    record = stage.record(bought, Timestamp=utc(f"{first}T00:00:00") - SECOND)
    assert stage.send(record) == ["Success"]


@pytest.mark.parametrize("first", MONTHS)
@rule(CLOSED)
@under(window_hours=24)
def test_last_months_usage_is_out_of_bounds_from_06_00_utc_on_the_first(
    stage: Stage, first: str
) -> None:
    bought = buy_long_ago(stage)

    stage.set_clock(utc(f"{first}T06:00:00"))

    record = stage.record(bought, Timestamp=utc(f"{first}T00:00:00") - SECOND)
    assert stage.refusal(record) == OUT_OF_BOUNDS


@rule(GRACE)
@under(window_hours=(24, 6))
def test_this_months_usage_is_taken_after_last_month_has_closed(stage: Stage) -> None:
    bought = buy_long_ago(stage)

    stage.set_clock(utc("2026-12-01T06:00:00"))

    assert stage.send(stage.record(bought, Timestamp=utc("2026-12-01T00:00:01"))) == ["Success"]


@rule(WINDOW, GRACE)
@under(window_hours=24)
def test_the_grace_period_does_not_lengthen_the_24_hours(stage: Stage) -> None:
    bought = buy_long_ago(stage)

    stage.set_clock(utc("2026-12-01T05:00:00"))

    record = stage.record(bought, Timestamp=utc("2026-11-30T05:00:00"))
    assert stage.refusal(record) == OUT_OF_BOUNDS


@rule(WITHIN_ACTIVATION)
def test_usage_of_before_a_license_was_activated_is_an_invalid_license(stage: Stage) -> None:
    bought = stage.buy(starts_at=NOW - HOUR)

    code = stage.refusal(stage.record(bought, Timestamp=NOW - HOUR - SECOND))

    assert code == "InvalidLicenseException"


@rule(WITHIN_ACTIVATION)
def test_usage_of_the_moment_of_activation_is_taken(stage: Stage) -> None:
    bought = stage.buy(starts_at=NOW - HOUR)

    assert stage.send(stage.record(bought, Timestamp=NOW - HOUR)) == ["Success"]


@rule(SINCE_THE_START, page("RH-2641", "the first hour's start may lie before the subscription"))
def test_usage_of_before_a_legacy_subscription_is_refused(stage: Stage) -> None:
    bought = stage.buy_legacy(starts_at=NOW - HOUR)
    record = stage.record(bought, Timestamp=NOW - HOUR - SECOND)

    assert stage.refusal(record, ProductCode=bought.product_code)
    assert stage.billed(bought) == []
