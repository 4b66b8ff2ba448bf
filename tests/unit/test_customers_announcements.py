"""What the seller's systems are told: when, in which words, and that docs/events.md says so."""

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.announcements import (
    Change,
    announcements,
)
from lambdas.customers.history import license_of
from lambdas.customers.license import Entitlement, License, LicenseKey, State
from tests.customers_stage import (
    BUYER,
    FIRST,
    HOUR_MS,
    KEY,
    LEGACY,
    PRODUCT,
    SECOND,
    arn,
    documented_arn,
)
from tests.unit.announcements_stage import (
    ACTIVE,
    ENDED,
    ENDING,
    FULL,
    NOW_S,
    PENDING,
    SCHEMA,
    VALIDATOR,
    as_event,
)
from tests.unit.customers_stories import Story, legacy_stories, stories


def unregistered(each: License) -> License:
    return replace(each, registered_s=None)


def told(before: License | None, after: License) -> list[Change]:
    return [each.change for each in announcements(before, after, NOW_S)]


# When


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        pytest.param(None, PENDING, ["Customer Registered"], id="a buyer comes"),
        pytest.param(None, unregistered(ACTIVE), [], id="activated, and nobody came"),
        pytest.param(unregistered(PENDING), unregistered(ENDED), [], id="ended, nobody came"),
        pytest.param(
            unregistered(PENDING),
            ACTIVE,
            ["Customer Registered", "Subscription Activated"],
            id="the buyer comes after License Updated",
        ),
        pytest.param(
            unregistered(ENDED),
            ENDED,
            ["Customer Registered", "Subscription Ended"],
            id="the buyer comes after the end",
        ),
        pytest.param(
            None, ENDING, ["Customer Registered", "Subscription Ending"], id="all at once"
        ),
        pytest.param(PENDING, ACTIVE, ["Subscription Activated"], id="activated"),
        pytest.param(PENDING, ENDED, ["Subscription Ended"], id="subscribe-fail"),
        pytest.param(ACTIVE, ENDING, ["Subscription Ending"], id="cancelled"),
        pytest.param(ENDING, ENDED, ["Subscription Ended"], id="the hour is over"),
        pytest.param(ACTIVE, ENDED, ["Subscription Ended"], id="heard of it late"),
        pytest.param(ENDING, ACTIVE, ["Subscription Activated"], id="the buyer stays"),
        pytest.param(ENDED, ACTIVE, ["Subscription Activated"], id="the buyer is back"),
        pytest.param(ACTIVE, ACTIVE, [], id="nothing"),
        pytest.param(
            ACTIVE,
            replace(ENDING, agreement_id=SECOND),
            ["Subscription Ending"],
            id="a change with another state is told once",
        ),
    ],
)
def test_a_change_is_told(before: License | None, after: License, changes: list[str]) -> None:
    assert told(before, after) == changes


