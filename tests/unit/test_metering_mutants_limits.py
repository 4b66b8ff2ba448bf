"""What is at a limit is within it, and the words for what is beyond."""

from random import Random

import pytest

from lambdas.metering.forms import RECORDS_MAX
from lambdas.metering.hours import HOUR_S, Hour
from lambdas.metering.ledger import DIMENSIONS_MAX, ENTRY_VERSION, Packed, Seal, unpack
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
from lambdas.metering.usage import ID_CHARS_MAX, Usage
from lambdas.versions import UnknownVersionError
from tests.unit.metering_stage import (
    NOW_S,
    THIS_HOUR,
    begun,
    customers,
    decide,
    legacy,
    sealed,
    usage,
)
from tests.unit.test_metering_entry_sizes import tagged, told
from tests.unit.usage_messages import read, record


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


def test_a_message_may_have_as_many_records_as_its_limit() -> None:
    found = read({"UsageRecords": [{}] * RECORDS_MAX})

    assert len(found) == RECORDS_MAX


@pytest.mark.parametrize("records", [[record()], [record(), 5]])
def test_a_product_code_of_a_body_may_be_as_long_as_its_limit(records: list[object]) -> None:
    first, *_ = read({"ProductCode": "p" * 255, "UsageRecords": records})

    assert isinstance(first, Usage)


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


@pytest.mark.parametrize("name", ["thousands_of_licenses", "small_splits"])
def test_every_part_of_a_seal_has_its_time(name: str) -> None:
    seals = told(name).seals

    assert all(isinstance(each, Seal) and each.at_s == seals[0].at_s > 0 for each in seals)


def test_every_record_of_an_older_submitter_is_summed_up() -> None:
    summary = Summary()
    outcome = Outcome(Status.DRY_RUN, NOW_S, Reason.BEFORE_METERING_FROM)

    for hour in (1, 2):
        summary.note(sealed(hour=Hour(NOW_S // HOUR_S - hour)), outcome)

    assert summary.anothers == 2
