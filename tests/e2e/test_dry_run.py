"""A stack that is deployed as a dry-run, and then live: what was held back is billed, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pytest

from tests.e2e.stage import Bought, Stage

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What became of two hours of a buyer in a dry-run, and after it.

    Attributes:
        told: The mode that ticks told of: as deployed first, as a dry-run, and twice as live again.
        billed: What was billed in the dry-run, and after it.
        outcomes: What the ledger said of the hours' records, in the dry-run, and after it.
        calls: When AWS Marketplace took usage after the dry-run.
    """

    told: Sequence[str]
    billed: Sequence[Decimal]
    outcomes: Sequence[Sequence[str]]
    calls: Sequence[datetime]


@pytest.fixture(scope="module")
def rehearsed(own_page: Stage) -> Rehearsed:
    told = [own_page.tick()["metering"]]
    own_page.sandbox.deploy(metering="dry-run")
    bought = own_page.purchase("730000000001")
    own_page.let_pass(minutes=5)
    for number, quantity in enumerate((5, 7)):
        own_page.use(bought, quantity, key=f"hour-{number}")
        own_page.tick()
        own_page.let_pass(minutes=80)
        summary = own_page.tick()
    told.append(summary["metering"])
    billed, kept = [own_page.billed(bought)], [outcomes(own_page, bought)]
    begun = own_page.now()
    own_page.sandbox.deploy(metering="live")
    told += [own_page.tick()["metering"] for _ in range(2)]
    return Rehearsed(
        told=told,
        billed=[*billed, own_page.billed(bought)],
        outcomes=[*kept, outcomes(own_page, bought)],
        calls=own_page.took_usage(since=begun),
    )


def outcomes(stage: Stage, bought: Bought) -> list[str]:
    """What the ledger says became of a license's records, hour by hour."""
    items = stage.sandbox.client("dynamodb").query(
        TableName=stage.sandbox.outputs["LedgerTableName"],
        KeyConditionExpression="pk = :license",
        ExpressionAttributeValues={":license": {"S": f"license#{bought.key}"}},
    )["Items"]
    return [each["d:users"]["M"]["status"]["S"] for each in items]


def test_a_later_deployment_is_picked_up(rehearsed: Rehearsed) -> None:
    assert rehearsed.told == ["live", "dry-run", "live", "live"]


def test_what_a_dry_run_held_back_is_billed_once_by_a_live_stack(rehearsed: Rehearsed) -> None:
    assert rehearsed.billed == [Decimal(0), Decimal(5 + 7)]
    assert rehearsed.outcomes == [["dry-run", "dry-run"], ["accepted", "accepted"]]
    assert len(rehearsed.calls) == 1
