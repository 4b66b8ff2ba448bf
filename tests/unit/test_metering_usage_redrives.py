"""An operator's request to count usage that waits is understood, or rejected whole."""

from typing import Any

import pytest

from lambdas.metering.hours import hour_of
from lambdas.metering.redrives import LICENSE_KEY_BYTES_MAX
from lambdas.metering.usage import Reason, record_key
from tests.unit.usage_messages import NOW_S, redrive_of, rejected_of

KEY = "00112233445566778899aabb"
CHECK = "ccddeeff"
FOUR_BYTES = "\U0001f600"
RECORD = {"License": "l-1", "Dimension": "users", "Hour": "2026-11-23T10Z"}


def redrive(**fields: Any) -> dict[str, Any]:
    return {"Redrive": fields}


def test_quarantined_usage_is_named_by_key_and_check() -> None:
    found = redrive_of(redrive(Key=KEY + CHECK))

    assert (found.key.hex(), (found.check or b"").hex()) == (KEY, CHECK)


def test_letters_of_a_key_may_be_large() -> None:
    assert redrive_of(redrive(Key=(KEY + CHECK).upper())).key.hex() == KEY


def test_an_expired_usage_record_is_named_by_license_dimension_and_hour() -> None:
    found = redrive_of(redrive(**RECORD))

    assert (found.license, found.dimension, found.hour) == ("l-1", "users", hour_of(NOW_S))


def test_an_expired_usage_record_has_the_key_of_license_dimension_and_hour() -> None:
    assert redrive_of(redrive(**RECORD)).key == record_key("l-1", "users", hour_of(NOW_S))


@pytest.mark.parametrize(
    "fields",
    [{"License": f"{'p' * 255}/{FOUR_BYTES * 255}"}, {"Dimension": FOUR_BYTES * 255}],
)
def test_whatever_was_sealed_can_be_named(fields: dict[str, str]) -> None:
    found = redrive_of(redrive(**RECORD | fields))

    assert {"License": found.license, "Dimension": found.dimension}.items() >= fields.items()


@pytest.mark.parametrize("fields", [{"Key": KEY + CHECK}, RECORD])
def test_it_may_say_to_bill_now(fields: dict[str, Any]) -> None:
    assert redrive_of(redrive(**fields, BillAt="now")).bill_now


@pytest.mark.parametrize("fields", [{}, {"BillAt": None}])
def test_unless_it_says_so_usage_is_billed_at_its_own_time(fields: dict[str, Any]) -> None:
    assert not redrive_of(redrive(Key=KEY + CHECK, **fields)).bill_now


def test_when_it_arrived_is_kept() -> None:
    assert redrive_of(redrive(**RECORD)).arrived_s == NOW_S - 9


@pytest.mark.parametrize(
    "message",
    [
        redrive(),
        redrive(Key=""),
        redrive(Key=KEY),
        redrive(Key=KEY + CHECK + "00"),
        redrive(Key=" ".join([KEY, CHECK[1:]])),
        redrive(Key="x" * 32),
        redrive(Key=7),
        redrive(Key=KEY + CHECK, BillAt="later"),
        redrive(Key=KEY + CHECK, BillAt=True),
        redrive(Key=KEY + CHECK, Reason="bad-tag"),
        redrive(Key=KEY + CHECK, **RECORD),
        redrive(Key=KEY + CHECK, Hour=RECORD["Hour"]),
        redrive(License="l-1", Dimension="users"),
        redrive(**RECORD | {"License": ""}),
        redrive(**RECORD | {"License": "l" * (LICENSE_KEY_BYTES_MAX + 1)}),
        redrive(**RECORD | {"Dimension": ""}),
        redrive(**RECORD | {"Dimension": "d" * 256}),
        redrive(**RECORD | {"Hour": "2026-11-23T10:00Z"}),
        redrive(**RECORD | {"Hour": "2026-11-31T10Z"}),
        redrive(**RECORD) | {"UsageRecord": {}},
        {"Redrive": "all"},
        {"Redrive": None},
        {"Redrive": [KEY + CHECK]},
    ],
)
def test_anything_else_is_rejected(message: Any) -> None:
    rejected = rejected_of(message)

    assert (rejected.reason, rejected.field, rejected.index) == (
        Reason.BAD_REDRIVE,
        "Redrive",
        None,
    )
