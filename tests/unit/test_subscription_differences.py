"""Differences between AWS Marketplace's agreements and our licenses, and what mends them."""

from dataclasses import replace
from typing import Any

import pytest

from lambdas.customers.history import Event, Kind, license_of
from lambdas.customers.license import License, LicenseKey, State
from lambdas.subscription.differences import (
    RECENT_S,
    Agreement,
    Difference,
    Finding,
    finding_of_license,
    finding_of_registrations,
    findings_of_active,
)
from tests.customers_stage import (
    BUYER,
    FIRST,
    KEY,
    OTHER_KEY,
    PRODUCT,
    PRODUCT_ID,
    SECOND,
    arn,
    documented_arn,
    happens,
    registers,
)

NOW_S = 1_795_429_200
NOW_MS = NOW_S * 1000
LONG_AGO_S = NOW_S - 10 * 86_400
AGREEMENT = Agreement(
    id=FIRST,
    status="ACTIVE",
    account=BUYER,
    product_id=PRODUCT_ID,
    offer_id="offer-1",
    license_arns=(arn(KEY),),
    start_ms=LONG_AGO_S * 1000,
    end_ms=None,
)
ACTIVE = License(
    KEY,
    arn=arn(KEY),
    account=BUYER,
    product_code=PRODUCT,
    state=State.ACTIVE,
    agreement_id=FIRST,
    start_s=LONG_AGO_S,
    registered_s=LONG_AGO_S,
    active_since_s=LONG_AGO_S,
)
PENDING = replace(ACTIVE, state=State.PENDING, active_since_s=None)
ENDED = replace(ACTIVE, state=State.ENDED, ending_since_s=LONG_AGO_S + 9, ended_s=LONG_AGO_S + 3609)


def active(agreement: Agreement = AGREEMENT, *known: License) -> list[Finding]:
    licenses = {each.key: each for each in known}
    return list(findings_of_active(agreement, licenses, PRODUCT, NOW_MS))


def of_license(each: License, *agreements: Agreement) -> Finding | None:
    return finding_of_license(each, agreements, NOW_MS)


def repaired(finding: Finding, *events: Event) -> License:
    return license_of(finding.license, [*events, *finding.repairs], NOW_MS)


def with_status(status: str, **fields: Any) -> Agreement:
    return replace(AGREEMENT, status=status, license_arns=(), **fields)


# Licenses of active agreements


def test_a_license_that_both_know_alike_differs_in_nothing() -> None:
    assert active(AGREEMENT, ACTIVE) == []


def test_an_unknown_license_is_brought_in_with_its_buyer() -> None:
    [found] = active()

    assert (found.difference, found.license) == (Difference.UNKNOWN_LICENSE, KEY)
    brought_in = repaired(found)
    assert brought_in.state is State.ACTIVE
    assert (brought_in.account, brought_in.product_code) == (BUYER, PRODUCT)
    assert (brought_in.arn, brought_in.product_id) == (arn(KEY), PRODUCT_ID)
    assert (brought_in.start_s, brought_in.offer_id) == (LONG_AGO_S, "offer-1")


def test_a_customer_is_brought_in_before_the_activation_is_noted() -> None:
    """Cut short in between, the license is found again; a buyer who never came would not be."""
    [found] = active()

    assert [each.kind for each in found.repairs] == [Kind.REGISTERED, Kind.ACTIVATED]


def test_a_license_that_is_known_and_whose_buyer_has_not_come_stays_so() -> None:
    assert active(AGREEMENT, replace(ACTIVE, state=State.PENDING, registered_s=None)) == []


DAY_S = 86_400
ANNOUNCED = replace(ACTIVE, state=State.PENDING, registered_s=None)


@pytest.mark.parametrize(("after_s", "differs"), [(60, False), (DAY_S - 1, False), (DAY_S, True)])
def test_a_buyer_is_brought_in_whose_license_was_sold_long_before_it_was_announced(
    after_s: int, *, differs: bool
) -> None:
    known = replace(ANNOUNCED, active_since_s=LONG_AGO_S + after_s)

    found = [each.difference for each in active(AGREEMENT, known)]

    assert found == [Difference.UNKNOWN_BUYER] * differs


