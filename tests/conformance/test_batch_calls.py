"""BatchMeterUsage: one call, its size, and its answer."""

from datetime import timedelta
from typing import Any

import botocore.serialize
import botocore.session
import pytest

from tests.conformance.citations import has, page, raises, says
from tests.conformance.rulebook import rule
from tests.conformance.stage import (
    NINE,
    NOW,
    OTHER_BUYER,
    Bought,
    Record,
    Service,
    Stage,
    all_of,
    refusal_of,
)

# "1 MB" is one of these; between the two, no rule says what happens.
SMALLER_MEGABYTE, LARGER_MEGABYTE = 10**6, 2**20
RECORDS_MAX = 25

INPUT = botocore.session.get_session().get_service_model("meteringmarketplace")
AT_MOST_25 = has("UsageRecordList", max=RECORDS_MAX)
LESS_THAN_1_MB = says("BatchMeterUsage", "each request must be less than 1 MB in size")
RETRIED = says(
    "BatchMeterUsage",
    "Identical requests are idempotent and can be retried with the same records or a subset of "
    "records",
)
ALL_OR_NONE = says(
    "TimestampOutOfBoundsException",
    "if any of the records are outside of the allowed range, the entire batch is not processed",
)


def minutes(bought: Bought, count: int) -> list[Record]:
    """Records of one hour each, so that none is the same as another."""
    hours = (NINE - timedelta(hours=index % 20) for index in range(count))
    dimensions = ("users" if index < 20 else "storage-gb" for index in range(count))
    return [
        Stage.record(bought, Timestamp=hour, Dimension=dimension)
        for hour, dimension in zip(hours, dimensions, strict=True)
    ]


def size(records: list[Record]) -> int:
    """How many bytes a call with these records has."""
    serializer = botocore.serialize.create_serializer("json")
    request = serializer.serialize_to_request(
        {"UsageRecords": records}, INPUT.operation_model("BatchMeterUsage")
    )
    return len(request["body"])


