"""BatchMeterUsage: usage split into tagged buckets."""

from typing import Any

import pytest

from tests.conformance.citations import has, page, raises, says
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import Service, Stage

Bucket = dict[str, Any]

ALLOCATIONS_MAX = 2_500
TAG_KEYS_MAX = 5
BAD_ALLOCATIONS = "InvalidUsageAllocationsException"
BAD_TAG = "InvalidTagException"

EQUAL_SUM = says(
    "UsageRecord.UsageAllocations",
    "The sum of all UsageAllocation quantities must equal the quantity of the UsageRecord",
)
WRONG_SUM = says(
    "InvalidUsageAllocationsException",
    "Sum of allocated usage quantities is not equal to the usage quantity, or the allocations "
    "don't use the same type of quantity",
)
SAME_TYPE = says(
    "UsageRecord.UsageAllocations",
    "Allocations must use the same type of quantity as the usage record",
)
EXACTLY_ONE = says(
    "UsageAllocation.AllocatedUsageQuantity",
    "Each allocation must specify exactly one of AllocatedUsageQuantity or "
    "AllocatedUsageQuantityAsDecimal",
)
UNIQUE_TAGS = says(
    "MeterUsageRequest.UsageAllocations",
    "each UsageAllocation must have a unique set of tags (include no tags)",
)
INVALID_TAG = says(
    "InvalidTagException", "The tag is invalid, or the number of tags is greater than 5"
)
TAG_PATTERN = r"^[a-zA-Z0-9+ -=._:\/@]+$"
LISTED = page("TAGS", "cost allocation tags: letters, spaces, digits and + - = . _ : /")
FIVE_IN_ALL = page("MFU", "five tag keys over all allocations of a record")


def bucket(quantity: int | str, **tags: str) -> Bucket:
    """One allocation with these tags; text is a decimal quantity."""
    decimal = isinstance(quantity, str)
    member = "AllocatedUsageQuantityAsDecimal" if decimal else "AllocatedUsageQuantity"
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {member: quantity} | ({"Tags": listed} if listed else {})


def tagged(key: str, value: str = "x") -> list[Bucket]:
    return [{"AllocatedUsageQuantity": 3, "Tags": [{"Key": key, "Value": value}]}]


def keys(count: int, first: int = 0) -> dict[str, str]:
    return {f"key-{number}": "x" for number in range(first, first + count)}


def taken(stage: Stage, buckets: list[Bucket], **quantity: object) -> bool:
    """Whether a record with these allocations is metered, and billed as if it had none."""
    bought = stage.buy()
    statuses = stage.send(stage.record(bought, UsageAllocations=buckets, **quantity))
    plain = stage.buy()
    stage.send(stage.record(plain, **quantity))
    return statuses == ["Success"] and stage.billed(bought) == stage.billed(plain)


def refusal(stage: Stage, buckets: list[Bucket], **quantity: object) -> str:
    """The code of the refusal of a record that nothing else is wrong with."""
    bought = stage.buy()
    code = stage.refusal(stage.record(bought, UsageAllocations=buckets, **quantity))
    assert stage.billed(bought) == []
    return code


@rule(EQUAL_SUM, says("BatchMeterUsage", "or the total usage that you report"))
def test_allocations_that_add_up_are_taken_and_change_no_total(stage: Stage) -> None:
    assert taken(stage, [bucket(1, team="a"), bucket(1, team="b"), bucket(1)])


@rule(EQUAL_SUM)
def test_decimal_allocations_that_add_up_are_taken(stage: Stage) -> None:
    buckets = [bucket("0.1", team="a"), bucket("0.20", team="b")]

    assert taken(stage, buckets, QuantityAsDecimal="0.3")


@rule(EQUAL_SUM)
def test_an_allocation_may_be_zero(stage: Stage) -> None:
    assert taken(stage, [bucket(3, team="a"), bucket(0, team="b")])


@pytest.mark.parametrize("second", [0, 1, 3])
@rule(WRONG_SUM)
def test_allocations_that_do_not_add_up_are_refused(stage: Stage, second: int) -> None:
    assert refusal(stage, [bucket(1, team="a"), bucket(second)]) == BAD_ALLOCATIONS


