"""Which outcome holds where two ticks disagree, and from where on records are unfinished."""

from lambdas.customers.license import License, State
from lambdas.metering.aws import Settled
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from tests.interruptions import paused
from tests.world import PRODUCT, World

LAST_TRY, JUDGED = "2026-11-24T09:59:00+00:00", "2026-11-24T10:15:00+00:00"


def a_quarter_past(*dimensions: str) -> tuple[World, License]:
    """A world at 11:15 whose usage of 10:19 is counted and not sealed yet."""
    world = World(terms=Terms(product_code=PRODUCT))
    buyer = world.buy()
    world.send(*(world.usage(buyer, 5, dimension=each) for each in dimensions or ["users"]))
    world.tick()
    world.advance(minutes=55)
    return world, buyer


def status(world: World, who: License) -> Status | None:
    outcome = world.outcome(who)
    return outcome.status if outcome else None


def test_accepted_is_written_over_everything() -> None:
    """A tick hangs between an answer and its outcomes, while another one judges."""
    world, buyer = a_quarter_past()

    with paused(world, before="dynamodb.UpdateItem"):
        world.at(JUDGED)
        world.tick(world.wiring())
        judged = status(world, buyer)

    assert judged is Status.UNCONFIRMED
    assert status(world, buyer) is Status.ACCEPTED


def test_nothing_is_written_over_accepted() -> None:
    """A tick hangs before it writes that a record is too late, while another one sends it."""
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("ThrottlingException"))
    world.tick()
    world.at(JUDGED)

    with paused(world, before="dynamodb.UpdateItem"):
        world.at(LAST_TRY)
        world.tick(world.wiring())
        sent = status(world, buyer)
        world.at(JUDGED)

    assert sent is Status.ACCEPTED
    assert status(world, buyer) is Status.ACCEPTED


def test_an_accepted_record_is_not_parked_by_a_slower_tick() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("not-subscribed"))

    with paused(world, before="dynamodb.UpdateItem"):
        world.tick(world.wiring())

    assert status(world, buyer) is Status.ACCEPTED


def test_a_parked_record_that_another_tick_sends_is_accepted() -> None:
    world, buyer = a_quarter_past()

    with paused(world, before="dynamodb.UpdateItem"):
        world.marketplace.inject(Fault("not-subscribed"))
        world.tick(world.wiring())
        parked = status(world, buyer)

    assert parked is Status.PARKED
    assert status(world, buyer) is Status.ACCEPTED


def test_a_call_is_forgotten_when_its_records_are_final() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()
    held = len(world.items("call"))

    world.tick()

    assert held == 1
    assert status(world, buyer) is Status.ACCEPTED
    assert world.items("call") == []


def test_a_call_is_kept_while_one_of_its_records_is_not_final() -> None:
    world, _ = a_quarter_past("users", "api-calls")
    world.marketplace.inject(Fault("timeout-after", times=3))
    world.tick()

    world.marketplace.inject(Fault("not-subscribed", records=1))
    world.tick()

    assert sorted(world.outcomes().values()) == ["accepted", "parked"]
    assert len(world.items("call")) == 1


def test_the_cursor_moves_to_the_end_when_all_is_final() -> None:
    world, _ = a_quarter_past()

    world.tick()

    assert world.table.settled() == Settled(upto=len(world.items("log")), unfinished=())


def test_the_cursor_lists_the_few_records_that_are_not_final() -> None:
    world, _ = a_quarter_past("users", "api-calls")
    world.marketplace.inject(Fault("not-subscribed", records=1))

    world.tick()

    settled = world.table.settled()
    assert settled.upto == len(world.items("log"))
    assert len(settled.unfinished) == 1


def test_a_listed_record_is_sent_by_a_container_that_reads_no_further_back() -> None:
    world, buyer = a_quarter_past()
    world.terms = Terms(product_code=PRODUCT, id_memory_hours=1)
    world.marketplace.change_license(buyer.arn, "suspend")
    for _ in range(21):
        world.tick()
        world.advance(hours=1)

    world.marketplace.change_license(buyer.arn, "activate")
    cold = world.wiring()
    world.tick(cold)

    assert cold.log.read(int(world.now_s)).first > 3
    assert status(world, buyer) is Status.ACCEPTED


def test_where_more_are_unfinished_than_a_list_holds_the_cursor_stays_before_the_first() -> None:
    world = World(terms=Terms(id_memory_hours=1))
    dimensions = [f"d{number}" for number in range(101)]
    buyers = [
        world.buy(f"{number:012}", state=State.PENDING, dimensions=dimensions)
        for number in range(10)
    ]
    for each in buyers:
        world.send_together(*(world.usage(each, 1, dimension=name) for name in dimensions))
    world.tick()
    sealed_after = len(world.items("log"))
    world.advance(minutes=55)
    for _ in range(18):
        world.tick()
        world.advance(hours=1)

    settled = world.table.settled()
    for each in buyers:
        world.change(each, state=State.ACTIVE)
    world.tick(world.wiring())

    assert settled.upto == sealed_after
    assert world.billed() == 1010