@pytest.mark.parametrize(
    "fields",
    [
        {"agreement_id": SECOND},
        {"offer_id": "offer-2"},
        {"end_s": NOW_S},
        {"active_since_s": NOW_S},
        {"arn": documented_arn(KEY)},
        {"entitlements": (Entitlement("seats", "Integer", "1"),)},
        {"notice": "Advisory Issued"},
        {"notice_s": NOW_S},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_the_sellers_systems_act_upon_is_told(fields: dict[str, Any]) -> None:
    assert told(ACTIVE, replace(ACTIVE, **fields)) == [Change.CHANGED]


def test_an_announcement_bears_the_time_and_the_version_of_its_change() -> None:
    [activated] = announcements(PENDING, ACTIVE, NOW_S)

    assert (activated.at_s, activated.version) == (NOW_S, ACTIVE.version)


def test_announcements_of_one_license_have_the_order_of_what_they_tell() -> None:
    both = announcements(None, ACTIVE, NOW_S)
    later_version = announcements(ACTIVE, replace(ENDING, version=4), NOW_S)
    later_time = announcements(replace(ENDING, version=2), replace(ENDED, version=3), NOW_S + 1)

    places = [each.place for each in (*both, *later_version, *later_time)]

    assert places == sorted(set(places))


@pytest.mark.parametrize(
    "fields",
    [{"version": 9}, {"entitlements_s": NOW_S}, {"start_s": 0}, {"product_id": "prod-1"}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_nobody_acts_upon_is_not_told(fields: dict[str, Any]) -> None:
    assert told(ACTIVE, replace(ACTIVE, **fields)) == []


def test_a_change_of_a_buyer_who_has_not_registered_is_not_told() -> None:
    before = unregistered(ACTIVE)

    assert told(before, replace(before, agreement_id=SECOND)) == []


# What


def test_an_event_tells_all_that_is_known() -> None:
    [_, told_last] = announcements(None, FULL, NOW_S)

    assert told_last.detail == {
        "Id": f"{KEY}:3:ended",
        "License": KEY,
        "LicenseArn": arn(KEY),
        "CustomerAWSAccountId": BUYER,
        "CustomerIdentifier": "X01",
        "ProductCode": PRODUCT,
        "ProductId": "prod-1",
        "AgreementId": FIRST,
        "OfferId": "offer-1",
        "State": "ended",
        "RegisteredAt": "2026-11-23T08:23:20Z",
        "ActiveSince": "2026-11-23T08:21:40Z",
        "AgreementStart": "2026-11-23T08:20:00Z",
        "AgreementEnd": "2026-11-23T12:50:00Z",
        "UsageUntil": "2026-11-23T11:20:00Z",
        "FreeTrial": True,
        "Notice": "Purchase Agreement Ending: 30 days before the end",
        "Entitlements": [
            {
                "Dimension": "seats",
                "Value": {"IntegerValue": 25},
                "ExpirationDate": "2026-11-23T10:20:00Z",
            },
            {"Dimension": "ratio", "Value": {"DoubleValue": 0.5}},
            {"Dimension": "sso", "Value": {"BooleanValue": True}},
            {"Dimension": "plan", "Value": {"StringValue": "gold"}},
        ],
    }


def test_what_is_not_known_is_left_out() -> None:
    [registered] = announcements(None, License(KEY, registered_s=NOW_S, version=1), NOW_S)

    assert registered.detail.keys() == {"Id", "License", "State", "RegisteredAt"}


def test_usage_is_taken_for_an_hour_after_the_cancellation() -> None:
    [ending] = announcements(ACTIVE, ENDING, NOW_S)

    assert ending.detail["UsageUntil"] == "2026-11-23T11:20:00Z"


def test_usage_is_not_taken_after_an_end_that_came_early() -> None:
    """unsubscribe-success may come within the hour."""
    [ended] = announcements(ENDING, replace(ENDED, ended_s=NOW_S + 600), NOW_S)

    assert ended.detail["UsageUntil"] == "2026-11-23T10:30:00Z"


def test_an_arn_is_told_only_if_usage_can_be_sent_with_it() -> None:
    documented = replace(ACTIVE, arn=documented_arn(KEY))

    [activated] = announcements(PENDING, documented, NOW_S)

    assert "LicenseArn" not in activated.detail
    assert activated.detail["License"] == KEY


def test_a_truth_value_that_is_false_is_told() -> None:
    no_sso = replace(ACTIVE, entitlements=(Entitlement("sso", "Boolean", "false"),))

    [changed] = announcements(ACTIVE, no_sso, NOW_S)

    assert changed.detail["Entitlements"] == [
        {"Dimension": "sso", "Value": {"BooleanValue": False}}
    ]


# Laws


any_license = st.builds(
    License,
    key=st.sampled_from([KEY, LEGACY, LicenseKey("pro:duct/X:01")]),
    arn=st.sampled_from(["", arn(KEY), documented_arn(KEY)]),
    account=st.sampled_from(["", BUYER]),
    product_code=st.sampled_from(["", PRODUCT]),
    state=st.just(State.PENDING),
    agreement_id=st.sampled_from(["", FIRST, SECOND]),
    registered_s=st.none() | st.integers(NOW_S, NOW_S + 9),
    notice=st.sampled_from(["", "Advisory Issued"]),
    free_trial=st.booleans(),
    entitlements=st.sampled_from([(), FULL.entitlements]),
    version=st.integers(0, 5),
)


def in_state(each: License, state: State) -> License:
    """A license as it may be in a state."""
    since_s = None if state is State.PENDING else NOW_S
    ending_s = NOW_S if state in (State.ENDING, State.ENDED) else None
    ended_s = NOW_S + 60 if state is State.ENDED else None
    return replace(
        each, state=state, active_since_s=since_s, ending_since_s=ending_s, ended_s=ended_s
    )


licenses = st.builds(in_state, any_license, st.sampled_from(State))


@given(st.none() | licenses, licenses)
def test_every_event_fits_the_schema(before: License | None, after: License) -> None:
    for each in announcements(before, after, NOW_S):
        VALIDATOR.validate(as_event(each))


@given(st.none() | licenses, licenses)
def test_every_member_is_in_the_schema(before: License | None, after: License) -> None:
    known = SCHEMA["$defs"]["subscription"]["properties"]

    for each in announcements(before, after, NOW_S):
        assert each.detail.keys() <= known.keys()


@given(st.none() | licenses, licenses)
def test_the_id_is_in_the_detail_and_names_license_version_and_change(
    before: License | None, after: License
) -> None:
    for each in announcements(before, after, NOW_S):
        assert each.detail["Id"] == each.id
        assert each.id == f"{after.key}:{after.version}:{each.change.name.lower()}"


@given(st.none() | licenses, licenses)
def test_a_license_that_is_not_registered_is_not_told_of(
    before: License | None, after: License
) -> None:
    if after.registered_s is None:
        assert announcements(before, after, NOW_S) == []


@given(stories() | legacy_stories(), st.randoms(use_true_random=False))
def test_what_is_told_of_a_story_begins_with_the_customer_and_ends_with_the_state(
    story: Story, random: Random
) -> None:
    """Whatever order the events come in, each applied at once."""
    arrived = random.sample(story.events, len(story.events))
    now_ms = max(story.now_ms, story.events[-1].at_ms) + random.choice((0, 2 * HOUR_MS))
    versions = [
        replace(license_of(story.key, arrived[:number], now_ms), version=number)
        for number in range(len(arrived) + 1)
    ]

    said = [
        each.change
        for before, after in pairwise(versions)
        for each in announcements(before, after, NOW_S)
    ]

    assert said[0] is Change.REGISTERED
    assert said.count(Change.REGISTERED) == 1
    states = [each for each in said[1:] if each is not Change.CHANGED]
    assert all(one is not other for one, other in pairwise(states)), "a state is told twice"
    last = {State.ACTIVE: "ACTIVATED"}.get(versions[-1].state, versions[-1].state.name)
    assert not states or states[-1] is Change[last]


@given(stories(), st.randoms(use_true_random=False))
def test_the_ids_of_a_story_are_all_different(story: Story, random: Random) -> None:
    arrived = random.sample(story.events, len(story.events))
    versions = [
        replace(license_of(story.key, arrived[:number], story.now_ms), version=number)
        for number in range(len(arrived) + 1)
    ]

    ids = [
        each.id
        for before, after in pairwise(versions)
        for each in announcements(before, after, NOW_S)
    ]

    assert len(set(ids)) == len(ids)
