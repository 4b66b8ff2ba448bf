"""Ways to lose or double usage that simpler ledgers have, one by one, each with a test against it.

The first half is about counting: keys, quarantine, the log. `test_metering_holes_of_records.py` is
about what is sealed and sent.
"""

import json
from datetime import timedelta
from random import Random
from string import ascii_letters, digits
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.customers.license import License, State
from lambdas.metering.terms import Terms
from sandbox.memory.double import Fault, Params
from sandbox.memory.dynamodb import TableFaults
from tests.interruptions import kill, puts_entry
from tests.world import BUYER, HOUR, LEDGER, PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)


def with_many_tags(seed: int) -> dict[str, Any]:
    """Fields of usage of 1,400 units, each with a tag of its own: some 250 KB when compressed."""
    rng = Random(seed)
    values = ("".join(rng.choices(ascii_letters + digits, k=240)) for _ in range(1_400))
    tags = [[{"Key": "k", "Value": value}] for value in values]
    return {"UsageAllocations": [{"AllocatedUsageQuantity": 1, "Tags": each} for each in tags]}


def reasons(world: World) -> list[str]:
    return sorted(reason for _, reason in world.quarantined())


def a_folded_message_that_comes_back(world: World, *records: dict[str, Any]) -> None:
    """Send a message that a tick counts and, dying, does not delete."""
    world.send_together(*records)
    kill(world, before="sqs.DeleteMessageBatch")


def test_records_of_one_message_are_counted_one_by_one() -> None:
    """Hole 1. With one key for a message, what of it is not counted yet is lost at redelivery.

    Two records do not fit into one entry; the tick dies between the two entries.
    """
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()
    world.send_together(
        world.usage(buyer, 1_400, **with_many_tags(1)),
        world.usage(buyer, 1_400, dimension="api-calls", **with_many_tags(2)),
    )

    kill(world, after="dynamodb.PutItem", where=puts_entry("fold"))
    known = world.wiring().log.read(int(world.now_s)).keys.count
    world.tick_until_settled(hours=1.5)

    assert known == 1
    assert world.billed(buyer, "users") == 1_400
    assert world.billed(buyer, "api-calls") == 1_400


def test_an_id_is_known_whatever_time_its_copy_bears() -> None:
    """Hole 2. With a log for every hour, nobody looks for an Id in the logs of other hours."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(world.usage(buyer, 5, id_="u-1", ago_s=3 * 3600))
    world.tick_until_settled(hours=3)

    world.send(world.usage(buyer, 5, id_="u-1"))
    world.tick_until_settled(hours=3, cold=True)

    assert world.billed(buyer) == 5


def test_an_id_is_known_though_its_account_holds_another_license_now() -> None:
    """Hole 3. With a key by resolved license only, redelivery finds another license, and counts.

    It becomes known only after the delivery that the license had been replaced before the usage.
    """
    world = World(terms=NO_HEARTBEATS)
    before = world.buy()
    a_folded_message_that_comes_back(world, world.usage(BUYER, 5, id_="u-1"))

    ended_s = int(world.now_s) - HOUR
    world.change(before, state=State.ENDED, ending_since_s=ended_s, ended_s=ended_s)
    after = world.buy()
    world.tick_until_settled(hours=3, cold=True)

    assert world.billed(before) == 5
    assert world.billed(after) == 0


def test_an_id_is_known_whichever_way_its_customer_is_named() -> None:
    """Hole 3, the other half. By the name as written only, two names of a customer count twice."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()

    world.send(world.usage(BUYER, 5, id_="u-1"))
    world.tick()
    world.send(world.usage(buyer, 5, id_="u-1"))
    world.tick_until_settled(hours=2)

    assert world.billed(buyer) == 5


def test_usage_redriven_twice_is_counted_once() -> None:
    """Hole 4. With a new key at every redrive, each of them counts."""
    world = World(terms=NO_HEARTBEATS)
    world.send(world.usage("222233334444", 5))
    world.tick()
    buyer = world.buy("222233334444")
    [(name, _)] = world.quarantined()

    world.redrive(name)
    kill(world, after="dynamodb.PutItem", where=puts_entry("fold"))
    world.redrive(name)
    world.tick_until_settled(hours=2, cold=True)

    assert world.billed(buyer) == 5
    assert world.quarantined() == []