def test_a_buyer_who_is_brought_in_makes_the_license_active() -> None:
    since_ms = (LONG_AGO_S + 5 * DAY_S) * 1000
    told = replace(happens(Kind.ACTIVATED), at_ms=since_ms)

    [found] = active(AGREEMENT, license_of(KEY, [told], NOW_MS))

    assert repaired(found, told).state is State.ACTIVE


@pytest.mark.parametrize("known", [PENDING, ENDED], ids=lambda each: each.state)
def test_a_license_that_is_active_there_alone_is_activated(known: License) -> None:
    [found] = active(AGREEMENT, known)

    assert found.difference is Difference.MISSED_ACTIVATION
    story = [registers(-20_000), happens(Kind.CLOSED, -10_000)]
    assert repaired(found, *story[: 1 + (known is ENDED)]).state is State.ACTIVE


def test_a_license_that_ends_here_and_is_active_there_is_activated() -> None:
    ending = replace(ACTIVE, state=State.ENDING, ending_since_s=NOW_S - RECENT_S)

    [found] = active(AGREEMENT, ending)

    assert found.difference is Difference.MISSED_ACTIVATION


@pytest.mark.parametrize("name", ["registered_s", "active_since_s", "ending_since_s"])
@pytest.mark.parametrize(("ago_s", "differs"), [(RECENT_S, True), (RECENT_S - 1, False)])
def test_what_changed_within_two_hours_is_left_alone(name: str, ago_s: int, differs: bool) -> None:
    changed: dict[str, Any] = {name: NOW_S - ago_s}
    known = replace(PENDING, **changed)
    if name == "active_since_s":
        known = replace(known, state=State.ENDED)

    assert bool(active(AGREEMENT, known)) is differs


@pytest.mark.parametrize(("ago_s", "differs"), [(RECENT_S, True), (RECENT_S - 1, False)])
def test_an_unknown_license_that_was_bought_within_two_hours_is_left_alone(
    ago_s: int, differs: bool
) -> None:
    """Its events may be on the way, and its buyer may be about to come."""
    new = replace(AGREEMENT, start_ms=(NOW_S - ago_s) * 1000)

    assert bool(active(new)) is differs


def test_an_unknown_license_of_an_agreement_without_start_is_brought_in() -> None:
    assert active(replace(AGREEMENT, start_ms=None))


@pytest.mark.parametrize(
    ("held", "there"),
    [
        ({"start_s": LONG_AGO_S + 1}, {}),
        ({"start_s": None}, {}),
        ({"end_s": NOW_S}, {}),
        ({}, {"end_ms": NOW_MS}),
        ({"arn": documented_arn(KEY)}, {}),
        ({"arn": ""}, {}),
    ],
    ids=str,
)
def test_terms_that_differ_are_taken_over(held: dict[str, Any], there: dict[str, Any]) -> None:
    agreement = replace(AGREEMENT, **there)

    [found] = active(agreement, replace(ACTIVE, **held))

    assert found.difference is Difference.MISSED_TERMS
    story = [registers(-20_000, license_arn=""), happens(Kind.ACTIVATED, -20_000, arn="")]
    mended = repaired(found, *story)
    assert (mended.arn, mended.start_s) == (arn(KEY), LONG_AGO_S)
    assert mended.end_s == (NOW_S if there else None)


def test_a_start_within_a_second_is_the_same_start() -> None:
    """Ours is rounded up."""
    fraction = replace(AGREEMENT, start_ms=LONG_AGO_S * 1000 - 1)

    assert active(fraction, ACTIVE) == []


def test_an_end_within_a_second_is_the_same_end() -> None:
    fraction = replace(AGREEMENT, end_ms=NOW_MS + 999)

    assert active(fraction, replace(ACTIVE, end_s=NOW_S)) == []


