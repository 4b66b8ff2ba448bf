"""What events make of a license, by name: purchases, renewals, cancellations, and what comes late.

The laws are in test_customers_history_laws.py; these are the examples somebody once got wrong.
"""

from dataclasses import replace
from typing import Any

import pytest

from lambdas.customers.history import Event, Kind, license_of, registration
from lambdas.customers.license import License, State
from tests.customers_stage import (
    BEGIN_MS,
    BUYER,
    FIRST,
    HOUR_MS,
    KEY,
    LEGACY,
    MINUTE_MS,
    PRODUCT,
    PRODUCT_ID,
    SECOND,
    arn,
    documented_arn,
    happens,
    of_agreement,
    of_topic,
    registers,
)

UPDATED = happens(Kind.ACTIVATED, 1)
REGISTERED = registers(2)
DEPROVISIONED = happens(Kind.CLOSED, 60)
ENDED = of_agreement(Kind.CLOSED, 60.5, said="Purchase Agreement Ended - Proposer")
SUBSCRIBED = of_topic(Kind.ACTIVATED, 1)
PENDING = of_topic(Kind.CLOSED, 60)
UNSUBSCRIBED = of_topic(Kind.OVER, 90)
CUSTOMER = registers(
    2, license_arn="", agreement_id="", product_code="n0123", customer_identifier="X01"
)


def told(*events: Event, minute: float = 61, key: Any = KEY) -> License:
    return license_of(key, events, BEGIN_MS + round(minute * MINUTE_MS))


def told_legacy(*events: Event, minute: float = 61) -> License:
    return told(*events, minute=minute, key=LEGACY)


def second(minute: float) -> int:
    return (BEGIN_MS + round(minute * MINUTE_MS)) // 1000


# Whether it is active


@pytest.mark.parametrize(
    ("events", "state"),
    [
        pytest.param([], State.PENDING, id="nothing"),
        pytest.param([UPDATED], State.PENDING, id="License Updated before the buyer comes"),
        pytest.param([REGISTERED], State.PENDING, id="the buyer before License Updated"),
        pytest.param([UPDATED, REGISTERED], State.ACTIVE, id="both"),
        pytest.param([of_agreement(Kind.AGREED), REGISTERED], State.PENDING, id="only Created"),
        pytest.param([UPDATED, REGISTERED, DEPROVISIONED], State.ENDING, id="Deprovisioned"),
        pytest.param([UPDATED, REGISTERED, ENDED], State.ENDING, id="Ended"),
        pytest.param([UPDATED, DEPROVISIONED], State.ENDING, id="Deprovisioned, never registered"),
        pytest.param([REGISTERED, ENDED], State.ENDING, id="Ended, never activated"),
        pytest.param([ENDED], State.ENDING, id="Ended and nothing else"),
        pytest.param(
            [UPDATED, REGISTERED, of_agreement(Kind.NOTICE, 30)], State.ACTIVE, id="an advisory"
        ),
    ],
)
def test_a_license_is_in_the_state_that_its_events_say(events: list[Event], state: State) -> None:
    assert told(*events).state is state


@pytest.mark.parametrize(
    ("events", "state"),
    [
        pytest.param([SUBSCRIBED], State.PENDING, id="subscribe-success"),
        pytest.param([SUBSCRIBED, CUSTOMER], State.ACTIVE, id="and registered"),
        pytest.param([of_topic(Kind.FAILED, 1), CUSTOMER], State.ENDED, id="subscribe-fail"),
        pytest.param([SUBSCRIBED, CUSTOMER, PENDING], State.ENDING, id="unsubscribe-pending"),
        pytest.param(
            [SUBSCRIBED, CUSTOMER, PENDING, of_topic(Kind.OVER, 60.5)],
            State.ENDED,
            id="unsubscribe-success",
        ),
        pytest.param(
            [SUBSCRIBED, CUSTOMER, of_topic(Kind.NOTICE, 30)],
            State.ACTIVE,
            id="entitlement-updated",
        ),
        pytest.param(
            [SUBSCRIBED, CUSTOMER, of_topic(Kind.ACTIVATED, 30)],
            State.ACTIVE,
            id="a second subscribe-success, for a replacement",
        ),
        pytest.param(
            [of_topic(Kind.FAILED, 1), of_topic(Kind.ACTIVATED, 5), CUSTOMER],
            State.ACTIVE,
            id="subscribe-success after subscribe-fail",
        ),
        pytest.param(
            [SUBSCRIBED, CUSTOMER, of_topic(Kind.FAILED, 30)],
            State.ACTIVE,
            id="subscribe-fail after subscribe-success",
        ),
    ],
)
def test_a_legacy_customer_is_in_the_state_that_the_topics_say(
    events: list[Event], state: State
) -> None:
    assert told_legacy(*events).state is state


