"""A newer version over the last release: what that had in hand is billed once.

`tests/e2e/upgrade` holds what the release left, written by its own functions.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.sandbox import Sandbox
from tests.e2e.upgrade import release, stages
from tests.e2e.upgrade.__main__ import purchase
from tests.e2e.upgrade.stages import STAGES, Usage

pytestmark = pytest.mark.slow

# A tick polls an empty queue for a second or so: of emulated time.
WHILE_TICKS_WAIT = 20


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The account some hours after the deployment.

    Attributes:
        sandbox: The account.
        before: The outputs of the last release.
        first: What the first tick of the newer version did.
    """

    sandbox: Sandbox
    before: Mapping[str, str]
    first: Mapping[str, Any]

    def billed(self, usage: Usage) -> Decimal:
        """What AWS would bill for a license."""
        lines = self.sandbox.emulator("usage")["usage"]
        own = [each for each in lines if each["license_arn"] == usage.license_arn]
        return sum((Decimal(each["quantity"]) for each in own), Decimal(0))

    def ledger(self, partition: str) -> list[Any]:
        """What lies in a partition of the ledger."""
        found: list[Any] = self.sandbox.client("dynamodb").query(
            TableName=self.sandbox.outputs["LedgerTableName"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partition}},
        )["Items"]
        return found


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    folder = tmp_path_factory.mktemp("upgrade")
    with Sandbox(folder, app=None, clock_start=release.stopped_at()) as sandbox:
        for usage in STAGES:
            sandbox.emulator("purchases", purchase(usage))
        before = release.install(sandbox)
        sandbox.deploy()
        sandbox.clock.run(WHILE_TICKS_WAIT)
        yield Upgraded(sandbox, before, let_hours_pass(sandbox))


def let_hours_pass(sandbox: Sandbox) -> Mapping[str, Any]:
    """Run ticks; redrive what was dated ahead, once its time has come."""
    first: Mapping[str, Any] = sandbox.invoke_metering()
    sandbox.clock.advance(timedelta(minutes=35).total_seconds())
    (waiting,) = (
        item["sk"]["S"]
        for item in release.state()["tables"]["LedgerTableName"]
        if item["pk"]["S"] == "quarantine"
    )
    sandbox.client("sqs").send_message(
        QueueUrl=sandbox.outputs["UsageQueueUrl"],
        MessageBody=json.dumps({"Redrive": {"Key": waiting}}),
    )
    sandbox.invoke_metering()
    sandbox.clock.advance(timedelta(hours=1).total_seconds())
    sandbox.invoke_metering()
    return first


def test_the_release_left_usage_in_every_stage() -> None:
    """Guards the fixture: an upgrade with empty hands would prove nothing."""
    ledger = release.state()["tables"]["LedgerTableName"]
    billed = {line["license_arn"] for line in release.state()["billed"]}
    parked = [each for each in ledger if each.get("d:users", {}).get("M", {}).get("status")]

    assert billed == {stages.ACCEPTED.license_arn, stages.APPLIED.license_arn}
    assert [each["pk"]["S"] for each in ledger].count("call") == 2
    assert [each["pk"]["S"] for each in ledger].count("quarantine") == 1
    assert {each["d:users"]["M"]["status"]["S"] for each in parked} == {"accepted", "parked"}
    assert len(release.state()["messages"]) == 2


@pytest.mark.parametrize("usage", STAGES, ids=lambda usage: f"stage-{usage.number}")
def test_what_the_release_had_in_hand_is_billed_once(upgraded: Upgraded, usage: Usage) -> None:
    assert upgraded.billed(usage) == usage.quantity


def test_a_copy_of_what_the_release_counted_is_known(upgraded: Upgraded) -> None:
    assert (upgraded.first["counted"], upgraded.first["duplicates"]) == (1, 1)


@pytest.mark.parametrize("partition", ["call", "quarantine"])
def test_nothing_is_left_over(upgraded: Upgraded, partition: str) -> None:
    assert upgraded.ledger(partition) == []


def test_tables_and_queues_are_those_of_the_release(upgraded: Upgraded) -> None:
    kept = {
        output: name
        for output, name in upgraded.before.items()
        if output.endswith(("TableName", "QueueUrl"))
    }

    assert len(kept) == 6
    assert kept == {output: upgraded.sandbox.outputs[output] for output in kept}


def test_customers_and_contacts_are_kept(upgraded: Upgraded) -> None:
    for output in ("CustomersTableName", "RegistrationsTableName"):
        written = {place(each) for each in release.state()["tables"][output]}
        found = upgraded.sandbox.client("dynamodb").scan(
            TableName=upgraded.sandbox.outputs[output]
        )["Items"]

        assert written <= {place(each) for each in found}


def place(item: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]
