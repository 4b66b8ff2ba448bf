"""Ways to lose or double usage that simpler ledgers have: in what is sealed and sent.

The others are in `test_metering_holes.py`.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lambdas.customers.license import License
from lambdas.metering.records import Outcome, Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from sandbox.marketplace.rules import Readings
from sandbox.memory.double import Params
from tests.interruptions import kill, paused, puts_entry
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
TEN, JUDGED = "2026-11-23T10Z", "2026-11-24T10:15:00+00:00"


def a_quarter_past(*dimensions: str) -> tuple[World, License]:
    """A world at 11:15 whose usage of 10:19 is counted and not sealed yet."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(*(world.usage(buyer, 5, dimension=each) for each in dimensions or ["users"]))
    world.tick()
    world.advance(minutes=55)
    return world, buyer


def status(world: World, who: License, dimension: str = "users") -> Status | None:
    outcome = world.outcome(who, dimension)
    return outcome.status if outcome else None


def test_a_duplicate_after_an_earlier_attempt_is_not_taken_for_ours() -> None:
    """Hole 5. Somebody else metered the hour: called accepted, it is revenue that is not there."""
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("timeout-before", times=3))
    world.tick()
    world.bill_elsewhere(buyer, 2, ago_s=3600)

    world.tick(world.wiring())

    assert status(world, buyer) is Status.UNCONFIRMED
    assert world.billed(buyer) == 2


def test_a_record_whose_attempt_was_never_answered_does_not_expire() -> None:
    """Hole 6. Called expired it would be redriven, and billed twice."""
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("timeout-after", times=None))
    world.tick()

    world.at(JUDGED)
    world.tick(world.wiring())

    assert status(world, buyer) is Status.UNCONFIRMED
    assert world.billed(buyer) == 5


def test_an_attempt_is_remembered_though_its_tick_died() -> None:
    """Hole 6, the other half: nobody was left to write down that the answer was lost."""
    world, buyer = a_quarter_past()
    kill(world, after="marketplace.BatchMeterUsage")

    world.at(JUDGED)
    world.tick(world.wiring())

    assert status(world, buyer) is Status.UNCONFIRMED


def test_late_usage_does_not_ride_on_into_another_month() -> None:
    """Hole 7. It would be billed in a month in which it was not used."""
    world = World(terms=NO_HEARTBEATS, start=datetime(2026, 11, 30, 23, 50, tzinfo=UTC))
    buyer = world.buy()
    late = world.usage(buyer, 5)
    world.tick()
    world.at("2026-12-01T03:05:00+00:00")
    world.tick()

    world.send(late, world.usage(buyer, 7))
    world.tick_until_settled(hours=2)

    assert [reason for _, reason in world.quarantined()] == ["expired"]
    assert {(line.hour.month, line.quantity) for line in world.marketplace.usage()} == {
        (12, Decimal(7))
    }


def test_a_record_has_one_timestamp_for_ever() -> None:
    """Hole 8. A start that is learned between two attempts must not give the hour two times."""
    world = World(terms=NO_HEARTBEATS, readings=Readings(same_time="exact-time"))
    buyer = world.change(world.buy(), start_s=None)
    world.send(world.usage(buyer, 5, ago_s=300))
    world.tick()
    world.advance(minutes=55)
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()

    world.change(buyer, start_s=int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()))
    world.tick(world.wiring())

    times = {record["Timestamp"] for records in world.submitted for record in records}
    assert times == {datetime(2026, 11, 23, 10, 15, tzinfo=UTC)}
    assert world.billed(buyer) == 5


def test_a_zero_that_was_decided_on_is_reported_whoever_dies() -> None:
    """Hole 8, the other half. Decided on while sending, nobody would report them after a death."""
    world = World(terms=Terms(dimensions=("users",), product_code=PRODUCT))
    buyer = world.buy()
    world.tick()
    world.at("2026-11-23T12:15:00+00:00")

    kill(world, after="dynamodb.PutItem", where=puts_entry("seal"))
    world.tick(world.wiring())

    [zero] = [line for line in world.marketplace.usage() if line.license_arn == buyer.arn]
    assert zero.hour.hour == 11
    assert zero.quantity == 0


def test_an_hour_is_not_sealed_over_a_backlog() -> None:
    """Hole 12. After an outage, most usage would ride on, at a month's end into the wrong one."""
    world = World(terms=NO_HEARTBEATS, start=datetime(2026, 11, 30, 23, 50, tzinfo=UTC))
    buyer = world.buy()
    world.tick()
    world.send(world.usage(buyer, 5), world.usage(buyer, 6, dimension="api-calls"))
    world.at("2026-12-01T03:05:00+00:00")

    def receiving_takes_long(name: str, _: Params) -> None:
        world.advance(seconds=200 if name == "sqs.ReceiveMessage" else 0)

    with world.hooked(before=receiving_takes_long):
        busy = world.tick()
    world.at("2026-12-01T03:30:00+00:00")
    world.tick()

    assert (busy.drained, busy.hours_sealed) == (False, 0)
    assert {(line.hour.day, line.hour.hour) for line in world.marketplace.usage()} == {(30, 23)}
    assert world.billed(buyer) == 11


