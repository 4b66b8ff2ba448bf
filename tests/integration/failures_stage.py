"""A world for other people's failures, in which what was used can be held against the bill.

The failures, where they were seen, and the tests are listed in docs/failures.md.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from lambdas.customers.license import License
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.rules import Readings
from tests.world import HOUR, PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
"""So that nothing but usage is on the bill."""


def a_world(
    *, start: datetime | None = None, readings: Readings | None = None
) -> tuple[World, License]:
    """Let a log begin, at 10:20 unless told otherwise, and a buyer be known."""
    more: dict[str, Any] = {} if start is None else {"start": start}
    world = World(terms=NO_HEARTBEATS, readings=readings, **more)
    buyer = world.buy()
    world.tick()
    return world, buyer


def a_quarter_past(
    *dimensions: str, each: int = 5, readings: Readings | None = None
) -> tuple[World, License]:
    """Let it be 11:15, with usage of 10:19 that is counted and not sealed yet.

    Every dimension was used as much as `each` says; the next tick seals and sends.
    """
    names = dimensions or ("users",)
    world = World(terms=NO_HEARTBEATS, readings=readings)
    buyer = world.buy(dimensions=names)
    world.send_together(*(world.usage(buyer, each, dimension=name) for name in names))
    world.tick()
    world.advance(minutes=55)
    return world, buyer


def reasons(world: World) -> list[str]:
    """Why usage waits in quarantine."""
    return sorted(reason for _, reason in world.quarantined())


def statuses(world: World) -> set[str]:
    """What became of all records that were sent."""
    return set(world.outcomes().values())


def status(
    world: World, who: License, dimension: str = "users", hour: str = "2026-11-23T10Z"
) -> Status | None:
    """What became of one record."""
    outcome = world.outcome(who, dimension, hour)
    return outcome.status if outcome else None


def billed_by_hour(world: World, who: License, dimension: str = "users") -> dict[str, Decimal]:
    """What is on the bill of a license, by day and hour."""
    return {
        f"{line.hour:%d %H}h": line.quantity
        for line in world.marketplace.usage()
        if line.license_arn == who.arn and line.dimension == dimension
    }


def seconds_of_the_hour_before(world: World) -> range:
    """The times, in seconds since the epoch, of the last hour that is over."""
    begins = int(world.now_s) // HOUR * HOUR - HOUR
    return range(begins, begins + HOUR)
