"""`cdk destroy` keeps what is worth money, and a later deployment adopts it; in another region."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sandbox.sandbox import Sandbox
from tests.e2e.stage import Bought, Stage

pytestmark = pytest.mark.slow

FAR = "eu-west-1"
STACKS = {"MarketplaceMetering": FAR, "MarketplaceMetering-Events": "us-east-1"}
BEGIN = datetime(2026, 11, 10, 9, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The account after a destroy and a deployment that adopts.

    Attributes:
        stage: The stack as it is now.
        before: The outputs of the stack that was destroyed.
        left: What was there in between, by service.
        counted: Who had usage in the ledger when the stack was destroyed.
        queued: Who had usage in the queue.
    """

    stage: Stage
    before: Mapping[str, str]
    left: Mapping[str, int]
    counted: Bought
    queued: Bought


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    folder = tmp_path_factory.mktemp("destroy")
    regions = {"region": FAR, "metering_region": FAR}
    with Sandbox(folder, context=regions, clock_start=BEGIN) as sandbox:
        stage = Stage(sandbox)
        counted, queued = buyer(stage, "810000000001"), buyer(stage, "810000000002")
        stage.use(counted, 3, key="counted")
        stage.tick()
        stage.use(queued, 4, key="queued")
        stage.use(counted, 3, key="counted")
        before = dict(sandbox.outputs)

        sandbox.destroy()
        left = there_is(sandbox)
        sandbox.deploy(adopt=kept(before))

        stage.let_pass(hours=2)
        stage.tick()
        yield Adopted(stage, before, left, counted, queued)


def buyer(stage: Stage, account: str) -> Bought:
    """Let an account buy, and AWS Marketplace tell of it."""
    bought = stage.purchase(account)
    stage.let_pass(minutes=2)
    return bought


def kept(outputs: Mapping[str, str]) -> str:
    """Write the setting, as a seller does from the outputs of both stacks."""
    forwarding = "ForwardingUndeliveredQueueUrl"
    return json.dumps(json.loads(outputs["Kept"]) | {forwarding: outputs[forwarding]})


def there_is(sandbox: Sandbox) -> dict[str, int]:
    """Count what is there, in both regions."""
    found: dict[str, int] = {}
    for region in STACKS.values():
        listed = {
            "tables": sandbox.client("dynamodb", region).list_tables()["TableNames"],
            "queues": sandbox.client("sqs", region).list_queues().get("QueueUrls", []),
            "logs": sandbox.client("logs", region).describe_log_groups()["logGroups"],
            "functions": sandbox.client("lambda", region).list_functions()["Functions"],
            "rules": sandbox.client("events", region).list_rules()["Rules"],
            "schedules": sandbox.client("scheduler", region).list_schedules()["Schedules"],
            "apis": sandbox.client("apigateway", region).get_rest_apis()["items"],
            "alarms": sandbox.client("cloudwatch", region).describe_alarms()["MetricAlarms"],
            "topics": sandbox.client("sns", region).list_topics()["Topics"],
        }
        for what, those in listed.items():
            found[what] = found.get(what, 0) + len(those)
    return found


def resources(sandbox: Sandbox, kind: str) -> set[str]:
    """The physical names of what the stacks own, of one type."""
    found: set[str] = set()
    for stack, region in STACKS.items():
        rows: list[Any] = sandbox.client("cloudformation", region).list_stack_resources(
            StackName=stack
        )["StackResourceSummaries"]
        found |= {each["PhysicalResourceId"] for each in rows if each["ResourceType"] == kind}
    return found


def test_a_destroy_keeps_tables_queues_and_logs_and_nothing_else(adopted: Adopted) -> None:
    assert {what: number for what, number in adopted.left.items() if number} == {
        "tables": 3,
        "queues": 5,
        "logs": 5,
    }


def test_usage_that_was_counted_before_is_billed_once(adopted: Adopted) -> None:
    assert adopted.stage.billed(adopted.counted) == Decimal(3)


def test_usage_that_was_in_the_queue_is_billed_once(adopted: Adopted) -> None:
    assert adopted.stage.billed(adopted.queued) == Decimal(4)


def test_adopted_tables_belong_to_the_stack_again(adopted: Adopted) -> None:
    tables = {name for name in adopted.before if name.endswith("TableName")}

    owned = resources(adopted.stage.sandbox, "AWS::DynamoDB::Table")

    assert owned == {adopted.before[name] for name in tables}


def test_adopted_queues_are_used_as_they_are(adopted: Adopted) -> None:
    queues = {name for name in adopted.before if name.endswith("QueueUrl")}
    now = adopted.stage.sandbox.outputs

    assert len(queues) == 5
    assert {name: now[name] for name in queues} == {name: adopted.before[name] for name in queues}
    assert resources(adopted.stage.sandbox, "AWS::SQS::Queue") == set()


def test_events_come_through_adopted_queues(adopted: Adopted) -> None:
    bought = buyer(adopted.stage, "810000000003")

    adopted.stage.use(bought, 5, key="after")
    adopted.stage.let_pass(hours=2)
    adopted.stage.tick()

    assert adopted.stage.billed(bought) == Decimal(5)


def test_what_was_adopted_is_kept_again(adopted: Adopted) -> None:
    assert kept(adopted.stage.sandbox.outputs) == kept(adopted.before)


def test_in_another_region_all_calls_go_to_the_metering_region(adopted: Adopted) -> None:
    calls = adopted.stage.sandbox.emulator("calls")["calls"]

    assert {each["region"] for each in calls if each["operation"] == "BatchMeterUsage"} == {FAR}
