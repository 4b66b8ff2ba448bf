"""A stack that is deployed as a dry-run, and then live: what was held back is billed, once."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.e2e.stage import Bought, Stage

pytestmark = pytest.mark.slow


@pytest.fixture
def rehearsed(own_page: Stage, account: str) -> Iterator[tuple[Stage, Bought]]:
    """A stack in a dry-run that holds back two hours of a buyer."""
    own_page.sandbox.deploy(metering="dry-run")
    bought = own_page.purchase(account)
    own_page.let_pass(minutes=5)
    for number, quantity in enumerate((5, 7)):
        own_page.use(bought, quantity, key=f"hour-{number}")
        own_page.tick()
        own_page.let_pass(minutes=80)
        own_page.tick()
    yield own_page, bought
    if own_page.tick()["metering"] != "live":
        own_page.sandbox.deploy(metering="live")


def outcomes(stage: Stage, bought: Bought) -> list[str]:
    """What the ledger says became of a license's records, hour by hour."""
    items = stage.sandbox.client("dynamodb").query(
        TableName=stage.sandbox.outputs["LedgerTableName"],
        KeyConditionExpression="pk = :license",
        ExpressionAttributeValues={":license": {"S": f"license#{bought.key}"}},
    )["Items"]
    return [each["d:users"]["M"]["status"]["S"] for each in items]


def test_what_a_dry_run_held_back_is_billed_once_by_a_live_stack(
    rehearsed: tuple[Stage, Bought],
) -> None:
    stage, bought = rehearsed
    begun = stage.now()
    held_back = (stage.billed(bought), outcomes(stage, bought))

    stage.sandbox.deploy(metering="live")
    told = [stage.tick()["metering"] for _ in range(2)]

    assert held_back == (Decimal(0), ["dry-run", "dry-run"])
    assert told == ["live", "live"]
    assert stage.billed(bought) == 5 + 7
    assert outcomes(stage, bought) == ["accepted", "accepted"]
    assert len(stage.took_usage(since=begun)) == 1
