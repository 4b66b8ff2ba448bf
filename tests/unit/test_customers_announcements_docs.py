"""The schema of our events, and docs/events.md: both say what the code does."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lambdas.customers.announcements import (
    SOURCE,
    Change,
    announcement,
    announcements,
)
from lambdas.customers.history import license_of
from lambdas.customers.license import License, LicenseKey, is_license_arn
from tests.customers_stage import (
    BUYER,
    KEY,
    arn,
    documented_arn,
)
from tests.unit.announcements_stage import (
    ACTIVE,
    DOCS,
    NOW_S,
    PENDING,
    SCHEMA,
    VALIDATOR,
    as_event,
)
from tests.unit.customers_stories import Story, stories

PAGE = (DOCS / "events.md").read_text()
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_sign_up_fits_the_schema() -> None:
    contact = {"Email": "a@example.com", "Name": "A", "Company": "B"}
    signed_up = announcement(Change.REGISTERED, ACTIVE, NOW_S, Contact=contact)

    VALIDATOR.validate(as_event(signed_up))


def test_a_sign_up_before_the_license_is_known_fits_the_schema() -> None:
    early = License(LicenseKey(""), account=BUYER, registered_s=NOW_S)
    signed_up = announcement(Change.REGISTERED, early, NOW_S, Contact={"Email": "a@example.com"})

    VALIDATOR.validate(as_event(signed_up))


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "other"},
        {"detail-type": "Subscription Begun"},
        {"detail": {}},
        {"detail": {"Id": "1", "License": KEY, "State": "active"}},
        {"detail": {"Id": "1", "State": "active", "RegisteredAt": "2026-11-23T10:20:00Z"}},
        {"detail-type": "Subscription Ended"},
    ],
    ids=str,
)
def test_what_is_no_event_of_ours_does_not_fit_the_schema(wrong: dict[str, Any]) -> None:
    [activated] = announcements(PENDING, ACTIVE, NOW_S)
    assert VALIDATOR.is_valid(as_event(activated))

    assert not VALIDATOR.is_valid(as_event(activated) | wrong)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("State", "ending"),
        ("RegisteredAt", "2026-11-23 10:20"),
        ("ActiveSince", ""),
        ("License", ""),
        ("LicenseArn", documented_arn(KEY)),
        ("FreeTrial", False),
        ("Entitlements", []),
        ("Entitlements", [{"Dimension": "a", "Value": {"IntegerValue": "1"}}]),
    ],
)
def test_a_malformed_member_does_not_fit_the_schema(member: str, value: object) -> None:
    [activated] = announcements(PENDING, ACTIVE, NOW_S)
    event = as_event(activated)
    event["detail"] = event["detail"] | {member: value}

    assert not VALIDATOR.is_valid(event)


def test_the_pattern_of_an_arn_lets_every_sendable_one_through() -> None:
    assert is_license_arn(arn(KEY))
    assert re.match(
        SCHEMA["$defs"]["subscription"]["properties"]["LicenseArn"]["pattern"], arn(KEY)
    )


def test_the_schema_knows_every_detail_type() -> None:
    named = [
        SCHEMA["$defs"][each["$ref"].rpartition("/")[2]]["properties"]["detail-type"]["const"]
        for each in SCHEMA["oneOf"]
    ]

    assert named == [str(change) for change in Change]


def first_column(heading: str) -> list[str]:
    """What the table with this heading names, row by row."""
    table = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


def test_the_page_tells_of_every_detail_type() -> None:
    assert first_column("detail-type") == [str(change) for change in Change]


def test_the_page_tells_of_every_member() -> None:
    members = [*SCHEMA["$defs"]["subscription"]["properties"], "Contact"]

    assert first_column("member") == members


def test_the_example_on_the_page_fits_the_schema() -> None:
    [example] = [body for kind, body in FENCE.findall(PAGE) if '"detail":' in body]

    VALIDATOR.validate(json.loads(example))


def test_the_rule_on_the_page_matches_every_event() -> None:
    [rule] = [
        json.loads(body)
        for kind, body in FENCE.findall(PAGE)
        if kind == "json" and '"detail":' not in body
    ]

    assert rule == {"source": [SOURCE], "detail-type": [str(change) for change in Change]}


@given(stories(), st.randoms(use_true_random=False))
def test_the_listener_on_the_page_ends_with_the_newest_of_any_order_and_copies(
    story: Story, random: Random
) -> None:
    [code] = [body for kind, body in FENCE.findall(PAGE) if kind == "python"]
    names: dict[str, Any] = {}
    exec(code, names)
    versions = [
        replace(license_of(story.key, story.events[:number], story.now_ms), version=number)
        for number in range(len(story.events) + 1)
    ]
    events = [
        as_event(each)
        for before, after in pairwise(versions)
        for each in announcements(before, after, NOW_S)
    ]
    seen: set[str] = set()
    licenses: dict[str, tuple[int, dict[str, Any]]] = {}

    for event in random.sample(events * 2, len(events) * 2):
        names["take"](event, seen, licenses)

    newest = max(events, key=lambda event: int(event["detail"]["Id"].split(":")[1]))
    version, detail = licenses[KEY]
    assert version == int(newest["detail"]["Id"].split(":")[1])
    assert detail["State"] == newest["detail"]["State"]
