"""Quarantine keeps usage whole and under its key; a redrive counts it once, or says why not.

Every world begins at 10:20.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from string import ascii_letters, digits
from typing import Any

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.aws import Quarantined
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from sandbox.memory.double import Params
from tests.interruptions import kill, paused
from tests.world import BUYER, DIMENSIONS, HOUR, PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
OTHER = "222233334444"
TEN = "2026-11-23T10Z"


def waiting(world: World) -> list[Quarantined]:
    """What is in quarantine, read back."""
    found = [world.quarantine.get(name) for name, _ in world.quarantined()]
    return [each for each in found if each is not None]


def reasons(world: World) -> list[str]:
    return sorted(reason for _, reason in world.quarantined())


def an_unknown_customer(**fields: Any) -> tuple[World, str]:
    """A world in which usage of an account waits that registers only later; and its name."""
    world = World(terms=NO_HEARTBEATS)
    world.send(world.usage(OTHER, 5, **fields))
    world.tick()
    [(name, _)] = world.quarantined()
    return world, name


def an_expired_record() -> tuple[World, License]:
    """A world a day later, in which a record could not be sent in time."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(state=State.PENDING)
    world.send(world.usage(buyer, 5))
    world.tick()
    world.at("2026-11-24T10:15:00+00:00")
    world.tick()
    return world, world.change(buyer, state=State.ACTIVE)


# What is kept


@pytest.mark.parametrize(
    "text",
    [
        "quantity=5",
        '{"Dimension": "users", "Quantity": 1.50, "Nonsense": [null, "é – ☃ 𝄞"]}',
        '\ufeff  {"UsageRecords" : 3 }\r\n\t',
        '{"a": "\\ud834"}',
        "\U0010fffd\ue000\n",
        "".join(Random(0).choices(ascii_letters + digits, k=1_048_575)),
        "x" * 1_048_576,
    ],
    ids=["plain", "unicode", "white space", "half a surrogate", "rare", "1 MB random", "1 MiB"],
)
def test_a_message_nobody_can_read_is_kept_letter_by_letter(text: str) -> None:
    world = World(terms=NO_HEARTBEATS)
    world.send(text)

    world.tick()

    [kept] = waiting(world)
    assert kept.text == text
    assert world.sqs.queue(world.queue_url).messages() == ()


def test_a_text_too_large_for_an_item_is_kept_in_pieces_and_redriven_whole() -> None:
    world = World(terms=NO_HEARTBEATS)
    text = "".join(Random(0).choices(ascii_letters + digits, k=1_048_575))
    world.send(text)
    world.tick()
    [(name, _)] = world.quarantined()
    pieces = len(world.items(f"quarantine#{name}"))

    world.redrive(name)
    world.tick()

    [kept] = waiting(world)
    assert pieces == 2
    assert kept.text == text
    assert len(world.items(f"quarantine#{name}")) == pieces


def test_pieces_that_another_tick_replaces_meanwhile_do_not_fail_a_tick() -> None:
    world = World(terms=NO_HEARTBEATS)
    world.send("".join(Random(0).choices(ascii_letters + digits, k=1_048_575)))
    world.tick()
    [(name, _)] = world.quarantined()
    world.redrive(name)

    def of_a_piece(params: Params) -> bool:
        return bool(params["Key"]["pk"]["S"].startswith("quarantine#"))

    with paused(world, before="dynamodb.GetItem", where=of_a_piece):
        world.redrive(name)
        world.tick(world.wiring())

    assert len(waiting(world)) == 1


def test_one_record_of_a_message_is_kept_as_a_message_of_its_own() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    bad = world.usage(buyer, 5, Quantity=-1)
    world.send({"ProductCode": "p-1", "UsageRecords": [world.usage(buyer, 5), bad]})

    world.tick()

    [kept] = waiting(world)
    assert json.loads(kept.text) == {"ProductCode": "p-1", "UsageRecords": [bad]}
    assert (kept.reason, kept.field, kept.index) == ("negative", "Quantity", 1)


def test_quarantine_tells_where_usage_came_from_and_when() -> None:
    world, _ = an_unknown_customer()

    [kept] = waiting(world)

    now_s = int(world.now_s)
    assert (kept.arrived_s, kept.first_s, kept.index) == (now_s, now_s, 0)
    assert "redrive once the customer has registered" in kept.tell


