"""The ledger restored from a backup, by the code that the runbook gives."""

import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import dedent
from typing import Any

import boto3
import pytest
import time_machine

from lambdas.customers.license import License
from tests.world import LEDGER, World

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
[CODE] = re.findall(r"```python\n(.*?)```", RUNBOOK, re.DOTALL)
RESTORED = "ledger-restored"


@pytest.fixture
def world() -> Iterator[World]:
    """A world whose DynamoDB answers the runbook's client, too."""
    world = World()
    boto3.setup_default_session(
        region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    boto3.DEFAULT_SESSION.events.register("before-send.dynamodb", world.dynamodb._before_send)
    yield world
    boto3.DEFAULT_SESSION = None


def put_back(world: World, backup: list[dict[str, Any]]) -> None:
    """Let the ledger be as it was, for every container."""
    for each in world.dynamodb.items(LEDGER):
        key = {name: each[name] for name in ("pk", "sk")}
        world.tables_client.delete_item(TableName=LEDGER, Key=key)
    for each in backup:
        world.tables_client.put_item(TableName=LEDGER, Item=each)
    world.warm = world.wiring()


def restore(world: World, backup: list[dict[str, Any]]) -> str:
    """Put the ledger back, and close it as the runbook says; return what the code prints."""
    put_back(world, backup)
    printed = StringIO()
    with time_machine.travel(world.now_s, tick=False), redirect_stdout(printed):
        exec(dedent(CODE).replace(RESTORED, LEDGER), {})
    return printed.getvalue()


def after_the_backup(world: World, buyer: License) -> list[dict[str, Any]]:
    """Count usage, make a backup, then count more, and bill all of it."""
    world.send(world.usage(buyer, 3, id_="before"))
    world.tick()
    backup = world.dynamodb.items(LEDGER)
    world.send(world.usage(buyer, 4, id_="after"))
    world.advance(hours=1)
    world.tick()
    assert world.billed(buyer) == 7
    return backup


def test_what_was_counted_and_not_sealed_is_listed(world: World) -> None:
    buyer = world.buy()

    printed = restore(world, after_the_backup(world, buyer))

    assert printed == f"{buyer.key} users 2026-11-23T10Z 3\n"


def test_what_is_on_the_bill_is_not_sent_again(world: World) -> None:
    buyer = world.buy()
    restore(world, after_the_backup(world, buyer))
    calls = len(world.submitted)

    world.tick_until_settled(hours=2)

    sent = [record for call in world.submitted[calls:] for record in call]
    assert [record for record in sent if record["Quantity"]] == []
    assert world.billed(buyer) == 7


def test_usage_from_then_on_is_billed(world: World) -> None:
    buyer = world.buy()
    restore(world, after_the_backup(world, buyer))

    world.send(world.usage(buyer, 5, id_="later"))
    world.tick_until_settled(hours=3)

    assert world.billed(buyer) == 12


def test_without_closing_it_the_ledger_would_send_hours_again(world: World) -> None:
    """Guards the tests above: a restored ledger that just goes on is at odds with the bill."""
    buyer = world.buy()
    put_back(world, after_the_backup(world, buyer))

    world.tick_until_settled(hours=2)

    assert "conflict" in world.outcomes().values()
