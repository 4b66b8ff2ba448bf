"""Failures of others between a usage record and AWS Marketplace's answer.

Answers misread, errors that consume usage, one record that spoils a call. Where each was seen is in
docs/failures.md.

Usage is of 10:19, and the first tick at 11:15 sends it, unless a test says otherwise.
"""

from itertools import pairwise
from random import Random
from string import ascii_letters
from typing import Any, get_args

import pytest

from lambdas.customers.license import license_key_of_arn
from lambdas.metering.records import Status
from sandbox.marketplace.events import Timing
from sandbox.marketplace.faults import Fault
from sandbox.marketplace.rules import Readings
from tests.integration.failures_stage import a_quarter_past, a_world, status, statuses
from tests.interruptions import SPOILED, spoil
from tests.world import HOUR, METERING_CALL, PRODUCT

FIFTY = (SPOILED, *(f"d{number}" for number in range(49)))
OTHER = "222233334444"
NAMES = {"LicenseArn", "CustomerAWSAccountId", "CustomerIdentifier"}
CALL_BYTES_LIMIT = 1_000_000
"""A call has less than 1 MB (API reference of BatchMeterUsage)."""


def test_usage_in_unprocessed_records_is_sent_again() -> None:
    """The call is 200 OK; whoever looks no further has lost these records."""
    world, buyer = a_quarter_past("users", "api-calls", "storage-gb")
    world.marketplace.inject(Fault("unprocessed", times=4, records=2))

    world.tick()
    world.advance(minutes=5)
    world.tick()

    assert world.billed(buyer) == 15
    assert statuses(world) == {"accepted"}


def test_a_record_in_the_answer_is_not_taken_for_billed() -> None:
    """`Results` also holds records that were not honoured; only their `Status` tells."""
    world, buyer = a_quarter_past("users", "api-calls")
    world.marketplace.inject(Fault("not-subscribed", records=1))

    world.tick()
    statuses_before, billed_before = statuses(world), world.billed(buyer)
    world.advance(minutes=5)
    world.tick()

    assert statuses_before == {"accepted", "parked"}
    assert billed_before == 5
    assert world.billed(buyer) == 10
    assert statuses(world) == {"accepted"}


@pytest.mark.parametrize(
    "fault",
    [
        "ThrottlingException",
        "InternalServiceErrorException",
        "ServiceUnavailable",
        "applied-but-500",
        "AccessDeniedException",
        "ExpiredTokenException",
        "timeout-before",
        "timeout-after",
    ],
)
def test_usage_is_billed_once_when_aws_is_healthy_again(fault: str) -> None:
    """An error that drops the mark of what is pending has lost it; a blind retry doubles it."""
    world, buyer = a_quarter_past("users", "api-calls")
    world.marketplace.inject(Fault(fault, times=None))
    for _ in range(36):
        world.tick()
        world.advance(minutes=5)

    world.marketplace.clear_faults()
    world.tick(world.wiring())

    assert world.billed(buyer) == 10
    assert statuses(world) == {"accepted"}


def test_throttling_is_known_by_its_code() -> None:
    """Its HTTP status is 400; by that it looks like a request that is wrong, and is given up."""
    world, buyer = a_quarter_past()
    world.marketplace.inject(Fault("ThrottlingException", times=20, status=400))

    world.tick()
    judged_before = world.outcomes()
    for _ in range(20):
        world.advance(hours=1)
        world.tick()

    assert judged_before == {}
    assert world.billed(buyer) == 5
    assert statuses(world) == {"accepted"}


def test_calls_stay_below_the_rate_that_aws_takes() -> None:
    """Ten a second for the whole account: sent as fast as they are made, most are refused."""
    world, buyer = a_quarter_past(*(f"d{number}" for number in range(250)))
    other = world.buy(OTHER, dimensions=[f"d{number}" for number in range(250)])
    world.send_together(
        *(world.usage(other, 5, dimension=f"d{number}", ago_s=HOUR) for number in range(250))
    )

    world.tick()

    made = [call.at for call in world.marketplace.calls()]
    assert len(made) == 20
    assert all((later - at).total_seconds() >= 1 for at, later in pairwise(made[::10]))
    assert world.billed(buyer) + world.billed(other) == 500 * 5


@pytest.mark.parametrize(
    "code", ["InternalServiceErrorException", "InternalServerException", "SomethingNewException"]
)
def test_a_5xx_rejects_nothing(code: str) -> None:
    """Under a name that the code does not know, a short fault was taken for a verdict."""
    world, buyer = a_quarter_past(*FIFTY)
    world.marketplace.inject(Fault(code, times=3, status=500))

    refused = world.tick()
    final_before = world.outcomes()
    world.advance(minutes=5)
    world.tick(world.wiring())

    assert refused.refusals == {code: 3}
    assert final_before == {}
    assert world.billed(buyer) == 50 * 5


def test_throttling_in_the_third_call_keeps_what_the_first_two_did() -> None:
    """As one piece of work, all calls fail with the third, and are made again, or never."""
    world, buyer = a_quarter_past(*(f"d{number}" for number in range(100)))
    calls: list[str] = []

    def throttle_the_third(name: str, _: Any) -> None:
        if name == "marketplace.BatchMeterUsage":
            calls.append(name)
            if len(calls) == 3:
                world.marketplace.inject(Fault("ThrottlingException"))

    with world.hooked(before=throttle_the_third):
        world.tick()
    accepted_before, billed_before = len(world.outcomes()), world.billed(buyer)
    world.advance(minutes=5)
    world.tick(world.wiring())

    assert accepted_before == 50
    assert billed_before == 50 * 5
    assert [len(records) for records in world.submitted] == [25] * 5
    assert world.billed(buyer) == 100 * 5


