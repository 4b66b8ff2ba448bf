"""What is at a limit is within it, and the words for what is beyond."""

import json
from collections.abc import Callable
from random import Random

import pytest

from lambdas.customers.license import LicenseKey
from lambdas.metering.fold import QUANTITY_MICROS_MAX
from lambdas.metering.forms import DIMENSION_CHARS_MAX, RECORDS_MAX
from lambdas.metering.hours import HOUR_S, Hour
from lambdas.metering.ledger import (
    DIMENSIONS_MAX,
    ENTRY_BYTES_MAX,
    ENTRY_VERSION,
    KEY_BYTES,
    Packed,
    unpack,
)
from lambdas.metering.named import Named
from lambdas.metering.reasons import (
    SHOWN_CHARS_MAX,
    TELL_CHARS_MAX,
    NotUnderstoodError,
    Reason,
    shown,
)
from lambdas.metering.records import Outcome, Status
from lambdas.metering.summary import Summary
from lambdas.metering.terms import Terms
from lambdas.metering.usage import ID_CHARS_MAX, Rejected, Rules, Tags, Usage
from lambdas.versions import UnknownVersionError
from tests.unit.metering_stage import (
    NOW_S,
    THIS_HOUR,
    UNIT,
    begun,
    customers,
    decide,
    legacy,
    rows_of,
    sealed,
    usage,
)
from tests.unit.test_metering_entry_sizes import tagged
from tests.unit.usage_messages import read, record, rejected_of, usage_of


def test_usage_with_too_many_tags_is_told_to_come_in_several_records() -> None:
    [found] = decide(begun(), usage("a", split=tagged(Random(1), 2500, 256))).refused

    assert (found.refusal.reason, found.refusal.field) == (Reason.TOO_LARGE, "UsageAllocations")
    assert found.refusal.tell == (
        "The tags of this usage do not fit into one ledger entry of 400 KB; send it in several"
        " records."
    )


def test_an_entry_of_a_newer_release_says_what_to_do() -> None:
    with pytest.raises(UnknownVersionError) as raised:
        unpack(Packed("fold", ENTRY_VERSION + 1, 0, b"", b""))

    assert str(raised.value) == (
        f"an entry of the log is a 'fold' of version {ENTRY_VERSION + 1}, and this release knows"
        f" fold and seal of version {ENTRY_VERSION}: a newer release has written it, so deploy"
        " that one again"
    )


@pytest.mark.parametrize(
    ("size", "told_size"),
    [(TELL_CHARS_MAX, TELL_CHARS_MAX), (TELL_CHARS_MAX + 1, TELL_CHARS_MAX + 1)],
)
def test_a_sentence_is_cut_behind_its_limit(size: int, told_size: int) -> None:
    error = NotUnderstoodError(Reason.BAD_JSON, None, "x" * size)

    assert len(error.tell) == told_size
    assert error.tell.endswith("…") is (size > TELL_CHARS_MAX)


def test_an_error_says_its_sentence() -> None:
    assert str(NotUnderstoodError(Reason.BAD_JSON, None, "It is no JSON.")) == "It is no JSON."


@pytest.mark.parametrize(("more", "end"), [(0, "x'"), (1, "x'…")])
def test_a_value_is_shown_up_to_its_limit(more: int, end: str) -> None:
    text = shown("x" * (SHOWN_CHARS_MAX + more))

    assert text == "'" + "x" * (SHOWN_CHARS_MAX - 1) + end


@pytest.mark.parametrize("more", [{}, {"UsageAllocations": None}])
def test_an_id_may_be_as_long_as_its_limit(more: dict[str, None]) -> None:
    [found] = read(record(Id="x" * ID_CHARS_MAX, **more))

    assert isinstance(found, Usage)


@pytest.mark.parametrize("bad", [{}, 5])
def test_a_message_may_have_as_many_records_as_its_limit(bad: object) -> None:
    found = read({"UsageRecords": [{}] * (RECORDS_MAX - 1) + [bad]})

    assert len(found) == RECORDS_MAX


@pytest.mark.parametrize("records", [[record()], [record(), 5]])
def test_a_product_code_of_a_body_may_be_as_long_as_its_limit(records: list[object]) -> None:
    first, *_ = read({"ProductCode": "p" * 255, "UsageRecords": records})

    assert isinstance(first, Usage)


@pytest.mark.parametrize("size", [0, DIMENSION_CHARS_MAX + 1])
def test_a_dimension_beyond_its_limits_is_rejected_though_any_may_be_metered(size: int) -> None:
    found = rejected_of(record(Id="a", Dimension="d" * size), rules=Rules())

    assert (found.reason, found.field) == (Reason.UNKNOWN_DIMENSION, "Dimension")


