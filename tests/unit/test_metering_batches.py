"""Records go out in as few calls as AWS Marketplace takes, each record in one."""

from typing import Any

import pytest
from botocore.serialize import create_serializer
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.license import License
from lambdas.metering.hours import Hour
from lambdas.metering.ledger import SealedRecord
from lambdas.metering.records import (
    BATCH_RECORDS_MAX,
    NOT_SUBSCRIBED,
    Batch,
    Due,
    Outcome,
    Status,
    batches,
)
from tests.unit.metering_stage import NOW_S, THIS_HOUR, UNIT, arn, bought, legacy, sealed

CALL_BYTES_MAX = 1_000_000
"""A call must be smaller ("less than 1 MB", API reference of BatchMeterUsage)."""

PARKED = Outcome(Status.PARKED, NOW_S, "InvalidLicenseException")
WAITING = Outcome(Status.PARKED, NOW_S, NOT_SUBSCRIBED)


def put_into_calls(
    records: list[SealedRecord], who: License | None = None, outcome: Outcome | None = None
) -> list[Batch]:
    return list(batches(Due(each, who or bought(), outcome) for each in records))


def hours(count: int, **fields: Any) -> list[SealedRecord]:
    return [sealed(hour=Hour(THIS_HOUR - each), **fields) for each in range(count)]


def test_a_call_holds_twenty_five_records_at_most() -> None:
    found = put_into_calls(hours(60))

    assert [len(each.records) for each in found] == [BATCH_RECORDS_MAX, BATCH_RECORDS_MAX, 10]


def test_nothing_due_is_no_call() -> None:
    assert put_into_calls([]) == []


def test_a_call_is_for_one_product() -> None:
    one, other = bought("l-1"), bought("l-2", product_code="other")
    record = sealed()

    found = list(batches([Due(record, one), Due(record, other), Due(record, one)]))

    assert sorted((each.product_code, len(each.records)) for each in found) == [
        (one.product_code, 2),
        ("other", 1),
    ]


def test_legacy_customers_and_licenses_of_one_product_go_apart() -> None:
    due = [Due(sealed(), bought(product_code="n0123")), Due(sealed(), legacy())]

    assert sorted(each.legacy for each in batches(due)) == [False, True]


def test_a_record_that_was_refused_before_goes_alone() -> None:
    first, refused, last = hours(3)

    found = list(
        batches([Due(first, bought()), Due(refused, bought(), PARKED), Due(last, bought())])
    )

    assert [each.records for each in found] == [(refused,), (first, last)]


def test_a_customer_not_subscribed_spoils_no_call() -> None:
    first, waiting = hours(2)

    [batch] = batches([Due(first, bought()), Due(waiting, bought(), WAITING)])

    assert batch.records == (first, waiting)


def test_calls_that_are_never_answered_get_smaller() -> None:
    found = batches(Due(each, bought(), doubts=2) for each in hours(13))

    assert [len(each.records) for each in found] == [6, 6, 1]


def test_a_record_that_nobody_answers_for_stands_alone_in_the_end() -> None:
    found = batches(Due(each, bought(), doubts=10) for each in hours(3))

    assert [len(each.records) for each in found] == [1, 1, 1]


def split_of(sets: int, letters: int) -> dict[str, Any]:
    """Return a quantity in so many parts, by tags with values of so many letters."""
    parts = tuple(((("k", f"{each:0{letters}}"),), UNIT) for each in range(sets))
    return {"quantity": sets * UNIT, "allocations": parts}


@pytest.mark.parametrize(
    ("fields", "who"),
    [
        pytest.param(split_of(2500, 4), bought(), id="many short tags"),
        pytest.param(split_of(2500, 250), bought(), id="many long tags"),
        pytest.param(split_of(150, 250), bought(), id="half a call"),
        pytest.param({"dimension": "😀" * 255}, bought(arn=arn("l" * 1000)), id="not ASCII"),
        pytest.param(split_of(2000, 4), legacy(), id="legacy"),
    ],
)
def test_a_call_has_less_than_a_megabyte_as_it_is_sent(
    fields: dict[str, Any], who: License
) -> None:
    found = put_into_calls(hours(9, **fields), who)

    assert max(map(body_bytes, found)) < CALL_BYTES_MAX


def body_bytes(batch: Batch) -> int:
    """Measure a call as botocore writes it."""
    model = get_session().get_service_model("meteringmarketplace")
    call: dict[str, Any] = {"UsageRecords": list(batch.usage_records)}
    if batch.legacy:
        call["ProductCode"] = batch.product_code
    operation = model.operation_model("BatchMeterUsage")
    return len(create_serializer("json").serialize_to_request(call, operation)["body"])


customers = st.sampled_from([bought("l-1"), bought("l-2", product_code="other"), legacy()])
what_is_due = st.lists(
    st.tuples(customers, st.sampled_from([None, PARKED, WAITING]), st.integers(0, 6)), max_size=120
).map(
    lambda drawn: [
        Due(sealed(who=who.key, hour=Hour(at)), who, outcome, doubts)
        for at, (who, outcome, doubts) in enumerate(drawn)
    ]
)


@given(what_is_due)
def test_every_record_is_in_exactly_one_call(due: list[Due]) -> None:
    found = [record.cell for batch in batches(due) for record in batch.records]

    assert sorted(found) == sorted(each.record.cell for each in due)


@given(what_is_due)
def test_no_call_mixes_products_or_is_larger_than_any_of_its_records_may_have(
    due: list[Due],
) -> None:
    of = {each.record.cell: each for each in due}

    for batch in batches(due):
        members = [of[record.cell] for record in batch.records]
        assert {each.who.product_code for each in members} == {batch.product_code}
        assert {not each.who.arn for each in members} == {batch.legacy}
        assert len(members) <= max(1, BATCH_RECORDS_MAX >> max(each.doubts for each in members))
        assert len(members) == 1 or all(each.outcome is not PARKED for each in members)


def test_halves_are_the_whole() -> None:
    [batch] = put_into_calls(hours(7))

    one, other = batch.halves()

    assert one.records + other.records == batch.records
    assert one.usage_records + other.usage_records == batch.usage_records


def test_both_halves_hold_something() -> None:
    [batch] = put_into_calls(hours(2))

    assert [len(each.records) for each in batch.halves()] == [1, 1]


def test_a_batch_of_some_of_its_records_is_otherwise_the_same() -> None:
    [batch] = put_into_calls(hours(3))
    first, _, last = batch.records

    part = batch.only([last.cell, first.cell])

    assert part.records == (first, last)
    assert part.usage_records == (batch.usage_records[0], batch.usage_records[2])
    assert (part.product_code, part.legacy) == (batch.product_code, batch.legacy)