@pytest.mark.parametrize(
    "code",
    [
        "TimestampOutOfBoundsException",
        "InvalidUsageDimensionException",
        "InvalidLicenseException",
        "ValidationException",
    ],
)
def test_one_bad_record_among_fifty_costs_one_record(code: str) -> None:
    """Exceptions are of the call: one record that is too old, say, blocks all that go with it."""
    world, buyer = a_quarter_past(*FIFTY)
    mend = spoil(world, code)

    world.tick()
    parked, billed_before = status(world, buyer, SPOILED), world.billed(buyer)
    mend()
    world.advance(hours=1)
    world.tick()

    assert parked is Status.PARKED
    assert billed_before == 49 * 5
    assert world.billed(buyer) == 50 * 5


@pytest.mark.parametrize("count", [25, 26, 250])
def test_any_number_of_dimensions_of_one_customer_is_billed(count: int) -> None:
    """All of a customer in one call is more than the 25 records that AWS takes."""
    world, buyer = a_quarter_past(*(f"d{number}" for number in range(count)))

    world.tick()

    assert max(len(records) for records in world.submitted) == 25
    assert world.billed(buyer) == count * 5


def test_25_records_of_2500_allocations_each_are_billed() -> None:
    """Each is legal, together they have some 2 MB: a call of 25 records is refused for ever."""
    world, _ = a_world()
    rng = Random(0)
    sizes: list[int] = []
    world.marketplace_client.meta.events.register(
        f"before-call.{METERING_CALL}", lambda params, **_: sizes.append(len(params["body"]))
    )
    for number in range(25):
        split = [
            {
                "AllocatedUsageQuantity": 1,
                "Tags": [{"Key": "team", "Value": "".join(rng.choices(ascii_letters, k=12))}],
            }
            for _ in range(2_500)
        ]
        world.send(world.usage(world.buy(f"{number:012}"), 2_500, UsageAllocations=split))

    world.tick_until_settled(hours=1)

    assert sum(sizes) > 2 * CALL_BYTES_LIMIT
    assert max(sizes) < CALL_BYTES_LIMIT
    assert world.billed() == 25 * 2_500
    assert all(
        len(record["UsageAllocations"]) == 2_500
        for records in world.submitted
        for record in records
    )


def test_a_customer_who_is_not_subscribed_yet_is_billed_once_active() -> None:
    """`CustomerNotSubscribed` may be transient after a purchase; taken as final, usage is lost.

    We believe what we were told, and AWS Marketplace takes usage of this license in three hours.
    """
    world, buyer = a_world()
    world.marketplace.set_timing(Timing(license_updated_seconds=3 * HOUR))
    bought = world.marketplace.purchase(PRODUCT, OTHER, ["users"], state="as-real")
    key = license_key_of_arn(bought.license_arn)
    begun_s = int(world.now_s)
    other = world.change(buyer, key=key, arn=bought.license_arn, account=OTHER, start_s=begun_s)
    world.send(world.usage(other, 5, ago_s=0))
    world.advance(minutes=55)
    world.tick()
    before = status(world, other)

    world.tick_until_settled(hours=3)

    assert before is Status.PARKED
    assert world.billed(other) == 5
    assert statuses(world) == {"accepted"}


@pytest.mark.parametrize("reading", ["billed-twice", "refused"])
def test_a_license_is_metered_without_a_product_code(reading: Any) -> None:
    """With both, the customer is billed twice, or refused; a producer may send both."""
    world, buyer = a_world(readings=Readings(code_with_license=reading))
    body = {"ProductCode": PRODUCT, "UsageRecords": [world.usage(buyer, 5)]}

    world.send(body, world.usage(buyer, 3, ProductCode=PRODUCT))
    world.tick_until_settled(hours=1)

    assert world.billed() == 8
    assert [line.license_arn for line in world.marketplace.usage()] == [buyer.arn]


def test_a_customer_of_an_older_product_is_metered_by_product_code_and_identifier() -> None:
    """What AWS's sample does for every product is right for older ones only; each gets its own."""
    world, buyer = a_world()
    older = world.buy_legacy(OTHER)

    world.send_together(world.usage(buyer, 5, ago_s=0), world.usage(older, 3, ago_s=0))
    world.tick_until_settled(hours=1.5)

    names = {frozenset(record) & NAMES for records in world.submitted for record in records}
    assert names == {
        frozenset({"LicenseArn", "CustomerAWSAccountId"}),
        frozenset({"CustomerIdentifier"}),
    }
    assert world.billed(buyer) == 5
    assert world.billed() == 8


@pytest.mark.parametrize("reading", get_args(Readings.__annotations__["identical_resend"]))
def test_the_ledger_can_prove_what_is_on_the_bill(reading: Any) -> None:
    """AWS has no API that reads back what was metered; who kept no book can prove nothing."""
    world, buyer = a_quarter_past(*FIFTY, readings=Readings(identical_resend=reading))
    world.marketplace.inject(Fault("unprocessed", records=10))
    world.marketplace.inject(Fault("ThrottlingException"))
    world.tick()
    world.advance(minutes=5)
    world.tick(world.wiring())

    book = {
        (name.removeprefix("d:"), item["sk"]["S"]): int(value["M"]["quantity"]["N"]) // 1_000_000
        for item in world.items(f"license#{buyer.key}")
        for name, value in item.items()
        if name.startswith("d:") and value["M"]["status"]["S"] == "accepted"
    }
    assert book == {
        (line.dimension, f"{line.hour:%Y-%m-%dT%HZ}"): line.quantity
        for line in world.marketplace.usage()
    }
    assert len(book) == 50