def test_a_start_that_neither_knows_is_no_difference() -> None:
    assert active(replace(AGREEMENT, start_ms=None), replace(ACTIVE, start_s=None)) == []


def test_the_terms_of_a_license_that_names_no_agreement_are_taken_over() -> None:
    [found] = active(AGREEMENT, replace(ACTIVE, agreement_id="", start_s=None))

    assert found.difference is Difference.MISSED_TERMS


def test_the_terms_of_an_agreement_that_the_license_has_left_do_not_matter() -> None:
    """The index of agreements may be behind."""
    assert active(AGREEMENT, replace(ACTIVE, agreement_id=SECOND, start_s=NOW_S)) == []


def test_an_arn_that_cannot_be_sent_is_no_improvement() -> None:
    documented = replace(AGREEMENT, license_arns=(documented_arn(KEY),))

    assert active(documented, replace(ACTIVE, arn="aws:other:l-1")) == []


def test_every_license_of_an_agreement_is_looked_at() -> None:
    both = replace(AGREEMENT, license_arns=(arn(KEY), arn(OTHER_KEY)))

    assert [each.license for each in active(both, ACTIVE)] == [OTHER_KEY]


@pytest.mark.parametrize(
    "left_alone",
    [
        pytest.param({"start_ms": NOW_MS}, id="just bought"),
        pytest.param({"license_arns": (arn(KEY), arn(OTHER_KEY))}, id="just changed"),
    ],
)
def test_a_license_that_is_left_alone_hides_no_other(left_alone: dict[str, Any]) -> None:
    unknown = arn("l-0")
    agreement = replace(AGREEMENT, **{"license_arns": (unknown, arn(OTHER_KEY))} | left_alone)
    just_changed = replace(ACTIVE, registered_s=NOW_S)

    found = active(agreement, just_changed, replace(PENDING, key=OTHER_KEY))

    assert [each.license for each in found] == [OTHER_KEY]


def test_an_agreement_without_a_start_does_not_tell_that_a_license_was_sold_before() -> None:
    known = replace(ANNOUNCED, start_s=None)

    assert active(replace(AGREEMENT, start_ms=None), known) == []


def test_a_day_between_sale_and_announcement_is_counted_in_whole_seconds() -> None:
    agreement = replace(AGREEMENT, start_ms=LONG_AGO_S * 1000 + 999)

    [found] = active(agreement, replace(ANNOUNCED, active_since_s=LONG_AGO_S + DAY_S))

    assert found.difference is Difference.UNKNOWN_BUYER


def test_a_license_of_which_nothing_is_dated_is_not_taken_for_new() -> None:
    [found] = active(AGREEMENT, License(KEY))

    assert found.difference is Difference.MISSED_ACTIVATION


SOLD_EARLY = replace(ANNOUNCED, active_since_s=LONG_AGO_S + DAY_S)


@pytest.mark.parametrize(
    ("known", "difference"),
    [
        ([], Difference.UNKNOWN_LICENSE),
        ([SOLD_EARLY], Difference.UNKNOWN_BUYER),
        ([PENDING], Difference.MISSED_ACTIVATION),
        ([replace(ACTIVE, start_s=0)], Difference.MISSED_TERMS),
    ],
)
def test_a_difference_and_its_repairs_name_license_and_agreement(
    known: list[License], difference: Difference
) -> None:
    [found] = active(AGREEMENT, *known)

    assert found.difference is difference
    assert (found.license, found.agreement_id) == (KEY, FIRST)
    assert {(each.license, each.agreement_id) for each in found.repairs} == {(KEY, FIRST)}
    assert {(each.account, each.said, each.at_ms) for each in found.repairs} == {
        (BUYER, "reconciliation", NOW_MS)
    }


@pytest.mark.parametrize(("held", "brought_in"), [("older", "older"), ("", PRODUCT)])
def test_a_buyer_is_brought_in_for_the_product_that_the_license_is_of(
    held: str, brought_in: str
) -> None:
    [found] = active(AGREEMENT, replace(SOLD_EARLY, product_code=held))

    [buyer] = found.repairs
    assert (buyer.product_code, buyer.customer_identifier) == (brought_in, "")


