"""Messages of the subscription queue that cannot be understood say which field is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.history import Event
from lambdas.subscription.events import (
    EventMalformedError,
    Ignored,
    Rules,
    read_event,
)

EVENTS = Path(__file__).parents[1] / "events"
SENT_MS = 1_795_429_200_000
ALL = Rules()

Wrong = dict[str, Any]


def read(body: str, rules: Rules = ALL) -> Event | Ignored:
    return read_event(body, message_id="m-1", sent_ms=SENT_MS, rules=rules)


def event(body: str | dict[str, Any], rules: Rules = ALL) -> Event:
    found = read(body if isinstance(body, str) else json.dumps(body), rules)
    assert isinstance(found, Event)
    return found


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return found


UPDATED = "eventbridge/license-updated-manufacturer"


def without(*path: str) -> Callable[[Wrong], None]:
    def change(told: Wrong) -> None:
        for name in path[:-1]:
            told = told[name]
        del told[path[-1]]

    return change


def with_value(value: object, *path: str) -> Callable[[Wrong], None]:
    def change(told: Wrong) -> None:
        for name in path[:-1]:
            told = told[name]
        told[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (without("id"), "id is missing"),
        (with_value("", "id"), "id is ''"),
        (with_value(5, "id"), "id is 5"),
        (without("time"), "time is missing"),
        (with_value("2026-11-20", "time"), "time is '2026-11-20'"),
        (with_value("2026-11-20T09:00:00", "time"), "time is"),
        (with_value("yesterday", "time"), "time is 'yesterday'"),
        (without("source"), "source is missing"),
        (with_value("aws.ec2", "source"), "source is 'aws.ec2'"),
        (without("detail-type"), "detail-type is missing"),
        (without("detail"), "detail is missing"),
        (with_value([], "detail"), "detail is []"),
        (without("detail", "license"), "license is missing"),
        (without("detail", "license", "arn"), "arn is missing"),
        (with_value(None, "detail", "license", "arn"), "arn is missing"),
        (with_value("x", "detail", "agreement"), "agreement is 'x'"),
        (with_value({"id": 7}, "detail", "agreement"), "id is 7"),
        (with_value({"id": "a", "startTime": "x"}, "detail", "agreement"), "startTime is 'x'"),
        (with_value({"id": "a", "endTime": 5}, "detail", "agreement"), "endTime is 5"),
        (with_value({"accountId": []}, "detail", "acceptor"), None),
        (with_value({"accountId": [1]}, "detail", "acceptor"), "accountId is [1]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_event_says_which_field(
    change: Callable[[Wrong], None], field: str | None
) -> None:
    told = sample(UPDATED)
    change(told)

    if field is None:
        assert event(told).account == ""
        return
    with pytest.raises(EventMalformedError) as error:
        read(json.dumps(told))
    assert field in str(error.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (without("MessageId"), "MessageId is missing"),
        (without("Timestamp"), "Timestamp is missing"),
        (with_value("now", "Timestamp"), "Timestamp is 'now'"),
        (without("Message"), "Message is missing"),
        (with_value("{", "Message"), "Message is not JSON"),
        (with_value("[]", "Message"), "Message is [], not an object"),
        (with_value("{}", "Message"), "action is missing"),
        (with_value('{"action": "subscribe-success"}', "Message"), "customer-identifier"),
        (
            with_value('{"action": "a", "customer-identifier": "X01"}', "Message"),
            "product-code is missing",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_notification_says_which_field(
    change: Callable[[Wrong], None], field: str
) -> None:
    told = sample("sns/envelope.subscribe-success")
    change(told)

    with pytest.raises(EventMalformedError) as error:
        read(json.dumps(told))

    assert field in str(error.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "the message is not JSON"),
        ("License Updated", "the message is not JSON"),
        ("[]", "the message is [], not an object"),
        ("null", "the message is missing, not an object"),
        ("{}", "source is missing"),
    ],
)
def test_what_is_no_event_at_all_says_so(body: str, says: str) -> None:
    with pytest.raises(EventMalformedError) as error:
        read(body)

    assert says in str(error.value)


def test_a_value_that_is_too_long_for_a_log_is_cut() -> None:
    told = sample(UPDATED) | {"time": "x" * 10_000}

    with pytest.raises(EventMalformedError) as error:
        read(json.dumps(told))

    assert str(error.value) == f"time is '{'x' * 79}, not a time with an offset"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
places = st.sampled_from(
    [
        ("id",),
        ("time",),
        ("source",),
        ("detail-type",),
        ("detail",),
        ("detail", "license"),
        ("detail", "license", "arn"),
        ("detail", "agreement"),
        ("detail", "agreement", "id"),
        ("detail", "agreement", "endTime"),
        ("detail", "product"),
        ("detail", "product", "code"),
        ("detail", "offer"),
        ("detail", "acceptor", "accountId"),
        ("Type",),
        ("action",),
    ]
)


@given(places, anything)
def test_whatever_stands_in_a_field_the_message_is_read_ignored_or_refused_by_name(
    place: tuple[str, ...], value: object
) -> None:
    told = sample(UPDATED)
    told["detail"]["agreement"] |= {"startTime": "2026-11-20T09:00:00Z"}
    with_value(value, *place)(told)

    try:
        found = read(json.dumps(told))
    except EventMalformedError as error:
        found = Ignored(str(error))

    if isinstance(found, Ignored):
        assert found.why
    else:
        assert found.id
        assert found.license or found.agreement_id
