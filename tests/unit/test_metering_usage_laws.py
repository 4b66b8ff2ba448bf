"""Laws that hold for every message, whatever is in it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from lambdas.metering.timestamps import without_fraction
from lambdas.metering.usage import Redrive, Rejected, Usage, content_check, original_text
from tests.unit.usage_messages import (
    ARN,
    NOW_S,
    event,
    read,
    record,
    record_without,
    usage_of,
)

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is slow, not wrong."""

MICRO = Decimal("0.000001")
NAMES = [*record(), "Id", "CustomerAWSAccountId", "CustomerIdentifier", "ProductCode"]
NAMES += ["QuantityAsDecimal", "UsageAllocations", "UsageRecords", "Redrive", "quantity"]
NAMES += ["specversion", "source", "id", "time", "data", "data_base64", "Key", "Tags", "Value"]
WORDS = ["1.0", "1", "users", "l-1", ARN, "2026-11-23T10:15:00Z", "now", "111122223333", "a" * 32]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=12,
)

fields = st.sampled_from([*NAMES, "typo"])
almost_records = st.builds(
    lambda changes, missing: {k: v for k, v in record(**changes).items() if k not in missing},
    st.dictionaries(fields, values, max_size=2),
    st.sets(fields, max_size=1),
)
almost_events = st.builds(
    lambda changes, data: event(data=data) | changes,
    st.dictionaries(st.sampled_from(NAMES), values, max_size=1),
    almost_records,
)
messages = st.one_of(
    values,
    almost_records,
    almost_events,
    st.lists(almost_events | almost_records | values, max_size=5),
    st.builds(
        lambda records, more: {"UsageRecords": records} | more,
        st.lists(almost_records | values, max_size=5),
        st.dictionaries(st.sampled_from(["ProductCode", "typo"]), scalars, max_size=1),
    ),
    st.builds(lambda order: {"Redrive": order}, values),
)


def assert_well_formed(found: list[Usage | Rejected | Redrive]) -> None:
    for each in found:
        if isinstance(each, Redrive):
            continue
        assert (len(each.key), len(each.check)) == (12, 4)
        if isinstance(each, Rejected):
            each.text.encode()
            assert each.tell
        else:
            assert 0 <= each.quantity < 10**16
            assert sum(each for _, each in each.allocations) in (0, each.quantity)


@unhurried
@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_no_text_raises(text: str) -> None:
    assert_well_formed(read(text))


@unhurried
@given(st.text(alphabet='{}[]",:\\u0123456789eE+-.truefalsn \ud800é', max_size=40))
def test_no_text_that_is_almost_json_raises(text: str) -> None:
    assert_well_formed(read(text))


@unhurried
@given(messages)
def test_no_json_raises(message: Any) -> None:
    assert_well_formed(read(message))


@unhurried
@given(messages, st.data())
def test_no_message_that_is_cut_or_garbled_raises(message: Any, data: st.DataObject) -> None:
    body = json.dumps(message)
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))

    assert_well_formed(read(body[:start] + body[end:]))
    assert_well_formed(read(body[:end] + body[start:]))


@unhurried
@given(st.lists(almost_records | values, max_size=6))
def test_every_record_of_a_body_comes_out_once_in_its_place(records: list[Any]) -> None:
    found = read({"UsageRecords": records})

    assert [each.index for each in found if not isinstance(each, Redrive)] == [*range(len(records))]


@unhurried
@given(st.lists(almost_events | values, max_size=6))
def test_every_event_of_an_array_comes_out_once_in_its_place(events: list[Any]) -> None:
    found = read(events)

    assert [each.index for each in found if not isinstance(each, Redrive)] == [*range(len(events))]


@unhurried
@given(st.lists(almost_records | values, max_size=6))
def test_what_becomes_of_a_record_does_not_depend_on_its_neighbours(records: list[Any]) -> None:
    together = read({"UsageRecords": records})

    for each, alone in zip(together, records, strict=True):
        assert story(each) == story(read({"UsageRecords": [alone]})[0])


@unhurried
@given(almost_records, st.text(min_size=1, max_size=4))
def test_a_plain_record_reads_as_it_does_where_it_is_not_taken_for_one(
    written: dict[str, Any], id_: str
) -> None:
    assume(written.keys().isdisjoint({"UsageRecords", "Redrive", "specversion"}))
    plain = {"Id": id_} | written
    # Tags that are null are none, and no plain record has any.
    other = {"UsageAllocations": None} | plain

    assert what(read(plain)) == what(read(other))
    assert what(read({"UsageRecords": [plain]})) == what(read({"UsageRecords": [other]}))


