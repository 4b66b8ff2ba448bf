"""Deploys a CDK app into the sandbox with the real CDK CLI.

Each command is a process that has begun when the method returns, so that the app can be synthesized
while moto still starts and is bootstrapped; then it is deployed from the finished cloud assembly.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.children import Child, shell_command
from sandbox.environment import ACCOUNT, REGION
from sandbox.existence import Client
from sandbox.verify import verify

ROOT = Path(__file__).resolve().parent.parent

_CDK_SETTINGS = {"CDK_DISABLE_CLI_TELEMETRY": "1", "CDK_VALIDATION": "false", "CI": "1"}
"""The CDK's own rules for templates take longer than all of the rest of a synthesis; `make synth`
and a deployment to AWS run them."""


class DeployError(Exception):
    """A CDK command failed; the message says which and shows its last lines."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One synthesized stack."""

    name: str
    region: str
    template: Mapping[str, Any]


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

    def bootstrap(self, *regions: str) -> Child:
        """Begin to make the buckets and the roles that every CDK deployment expects."""
        # Without an app, which would be synthesized once more.
        places = [f"aws://{ACCOUNT}/{region}" for region in regions]
        return self._run(f"bootstrap-{regions[0]}", "bootstrap", "--app=", *places)

    def deploy(self) -> Child:
        """Begin to deploy the synthesized app, and to adopt what its settings name."""
        # Without a change set it is quicker; the CLI imports with one only.
        how = "--import-existing-resources" if "adopt" in self._context else "--method=direct"
        return self._run(
            *("deploy", "deploy", "--all", f"--app={self._assembly}", how),
            *("--require-approval=never", "--progress=events"),
        )

    def destroy(self) -> Child:
        """Begin to delete the stacks of the synthesized app, as far as they are not retained."""
        return self._run("destroy", "destroy", "--all", "--force", f"--app={self._assembly}")

    def stacks(self) -> list[Stack]:
        """What was synthesized."""
        manifest = json.loads((self._assembly / "manifest.json").read_text(encoding="utf-8"))
        return [
            Stack(
                name=artifact["properties"].get("stackName", name),
                region=self._region(artifact["environment"]),
                template=json.loads(
                    (self._assembly / artifact["properties"]["templateFile"]).read_text("utf-8")
                ),
            )
            for name, artifact in manifest["artifacts"].items()
            if artifact["type"] == "aws:cloudformation:stack"
        ]

    def _region(self, place: str) -> str:
        """The region in `aws://123456789012/eu-west-1`; the shell's where the app names none."""
        region = place.rsplit("/", 1)[-1]
        return self._environment["AWS_REGION"] if region == "unknown-region" else region

    def _run(self, name: str, *arguments: str) -> Child:
        cli = ROOT / "node_modules" / ".bin" / "cdk"
        if not cli.exists():
            raise DeployError(f"The CDK CLI is not at {cli}; `make setup` brings it.")
        return Child(
            f"cdk {name}",
            shell_command(cli, *arguments),
            environment={**self._environment, **_CDK_SETTINGS},
            log=self._logs / f"cdk-{name}.log",
            folder=self._app,
        )


def region_of(app: Path, context: Mapping[str, str]) -> str:
    """The region of an app's main stack, by its settings."""
    settings = json.loads((app / "cdk.json").read_text(encoding="utf-8")).get("context", {})
    return str({"region": REGION, **settings, **context}["region"])


def finish(command: Child) -> None:
    """Wait for a CDK command.

    Raises:
        DeployError: It failed.
    """
    if command.wait() != 0:
        raise DeployError(command.obituary())


def outputs(stacks: Iterable[Stack], client: Client) -> dict[str, str]:
    """The outputs of all stacks of the app."""
    found = {}
    for stack in stacks:
        cloudformation = client("cloudformation", stack.region)
        described = cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]
        found.update(
            {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}
        )
    return found


def verify_all(stacks: Iterable[Stack], client: Client) -> None:
    """Check that every resource of every stack is there.

    Raises:
        IncompleteError: Some are not.
    """
    for stack in stacks:
        regional = partial(_in_region, client, stack.region)
        verify(stack.template, stack.name, regional)


def _in_region(client: Client, usual: str, service: str, region: str | None = None) -> Any:
    return client(service, region or usual)