def test_a_license_is_active_since_aws_marketplace_takes_usage() -> None:
    assert told(UPDATED, REGISTERED).active_since_s == second(1)


def test_a_start_with_milliseconds_is_rounded_up() -> None:
    """A usage record must not lie before the start."""
    captured = replace(UPDATED, at_ms=BEGIN_MS + 1)

    assert told(captured).active_since_s == BEGIN_MS // 1000 + 1


def test_an_agreement_with_milliseconds_starts_a_second_later() -> None:
    captured = of_agreement(Kind.AGREED, 0, start_ms=BEGIN_MS + 1)

    assert told(captured, UPDATED).start_s == BEGIN_MS // 1000 + 1


def test_an_update_of_an_active_license_is_no_new_start() -> None:
    assert told(UPDATED, happens(Kind.ACTIVATED, 30), REGISTERED).active_since_s == second(1)


# The last hour


@pytest.mark.parametrize(
    ("after_ms", "state"),
    [(0, State.ENDING), (HOUR_MS - 1, State.ENDING), (HOUR_MS, State.ENDED)],
)
def test_the_last_hour_is_over_after_an_hour_to_the_millisecond(
    after_ms: int, state: State
) -> None:
    now_ms = DEPROVISIONED.at_ms + after_ms

    assert license_of(KEY, [UPDATED, REGISTERED, DEPROVISIONED], now_ms).state is state


def test_the_last_hour_begins_with_whichever_comes_first() -> None:
    early_end = replace(ENDED, at_ms=DEPROVISIONED.at_ms - 31_000)

    assert told(UPDATED, DEPROVISIONED, early_end).ending_since_s == early_end.at_ms // 1000
    assert told(UPDATED, DEPROVISIONED, ENDED).ending_since_s == second(60)


def test_the_later_of_ended_and_deprovisioned_does_not_end_the_hour() -> None:
    assert told(UPDATED, DEPROVISIONED, ENDED, minute=119.9).state is State.ENDING


def test_a_license_ended_an_hour_after_the_close_whenever_that_is_looked_at() -> None:
    assert told(UPDATED, DEPROVISIONED, minute=10_000).ended_s == second(120)


def test_unsubscribe_success_ends_the_hour_early() -> None:
    ended = told_legacy(SUBSCRIBED, CUSTOMER, PENDING, UNSUBSCRIBED, minute=90)

    assert (ended.state, ended.ended_s) == (State.ENDED, second(90))


def test_unsubscribe_success_that_comes_late_does_not_move_the_end() -> None:
    very_late = of_topic(Kind.OVER, 200)

    assert told_legacy(SUBSCRIBED, PENDING, very_late, minute=300).ended_s == second(120)


def test_unsubscribe_success_alone_begins_the_last_hour() -> None:
    """unsubscribe-pending is lost or late: what is still to be told may be taken."""
    assert told_legacy(SUBSCRIBED, CUSTOMER, UNSUBSCRIBED, minute=91).state is State.ENDING


def test_a_clock_behind_the_event_sees_the_last_hour() -> None:
    assert told(UPDATED, REGISTERED, DEPROVISIONED, minute=0).state is State.ENDING


def test_of_a_close_and_an_opening_in_one_second_the_close_counts() -> None:
    opening, close = happens(Kind.ACTIVATED, 60, id="z"), happens(Kind.CLOSED, 60, id="a")

    assert told(REGISTERED, opening, close).state is State.ENDING


