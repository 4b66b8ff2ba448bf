"""Every sample of a usage message is read as the file beside it, or the table here, says."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lambdas.metering.usage import Reason, Rejected, Rules, Usage, read_message

SAMPLES = Path(__file__).parents[1] / "events" / "usage"
CONTEXT = json.loads((SAMPLES / "context.json").read_text())
RULES = Rules(frozenset(CONTEXT["dimensions"]), CONTEXT["product_code"])

JUDGED_BY_THE_LEDGER = {
    Reason.UNKNOWN_CUSTOMER,
    Reason.AMBIGUOUS_CUSTOMER,
    Reason.CUSTOMER_MISMATCH,
    Reason.EXPIRED,
}
"""These need the customers table or the log: as a message, such usage is good."""

MICROS = {
    "body.30-records.json": [each * 1_000_000 for each in range(30)],
    "body.json": [3_000_000, 1_200_000_000],
    "body.json-fractions.json": [100_000, 200_000, 1_000_000, 200_000_000],
    "body.legacy-product-code.json": [2_000_000],
    "body.same-id-twice.json": [5_000_000, 5_000_000],
    "body.same-id-two-licenses.json": [5_000_000, 5_000_000],
    "body.two-hours.json": [1_000_000, 1_000_000],
    "body.with-ids.json": [3_000_000, 1_200_000_000],
    "body.without-ids.same-key-twice.json": [3_000_000, 4_000_000],
    "cloudevent.extension-attributes.json": [3_000_000],
    "cloudevent.json": [3_000_000],
    "cloudevent.timestamp-in-data.json": [3_000_000],
    "cloudevents.array.json": [3_000_000, 500_000],
    "cloudevents.array.same-id-twice.json": [3_000_000, 3_000_000],
    "cloudevents.array.same-id-two-sources.json": [3_000_000, 3_000_000],
    "record.account-only.json": [3_000_000],
    "record.allocations-decimal.json": [17_420_000],
    "record.allocations.json": [10_000_000],
    "record.almost-24h.json": [7_000_000],
    "record.decimal-largest.json": [9_999_999_999_999_999],
    "record.decimal-smallest.json": [1],
    "record.decimal.json": [17_420_000],
    "record.epoch-seconds.json": [3_000_000],
    "record.first-partial-hour.json": [1_000_000],
    "record.future-in-tolerance.json": [1_000_000],
    "record.id-longest.json": [1_000_000],
    "record.json": [3_000_000],
    "record.late.json": [7_000_000],
    "record.license-only.json": [3_000_000],
    "record.other-offset.json": [3_000_000],
    "record.over-int32.json": [2_147_483_648_000_000],
    "record.unknown-license.json": [1_000_000],
    "record.without-id.json": [3_000_000],
    "record.zero.json": [0],
}
GOOD = sorted(path.name for path in SAMPLES.glob("*.json") if path.name != "context.json")
BAD = sorted(path.name for path in (SAMPLES / "bad").iterdir() if ".expected." not in path.name)


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def read_sample(path: Path, now: str) -> list[Any]:
    body = path.read_text()
    now_s = seconds(now)
    return read_message(body, message_id="m-1", arrived_s=now_s, now_s=now_s, rules=RULES)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_sample_is_usage_with_exact_quantities(name: str) -> None:
    found = read_sample(SAMPLES / name, CONTEXT["now"])

    assert [each.quantity for each in found if isinstance(each, Usage)] == MICROS[name]


@pytest.mark.parametrize("name", GOOD)
def test_every_record_of_a_good_sample_is_usage(name: str) -> None:
    found = read_sample(SAMPLES / name, CONTEXT["now"])

    assert [each for each in found if not isinstance(each, Usage)] == []


def expectation(name: str) -> Any:
    return json.loads((SAMPLES / "bad" / f"{Path(name).stem}.expected.json").read_text())


def read_bad_sample(name: str) -> list[Any]:
    return read_sample(SAMPLES / "bad" / name, expectation(name).get("now", CONTEXT["now"]))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_sample_is_rejected_for_its_reason(name: str) -> None:
    expected = [
        (each["record"], each["reason"], each["field"])
        for each in expectation(name)["quarantined"]
        if each["reason"] not in JUDGED_BY_THE_LEDGER
    ]

    rejected = [each for each in read_bad_sample(name) if isinstance(each, Rejected)]

    assert [(each.index, each.reason, each.field) for each in rejected] == expected


@pytest.mark.parametrize("name", BAD)
def test_the_good_records_of_a_bad_sample_are_usage(name: str) -> None:
    expected = expectation(name)
    later = [
        each["record"] for each in expected["quarantined"] if each["reason"] in JUDGED_BY_THE_LEDGER
    ]

    usage = [each for each in read_bad_sample(name) if isinstance(each, Usage)]

    assert [each.index for each in usage] == sorted(expected["counted"] + later)


@pytest.mark.parametrize("name", BAD)
def test_a_person_is_told_the_field_at_fault(name: str) -> None:
    rejected = [each for each in read_bad_sample(name) if isinstance(each, Rejected)]

    assert all((each.field or "") in each.tell and each.tell.endswith(".") for each in rejected)


def test_a_cloudevents_own_timestamp_wins_over_its_time() -> None:
    [usage] = read_sample(SAMPLES / "cloudevent.timestamp-in-data.json", CONTEXT["now"])

    assert usage.used_s == seconds("2026-11-23T10:05:00Z")


def test_another_offset_is_the_same_moment() -> None:
    [usage] = read_sample(SAMPLES / "record.other-offset.json", CONTEXT["now"])

    assert usage.used_s == seconds("2026-11-23T10:15:00Z")


def test_allocations_are_read_with_their_tags() -> None:
    [usage] = read_sample(SAMPLES / "record.allocations.json", CONTEXT["now"])

    assert usage.allocations == (
        ((), 1_000_000),
        ((("AccountId", "2222"), ("BusinessUnit", "Operations")), 6_000_000),
        ((("BusinessUnit", "Finance"),), 3_000_000),
    )