def refused(case: str, world: World) -> dict[str, Any]:
    """Usage that is well-formed, and that the ledger refuses."""
    buyer = world.buy()
    if case == "unknown-customer":
        return world.usage(OTHER)
    if case == "ambiguous-customer":
        world.buy()
        return world.usage(BUYER)
    if case == "customer-mismatch":
        return world.usage(buyer, CustomerAWSAccountId=OTHER)
    if case == "license-unknown-yet":
        world.register_early(OTHER)
        return world.usage(OTHER)
    if case == "before-metering-from":
        return world.usage(buyer, ago_s=11 * HOUR)
    world.send(world.usage(buyer, 1, id_="u-1"))
    world.tick()
    return world.usage(buyer, 2, id_="u-1")


@pytest.mark.parametrize(
    "reason",
    [
        "unknown-customer",
        "ambiguous-customer",
        "customer-mismatch",
        "license-unknown-yet",
        "before-metering-from",
        "id-reused",
    ],
)
def test_usage_that_the_ledger_refuses_waits_with_its_reason(reason: str) -> None:
    cut_over = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp())
    world = World(terms=Terms(metering_from_s=cut_over, product_code=PRODUCT))
    good = world.buy("333344445555")

    world.send_together(world.usage(good, 7), refused(reason, world))
    world.tick()

    assert reasons(world) == [reason]
    world.tick_until_settled(hours=1.5)
    assert world.billed(good) == 7


# Redriven usage


def test_usage_is_counted_once_its_customer_has_registered() -> None:
    world, name = an_unknown_customer(ago_s=HOUR)
    buyer = world.buy(OTHER)

    world.redrive(name)
    summary = world.tick()
    world.tick_until_settled(hours=1.5)

    assert summary.counted == 1
    assert world.quarantined() == []
    assert world.billed(buyer) == 5


def test_a_copy_of_redriven_usage_is_known() -> None:
    world, name = an_unknown_customer(id_="u-1")
    buyer = world.buy(OTHER)
    world.redrive(name)
    world.tick()

    world.send(world.usage(OTHER, 5, id_="u-1"), world.usage(buyer, 5, id_="u-1"))
    summary = world.tick(world.wiring())

    assert (summary.counted, summary.duplicates) == (0, 2)


def test_its_own_message_delivered_again_is_known() -> None:
    world = World(terms=NO_HEARTBEATS)
    world.send(world.usage(OTHER, 5))
    kill(world, before="sqs.DeleteMessageBatch")
    buyer = world.buy(OTHER)
    world.redrive(world.quarantined()[0][0])
    world.tick()

    world.tick_until_settled(hours=2, cold=True)

    assert world.billed(buyer) == 5
    assert world.quarantined() == []


def test_two_redrives_in_one_hand_count_once() -> None:
    world, name = an_unknown_customer()
    buyer = world.buy(OTHER)

    world.redrive(name)
    world.redrive(name)
    summary = world.tick()
    world.tick_until_settled(hours=1.5)

    assert (summary.counted, summary.duplicates) == (1, 1)
    assert world.billed(buyer) == 5


def test_a_redrive_that_comes_too_early_waits_with_its_first_time() -> None:
    world, name = an_unknown_customer()
    [before] = waiting(world)

    world.advance(minutes=30)
    world.redrive(name)
    world.tick()

    [after] = waiting(world)
    assert (after.name, after.first_s, after.text) == (name, before.first_s, before.text)
    assert after.version != before.version


def test_a_message_quarantined_again_at_its_redelivery_keeps_its_first_time() -> None:
    world = World(terms=NO_HEARTBEATS)
    world.send("{")
    kill(world, before="sqs.DeleteMessageBatch")
    [before] = waiting(world)

    world.advance(minutes=16)
    world.tick()

    [after] = waiting(world)
    assert after.version != before.version
    assert after.first_s == before.first_s


@pytest.mark.parametrize("order", ["Key", "License"])
def test_a_redrive_of_what_is_not_there_does_nothing(order: str) -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.redrive("00" * 16 if order == "Key" else (buyer, "users", TEN))

    summary = world.tick()

    assert (summary.messages, summary.counted, summary.quarantined.total()) == (1, 0, 0)


def test_a_dimension_that_was_missing_in_the_settings_is_counted_after_they_are_mended() -> None:
    world = World(terms=Terms(dimensions=("users",)))
    buyer = world.buy()
    world.send(world.usage(buyer, 5, dimension="api-calls"))
    world.tick()
    [(name, reason)] = world.quarantined()

    world.terms = Terms(dimensions=DIMENSIONS)
    world.redrive(name)
    world.tick(world.wiring())
    world.at("2026-11-23T11:15:00+00:00")
    world.tick(world.wiring())

    assert reason == "unknown-dimension"
    assert world.billed(buyer, "api-calls") == 5