# Coming back


def test_a_license_that_is_updated_after_its_end_is_active_again() -> None:
    back = told(UPDATED, REGISTERED, DEPROVISIONED, happens(Kind.ACTIVATED, 200), minute=300)

    assert (back.state, back.active_since_s) == (State.ACTIVE, second(200))
    assert (back.ending_since_s, back.ended_s) == (None, None)


def test_a_late_unsubscribe_pending_does_not_undo_a_new_subscription() -> None:
    """The queue delivers in any order; the topic's own time counts."""
    again = of_topic(Kind.ACTIVATED, 70)

    assert told_legacy(SUBSCRIBED, CUSTOMER, again, PENDING, minute=80).state is State.ACTIVE


def test_subscribing_again_before_unsubscribe_success_keeps_the_customer() -> None:
    again = of_topic(Kind.ACTIVATED, 70)

    back = told_legacy(SUBSCRIBED, CUSTOMER, PENDING, again, minute=200)

    assert (back.state, back.active_since_s) == (State.ACTIVE, second(70))


def test_a_customer_who_comes_back_has_a_whole_last_hour_again() -> None:
    again = [of_topic(Kind.ACTIVATED, 200), of_topic(Kind.CLOSED, 300)]

    gone = told_legacy(SUBSCRIBED, CUSTOMER, PENDING, UNSUBSCRIBED, *again, minute=359)

    assert gone.state is State.ENDING


def test_a_topic_ends_a_customer_whose_agreement_is_known() -> None:
    """The topics name no agreement; registration may have."""
    known = replace(CUSTOMER, agreement_id=FIRST)

    assert told_legacy(SUBSCRIBED, known, PENDING).state is State.ENDING


def test_an_event_that_names_no_agreement_leaves_the_license_in_its_own() -> None:
    known = replace(CUSTOMER, agreement_id=FIRST)

    assert told_legacy(known, of_topic(Kind.ACTIVATED, 30)).agreement_id == FIRST


def test_a_license_that_comes_back_can_be_cancelled_again() -> None:
    events = [UPDATED, REGISTERED, DEPROVISIONED, happens(Kind.ACTIVATED, 200)]

    again = told(*events, happens(Kind.CLOSED, 300), minute=301)

    assert (again.state, again.ending_since_s) == (State.ENDING, second(300))


# Renewal and replacement


CREATED = of_agreement(
    Kind.AGREED, 0, offer_id="offer-1", start_ms=BEGIN_MS, end_ms=BEGIN_MS + 1_000_000
)
NEXT_CREATED = of_agreement(
    Kind.AGREED,
    50,
    agreement_id=SECOND,
    offer_id="offer-2",
    start_ms=BEGIN_MS + 1_000_000,
    end_ms=BEGIN_MS + 2_000_000,
)
NEXT_UPDATED = happens(Kind.ACTIVATED, 51, agreement_id=SECOND, offer_id="offer-2")
RENEWED = [CREATED, UPDATED, REGISTERED, NEXT_CREATED, NEXT_UPDATED]


def test_the_end_of_a_replaced_agreement_is_no_end() -> None:
    """Also with a status that nobody knows yet, once the license has gone over to another."""
    assert told(*RENEWED, ENDED).state is State.ACTIVE


def test_a_license_that_is_deprovisioned_for_the_agreement_it_left_stays() -> None:
    assert told(*RENEWED, DEPROVISIONED).state is State.ACTIVE


def test_the_end_of_the_agreement_in_force_is_an_end() -> None:
    ends = of_agreement(Kind.CLOSED, 60, agreement_id=SECOND)

    assert told(*RENEWED, ends).state is State.ENDING


def test_an_agreement_that_the_license_comes_back_to_can_end() -> None:
    back = happens(Kind.ACTIVATED, 55)

    assert told(*RENEWED, back, ENDED).state is State.ENDING


def test_an_end_just_before_the_successor_is_undone_by_it() -> None:
    early = of_agreement(Kind.CLOSED, 50.5)

    assert told(*RENEWED, early).state is State.ACTIVE


