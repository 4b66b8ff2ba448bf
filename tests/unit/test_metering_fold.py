"""Fold: each usage is counted once, in an hour that is still open, in its own month."""

import pytest

from lambdas.customers.license import LicenseKey, State
from lambdas.metering.fold import Folded
from lambdas.metering.hours import HOUR_S, Hour
from lambdas.metering.ledger import KEY_BYTES, Ledger, OpenUsage, Row
from lambdas.metering.seal import first_entry
from lambdas.metering.usage import Reason, Usage
from tests.unit.metering_stage import (
    BUYER,
    LICENSE,
    NOW_S,
    OTHER,
    THIS_HOUR,
    UNIT,
    append,
    begun,
    bought,
    close,
    count,
    customers,
    decide,
    rows_of,
    usage,
)

TEAM_A, TEAM_B = (("team", "a"),), (("team", "b"),)


def counts(folded: Folded) -> tuple[int, int, list[str]]:
    """Sum up what was decided: counted, duplicates, reasons of the rest."""
    return folded.counted, folded.duplicates, [each.refusal.reason for each in folded.refused]


def test_usage_is_counted_under_its_license_dimension_and_hour() -> None:
    folded = decide(begun(), usage("a", 5))

    assert rows_of(folded) == [Row(LICENSE, "users", THIS_HOUR, (), 5, NOW_S - 60)]


def test_an_entry_tells_when_it_was_made_and_what_it_counts() -> None:
    one = usage("a")

    entry = decide(begun(), one).entry

    assert entry is not None
    assert (entry.at_s, entry.keys) == (NOW_S, one.key + one.check)


def test_usage_of_one_cell_adds_up_in_one_row() -> None:
    folded = decide(begun(), usage("a", 5, used_s=NOW_S - 60), usage("b", 7, used_s=NOW_S - 120))

    assert rows_of(folded) == [Row(LICENSE, "users", THIS_HOUR, (), 12, NOW_S - 60)]


def test_a_split_is_a_row_for_each_tag_set() -> None:
    folded = decide(begun(), usage("a", split={(): 1, TEAM_A: 2}), usage("b", split={TEAM_A: 4}))

    assert {each.tags: each.quantity for each in rows_of(folded)} == {(): 1, TEAM_A: 6}


def test_usage_of_nothing_is_counted_too() -> None:
    assert counts(decide(begun(), usage("a", 0))) == (1, 0, [])


def test_nothing_to_fold_is_no_entry() -> None:
    folded = decide(begun())

    assert (folded.entry, folded.taken) == (None, 0)


def test_a_copy_in_the_same_batch_is_dropped() -> None:
    assert counts(decide(begun(), usage("a"), usage("a"))) == (1, 1, [])


def test_a_copy_in_a_later_batch_is_dropped() -> None:
    ledger = begun()
    count(ledger, usage("a"))

    assert counts(decide(ledger, usage("a"))) == (0, 1, [])


def test_every_copy_is_counted_as_one() -> None:
    each = usage("u-1")

    folded = decide(begun(), each, each, each)

    assert (folded.counted, folded.duplicates, folded.taken) == (1, 2, 3)


def test_a_batch_of_copies_is_no_entry() -> None:
    ledger = begun()
    count(ledger, usage("a"))

    folded = decide(ledger, usage("a"), usage("a"))

    assert (folded.entry, folded.taken) == (None, 2)


def test_a_copy_with_another_time_is_a_copy() -> None:
    ledger = begun()
    count(ledger, usage("a", used_s=NOW_S - 7200))

    assert counts(decide(ledger, usage("a", used_s=NOW_S))) == (0, 1, [])


def test_a_copy_whose_hour_is_sealed_by_now_is_a_copy() -> None:
    ledger = begun()
    count(ledger, usage("a"))
    close(ledger, THIS_HOUR)

    assert counts(decide(ledger, usage("a"))) == (0, 1, [])


def test_a_copy_that_is_too_old_to_be_counted_is_a_copy() -> None:
    ledger = begun()
    count(ledger, usage("a"))

    assert counts(decide(ledger, usage("a"), now_s=NOW_S + 25 * HOUR_S)) == (0, 1, [])


def test_a_copy_of_a_customer_who_is_gone_by_now_is_a_copy() -> None:
    ledger = begun()
    count(ledger, usage("a", who=BUYER), known=customers(bought()))

    assert counts(decide(ledger, usage("a", who=BUYER), known=customers())) == (0, 1, [])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(usage("a", 2), id="quantity"),
        pytest.param(usage("a", dimension="api-calls"), id="dimension"),
        pytest.param(usage("a", split={TEAM_A: UNIT}), id="tags"),
    ],
)
def test_an_id_with_another_content_is_refused(other: Usage) -> None:
    ledger = begun()
    count(ledger, usage("a"))

    assert counts(decide(ledger, other)) == (0, 0, [Reason.ID_REUSED])


def test_an_id_with_another_content_is_refused_within_a_batch_too() -> None:
    assert counts(decide(begun(), usage("a", 1), usage("a", 2))) == (1, 0, [Reason.ID_REUSED])


def test_one_id_of_two_licenses_is_two_usages() -> None:
    folded = decide(begun(), usage("a", who=LICENSE), usage("a", who=OTHER))

    assert counts(folded) == (2, 0, [])


