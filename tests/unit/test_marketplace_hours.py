"""BatchMeterUsage: which times are taken, and what counts once."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.marketplace.rules import Readings
from tests.unit.marketplace_stage import BUYER, HOUR, NINE, NOW, Stage


def test_usage_is_taken_until_it_is_24_hours_old() -> None:
    stage = Stage()

    record = stage.record(Timestamp=NOW - 24 * HOUR + timedelta(seconds=1))

    assert stage.send(record) == ["Success"]


def test_usage_of_24_hours_ago_is_too_old() -> None:
    stage = Stage()

    record = stage.record(Timestamp=NOW - 24 * HOUR)

    assert stage.refusal(record) == "TimestampOutOfBoundsException"


def test_the_window_is_6_hours_in_another_reading() -> None:
    stage = Stage(readings=Readings(window_hours=6))

    assert stage.send(stage.record(Timestamp=NOW - 6 * HOUR + timedelta(seconds=1))) == ["Success"]
    assert stage.refusal(stage.record(Timestamp=NOW - 6 * HOUR)) == "TimestampOutOfBoundsException"


def test_usage_of_this_very_second_is_taken() -> None:
    stage = Stage()

    assert stage.send(stage.record(Timestamp=NOW)) == ["Success"]


def test_the_future_is_out_of_bounds() -> None:
    stage = Stage()

    record = stage.record(Timestamp=NOW + timedelta(seconds=1))

    assert stage.refusal(record) == "TimestampOutOfBoundsException"


@pytest.mark.parametrize("epoch", ["1795424400000", "1e300", "-1e15"])
def test_a_time_that_is_no_date_is_out_of_bounds(epoch: str) -> None:
    stage = Stage()
    record = f'{{"Timestamp": {epoch}, "Dimension": "users"}}'

    answer = stage.marketplace.answer(
        "AWSMPMeteringService.BatchMeterUsage", f'{{"UsageRecords": [{record}]}}'.encode()
    )

    assert answer.body["__type"] == "TimestampOutOfBoundsException"


def test_a_timestamp_may_have_a_fraction() -> None:
    stage = Stage()
    record = stage.record(Timestamp=NINE + timedelta(milliseconds=250))

    answer = stage.client.batch_meter_usage(UsageRecords=[record])

    assert answer["Results"][0]["UsageRecord"]["Timestamp"] == record["Timestamp"]


def test_last_month_is_taken_until_six_in_the_morning() -> None:
    stage = Stage()
    stage.now = datetime(2026, 12, 1, 5, 59, 59, tzinfo=UTC)

    record = stage.record(Timestamp=datetime(2026, 11, 30, 23, tzinfo=UTC))

    assert stage.send(record) == ["Success"]


def test_last_month_is_refused_from_six_in_the_morning_on() -> None:
    stage = Stage()
    stage.now = datetime(2026, 12, 1, 6, tzinfo=UTC)

    record = stage.record(Timestamp=datetime(2026, 11, 30, 23, tzinfo=UTC))

    assert stage.refusal(record) == "TimestampOutOfBoundsException"


def test_the_end_of_a_month_does_not_make_the_window_longer() -> None:
    stage = Stage()
    stage.now = datetime(2026, 12, 1, 5, tzinfo=UTC)

    record = stage.record(Timestamp=datetime(2026, 11, 30, 4, tzinfo=UTC))

    assert stage.refusal(record) == "TimestampOutOfBoundsException"


def test_this_month_is_taken_whatever_the_time_of_day() -> None:
    stage = Stage()
    stage.now = datetime(2026, 12, 1, 7, tzinfo=UTC)

    record = stage.record(Timestamp=datetime(2026, 12, 1, tzinfo=UTC))

    assert stage.send(record) == ["Success"]


def test_an_identical_record_again_is_a_success_billed_once() -> None:
    stage = Stage()
    stage.send(stage.record(Quantity=3))

    assert stage.send(stage.record(Quantity=3)) == ["Success"]
    assert stage.total() == "3"


def test_an_identical_record_again_has_the_same_id() -> None:
    stage = Stage()

    answers = [stage.client.batch_meter_usage(UsageRecords=[stage.record()]) for _ in range(2)]

    first, second = (answer["Results"][0]["MeteringRecordId"] for answer in answers)
    assert first == second


def test_an_identical_record_again_is_a_duplicate_in_another_reading() -> None:
    stage = Stage(readings=Readings(identical_resend="duplicate"))
    stage.send(stage.record(Quantity=3))

    assert stage.send(stage.record(Quantity=3)) == ["DuplicateRecord"]


@pytest.mark.parametrize("text", ["17", "17.0", "17.000000"])
def test_quantities_are_the_same_by_value(text: str) -> None:
    stage = Stage()
    stage.send(stage.record(Quantity=17))

    assert stage.send(stage.record(QuantityAsDecimal=text)) == ["Success"]


def test_a_second_quantity_for_an_hour_is_a_duplicate_and_the_first_is_billed() -> None:
    stage = Stage()
    stage.send(stage.record(Quantity=3))

    assert stage.send(stage.record(Quantity=4)) == ["DuplicateRecord"]
    assert stage.total() == "3"


def test_a_zero_is_not_amended_either() -> None:
    stage = Stage()
    stage.send(stage.record(Quantity=0))

    assert stage.send(stage.record(Quantity=4)) == ["DuplicateRecord"]


def test_a_duplicate_has_no_record_id() -> None:
    stage = Stage()
    stage.send(stage.record(Quantity=3))

    answer = stage.client.batch_meter_usage(UsageRecords=[stage.record(Quantity=4)])

    assert "MeteringRecordId" not in answer["Results"][0]


def test_records_of_one_call_are_not_added() -> None:
    stage = Stage()

    statuses = stage.send(stage.record(Quantity=3), stage.record(Quantity=4))

    assert (statuses, stage.total()) == (["Success", "DuplicateRecord"], "3")


def test_two_times_in_one_hour_are_the_same_hour() -> None:
    stage = Stage()
    stage.send(stage.record(Timestamp=NINE, Quantity=3))

    later = stage.record(Timestamp=NINE + timedelta(minutes=59), Quantity=4)

    assert stage.send(later) == ["DuplicateRecord"]


def test_two_times_in_one_hour_are_two_in_another_reading() -> None:
    stage = Stage(readings=Readings(same_time="exact-time"))
    stage.send(stage.record(Timestamp=NINE, Quantity=3))

    stage.send(stage.record(Timestamp=NINE + timedelta(minutes=59), Quantity=4))

    assert stage.billed() == {(BUYER, "users", 9): "7"}


def test_hours_are_billed_apart() -> None:
    stage = Stage()

    stage.send(stage.record(Quantity=3), stage.record(Timestamp=NINE - HOUR, Quantity=4))

    assert stage.billed() == {(BUYER, "users", 8): "4", (BUYER, "users", 9): "3"}


def test_dimensions_are_billed_apart() -> None:
    stage = Stage()

    stage.send(stage.record(Quantity=3), stage.record(Dimension="storage-gb", Quantity=4))

    assert stage.billed() == {(BUYER, "users", 9): "3", (BUYER, "storage-gb", 9): "4"}


def test_licenses_of_one_buyer_are_billed_apart() -> None:
    stage = Stage()
    second = stage.buy()

    stage.send(stage.record(Quantity=3), stage.record(LicenseArn=second.license_arn, Quantity=4))

    assert [str(line.quantity) for line in stage.marketplace.usage()] in (["3", "4"], ["4", "3"])
