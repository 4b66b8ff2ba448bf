"""`marketplace explain`: where one usage event went, by its Id or by the message it came in."""

from typing import Any

import pytest

from lambdas.customers.license import License
from lambdas.metering.terms import Terms
from tests.ops_stage import Stage
from tests.world import BUYER, PRODUCT, World

OTHER = "222233334444"


def sent(*records: dict[str, Any], world: World | None = None) -> Stage:
    """A stack that has counted records, each in a message of its own."""
    stage = Stage(world or a_world())
    stage.world.send(*records)
    stage.world.tick()
    return stage


def a_world() -> World:
    return World(terms=Terms(product_code=PRODUCT))


def by_license(stage: Stage, buyer: License, *more: str, text: str = "a") -> Any:
    return stage.asks("explain", text, "--license", buyer.arn, *more)


def test_an_id_is_found_in_its_record() -> None:
    world = a_world()
    buyer = world.buy()
    stage = sent(world.usage(buyer, 3, id_="a"), world=world)

    [found] = by_license(stage, buyer)["ledger"]

    assert (found["entry"], found["certain"]) == (2, True)
    assert [(each["hour"], each["quantity_added"]) for each in found["records"]] == [
        ("2026-11-23T10Z", "3")
    ]


def test_what_became_of_the_record_is_told() -> None:
    world = a_world()
    buyer = world.buy()
    stage = sent(world.usage(buyer, 3, id_="a"), world=world)

    def became() -> Any:
        [found] = by_license(stage, buyer)["ledger"]
        return found["records"][0]

    before = became()
    world.advance(minutes=55)
    world.tick()
    after = became()

    assert (before["status"], before["metering_record_id"]) == ("open", None)
    outcome = world.outcome(buyer)
    assert outcome is not None
    assert after["status"] == "accepted"
    assert after["metering_record_id"] == outcome.metering_record_id


def test_usage_that_named_an_account_is_found_by_it() -> None:
    world = a_world()
    buyer = world.buy()
    world.buy(OTHER)
    stage = sent(world.usage(BUYER, 3, id_="a"), world.usage(OTHER, 4, id_="a"), world=world)

    [found] = stage.asks("explain", "a", "--account", BUYER)["ledger"]

    assert [each["license"] for each in found["records"]] == [buyer.key]


def test_usage_that_named_an_account_is_found_by_its_license_too() -> None:
    world = a_world()
    buyer = world.buy()
    stage = sent(world.usage(BUYER, 3, id_="a"), world=world)

    assert len(by_license(stage, buyer)["ledger"]) == 1


def test_a_legacy_customer_is_found_by_the_identifier() -> None:
    world = a_world()
    buyer = world.buy_legacy(product_code=PRODUCT)
    record = world.usage(buyer, 3, id_="a")
    del record["ProductCode"]
    stage = sent(record, world=world)

    [found] = stage.asks("explain", "a", "--customer", buyer.customer_identifier)["ledger"]

    assert [each["license"] for each in found["records"]] == [buyer.key]


def test_a_cloud_event_is_found_by_its_source_and_id() -> None:
    world = a_world()
    buyer = world.buy()
    record = world.usage(buyer, 3)
    event = {"specversion": "1.0", "type": "u", "source": "/meter", "id": "ce-1", "data": record}
    stage = sent(event, world=world)

    assert len(by_license(stage, buyer, "--source", "/meter", text="ce-1")["ledger"]) == 1
    assert stage.run("explain", "ce-1", "--license", buyer.key).status == 3


def test_usage_among_other_usage_is_told_apart_by_its_quantity() -> None:
    world = a_world()
    buyer = world.buy()
    stage = sent(
        world.usage(buyer, 3, id_="a"),
        world.usage(buyer, 4, id_="b"),
        world.usage(buyer, 9, id_="c", dimension="reports"),
        world.usage(buyer, 2, id_="d", dimension="reports"),
        world=world,
    )

    def dimensions(*more: str) -> list[str]:
        [found] = by_license(stage, buyer, *more)["ledger"]
        return sorted(each["dimension"] for each in found["records"])

    assert dimensions() == ["reports", "users"]
    assert dimensions("--quantity", "3") == ["users"]


def test_usage_in_quarantine_is_found_there() -> None:
    world = a_world()
    stage = sent(world.usage(OTHER, 3, id_="a"), world=world)

    told = stage.asks("explain", "a", "--account", OTHER)

    assert told["ledger"] == []
    [waiting] = told["quarantine"]
    [(name, _)] = world.quarantined()
    assert (waiting["name"], waiting["reason"]) == (name, "unknown-customer")


def test_an_id_that_was_used_twice_is_found_in_both_places() -> None:
    world = a_world()
    buyer = world.buy()
    stage = sent(world.usage(buyer, 3, id_="a"), world.usage(buyer, 4, id_="a"), world=world)

    told = by_license(stage, buyer)

    assert len(told["ledger"]) == 1
    assert [each["reason"] for each in told["quarantine"]] == ["id-reused"]


def test_a_message_is_found_with_all_that_it_brought() -> None:
    world = a_world()
    buyer = world.buy()
    records = [world.usage(buyer, 3), world.usage(buyer, 4), world.usage(OTHER, 5)]
    stage = Stage(world)
    world.send_together(*records)
    [message] = world.sqs.queue(world.queue_url).messages()
    world.tick()

    told = stage.asks("explain", message.id, "--message")

    assert [each["usages"] for each in told["ledger"]] == [2]
    assert [each["place"] for each in told["quarantine"]] == [2]


def test_what_is_nowhere_is_not_found() -> None:
    world = a_world()
    buyer = world.buy()
    stage = sent(world.usage(buyer, 3, id_="a"), world=world)

    ran = stage.run("explain", "b", "--license", buyer.key)

    assert ran.status == 3
    assert "is neither in quarantine nor in the 45 days" in ran.out


def test_usage_counted_before_the_days_that_are_searched_is_not_found() -> None:
    world = a_world()
    buyer = world.buy()
    stage = sent(world.usage(buyer, 3, id_="a"), world=world)
    world.advance(hours=72)

    assert stage.run("explain", "a", "--license", buyer.key, "--days", "2").status == 3
    assert stage.run("explain", "a", "--license", buyer.key, "--days", "4").status == 0


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--license", "l-1", "--account", BUYER),
        ("--message", "--account", BUYER),
        ("--license", "l-1", "--quantity", "many"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told(options: tuple[str, ...]) -> None:
    ran = Stage(a_world()).run("explain", "a", *options)

    assert ran.status == 1
    assert ran.err


def test_two_accounts_may_use_one_id_for_the_same_quantity() -> None:
    world = a_world()
    buyer = world.buy()
    world.buy(OTHER)
    stage = sent(world.usage(BUYER, 3, id_="a"), world.usage(OTHER, 3, id_="a"), world=world)

    [found] = stage.asks("explain", "a", "--account", BUYER)["ledger"]

    assert [each["license"] for each in found["records"]] == [buyer.key]