def test_usage_without_id_is_counted_by_its_place_in_its_message() -> None:
    folded = decide(begun(), usage(None, index=0), usage(None, index=1), usage(None, index=0))

    assert counts(folded) == (2, 1, [])


def test_a_second_message_without_id_is_other_usage() -> None:
    folded = decide(begun(), usage(None, message="m-1"), usage(None, message="m-2"))

    assert counts(folded) == (2, 0, [])


@pytest.mark.parametrize("names", [(LICENSE, BUYER), (BUYER, LICENSE)])
def test_a_customer_named_in_two_ways_is_counted_once(names: tuple[str, str]) -> None:
    first, second = (usage("a", who=name) for name in names)

    assert counts(decide(begun(), first, second, known=customers(bought()))) == (1, 1, [])


@pytest.mark.parametrize("names", [(LICENSE, BUYER), (BUYER, LICENSE)])
def test_a_customer_named_in_two_ways_is_recognised_in_a_later_entry(
    names: tuple[str, str],
) -> None:
    first, second = (usage("a", who=name) for name in names)
    ledger = begun()
    count(ledger, first, known=customers(bought()))

    assert counts(decide(ledger, second, known=customers(bought()))) == (0, 1, [])


def test_usage_by_account_is_in_one_record_with_usage_by_license() -> None:
    folded = decide(
        begun(), usage("a", who=BUYER), usage("b", who=LICENSE), known=customers(bought())
    )

    assert [each.quantity for each in rows_of(folded)] == [2 * UNIT]


def test_usage_of_one_account_and_batch_is_of_the_license_that_lived_at_its_time() -> None:
    turn_s = NOW_S - HOUR_S
    old = bought("l-1", state=State.ENDED, ended_s=turn_s)
    new = bought("l-2", start_s=turn_s + 1)
    times = {"a": turn_s - 60, "b": NOW_S - 60, "c": turn_s - 90}

    batch = [usage(id_, who=BUYER, used_s=used_s) for id_, used_s in times.items()]
    folded = decide(begun(), *batch, known=customers(old, new))

    assert {each.license: each.quantity for each in rows_of(folded)} == {
        "l-1": 2 * UNIT,
        "l-2": UNIT,
    }


def test_usage_of_one_account_and_batch_is_refused_from_the_end_of_its_license() -> None:
    ended = bought(state=State.ENDED, ended_s=NOW_S - HOUR_S)
    before, after = (usage(str(at), who=BUYER, used_s=at) for at in (NOW_S - 2 * HOUR_S, NOW_S - 1))

    folded = decide(begun(), before, after, known=customers(ended))

    assert folded.counted == 1
    assert [each.index for each in folded.refused] == [1]


def test_usage_by_account_is_known_by_two_keys() -> None:
    entry = decide(begun(), usage("a", who=BUYER), known=customers(bought())).entry

    assert entry is not None
    assert len(entry.keys) == 2 * KEY_BYTES


def test_a_copy_by_account_is_dropped_after_its_license_was_replaced() -> None:
    ledger = begun()
    count(ledger, usage("a", who=BUYER), known=customers(bought("l-1")))

    folded = decide(ledger, usage("a", who=BUYER), known=customers(bought("l-2")))

    assert counts(folded) == (0, 1, [])


def test_usage_of_nobody_is_refused_and_leaves_no_key() -> None:
    folded = decide(begun(), usage("a", who=BUYER))

    assert (folded.entry, counts(folded)) == (None, (0, 0, [Reason.UNKNOWN_CUSTOMER]))


def test_refused_usage_is_named_by_its_place_in_the_batch() -> None:
    folded = decide(begun(), usage("a"), usage("b", who=BUYER), usage("c"))

    assert [each.index for each in folded.refused] == [1]


def test_redriven_usage_is_counted_under_its_old_key() -> None:
    old = usage("x").key

    entry = decide(begun(), usage(None, key=old)).entry

    assert entry is not None
    assert entry.keys[:12] == old


def test_an_expired_record_is_counted_for_the_license_it_was_sealed_for() -> None:
    again = usage(None, who=BUYER, license=OTHER)

    assert [each.license for each in rows_of(decide(begun(), again))] == [OTHER]


def test_what_was_decided_changes_nothing_until_it_is_appended() -> None:
    ledger = begun()

    decide(ledger, usage("a"))

    assert (ledger.open, ledger.dimensions, ledger.keys.count) == ({}, {}, 0)


def test_what_was_decided_holds_once_it_is_appended() -> None:
    ledger = begun()

    count(ledger, usage("a", split={TEAM_A: 1}), usage("b", split={TEAM_A: 2, TEAM_B: 4}))

    assert ledger.open == {
        (LICENSE, "users", THIS_HOUR): OpenUsage(7, NOW_S - 60, {TEAM_A: 3, TEAM_B: 4})
    }


def test_a_new_log_takes_no_usage_for_hours_nobody_takes_any_more() -> None:
    ledger = Ledger()
    append(ledger, first_entry(NOW_S))

    assert ledger.is_sealed(LicenseKey("any"), Hour(THIS_HOUR - 24))
    assert not ledger.is_sealed(LicenseKey("any"), Hour(THIS_HOUR - 23))


def test_a_person_is_told_which_id_was_reused() -> None:
    [refused] = decide(begun(), usage("evt-7", 1), usage("evt-7", 2)).refused

    assert "'evt-7'" in refused.refusal.tell
