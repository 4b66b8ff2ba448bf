"""Deploys a CDK app into the sandbox with the real CDK CLI, and checks that it is all there.

The app is synthesized while moto still starts and `cdk bootstrap` runs, then deployed from the
finished cloud assembly. moto's CloudFormation says CREATE_COMPLETE about stacks it has made in
part, so the template is compared with what the services list afterwards.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.children import Child, shell_command
from sandbox.cloudformation import LEFT_OUT
from sandbox.environment import ACCOUNT, REGION

ROOT = Path(__file__).resolve().parent.parent

# A boto3 client of the sandbox, by the name of its service.
Clients = Callable[[str], Any]


class DeployError(Exception):
    """A CDK command failed, or a stack is not complete; the message says which and how."""


class Cdk:
    """The CDK CLI, its output in log files.

    Args:
        app: The folder of the CDK app, with its cdk.json.
        assembly: Where the synthesized app goes.
        context: Settings for it.
        environment: Where node, Python and the sandbox's AWS are found.
        logs: The folder of the logs.
    """

    def __init__(
        self,
        *,
        app: Path,
        assembly: Path,
        context: Mapping[str, str],
        environment: Mapping[str, str],
        logs: Path,
    ) -> None:
        self._app = app
        self._assembly = assembly
        self._context = context
        self._environment = environment
        self._logs = logs

    def synth(self) -> Child:
        """Begin to write the templates and the zip; needs no AWS."""
        context = [f"--context={key}={value}" for key, value in self._context.items()]
        return self._run("synth", "synth", "--quiet", f"--output={self._assembly}", *context)

    def bootstrap(self) -> Child:
        """Begin to make the bucket and the roles that every CDK deployment expects."""
        # Without an app, which would be synthesized once more.
        return self._run("bootstrap", "bootstrap", "--app=", f"aws://{ACCOUNT}/{REGION}")

    def deploy(self) -> Child:
        """Begin to deploy the synthesized app."""
        # With change sets moto leaves the outputs empty, and a second deploy is a 500.
        return self._run(
            *("deploy", "deploy", "--all", f"--app={self._assembly}", "--method=direct"),
            *("--require-approval=never", "--progress=events"),
        )

    def stacks(self) -> dict[str, dict[str, Any]]:
        """The templates that were synthesized, by the name of their stack."""
        manifest = json.loads((self._assembly / "manifest.json").read_text(encoding="utf-8"))
        return {
            artifact["properties"].get("stackName", name): json.loads(
                (self._assembly / artifact["properties"]["templateFile"]).read_text("utf-8")
            )
            for name, artifact in manifest["artifacts"].items()
            if artifact["type"] == "aws:cloudformation:stack"
        }

    def _run(self, name: str, *arguments: str) -> Child:
        cli = ROOT / "node_modules" / ".bin" / "cdk"
        if not cli.exists():
            raise DeployError(f"The CDK CLI is not at {cli}; `make setup` brings it.")
        return Child(
            f"cdk {name}",
            shell_command(cli, *arguments),
            environment={**self._environment, "CDK_DISABLE_CLI_TELEMETRY": "1", "CI": "1"},
            log=self._logs / f"cdk-{name}.log",
            folder=self._app,
        )


def finish(command: Child) -> None:
    """Wait for a CDK command.

    Raises:
        DeployError: It failed.
    """
    if command.wait() != 0:
        raise DeployError(command.obituary())


def outputs(cdk: Cdk, client: Clients) -> dict[str, str]:
    """The outputs of all stacks of the app."""
    found = {}
    for name in cdk.stacks():
        described = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        found.update({each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]})
    return found


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
        DeployError: Some do not, or are of a type that nobody here knows how to look for.
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
            missing.append(f"{name}: sandbox/deploy.py cannot look for a {kind}")
        elif not made.physical_id and kind not in WITHOUT_ID:
            missing.append(f"{name} ({kind}) has no physical id")
        elif not _exists(EXISTS[kind], client, made):
            missing.append(f"{name} ({kind}) is not there: {made.physical_id}")
    if missing:
        raise DeployError(f"{stack} is not complete:\n" + "\n".join(missing))


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
