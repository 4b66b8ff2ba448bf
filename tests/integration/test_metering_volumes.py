"""Much at once: many dimensions, long messages, large records, and what must not stop everybody.

Every world begins at 10:20.
"""

import json
from random import Random
from string import ascii_letters, digits
from typing import Any

import pytest

from lambdas.customers.license import License
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from tests.world import METERING_CALL, PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
CALL_BYTES_LIMIT = 1_000_000
"""A call has less than 1 MB (API reference of BatchMeterUsage)."""


def sizes_of_calls(world: World) -> list[int]:
    """Bytes of the calls to AWS Marketplace, written down from now on."""
    sizes: list[int] = []
    world.marketplace_client.meta.events.register(
        f"before-call.{METERING_CALL}",
        lambda params, **_: sizes.append(len(params["body"])),
    )
    return sizes


def with_allocations(seed: int, *, sets: int, chars: int) -> dict[str, Any]:
    """Fields of usage that is split by so many sets of tags with values of so many letters."""
    rng = Random(seed)
    return {
        "UsageAllocations": [
            {
                "AllocatedUsageQuantity": 1,
                "Tags": [{"Key": "k0", "Value": "".join(rng.choices(ascii_letters, k=chars))}],
            }
            for _ in range(sets)
        ]
    }


@pytest.mark.parametrize(("dimensions", "calls"), [(25, 1), (26, 2), (250, 10)])
def test_every_dimension_of_an_hour_is_billed(dimensions: int, calls: int) -> None:
    world = World(terms=NO_HEARTBEATS)
    names = [f"d{number}" for number in range(dimensions)]
    buyer = world.buy(dimensions=names)
    world.send_together(*(world.usage(buyer, 1, dimension=name) for name in names))
    world.tick()
    world.advance(minutes=55)

    summary = world.tick()

    assert summary.outcomes == {Status.ACCEPTED: dimensions}
    assert [len(records) for records in world.submitted].count(25) == dimensions // 25
    assert summary.calls == calls
    assert world.billed(buyer) == dimensions


def test_heartbeats_of_many_dimensions_are_all_sent() -> None:
    names = [f"d{number}" for number in range(200)]
    world = World(terms=Terms(dimensions=tuple(names)))
    world.buy(dimensions=names)
    world.tick()
    world.at("2026-11-23T12:15:00+00:00")

    summary = world.tick()

    assert summary.outcomes == {Status.ACCEPTED: 200}
    assert summary.risk.unfinished == 0


def test_messages_of_thousands_of_records_are_counted_whole() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    record = {"LicenseArn": buyer.arn, "Dimension": "users", "Timestamp": int(world.now_s) - 60}
    for message in range(6):
        records = [record | {"Quantity": 1, "Id": f"u-{message}-{at}"} for at in range(5_000)]
        world.send({"UsageRecords": records})

    first = world.tick()
    world.send({"UsageRecords": records})
    again = world.tick(world.wiring())
    world.tick_until_settled(hours=1)

    assert (first.messages, first.counted) == (6, 30_000)
    assert (again.counted, again.duplicates) == (0, 5_000)
    assert world.billed(buyer) == 30_000


def test_a_message_of_a_mebibyte_is_counted() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    record = {"LicenseArn": buyer.arn, "Dimension": "users", "Timestamp": int(world.now_s) - 60}
    body = json.dumps({"UsageRecords": [record | {"Quantity": 1}] * 6_000})
    world.send(body + " " * (1_048_576 - len(body)))

    summary = world.tick()

    assert summary.counted == 6_000


def test_one_bad_record_of_thousands_costs_one_record() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    records = [world.usage(buyer, 1) for _ in range(5_000)]
    records[2_500]["Quantity"] = "many"
    world.send_together(*records)

    world.tick_until_settled(hours=1)

    assert [reason for _, reason in world.quarantined()] == ["wrong-type"]
    assert world.billed(buyer) == 4_999


def test_no_call_has_a_megabyte_however_large_its_records_are() -> None:
    """Each of six records has 2,500 sets of tags, 202,500 bytes as they are written for a call."""
    world = World(terms=NO_HEARTBEATS)
    for number in range(6):
        split = with_allocations(number, sets=2_500, chars=12)
        world.send(world.usage(world.buy(f"{number:012}"), 2_500, **split))
    world.tick()
    world.advance(minutes=55)
    sizes = sizes_of_calls(world)

    summary = world.tick()

    assert max(sizes) < CALL_BYTES_LIMIT
    assert summary.refusals == {}
    assert summary.outcomes == {Status.ACCEPTED: 6}
    assert world.billed() == 6 * 2_500


@pytest.mark.parametrize(("chars", "sets"), [(20, 2_500), (250, 1_250)])
def test_tags_beyond_the_limits_are_merged_and_no_quantity_is_lost(chars: int, sets: int) -> None:
    """AWS Marketplace takes 2,500 sets; an entry of the log may hold less of them."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    for seed in range(3):
        world.send(world.usage(buyer, 2_000, **with_allocations(seed, sets=2_000, chars=chars)))
    world.tick()
    world.advance(minutes=55)
    sizes = sizes_of_calls(world)

    summary = world.tick()

    [[record]] = world.submitted
    assert len(record["UsageAllocations"]) == sets
    assert max(sizes) < CALL_BYTES_LIMIT
    assert summary.outcomes == {Status.ACCEPTED: 1}
    assert world.billed(buyer) == 6_000


def test_usage_whose_tags_exceed_an_entry_is_quarantined_alone() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    huge = world.usage(buyer, 2_400, **with_allocations(0, sets=2_400, chars=255))
    world.send(huge, world.usage(buyer, 7))

    world.tick_until_settled(hours=1)

    assert [reason for _, reason in world.quarantined()] == ["too-large"]
    assert world.billed(buyer) == 7


# What a producer's mistake must not stop


def many_dimensions(world: World, names: list[str]) -> tuple[License, License]:
    """Usage of two customers, one of whom uses a dimension of its own for every event."""
    careless, other = world.buy(dimensions=names), world.buy("222233334444")
    world.send(world.usage(other, 3))
    for at in range(0, len(names), 100):
        world.send_together(
            *(world.usage(careless, 1, dimension=each) for each in names[at : at + 100])
        )
    world.tick()
    return careless, other


def test_thousands_of_dimensions_of_one_license_do_not_stop_the_seal_of_all_others() -> None:
    """Where no dimensions are configured, a producer may name one after every event."""
    world = World(terms=NO_HEARTBEATS)
    rng = Random(0)
    names = ["".join(rng.choices(ascii_letters + digits, k=128)) for _ in range(5_000)]
    _, other = many_dimensions(world, names)
    world.advance(minutes=55)

    world.tick()

    assert world.billed(other) == 3


def test_long_dimensions_of_one_license_do_not_outgrow_the_item_of_their_outcomes() -> None:
    """An item has 400 KB; an outcome that cannot be written stops this and every later tick."""
    world = World(terms=NO_HEARTBEATS)
    names = [f"{number:03}" + "\U00010348" * 252 for number in range(400)]
    careless, other = many_dimensions(world, names)
    world.advance(minutes=55)

    world.tick()
    world.tick_until_settled(hours=3)

    assert world.billed(other) == 3
    assert world.billed(careless) == 400