def test_repairs_of_two_licenses_of_one_agreement_are_for_each() -> None:
    both = replace(AGREEMENT, license_arns=(arn(KEY), arn(OTHER_KEY)))

    repairs = [event for found in active(both) for event in found.repairs]

    assert len({(each.license, each.id) for each in repairs}) == len(repairs) == 4


def test_the_repair_of_another_night_is_another_event() -> None:
    [tonight] = active(AGREEMENT, PENDING)
    [tomorrow] = findings_of_active(AGREEMENT, {KEY: PENDING}, PRODUCT, NOW_MS + 86_400_000)

    assert tonight.repairs[0].id != tomorrow.repairs[0].id


def test_whatever_happens_after_the_question_wins_over_its_answer() -> None:
    [found] = active(AGREEMENT, PENDING)
    later = replace(happens(Kind.CLOSED), at_ms=NOW_MS + 1)

    assert repaired(found, registers(0), later).state is State.ENDING


# Licenses that are open here


def test_a_license_whose_agreement_was_cancelled_has_ended() -> None:
    found = of_license(ACTIVE, with_status("CANCELLED"))

    assert found is not None
    assert (found.difference, found.agreement_id) == (Difference.MISSED_END, FIRST)
    story = [registers(0), happens(Kind.ACTIVATED, 0)]
    assert repaired(found, *story).state is State.ENDING


@pytest.mark.parametrize("status", ["EXPIRED", "TERMINATED", "ARCHIVED", "ROLLED_BACK", "NEW"])
def test_a_status_nobody_knows_is_an_end_too(status: str) -> None:
    found = of_license(ACTIVE, with_status(status))

    assert found is not None
    assert found.difference is Difference.MISSED_END


@pytest.mark.parametrize("status", ["RENEWED", "REPLACED", "SUPERSEDED"])
def test_a_license_that_the_next_agreement_does_not_give_has_ended(status: str) -> None:
    found = of_license(ACTIVE, with_status(status))

    assert found is not None
    assert found.difference is Difference.MISSED_END
    assert repaired(found, registers(0), happens(Kind.ACTIVATED, 0)).state is State.ENDING


@pytest.mark.parametrize(("ago_s", "differs"), [(2 * 3600 - 1, False), (2 * 3600, True)])
def test_a_license_whose_agreement_was_spoken_of_a_moment_ago_is_left_alone(
    ago_s: int, *, differs: bool
) -> None:
    told = replace(ACTIVE, notice="Purchase Agreement Ended: REPLACED", notice_s=NOW_S - ago_s)

    assert (of_license(told, with_status("REPLACED")) is not None) is differs


def test_a_license_whose_agreement_runs_stays() -> None:
    assert of_license(ACTIVE, with_status("ACTIVE")) is None


def test_a_license_that_was_renewed_and_whose_new_agreement_runs_stays() -> None:
    assert of_license(ACTIVE, with_status("RENEWED"), with_status("ACTIVE", id=SECOND)) is None


def test_a_license_with_an_older_agreement_that_ended_and_one_that_runs_stays() -> None:
    assert of_license(ACTIVE, with_status("CANCELLED"), with_status("ACTIVE", id=SECOND)) is None


@pytest.mark.parametrize("at", [0, 1])
def test_a_license_that_was_renewed_and_then_cancelled_has_ended(at: int) -> None:
    agreements = [with_status("RENEWED"), with_status("CANCELLED", id=SECOND)]

    found = of_license(replace(ACTIVE, agreement_id=SECOND), *agreements[at:], *agreements[:at])

    assert found is not None
    assert (found.difference, found.agreement_id) == (Difference.MISSED_END, SECOND)


