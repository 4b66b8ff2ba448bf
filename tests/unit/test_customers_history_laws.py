"""Laws of a license's history: whatever order and copies its events come in, it is the same."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.history import LAST_HOUR_MS, Event, Kind, license_of
from lambdas.customers.license import State
from tests.customers_stage import BEGIN_MS, KEY
from tests.unit.customers_stories import Story, legacy_stories, stories, wild

any_story = stories() | legacy_stories()


def garbled(events: list[Event], random: Random) -> list[Event]:
    """Every event at least once, some several times, in any order."""
    copies = [each for each in events for _ in range(random.choice((1, 1, 2, 3)))]
    random.shuffle(copies)
    return copies


@given(any_story)
def test_a_story_comes_to_the_state_that_its_last_chapter_says(story: Story) -> None:
    told = license_of(story.key, story.events, story.now_ms)

    assert (told.state, told.agreement_id) == (story.state, story.agreement)


@given(any_story, st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_a_story_makes_the_same_license(
    story: Story, random: Random
) -> None:
    in_order = license_of(story.key, story.events, story.now_ms)

    assert license_of(story.key, garbled(story.events, random), story.now_ms) == in_order


@given(wild(), st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_whatever_happens_makes_the_same_license(
    events: list[Event], random: Random
) -> None:
    now_ms = BEGIN_MS + LAST_HOUR_MS

    assert license_of(KEY, garbled(events, random), now_ms) == license_of(KEY, events, now_ms)


@given(wild(), st.integers(1, 10**7), st.randoms(use_true_random=False))
def test_of_copies_with_several_times_the_earliest_counts(
    events: list[Event], later_ms: int, random: Random
) -> None:
    """A buyer who registers again makes the same event at another time."""
    copies = [*events, *(replace(each, at_ms=each.at_ms + later_ms) for each in events[:3])]

    assert license_of(KEY, garbled(copies, random), BEGIN_MS) == license_of(KEY, events, BEGIN_MS)


@given(wild())
def test_a_license_is_active_only_if_it_was_activated_and_its_buyer_has_registered(
    events: list[Event],
) -> None:
    kinds = {each.kind for each in events}

    if license_of(KEY, events, BEGIN_MS).state is State.ACTIVE:
        assert {Kind.ACTIVATED, Kind.REGISTERED} <= kinds


@given(wild(), st.integers(0, 8), st.integers(0, 8))
def test_time_does_nothing_but_end_the_last_hour(
    events: list[Event], early: int, late: int
) -> None:
    sooner, later = (
        license_of(KEY, events, BEGIN_MS + n * LAST_HOUR_MS // 2) for n in sorted((early, late))
    )

    assert sooner.state is later.state or (sooner.state, later.state) == (
        State.ENDING,
        State.ENDED,
    )


@given(wild())
def test_an_hour_after_a_close_nothing_is_ending(events: list[Event]) -> None:
    last_ms = max(each.at_ms for each in events)

    told = license_of(KEY, events, last_ms + LAST_HOUR_MS)

    assert told.state is not State.ENDING
    assert (told.ended_s is not None) == (told.state is State.ENDED)


@given(any_story)
def test_what_identifies_a_license_is_that_of_the_story(story: Story) -> None:
    told = license_of(story.key, story.events, story.now_ms)

    assert story.registered is not None
    assert told.account == story.registered.account
    assert told.product_code == story.registered.product_code
    assert told.registered_s == story.registered.at_ms // 1000
