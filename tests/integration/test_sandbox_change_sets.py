"""Change sets in the sandbox: what they make, and what they import by CloudFormation's rules."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.sandbox import Sandbox

pytestmark = pytest.mark.slow

CHANGES = "changes"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), app=None) as sandbox:
        yield sandbox


def table(name: str, policy: str = "Retain", **properties: object) -> dict[str, Any]:
    return {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": policy,
        "Properties": {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            **properties,
        },
    }


def execute(
    sandbox: Sandbox,
    stack: str,
    resources: Mapping[str, Any],
    *,
    kind: str = "CREATE",
    importing: bool = False,
) -> None:
    """Deploy as the CDK CLI does with a change set."""
    cloudformation = sandbox.client("cloudformation")
    outputs = {"Name": {"Value": {"Ref": next(iter(resources))}}}
    cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=f"{CHANGES}-{stack}-{kind}",
        ChangeSetType=kind,
        TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs}),
        ImportExistingResources=importing,
    )
    cloudformation.execute_change_set(StackName=stack, ChangeSetName=f"{CHANGES}-{stack}-{kind}")


def outputs(sandbox: Sandbox, stack: str) -> dict[str, str]:
    (found,) = sandbox.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


def left_behind(sandbox: Sandbox, name: str) -> None:
    """Let a stack make a table with an item in it, and go."""
    execute(sandbox, f"before-{name}", {"Table": table(name)})
    sandbox.client("dynamodb").put_item(TableName=name, Item={"pk": {"S": "kept"}})
    sandbox.client("cloudformation").delete_stack(StackName=f"before-{name}")


def test_a_stack_of_a_change_set_has_outputs_and_can_be_changed_again(sandbox: Sandbox) -> None:
    execute(sandbox, "twice", {"Table": table("twice-1")})
    first = outputs(sandbox, "twice")

    more = {"Table": table("twice-1"), "More": table("twice-2")}
    execute(sandbox, "twice", more, kind="UPDATE")

    assert first == outputs(sandbox, "twice") == {"Name": "twice-1"}
    assert "twice-2" in sandbox.client("dynamodb").list_tables()["TableNames"]


def test_a_table_that_was_left_behind_is_imported_with_what_is_in_it(sandbox: Sandbox) -> None:
    left_behind(sandbox, "orphan")

    execute(sandbox, "after", {"Table": table("orphan")}, importing=True)

    assert outputs(sandbox, "after") == {"Name": "orphan"}
    assert sandbox.client("dynamodb").scan(TableName="orphan")["Items"] == [{"pk": {"S": "kept"}}]


def test_a_stack_that_is_there_imports_too(sandbox: Sandbox) -> None:
    left_behind(sandbox, "late")
    execute(sandbox, "early", {"Table": table("early-1")})

    both = {"Table": table("early-1"), "Late": table("late")}
    execute(sandbox, "early", both, kind="UPDATE", importing=True)

    assert sandbox.client("dynamodb").scan(TableName="late")["Items"] == [{"pk": {"S": "kept"}}]


def test_without_the_option_a_name_that_is_taken_is_refused(sandbox: Sandbox) -> None:
    left_behind(sandbox, "taken")

    with pytest.raises(ClientError, match="ResourceInUse"):
        execute(sandbox, "refused", {"Table": table("taken")})


def test_a_table_of_another_stack_is_not_imported(sandbox: Sandbox) -> None:
    execute(sandbox, "owner", {"Table": table("owned")})

    with pytest.raises(ClientError, match="owned belongs to the stack owner"):
        execute(sandbox, "thief", {"Table": table("owned")}, importing=True)


def test_what_would_go_with_the_stack_is_not_imported(sandbox: Sandbox) -> None:
    left_behind(sandbox, "fleeting")

    with pytest.raises(ClientError, match="it is not retained"):
        execute(sandbox, "careless", {"Table": table("fleeting", "Delete")}, importing=True)


def test_an_update_keeps_what_is_in_a_table(sandbox: Sandbox) -> None:
    """Guards upgrades: moto lost sight of a table that an update had changed."""
    execute(sandbox, "changed", {"Table": table("protected")})
    sandbox.client("dynamodb").put_item(TableName="protected", Item={"pk": {"S": "kept"}})

    protected = {"Table": table("protected", DeletionProtectionEnabled=True)}
    execute(sandbox, "changed", protected, kind="UPDATE")

    described = sandbox.client("dynamodb").describe_table(TableName="protected")["Table"]
    assert described["DeletionProtectionEnabled"] is True
    assert described["ItemCount"] == 1
    assert outputs(sandbox, "changed") == {"Name": "protected"}


def test_an_unknown_change_set_is_named_as_unknown(sandbox: Sandbox) -> None:
    cloudformation = sandbox.client("cloudformation")

    with pytest.raises(cloudformation.exceptions.ChangeSetNotFoundException):
        cloudformation.describe_change_set(StackName="any", ChangeSetName="none")
