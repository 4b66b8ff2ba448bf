"""What a message is taken for, and what becomes of each of its records."""

import gc
import json
from time import process_time
from typing import Any

import pytest

from lambdas.metering.forms import RECORDS_MAX
from lambdas.metering.named import Named
from lambdas.metering.reasons import TELL_CHARS_MAX
from lambdas.metering.usage import Reason, Rejected, Rules, Usage, original_text
from tests.unit.usage_messages import (
    ARN,
    NOW_S,
    OTHER_ARN,
    event,
    event_without,
    read,
    record,
    record_without,
    rejected_of,
    usage_of,
)


def reasons(message: Any) -> list[str | None]:
    return [each.reason if isinstance(each, Rejected) else None for each in read(message)]


# Forms


def test_a_bare_record_is_usage() -> None:
    assert isinstance(read(record())[0], Usage)


def test_a_body_of_batch_meter_usage_is_one_usage_per_record() -> None:
    found = read({"UsageRecords": [record(), record(Quantity=4)]})

    assert [each.quantity for each in found if isinstance(each, Usage)] == [3_000_000, 4_000_000]


def test_an_empty_list_of_records_holds_nothing() -> None:
    assert read({"UsageRecords": []}) == []


def test_an_empty_array_of_events_holds_nothing() -> None:
    assert read("[]") == []


def test_a_byte_order_mark_is_skipped() -> None:
    assert usage_of("\ufeff" + json.dumps(record())) == usage_of(record())


def test_white_space_around_a_message_makes_no_difference() -> None:
    assert usage_of(f"\r\n\t {json.dumps(record())} \n") == usage_of(record())


@pytest.mark.parametrize("body", ["", " ", "{", "nope", '{"Dimension": "users",}', "{} {}", "\0"])
def test_what_is_no_json_is_rejected_whole(body: str) -> None:
    rejected = rejected_of(body)

    assert (rejected.reason, rejected.index, rejected.text) == (Reason.BAD_JSON, None, body)


@pytest.mark.parametrize("body", ['"users"', "true", "null", "-1.5"])
def test_a_message_that_is_no_object_is_of_unknown_form(body: str) -> None:
    assert rejected_of(body).reason is Reason.UNKNOWN_FORM


def test_half_a_surrogate_pair_is_no_json() -> None:
    assert rejected_of('{"Dimension": "\ud800"}').reason is Reason.BAD_JSON


def test_half_a_surrogate_pair_is_kept_in_a_form_that_can_be_stored() -> None:
    assert rejected_of('{"Dimension": "\ud800"}').text == r'{"Dimension": "\ud800"}'


@pytest.mark.parametrize("opening", ["[", '{"data":', '{"UsageRecords":[', '{"Quantity":['])
def test_nesting_without_end_is_rejected(opening: str) -> None:
    assert rejected_of(opening * 100_000).reason is Reason.BAD_JSON


def test_deep_nesting_in_an_ignored_attribute_never_raises() -> None:
    for depth in range(900, 1_000):
        nested = "[" * depth + "]" * depth
        assert len(read(json.dumps(event())[:-1] + f', "extra": {nested}}}')) == 1


def test_more_records_than_a_message_can_hold_are_rejected_whole() -> None:
    rejected = rejected_of({"UsageRecords": [0] * (RECORDS_MAX + 1)})

    assert (rejected.reason, rejected.index) == (Reason.TOO_LARGE, None)


def test_an_unknown_field_beside_usage_records_rejects_the_message_whole() -> None:
    rejected = rejected_of({"UsageRecords": [record()], "DryRun": True})

    assert (rejected.reason, rejected.field, rejected.index) == (
        Reason.UNKNOWN_FIELD,
        "DryRun",
        None,
    )


def test_a_product_code_that_is_no_text_rejects_the_message_whole() -> None:
    rejected = rejected_of({"UsageRecords": [record()], "ProductCode": 7})

    assert (rejected.reason, rejected.field) == (Reason.WRONG_TYPE, "ProductCode")


def test_a_product_code_without_end_rejects_the_message_whole() -> None:
    rejected = rejected_of({"UsageRecords": [record()], "ProductCode": "p" * 256})

    assert (rejected.reason, rejected.index) == (Reason.UNKNOWN_CUSTOMER, None)


