"""What a record bears: its time, its customer, its quantity, its split.

Every world begins at 10:20; hour 10 is sealed by the first tick after 11:10.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from lambdas.customers.license import License
from lambdas.metering.terms import Terms
from tests.world import BUYER, PRODUCT, World

NO_HEARTBEATS = Terms(product_code=PRODUCT)
OTHER = "222233334444"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{text}:00+00:00")


def hours_of(world: World, who: License) -> dict[int, Decimal]:
    return {
        line.hour.hour: line.quantity
        for line in world.marketplace.usage()
        if line.license_arn == who.arn
    }


def sealed_at(world: World, text: str) -> None:
    """Let a tick run at a time."""
    world.now_s = at(text).timestamp()
    world.tick()


def the_record(world: World) -> dict[str, Any]:
    """The one record that was sent."""
    [[record]] = world.submitted
    return record


# Timestamps


def test_a_record_bears_the_start_of_its_hour() -> None:
    world = World(terms=NO_HEARTBEATS)
    world.send(world.usage(world.buy(), 5))

    sealed_at(world, "11:15")

    assert the_record(world)["Timestamp"] == at("10:00")


def test_a_record_of_the_hour_in_which_a_license_began_bears_that_moment() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy(start=at("10:07"))
    world.send(world.usage(buyer, 5))

    sealed_at(world, "11:15")

    assert the_record(world)["Timestamp"] == at("10:07")
    assert world.billed(buyer) == 5


def test_a_record_of_a_license_whose_start_is_not_known_bears_the_time_of_its_last_usage() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.change(world.buy(start=at("10:07")), start_s=None)
    world.send(world.usage(buyer, 5, ago_s=600), world.usage(buyer, 1, ago_s=300))

    sealed_at(world, "11:15")

    assert the_record(world)["Timestamp"] == at("10:15")
    assert world.billed(buyer) == 6


# Customers, however they are named


def test_usage_that_names_an_account_and_usage_that_names_its_license_are_one_record() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(world.usage(BUYER, 5), world.usage(buyer, 2))

    sealed_at(world, "11:15")

    assert the_record(world)["LicenseArn"] == buyer.arn
    assert the_record(world)["CustomerAWSAccountId"] == BUYER
    assert hours_of(world, buyer) == {10: Decimal(7)}


@pytest.mark.parametrize("named", ["with its product", "with the configured product"])
def test_a_legacy_customer_is_metered_by_product_code_and_identifier(named: str) -> None:
    world = World(terms=Terms(product_code="legacyproduct"))
    buyer = world.buy_legacy()
    usage = world.usage(buyer, 5, ago_s=0)
    if named == "with the configured product":
        del usage["ProductCode"]
    codes: list[str] = []
    world.marketplace_client.meta.events.register(
        "provide-client-params.marketplace-metering.BatchMeterUsage",
        lambda params, **_: codes.append(params["ProductCode"]),
    )
    world.send(usage)

    sealed_at(world, "11:15")

    assert codes == ["legacyproduct"]
    assert the_record(world)["CustomerIdentifier"] == buyer.customer_identifier
    assert "CustomerAWSAccountId" not in the_record(world)
    assert world.billed(buyer) == 5


def test_legacy_customers_and_licenses_are_not_metered_in_one_call() -> None:
    world = World(terms=NO_HEARTBEATS)
    world.send(
        world.usage(world.buy_legacy(OTHER), 5, ago_s=0),
        world.usage(world.buy(), 7),
        world.usage(world.buy_legacy("333344445555", product_code="another"), 3, ago_s=0),
    )

    sealed_at(world, "11:15")

    assert [len(records) for records in world.submitted] == [1, 1, 1]
    assert world.billed() == 15


# Quantities


@pytest.mark.parametrize(
    ("quantities", "field", "sent"),
    [
        ([1, 2], "Quantity", 3),
        (["0.5", "1.5"], "Quantity", 2),
        (["0.1", "0.2"], "QuantityAsDecimal", "0.3"),
        (["0.000001", 1], "QuantityAsDecimal", "1.000001"),
        ([2_147_483_647], "Quantity", 2_147_483_647),
        ([2_147_483_647, 1], "QuantityAsDecimal", "2147483648"),
        (["9999999999.999998", "0.000001"], "QuantityAsDecimal", "9999999999.999999"),
    ],
)
def test_a_sum_is_exact_and_sent_as_what_it_is(
    quantities: list[int | str], field: str, sent: int | str
) -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(*(world.usage(buyer, quantity) for quantity in quantities))

    sealed_at(world, "11:15")

    assert the_record(world)[field] == sent
    assert world.billed(buyer) == Decimal(sent)


def test_what_an_hour_cannot_hold_rides_on() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    world.send(*(world.usage(buyer, 9_999_999_999) for _ in range(3)))

    sealed_at(world, "13:15")

    assert hours_of(world, buyer) == dict.fromkeys((10, 11, 12), Decimal(9_999_999_999))


def test_allocations_of_one_hour_are_added_up_by_their_tags() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()

    def split(**teams: int) -> list[dict[str, Any]]:
        return [
            {"AllocatedUsageQuantity": quantity, "Tags": [{"Key": "team", "Value": team}]}
            for team, quantity in teams.items()
        ]

    world.send(
        world.usage(buyer, 5, UsageAllocations=split(red=2, blue=3)),
        world.usage(buyer, 4, UsageAllocations=split(red=4)),
        world.usage(buyer, 10),
    )

    sealed_at(world, "11:15")

    sent = {
        part.get("Tags", [{"Value": ""}])[0]["Value"]: part["AllocatedUsageQuantity"]
        for part in the_record(world)["UsageAllocations"]
    }
    assert sent == {"": 10, "red": 6, "blue": 3}
    assert world.billed(buyer) == 19


def test_a_split_of_a_fraction_is_sent_in_decimals() -> None:
    world = World(terms=NO_HEARTBEATS)
    buyer = world.buy()
    tags = [{"Key": "team", "Value": "red"}]
    part = {"AllocatedUsageQuantityAsDecimal": "2.5", "Tags": tags}
    world.send(world.usage(buyer, "2.5", UsageAllocations=[part]), world.usage(buyer, 1))

    sealed_at(world, "11:15")

    quantities = {
        each["AllocatedUsageQuantityAsDecimal"] for each in the_record(world)["UsageAllocations"]
    }
    assert the_record(world)["QuantityAsDecimal"] == "3.5"
    assert quantities == {"2.5", "1"}
    assert world.billed(buyer) == Decimal("3.5")
