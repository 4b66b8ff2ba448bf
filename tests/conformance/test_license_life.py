"""BatchMeterUsage: from the purchase to the last hour after a cancellation."""

from datetime import datetime, timedelta

from tests.conformance.citations import page, says
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import HOUR, NINE, NOW, SECOND, Stage

NOT_SUBSCRIBED = ["CustomerNotSubscribed"]
INACTIVE = says(
    "UsageRecordResult.Status",
    "The customer identifier provided in the metering record does not have an active agreement or "
    "subscription with this product",
)
UNTIL = says(
    "UsageRecordResult.Status",
    "Future UsageRecords for this customer will fail until the customer subscribes to your product",
)
SUSPENDED = says(
    "UsageRecordResult.Status", "The customer's Amazon Web Services account was suspended"
)
LAST_HOUR = page("MFU", "one hour after a cancellation to report what is left; then it is refused")
PER_LICENSE = page("MFU", "the last hour is the license's; the buyer's other licenses go on")
SINCE_THE_START = says("UsageRecord.Timestamp", "is not before the start of the software usage")
ACTIVATION = says("InvalidLicenseException", "usage is within the license activation period")


def license_updated(stage: Stage) -> datetime:
    """When AWS tells the seller of a license that was bought now."""
    pauses = stage.ask("GET", "timing")
    return NOW + timedelta(seconds=pauses["created_seconds"] + pauses["license_updated_seconds"])


@rule(INACTIVE)
def test_a_license_that_is_not_active_yet_is_not_subscribed(stage: Stage) -> None:
    bought = stage.buy(state="pending")

    assert stage.send(stage.record(bought, Timestamp=NOW)) == NOT_SUBSCRIBED
    assert stage.billed(bought) == []


@rule(UNTIL)
def test_the_same_record_is_taken_once_the_license_is_active(stage: Stage) -> None:
    bought = stage.buy(state="pending")
    stage.change(bought, "activate")
    stage.set_clock(NOW + HOUR)
    record = stage.record(bought, Timestamp=NOW + timedelta(minutes=30))

    assert stage.send(record) == ["Success"]
    assert stage.billed(bought) == [3]


@rule(UNTIL)
def test_a_record_that_was_not_honored_leaves_its_hour_free(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "suspend")
    stage.send(stage.record(bought, Quantity=4))
    stage.change(bought, "activate")

    assert stage.send(stage.record(bought)) == ["Success"]
    assert stage.billed(bought) == [3]


@rule(SUSPENDED)
def test_a_suspended_account_is_not_subscribed(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "suspend")

    assert stage.send(stage.record(bought)) == NOT_SUBSCRIBED
    assert stage.billed(bought) == []


@rule(LAST_HOUR, page("EB", "one hour to send the last records"))
def test_for_an_hour_after_a_cancellation_usage_of_before_is_taken(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "cancel")
    stage.set_clock(NOW + HOUR - SECOND)

    assert stage.send(stage.record(bought, Timestamp=NOW - SECOND)) == ["Success"]
    assert stage.billed(bought) == [3]


@rule(LAST_HOUR, INACTIVE)
def test_an_hour_after_a_cancellation_nothing_is_taken_any_more(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "cancel")
    stage.set_clock(NOW + HOUR)

    assert stage.send(stage.record(bought)) == NOT_SUBSCRIBED
    assert stage.billed(bought) == []


@rule(ACTIVATION)
def test_usage_of_after_a_cancellation_is_an_invalid_license(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "cancel")
    stage.set_clock(NOW + HOUR / 2)

    code = stage.refusal(stage.record(bought, Timestamp=NOW + SECOND))

    assert (code, stage.billed(bought)) == ("InvalidLicenseException", [])


@rule(LAST_HOUR)
def test_a_license_that_has_ended_is_not_subscribed(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "end")

    assert stage.send(stage.record(bought)) == NOT_SUBSCRIBED


@rule(LAST_HOUR)
def test_a_legacy_customer_has_an_hour_after_a_cancellation_too(stage: Stage) -> None:
    bought = stage.buy_legacy()
    stage.change(bought, "cancel")
    stage.set_clock(NOW + HOUR - SECOND)
    in_time = stage.send(stage.record(bought), ProductCode=bought.product_code)
    stage.set_clock(NOW + HOUR)
    other = stage.record(bought, Timestamp=NINE - HOUR)

    assert in_time == ["Success"]
    assert stage.send(other, ProductCode=bought.product_code) == NOT_SUBSCRIBED


@rule(PER_LICENSE)
def test_when_one_license_ends_the_buyers_others_go_on(stage: Stage) -> None:
    ended = stage.buy()
    other = stage.buy(ended.product_code)
    stage.change(ended, "end")

    results = stage.answer(stage.record(ended), stage.record(other))["Results"]

    statuses = {result["UsageRecord"]["LicenseArn"]: result["Status"] for result in results}
    assert statuses == {ended.license_arn: "CustomerNotSubscribed", other.license_arn: "Success"}


@rule(UNTIL)
def test_a_license_that_came_back_is_metered_again(stage: Stage) -> None:
    bought = stage.buy()
    stage.change(bought, "end")
    stage.set_clock(NOW + HOUR)
    stage.change(bought, "activate")
    stage.set_clock(NOW + 2 * HOUR)

    assert stage.send(stage.record(bought, Timestamp=NOW + HOUR + SECOND)) == ["Success"]
    assert stage.billed(bought) == [3]


@rule(INACTIVE)
def test_what_was_metered_before_the_end_stays_on_the_bill(stage: Stage) -> None:
    bought = stage.buy()
    stage.send(stage.record(bought))

    stage.change(bought, "end")

    assert stage.billed(bought) == [3]


@rule(says("UsageRecordResult.Status", "does not have an active agreement or subscription"))
@under(activation_period=("agreement", "license-updated"))
def test_until_the_license_is_updated_a_new_customer_is_not_subscribed(stage: Stage) -> None:
    bought = stage.buy(state="as-real", starts_at=NOW)
    before = stage.send(stage.record(bought, Timestamp=NOW))

    updated = license_updated(stage)

    stage.set_clock(updated)
    assert before == NOT_SUBSCRIBED
    assert stage.send(stage.record(bought, Timestamp=updated)) == ["Success"]


@rule(SINCE_THE_START)
@under(activation_period="agreement")
def test_then_usage_since_the_agreement_began_is_taken(stage: Stage) -> None:
    bought = stage.buy(state="as-real", starts_at=NOW)

    stage.set_clock(license_updated(stage))

    assert stage.send(stage.record(bought, Timestamp=NOW)) == ["Success"]


@rule(ACTIVATION, page("SETUP", "records of before License Updated are not metered"))
@under(activation_period="license-updated")
def test_or_only_usage_since_the_license_was_updated_is_taken(stage: Stage) -> None:
    bought = stage.buy(state="as-real", starts_at=NOW)

    stage.set_clock(license_updated(stage))

    code = stage.refusal(stage.record(bought, Timestamp=NOW))
    assert (code, stage.billed(bought)) == ("InvalidLicenseException", [])