def test_a_renewed_license_has_the_terms_of_its_new_agreement() -> None:
    renewed = told(*RENEWED)

    assert (renewed.agreement_id, renewed.offer_id) == (SECOND, "offer-2")
    assert renewed.start_s == BEGIN_MS // 1000 + 1_000
    assert renewed.end_s == BEGIN_MS // 1000 + 2_000


@pytest.mark.parametrize("said", ["Purchase Agreement Ended - Proposer", "Billing Adjustment"])
def test_what_is_said_later_of_the_old_agreement_does_not_change_the_offer(said: str) -> None:
    late = of_agreement(Kind.NOTICE, 70, said=said, offer_id="offer-1")

    assert told(*RENEWED, late, minute=71).offer_id == "offer-2"


def test_an_agreement_nobody_went_over_to_changes_no_terms() -> None:
    other = of_agreement(
        Kind.AGREED, 50, agreement_id=SECOND, offer_id="offer-2", start_ms=0, end_ms=1
    )

    assert told(CREATED, UPDATED, other).offer_id == "offer-1"
    assert told(CREATED, UPDATED, other).start_s == BEGIN_MS // 1000


def test_an_amendment_may_take_the_end_away() -> None:
    endless = of_agreement(Kind.AGREED, 40, start_ms=BEGIN_MS)

    assert told(CREATED, UPDATED, endless).end_s is None


