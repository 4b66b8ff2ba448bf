"""A dry-run: what is marked instead of sent, what the mark becomes, and what nobody is told of."""

from dataclasses import replace

import pytest

from lambdas.metering.environment import read_environment
from lambdas.metering.hours import Hour, closes_s, start_s
from lambdas.metering.ledger import SealedRecord
from lambdas.metering.records import (
    LATE_S,
    NOT_SUBSCRIBED,
    Due,
    Outcome,
    Status,
    is_anothers,
    is_due,
    too_late,
)
from lambdas.metering.risk import Risk, risk
from lambdas.metering.summary import Summary
from lambdas.metering.terms import Terms
from lambdas.variables import EnvironmentInvalidError
from tests.unit.metering_stage import (
    ANYTHING,
    NOW_S,
    THIS_HOUR,
    begun,
    bought,
    sealed,
)

MARK = Outcome(Status.DRY_RUN, NOW_S)
REFUSED = Outcome(Status.PARKED, NOW_S, "InvalidLicenseException")
DRY_RUN = replace(ANYTHING, dry_run=True)
FROM_THE_NEXT_HOUR = replace(ANYTHING, metering_from_s=start_s(Hour(THIS_HOUR + 1)))
JUDGED_S = closes_s(sealed().frozen.timestamp_s) + LATE_S
BEFORE = "before-metering-from"


def judged(
    outcome: Outcome | None,
    *,
    record: SealedRecord | None = None,
    terms: Terms = ANYTHING,
    maybe_applied: bool = False,
) -> tuple[Status, str] | None:
    """Judge a record whose window has closed."""
    found = too_late(
        record or sealed(), outcome, maybe_applied=maybe_applied, now_s=JUDGED_S, terms=terms
    )
    return (found.status, found.reason) if found else None


# The mark


def test_a_mark_is_not_final() -> None:
    assert not MARK.is_final


def test_a_mark_with_a_reason_is_final() -> None:
    assert Outcome(Status.DRY_RUN, NOW_S, "window-closed").is_final


def test_a_marked_record_is_due() -> None:
    assert is_due(sealed(), MARK, now_s=NOW_S, terms=ANYTHING)


def test_a_marked_record_is_not_due_once_its_window_is_closed() -> None:
    closed_s = closes_s(sealed().frozen.timestamp_s)

    assert not is_due(sealed(), MARK, now_s=closed_s, terms=ANYTHING)


@pytest.mark.parametrize("outcome", [None, REFUSED, Outcome(Status.PARKED, 0, NOT_SUBSCRIBED)])
def test_what_bears_no_mark_is_told_from_what_does(outcome: Outcome | None) -> None:
    assert not Due(sealed(), bought(), outcome).is_marked
    assert Due(sealed(), bought(), MARK).is_marked


# What it becomes


def test_a_mark_stays_when_the_window_has_closed() -> None:
    assert judged(MARK) == (Status.DRY_RUN, "window-closed")


def test_a_dry_run_ends_what_it_could_not_mark_as_ever() -> None:
    assert judged(None, terms=DRY_RUN) == (Status.EXPIRED, "window-closed")


def test_what_may_have_been_applied_is_unconfirmed_whatever_the_mark_says() -> None:
    assert judged(MARK, maybe_applied=True) == (Status.UNCONFIRMED, "window-closed")


def test_a_marked_zero_is_as_quiet_as_any_other() -> None:
    assert judged(MARK, record=sealed(quantity=0)) == (Status.REFUSED, "window-closed")


# The cut-over


def test_an_hour_before_the_cut_over_is_another_submitters() -> None:
    assert is_anothers(sealed(), FROM_THE_NEXT_HOUR)


def test_the_hour_of_the_cut_over_is_ours() -> None:
    this_hour = replace(ANYTHING, metering_from_s=start_s(THIS_HOUR))

    assert not is_anothers(sealed(), this_hour)


