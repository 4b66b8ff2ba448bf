"""A walk along every AWS call of a tick that has everything to do, with a death at each of them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from lambdas.customers.license import License, LicenseKey, State
from lambdas.metering.terms import Terms
from tests.interruptions import kill_at
from tests.world import PRODUCT, World

LATE_MINUTES = (5, 11, 60, 25 * 60)
"""Between the ticks after a death: the second one sees its messages again, the third seals what it
counts, and before the last every window has closed."""


def settle(world: World) -> None:
    """Let fresh containers go on until there is nothing left to do."""
    for minutes in LATE_MINUTES:
        world.advance(minutes=minutes)
        world.tick(world.wiring())


@dataclass(frozen=True)
class Stage:
    """A world about to run a tick that folds, quarantines, redrives, seals, splits and sends."""

    world: World
    buyer: License
    ending: License
    newcomer: License

    def books(self) -> dict[str, Any]:
        """What is billed, what waits, and what is left over."""
        world = self.world
        return {
            "buyer": (world.billed(self.buyer, "users"), world.billed(self.buyer, "api-calls")),
            "ending": world.billed(self.ending),
            "newcomer": world.billed(self.newcomer),
            "all": world.billed(),
            "quarantine": sorted(reason for _, reason in world.quarantined()),
            "not accepted": sum(each != "accepted" for each in world.outcomes().values()),
            "in the queue": len(world.sqs.queue(world.queue_url).messages()),
            "in doubt": len(world.items("call")),
        }


BALANCED = {
    "buyer": (Decimal(9), Decimal("2.5")),
    "ending": Decimal(7),
    "newcomer": Decimal(3),
    "all": Decimal("21.5"),
    "quarantine": ["bad-json", "id-reused"],
    "not accepted": 1,
    "in the queue": 0,
    "in doubt": 0,
}


def stage() -> Stage:
    """Half past eleven: an hour is due, a license ends, and the queue holds a bit of everything."""
    world = World(terms=Terms(product_code=PRODUCT))
    buyer, ending = world.buy(), world.buy("222233334444")
    stranger = replace(buyer, key=LicenseKey("l-0"), arn=buyer.arn.replace(buyer.key, "l-0"))
    world.customers.save(stranger)
    world.send(
        world.usage(buyer, 5, id_="u-1"),
        world.usage(buyer, "2.5", dimension="api-calls"),
        world.usage(stranger, 9),
        world.usage("444455556666", 3),
    )
    world.tick()
    world.at("2026-11-23T11:06:00+00:00")
    world.send(world.usage(ending, 7))
    world.tick()
    world.at("2026-11-23T11:10:00+00:00")
    world.marketplace.change_license(ending.arn, "cancel")
    world.change(ending, state=State.ENDING, ending_since_s=int(world.now_s))
    world.at("2026-11-23T11:31:00+00:00")
    newcomer = world.buy("444455556666", start=datetime(2026, 11, 1, tzinfo=UTC))
    [(name, _)] = world.quarantined()
    world.redrive(name)
    world.send("{", world.usage(buyer, 4, id_="u-2"), world.usage(buyer, 5, id_="u-1"))
    world.send_together(world.usage(buyer, 4, id_="u-2"), world.usage(buyer, 6, id_="u-1"))
    return Stage(world, buyer, ending, newcomer)


def calls_of_a_whole_tick() -> list[str]:
    """What the tick does when nobody kills it: its AWS calls in their order."""
    staged = stage()
    calls: list[str] = []
    with staged.world.hooked(before=lambda name, _: calls.append(name)):
        staged.world.tick(staged.world.wiring())
    settle(staged.world)
    assert staged.books() == BALANCED
    return calls


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_tick_may_die_at_every_call(phase: str) -> None:
    """Dead before the call is executed, or after it and before its answer is heard."""
    calls = calls_of_a_whole_tick()
    assert {"sqs.DeleteMessageBatch", "marketplace.BatchMeterUsage"} < set(calls)
    number = 0
    for number in range(1, len(calls) + 1):
        staged = stage()
        died_at = kill_at(staged.world, phase, number)
        settle(staged.world)
        assert staged.books() == BALANCED, f"dies {phase} call {number}, {died_at}"
