"""What usage is counted under: the same key for the same usage, and for no other."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from lambdas.customers.license import license_key_of_arn
from lambdas.metering.keys import (
    id_digest,
    message_digest,
    name_of_account,
    name_of_legacy,
    place_digest,
    text_check,
)
from lambdas.metering.usage import (
    Rejected,
    Rules,
    Usage,
    content_check,
    license_key_digest,
    record_key,
)
from tests.unit.usage_messages import (
    ARN,
    LICENSE,
    NOW_S,
    OTHER_ARN,
    RULES,
    event,
    read,
    record,
    record_without,
    rejected_of,
    usage_of,
)


def key_of(message: Any, **world: Any) -> bytes:
    [found] = read(message, **world)
    return found.key


def check_of(message: Any, **world: Any) -> bytes:
    [found] = read(message, **world)
    assert isinstance(found, Usage | Rejected)
    return found.check


def by_account(**fields: Any) -> dict[str, Any]:
    return record_without("LicenseArn", CustomerAWSAccountId="111122223333", **fields)


def by_identifier(**fields: Any) -> dict[str, Any]:
    return record_without("LicenseArn", **{"CustomerIdentifier": "X01"} | fields)


# Keys


def test_a_key_has_12_bytes_and_a_check_has_4() -> None:
    usage = usage_of(record(Id="a"))

    assert (len(usage.key), len(usage.check)) == (12, 4)


def test_usage_that_names_its_license_has_the_key_of_license_and_id() -> None:
    assert key_of(record(Id="a")) == license_key_digest(license_key_of_arn(ARN), "a")


def test_both_ways_to_write_a_license_arn_give_one_key() -> None:
    other = f"arn:aws:license-manager:us-east-1:123456789012:{LICENSE}"

    assert key_of(record(Id="a", LicenseArn=other)) == key_of(record(Id="a"))


def test_beside_a_license_neither_account_nor_product_make_another_key() -> None:
    fields = {"CustomerAWSAccountId": "111122223333", "ProductCode": "p"}

    assert key_of(record(Id="a", **fields)) == key_of(record(Id="a"))


@pytest.mark.parametrize(
    "other",
    [
        record(Id="b"),
        record(Id="a", LicenseArn=OTHER_ARN),
        by_account(Id="a"),
        by_identifier(Id="a"),
        record(),
    ],
)
def test_another_id_or_name_is_another_key(other: dict[str, Any]) -> None:
    assert key_of(other) != key_of(record(Id="a"))


def test_the_same_id_in_another_message_is_the_same_key() -> None:
    assert key_of(record(Id="a"), message_id="m-2") == key_of(record(Id="a"))


def test_another_timestamp_makes_no_other_key() -> None:
    assert key_of(record(Id="a", Timestamp=NOW_S - 7_200)) == key_of(record(Id="a"))


def test_an_account_with_a_product_is_named_in_another_way() -> None:
    assert key_of(by_account(Id="a", ProductCode="p")) != key_of(by_account(Id="a"))


def test_a_legacy_customer_is_of_the_configured_product_unless_another_is_named() -> None:
    named = by_identifier(Id="a", ProductCode=RULES.product_code)

    assert key_of(by_identifier(Id="a")) == key_of(named)


def test_a_legacy_customer_of_another_product_is_another_one() -> None:
    assert key_of(by_identifier(Id="a")) != key_of(by_identifier(Id="a"), rules=Rules())


def test_where_name_ends_and_id_begins_makes_a_difference() -> None:
    one = record_without("LicenseArn", CustomerAWSAccountId="1", Id="23")
    other = record_without("LicenseArn", CustomerAWSAccountId="12", Id="3")

    assert key_of(one) != key_of(other)


def test_where_account_ends_and_product_begins_makes_a_difference() -> None:
    one = record_without("LicenseArn", CustomerAWSAccountId="1", ProductCode="p" * 10, Id="a")
    other = record_without("LicenseArn", CustomerAWSAccountId="11", Id="p" * 10 + "a")

    assert key_of(one) != key_of(other)


def test_an_identifier_of_digits_is_no_account() -> None:
    account = by_account(Id="a", ProductCode="p")
    identifier = by_identifier(Id="a", ProductCode="p", CustomerIdentifier="111122223333")

    assert key_of(identifier) != key_of(account)


def test_beside_an_identifier_an_account_makes_no_other_key() -> None:
    both = by_identifier(Id="a", CustomerAWSAccountId="111122223333")

    assert key_of(both) == key_of(by_identifier(Id="a"))


def test_without_id_the_key_is_the_place_in_the_message() -> None:
    found = read({"UsageRecords": [record(), record()]}) + read(record(), message_id="m-2")

    assert len({each.key for each in found}) == 3


def test_without_id_a_redelivery_has_the_same_keys() -> None:
    message = {"UsageRecords": [record(), record()]}

    assert read(message) == read(message)


@pytest.mark.parametrize("message_id", ["1m", "1 m"])
def test_no_message_id_is_taken_for_another_with_a_longer_place(message_id: str) -> None:
    eleven = read({"UsageRecords": [record()] * 12}, message_id="m")[11]

    assert eleven.key != read({"UsageRecords": [record()] * 2}, message_id=message_id)[1].key


def test_an_event_is_named_by_its_source_and_id() -> None:
    same = event(time="2026-11-23T10:10:00Z", subject="other")

    assert key_of(same, message_id="m-2") == key_of(event())


@pytest.mark.parametrize("other", [event(id="ce-2"), event(source="/billing/meter-2")])
def test_another_source_or_id_is_another_event(other: dict[str, Any]) -> None:
    assert key_of(other) != key_of(event())


def test_where_the_source_of_an_event_ends_makes_a_difference() -> None:
    assert key_of(event(source="/a", id="b")) != key_of(event(source="/", id="ab"))


def test_an_id_in_the_data_of_an_event_wins_so_that_it_counts_once_in_two_events() -> None:
    data = record(Id="a")

    assert key_of(event(id="ce-2", data=data)) == key_of(event(data=data)) == key_of(record(Id="a"))


def test_the_id_of_an_event_gives_the_ledgers_second_key() -> None:
    usage = usage_of(event())

    assert usage.id is not None
    assert license_key_digest(LICENSE, usage.id) == usage.key


def test_every_expired_record_has_a_key_of_its_own() -> None:
    parts = product(["l-1", "l-11"], ["x", "1x", "x1", "1"], [1, 11])

    assert len({record_key(*each) for each in parts}) == 16


# Checks


@pytest.mark.parametrize("quantity", [{"Quantity": 17.0}, {"Quantity": 17}])
def test_the_form_of_a_quantity_makes_no_other_check(quantity: dict[str, Any]) -> None:
    decimal = record_without("Quantity", QuantityAsDecimal="17.00")

    assert check_of(record(**quantity)) == check_of(decimal)


@pytest.mark.parametrize(
    "other", [{"Dimension": "api-calls"}, {"Quantity": 4}, {"Quantity": 3.000001}]
)
def test_another_dimension_or_quantity_is_another_check(other: dict[str, Any]) -> None:
    assert check_of(record(**other)) != check_of(record())


def split_by_tags(*teams: tuple[str, int]) -> dict[str, Any]:
    return record(
        UsageAllocations=[
            {"AllocatedUsageQuantity": quantity, "Tags": [{"Key": "team", "Value": team}]}
            for team, quantity in teams
        ]
    )


def test_other_tags_are_another_check() -> None:
    assert check_of(split_by_tags(("a", 3))) != check_of(split_by_tags(("b", 3)))


def test_another_split_is_another_check() -> None:
    one, other = split_by_tags(("a", 1), ("b", 2)), split_by_tags(("a", 2), ("b", 1))

    assert check_of(one) != check_of(other)


def test_the_order_of_allocations_makes_no_other_check() -> None:
    one, other = split_by_tags(("a", 1), ("b", 2)), split_by_tags(("b", 2), ("a", 1))

    assert check_of(one) == check_of(other)


def test_the_ledger_computes_the_same_check() -> None:
    usage = usage_of(split_by_tags(("a", 1), ("b", 2)))

    assert content_check("users", 3_000_000, usage.allocations) == usage.check


def test_the_ledger_need_not_keep_the_order_of_allocations() -> None:
    usage = usage_of(split_by_tags(("a", 1), ("b", 2)))

    assert content_check("users", 3_000_000, usage.allocations[::-1]) == usage.check


def test_time_and_customer_make_no_other_check() -> None:
    assert check_of(by_account(Timestamp=NOW_S)) == check_of(record())


# Keys and checks of what is rejected


@pytest.mark.parametrize(
    "fault",
    [
        {"Quantity": -1},
        {"Dimension": "api-cals"},
        {"Dimension": 7},
        {"Timestamp": "yesterday"},
        {"Timestamp": NOW_S + 999},
        {"quantity": 1},
        {"QuantityAsDecimal": 1},
        {"UsageAllocations": []},
    ],
)
def test_rejected_usage_has_the_key_that_it_would_have_had(fault: dict[str, Any]) -> None:
    assert rejected_of(record(Id="a", **fault)).key == key_of(record(Id="a"))


@pytest.mark.parametrize(
    "wrong", [{"specversion": "2.0"}, {"data": record_without("Timestamp", Quantity=-1)}]
)
def test_a_rejected_event_has_the_key_that_it_would_have_had(wrong: dict[str, Any]) -> None:
    assert rejected_of(event(**wrong)).key == key_of(event())


@pytest.mark.parametrize(
    "fault",
    [
        {"Id": 7},
        {"Id": ""},
        {"LicenseArn": 7},
        {"LicenseArn": "l-1"},
        {"CustomerIdentifier": 7},
        {"CustomerAWSAccountId": "x"},
        {"ProductCode": 7},
    ],
)
def test_rejected_usage_whose_name_or_id_is_not_understood_is_known_by_its_place(
    fault: dict[str, Any],
) -> None:
    named = {"Id": "a", "CustomerAWSAccountId": "111122223333"} | fault

    assert rejected_of(record(**named)).key == key_of(record())


def test_two_messages_that_are_not_understood_have_two_keys() -> None:
    assert rejected_of("{").key != rejected_of("{", message_id="m-2").key


def test_a_message_that_is_not_understood_has_another_key_than_its_first_record() -> None:
    assert rejected_of("{").key != key_of(record())


@pytest.mark.parametrize(
    "fault",
    [{"Dimension": "api-cals"}, {"Timestamp": "yesterday"}, {"Id": 7}, {"LicenseArn": "l-1"}],
)
def test_rejected_usage_whose_content_is_understood_has_its_check(fault: dict[str, Any]) -> None:
    rejected = rejected_of(record(**fault))

    assert rejected.check == content_check(fault.get("Dimension", "users"), 3_000_000, ())


def test_rejected_usage_whose_content_is_not_understood_has_a_check_of_its_text() -> None:
    one, other = record(Id="a", Quantity=-1), record(Id="a", Quantity=-2)

    assert rejected_of(one).check != rejected_of(other).check


def test_without_dimension_the_content_is_not_understood() -> None:
    one, other = record_without("Dimension"), record_without("Dimension", Timestamp=NOW_S)

    assert rejected_of(one).check != rejected_of(other).check


def test_a_dimension_that_is_configured_later_leaves_key_and_check_as_they_were() -> None:
    message = record(Id="a", Dimension="seats")
    before, after = rejected_of(message), usage_of(message, rules=Rules())

    assert (before.key, before.check) == (after.key, after.check)


def test_usage_rejected_for_the_future_has_the_same_key_once_its_time_has_come() -> None:
    message = json.dumps({"UsageRecords": [record(Timestamp=NOW_S + 600)]})
    before, after = rejected_of(message), usage_of(message, now_s=NOW_S + 600)

    assert (before.key, before.check) == (after.key, after.check)


# What is stored


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        (lambda: license_key_digest("l-1", "u-1"), "c77e41fa9062cbb92aa98251"),
        (
            lambda: id_digest(name_of_account("111122223333", "n0123"), "u-1"),
            "912f6de1669516eae2cb365d",
        ),
        (lambda: id_digest(name_of_legacy("X01", "n0123"), "u-1"), "66b0bd4a800eb643e6a73be4"),
        (lambda: place_digest("m-1", 2), "6dc20eb60281f2f716a8e8e1"),
        (lambda: message_digest("m-1"), "8caad5e659ff89fe1761cfd5"),
        (lambda: record_key("l-1", "users", 7), "1cf0c6b4f28eebb34773724c"),
        (lambda: text_check("{"), "cad986da"),
        (lambda: content_check("users", 3_000_000, ()), "19ba8a77"),
        (
            lambda: content_check("users", 3, (((), 1), ((("team", "a"),), 2))),
            "661b57d6",
        ),
    ],
)
def test_keys_and_checks_outlive_a_release(key: Callable[[], bytes], stored: str) -> None:
    """A copy that comes after a deployment must be known by what was kept before it."""
    assert key().hex() == stored