def test_expired_is_not_written_over_accepted() -> None:
    """Hole 14. Of two ticks at once, one judges what the other has just sent."""
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("ThrottlingException"))
    world.tick()
    world.at(JUDGED)

    with paused(world, before="dynamodb.UpdateItem"):
        world.at("2026-11-24T09:55:00+00:00")
        world.tick(world.wiring())
        world.at(JUDGED)

    assert status(world, buyer) is Status.ACCEPTED


def test_a_record_of_usage_with_many_tag_keys_is_taken() -> None:
    """Hole 15. Each usage has five keys at the most, but all of an hour together have more."""
    world = World(terms=NO_HEARTBEATS, readings=Readings(tag_keys="record"))
    buyer = world.buy()
    for number in range(8):
        tags = [{"Key": f"k{number}", "Value": "v"}]
        split = [{"AllocatedUsageQuantity": 1 + number, "Tags": tags}]
        world.send(world.usage(buyer, 1 + number, UsageAllocations=split))
    world.tick()
    world.advance(minutes=55)

    summary = world.tick()

    [record] = world.submitted[0]
    kept = {tag["Key"] for part in record["UsageAllocations"] for tag in part.get("Tags", ())}
    assert summary.outcomes == {Status.ACCEPTED: 1}
    assert kept == {"k3", "k4", "k5", "k6", "k7"}
    assert world.billed(buyer) == sum(range(1, 9))


def test_outcomes_of_one_hour_do_not_overwrite_each_other() -> None:
    """Hole 18. Two ticks put the item of a license and hour whole, each as it knows it."""
    world, buyer = a_quarter_past("users", "api-calls")
    world.marketplace.inject(Fault("unprocessed", times=3, records=1))

    with paused(world, before="dynamodb.UpdateItem"):
        world.tick(world.wiring())

    assert status(world, buyer, "users") is Status.ACCEPTED
    assert status(world, buyer, "api-calls") is Status.ACCEPTED


def test_an_outcome_is_one_attribute_of_its_item() -> None:
    """Hole 18, in the request: an update of no more than what was accepted, unconditionally."""
    world, _ = a_quarter_past("users", "api-calls")
    writes: list[Params] = []

    def look(name: str, params: Any) -> None:
        item = params.get("Item") or params.get("Key") or {}
        if name.startswith("dynamodb.") and item.get("pk", {}).get("S", "").startswith("license#"):
            writes.append(params)

    with world.hooked(before=look):
        world.tick()

    [names] = [each["ExpressionAttributeNames"].values() for each in writes]
    assert sorted(names) == ["d:api-calls", "d:users", "expires"]
    assert not any("ConditionExpression" in each for each in writes)


def test_an_unconfirmed_record_is_not_redriven() -> None:
    """Hole 19. It may be on the bill; counted again, it would be there twice."""
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()
    world.at(JUDGED)
    world.tick()

    world.redrive((buyer, "users", TEN), bill_now=True)
    summary = world.tick()
    world.tick_until_settled(hours=2)

    assert status(world, buyer) is Status.UNCONFIRMED
    assert summary.counted == 0
    assert world.billed(buyer) == 5


def test_an_older_submitters_hours_are_left_alone() -> None:
    """Hole 20. Usage before the cut-over is another submitter's, and a zero would burn its hour."""
    cut_over = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
    world = World(terms=Terms(dimensions=("users",), metering_from_s=cut_over))
    buyer = world.buy()
    world.send(world.usage(buyer, 5))
    world.tick()
    world.at("2026-11-23T12:59:00+00:00")
    world.send(world.usage(buyer, 3))
    world.tick()

    world.at("2026-11-23T14:15:00+00:00")
    world.tick()

    assert [reason for _, reason in world.quarantined()] == ["before-metering-from"]
    billed = {(line.hour.hour, line.quantity) for line in world.marketplace.usage()}
    assert billed == {(12, Decimal(3)), (13, Decimal(0))}


def test_outcomes_hold_what_was_sent() -> None:
    """What an operator compares with CloudTrail where a record is unconfirmed."""
    world, buyer = a_quarter_past()
    world.tick()

    outcome = world.outcome(buyer)
    [item] = world.items(f"license#{buyer.key}")

    assert isinstance(outcome, Outcome)
    assert item["d:users"]["M"]["quantity"] == {"N": "5000000"}
    assert item["d:users"]["M"]["timestamp"] == {
        "N": str(int(datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp()))
    }
