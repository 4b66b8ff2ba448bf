"""Laws of changes: whatever order, copies and batches events come in, the table says the same."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.customers.history import Event, Kind
from lambdas.customers.license import State
from tests.customers_stage import (
    BEGIN_MS,
    HOUR_MS,
    KEY,
    Laws,
    Shop,
    bare,
    expected,
    happens,
    settle,
    without_license,
)
from tests.unit.customers_stories import Story, legacy_stories, stories, wild


def deliver(shop: Shop, events: Sequence[Event], random: Random) -> None:
    """Note every event at least once, in any order, some together, some again."""
    arriving = [each for each in events for _ in range(random.choice((1, 1, 1, 2)))]
    random.shuffle(arriving)
    while arriving:
        size = random.choice((1, 1, 2, 5))
        batch, arriving = arriving[:size], arriving[size:]
        shop.changes.note(batch)
        if random.random() < 0.1:
            settle(shop)


@given(stories() | legacy_stories(), st.randoms(use_true_random=False))
def test_a_story_comes_to_its_state_in_any_order_copies_and_batches(
    story: Story, random: Random
) -> None:
    shop = Shop(now_ms=story.now_ms)

    deliver(shop, story.events, random)
    settle(shop)

    assert shop.license(story.key).state is story.state
    assert bare(shop.license(story.key)) == expected(story.events, story.now_ms, story.key)
    Laws(shop).check()


@given(wild(), st.randoms(use_true_random=False))
def test_whatever_happens_comes_to_the_same_in_any_order_copies_and_batches(
    events: list[Event], random: Random
) -> None:
    now_ms = BEGIN_MS + HOUR_MS
    shop = Shop(now_ms=now_ms)

    deliver(shop, [*events, happens(Kind.NOTICE)], random)
    settle(shop)

    assert bare(shop.license()) == expected([*events, happens(Kind.NOTICE)], now_ms)
    Laws(shop).check()


@given(stories(minutes_max=60), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=80)
def test_a_registration_without_license_comes_to_the_same_at_any_place(
    story: Story, by_agreement: bool, random: Random
) -> None:
    """By agreement where the answer names one, else by account and product."""
    shop = Shop(now_ms=story.now_ms)
    assert story.registered is not None
    agreements = [each.agreement_id for each in story.events if each.kind is Kind.ACTIVATED]
    agreement = agreements[0] if by_agreement else ""
    registered = replace(without_license(agreement_id=agreement), at_ms=story.registered.at_ms)
    others = [each for each in story.events if each is not story.registered]

    deliver(shop, [*others, registered], random)
    settle(shop)

    known = [*others, replace(registered, license=KEY)]
    assert bare(shop.license()) == expected(known, story.now_ms)
    assert shop.license().state is story.state
    Laws(shop).check()


@given(stories(), st.randoms(use_true_random=False))
def test_the_first_told_of_a_license_is_its_customer(story: Story, random: Random) -> None:
    shop = Shop(now_ms=story.now_ms)

    deliver(shop, story.events, random)

    assert shop.told()[0] == "Customer Registered"
    assert shop.told().count("Customer Registered") == 1


@given(stories(), st.randoms(use_true_random=False))
def test_a_bus_that_comes_and_goes_loses_nothing(story: Story, random: Random) -> None:
    shop = Shop(now_ms=story.now_ms)
    for event in random.sample(story.events, len(story.events)):
        shop.bus.down = random.random() < 0.5
        shop.bus.refused = random.choice((0, 0, 1))
        shop.note(event)
    shop.bus.down, shop.bus.refused = False, 0

    settle(shop)

    Laws(shop).check()


@given(stories(minutes_max=90), st.randoms(use_true_random=False))
def test_a_license_is_never_ended_while_its_last_hour_runs(story: Story, random: Random) -> None:
    """Told live: every event at its own time, some minutes late, with sweeps in between."""
    shop = Shop()
    late = sorted(
        ((each.at_ms + random.randrange(3) * 40_000, each) for each in story.events),
        key=lambda pair: pair[0],
    )
    for at_ms, event in late:
        shop.now_s = max(shop.now_s, at_ms / 1000)
        shop.note(event)
        settle(shop)
    shop.now_s = max(shop.now_s, story.now_ms / 1000)
    settle(shop)

    for versions in shop.versions.values():
        for version in versions:
            each = version.license
            if each.state is State.ENDED:
                assert each.ended_s is not None
                assert each.ending_since_s is not None
                assert each.ended_s - each.ending_since_s == HOUR_MS // 1000
    Laws(shop).check()
