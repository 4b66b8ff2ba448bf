"""Two stacks of one seller in one account and region, the first for two products: nothing is mixed.

The second is under a key of the seller's, and both write access logs, for which the account has one
role.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.buyer import register
from sandbox.marketplace.agreements import product_id_of
from sandbox.sandbox import Sandbox

pytestmark = pytest.mark.slow

BEGIN = datetime(2026, 11, 10, 9, 5, tzinfo=UTC)
# A tick polls an empty queue for a second or so: of emulated time.
WHILE_TICKS_WAIT = 20


@dataclass(frozen=True, slots=True)
class Product:
    """One product with its stack and one buyer."""

    sandbox: Sandbox
    code: str
    dimension: str
    stack: str
    outputs: Mapping[str, str]
    license_arn: str

    def use(self, quantity: int) -> None:
        """Send usage of this moment into the product's own queue, under the same `Id`."""
        record = {
            "Id": "the-same-id",
            "Timestamp": self.sandbox.clock.now().isoformat(),
            "LicenseArn": self.license_arn,
            "Dimension": self.dimension,
            "Quantity": quantity,
        }
        self.sandbox.client("sqs").send_message(
            QueueUrl=self.outputs["UsageQueueUrl"], MessageBody=json.dumps(record)
        )

    def bill(self) -> dict[str, Decimal]:
        """What AWS would bill for the product, by hour."""
        lines = self.sandbox.emulator("usage")["usage"]
        return {
            each["hour"]: Decimal(each["quantity"])
            for each in lines
            if each["product_code"] == self.code and Decimal(each["quantity"])
        }

    def items(self, table: str) -> str:
        """All that a table holds, as text."""
        found = self.sandbox.client("dynamodb").scan(TableName=self.outputs[table])["Items"]
        return repr(found)

    def resources(self) -> dict[str, set[str]]:
        """The physical names of what the stack has, by type."""
        rows: list[Any] = self.sandbox.client("cloudformation").list_stack_resources(
            StackName=self.stack
        )["StackResourceSummaries"]
        kinds = {each["ResourceType"] for each in rows}
        return {
            kind: {each["PhysicalResourceId"] for each in rows if each["ResourceType"] == kind}
            for kind in kinds
        }


@dataclass(frozen=True, slots=True)
class Account:
    """The seller's account with two stacks; all products were used in an hour that is over.

    Attributes:
        fired: The functions that the schedules have started.
    """

    sandbox: Sandbox
    one: Product
    beside: Product
    other: Product
    fired: set[str]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("two-stacks")
    first = settings("One", "users", "example000000000000000001", "example000000000000000003")
    second = settings("Other", "reports", "example000000000000000002")
    with Sandbox(folder, context=first, clock_start=BEGIN) as sandbox:
        one = product(sandbox, first, "820000000001")
        beside = product(sandbox, first, "820000000003")
        sandbox.deploy(**second, customer_managed_key="true")
        other = product(sandbox, second, "820000000002")
        sandbox.settle()
        one.use(3)
        beside.use(7)
        other.use(5)
        fired = let_ticks_run(sandbox)
        sandbox.clock.advance(timedelta(hours=1, minutes=10).total_seconds())
        fired |= let_ticks_run(sandbox)
        yield Account(sandbox, one, beside, other, fired)


def let_ticks_run(sandbox: Sandbox) -> set[str]:
    """Let the schedules of both stacks fire, and tell which functions they started."""
    sandbox.clock.run(WHILE_TICKS_WAIT)
    fired = sandbox.run_until(sandbox.clock.now() + timedelta(minutes=6))
    sandbox.clock.run(1)
    return {each.function.rpartition(":")[2] for each in fired}


def settings(stack: str, dimension: str, *codes: str) -> dict[str, str]:
    """What tells the stacks apart."""
    return {
        "stack_name": stack,
        "product_ids": ",".join(map(product_id_of, codes)),
        "dimensions": dimension,
        "access_logs": "true",
    }