def test_an_amendment_that_names_an_end_only_leaves_the_start() -> None:
    shorter = of_agreement(Kind.AGREED, 40, end_ms=BEGIN_MS + 500_000)

    amended = told(CREATED, UPDATED, shorter)

    assert (amended.start_s, amended.end_s) == (BEGIN_MS // 1000, BEGIN_MS // 1000 + 500)


def test_an_amendment_may_move_the_start() -> None:
    later = of_agreement(Kind.AGREED, 40, start_ms=BEGIN_MS + 5_000)

    assert told(CREATED, UPDATED, later).start_s == BEGIN_MS // 1000 + 5


def test_an_event_without_terms_leaves_them() -> None:
    assert told(CREATED, UPDATED, of_agreement(Kind.AGREED, 40)).end_s == BEGIN_MS // 1000 + 1_000


def test_a_replacement_of_a_legacy_customers_offer_is_seen() -> None:
    first = replace(SUBSCRIBED, offer_id="offer-abc")
    second_offer = of_topic(Kind.ACTIVATED, 30, offer_id="offer-def")

    replaced = told_legacy(first, replace(CUSTOMER, agreement_id=FIRST), second_offer)

    assert (replaced.offer_id, replaced.active_since_s) == ("offer-def", second(1))


# Names


@pytest.mark.parametrize("sendable_first", [True, False])
def test_the_arn_that_can_be_sent_wins_whichever_comes_first(sendable_first: bool) -> None:
    arns = [arn(KEY), documented_arn(KEY)]
    first, last = arns if sendable_first else reversed(arns)

    both = told(happens(Kind.ACTIVATED, 1, arn=first), happens(Kind.ACTIVATED, 2, arn=last))

    assert both.arn == arn(KEY)


def test_an_arn_that_cannot_be_sent_is_better_than_none() -> None:
    only = happens(Kind.ACTIVATED, 1, arn=documented_arn(KEY))

    assert told(only).arn == documented_arn(KEY)


def test_the_first_of_two_arns_stays() -> None:
    other = arn(KEY).replace("777788889999", "888899990000")

    two = told(happens(Kind.ACTIVATED, 1), happens(Kind.ACTIVATED, 2, arn=other))

    assert two.arn == arn(KEY)


def test_what_is_known_of_the_customer_is_taken_from_wherever_it_stands() -> None:
    events = [of_agreement(Kind.AGREED, account=BUYER), replace(UPDATED, account="")]

    found = told(*events)

    assert (found.account, found.product_code, found.product_id) == (BUYER, PRODUCT, PRODUCT_ID)


def test_the_account_that_came_first_stays() -> None:
    assert told(UPDATED, happens(Kind.NOTICE, 9, account="999999999999")).account == BUYER


def test_a_legacy_license_keeps_the_identifier_that_came_first() -> None:
    other = of_topic(Kind.NOTICE, 9, customer_identifier="X02")

    assert told_legacy(of_topic(Kind.ACTIVATED, 1), other).customer_identifier == "X01"


def test_a_license_without_an_offer_has_none() -> None:
    assert told(UPDATED).offer_id == ""


# Registration


def test_a_registration_holds_what_was_answered() -> None:
    answered = registers(2, customer_identifier="X01")

    assert (answered.kind, answered.at_ms) == (Kind.REGISTERED, BEGIN_MS + 2 * MINUTE_MS)
    assert (answered.license, answered.arn) == (KEY, arn(KEY))
    assert (answered.account, answered.product_code) == (BUYER, PRODUCT)
    assert (answered.customer_identifier, answered.agreement_id) == ("X01", FIRST)


def test_a_buyer_who_comes_with_a_token_is_said_to_register() -> None:
    assert registers(2).said == "registration"


def test_a_license_is_in_the_agreement_that_its_buyer_registered_for() -> None:
    assert told(registers(2)).agreement_id == FIRST


def test_the_id_of_a_registration_outlives_a_release() -> None:
    """An answer that was kept under another id would be a second registration."""
    assert registers(2).id == "registration-396ec5bf571b0eb379e457d27e5fdad8"


def test_a_buyer_who_comes_again_registered_when_he_first_came() -> None:
    again = registers(300, agreement_id=SECOND)

    assert told(UPDATED, REGISTERED, again, minute=301).registered_s == second(2)


def test_the_same_answer_is_the_same_registration() -> None:
    assert registers(2).id == registers(300).id


@pytest.mark.parametrize(
    "other",
    [
        {"license_arn": arn("l-2")},
        {"account": "222233334444"},
        {"product_code": "other"},
        {"agreement_id": SECOND},
        {"customer_identifier": "X01"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_answer_is_another_registration(other: dict[str, str]) -> None:
    assert registers(2, **other).id != registers(2).id


def test_two_forms_of_one_arn_register_one_license() -> None:
    assert registers(license_arn=documented_arn(KEY)).license == registers().license == KEY


def test_a_legacy_customer_registers_by_product_and_identifier() -> None:
    assert CUSTOMER.license == LEGACY


def test_a_registration_without_license_and_identifier_names_no_license() -> None:
    assert registers(license_arn="").license == ""


def test_a_registration_after_the_end_does_not_reopen_the_license() -> None:
    assert told(UPDATED, DEPROVISIONED, registers(300), minute=301).state is State.ENDED


@pytest.mark.parametrize(
    ("at_registration", "later", "expected"),
    [
        (True, None, True),
        (None, None, False),
        (True, False, False),
        (None, True, True),
    ],
)
def test_whoever_speaks_of_a_free_trial_last_is_believed(
    at_registration: bool | None, later: bool | None, expected: bool
) -> None:
    registered = registration(
        at_ms=BEGIN_MS,
        license_arn="",
        account=BUYER,
        product_code="n0123",
        customer_identifier="X01",
        agreement_id="",
        free_trial=at_registration,
    )

    said = told_legacy(registered, of_topic(Kind.ACTIVATED, 1, free_trial=later))

    assert said.free_trial is expected


# Notices


def test_the_last_notice_is_kept_in_its_own_words() -> None:
    warned = of_agreement(Kind.NOTICE, 40, said="Purchase Agreement Ending", note="30 days")

    last = told(of_agreement(Kind.NOTICE, 30, said="Advisory Issued"), warned)

    assert (last.notice, last.notice_s) == ("Purchase Agreement Ending: 30 days", second(40))


def test_a_notice_without_a_note_is_what_was_said() -> None:
    assert told(of_agreement(Kind.NOTICE, 30, said="Advisory Issued")).notice == "Advisory Issued"


def test_a_license_event_is_no_notice() -> None:
    assert told(UPDATED, DEPROVISIONED).notice == ""
