"""Any request, in order or not, is answered as the rules have it (`oracle.py`)."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.conformance import generated, oracle
from tests.conformance.citations import page, says
from tests.conformance.generated import CUSTOMER
from tests.conformance.oracle import ANY, Deal, World
from tests.conformance.rulebook import Mode, rule, under
from tests.conformance.stage import (
    BUYER,
    DIMENSIONS,
    NOW,
    OTHER_BUYER,
    Bought,
    Record,
    Stage,
    new_product_code,
    outcome_of,
)

MODEL = says("BatchMeterUsage", "Identical requests are idempotent")
CONSTRAINTS = says("UsageRecord.QuantityAsDecimal", "If any usage record fails these checks")


def some(examples: int) -> settings:
    """So many examples, the same in every run; they share the stage, each with new customers."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture
def readings(request: pytest.FixtureRequest) -> dict[str, object]:
    """How the emulator at hand reads the pages that contradict each other."""
    mode: Mode = request.node.callspec.params["stage"]
    return dict(mode.options)


def customers(stage: Stage) -> list[Bought]:
    """Four of one product (the last two not subscribed), and one of another."""
    code = new_product_code()
    bought = [
        stage.buy(code, starts_at=NOW - timedelta(days=3)),
        stage.buy(code, OTHER_BUYER, starts_at=NOW - timedelta(hours=2)),
        stage.buy(code, OTHER_BUYER),
        stage.buy(code),
        stage.buy(),
    ]
    stage.change(bought[2], "end")
    stage.change(bought[3], "suspend")
    return bought


def world_of(
    bought: list[Bought], readings: dict[str, object], unsubscribed: Collection[int] = ()
) -> World:
    """What the oracle is to know."""
    deals = {
        each.license_arn: Deal(
            license_arn=each.license_arn,
            account=each.account,
            product_code=each.product_code,
            dimensions=frozenset(DIMENSIONS),
            starts_at=each.starts_at,
            subscribed=index not in unsubscribed,
        )
        for index, each in enumerate(bought)
    }
    return World(now=NOW, deals=deals, **readings)  # type: ignore[arg-type]  # rules name them as text


def named(record: Record, bought: list[Bought]) -> Record:
    """A record whose customer has a license and an account."""
    customer = bought[record[CUSTOMER]]
    who = {"LicenseArn": customer.license_arn, "CustomerAWSAccountId": customer.account}
    whole = {name: value for name, value in (who | record).items() if name != CUSTOMER}
    return {name: value for name, value in whole.items() if value is not None}


def billed(stage: Stage, bought: list[Bought]) -> dict[tuple[str, str, datetime], Decimal]:
    """The endpoint's bill, in the form of the oracle's."""
    return {
        (line["license_arn"], line["dimension"], datetime.fromisoformat(line["hour"])): Decimal(
            line["quantity"]
        )
        for line in stage.usage(*bought)
    }


def check_batch(stage: Stage, records: list[Record], world: World) -> None:
    """Send records, and compare the answer with the oracle's."""
    broken = oracle.broken(records, world)
    call = stage.unchecked.batch_meter_usage
    code, answer = outcome_of(lambda: call(UsageRecords=records))
    if broken:
        assert code in broken or (code and ANY in broken)
        return
    assert code is None
    assert answer["UnprocessedRecords"] == []
    expected = Counter(
        (
            record["LicenseArn"],
            record["Dimension"],
            record["Timestamp"],
            oracle.status(record, world),
        )
        for record in records
    )
    assert expected == Counter(
        (
            result["UsageRecord"]["LicenseArn"],
            result["UsageRecord"]["Dimension"],
            result["UsageRecord"]["Timestamp"],
            result["Status"],
        )
        for result in answer["Results"]
    )


@rule(CONSTRAINTS, MODEL, page("MFU", "the rules of records, allocations and tags"))
@under(window_hours=(24, 6), tag_keys=("allocation", "record"))
@some(50)
@given(records=generated.batches())
def test_any_batch_is_answered_and_billed_by_the_rules(
    stage: Stage, readings: dict[str, object], records: list[Record]
) -> None:
    bought = customers(stage)
    world = world_of(bought, readings, unsubscribed=(2, 3))

    check_batch(stage, [named(record, bought) for record in records], world)

    assert billed(stage, bought) == oracle.bill(world)


@rule(MODEL, page("MFU", "the first record of a key is billed, and nothing can be amended"))
@under(identical_resend=("success", "duplicate"), same_time=("hour", "exact-time"))
@some(30)
@given(history=generated.histories)
def test_any_history_is_answered_and_billed_by_the_rules(
    stage: Stage, readings: dict[str, object], history: list[list[Record]]
) -> None:
    bought = [stage.buy(account=BUYER)]
    bought.append(stage.buy(bought[0].product_code, OTHER_BUYER))
    world = world_of(bought, readings)

    for records in history:
        check_batch(stage, [named(record, bought) for record in records], world)

    assert billed(stage, bought) == oracle.bill(world)


@rule(
    says("MeterUsage", "If you submit records more than six hours after events occur"),
    says("MeterUsageRequest.UsageAllocations", "must equal the usage quantity"),
)
@under(tag_keys=("allocation", "record"), tag_characters=("pattern", "listed"))
@some(40)
@given(usage=generated.usages())
def test_any_usage_of_a_buyers_software_is_answered_by_the_rules(
    stage: Stage, readings: dict[str, object], usage: Record
) -> None:
    bought = stage.buy()
    world = world_of([bought], readings)
    broken = broken_usage(usage, world)

    call = stage.unchecked.meter_usage
    code, _ = outcome_of(lambda: call(ProductCode=bought.product_code, **usage))

    quantity = usage.get("UsageQuantityAsDecimal", usage.get("UsageQuantity", 0))
    assert code in broken or (code and ANY in broken) or (code, broken) == (None, set())
    assert stage.billed(bought) == ([] if broken else [Decimal(str(quantity))])


def broken_usage(usage: Record, world: World) -> set[str]:
    """The exceptions of the rules that a MeterUsage call breaks."""
    codes = set(oracle.broken_by_quantity(usage, world, "UsageQuantity", "UsageQuantityAsDecimal"))
    if not timedelta(0) <= NOW - usage["Timestamp"] <= timedelta(hours=6):
        codes.add(oracle.BAD_TIME)
    if not 1 <= len(usage["UsageDimension"]) <= oracle.DIMENSION_CHARACTERS_MAX:
        codes.add(ANY)
    if usage["UsageDimension"] not in DIMENSIONS:
        codes.add(oracle.BAD_DIMENSION)
    return codes
