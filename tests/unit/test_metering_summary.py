"""What a tick says of itself: the counts, and the records that a person should look at."""

import pytest

from lambdas.metering.ledger import SealedRecord
from lambdas.metering.records import Outcome, Status
from lambdas.metering.risk import Risk
from lambdas.metering.summary import ATTENTION_RECORDS_MAX, Summary
from lambdas.metering.usage import Reason
from tests.unit.metering_stage import LICENSE, NOW_S, UNIT, sealed

UNBILLED = [Status.PARKED, Status.CONFLICT, Status.EXPIRED, Status.UNCONFIRMED]


def noted(*statuses: Status, record: SealedRecord | None = None) -> Summary:
    summary = Summary()
    for status in statuses:
        summary.note(record or sealed(), Outcome(status, NOW_S, "why"))
    return summary


@pytest.mark.parametrize("status", UNBILLED)
def test_a_record_that_is_not_on_the_bill_is_named_for_a_person(status: Status) -> None:
    summary = noted(status, record=sealed(quantity=5 * UNIT // 2))

    assert summary.attention == [
        {
            "license": LICENSE,
            "dimension": "users",
            "hour": "2026-11-23T10Z",
            "quantity": "2.5",
            "status": str(status),
            "reason": "why",
        }
    ]


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.REFUSED])
def test_a_record_that_nobody_can_mend_is_counted_and_not_named(status: Status) -> None:
    summary = noted(status, status)

    assert summary.outcomes == {status: 2}
    assert summary.attention == []


def test_of_very_many_records_for_a_person_all_are_counted_and_some_are_named() -> None:
    summary = noted(*[Status.PARKED] * (ATTENTION_RECORDS_MAX + 1))

    assert summary.outcomes == {Status.PARKED: ATTENTION_RECORDS_MAX + 1}
    assert len(summary.attention) == ATTENTION_RECORDS_MAX


def test_a_tick_that_did_nothing_says_so() -> None:
    told = Summary().as_json()

    assert {name: told[name] for name in ("messages", "calls", "quarantined", "drained")} == {
        "messages": 0,
        "calls": 0,
        "quarantined": {},
        "drained": False,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("messages", 1),
        ("counted", 2),
        ("duplicates", 3),
        ("hours_sealed", 4),
        ("records_sealed", 5),
        ("calls", 6),
        ("records_sent", 7),
        ("attention", [{"license": LICENSE}]),
        ("calls_refused", 8),
        ("drained", True),
        ("out_of_time", True),
        ("in_quarantine", 9),
    ],
)
def test_a_count_is_told_under_its_own_name(name: str, value: object) -> None:
    summary = Summary()
    setattr(summary, name, value)

    assert summary.as_json()[name] == value


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("anothers", 1, "before_metering_from"),
        ("ending", 2, "licenses_ending"),
        ("final_flush_left_s", 3, "final_flush_left_seconds"),
    ],
)
def test_a_count_is_told_in_words_that_need_no_explanation(
    name: str, value: int, told: str
) -> None:
    summary = Summary()
    setattr(summary, name, value)

    assert summary.as_json()[told] == value


@pytest.mark.parametrize(("dry_run", "told"), [(True, "dry-run"), (False, "live")])
def test_a_tick_says_whether_it_bills(*, dry_run: bool, told: str) -> None:
    assert Summary(dry_run=dry_run).as_json()["metering"] == told


def test_what_is_not_on_the_bill_yet_is_told_in_units_and_seconds() -> None:
    risk = Risk(
        unfinished=1, micros=5 * UNIT // 2, micros_parked=UNIT, left_s=60, at_risk=2, oldest_s=3600
    )

    told = Summary(risk=risk).as_json()

    assert told["unfinished_records"] == 1
    assert (told["unfinished_quantity"], told["parked_quantity"]) == ("2.5", "1")
    assert (told["at_risk_records"], told["risk_left_seconds"]) == (2, 60)
    assert told["oldest_unbilled_seconds"] == 3600


def test_a_record_of_an_hour_that_another_bills_is_counted_apart() -> None:
    summary = Summary()

    summary.note(sealed(), Outcome(Status.EXPIRED, NOW_S, Reason.BEFORE_METERING_FROM))

    assert (summary.anothers, summary.outcomes, summary.attention) == (1, {}, [])


def test_a_record_that_a_dry_run_marked_is_counted_once() -> None:
    summary = Summary()

    for reason in ("", "window-closed"):
        summary.note(sealed(), Outcome(Status.DRY_RUN, NOW_S, reason))

    assert (summary.outcomes, summary.attention) == ({Status.DRY_RUN: 1}, [])


@pytest.mark.parametrize(
    ("name", "counts", "told"),
    [
        ("quarantined", {Reason.EXPIRED: 2}, {str(Reason.EXPIRED): 2}),
        ("outcomes", {Status.PARKED: 3}, {"parked": 3}),
        ("refusals", {"ThrottlingException": 4}, {"ThrottlingException": 4}),
    ],
)
def test_counts_by_kind_are_told_in_plain_words(
    name: str, counts: dict[str, int], told: dict[str, int]
) -> None:
    summary = Summary()
    getattr(summary, name).update(counts)

    written = summary.as_json()[name]

    assert written == told
    assert {type(word) for word in written} == {str}
