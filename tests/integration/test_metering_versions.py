"""Every stored item has a version: one that a newer release has written stops a tick, at no loss.

Every world begins at 10:20.
"""

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.customers.license import License
from lambdas.metering.hours import hour_from_text
from lambdas.metering.terms import Terms
from lambdas.versions import UnknownVersionError
from sandbox.marketplace.faults import Fault
from tests.world import CUSTOMERS, LEDGER, PRODUCT, World


def stocked(*, whole: bool = False) -> tuple[World, License]:
    """A world at 13:15 whose ledger holds an item of every kind, and whose queue holds usage.

    Another license's record of hour 10 is refused for now, ours of hour 11 is in doubt, and that of
    hour 12 is not sealed yet. The whole of it has quarantined usage that takes several items.
    """
    world = World(terms=Terms(dimensions=("users",), product_code=PRODUCT))
    buyer, other = world.buy(), world.buy("222233334444")
    world.marketplace.change_license(other.arn, "suspend")
    world.table.put_refused_zero(other.key, "users", int(world.now_s))
    world.send("{", world.usage(buyer, 5), world.usage(other, 4))
    if whole:
        world.send("{" + "".join(world.rng.choices("0123456789abcdef", k=1_000_000)))
    world.tick()
    world.at("2026-11-23T11:15:00+00:00")
    world.send(world.usage(buyer, 3))
    world.tick()
    world.at("2026-11-23T12:15:00+00:00")
    world.send(world.usage(buyer, 2))
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()
    world.at("2026-11-23T13:15:00+00:00")
    world.send(world.usage(buyer, 1))
    return world, buyer


def settle(world: World) -> None:
    """Let fresh containers go on, once the messages of dead ticks are seen again."""
    world.advance(minutes=16)
    world.tick(world.wiring())
    world.advance(minutes=60)
    world.tick(world.wiring())


def name_of_pieces(world: World) -> str:
    [name] = {str(each["pk"]["S"]).partition("#")[2] for each in items_of(world, "piece")}
    return name


def partition(item: dict[str, Any]) -> str:
    name: str = item["pk"]["S"]
    return name.partition("#")[0]


def items_of(world: World, kind: str) -> list[dict[str, Any]]:
    """The items of one kind, in whichever table."""
    if kind == "customers":
        items = world.dynamodb.items(CUSTOMERS)
        return [each for each in items if each["sk"]["S"] == "license"]
    items = world.dynamodb.items(LEDGER)
    if kind in ("fold", "seal"):
        return [each for each in items if each.get("kind") == {"S": kind}]
    if kind == "piece":
        return [each for each in items if each["pk"]["S"].startswith("quarantine#")]
    if kind == "quarantine":
        return [each for each in items if each["pk"]["S"] == "quarantine"]
    return [each for each in items if partition(each) == kind]


def versions(item: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of an item that have a version: itself, or each outcome in it."""
    if partition(item) == "license" and item["sk"]["S"] != "license":
        return [each["M"] for name, each in item.items() if name.startswith("d:")]
    return [item]


def rewrite(world: World, kind: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change every item of a kind, as another release might have written it."""
    table = CUSTOMERS if kind == "customers" else LEDGER
    found = items_of(world, kind)
    assert found, f"there is no {kind}"
    for item in found:
        for part in versions(item):
            change(part)
        world.tables_client.put_item(TableName=table, Item=item)


def make_newer(world: World, kind: str) -> None:
    rewrite(world, kind, lambda part: part.update(v={"N": "2"}))


READ_BY_A_TICK = ("fold", "seal", "settled", "call", "license", "refused-zero", "customers")
READ_BY_A_REDRIVE = ("quarantine", "piece")
KINDS = (*READ_BY_A_TICK, *READ_BY_A_REDRIVE)


def test_every_item_is_written_with_its_version() -> None:
    world, _ = stocked(whole=True)

    for kind in KINDS:
        found = [part["v"] for item in items_of(world, kind) for part in versions(item)]

        assert found, kind
        assert all(each == {"N": "1"} for each in found), kind


def test_nothing_in_the_ledger_is_without_a_version() -> None:
    world, _ = stocked(whole=True)

    for item in world.dynamodb.items(LEDGER):
        assert all("v" in part for part in versions(item)), item


@pytest.mark.parametrize("kind", READ_BY_A_TICK)
def test_a_tick_refuses_what_a_newer_release_has_written(kind: str) -> None:
    world, _ = stocked()
    make_newer(world, kind)

    with pytest.raises(UnknownVersionError, match="has version 2, and this release knows version"):
        world.tick(world.wiring())


@pytest.mark.parametrize("kind", READ_BY_A_REDRIVE)
def test_a_redrive_refuses_what_a_newer_release_has_written(kind: str) -> None:
    world, _ = stocked(whole=True)
    name = name_of_pieces(world)
    make_newer(world, kind)
    world.redrive(name)

    with pytest.raises(UnknownVersionError, match=f"quarantine.*{name}.* has version 2"):
        world.tick(world.wiring())


def test_quarantine_that_a_newer_release_has_written_is_not_replaced() -> None:
    world = World(terms=Terms(product_code=PRODUCT))
    bad = world.usage(world.buy(), -1, id_="u-1")
    world.send(bad)
    world.tick()
    make_newer(world, "quarantine")
    newer = items_of(world, "quarantine")
    world.send(bad)

    with pytest.raises(UnknownVersionError, match=r"quarantine.* has version 2"):
        world.tick(world.wiring())

    assert items_of(world, "quarantine") == newer


def test_a_redrive_of_a_record_refuses_a_newer_outcome() -> None:
    world, buyer = stocked()
    make_newer(world, "license")

    with pytest.raises(UnknownVersionError, match="d:users has version 2"):
        world.outcomes_table.expired((buyer.key, "users", hour_from_text("2026-11-23T10Z")))


def test_the_refusal_names_the_item_and_what_to_do() -> None:
    world, _ = stocked()
    make_newer(world, "settled")

    with pytest.raises(UnknownVersionError) as error:
        world.tick(world.wiring())

    assert str(error.value) == (
        "settled / settled has version 2, and this release knows version 1 at most: a newer release"
        " has written it, so deploy that one again"
    )


@pytest.mark.parametrize("kind", READ_BY_A_TICK)
def test_usage_and_records_stay_until_the_newer_release_is_back(kind: str) -> None:
    world, buyer = stocked()
    make_newer(world, kind)
    for _ in range(2):
        with pytest.raises(UnknownVersionError):
            world.tick(world.wiring())
        world.advance(minutes=5)

    rewrite(world, kind, lambda part: part.update(v={"N": "1"}))
    settle(world)

    assert world.billed(buyer) == 5 + 3 + 2 + 1


@pytest.mark.parametrize("kind", [each for each in KINDS if each not in ("fold", "seal")])
def test_what_was_written_before_there_were_versions_is_read(kind: str) -> None:
    """Entries of the log have had one from the first; so all others are of version 1."""
    world, buyer = stocked(whole=kind in READ_BY_A_REDRIVE)
    rewrite(world, kind, lambda part: part.pop("v"))

    if kind in READ_BY_A_REDRIVE:
        world.redrive(name_of_pieces(world))
    settle(world)

    assert world.billed(buyer) == 5 + 3 + 2 + 1
