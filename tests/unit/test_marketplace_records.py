"""BatchMeterUsage: what a call and its records must be, in themselves."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from sandbox.marketplace.rules import Readings
from tests.unit.marketplace_stage import BUYER, NINE, Stage

TARGET = "AWSMPMeteringService.BatchMeterUsage"


def hours(stage: Stage, count: int, **fields: Any) -> list[dict[str, Any]]:
    """Records of as many different hours, counted back from the last one."""
    return [stage.record(Timestamp=NINE - timedelta(hours=back), **fields) for back in range(count)]


def raw(stage: Stage, body: str | bytes) -> tuple[int, str]:
    """Send a body no SDK would send; the status and code that come back."""
    answer = stage.marketplace.answer(TARGET, body.encode() if isinstance(body, str) else body)
    return answer.status, str(answer.body.get("__type"))


def tagged(quantity: object, *tags: tuple[str, str], kind: str = "") -> dict[str, Any]:
    """An allocation with these tags; without tags it is the untagged one."""
    allocation: dict[str, Any] = {f"AllocatedUsageQuantity{kind}": quantity}
    if tags:
        allocation["Tags"] = [{"Key": key, "Value": value} for key, value in tags]
    return allocation


def test_an_accepted_record_is_billed() -> None:
    stage = Stage()

    assert stage.send(stage.record(Quantity=3)) == ["Success"]
    assert stage.billed() == {(BUYER, "users", 9): "3"}


def test_the_answer_repeats_the_record() -> None:
    stage = Stage()
    record = stage.record(UsageAllocations=[tagged(3, ("Team", "Blue"))])

    answer = stage.client.batch_meter_usage(UsageRecords=[record])

    assert answer["Results"][0]["UsageRecord"] == record


def test_every_accepted_record_has_an_id_of_its_own() -> None:
    stage = Stage()

    answer = stage.client.batch_meter_usage(UsageRecords=hours(stage, 5))

    assert len({result["MeteringRecordId"] for result in answer["Results"]}) == 5


def test_a_call_without_records_is_fine() -> None:
    stage = Stage()

    answer = stage.client.batch_meter_usage(UsageRecords=[])

    assert (answer["Results"], answer["UnprocessedRecords"]) == ([], [])


def test_a_call_may_have_25_records() -> None:
    stage = Stage()

    assert stage.send(*hours(stage, 22), *hours(stage, 3, Dimension="storage-gb")) == (
        ["Success"] * 25
    )


def test_a_call_with_26_records_is_refused() -> None:
    stage = Stage()

    assert stage.refusal(*[stage.record()] * 26) == "ValidationException"


@pytest.mark.parametrize(("size", "status"), [(999_999, 200), (1_000_000, 400)])
def test_a_request_must_be_smaller_than_a_megabyte(size: int, status: int) -> None:
    stage = Stage()
    body = json.dumps({"UsageRecords": [], "Padding": ""})

    padded = body.replace('""', json.dumps("x" * (size - len(body))))

    assert raw(stage, padded)[0] == status


def test_a_record_without_a_quantity_means_none_was_used() -> None:
    stage = Stage()

    stage.send(stage.record(Quantity=None))

    assert stage.billed() == {(BUYER, "users", 9): "0"}


def test_a_decimal_quantity_is_billed_exactly() -> None:
    stage = Stage()

    stage.send(stage.record(QuantityAsDecimal="9999999999.999999"))

    assert stage.billed() == {(BUYER, "users", 9): "9999999999.999999"}


def test_both_quantities_are_one_too_many() -> None:
    stage = Stage()

    assert stage.refusal(stage.record() | {"QuantityAsDecimal": "3"}) == "ValidationException"


def test_the_largest_whole_quantity_is_an_int32() -> None:
    stage = Stage()

    assert stage.send(stage.record(Quantity=2_147_483_647)) == ["Success"]


def test_a_larger_whole_quantity_is_refused() -> None:
    stage = Stage()

    assert stage.refusal(stage.record(Quantity=2_147_483_648)) == "ValidationException"


@pytest.mark.parametrize(
    "text", ["-1", "+1", "1e3", "01", "1.", ".5", "1.1234567", "12345678901", "1,5", " 1", "1\n"]
)
def test_a_decimal_quantity_in_another_form_is_refused(text: str) -> None:
    stage = Stage()

    assert stage.refusal(stage.record(QuantityAsDecimal=text)) == "ValidationException"


@pytest.mark.parametrize("quantity", ["-1", "2147483648", "4294967297"])
def test_a_whole_quantity_out_of_range_is_refused_whoever_sends_it(quantity: str) -> None:
    stage = Stage()
    record = f'{{"Timestamp": 1795424400, "Dimension": "users", "Quantity": {quantity}}}'

    assert raw(stage, f'{{"UsageRecords": [{record}]}}') == (400, "ValidationException")


@pytest.mark.parametrize("quantity", ["true", "1.0", '"1"', "[1]"])
def test_a_whole_quantity_of_another_type_is_refused(quantity: str) -> None:
    stage = Stage()
    record = f'{{"Timestamp": 1795424400, "Dimension": "users", "Quantity": {quantity}}}'

    assert raw(stage, f'{{"UsageRecords": [{record}]}}') == (400, "SerializationException")


@pytest.mark.parametrize(
    "body",
    ["{", "[]", '{"UsageRecords": [NaN]}', '{"UsageRecords": [1e999]}', b"\xff", "[" * 10**5],
)
def test_a_body_that_is_no_json_object_is_refused(body: str | bytes) -> None:
    assert raw(Stage(), body) == (400, "SerializationException")


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ('{"Dimension": "users"}', "ValidationException"),
        ('{"Timestamp": 1795424400}', "ValidationException"),
        ('{"Timestamp": null, "Dimension": "users"}', "ValidationException"),
        ('{"Timestamp": "2026-11-23T09:00:00Z", "Dimension": "users"}', "SerializationException"),
        ('{"Timestamp": 1795424400, "Dimension": ""}', "ValidationException"),
        ('"users"', "SerializationException"),
    ],
)
def test_a_record_of_another_shape_is_refused(record: str, code: str) -> None:
    assert raw(Stage(), f'{{"UsageRecords": [{record}]}}') == (400, code)


@pytest.mark.parametrize(
    "fields",
    [
        {"CustomerAWSAccountId": "buyer"},
        {"CustomerAWSAccountId": "1" * 256},
        {"LicenseArn": "l-0123456789abcdef0123456789abcdef"},
        {"Dimension": "x" * 256},
    ],
)
def test_a_field_that_does_not_fit_its_pattern_is_refused(fields: dict[str, Any]) -> None:
    stage = Stage()

    assert stage.refusal(stage.record(**fields)) == "ValidationException"


def test_a_refusal_says_where_and_why() -> None:
    stage = Stage()

    answer = stage.marketplace.answer(
        TARGET, b'{"UsageRecords": [{"Timestamp": 0, "Dimension": ""}]}'
    )

    assert answer.body["message"] == (
        "1 validation error detected: Value \"\" at 'usageRecords.1.member.dimension' failed to "
        "satisfy constraint: Member must have length greater than or equal to 1"
    )


def test_members_nobody_knows_are_ignored() -> None:
    assert raw(Stage(), '{"UsageRecords": [], "Colour": "blue"}')[0] == 200


def test_botocore_itself_refuses_a_float() -> None:
    stage = Stage()

    with pytest.raises(ParamValidationError):
        stage.send(stage.record(Quantity=1.5))


def test_allocations_split_a_quantity() -> None:
    stage = Stage()
    allocations = [tagged(1, ("Team", "Blue")), tagged(2)]

    assert stage.send(stage.record(Quantity=3, UsageAllocations=allocations)) == ["Success"]


def test_decimal_allocations_add_up_by_value() -> None:
    stage = Stage()
    allocations = [
        tagged("10.42", ("Team", "Blue"), kind="AsDecimal"),
        tagged("7", kind="AsDecimal"),
    ]

    record = stage.record(QuantityAsDecimal="17.420", UsageAllocations=allocations)

    assert stage.send(record) == ["Success"]


@pytest.mark.parametrize(
    "allocations",
    [
        [tagged(2)],
        [tagged(1, ("Team", "Blue")), tagged(1, ("Team", "Red"))],
        [tagged("3", kind="AsDecimal")],
        [tagged(3) | {"AllocatedUsageQuantityAsDecimal": "3"}],
        [{"Tags": [{"Key": "Team", "Value": "Blue"}]}],
        [tagged(1), tagged(2)],
        [tagged(1, ("A", "1"), ("B", "2")), tagged(2, ("B", "2"), ("A", "1"))],
    ],
    ids=["sum", "sum-of-two", "other-type", "both-types", "no-quantity", "two-untagged", "twice"],
)
def test_allocations_that_break_a_rule_fail_the_call(allocations: list[dict[str, Any]]) -> None:
    stage = Stage()

    record = stage.record(Quantity=3, UsageAllocations=allocations)

    assert stage.refusal(record) == "InvalidUsageAllocationsException"


def test_whole_allocations_do_not_go_with_a_decimal_quantity() -> None:
    stage = Stage()

    record = stage.record(QuantityAsDecimal="3", UsageAllocations=[tagged(3)])

    assert stage.refusal(record) == "InvalidUsageAllocationsException"


def test_a_record_may_have_2500_allocations() -> None:
    stage = Stage()
    allocations = [tagged(1, ("Team", str(number))) for number in range(2_500)]

    record = stage.record(Quantity=2_500, UsageAllocations=allocations)

    assert stage.send(record) == ["Success"]


def test_a_record_may_not_have_2501_allocations() -> None:
    stage = Stage()
    allocations = [tagged(1, ("Team", str(number))) for number in range(2_501)]

    record = stage.record(Quantity=2_501, UsageAllocations=allocations)

    assert stage.refusal(record) == "ValidationException"


@pytest.mark.parametrize(
    "tags",
    [
        [(str(number), "x") for number in range(6)],
        [("k" * 101, "x")],
        [("Team", "v" * 257)],
        [("Team", "Blue*{}")],
        [("Team", "Grün")],
        [("Team", "Blue"), ("Team", "Red")],
    ],
    ids=["six", "long-key", "long-value", "characters", "not-ascii", "key-twice"],
)
def test_a_tag_that_breaks_a_rule_fails_the_call(tags: list[tuple[str, str]]) -> None:
    stage = Stage()

    record = stage.record(Quantity=1, UsageAllocations=[tagged(1, *tags)])

    assert stage.refusal(record) == "InvalidTagException"


def test_the_pattern_of_tags_lets_most_punctuation_through() -> None:
    stage = Stage()

    record = stage.record(Quantity=1, UsageAllocations=[tagged(1, ("Team", "R&D"))])

    assert stage.send(record) == ["Success"]


def test_only_listed_characters_are_tags_in_another_reading() -> None:
    stage = Stage(readings=Readings(tag_characters="listed"))

    record = stage.record(Quantity=1, UsageAllocations=[tagged(1, ("Team", "R&D"))])

    assert stage.refusal(record) == "InvalidTagException"


def test_every_listed_character_is_a_tag_in_both_readings() -> None:
    stage = Stage(readings=Readings(tag_characters="listed"))

    record = stage.record(Quantity=1, UsageAllocations=[tagged(1, ("aZ9 +-=._:/@", "x"))])

    assert stage.send(record) == ["Success"]


SIX_KEYS_IN_TWO_ALLOCATIONS = [
    tagged(1, *[(f"a{number}", "x") for number in range(3)]),
    tagged(1, *[(f"b{number}", "x") for number in range(3)]),
]


def test_five_tags_count_for_each_allocation() -> None:
    stage = Stage()

    record = stage.record(Quantity=2, UsageAllocations=SIX_KEYS_IN_TWO_ALLOCATIONS)

    assert stage.send(record) == ["Success"]


def test_a_record_may_have_five_tag_keys_in_every_reading() -> None:
    stage = Stage(readings=Readings(tag_keys="record"))
    allocations = [
        tagged(1, *[(f"a{number}", "x") for number in range(3)]),
        tagged(1, *[(f"b{number}", "x") for number in range(2)]),
    ]

    record = stage.record(Quantity=2, UsageAllocations=allocations)

    assert stage.send(record) == ["Success"]


def test_five_tag_keys_count_for_the_record_in_another_reading() -> None:
    stage = Stage(readings=Readings(tag_keys="record"))

    record = stage.record(Quantity=2, UsageAllocations=SIX_KEYS_IN_TWO_ALLOCATIONS)

    assert stage.refusal(record) == "InvalidTagException"