def test_what_is_wrong_is_said_behind_a_byte_order_mark() -> None:
    found = rejected_of("\ufeff" + json.dumps(record(Id="a", Timestamp="yesterday")))

    assert (found.reason, found.field) == (Reason.BAD_TIMESTAMP, "Timestamp")


def test_of_two_records_the_one_that_is_wrong_is_told() -> None:
    good, bad = record(Id="a"), record(Id="b", Timestamp="yesterday")

    first, second = read({"UsageRecords": [good, bad]})

    assert isinstance(first, Usage)
    assert isinstance(second, Rejected)
    assert (second.index, json.loads(second.text)["UsageRecords"]) == (1, [bad])


@pytest.mark.parametrize("allocations", [None, [{"AllocatedUsageQuantity": 3}]])
def test_usage_by_account_has_a_second_key_by_license(allocations: object) -> None:
    by_account = record(CustomerAWSAccountId="111122223333", LicenseArn=None, Id="a")

    found = usage_of(by_account | {"UsageAllocations": allocations})

    assert not found.by_license


def test_a_customer_without_a_product_is_of_the_sellers() -> None:
    customer = legacy()
    named = Named(customer_identifier=customer.customer_identifier)
    each = usage("a", named=named, by_license=False)

    terms = Terms(product_code=customer.product_code)
    folded = decide(begun(), each, known=customers(customer), terms=terms)

    assert folded.counted == 1


def test_dimensions_of_one_batch_fill_an_hour_together() -> None:
    batch = [usage(f"u-{at}", dimension=f"d-{at}") for at in range(DIMENSIONS_MAX + 1)]

    entry = decide(begun(), *batch).entry

    assert entry is not None
    assert [row.dimension for row in entry.rows if row.hour == THIS_HOUR + 1] == [
        f"d-{DIMENSIONS_MAX}"
    ]


def test_tagged_usage_of_one_batch_fills_a_record_to_its_limit() -> None:
    most: dict[Tags, int] = {(("k", "a"),): QUANTITY_MICROS_MAX - UNIT}
    rest: dict[Tags, int] = {(("k", "b"),): UNIT}

    rows = rows_of(decide(begun(), usage("a", split=most), usage("b", split=rest)))

    assert {row.hour for row in rows} == {THIS_HOUR}


ROW_BYTES = len("l-0001") + len("users") + 40
"""What a row of these counts for in an entry: its names, and what surrounds them."""

TAG_BYTES = len("k") + len("0001") + 12
"""What a tag adds to a row."""


def of_many_licenses(at: int) -> Usage:
    return usage(f"u-{at}", who=f"l-{at:04}")


def of_many_accounts(at: int) -> Usage:
    return usage(f"u-{at}", who=f"{at:012}", license=LicenseKey(f"l-{at:04}"))


def with_a_tag_of_its_own(at: int) -> Usage:
    return usage(f"u-{at}", who="l-0001", split={(("k", f"{at:04}"),): UNIT})


def with_an_old_and_a_new_tag(at: int) -> Usage:
    return usage(
        f"u-{at}", who="l-0001", split={(("k", "same"),): UNIT, (("k", f"{at:04}"),): UNIT}
    )


@pytest.mark.parametrize(
    ("each", "first", "size"),
    [
        (of_many_licenses, 0, KEY_BYTES + ROW_BYTES),
        (of_many_accounts, 0, 2 * KEY_BYTES + ROW_BYTES),
        (with_a_tag_of_its_own, 0, KEY_BYTES + ROW_BYTES + TAG_BYTES),
        (with_an_old_and_a_new_tag, ROW_BYTES + TAG_BYTES, KEY_BYTES + ROW_BYTES + TAG_BYTES),
    ],
)
def test_an_entry_is_filled_with_keys_and_rows_as_they_are(
    each: Callable[[int], Usage], first: int, size: int
) -> None:
    batch = [each(at) for at in range(ENTRY_BYTES_MAX // size + 10)]

    folded = decide(begun(), *batch)

    assert folded.taken == (ENTRY_BYTES_MAX - first) // size


def test_every_record_of_an_older_submitter_is_summed_up() -> None:
    summary = Summary()
    outcome = Outcome(Status.DRY_RUN, NOW_S, Reason.BEFORE_METERING_FROM)

    for hour in (1, 2):
        summary.note(sealed(hour=Hour(NOW_S // HOUR_S - hour)), outcome)

    assert summary.anothers == 2