@rule(WRONG_SUM, says("UsageRecord.Quantity", "Defaults to 0 if neither"))
def test_allocations_of_a_record_without_quantity_add_up_to_zero(stage: Stage) -> None:
    assert refusal(stage, [bucket(3)], Quantity=None) == BAD_ALLOCATIONS


@rule(SAME_TYPE, WRONG_SUM)
def test_decimal_allocations_of_a_whole_quantity_are_refused(stage: Stage) -> None:
    assert refusal(stage, [bucket("3")]) == BAD_ALLOCATIONS


@rule(SAME_TYPE, WRONG_SUM)
def test_whole_allocations_of_a_decimal_quantity_are_refused(stage: Stage) -> None:
    assert refusal(stage, [bucket(3)], QuantityAsDecimal="3") == BAD_ALLOCATIONS


@rule(EXACTLY_ONE)
def test_an_allocation_with_both_quantities_is_refused(stage: Stage) -> None:
    assert refusal(stage, [bucket(3) | bucket("3")])


@rule(EXACTLY_ONE)
def test_an_allocation_without_quantity_is_refused(stage: Stage) -> None:
    assert refusal(stage, [bucket(3, team="a"), {}])


@rule(has("UsageAllocations", min=1))
def test_an_empty_list_of_allocations_is_refused(service: Service) -> None:
    assert service.refusal(service.record_of_nobody(UsageAllocations=[]))


@rule(has("UsageAllocations", max=ALLOCATIONS_MAX))
def test_2500_allocations_are_taken(stage: Stage) -> None:
    buckets = [bucket(1, team=str(number)) for number in range(ALLOCATIONS_MAX)]

    assert taken(stage, buckets, Quantity=ALLOCATIONS_MAX)


@rule(has("UsageAllocations", max=ALLOCATIONS_MAX))
def test_2501_allocations_are_refused(service: Service) -> None:
    buckets = [bucket(1, team=str(number)) for number in range(ALLOCATIONS_MAX + 1)]

    assert service.refusal(
        service.record_of_nobody(UsageAllocations=buckets, Quantity=len(buckets))
    )


@rule(UNIQUE_TAGS)
def test_two_allocations_with_the_same_tags_are_refused(stage: Stage) -> None:
    assert refusal(stage, [bucket(1, team="a"), bucket(2, team="a")])


@rule(UNIQUE_TAGS)
def test_the_same_tags_in_another_order_are_the_same(stage: Stage) -> None:
    assert refusal(stage, [bucket(1, team="a", unit="b"), bucket(2, unit="b", team="a")])


@rule(UNIQUE_TAGS)
def test_two_allocations_without_tags_are_refused(stage: Stage) -> None:
    assert refusal(stage, [bucket(1), bucket(2)])


@rule(
    UNIQUE_TAGS,
    says(
        "UsageAllocation.Tags", "For the bucket of items with no tags, this parameter can be left"
    ),
)
def test_one_allocation_may_have_no_tags(stage: Stage) -> None:
    assert taken(stage, [bucket(3)])


@rule(has("TagList", max=TAG_KEYS_MAX))
@under(tag_keys=("allocation", "record"))
def test_five_tags_are_taken(stage: Stage) -> None:
    assert taken(stage, [bucket(3, **keys(TAG_KEYS_MAX))])


@rule(INVALID_TAG, has("TagList", max=TAG_KEYS_MAX), raises("BatchMeterUsage", BAD_TAG))
@under(tag_keys=("allocation", "record"))
def test_six_tags_of_one_allocation_are_an_invalid_tag(stage: Stage) -> None:
    assert refusal(stage, [bucket(3, **keys(TAG_KEYS_MAX + 1))]) == BAD_TAG


@rule(has("TagList", max=TAG_KEYS_MAX))
@under(tag_keys="allocation")
def test_five_tags_are_counted_in_each_allocation(stage: Stage) -> None:
    assert taken(stage, [bucket(1, **keys(3)), bucket(2, **keys(3, first=3))])


@rule(FIVE_IN_ALL)
@under(tag_keys="record")
def test_or_five_keys_are_counted_over_all_allocations_of_a_record(stage: Stage) -> None:
    assert refusal(stage, [bucket(1, **keys(3)), bucket(2, **keys(3, first=3))]) == BAD_TAG


