"""A tick may die anywhere: what each kind of death leaves behind, and how the next tick goes on."""

from dataclasses import replace
from random import Random

from lambdas.customers.license import License, LicenseKey
from lambdas.metering.terms import Terms
from tests.interruptions import kill, of_partition, puts_entry
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
LATE_MINUTES = (5, 11, 60, 25 * 60)
"""Between the ticks after a death: the second one sees its messages again, the third seals what it
counts, and before the last every window has closed."""


def settle(world: World) -> None:
    """Let fresh containers go on until there is nothing left to do."""
    for minutes in LATE_MINUTES:
        world.advance(minutes=minutes)
        world.tick(world.wiring())


def in_queue(world: World) -> int:
    return len(world.sqs.queue(world.queue_url).messages())


def a_quarter_past(*dimensions: str) -> tuple[World, License]:
    """A world at 11:15 whose usage of 10:19 is counted and not sealed yet."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(dimensions=("users", "api-calls"))
    world.send(*(world.usage(buyer, 5, dimension=each) for each in dimensions or ["users"]))
    world.tick()
    world.advance(minutes=55)
    return world, buyer


def test_after_receive_and_before_append_the_messages_come_back() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()
    world.send(world.usage(buyer, 5), world.usage(buyer, 2, id_="u-1"), "not JSON")

    kill(world, before="dynamodb.PutItem", where=puts_entry("fold"))
    left = in_queue(world)
    settle(world)

    assert left == 3
    assert world.billed(buyer) == 7
    assert [reason for _, reason in world.quarantined()] == ["bad-json"]
    assert in_queue(world) == 0


def test_after_append_and_before_quarantine_nothing_is_counted_again() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()
    world.send_together(world.usage(buyer, 5), world.usage("999999999999", 3))

    kill(world, after="dynamodb.PutItem", where=puts_entry("fold"))
    waiting = world.quarantined()
    settle(world)

    assert waiting == []
    assert world.billed(buyer) == 5
    assert [reason for _, reason in world.quarantined()] == ["unknown-customer"]
    assert in_queue(world) == 0


def test_after_quarantine_and_before_deletion_it_is_quarantined_under_the_same_key() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()
    world.send_together(world.usage(buyer, 5), world.usage("999999999999", 3))

    kill(world, before="sqs.DeleteMessageBatch")
    waiting = world.quarantined()
    settle(world)

    assert len(waiting) == 1
    assert world.quarantined() == waiting
    assert world.billed(buyer) == 5


def test_after_seal_and_before_submit_the_next_tick_sends() -> None:
    world, buyer = a_quarter_past()

    kill(world, after="dynamodb.PutItem", where=puts_entry("seal"))
    sent = list(world.submitted)
    world.advance(minutes=5)
    world.tick(world.wiring())

    assert sent == []
    assert world.billed(buyer) == 5


def test_between_two_seals_of_one_hour_the_next_tick_seals_the_rest() -> None:
    """Tags make the hour's records too large for one entry, so that its seal is in parts."""
    world = World(terms=NO_HEARTBEATS)
    rng = Random(0)
    buyers = [world.buy(f"{number:012}") for number in (1, 2, 3)]
    for each in buyers:
        split = [
            {
                "AllocatedUsageQuantity": 1,
                "Tags": [{"Key": "k", "Value": f"{rng.getrandbits(960)}"[:250]}],
            }
            for _ in range(1_500)
        ]
        world.send(world.usage(each, 1_500, UsageAllocations=split))
    world.tick()
    world.advance(minutes=55)

    kill(world, after="dynamodb.PutItem", where=puts_entry("seal"))
    ledger = world.wiring().log.read(int(world.now_s))
    settle(world)

    assert ledger.early
    assert ledger.open
    assert [world.billed(each) for each in buyers] == [1_500] * 3


def test_after_the_call_and_before_outcomes_the_same_records_are_sent_again() -> None:
    world, buyer = a_quarter_past()

    kill(world, after="marketplace.BatchMeterUsage")
    held = len(world.items("call"))
    world.advance(minutes=5)
    world.tick(world.wiring())

    assert held == 1
    assert world.submitted[0] == world.submitted[1]
    assert list(world.outcomes().values()) == ["accepted"]
    assert world.billed(buyer) == 5


def test_before_the_call_nothing_is_on_the_bill_but_it_may_be() -> None:
    world, buyer = a_quarter_past()

    kill(world, before="marketplace.BatchMeterUsage")
    world.at("2026-11-24T10:15:00+00:00")
    world.tick(world.wiring())

    assert list(world.outcomes().values()) == ["unconfirmed"]
    assert world.billed(buyer) == 0


def test_between_two_outcomes_of_one_call_the_other_record_is_sent_again() -> None:
    world, buyer = a_quarter_past()
    other = world.buy("222233334444")
    world.send(world.usage(other, 5, ago_s=3600))

    kill(world, after="dynamodb.UpdateItem")
    settle(world)

    assert [len(records) for records in world.submitted] == [2, 1]
    assert list(world.outcomes().values()) == ["accepted", "accepted"]
    assert [world.billed(buyer), world.billed(other)] == [5, 5]


def test_after_outcomes_and_before_the_call_is_forgotten_the_next_tick_forgets_it() -> None:
    world, buyer = a_quarter_past()

    kill(world, before="dynamodb.DeleteItem", where=of_partition("call"))
    settle(world)

    assert len(world.submitted) == 1
    assert world.items("call") == []
    assert world.billed(buyer) == 5


def test_between_two_halves_of_a_split_batch_identical_records_are_sent_again() -> None:
    world, buyer = a_quarter_past()
    stranger = replace(buyer, key=LicenseKey("l-0"), arn=buyer.arn.replace(buyer.key, "l-0"))
    world.customers.save(stranger)
    world.send(*(world.usage(stranger, 1, dimension=f"d{at}", ago_s=3600) for at in range(3)))

    kill(world, after="marketplace.BatchMeterUsage", nth=2)
    settle(world)

    assert [len(records) for records in world.submitted[:2]] == [4, 2]
    again = [record for records in world.submitted[2:] for record in records]
    assert all(record in world.submitted[0] for record in again)
    assert world.billed(buyer) == 5
    assert list(world.outcomes().values()).count("accepted") == 1


def test_after_a_redrive_is_counted_and_before_quarantine_forgets_it_it_counts_once() -> None:
    world = World(terms=NO_HEARTBEATS)
    world.send(world.usage("222233334444", 4))
    world.tick()
    buyer = world.buy("222233334444")
    [(name, _)] = world.quarantined()
    world.redrive(name)

    kill(world, before="dynamodb.DeleteItem", where=of_partition("quarantine"))
    settle(world)

    assert world.billed(buyer) == 4
    assert world.quarantined() == []


def test_between_two_pieces_of_a_large_text_nothing_is_taken_for_whole() -> None:
    world = World(terms=NO_HEARTBEATS)
    world.tick()
    text = f"{Random(0).getrandbits(3_000_000):x}"
    world.send(text)

    kill(world, after="dynamodb.PutItem", where=lambda params: "text" in params["Item"])
    waiting = world.quarantined()
    settle(world)

    [(name, _)] = world.quarantined()
    whole = world.quarantine.get(name)
    assert waiting == []
    assert whole is not None
    assert whole.text == text