@pytest.mark.parametrize("ended", ["a-0", "z-9"])
def test_the_end_that_counts_is_that_of_the_agreement_in_force(ended: str) -> None:
    """The end of an agreement that the license has left would end nothing."""
    left = with_status("CANCELLED", id=ended, end_ms=NOW_MS)
    in_force = with_status("CANCELLED", id=SECOND)
    story = [
        registers(0, agreement_id=ended),
        happens(Kind.ACTIVATED, 0, agreement_id=ended),
        happens(Kind.ACTIVATED, 5, agreement_id=SECOND),
    ]

    found = of_license(replace(ACTIVE, agreement_id=SECOND), left, in_force)

    assert found is not None
    assert repaired(found, *story).state is State.ENDING


def test_of_agreements_that_the_license_names_none_of_the_last_end_counts() -> None:
    ends = [with_status("CANCELLED", id=f"a-{ago}", end_ms=NOW_MS - ago) for ago in (2, 1)]
    ends.append(with_status("CANCELLED", id="z"))

    found = of_license(replace(ACTIVE, agreement_id=""), *ends)

    assert found is not None
    assert found.agreement_id == "a-1"


def test_the_repair_of_an_end_names_the_license_and_the_status_but_no_arn() -> None:
    found = of_license(ACTIVE, with_status("CANCELLED"))

    assert found is not None
    assert found.license == KEY
    [repair] = found.repairs
    assert (repair.license, repair.note, repair.arn) == (KEY, "CANCELLED", "")


def test_a_license_that_no_agreement_knows_is_for_a_person() -> None:
    found = of_license(ACTIVE)

    assert found == Finding(Difference.UNKNOWN_AGREEMENT, KEY, FIRST)


def test_a_license_that_changed_recently_is_not_looked_at() -> None:
    recent = replace(ACTIVE, active_since_s=NOW_S - RECENT_S + 1)

    assert of_license(recent, with_status("CANCELLED")) is None
    assert of_license(recent) is None


def test_a_license_of_a_kind_nobody_registered_is_ended_too() -> None:
    unregistered = replace(ACTIVE, key=LicenseKey("l-1"), registered_s=None)

    assert of_license(unregistered, with_status("CANCELLED")) is not None


# Licenses whose buyer has registered for an agreement that nobody has named together with them

UNREGISTERED = replace(ACTIVE, state=State.PENDING, agreement_id=SECOND, registered_s=None)
NAMELESS = registers(0, license_arn="", agreement_id=FIRST)


def of_registrations(each: License, *registrations: Event) -> Finding | None:
    return finding_of_registrations(each, registrations, NOW_MS)


def test_a_license_is_given_the_registration_for_an_agreement_that_gave_it() -> None:
    found = of_registrations(UNREGISTERED, NAMELESS)

    given = replace(NAMELESS, license=KEY, arn=arn(KEY))
    assert found == Finding(Difference.MISSED_REGISTRATION, KEY, FIRST, (given,))


def test_a_license_is_given_each_such_registration() -> None:
    another = registers(1, license_arn="", agreement_id=SECOND)

    found = of_registrations(UNREGISTERED, NAMELESS, another)

    assert found is not None
    assert found.agreement_id == FIRST
    assert [each.agreement_id for each in found.repairs] == [FIRST, SECOND]


def test_without_a_registration_an_unregistered_license_is_no_difference() -> None:
    assert of_registrations(UNREGISTERED) is None


def test_the_agreement_that_was_registered_for_stays_left() -> None:
    story = [
        happens(Kind.ACTIVATED, 5, agreement_id=SECOND, end_ms=9000),
        happens(Kind.CLOSED, 6, agreement_id=FIRST),
    ]
    found = of_registrations(UNREGISTERED, NAMELESS)
    assert found is not None

    told = repaired(found, *story)

    assert (told.state, told.agreement_id, told.end_s) == (State.ACTIVE, SECOND, 9)


def test_a_license_that_was_activated_a_moment_ago_is_given_no_registration_yet() -> None:
    recent = replace(UNREGISTERED, active_since_s=NOW_S - RECENT_S + 1)

    assert of_registrations(recent, NAMELESS) is None
