"""BatchMeterUsage: what is the same record, and what becomes of a second one."""

from datetime import timedelta

import pytest

from tests.conformance.citations import page, says
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import HOUR, NINE, NOW, OTHER_BUYER, SECOND, Stage

RESENDS = ("success", "duplicate")
TIMES = ("hour", "exact-time")
IDEMPOTENT = says(
    "BatchMeterUsage",
    "Identical requests are idempotent and can be retried with the same records or a subset",
)
HARMLESS_DUPLICATE = page("SKILL", "an identical record sent again is a harmless DuplicateRecord")
ONCE = says(
    "UsageRecord",
    "Multiple requests with the same UsageRecords as input will be de-duplicated to prevent double "
    "charges",
)
DIFFERENT = says(
    "UsageRecordResult.Status",
    "A previously metered UsageRecord had the same customer, dimension, and time, but a different "
    "quantity",
)
NOT_HONORED = says(
    "UsageRecordResult.Status",
    "DuplicateRecord- Indicates that the UsageRecord was invalid and not honored",
)
BY_HOUR = page("MFU", "the key is license, customer, hour and dimension")
BY_TIME = says("UsageRecordResult.Status", "had the same customer, dimension, and time")
FIRST_COUNTS = page("MFU", "the first record of a key is billed, and nothing can be amended")


@rule(IDEMPOTENT)
@under(identical_resend="success", same_time=TIMES)
def test_an_identical_record_sent_again_is_a_success(stage: Stage) -> None:
    record = stage.record(stage.buy())

    assert (stage.send(record), stage.send(record)) == (["Success"], ["Success"])


@rule(HARMLESS_DUPLICATE)
@under(identical_resend="duplicate", same_time=TIMES)
def test_or_an_identical_record_sent_again_is_a_harmless_duplicate(stage: Stage) -> None:
    record = stage.record(stage.buy())

    assert (stage.send(record), stage.send(record)) == (["Success"], ["DuplicateRecord"])


@rule(ONCE)
@under(identical_resend=RESENDS, same_time=TIMES)
def test_an_identical_record_sent_again_is_billed_once(stage: Stage) -> None:
    bought = stage.buy()

    for _ in range(3):
        stage.send(stage.record(bought))

    assert stage.billed(bought) == [3]


@rule(ONCE)
@under(identical_resend=RESENDS, same_time=TIMES)
def test_a_record_that_is_twice_in_one_call_is_billed_once(stage: Stage) -> None:
    bought = stage.buy()

    stage.send(stage.record(bought), stage.record(bought))

    assert stage.billed(bought) == [3]


@pytest.mark.parametrize("second", [4, 2, 0], ids=["more", "less", "zero"])
@rule(DIFFERENT, NOT_HONORED, FIRST_COUNTS)
@under(identical_resend=RESENDS, same_time=TIMES)
def test_another_quantity_is_a_duplicate_and_the_first_is_billed(stage: Stage, second: int) -> None:
    bought = stage.buy()
    stage.send(stage.record(bought))

    assert stage.send(stage.record(bought, Quantity=second)) == ["DuplicateRecord"]
    assert stage.billed(bought) == [3]


@rule(DIFFERENT)
@under(identical_resend=RESENDS, same_time=TIMES)
def test_of_two_quantities_in_one_call_only_one_is_billed(stage: Stage) -> None:
    bought = stage.buy()

    statuses = stage.send(stage.record(bought), stage.record(bought, Quantity=4))

    assert sorted(statuses) == ["DuplicateRecord", "Success"]
    assert stage.billed(bought) in ([3], [4])


@rule(FIRST_COUNTS)
@under(identical_resend=RESENDS)
def test_a_zero_takes_its_hour_like_any_other_quantity(stage: Stage) -> None:
    bought = stage.buy()
    stage.send(stage.record(bought, Quantity=0))

    assert stage.send(stage.record(bought)) == ["DuplicateRecord"]
    assert stage.total(bought) == 0