@rule(FIVE_IN_ALL)
@under(tag_keys=("allocation", "record"))
def test_the_same_five_keys_may_be_in_every_allocation(stage: Stage) -> None:
    other = dict.fromkeys(keys(TAG_KEYS_MAX), "y")

    assert taken(stage, [bucket(1, **keys(TAG_KEYS_MAX)), bucket(2, **other)])


@rule(page("TAGS", "cost allocation tags: use each key only once, or the request is rejected"))
def test_a_tag_key_must_not_come_twice_in_one_allocation(service: Service) -> None:
    tags = [{"Key": "team", "Value": "a"}, {"Key": "team", "Value": "b"}]
    bad = [{"AllocatedUsageQuantity": 3, "Tags": tags}]

    assert service.refusal(service.record_of_nobody(UsageAllocations=bad))


@rule(has("TagList", min=1))
def test_an_empty_list_of_tags_is_refused(service: Service) -> None:
    bad = [{"AllocatedUsageQuantity": 3, "Tags": []}]

    assert service.refusal(service.record_of_nobody(UsageAllocations=bad))


@rule(has("TagKey", max=100), has("TagValue", max=256))
def test_the_longest_key_and_value_are_taken(stage: Stage) -> None:
    assert taken(stage, tagged("k" * 100, "v" * 256))


@pytest.mark.parametrize(
    ("key", "value"), [("k" * 101, "x"), ("k", "v" * 257), ("", "x")], ids=["key", "value", "none"]
)
@rule(INVALID_TAG, has("TagKey", max=100), has("TagValue", max=256))
def test_a_tag_that_is_too_long_or_has_no_key_is_an_invalid_tag(
    service: Service, key: str, value: str
) -> None:
    record = service.record_of_nobody(UsageAllocations=tagged(key, value))

    assert service.refusal(record) == BAD_TAG


@rule(has("Tag", required=("Key", "Value")), has("TagValue", min=1))
def test_by_its_shape_a_tags_value_must_not_be_empty(service: Service) -> None:
    assert service.refusal(service.record_of_nobody(UsageAllocations=tagged("k", "")))


@rule(has("Tag", required=("Key", "Value")))
def test_by_its_shape_a_tag_must_have_a_value(service: Service) -> None:
    bad = [{"AllocatedUsageQuantity": 3, "Tags": [{"Key": "k"}]}]

    assert service.refusal(service.record_of_nobody(UsageAllocations=bad))


@pytest.mark.parametrize("text", ["azAZ09", "a b", "+", "-", "=", ".", "_", ":", "/", "@"])
@rule(has("TagKey", pattern=TAG_PATTERN), has("TagValue", pattern=TAG_PATTERN))
@under(tag_characters=("pattern", "listed"))
def test_listed_characters_are_taken_in_tags(stage: Stage, text: str) -> None:
    assert taken(stage, tagged(text, text))


@pytest.mark.parametrize("text", ["?", "~", "[", "{", "ü", "\n", "a\n", "☃"])
@rule(INVALID_TAG, has("TagKey", pattern=TAG_PATTERN), has("TagValue", pattern=TAG_PATTERN))
@under(tag_characters=("pattern", "listed"))
def test_characters_outside_the_pattern_are_an_invalid_tag(stage: Stage, text: str) -> None:
    assert refusal(stage, tagged("k", text)) == refusal(stage, tagged(text)) == BAD_TAG


@pytest.mark.parametrize("text", ["!", '"', "#", "$", "%", "&", "'", "(", ")", "*", ",", ";", "<"])
@rule(has("TagValue", pattern=TAG_PATTERN))
@under(tag_characters="pattern")
def test_the_patterns_range_lets_most_punctuation_in(stage: Stage, text: str) -> None:
    assert taken(stage, tagged("k", text))


@pytest.mark.parametrize("text", ["!", '"', "#", "$", "%", "&", "'", "(", ")", "*", ",", ";", "<"])
@rule(INVALID_TAG, LISTED)
@under(tag_characters="listed")
def test_or_the_range_is_a_slip_and_only_listed_characters_are_taken(
    stage: Stage, text: str
) -> None:
    assert refusal(stage, tagged("k", text)) == BAD_TAG