# One bad record costs one record


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (7, Reason.WRONG_TYPE),
        (None, Reason.WRONG_TYPE),
        ([record()], Reason.WRONG_TYPE),
        (record(Quantiy=1), Reason.UNKNOWN_FIELD),
        (record(Id=7), Reason.BAD_ID),
        (record(Dimension=["users"]), Reason.WRONG_TYPE),
        (record(QuantityAsDecimal=1), Reason.WRONG_TYPE),
        (record(Quantity={}), Reason.WRONG_TYPE),
        (record(Timestamp=True), Reason.WRONG_TYPE),
        (record(UsageAllocations="all"), Reason.BAD_ALLOCATIONS),
        (record(LicenseArn=1), Reason.WRONG_TYPE),
        ({}, Reason.MISSING_FIELD),
    ],
)
def test_a_bad_record_is_rejected_alone(bad: Any, reason: Reason) -> None:
    message = {"UsageRecords": [record(), bad, record()]}

    assert reasons(message) == [None, reason, None]


def test_a_bad_event_is_rejected_alone() -> None:
    message = [event(), event(specversion="0.3"), record(), 7, event(data="{}"), event()]

    assert reasons(message) == [
        None,
        Reason.BAD_CLOUDEVENT,
        Reason.UNKNOWN_FORM,
        Reason.UNKNOWN_FORM,
        Reason.BAD_CLOUDEVENT,
        None,
    ]


def test_a_number_that_no_float_holds_spoils_only_its_record() -> None:
    good = json.dumps(record())
    huge = good.replace('"users"', "1e999999")

    assert reasons(f'{{"UsageRecords": [{good}, {huge}]}}') == [None, Reason.WRONG_TYPE]


def test_rejecting_leaves_no_garbage_behind() -> None:
    message = {"UsageRecords": [record(Quantity=-1)] * 10}
    read(message)
    gc.collect()

    read(message)

    assert gc.collect() == 0


# Fields


@pytest.mark.parametrize(
    "field", ["Id", "QuantityAsDecimal", "UsageAllocations", "CustomerIdentifier", "ProductCode"]
)
def test_null_is_the_same_as_leaving_an_optional_field_out(field: str) -> None:
    assert usage_of(record(**{field: None})) == usage_of(record())


@pytest.mark.parametrize("field", ["Timestamp", "LicenseArn", "Dimension", "Quantity"])
def test_null_is_the_same_as_leaving_a_needed_field_out(field: str) -> None:
    rejected = rejected_of(record(**{field: None}))

    assert (rejected.reason, rejected.field) == (Reason.MISSING_FIELD, field)


def test_of_a_key_that_is_there_twice_the_last_value_counts() -> None:
    body = json.dumps(record())[:-1] + ', "Quantity": 4}'

    assert usage_of(body).quantity == 4_000_000


def test_of_a_key_that_is_there_twice_only_the_last_value_must_fit() -> None:
    body = '{"Id": 7, "Dimension": [], ' + json.dumps(record(Id="x"))[1:]

    assert usage_of(body) == usage_of(record(Id="x"))


def test_of_an_event_attribute_that_is_there_twice_only_the_last_value_must_fit() -> None:
    body = '{"source": 7, ' + json.dumps(event())[1:]

    assert usage_of(body) == usage_of(event())


def test_a_field_in_other_letters_is_named_as_it_should_be() -> None:
    assert "did you mean UsageAllocations?" in rejected_of(record(usageallocations=[])).tell


def test_an_unknown_field_is_reported_before_others() -> None:
    rejected = rejected_of(record(Id=7, Quantity=-1, quantity=1))

    assert rejected.field == "quantity"


def test_an_unknown_field_of_any_length_is_cut_in_the_report() -> None:
    rejected = rejected_of(record(**{"x" * 10_000: 1}))

    assert len(rejected.tell) <= TELL_CHARS_MAX + 1
    assert rejected.field == "x" * 80


def test_an_event_attribute_that_is_no_field_of_a_record_is_unknown_there() -> None:
    rejected = rejected_of(record(time="2026-11-23T10:15:00Z"))

    assert (rejected.reason, rejected.field) == (Reason.UNKNOWN_FIELD, "time")


@pytest.mark.parametrize("length", [1, 256])
def test_an_id_may_have_1_to_256_characters(length: int) -> None:
    assert usage_of(record(Id="é" * length)).id == "é" * length