@pytest.mark.parametrize(
    "number", ["-0", "-1", "1.0", "1e3", "9999999999", "10000000000", "1" * 30, '"5"', "true"]
)
def test_a_number_of_a_plain_record_is_read_as_in_any_other(number: str) -> None:
    body = json.dumps(record(Id="a", Quantity=0)).replace('"Quantity": 0', f'"Quantity": {number}')

    assert what(read(body)) == what(read(body[:-1] + ', "UsageAllocations": null}'))


@pytest.mark.parametrize(
    "begins",
    ["2026-11-23T10:15:00", "2026-W48-1T10:15:00", "2026-11-23 10:15:59", "2026-11-23T10:15"],
)
@pytest.mark.parametrize("goes_on", ["", ".", ".5", ".999999999", ",5", ".5.5", ".\u0665", "+01.5"])
@pytest.mark.parametrize(
    "ends", ["", "Z", "z", "+01:00", "-01", "+", "Z5", "+01:00:00.5", "." * 70]
)
def test_a_time_of_a_plain_record_is_read_as_in_any_other(
    begins: str, goes_on: str, ends: str
) -> None:
    plain = record(Id="a", Timestamp=begins + goes_on + ends)

    assert what(read(plain)) == what(read(plain | {"UsageAllocations": None}))


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("2026-11-23T10:15:00.5Z", "2026-11-23T10:15:00Z"),
        ("2026-11-23T10:15:00.123456789-01:00", "2026-11-23T10:15:00-01:00"),
        ("2026-11-23T10:15:00.5+01:00", "2026-11-23T10:15:00+01:00"),
        ("2026-11-23t10:15:00.5z", "2026-11-23t10:15:00z"),
        ("2026-11-23T10:15:00.5+01:00:00", "2026-11-23T10:15:00.5+01:00:00"),
        ("2026-11-23T10:15:00Z", "2026-11-23T10:15:00Z"),
        ("2026-11-23T10:15:00.Z", "2026-11-23T10:15:00.Z"),
        ("2026-11-23T10:15:00.5", "2026-11-23T10:15:00.5"),
        ("2026-11-23T10:15:00.5.5Z", "2026-11-23T10:15:00.5.5Z"),
        ("2026-11-23T10:15+01.5Z", "2026-11-23T10:15+01.5Z"),
        (f"2026-11-23T10:15:00.{'5' * 58}Z", "2026-11-23T10:15:00Z"),
        (f"2026-11-23T10:15:00.{'5' * 59}Z", f"2026-11-23T10:15:00.{'5' * 59}Z"),
        ("", ""),
    ],
)
def test_only_a_fraction_is_left_out_of_a_time(text: str, without: str) -> None:
    assert without_fraction(text) == without


@unhurried
@given(messages)
def test_a_message_reads_the_same_every_time(message: Any) -> None:
    assert read(message) == read(message)


@unhurried
@given(messages)
def test_the_text_of_a_record_is_a_message_of_that_record_alone(message: Any) -> None:
    body = json.dumps(message)

    for index, each in enumerate(read(body)):
        if isinstance(each, Redrive):
            continue
        text = each.text if isinstance(each, Rejected) else original_text(body, index)
        [again] = read(text)
        assert story(again) == story(each)
        assert not isinstance(again, Rejected) or again.text == text


def story(each: Usage | Rejected | Redrive) -> tuple[Any, ...]:
    """Return all of a record but its place, and the key where that is of its place."""
    if isinstance(each, Rejected):
        return each.check, each.reason, each.field, each.tell
    if isinstance(each, Redrive):
        return (each,)
    key = None if each.id is None else each.key
    content = each.named, each.dimension, each.quantity, each.used_s, each.allocations
    return key, each.id, each.check, *content


def what(found: list[Usage | Rejected | Redrive]) -> list[Any]:
    """Return all of records but the text of those rejected, and the check of that text."""
    return [
        (each.key, each.reason, each.field, each.tell) if isinstance(each, Rejected) else each
        for each in found
    ]


micros = st.integers(0, 10**16 - 1)


def number_forms(quantity: Decimal, places: int, shift: int) -> list[str]:
    """Write a number in several ways that JSON allows."""
    plain = f"{quantity:f}"
    longer = f"{quantity.quantize(MICRO):f}" + "0" * places
    shifted = f"{quantity.scaleb(-shift):f}e{shift}"
    return [plain, longer, shifted, shifted.replace("e", "E+") if shift > 0 else shifted]