def test_each_quarantined_record_of_a_message_is_redriven_under_a_key_of_its_own() -> None:
    """Hole 4, the other half. With their message's key the second is taken for a copy, and lost."""
    world = World(terms=NO_HEARTBEATS)
    world.send_together(*(world.usage("222233334444", quantity) for quantity in (5, 5, 7)))
    world.tick()
    buyer = world.buy("222233334444")

    for name, _ in world.quarantined():
        world.redrive(name)
        world.tick()
    world.tick_until_settled(hours=2)

    assert world.billed(buyer) == 17


def test_one_id_with_two_quantities_is_told() -> None:
    """Hole 9. With an Id alone to go by, the second quantity is dropped in silence."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()

    world.send(world.usage(buyer, 5, id_="u-1"))
    world.tick()
    world.send(world.usage(buyer, 6, id_="u-1"))
    world.tick_until_settled(hours=2)

    assert world.billed(buyer) == 5
    assert reasons(world) == ["id-reused"]


def test_what_cannot_be_counted_leaves_the_queue_at_its_first_delivery() -> None:
    """Hole 10. A dead-letter queue gives a message another MessageId when it is redriven natively.

    That would count usage without Id again. So nothing may need one: whatever the message is, it
    is received once and is then in quarantine under a key that lasts.
    """
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    poison = [
        "{",
        "[[[[",
        '"text"',
        '{"UsageRecords": 3}',
        '{"Redrive": {}}',
        "\ufeff",
        "[" * 9_999,
    ]
    world.send(world.usage(buyer, 5), *poison)
    received: list[str] = []

    def look(name: str, _: Params) -> None:
        if name == "sqs.DeleteMessageBatch":
            messages = world.sqs.queue(world.queue_url).messages()
            received.extend(str(each.receive_count) for each in messages)

    with world.hooked(before=look):
        world.tick()

    assert received == ["1"] * (1 + len(poison))
    assert world.sqs.queue(world.queue_url).messages() == ()
    assert len(world.quarantined()) == len(poison)


def test_entries_are_filled_by_what_they_take() -> None:
    """Hole 11. Filled by count, one legal record with tags makes an entry that no table takes."""
    world = World(terms=NO_HEARTBEATS)
    buyers = [world.buy(f"{number:012}") for number in range(5)]
    for seed, each in enumerate(buyers):
        world.send(world.usage(each, 1_400, **with_many_tags(seed)))

    summary = world.tick()

    assert summary.counted == 5
    folds = [item for item in world.items("log") if item["kind"] == {"S": "fold"}]
    assert len(folds) == 5
    assert max(len(item["body"]["B"]) for item in folds) < 400 * 1024


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.TWICE, Fault.LATE], ids=str)
def test_after_an_append_of_unknown_fate_all_is_decided_anew(fault: Fault) -> None:
    """Hole 13. The same content put at the next number counts all of it twice."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.tick()
    world.send(world.usage(buyer, 5), world.usage(buyer, 2, id_="u-1"))
    faults = [fault]

    def lose(service: str, operation: str, params: Params) -> Fault | None:
        return faults.pop() if operation == "PutItem" and faults else None

    world.dynamodb.on_call = lose
    world.tick()
    world.dynamodb.on_call = None
    world.dynamodb.land_pending()
    world.tick_until_settled(hours=2)

    assert faults == []
    assert world.billed(buyer) == 7