@rule(DIFFERENT)
@under(identical_resend=RESENDS)
def test_a_duplicate_does_not_keep_others_from_being_metered(stage: Stage) -> None:
    bought = stage.buy()
    stage.send(stage.record(bought))

    stage.send(stage.record(bought, Quantity=4), stage.record(bought, Dimension="storage-gb"))

    assert stage.billed(bought) == [3, 3]


@rule(BY_HOUR)
@under(same_time="hour", identical_resend=RESENDS)
def test_by_hour_another_quantity_of_another_minute_is_a_duplicate(stage: Stage) -> None:
    bought = stage.buy()
    stage.send(stage.record(bought))

    later = stage.record(bought, Timestamp=NINE + HOUR - SECOND, Quantity=4)

    assert stage.send(later) == ["DuplicateRecord"]
    assert stage.billed(bought) == [3]


@rule(BY_HOUR)
@under(same_time="hour", identical_resend=RESENDS)
def test_by_hour_an_equal_quantity_of_another_minute_is_billed_once(stage: Stage) -> None:
    bought = stage.buy()

    stage.send(stage.record(bought))
    stage.send(stage.record(bought, Timestamp=NINE + timedelta(minutes=30)))

    assert stage.billed(bought) == [3]


@rule(BY_TIME)
@under(same_time="exact-time", identical_resend=RESENDS)
def test_by_exact_time_another_minute_is_another_record(stage: Stage) -> None:
    bought = stage.buy()
    stage.send(stage.record(bought))

    later = stage.record(bought, Timestamp=NINE + timedelta(minutes=30), Quantity=4)

    assert stage.send(later) == ["Success"]
    assert stage.total(bought) == 7


@rule(BY_TIME)
@under(same_time="exact-time", identical_resend=RESENDS)
def test_by_exact_time_an_equal_quantity_of_another_minute_is_billed_too(stage: Stage) -> None:
    bought = stage.buy()

    stage.send(stage.record(bought))
    stage.send(stage.record(bought, Timestamp=NINE + timedelta(minutes=30)))

    assert stage.total(bought) == 6


@rule(BY_HOUR)
@under(same_time=TIMES)
def test_another_hour_is_another_record(stage: Stage) -> None:
    bought = stage.buy()

    statuses = stage.send(stage.record(bought), stage.record(bought, Timestamp=NINE - SECOND))

    assert (statuses, stage.billed(bought)) == (["Success"] * 2, [3, 3])


@rule(BY_HOUR)
@under(same_time=TIMES)
def test_another_dimension_is_another_record(stage: Stage) -> None:
    bought = stage.buy()

    statuses = stage.send(stage.record(bought), stage.record(bought, Dimension="storage-gb"))

    assert (statuses, stage.billed(bought)) == (["Success"] * 2, [3, 3])


@rule(BY_HOUR)
@under(same_time=TIMES)
def test_another_customer_is_another_record(stage: Stage) -> None:
    one = stage.buy()
    other = stage.buy(one.product_code, OTHER_BUYER)

    assert stage.send(stage.record(one), stage.record(other)) == ["Success"] * 2
    assert stage.billed(one) == [3, 3]


@rule(ONCE)
@under(identical_resend=RESENDS, same_time=TIMES)
def test_a_record_sent_again_much_later_is_still_billed_once(stage: Stage) -> None:
    bought = stage.buy()
    record = stage.record(bought, Timestamp=NOW)
    stage.send(record)

    stage.set_clock(NOW + 23 * HOUR)
    stage.send(record)

    assert stage.billed(bought) == [3]


@rule(DIFFERENT)
@under(identical_resend=RESENDS)
def test_a_record_that_was_refused_leaves_its_hour_free(stage: Stage) -> None:
    bought = stage.buy()
    stage.refusal(stage.record(bought, Dimension="seats"), stage.record(bought, Quantity=4))

    assert stage.send(stage.record(bought)) == ["Success"]
    assert stage.billed(bought) == [3]
