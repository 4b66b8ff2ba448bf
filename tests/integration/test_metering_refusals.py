"""What AWS Marketplace refuses, and what that costs: one record, a call, a zero.

Every world begins at 10:20; its usage is of 10:19 and is sealed by the first tick after 11:10.
"""

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError

from lambdas.customers.license import License
from lambdas.metering.records import Status
from lambdas.metering.terms import Terms
from sandbox.marketplace.faults import Fault
from tests.interruptions import SPOILED, spoil
from tests.world import PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
OF_A_RECORD = [
    "TimestampOutOfBoundsException",
    "InvalidUsageDimensionException",
    "InvalidLicenseException",
    "InvalidCustomerIdentifierException",
    "InvalidUsageAllocationsException",
    "InvalidTagException",
    "ValidationException",
    "ValidationError",
]
OF_THE_CALL = [
    "ThrottlingException",
    "AccessDeniedException",
    "DisabledApiException",
    "ExpiredTokenException",
    "UnrecognizedClientException",
]


def a_quarter_past(*dimensions: str) -> tuple[World, License]:
    """A world at 11:15 whose usage of 10:19 is counted and not sealed yet."""
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(dimensions=dimensions or ["users"])
    world.send(*(world.usage(buyer, 5, dimension=each) for each in dimensions or ["users"]))
    world.tick()
    world.advance(minutes=55)
    return world, buyer


def sent(world: World) -> list[dict[str, Any]]:
    return [each for records in world.submitted for each in records]


def times_spoiled(world: World) -> int:
    return sum(each["Dimension"] == SPOILED for each in sent(world))


# One record is wrong


@pytest.mark.parametrize("code", OF_A_RECORD)
def test_one_bad_record_among_fifty_costs_one_record(code: str) -> None:
    world, buyer = a_quarter_past(SPOILED, *(f"d{number}" for number in range(49)))
    spoil(world, code)

    summary = world.tick()

    outcome = world.outcome(buyer, SPOILED)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (Status.PARKED, code)
    assert summary.outcomes == {Status.ACCEPTED: 49, Status.PARKED: 1}
    assert world.billed(buyer) == 49 * 5


def test_the_culprit_is_found_by_halves() -> None:
    world, _ = a_quarter_past(SPOILED, *(f"d{number}" for number in range(24)))
    spoil(world, "InvalidTagException")

    summary = world.tick()

    assert summary.calls <= 1 + 2 * 5
    assert summary.refusals["InvalidTagException"] == times_spoiled(world) <= 6


def test_a_refused_record_leaves_no_call_in_doubt() -> None:
    world, _ = a_quarter_past("users", SPOILED)
    spoil(world, "InvalidLicenseException")

    world.tick()

    assert world.items("call") == []


def test_a_refused_record_is_tried_again_hourly_and_alone() -> None:
    world, _ = a_quarter_past("users", SPOILED)
    spoil(world, "InvalidLicenseException")
    world.tick()
    at: list[float] = []
    for _ in range(48):
        world.advance(minutes=5)
        before = times_spoiled(world)
        world.tick()
        at += [world.now_s] * (times_spoiled(world) - before)

    assert 3 <= len(at) <= 4
    assert all(later - earlier >= 3600 for earlier, later in pairwise(at))
    assert [len(records) for records in world.submitted[-len(at) :]] == [1] * len(at)


def test_a_refused_record_is_tried_at_every_tick_in_the_last_two_hours_of_its_window() -> None:
    world, _ = a_quarter_past(SPOILED)
    spoil(world, "InvalidLicenseException")
    world.tick()
    world.at("2026-11-24T08:00:00+00:00")
    world.tick()
    before = times_spoiled(world)

    for _ in range(4):
        world.advance(minutes=5)
        world.tick()

    assert times_spoiled(world) - before == 4


def test_refused_records_that_are_tried_again_do_not_keep_others_from_the_bill() -> None:
    """Each takes a call of its own, at every tick in the end; if there are many, time is short."""
    bad = [f"bad{number}" for number in range(20)]
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(dimensions=["users"])
    world.send_together(*(world.usage(buyer, 1, dimension=name) for name in bad))
    world.tick()
    world.at("2026-11-24T08:05:00+00:00")
    world.tick()
    world.send(world.usage(buyer, 5, ago_s=3600))

    def take_long(name: str, _: Any) -> None:
        if name == "marketplace.BatchMeterUsage":
            world.advance(seconds=30)

    with world.hooked(before=take_long):
        world.at("2026-11-24T08:15:00+00:00")
        summary = world.tick()

    assert summary.out_of_time
    assert world.billed(buyer) == 5


def test_a_refused_record_is_accepted_once_its_cause_is_mended() -> None:
    world, buyer = a_quarter_past("users", SPOILED)
    mend = spoil(world, "InvalidUsageDimensionException")
    world.tick()

    mend()
    world.advance(minutes=70)
    world.tick()

    outcome = world.outcome(buyer, SPOILED)
    assert outcome is not None
    assert outcome.status is Status.ACCEPTED
    assert world.billed(buyer) == 10