def test_every_quantity_under_one_id_waits_by_itself() -> None:
    """Hole 16. Quarantine by key alone lets the third quantity overwrite the second."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()

    world.send(*(world.usage(buyer, quantity, id_="u-1") for quantity in (5, 6, 7)))
    world.tick()

    texts = [world.quarantine.get(name) for name, _ in world.quarantined()]
    waiting = {json.loads(each.text)["Quantity"] for each in texts if each is not None}
    assert len(waiting) == 2
    assert waiting < {5, 6, 7}


def test_a_redrive_deletes_only_the_version_that_it_sent() -> None:
    """Hole 16, the other half. What is quarantined again by its redrive must not go with it."""
    world = World(terms=NO_HEARTBEATS)
    world.send(world.usage("222233334444", 5))
    world.tick()
    before = world.quarantined()

    world.redrive(before[0][0])
    world.tick()

    assert world.quarantined() == before
    assert world.sqs.queue(world.queue_url).messages() == ()


def test_a_redrive_is_compared_with_all_that_was_counted_since_the_usage() -> None:
    """Hole 17. Its quarantine is younger than the day on which a copy of it was counted.

    The usage is counted. A copy comes thirty hours later, when its Id is forgotten and its hour is
    gone, and is quarantined; an operator has it billed now. Looking back from the quarantine only,
    nobody finds that it was counted.
    """
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    usage = world.usage(buyer, 5, id_="u-1")
    world.send(usage)
    for _ in range(31):
        world.tick(world.wiring())
        world.advance(hours=1)
    world.send(usage)
    world.tick(world.wiring())
    [(name, reason)] = world.quarantined()
    world.advance(hours=20)

    world.redrive(name, bill_now=True)
    summary = world.tick(world.wiring())
    world.tick_until_settled(hours=2)

    assert reason == "expired"
    assert (summary.counted, summary.duplicates) == (0, 1)
    assert world.billed(buyer) == 5
    assert world.quarantined() == []


def test_an_account_means_the_license_that_it_held_when_it_used() -> None:
    """Hole 21. By today's licenses, usage from before a replacement goes to the replacement."""
    world = World(terms=NO_HEARTBEATS)
    before = world.buy()
    used = world.usage(BUYER, 5, ago_s=600)
    replaced = world.time()
    ended_s = int(world.now_s)
    world.change(before, state=State.ENDED, ending_since_s=ended_s, ended_s=ended_s)
    after = world.buy(start=replaced)

    world.advance(minutes=10)
    world.send(used, world.usage(BUYER, 7))
    world.tick()
    world.tick_until_settled(hours=2)

    assert world.billed(before) == 5
    assert world.billed(after) == 7


def test_usage_of_an_account_is_not_billed_to_a_license_that_had_ended_before() -> None:
    """Hole 21, the other half."""
    world = World(terms=NO_HEARTBEATS)
    ended = world.buy()
    ended_s = int((world.time() - timedelta(hours=2)).timestamp())
    world.change(ended, state=State.ENDED, ending_since_s=ended_s, ended_s=ended_s)

    world.send(world.usage(BUYER, 5))
    world.tick_until_settled(hours=2)

    assert world.billed(ended) == 0
    assert reasons(world) == ["unknown-customer"]


def everything_once(world: World) -> tuple[License, list[Params]]:
    """Count, quarantine, redrive, seal and send; returns the reads of the ledger table."""
    buyer = world.buy()
    reads: list[Params] = []

    def look(name: str, params: Params) -> None:
        if name in ("dynamodb.GetItem", "dynamodb.Query") and params["TableName"] == LEDGER:
            reads.append(params)
        if name == "dynamodb.BatchGetItem" and LEDGER in params["RequestItems"]:
            reads.append(params["RequestItems"][LEDGER])

    with world.hooked(before=look):
        world.send(world.usage(buyer, 5), world.usage("222233334444", 2))
        world.tick()
        world.buy("222233334444")
        world.redrive(world.quarantined()[0][0])
        world.tick_until_settled(hours=2, cold=True)
    return buyer, reads


def test_every_read_of_the_ledger_is_consistent() -> None:
    """Hole 22. A read that may be old lets an append, an outcome or a call go unseen."""
    _, reads = everything_once(World())

    assert len(reads) > 100
    assert all(read.get("ConsistentRead") is True for read in reads)


def test_replicas_that_lag_change_nothing() -> None:
    """Hole 22, seen from the bill."""
    world = World(terms=NO_HEARTBEATS)
    world.dynamodb.faults = TableFaults(stale_read=1.0, stale_seconds=3_600)

    everything_once(world)

    assert world.billed() == 7


def test_a_number_of_the_log_is_never_written_twice() -> None:
    """Hole 22, why a second writer elsewhere is forbidden: the condition holds in one region."""
    world = World(terms=NO_HEARTBEATS)
    world.tick()
    entry = next(iter(world.table.entries_after(0)))[1]
    before = world.items("log")

    assert not world.table.append(1, entry)
    with pytest.raises(ClientError):
        world.tables_client.put_item(
            TableName=LEDGER,
            Item={"pk": {"S": "log"}, "sk": {"S": f"{1:012d}"}},
            ConditionExpression="attribute_not_exists(pk)",
        )
    assert world.items("log") == before