@pytest.mark.parametrize("id_", ["", "i" * 257, "\0", "\0x", True, 7, 7.5, ["x"], {}])
def test_any_other_id_is_rejected(id_: Any) -> None:
    rejected = rejected_of(record(Id=id_))

    assert (rejected.reason, rejected.field) == (Reason.BAD_ID, "Id")


@pytest.mark.parametrize(
    "attributes", [{"source": "s" * 2048}, {"id": "i" * 256}], ids=lambda each: next(iter(each))
)
def test_the_names_of_an_event_may_have_so_many_characters(attributes: dict[str, str]) -> None:
    usage = usage_of(event(**attributes))

    assert usage.id is not None
    assert next(iter(attributes.values())) in usage.id


@pytest.mark.parametrize("in_body", [True, False])
def test_the_names_of_a_legacy_customer_may_have_255_characters(*, in_body: bool) -> None:
    named = {"CustomerIdentifier": "X" * 255, "ProductCode": "p" * 255}
    code = {"ProductCode": named.pop("ProductCode")} if in_body else {}

    usage = usage_of({"UsageRecords": [record_without("LicenseArn", **named)], **code})

    assert usage.named == Named(customer_identifier="X" * 255, product_code="p" * 255)


@pytest.mark.parametrize("length", [1, 255])
def test_a_dimension_may_have_1_to_255_characters(length: int) -> None:
    assert usage_of(record(Dimension="d" * length), rules=Rules()).dimension == "d" * length


@pytest.mark.parametrize("length", [0, 256])
def test_any_other_dimension_is_unknown(length: int) -> None:
    rejected = rejected_of(record(Dimension="d" * length), rules=Rules())

    assert (rejected.reason, rejected.field) == (Reason.UNKNOWN_DIMENSION, "Dimension")


def test_without_configured_dimensions_every_dimension_is_known() -> None:
    assert usage_of(record(Dimension="whatever"), rules=Rules()).dimension == "whatever"


def test_an_unknown_dimension_is_told_with_those_that_are_known() -> None:
    rejected = rejected_of(record(Dimension="api-cals"))

    assert rejected.tell == "Dimension is 'api-cals', not one of api-calls, storage-gb, users."


# Who is named


def test_a_customer_is_kept_as_written() -> None:
    fields = {"CustomerAWSAccountId": "111122223333", "ProductCode": "p"}

    assert usage_of(record(**fields)).named == Named(ARN, "111122223333", "", "p")


def test_identifier_and_account_together_are_left_to_the_ledger() -> None:
    fields = {"CustomerAWSAccountId": "111122223333", "CustomerIdentifier": "X01"}

    assert usage_of(record_without("LicenseArn", **fields)).named == Named(
        "", "111122223333", "X01", ""
    )


def test_the_product_code_of_a_body_is_that_of_its_records() -> None:
    message = {"ProductCode": "p", "UsageRecords": [record()]}

    assert usage_of(message).named.product_code == "p"


def test_a_records_own_product_code_wins() -> None:
    message = {"ProductCode": "p", "UsageRecords": [record(ProductCode="q")]}

    assert usage_of(message).named.product_code == "q"


def test_an_event_may_name_a_legacy_customer() -> None:
    data = record_without("LicenseArn", CustomerIdentifier="X01", ProductCode="p")

    assert usage_of(event(data=data)).named == Named("", "", "X01", "p")


def test_an_empty_identifier_is_none_as_resolve_customer_returns_it() -> None:
    assert usage_of(record(CustomerIdentifier="", ProductCode="")).named == Named(ARN)


@pytest.mark.parametrize("arn", ["", "l-1", "arn:aws:x", f"{ARN}\n", f"{ARN}/", f"{ARN}:", "é"])
def test_a_license_arn_that_aws_would_not_take_is_an_unknown_license(arn: str) -> None:
    rejected = rejected_of(record(LicenseArn=arn))

    assert (rejected.reason, rejected.field) == (Reason.UNKNOWN_LICENSE, "LicenseArn")


@pytest.mark.parametrize(
    "account", ["", "1111-2222-3333", "１１１１２２２２３３３３", "1" * 256, "1\n"]
)
def test_an_account_that_is_not_all_digits_is_an_unknown_customer(account: str) -> None:
    rejected = rejected_of(record(CustomerAWSAccountId=account))

    assert (rejected.reason, rejected.field) == (Reason.UNKNOWN_CUSTOMER, "CustomerAWSAccountId")


