"""Small promises that no other test holds: what a reader would take for granted."""

import time

import pytest

from lambdas.metering.forms import Form, split, standalone
from lambdas.metering.hours import HOUR_S, hour_from_text, hour_of
from lambdas.metering.keys import record_key
from lambdas.metering.ledger import FULL_HOURS_MAX, keys_among, oldest_open_s, pack
from lambdas.metering.records import LATE_S, Outcome, Status, is_due, too_late
from lambdas.metering.redrives import Redrive
from lambdas.metering.seal import first_entry
from lambdas.metering.terms import Terms
from lambdas.metering.timestamps import FUTURE_S_MAX
from tests.unit.metering_stage import LICENSE, NOW_S, THIS_HOUR, sealed
from tests.unit.usage_messages import NOW_S as READ_S
from tests.unit.usage_messages import record, redrive_of, rejected_of, usage_of

MARK = "\ufeff"
"""What some editors and languages begin UTF-8 with."""

ARRIVED_S = READ_S - 9
SIX_HOURS = Terms(window_hours=6)


def test_a_redrive_of_quarantined_usage_holds_its_key_and_check() -> None:
    key = "00112233445566778899aabb"

    found = redrive_of({"Redrive": {"Key": key + "ccddeeff"}})

    check = bytes.fromhex("ccddeeff")
    assert found == Redrive(bytes.fromhex(key), check, None, "", None, False, ARRIVED_S)


def test_a_redrive_of_an_expired_record_holds_its_license_dimension_and_hour() -> None:
    order = {"License": LICENSE, "Dimension": "users", "Hour": "2026-11-23T10Z", "BillAt": "now"}

    found = redrive_of({"Redrive": order})

    key = record_key(LICENSE, "users", THIS_HOUR)
    assert found == Redrive(key, None, LICENSE, "users", THIS_HOUR, True, ARRIVED_S)


def test_a_redrive_may_begin_with_a_byte_order_mark() -> None:
    key = "0" * 32

    assert redrive_of(f'{MARK}{{"Redrive": {{"Key": "{key}"}}}}').key == bytes(12)


@pytest.mark.parametrize("body", ['{"Dimension": "users"}', '{"Dimension": 1}'])
def test_a_record_alone_is_a_form_of_its_own(body: str) -> None:
    assert split(body).form is Form.RECORD


def test_a_seal_is_stored_without_keys() -> None:
    assert pack(first_entry(NOW_S)).keys == b""


def test_a_record_of_a_message_that_begins_with_a_byte_order_mark_stands_alone() -> None:
    message = split(MARK + '{"UsageRecords": [{"Quantity": 1}, {"Quantity": "x"}]}')

    assert standalone(message, 1) == '{"UsageRecords": [{"Quantity": "x"}]}'


def test_two_unreadable_messages_have_two_checks() -> None:
    first, second = rejected_of("quantity=1"), rejected_of("quantity=2")

    assert first.key == second.key
    assert first.check != second.check


def test_an_unreadable_message_keeps_when_it_arrived() -> None:
    assert rejected_of("quantity=1").arrived_s == ARRIVED_S


def test_a_message_that_is_nested_too_deeply_keeps_its_place_and_when_it_arrived() -> None:
    deep = "[" * 100_000

    first, second = rejected_of(deep, message_id="m-1"), rejected_of(deep, message_id="m-2")

    assert first.key != second.key
    assert first.arrived_s == ARRIVED_S


def test_a_rejected_record_keeps_when_it_arrived() -> None:
    assert rejected_of(record(Quantity=-1)).arrived_s == ARRIVED_S


def test_usage_keeps_when_it_arrived() -> None:
    assert usage_of(record()).arrived_s == ARRIVED_S


def test_keys_are_picked_one_behind_the_other() -> None:
    first, second = b"a" * 12 + b"1234", b"b" * 12 + b"5678"

    assert keys_among(first + second, {b"a" * 12, b"b" * 12}) == first + second


def test_an_entry_of_before_the_oldest_open_usage_holds_none_of_an_open_hour() -> None:
    last_s = oldest_open_s(THIS_HOUR) - 1

    assert hour_of(last_s + FUTURE_S_MAX) + FULL_HOURS_MAX <= THIS_HOUR


def test_an_hour_is_read_in_utc_wherever_the_reader_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert hour_from_text("1970-01-02T01Z") == 25
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_record_is_due_only_in_the_window_of_the_settings() -> None:
    record_ = sealed()
    closed_s = record_.frozen.timestamp_s + 6 * HOUR_S

    assert is_due(record_, None, now_s=closed_s - 1, terms=SIX_HOURS)
    assert not is_due(record_, None, now_s=closed_s, terms=SIX_HOURS)


def test_a_record_is_judged_by_the_window_of_the_settings() -> None:
    record_ = sealed()
    late_s = record_.frozen.timestamp_s + 6 * HOUR_S + LATE_S

    judged = too_late(record_, None, maybe_applied=False, now_s=late_s, terms=SIX_HOURS)

    assert judged == Outcome(Status.EXPIRED, late_s, "window-closed")


def test_a_record_that_was_refused_until_its_window_closed_keeps_the_reason() -> None:
    parked = Outcome(Status.PARKED, NOW_S, "InvalidLicenseException")
    late_s = NOW_S + 48 * HOUR_S

    judged = too_late(sealed(), parked, maybe_applied=False, now_s=late_s, terms=Terms())

    assert judged == Outcome(Status.EXPIRED, late_s, "InvalidLicenseException")
