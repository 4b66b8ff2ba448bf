"""The setting `adopt`: tables that CloudFormation imports, queues that the stack refers to."""

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from infra import adoption
from infra.events_stack import EventsStack
from infra.settings import SettingError, Settings
from tests.infra.conftest import CDK_JSON, synthesize
from tests.infra.template import (
    CUSTOMERS,
    LEDGER,
    QUEUE,
    QUEUE_POLICY,
    REGISTRATIONS,
    RULE,
    TABLE,
    TICK,
    USAGE_QUEUE,
    Resources,
)

KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/0b3c9a52-6f1d-4c1e-9a4e-5d2f7a8b9c0d"
KEPT = {
    adoption.LEDGER: "Old-Ledger-1",
    adoption.CUSTOMERS: "Old-Customers-1",
    adoption.REGISTRATIONS: "Old-Registrations-1",
    adoption.USAGE: "https://sqs.us-east-1.amazonaws.com/123456789012/Old-Usage-1",
    adoption.EVENTS: "Old-Events-1",
    adoption.DEAD_LETTERS: "Old-DeadLetters-1",
    adoption.UNDELIVERED: "Old-Undelivered-1",
}


def arn(name: str) -> dict[str, Any]:
    return {"Fn::Join": ["", ["arn:aws:sqs:us-east-1:", {"Ref": "AWS::AccountId"}, f":{name}"]]}


@pytest.fixture(scope="module")
def adopting_template() -> dict[str, Any]:
    return synthesize({"adopt": json.dumps(KEPT), "usage_endpoint": "true"})


@pytest.fixture(scope="module")
def adopting(adopting_template: dict[str, Any]) -> Resources:
    return Resources(adopting_template)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (LEDGER, "Old-Ledger-1"),
        (CUSTOMERS, "Old-Customers-1"),
        (REGISTRATIONS, "Old-Registrations-1"),
    ],
)
def test_a_table_bears_its_old_name_and_may_be_imported(
    resources: Resources, adopting: Resources, words: str, name: str
) -> None:
    # CloudFormation's user guide, page "import-resources-automatically": a static name, retained.
    table, fresh = adopting.one(TABLE, words), resources.one(TABLE, words)

    assert table["DeletionPolicy"] == "Retain"
    assert table["Properties"] == {**fresh["Properties"], "TableName": name}


def test_no_queue_is_made_where_all_are_adopted(adopting: Resources) -> None:
    assert adopting.every(QUEUE) == []


def test_the_functions_use_the_adopted_queue(adopting: Resources) -> None:
    url = adopting.variables(TICK)["USAGE_QUEUE_URL"]

    assert url["Fn::Join"][1][-1] == "/Old-Usage-1"
    assert {"sqs:DeleteMessage", "sqs:ReceiveMessage"} <= {
        action
        for statement in adopting.allowed(TICK)
        if statement["Resource"] == arn("Old-Usage-1")
        for action in statement["Action"]
    }


def test_adopted_queues_have_the_policies_of_new_ones(
    resources: Resources, adopting: Resources
) -> None:
    """Guards the CDK's reference to a queue, which leaves it without a policy."""
    policies = {name for name, each in resources.all.items() if each["Type"] == QUEUE_POLICY}

    assert policies == {name for name, each in adopting.all.items() if each["Type"] == QUEUE_POLICY}
    for name in policies:
        new, old = (
            each.all[name]["Properties"]["PolicyDocument"]["Statement"]
            for each in (resources, adopting)
        )
        assert [without_resource(each) for each in new] == [without_resource(each) for each in old]


def without_resource(statement: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != "Resource"}


def test_an_adopted_queue_refuses_everybody_without_tls(adopting: Resources) -> None:
    assert adopting.queue_policy(USAGE_QUEUE) == [
        {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "sqs:*",
            "Resource": arn("Old-Usage-1"),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_events_go_into_adopted_queues(adopting: Resources) -> None:
    (target,) = adopting.properties(RULE)["Targets"]

    assert target["Arn"] == arn("Old-Events-1")
    assert target["DeadLetterConfig"] == {"Arn": arn("Old-Undelivered-1")}


def test_what_was_adopted_is_told_as_kept(adopting_template: dict[str, Any]) -> None:
    _, parts = adopting_template["Outputs"]["Kept"]["Value"]["Fn::Join"]
    told = "".join(part if isinstance(part, str) else part["Ref"] for part in parts)

    assert json.loads(told) == {
        adoption.LEDGER: "MeteringLedger9DE3E277",
        adoption.CUSTOMERS: "CustomersTable68815F0F",
        adoption.REGISTRATIONS: "RegistrationRegistrations24CA72DF",
        adoption.USAGE: "Old-Usage-1",
        adoption.EVENTS: "Old-Events-1",
        adoption.DEAD_LETTERS: "Old-DeadLetters-1",
        adoption.UNDELIVERED: "Old-Undelivered-1",
    }


def test_a_part_may_be_adopted_and_the_rest_made() -> None:
    resources = Resources(synthesize({"adopt": {adoption.LEDGER: "Old-Ledger-1"}}))

    assert resources.properties(TABLE, LEDGER)["TableName"] == "Old-Ledger-1"
    assert "TableName" not in resources.properties(TABLE, CUSTOMERS)
    assert len(resources.every(QUEUE)) == 4


def test_the_forwarding_stack_adopts_its_queue_and_its_key() -> None:
    kept = {
        adoption.FORWARDING_UNDELIVERED: "Old-Forwarding-1",
        adoption.FORWARDING_KEY: KEY_ARN,
    }
    settings = Settings.from_context(
        {"region": "eu-west-1", "adopt": kept, "customer_managed_key": True}
    )
    stack = EventsStack(cdk.App(context=CDK_JSON["context"]), "Acme-Events", settings=settings)
    resources = Resources(Template.from_stack(stack).to_json())

    (target,) = resources.properties(RULE)["Targets"]
    assert target["DeadLetterConfig"] == {"Arn": arn("Old-Forwarding-1")}
    assert not [each for each in resources.all.values() if each["Type"] in (QUEUE, "AWS::KMS::Key")]


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ("{", "must be a JSON object"),
        ([], "must be a JSON object from an output's name"),
        ({adoption.LEDGER: 7}, "must be a JSON object from an output's name"),
        ({"MeteringFunctionName": "x"}, "but not MeteringFunctionName"),
        ({adoption.LEDGER: "a b"}, "must give for LedgerTableName the name of a table"),
        ({adoption.USAGE: "queue.fifo"}, "must give for UsageQueueUrl the name or the URL of a"),
        ({adoption.KEY: "key"}, "must give for KeyArn the ARN of a KMS key"),
        ({adoption.KEY: KEY_ARN}, "set customer_managed_key too"),
    ],
)
def test_what_cannot_be_adopted_is_refused_with_a_sentence(given: object, because: str) -> None:
    with pytest.raises(SettingError, match=because):
        Settings.from_context({"adopt": given})


def test_a_name_is_read_from_the_url_of_a_queue() -> None:
    settings = Settings.from_context({"adopt": KEPT})

    assert settings.adopted(adoption.USAGE) == "Old-Usage-1"
