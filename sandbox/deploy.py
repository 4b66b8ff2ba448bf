"""Deploys a CDK app into the sandbox with the real CDK CLI.

Each command is a process that has begun when the method returns, so that the app can be synthesized
while moto still starts and is bootstrapped; then it is deployed from the finished cloud assembly.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.children import Child, shell_command
from sandbox.environment import ACCOUNT, REGION
from sandbox.verify import Clients

ROOT = Path(__file__).resolve().parent.parent


class DeployError(Exception):
    """A CDK command failed; the message says which and shows its last lines."""


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