@unhurried
@given(micros, st.integers(0, 9), st.integers(-30, 30))
def test_all_forms_of_a_number_are_one_quantity(number: int, places: int, shift: int) -> None:
    quantity = number * MICRO

    for form in number_forms(quantity, places, shift):
        body = json.dumps(record(Quantity="HERE")).replace('"HERE"', form)
        assert usage_of(body).quantity == number


@unhurried
@given(micros, st.integers(0, 9), st.integers(-30, 30))
def test_all_forms_of_a_number_have_one_check(number: int, places: int, shift: int) -> None:
    quantity = number * MICRO
    decimal = record_without("Quantity", QuantityAsDecimal=f"{quantity:f}")

    for form in number_forms(quantity, places, shift):
        body = json.dumps(record(Quantity="HERE")).replace('"HERE"', form)
        assert usage_of(body).check == usage_of(decimal).check


@unhurried
@given(micros)
def test_a_decimal_comes_back_exactly(number: int) -> None:
    message = record_without("Quantity", QuantityAsDecimal=str(number * MICRO))

    assert usage_of(message).quantity * MICRO == number * MICRO


@unhurried
@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
)
def test_a_number_is_usage_exactly_if_its_value_fits(text: str) -> None:
    value = Decimal(text)
    fits = 0 <= value < 10**10 and value == value.quantize(MICRO) if abs(value) < 10**20 else False

    [found] = read(json.dumps(record(Quantity="HERE")).replace('"HERE"', text))

    assert isinstance(found, Usage) == fits
    assert not isinstance(found, Usage) or found.quantity * MICRO == value


tag_text = st.text(alphabet="abAB01 +-=._:/@", min_size=1, max_size=9)
tag_sets = st.dictionaries(st.sampled_from(["team", "k:2", "a b", "X", "z"]), tag_text, max_size=3)


@unhurried
@given(st.lists(st.tuples(tag_sets, st.integers(0, 10**12)), min_size=1, max_size=6))
def test_allocations_come_back_as_they_were(parts: list[tuple[dict[str, str], int]]) -> None:
    split = {tuple(sorted(tags.items())): quantity for tags, quantity in parts}
    allocations = [
        {
            "AllocatedUsageQuantityAsDecimal": f"{quantity * MICRO:f}",
            "Tags": [{"Key": key, "Value": value} for key, value in tags] or None,
        }
        for tags, quantity in split.items()
    ]
    total = f"{sum(split.values()) * MICRO:f}"
    message = record_without("Quantity", QuantityAsDecimal=total, UsageAllocations=allocations)

    assert dict(usage_of(message).allocations) == split


@unhurried
@given(
    st.datetimes(datetime(1, 1, 2), datetime(2026, 11, 22)),  # noqa: DTZ001 the offset comes below
    st.integers(-1439, 1439),
)
def test_a_time_comes_back_as_its_second(moment: datetime, offset_minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    exact_us = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    usage = usage_of(record(Timestamp=aware.isoformat()))

    assert usage.used_s == exact_us // 1_000_000


@unhurried
@given(st.decimals(-(10**11), NOW_S, places=9))
def test_epoch_seconds_come_back_rounded_down(seconds: Decimal) -> None:
    assume(seconds > -62_135_596_800)
    body = json.dumps(record(Timestamp="HERE")).replace('"HERE"', f"{seconds:f}")

    assert usage_of(body).used_s == int(seconds // 1) - (seconds % 1 < 0)


@unhurried
@given(st.lists(st.text(min_size=1, max_size=4), min_size=2, max_size=2, unique=True))
def test_two_ids_are_two_keys(ids: list[str]) -> None:
    assume(not any(each.startswith("\0") for each in ids))

    assert len({usage_of(record(Id=each)).key for each in ids}) == 2


@unhurried
@given(
    st.tuples(*[st.text(min_size=1, max_size=3)] * 2),
    st.tuples(*[st.text(min_size=1, max_size=3)] * 2),
)
def test_two_events_have_one_key_only_if_source_and_id_are_the_same(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    keys = [usage_of(event(source=source, id=id_)).key for source, id_ in (one, other)]

    assert (keys[0] == keys[1]) == (one == other)


digits = st.text(alphabet="01 ", min_size=1, max_size=3)


@unhurried
@given(st.tuples(digits, st.integers(0, 11)), st.tuples(digits, st.integers(0, 11)))
@example(("1", 10), ("11", 0))
def test_a_dimension_and_a_quantity_never_run_together(
    one: tuple[str, int], other: tuple[str, int]
) -> None:
    assert (content_check(*one, ()) == content_check(*other, ())) == (one == other)
