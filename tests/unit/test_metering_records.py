"""From sealed records to calls, and from answers to outcomes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.license import License, State
from lambdas.metering.hours import HOUR_S, closes_s
from lambdas.metering.ledger import SealedRecord
from lambdas.metering.quantities import decimal_text, micros_of_decimal
from lambdas.metering.records import (
    LAST_TRIES_S,
    LATE_S,
    NOT_SUBSCRIBED,
    RETRY_PARKED_S,
    Outcome,
    Status,
    is_due,
    may_be_sent,
    outcome_of_refusal,
    outcome_of_result,
    too_late,
    usage_record,
)
from tests.unit.metering_stage import (
    ANYTHING,
    BUYER,
    NOW_S,
    UNIT,
    arn,
    bought,
    legacy,
    sealed,
)

ZERO = sealed(quantity=0)
CLOSES_S = closes_s(sealed().frozen.timestamp_s)
TEAM_A = (("team", "a"),)
PARKED = Outcome(Status.PARKED, NOW_S, "InvalidLicenseException")
WAITING = Outcome(Status.PARKED, NOW_S, NOT_SUBSCRIBED)
FINAL = [each for each in Status if each not in (Status.PARKED, Status.DRY_RUN)]


def due(outcome: Outcome | None, *, now_s: int = NOW_S) -> bool:
    return is_due(sealed(), outcome, now_s=now_s, terms=ANYTHING)


def result(record: SealedRecord, status: str, *, maybe_applied: bool = False) -> Outcome | None:
    return outcome_of_result(record, status, "r-1", maybe_applied=maybe_applied, now_s=NOW_S)


def judged(record: SealedRecord, now_s: int, *, maybe_applied: bool = False) -> Outcome | None:
    return too_late(record, None, maybe_applied=maybe_applied, now_s=now_s, terms=ANYTHING)


def test_a_record_names_license_account_dimension_and_time() -> None:
    assert usage_record(sealed(), bought()) == {
        "Timestamp": datetime(2026, 11, 23, 10, tzinfo=UTC),
        "LicenseArn": arn("l-1"),
        "CustomerAWSAccountId": BUYER,
        "Dimension": "users",
        "Quantity": 3,
    }


def test_a_legacy_record_names_the_customer_identifier_alone() -> None:
    wire = usage_record(sealed(), legacy())

    assert {name for name in wire if "Customer" in name or "License" in name} == {
        "CustomerIdentifier"
    }


@pytest.mark.parametrize(
    ("micros", "amount"),
    [
        (0, {"Quantity": 0}),
        (3 * UNIT, {"Quantity": 3}),
        (2_147_483_647 * UNIT, {"Quantity": 2_147_483_647}),
        (2_147_483_648 * UNIT, {"QuantityAsDecimal": "2147483648"}),
        (17_420_000, {"QuantityAsDecimal": "17.42"}),
        (1, {"QuantityAsDecimal": "0.000001"}),
        (9_999_999_999_999_999, {"QuantityAsDecimal": "9999999999.999999"}),
    ],
)
def test_whole_quantities_go_as_numbers_and_others_as_decimals(
    micros: int, amount: dict[str, Any]
) -> None:
    wire = usage_record(sealed(quantity=micros), bought())

    assert {name: each for name, each in wire.items() if "Quantity" in name} == amount


def test_a_split_is_written_with_its_tags() -> None:
    record = sealed(quantity=3 * UNIT, allocations=(((), UNIT), (TEAM_A, 2 * UNIT)))

    assert usage_record(record, bought())["UsageAllocations"] == [
        {"AllocatedUsageQuantity": 1},
        {"AllocatedUsageQuantity": 2, "Tags": [{"Key": "team", "Value": "a"}]},
    ]


def test_a_record_whose_parts_are_fractions_goes_as_decimal_throughout() -> None:
    record = sealed(quantity=UNIT, allocations=(((), UNIT // 2), (TEAM_A, UNIT // 2)))

    wire = usage_record(record, bought())

    assert [wire["QuantityAsDecimal"]] + [
        each["AllocatedUsageQuantityAsDecimal"] for each in wire["UsageAllocations"]
    ] == ["1", "0.5", "0.5"]


@given(st.integers(0, 10**16 - 1))
def test_a_decimal_text_is_read_back_as_the_same_quantity(micros: int) -> None:
    assert micros_of_decimal(decimal_text(micros), "QuantityAsDecimal") == micros


@given(st.integers(0, 10**16 - 1))
def test_a_decimal_text_has_no_idle_zeros(micros: int) -> None:
    text = decimal_text(micros)

    assert "." not in text or text[-1] in "123456789"


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=5))
def test_a_record_and_its_parts_use_one_kind_of_number(parts: list[int]) -> None:
    split = tuple((((str(at), "x"),), each) for at, each in enumerate(parts))

    wire = usage_record(sealed(quantity=sum(parts), allocations=split), bought())

    decimal = "QuantityAsDecimal" in wire
    wanted = "AllocatedUsageQuantityAsDecimal" if decimal else "AllocatedUsageQuantity"
    assert all(each.keys() == {wanted, "Tags"} for each in wire["UsageAllocations"])


@pytest.mark.parametrize("state", [State.ACTIVE, State.ENDING, State.ENDED])
def test_a_license_in_any_state_but_pending_is_for_aws_to_judge(state: State) -> None:
    assert may_be_sent(bought(state=state))


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(None, id="nobody has announced it"),
        pytest.param(bought(state=State.PENDING), id="pending"),
        pytest.param(legacy(state=State.PENDING), id="legacy, pending"),
        pytest.param(bought(account=""), id="account unknown"),
        pytest.param(bought(arn="aws:license-manager:us-east-1:1:l-1"), id="not an ARN"),
        pytest.param(bought(arn=""), id="neither license nor identifier"),
    ],
)
def test_records_that_could_not_be_taken_are_withheld(who: License | None) -> None:
    assert not may_be_sent(who)


def test_a_legacy_customer_needs_no_license() -> None:
    assert may_be_sent(legacy())


def test_a_record_never_tried_is_due() -> None:
    assert due(None)


@pytest.mark.parametrize("status", FINAL)
def test_a_final_record_is_never_due_again(status: Status) -> None:
    assert not due(Outcome(status, NOW_S - 5 * HOUR_S))


def test_a_customer_not_subscribed_is_tried_at_every_tick() -> None:
    assert due(WAITING, now_s=NOW_S + 1)


def test_a_refused_record_rests_for_an_hour() -> None:
    assert not due(PARKED, now_s=NOW_S + RETRY_PARKED_S - 1)


def test_a_refused_record_is_tried_again_after_an_hour() -> None:
    assert due(PARKED, now_s=NOW_S + RETRY_PARKED_S)


def test_a_refused_record_is_tried_at_every_tick_in_its_last_two_hours() -> None:
    now_s = CLOSES_S - LAST_TRIES_S
    tried_now = Outcome(Status.PARKED, now_s, "InvalidLicenseException")

    assert due(tried_now, now_s=now_s)


@pytest.mark.parametrize("outcome", [None, WAITING, PARKED])
def test_nothing_is_due_once_its_window_is_closed(outcome: Outcome | None) -> None:
    assert not due(outcome, now_s=CLOSES_S)


def test_a_record_is_due_in_the_last_second_of_its_window() -> None:
    assert due(None, now_s=CLOSES_S - 1)


def test_a_record_is_judged_late_only_a_while_after_its_window() -> None:
    assert judged(sealed(), CLOSES_S + LATE_S - 1) is None


def test_a_late_record_that_was_never_in_doubt_is_expired() -> None:
    assert judged(sealed(), CLOSES_S + LATE_S) == Outcome(
        Status.EXPIRED, CLOSES_S + LATE_S, "window-closed"
    )


def test_a_late_record_that_may_have_been_applied_is_unconfirmed() -> None:
    outcome = judged(sealed(), CLOSES_S + LATE_S, maybe_applied=True)

    assert outcome is not None
    assert outcome.status is Status.UNCONFIRMED


@pytest.mark.parametrize("maybe_applied", [True, False])
def test_a_late_zero_is_no_loss(maybe_applied: bool) -> None:
    outcome = judged(ZERO, CLOSES_S + LATE_S, maybe_applied=maybe_applied)

    assert outcome is not None
    assert outcome.status is Status.REFUSED


@pytest.mark.parametrize("maybe_applied", [True, False])
def test_success_is_accepted_with_its_receipt(maybe_applied: bool) -> None:
    assert result(sealed(), "Success", maybe_applied=maybe_applied) == Outcome(
        Status.ACCEPTED, NOW_S, "", "r-1"
    )


def test_a_duplicate_is_a_conflict() -> None:
    assert result(sealed(), "DuplicateRecord") == Outcome(Status.CONFLICT, NOW_S, "DuplicateRecord")


def test_a_duplicate_of_what_may_be_our_own_is_unconfirmed() -> None:
    assert result(sealed(), "DuplicateRecord", maybe_applied=True) == Outcome(
        Status.UNCONFIRMED, NOW_S, "DuplicateRecord"
    )


def test_a_customer_not_subscribed_is_parked() -> None:
    assert result(sealed(), NOT_SUBSCRIBED) == WAITING


@pytest.mark.parametrize("status", ["", "PendingReview", "success"])
def test_a_status_nobody_knows_is_no_outcome(status: str) -> None:
    assert result(sealed(), status) is None


@pytest.mark.parametrize("status", ["DuplicateRecord", NOT_SUBSCRIBED])
def test_a_zero_that_is_not_wanted_is_refused_for_good(status: str) -> None:
    assert result(ZERO, status) == Outcome(Status.REFUSED, NOW_S, status)


def test_a_zero_that_is_wanted_is_accepted() -> None:
    assert result(ZERO, "Success") == Outcome(Status.ACCEPTED, NOW_S, "", "r-1")


def test_a_record_that_spoils_a_call_is_parked_with_the_reason() -> None:
    assert outcome_of_refusal(sealed(), "InvalidLicenseException", now_s=NOW_S) == PARKED


def test_a_zero_that_spoils_a_call_is_refused_for_good() -> None:
    outcome = outcome_of_refusal(ZERO, "InvalidUsageDimensionException", now_s=NOW_S)

    assert outcome.is_final


@pytest.mark.parametrize("status", Status)
def test_all_outcomes_but_parked_and_the_mark_of_a_dry_run_are_final(status: Status) -> None:
    assert Outcome(status, NOW_S).is_final == (status in FINAL)