def call_of(bought: Bought, size_bytes: int) -> list[Record]:
    """Records that fill a call to the byte, with tags that nobody needs."""

    def bucket(number: int, length: int) -> dict[str, Any]:
        tag = {"Key": "team", "Value": f"{number:05}" + "x" * (length - 5)}
        return {"AllocatedUsageQuantity": 1, "Tags": [tag]}

    records = minutes(bought, RECORDS_MAX)
    for record in records:
        record["UsageAllocations"] = [bucket(number, 100) for number in range(200)]
        record["Quantity"] = 200
    last = records[-1]["UsageAllocations"]
    each = size([records[0] | {"UsageAllocations": last[:2]}])
    each -= size([records[0] | {"UsageAllocations": last[:1]}])
    wanted = (size_bytes - size(records)) // each - 1
    last += [bucket(number, 100) for number in range(200, 200 + wanted)]
    records[-1]["Quantity"] = len(last)
    missing = size_bytes - size(records)
    last[0] = bucket(0, 100 + missing // 2)
    last[1] = bucket(1, 100 + missing - missing // 2)
    assert size(records) == size_bytes
    return records


@rule(has("UsageRecordList", min=0))
def test_a_call_without_records_is_answered_without_results(service: Service) -> None:
    answer = service.client.batch_meter_usage(UsageRecords=[])

    assert (answer["Results"], answer["UnprocessedRecords"]) == ([], [])


@rule(AT_MOST_25)
def test_25_records_are_taken(stage: Stage) -> None:
    assert stage.send(*minutes(stage.buy(), RECORDS_MAX)) == ["Success"] * RECORDS_MAX


@rule(AT_MOST_25)
def test_26_records_are_refused(service: Service) -> None:
    assert service.refusal(*[service.record_of_nobody()] * (RECORDS_MAX + 1))


@rule(AT_MOST_25)
def test_of_26_records_none_is_metered(stage: Stage) -> None:
    bought = stage.buy()

    stage.refusal(*minutes(bought, RECORDS_MAX + 1))

    assert stage.billed(bought) == []


@rule(LESS_THAN_1_MB)
def test_a_request_of_less_than_1_mb_is_taken(stage: Stage) -> None:
    records = call_of(stage.buy(), SMALLER_MEGABYTE - 1)

    assert stage.send(*records) == ["Success"] * RECORDS_MAX


@rule(LESS_THAN_1_MB)
def test_a_request_of_1_mb_is_refused(stage: Stage) -> None:
    bought = stage.buy()

    assert stage.refusal(*call_of(bought, LARGER_MEGABYTE))
    assert stage.billed(bought) == []


@rule(
    says("BatchMeterUsage", "Each BatchMeterUsage request is for only one product"),
    page("SKILL", "mixing products gives InvalidLicenseException"),
)
def test_licenses_of_two_products_in_one_call_are_refused(stage: Stage) -> None:
    one, other = stage.buy(), stage.buy()

    assert stage.refusal(stage.record(one), stage.record(other)) == "InvalidLicenseException"
    assert stage.billed(one, other) == []


@rule(has("BatchMeterUsageRequest", required=("UsageRecords",)))
def test_a_call_must_have_a_list_of_records(service: Service) -> None:
    assert refusal_of(lambda: service.unchecked.batch_meter_usage())


@pytest.mark.parametrize("member", ["Timestamp", "Dimension"])
@rule(has("UsageRecord", required=("Timestamp", "Dimension")))
def test_a_record_must_have_a_time_and_a_dimension(service: Service, member: str) -> None:
    assert service.refusal(service.record_of_nobody(**{member: None}))


@rule(says("UsageRecordResult.UsageRecord", "was part of the BatchMeterUsage request"))
def test_a_result_repeats_its_record(stage: Stage) -> None:
    records = minutes(stage.buy(), 3)

    results = stage.answer(*records)["Results"]

    key = lambda record: record["Timestamp"]  # noqa: E731 (orders of results are not promised)
    assert sorted((result["UsageRecord"] for result in results), key=key) == sorted(
        records, key=key
    )


@rule(says("UsageRecordResult.MeteringRecordId", "is a unique identifier for this metering event"))
def test_every_metered_record_has_an_id_of_its_own(stage: Stage) -> None:
    results = stage.answer(*minutes(stage.buy(), 3))["Results"]

    assert len({result["MeteringRecordId"] for result in results}) == 3


@rule(
    says("BatchMeterUsageResult.UnprocessedRecords", "that were not processed by BatchMeterUsage"),
    says("BatchMeterUsage", "indicate errors on the service side that should be retried"),
)
def test_what_is_unprocessed_is_listed_and_not_metered(stage: Stage) -> None:
    bought = stage.buy()
    struck, other = minutes(bought, 2)
    stage.fault("unprocessed", records=1)

    answer = stage.answer(struck, other)

    assert answer["UnprocessedRecords"] == [struck]
    assert [result["UsageRecord"] for result in answer["Results"]] == [other]
    assert stage.billed(bought) == [3]


@rule(
    says(
        "BatchMeterUsageResult.UnprocessedRecords",
        "You can retry the failed request by making another BatchMeterUsage call with this list "
        "as input",
    )
)
def test_unprocessed_records_can_be_sent_again_as_they_are(stage: Stage) -> None:
    bought = stage.buy()
    stage.fault("unprocessed", records=1)
    answer = stage.answer(*minutes(bought, 2))

    assert stage.send(*answer["UnprocessedRecords"]) == ["Success"]
    assert stage.billed(bought) == [3, 3]


@rule(RETRIED)
def test_a_whole_call_can_be_sent_again_and_is_billed_once(stage: Stage) -> None:
    bought = stage.buy()
    records = minutes(bought, 3)

    assert stage.send(*records) == stage.send(*records) == ["Success"] * 3
    assert stage.billed(bought) == [3, 3, 3]


@rule(RETRIED)
def test_a_part_of_a_call_can_be_sent_again_and_is_billed_once(stage: Stage) -> None:
    bought = stage.buy()
    records = minutes(bought, 3)
    stage.send(*records)

    assert stage.send(*records[1:]) == ["Success"] * 2
    assert stage.billed(bought) == [3, 3, 3]


@rule(RETRIED, raises("BatchMeterUsage", "InternalServiceErrorException"))
def test_a_call_whose_answer_was_an_error_of_the_service_can_be_sent_again(stage: Stage) -> None:
    bought = stage.buy()
    stage.fault("applied-but-500")
    with pytest.raises(stage.client.exceptions.InternalServiceErrorException):
        stage.send(stage.record(bought))

    assert stage.send(stage.record(bought)) == ["Success"]
    assert stage.billed(bought) == [3]


@rule(ALL_OR_NONE)
def test_one_record_out_of_range_keeps_all_from_being_metered(stage: Stage) -> None:
    bought = stage.buy()
    good, bad = minutes(bought, 2)

    code = stage.refusal(good, bad | {"Timestamp": NOW + timedelta(hours=1)})

    assert (code, stage.billed(bought)) == ("TimestampOutOfBoundsException", [])


@rule(says("TimestampOutOfBoundsException", "You must remove invalid records and try again"))
def test_without_the_record_out_of_range_the_others_are_metered(stage: Stage) -> None:
    bought = stage.buy()
    good, bad = minutes(bought, 2)
    stage.refusal(good, bad | {"Timestamp": NOW + timedelta(hours=1)})

    assert stage.send(good) == ["Success"]


@rule(says("UsageRecordResult.Status", "The UsageRecord was not honored"))
def test_a_customer_who_is_not_subscribed_does_not_keep_others_from_being_metered(
    stage: Stage,
) -> None:
    one = stage.buy()
    other = stage.buy(one.product_code, OTHER_BUYER)
    stage.change(other, "end")

    results = stage.answer(stage.record(one), stage.record(other))["Results"]

    statuses = {
        result["UsageRecord"]["CustomerAWSAccountId"]: result["Status"] for result in results
    }
    assert statuses == {one.account: "Success", other.account: "CustomerNotSubscribed"}


@rule(says("BatchMeterUsage", "To post metering records for customers"))
def test_customers_of_one_product_share_a_call(stage: Stage) -> None:
    one = stage.buy()
    other = stage.buy(one.product_code, OTHER_BUYER)

    assert stage.send(stage.record(one), *all_of([stage.record(other)], Quantity=4)) == [
        "Success",
        "Success",
    ]
    assert sorted(stage.billed(one)) == [3, 4]
