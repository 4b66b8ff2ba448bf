"""A world in a dry-run, and how it is turned into a live one and back.

It begins at 10:20; its usage is of 10:19, is sealed by the first tick after 11:10, and its record
can be sent until 10:00 of the next day.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from lambdas.customers.license import License
from lambdas.metering.ledger import FrozenRecord, Seal, records_of, unpack
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.rules import Readings
from tests.world import PRODUCT, World

LAST_TRY, JUDGED = "2026-11-24T09:59:00+00:00", "2026-11-24T10:15:00+00:00"


def turn(world: World, **terms: Any) -> None:
    """Deploy with other settings: containers start cold."""
    world.terms = replace(world.terms, **terms)
    world.warm = world.wiring()


def go_live(world: World, *, metering_from: str | None = None) -> None:
    """Deploy as live, perhaps from an hour on."""
    begin_s = int(datetime.fromisoformat(metering_from).timestamp()) if metering_from else 0
    turn(world, dry_run=False, metering_from_s=begin_s)


def rehearsing(*, readings: Readings | None = None, **terms: Any) -> tuple[World, License]:
    """A world in a dry-run at 11:15, whose usage of 10:19 is counted and not sealed yet."""
    world = World(terms=Terms(product_code=PRODUCT, dry_run=True, **terms), readings=readings)
    buyer = world.buy()
    world.send(world.usage(buyer, 5))
    world.tick()
    world.advance(minutes=55)
    return world, buyer


def metering() -> tuple[World, License]:
    """The same world, live."""
    world, buyer = rehearsing()
    go_live(world)
    return world, buyer


def status(world: World, who: License, hour: str = "2026-11-23T10Z") -> Status | None:
    outcome = world.outcome(who, hour=hour)
    return outcome.status if outcome else None


def outcomes_of(world: World, who: License) -> list[tuple[str, dict[str, Any]]]:
    items = world.items(f"license#{who.key}")
    return [(each["sk"]["S"], each["d:users"]["M"]) for each in items]


def sealed_records(world: World) -> list[FrozenRecord]:
    entries = [(number, unpack(packed)) for number, packed in world.table.entries_after(0)]
    return [
        record.frozen
        for number, entry in entries
        if isinstance(entry, Seal)
        for record in records_of(number, entry)
    ]
