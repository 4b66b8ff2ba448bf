"""Checks that a deployed stack is all there.

moto's CloudFormation says CREATE_COMPLETE about stacks of which it has made a part, so the template
is compared with what each service itself lists.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

# A boto3 client of the sandbox, by the name of its service.
Clients = Callable[[str], Any]

# Types that are left out on purpose. Metadata and conditions stand for nothing outside a template.
# A bucket policy (`cdk bootstrap` makes one that refuses plain HTTP) would lock everybody out: moto
# obeys its Deny and does not look at its conditions.
LEFT_OUT = frozenset(
    {
        "AWS::CDK::Metadata",
        "AWS::CloudFormation::WaitCondition",
        "AWS::CloudFormation::WaitConditionHandle",
        "AWS::S3::BucketPolicy",
    }
)


class IncompleteError(Exception):
    """Something of a template was not made; the message names all of it."""


@dataclass(frozen=True, slots=True)
class Made:
    """One resource of a deployed stack."""

    properties: Mapping[str, Any]
    physical_id: str
    physical_ids: Mapping[str, str]

    def resolve(self, value: Any) -> str:
        """The name in a property: text, or the physical id of what it refers to."""
        match value:
            case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
                return self.physical_ids[name]
        return str(value)


def verify(template: Mapping[str, Any], stack: str, client: Clients) -> None:
    """Check that every resource of the template exists, as its own service sees it.

    Raises:
        IncompleteError: Some do not, or are of a type that nobody here knows how to look for.
    """
    listed = client("cloudformation").list_stack_resources(StackName=stack)
    rows = listed["StackResourceSummaries"]
    ids = {row["LogicalResourceId"]: row.get("PhysicalResourceId", "") for row in rows}
    missing = []
    for name, resource in template["Resources"].items():
        kind = resource["Type"]
        if kind in LEFT_OUT:
            continue
        made = Made(resource.get("Properties", {}), ids.get(name, ""), ids)
        if kind not in EXISTS:
            missing.append(f"{name}: sandbox/verify.py cannot look for a {kind}")
        elif not made.physical_id and kind not in WITHOUT_ID:
            missing.append(f"{name} ({kind}) has no physical id")
        elif not _exists(EXISTS[kind], client, made):
            missing.append(f"{name} ({kind}) is not there: {made.physical_id}")
    if missing:
        raise IncompleteError(f"{stack} is not complete:\n" + "\n".join(missing))


def _exists(look: Callable[[Clients, Made], object], client: Clients, made: Made) -> bool:
    try:
        return bool(look(client, made))
    except ClientError:
        return False


def _queue_policy(client: Clients, made: Made) -> bool:
    return all(
        client("sqs")
        .get_queue_attributes(QueueUrl=made.resolve(queue), AttributeNames=["Policy"])
        .get("Attributes")
        for queue in made.properties["Queues"]
    )


def _role_policy(client: Clients, made: Made) -> bool:
    return all(
        client("iam").get_role_policy(
            RoleName=made.resolve(role), PolicyName=made.properties["PolicyName"]
        )
        for role in made.properties["Roles"]
    )


# moto's Lambda permissions have no physical id.
WITHOUT_ID = frozenset({"AWS::Lambda::Permission"})

# How to ask each service for its own resource: a ClientError or nothing means it is not there.
EXISTS: dict[str, Callable[[Clients, Made], object]] = {
    "AWS::CloudWatch::Alarm": lambda client, made: client("cloudwatch").describe_alarms(
        AlarmNames=[made.physical_id]
    )["MetricAlarms"],
    "AWS::DynamoDB::Table": lambda client, made: client("dynamodb").describe_table(
        TableName=made.physical_id
    ),
    "AWS::IAM::Policy": _role_policy,
    "AWS::IAM::Role": lambda client, made: client("iam").get_role(RoleName=made.physical_id),
    "AWS::Lambda::EventInvokeConfig": lambda client, made: client(
        "lambda"
    ).get_function_event_invoke_config(FunctionName=made.resolve(made.properties["FunctionName"])),
    "AWS::Lambda::Function": lambda client, made: client("lambda").get_function(
        FunctionName=made.physical_id
    ),
    "AWS::Lambda::Permission": lambda client, made: client("lambda").get_policy(
        FunctionName=made.resolve(made.properties["FunctionName"])
    ),
    "AWS::Logs::LogGroup": lambda client, made: client("logs").describe_log_groups(
        logGroupNamePrefix=made.physical_id
    )["logGroups"],
    "AWS::SQS::Queue": lambda client, made: client("sqs").get_queue_attributes(
        QueueUrl=made.physical_id
    ),
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::Scheduler::Schedule": lambda client, made: client("scheduler").get_schedule(
        Name=made.physical_id, GroupName=made.properties.get("GroupName", "default")
    ),
}