def test_a_refused_record_expires_when_its_window_has_closed() -> None:
    world, buyer = a_quarter_past(SPOILED)
    spoil(world, "InvalidUsageDimensionException")
    world.tick()

    world.at("2026-11-24T10:15:00+00:00")
    world.tick()

    outcome = world.outcome(buyer, SPOILED)
    assert outcome is not None
    assert outcome.status is Status.EXPIRED


# The call is refused


@pytest.mark.parametrize("code", OF_THE_CALL)
def test_a_refused_call_consumes_nothing_and_the_next_tick_goes_on(code: str) -> None:
    world, buyer = a_quarter_past(*(f"d{number}" for number in range(30)))
    world.marketplace.inject(Fault(code))

    refused = world.tick()
    items = (world.outcomes(), world.items("call"))
    world.advance(minutes=5)
    world.tick()

    assert refused.refusals == {code: 1}
    assert refused.calls == 1, "it goes on although the call was refused"
    assert items == ({}, [])
    assert world.submitted[0] == world.submitted[1]
    assert world.billed(buyer) == 30 * 5


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://metering.invalid"),
        ConnectTimeoutError(endpoint_url="https://metering.invalid"),
        NoCredentialsError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_call_that_never_left_consumes_nothing(error: Exception) -> None:
    world, buyer = a_quarter_past()

    def fail(name: str, _: Any) -> None:
        if name == "marketplace.BatchMeterUsage":
            raise error

    with world.hooked(before=fail):
        summary = world.tick()
    items = (world.outcomes(), world.items("call"))
    world.tick()

    assert summary.refusals == {type(error).__name__: 1}
    assert items == ({}, [])
    assert world.billed(buyer) == 5


def test_a_long_throttling_spell_costs_nothing() -> None:
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("ThrottlingException", times=None))
    for _ in range(22):
        world.tick()
        world.advance(hours=1)

    world.marketplace.clear_faults()
    world.tick()

    assert world.billed(buyer) == 5
    assert len({str(records) for records in world.submitted}) == 1


def test_a_wrong_product_code_stops_its_product_only() -> None:
    world, buyer = a_quarter_past()
    legacy = world.buy_legacy("222233334444")
    usage = world.usage(legacy, 7, ago_s=3600)
    world.change(legacy, product_code="misspelt")
    world.send(usage)
    world.tick()
    world.send(world.usage(buyer, 6))
    world.advance(hours=1)
    world.submitted.clear()

    summary = world.tick()

    assert "CustomerIdentifier" in world.submitted[0][0]
    assert summary.refusals == {"InvalidProductCodeException": 1}
    assert summary.risk.unfinished == 1
    assert world.items("call") == []
    assert world.billed(buyer) == 11


# Zeros


def a_zero_refused() -> tuple[World, License]:
    """A world at 12:15, whose buyer has no price for one of the three configured dimensions."""
    world = World()
    buyer = world.buy(dimensions=["users", "api-calls"])
    world.tick()
    world.at("2026-11-23T12:15:00+00:00")
    world.tick()
    return world, buyer


def test_a_refused_zero_is_final_and_quiet() -> None:
    world, buyer = a_zero_refused()

    outcome = world.outcome(buyer, "storage-gb", "2026-11-23T11Z")
    summary = world.tick()

    assert outcome is not None
    assert (outcome.status, outcome.reason) == (Status.REFUSED, "InvalidUsageDimensionException")
    assert (summary.risk.unfinished, summary.calls) == (0, 0)


def test_a_refused_zero_is_not_tried_again_for_that_license_and_dimension() -> None:
    world, _ = a_zero_refused()
    other = world.buy("222233334444", start=datetime.fromisoformat("2026-11-23T12:00:00+00:00"))
    world.submitted.clear()

    world.at("2026-11-23T15:15:00+00:00")
    world.tick()

    tried = {(each["LicenseArn"], each["Dimension"]) for each in sent(world)}
    assert {dimension for arn, dimension in tried if arn != other.arn} == {"users", "api-calls"}
    assert {dimension for arn, dimension in tried if arn == other.arn} >= {"storage-gb"}


def test_usage_is_sent_where_a_zero_was_refused() -> None:
    world, buyer = a_zero_refused()
    world.send(world.usage(buyer, 5, dimension="storage-gb"))

    world.tick_until_settled(hours=2)

    outcome = world.outcome(buyer, "storage-gb", "2026-11-23T12Z")
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (Status.PARKED, "InvalidUsageDimensionException")


@pytest.mark.parametrize("fault", ["not-subscribed", "timeout-before"])
def test_a_zero_that_is_never_taken_is_nobodys_concern(fault: str) -> None:
    world = World()
    world.buy()
    world.tick()
    world.marketplace.inject(Fault(fault, times=None))
    world.at("2026-11-23T12:15:00+00:00")
    world.tick()

    world.at("2026-11-24T11:20:00+00:00")
    summary = world.tick()

    of_eleven = {status for (_, _, hour), status in world.outcomes().items() if hour[-3:] == "11Z"}
    assert of_eleven == {"refused"}
    assert summary.risk.unfinished == 0
    assert summary.outcomes.keys() <= {Status.REFUSED}