@pytest.mark.parametrize(
    ("field", "value"),
    [("CustomerIdentifier", "X" * 256), ("ProductCode", "p" * 256), ("ProductCode", "a b")],
)
def test_a_legacy_name_that_aws_would_not_take_is_an_unknown_customer(
    field: str, value: str
) -> None:
    rejected = rejected_of(record(**{field: value}))

    assert (rejected.reason, rejected.field) == (Reason.UNKNOWN_CUSTOMER, field)


def test_an_empty_product_code_of_a_record_is_none() -> None:
    message = {"ProductCode": "p", "UsageRecords": [record(ProductCode="")]}

    assert usage_of(message).named.product_code == "p"


# CloudEvents


@pytest.mark.parametrize("attribute", ["id", "source"])
@pytest.mark.parametrize("value", [None, "", 7, "x" * 4_000])
def test_an_event_needs_an_id_and_a_source(attribute: str, value: Any) -> None:
    rejected = rejected_of(event(**{attribute: value}))

    assert (rejected.reason, rejected.field) == (Reason.BAD_CLOUDEVENT, attribute)


@pytest.mark.parametrize("data", [None, "{}", 7, [], True])
def test_the_data_of_an_event_must_be_an_object(data: Any) -> None:
    rejected = rejected_of(event(data=data))

    assert (rejected.reason, rejected.field) == (Reason.BAD_CLOUDEVENT, "data")


def test_an_event_that_says_no_version_is_of_unknown_form() -> None:
    assert rejected_of(event_without("specversion")).reason is Reason.UNKNOWN_FORM


def test_the_time_of_an_event_is_not_looked_at_where_its_data_has_a_timestamp() -> None:
    assert isinstance(read(event(time="yesterday", data=record()))[0], Usage)


def test_a_bad_time_of_an_event_is_told_by_its_own_name() -> None:
    assert rejected_of(event(time="yesterday")).field == "time"


def test_a_typo_in_the_data_of_an_event_is_rejected() -> None:
    assert rejected_of(event(data=record(quantity=1))).field == "quantity"


# Original texts


def test_the_text_of_a_bare_record_is_the_message_as_it_came() -> None:
    body = f" {json.dumps(record(Quantity=-1))}\n"

    assert rejected_of(body).text == body


def test_the_text_of_a_record_keeps_every_character_that_its_producer_wrote() -> None:
    odd = '{ "Quantity":1.50E0,"Dimension" : "\\u0075sers"}'

    [rejected] = read(f'{{"ProductCode":"p", "UsageRecords":[ {odd} ]}}')

    assert isinstance(rejected, Rejected)
    assert rejected.text == f'{{"ProductCode": "p", "UsageRecords": [{odd}]}}'


def test_the_text_of_an_event_is_an_array_of_that_event() -> None:
    bad = event(specversion="2.0")

    rejected = read([event(), bad])[1]

    assert isinstance(rejected, Rejected)
    assert rejected.text == f"[{json.dumps(bad)}]"


def test_the_text_of_a_bare_record_in_an_array_does_not_read_as_a_bare_record() -> None:
    [rejected] = read([record()])

    assert isinstance(rejected, Rejected)
    assert rejected_of(rejected.text).reason is Reason.UNKNOWN_FORM


def test_the_text_of_usage_is_found_again_by_its_place() -> None:
    body = json.dumps({"UsageRecords": [record(Id="a"), record(Id="b", LicenseArn=OTHER_ARN)]})

    assert usage_of(original_text(body, 1)).id == "b"


def test_records_of_a_long_message_are_taken_out_of_it_at_the_price_of_one() -> None:
    """They were half a minute's work, if all were refused."""
    body = json.dumps({"UsageRecords": [record(Id=f"u-{at}") for at in range(5_000)]})
    began_s = process_time()

    texts = [original_text(body, at) for at in range(5_000)]

    assert process_time() - began_s < 2
    assert usage_of(texts[-1]).id == "u-4999"


def test_when_a_message_arrived_stays_with_its_usage() -> None:
    assert usage_of(record()).arrived_s == NOW_S - 9