@pytest.mark.parametrize("outcome", [None, MARK, REFUSED])
def test_nothing_before_the_cut_over_is_due(outcome: Outcome | None) -> None:
    late_s = closes_s(sealed().frozen.timestamp_s) - 1

    assert not is_due(sealed(), outcome, now_s=late_s, terms=FROM_THE_NEXT_HOUR)


def test_a_marked_record_of_another_submitter_ends_as_marked() -> None:
    assert judged(MARK, terms=FROM_THE_NEXT_HOUR) == (Status.DRY_RUN, BEFORE)


def test_an_unmarked_record_of_another_submitter_ends_with_that_reason() -> None:
    assert judged(None, terms=FROM_THE_NEXT_HOUR) == (Status.EXPIRED, BEFORE)


def test_a_record_that_may_have_been_sent_before_the_cut_over_was_set_is_unconfirmed() -> None:
    found = judged(None, terms=FROM_THE_NEXT_HOUR, maybe_applied=True)

    assert found == (Status.UNCONFIRMED, "window-closed")


def test_a_record_refused_before_the_cut_over_was_set_keeps_its_reason() -> None:
    found = judged(REFUSED, terms=FROM_THE_NEXT_HOUR)

    assert found == (Status.EXPIRED, "InvalidLicenseException")


# What a tick tells


def noted(outcome: Outcome) -> Summary:
    summary = Summary()
    summary.note(sealed(), outcome)
    return summary


def test_a_mark_is_counted_and_is_for_nobodys_attention() -> None:
    summary = noted(MARK)

    assert summary.outcomes == {Status.DRY_RUN: 1}
    assert summary.attention == []


def test_a_mark_that_becomes_final_is_not_counted_again() -> None:
    assert not noted(Outcome(Status.DRY_RUN, NOW_S, "window-closed")).outcomes


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.DRY_RUN])
def test_what_another_submitter_bills_is_no_lost_money(status: Status) -> None:
    summary = noted(Outcome(status, NOW_S, BEFORE))

    assert not summary.outcomes
    assert summary.attention == []
    assert summary.anothers == 1


@pytest.mark.parametrize(("dry_run", "told"), [(False, "live"), (True, "dry-run")])
def test_a_summary_says_how_the_tick_metered(dry_run: bool, told: str) -> None:
    assert Summary(dry_run=dry_run).as_json()["metering"] == told


def left_behind(terms: Terms) -> Risk:
    """What a tick tells of a record that nobody has sent."""
    ledger = begun()
    ledger.unfinished[sealed().cell] = sealed()
    return risk(ledger, {}, now_s=JUDGED_S, terms=terms)


def test_nothing_is_at_risk_in_a_dry_run() -> None:
    assert left_behind(ANYTHING).at_risk == 1
    assert left_behind(DRY_RUN).at_risk == 0


def test_what_a_dry_run_holds_back_is_counted() -> None:
    assert left_behind(DRY_RUN).unfinished == 1


def test_what_another_submitter_bills_is_not_missing_on_our_bill() -> None:
    assert left_behind(FROM_THE_NEXT_HOUR) == Risk()


# The variable


def terms_of(**variables: str) -> Terms:
    where = ("USAGE_QUEUE_URL", "LEDGER_TABLE", "CUSTOMERS_TABLE", "METERING_REGION")
    return read_environment(dict.fromkeys(where, "there") | variables).terms


@pytest.mark.parametrize(
    ("variables", "dry_run"),
    [({}, False), ({"METERING": "live"}, False), ({"METERING": "dry-run"}, True)],
)
def test_only_the_word_makes_a_dry_run(
    variables: dict[str, str],
    dry_run: bool,
) -> None:
    assert terms_of(**variables).dry_run == dry_run


@pytest.mark.parametrize("given", ["dryrun", "Live", "true", " live"])
def test_a_mode_that_nobody_knows_is_refused(given: str) -> None:
    with pytest.raises(EnvironmentInvalidError, match="neither live nor dry-run"):
        terms_of(METERING=given)