def test_usage_of_a_closed_hour_is_billed_where_a_person_says_so() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(world.usage(buyer, 5, ago_s=30 * HOUR))
    world.tick()
    [(name, reason)] = world.quarantined()

    world.redrive(name, bill_now=True)
    world.tick()
    world.advance(hours=1)
    world.tick()

    [line] = world.marketplace.usage()
    assert reason == "expired"
    assert (line.hour.day, line.hour.hour, line.quantity) == (23, 10, Decimal(5))


def test_usage_of_a_closed_month_is_billed_in_this_one_only_where_a_person_says_so() -> None:
    world = World(terms=NO_HEARTBEATS, start=datetime(2026, 12, 1, 7, tzinfo=UTC))
    buyer = world.buy()
    world.send(world.usage(buyer, 5, ago_s=9 * HOUR))
    world.tick()
    [(name, _)] = world.quarantined()

    world.redrive(name)
    world.tick()
    still = reasons(world)
    world.redrive(name, bill_now=True)
    world.tick()
    world.tick_until_settled(hours=2)

    [line] = world.marketplace.usage()
    assert still == ["expired"]
    assert (line.hour.month, line.quantity) == (12, Decimal(5))


def days_later(days: float) -> tuple[World, str]:
    """A world so many days after usage was quarantined, a tick having run now and then."""
    world, name = an_unknown_customer(id_="u-1")
    world.buy(OTHER)
    for _ in range(int(days * 2)):
        world.tick()
        world.advance(hours=12)
    world.advance(hours=24 * days - 12 * int(days * 2))
    world.expire_items()
    return world, name


def test_a_redrive_after_a_month_is_counted() -> None:
    world, name = days_later(34.9)

    world.redrive(name, bill_now=True)
    summary = world.tick(world.wiring())

    assert summary.counted == 1
    assert world.quarantined() == []


def test_a_redrive_after_thirty_five_days_is_refused() -> None:
    world, name = days_later(35.1)

    world.redrive(name, bill_now=True)
    summary = world.tick(world.wiring())

    [kept] = waiting(world)
    assert summary.counted == 0
    assert (kept.name, kept.reason) == (name, "redrive-too-old")
    assert json.loads(kept.text)["Id"] == "u-1"


# Expired records


def test_an_expired_record_is_billed_where_a_person_says_so() -> None:
    world, buyer = an_expired_record()

    world.redrive((buyer, "users", TEN), bill_now=True)
    summary = world.tick()
    world.advance(hours=1)
    world.tick()

    [line] = world.marketplace.usage()
    assert summary.counted == 1
    assert (line.hour.day, line.hour.hour, line.quantity) == (24, 10, Decimal(5))


@pytest.mark.parametrize("again", ["at once", "later", "after a death"])
def test_an_expired_record_redriven_twice_is_billed_once(again: str) -> None:
    world, buyer = an_expired_record()
    order = (buyer, "users", TEN)

    world.redrive(order, bill_now=True)
    if again == "at once":
        world.redrive(order, bill_now=True)
    if again == "after a death":
        kill(world, before="sqs.DeleteMessageBatch")
    world.tick(world.wiring())
    world.advance(hours=2)
    world.tick(world.wiring())
    world.advance(hours=30)
    world.redrive(order, bill_now=True)
    world.tick(world.wiring())
    world.tick_until_settled(hours=2)

    assert world.billed(buyer) == 5


def test_an_expired_record_stays_expired_without_bill_at() -> None:
    world, buyer = an_expired_record()

    world.redrive((buyer, "users", TEN))
    summary = world.tick()

    outcome = world.outcome(buyer)
    assert (summary.counted, summary.quarantined.total()) == (0, 0)
    assert outcome is not None
    assert outcome.status is Status.EXPIRED


def sent(world: World, buyer: License) -> None:
    """Accepted."""


def met_by_another(world: World, buyer: License) -> None:
    """A conflict."""
    world.bill_elsewhere(buyer, 2, ago_s=HOUR)


def not_subscribed(world: World, buyer: License) -> None:
    """Parked."""
    world.marketplace.inject(Fault("not-subscribed"))


@pytest.mark.parametrize("happens", [sent, met_by_another, not_subscribed])
def test_only_an_expired_record_is_redriven(happens: Callable[[World, License], None]) -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(world.usage(buyer, 5))
    world.tick()
    world.advance(minutes=55)
    happens(world, buyer)
    world.tick()

    world.redrive((buyer, "users", TEN), bill_now=True)
    summary = world.tick()

    assert (summary.messages, summary.counted) == (1, 0)