def product(sandbox: Sandbox, context: Mapping[str, str], account: str) -> Product:
    """Let a buyer purchase the product whose stack was deployed last, and register with it."""
    code, dimension = f"example00000000000000000{account[-1]}", context["dimensions"]
    bought = sandbox.emulator(
        "purchases",
        {
            "product_code": code,
            "account": account,
            "dimensions": [dimension],
            "starts_at": (BEGIN - timedelta(days=2)).isoformat(),
        },
    )
    register(sandbox.url("RegistrationUrl"), bought["registration_token"], email="a@example.com")
    outputs = dict(sandbox.outputs)
    return Product(sandbox, code, dimension, context["stack_name"], outputs, bought["license_arn"])


def test_the_usage_of_each_product_is_billed_once(account: Account) -> None:
    assert account.one.bill() == {"2026-11-10T09:00:00Z": 3}
    assert account.beside.bill() == {"2026-11-10T09:00:00Z": 7}
    assert account.other.bill() == {"2026-11-10T09:00:00Z": 5}


def test_each_stack_runs_by_a_schedule_of_its_own(account: Account) -> None:
    ticks = {each.outputs["MeteringFunctionName"] for each in (account.one, account.other)}

    assert len(ticks) == 2
    assert ticks <= account.fired


def test_no_call_was_refused_for_the_other_product(account: Account) -> None:
    calls = account.sandbox.emulator("calls")["calls"]

    statuses = {status for each in calls for status in each["statuses"]}

    assert statuses == {"Success"}


@pytest.mark.parametrize("table", ["LedgerTableName", "CustomersTableName"])
def test_no_table_knows_a_license_of_the_other_product(account: Account, table: str) -> None:
    own = account.one.license_arn.rpartition(":")[2]
    others = account.other.license_arn.rpartition(":")[2]

    assert own in account.one.items(table)
    assert others not in account.one.items(table)
    assert own not in account.other.items(table)


def test_the_stacks_share_no_resource(account: Account) -> None:
    one, other = account.one.resources(), account.other.resources()
    # One for the whole account and region; whichever stack sets it, it has the same permission.
    shared = {"AWS::ApiGateway::Account", "AWS::ApiGateway::Stage", "AWS::Lambda::Permission"}

    assert one.keys() - shared == other.keys() - shared - {"AWS::KMS::Key"}
    assert not [kind for kind in one.keys() - shared if one[kind] & other[kind]]


def test_the_stacks_export_nothing(account: Account) -> None:
    """Guards the names: an export blocks a second stack, and the deletion of the first."""
    names = [
        each["Name"] for each in account.sandbox.client("cloudformation").list_exports()["Exports"]
    ]

    assert not [name for name in names if not name.startswith("CdkBootstrap")]


def test_the_metrics_of_each_stack_have_a_namespace_of_their_own(account: Account) -> None:
    functions = account.sandbox.client("lambda").list_functions()["Functions"]

    spaces = {
        each["FunctionName"].partition("-")[0]: each["Environment"]["Variables"][
            "POWERTOOLS_METRICS_NAMESPACE"
        ]
        for each in functions
    }

    assert spaces == {"One": "One", "Other": "Other"}


def test_tables_queues_and_topics_of_a_stack_with_a_key_are_under_it(account: Account) -> None:
    """The sandbox forgets the keys of log groups; `tests/infra/test_encryption.py` does not."""
    key = account.other.outputs["KeyArn"]
    made = account.other.resources()
    tables, queues = account.sandbox.client("dynamodb"), account.sandbox.client("sqs")
    topics = account.sandbox.client("sns")

    keys = [
        tables.describe_table(TableName=name)["Table"]["SSEDescription"]["KMSMasterKeyArn"]
        for name in made["AWS::DynamoDB::Table"]
    ]
    keys += [
        queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"][
            "KmsMasterKeyId"
        ]
        for url in made["AWS::SQS::Queue"]
    ]
    keys += [
        topics.get_topic_attributes(TopicArn=arn)["Attributes"]["KmsMasterKeyId"]
        for arn in made["AWS::SNS::Topic"]
    ]

    assert set(keys) == {key}


def test_a_stack_goes_on_when_the_other_is_destroyed(account: Account) -> None:
    """The last of all: afterwards there is one stack."""
    account.sandbox.destroy()
    account.one.use(4)

    answer = account.sandbox.invoke(account.one.outputs["MeteringFunctionName"])

    assert (answer["messages"], answer["duplicates"] + sum(answer["quarantined"].values())) == (
        1,
        1,
    )
    assert account.sandbox.client("apigateway").get_account()["cloudwatchRoleArn"]
