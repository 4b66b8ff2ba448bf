"""AWS and AWS Marketplace on a laptop, with the really deployed stack in it.

    with Sandbox(folder) as sandbox:
        sandbox.client("sqs").send_message(QueueUrl=sandbox.outputs["UsageQueueUrl"], MessageBody=…)
        sandbox.invoke_metering()
        sandbox.clock.advance(3600)
        sandbox.emulator("usage")
        urlopen(sandbox.url("RegistrationUrl"))
        sandbox.settle()

Four endpoints: moto with what it lacks (`sandbox.aws`), the Marketplace emulator, and two that this
process serves itself: the Lambda API, which runs the functions, and the REST APIs. All live by one
clock.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from sandbox import environment, gateway, lambda_api
from sandbox.children import HOST, Child, answers, choose_ports, python_module
from sandbox.clients import Clients
from sandbox.clock import Clock
from sandbox.deliveries import Deliveries
from sandbox.deploy import ROOT, Cdk, finish, outputs, region_of, verify_all
from sandbox.environment import ACCOUNT, Endpoints, ask
from sandbox.folder import Folder
from sandbox.measured import Datum, measured
from sandbox.ringing import own_alarms, rings
from sandbox.runtime import Runtime
from sandbox.scheduler import Fired, Scheduler
from sandbox.triggers import Handled, Triggers

# Functions may cause events that call for functions again, but not for ever.
SETTLE_ROUNDS_MAX = 100


class UnsettledError(Exception):
    """Functions keep calling for each other."""


class FunctionError(Exception):
    """A function answered with an error, or died; the message is what Lambda says."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts of a sandbox listen; 0 takes any free port."""

    aws: int = 0
    marketplace: int = 0
    functions: int = 0
    api: int = 0


ANY_PORTS = Ports()


class Sandbox:
    """All of it, while the block runs. Whatever ends this process ends all that it has started.

    Args:
        folder: Where its files go: logs, clock, synthesized app, unpacked functions, `env` for
            shells and, when all is up, `ready`.
        app: The folder of the CDK app to deploy; `None` deploys nothing.
        context: Settings for the app.
        clock_start: Emulated time to begin with, aware; `None` begins now.
        speed: Emulated seconds per real second.
        ports: Where to listen.
        marketplace_url: A Marketplace that runs already, to use instead of an own one.
    """

    clock: Clock
    endpoints: Endpoints
    runtime: Runtime
    scheduler: Scheduler
    triggers: Triggers
    deliveries: Deliveries

    def __init__(
        self,
        folder: Path,
        *,
        app: Path | None = ROOT,
        context: Mapping[str, str] | None = None,
        clock_start: datetime | None = None,
        speed: float = 1.0,
        ports: Ports = ANY_PORTS,
        marketplace_url: str | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.outputs: dict[str, str] = {}
        self.region = region_of(app or ROOT, context or {})
        self._files = Folder(folder)
        self._app = app
        self._context = {"function_platform": "local", **(context or {})}
        self._clock_start = clock_start
        self._speed = speed
        self._ports = ports
        self._marketplace_url = marketplace_url
        self._servers: dict[int, Child] = {}
        self._bootstrapped: set[str] = set()
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as unfinished:
            unfinished.callback(self._ending.close)
            self._start()
            unfinished.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if error is not None:
            # Whatever went wrong, a server that is gone is a likely reason.
            for server in self._servers.values():
                if server.status is not None:
                    error.add_note(server.obituary())
        self._ending.close()

    @property
    def marketplace_url(self) -> str:
        """Where AWS Marketplace, or its emulator, answers."""
        return self.endpoints.marketplace

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client of this sandbox, by the name of its service."""
        return self._clients(service, region)

    def url(self, output: str) -> str:
        """Where the sandbox answers an output of the stack, such as "RegistrationUrl"."""
        return self.endpoints.url(self.outputs[output])

    def invoke(self, function: str, event: object = None) -> Any:
        """Invoke a function and return what it answers.

        Raises:
            FunctionError: It failed, timed out, or was killed.
        """
        answer = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps({} if event is None else event)
        )
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionError(f"{payload['errorType']}: {payload['errorMessage']}")
        return payload

    def invoke_metering(self) -> Any:
        """Run one tick and return its summary."""
        return self.invoke(self.outputs["MeteringFunctionName"])

    def kill_function(self, function: str | None = None) -> int:
        """Kill the processes of a function, of metering by default; return how many."""
        return self.runtime.kill(function or self.outputs["MeteringFunctionName"])

    def emulator(self, route: str, body: Mapping[str, object] | None = None) -> Any:
        """Ask the Marketplace emulator (GET), or tell it something (POST), and return its answer.

        Its routes are in `sandbox.marketplace.admin`, such as "usage" and "purchases".
        """
        return ask(f"{self.endpoints.marketplace}/emulator/{route}", body)

    def published(self) -> list[Mapping[str, Any]]:
        """The events that functions, or whoever else, have put on event buses, oldest first."""
        events: list[Mapping[str, Any]] = ask(f"{self.endpoints.aws}/sandbox/published")["events"]
        return events

    def mails(self) -> list[Mapping[str, Any]]:
        """The e-mails that have been sent, as SES was asked to, oldest first."""
        mails: list[Mapping[str, Any]] = ask(f"{self.endpoints.aws}/sandbox/mails")["mails"]
        return mails

    def measured(self) -> list[Datum]:
        """The metrics that functions have emitted, oldest first."""
        return measured(self._files.logs)

    def ringing(self) -> list[str]:
        """The names of the deployed alarms on the functions' own metrics that ring now."""
        alarms, data = own_alarms(self.client("cloudwatch")), self.measured()
        return [each["AlarmName"] for each in alarms if rings(each, data, self.clock.now())]

    def start(self, report: Callable[[str], None]) -> None:
        """From now on run functions as AWS does: when their schedule or a message calls for it.

        Events of AWS Marketplace are delivered, too. Says a line about each thing that happens.
        """
        for engine in (self.scheduler, self.triggers, self.deliveries):
            engine.start(report)

    def settle(self) -> list[Handled]:
        """Deliver what AWS Marketplace has told, and run functions until no queue has a message.

        For callers that drive, in the place of `start`.

        Raises:
            UnsettledError: There is no end to it.
        """
        handled: list[Handled] = []
        for _ in range(SETTLE_ROUNDS_MAX):
            delivered, now = self.deliveries.run_due(), self.triggers.run_due()
            handled += now
            if not delivered and not now:
                return handled
        raise UnsettledError(f"There was something to do {SETTLE_ROUNDS_MAX} times in a row.")

    def run_until(self, moment: datetime) -> list[Fired]:
        """Let emulated time pass up to this moment: schedules fire, and all settles in between."""
        fired = self.scheduler.run_until(moment, before_each=self.settle)
        self.settle()
        return fired

    def deploy(self, **context: str) -> None:
        """Deploy the app again, with these settings changed.

        Raises:
            DeployError: It failed.
            IncompleteError: The stack is not all there.
        """
        before, self._context = self._context, {**self._context, **context}
        try:
            cdk = self._cdk()
            finish(self._tied(cdk.synth()))
            self.bootstrap(*(stack.region for stack in cdk.stacks()))
            self._deploy(cdk)
        except BaseException:
            self._context = before
            raise

    def bootstrap(self, *regions: str) -> None:
        """Prepare regions for deployments, each once."""
        if fresh := set(regions) - self._bootstrapped:
            finish(self._tied(self._cdk().bootstrap(*sorted(fresh))))
            self._bootstrapped |= fresh

    def destroy(self) -> None:
        """Delete the stacks that were deployed last; what they retain stays.

        Raises:
            DeployError: It failed.
        """
        finish(self._tied(self._cdk().destroy()))
        self.outputs = {}

    def verify(self) -> None:
        """Check that every resource of the deployed app is there.

        Raises:
            IncompleteError: Some are not.
        """
        verify_all(self._cdk().stacks(), self.client)

    def check(self) -> None:
        """Raise if a part of the sandbox has ended by itself.

        Raises:
            ChildDiedError: One has.
        """
        for server in self._servers.values():
            server.check()

    def variables(self) -> dict[str, str]:
        """The environment of a shell that uses this sandbox."""
        return environment.for_shells(self.endpoints, self.region, self.outputs)

    def _start(self) -> None:
        self._files.occupy(self._ending)
        self.clock = Clock(self._files.clock, start=self._clock_start, speed=self._speed)
        ports = self._choose_ports()
        cdk = self._cdk()
        # Synthesis takes longest, and needs none of the servers.
        synth = self._tied(cdk.synth()) if self._app else None
        self._serve("sandbox.aws", ports.aws, clock=self._files.clock)
        if self._marketplace_url is None:
            market = "sandbox.marketplace.http"
            self._serve(market, ports.marketplace, "--clock-file", self._files.clock)
        self._run_functions(ports)
        for port, server in self._servers.items():
            server.wait_until(partial(answers, port))
        if synth is not None:
            self.bootstrap(self.region)
            finish(synth)
            self.bootstrap(*(stack.region for stack in cdk.stacks()))
            self._deploy(cdk)
        self._files.invite(self.variables(), self._ending)

    def _choose_ports(self) -> Ports:
        ports = Ports(*choose_ports(*astuple(self._ports)))
        self.endpoints = Endpoints(
            aws=f"http://{HOST}:{ports.aws}",
            marketplace=self._marketplace_url or f"http://{HOST}:{ports.marketplace}",
            functions=f"http://{HOST}:{ports.functions}",
            # Another name than AWS Marketplace's, so that the buyer's browser comes from another
            # site, as in AWS; another port alone would be the same site.
            api=f"http://localhost:{ports.api}",
        )
        self._clients = Clients(self.endpoints, self.region)
        return ports

    def _serve(self, module: str, port: int, *arguments: object, clock: Path | None = None) -> None:
        name = module.removeprefix("sandbox.").replace(".", "-")
        self._servers[port] = self._tied(
            Child(
                name,
                python_module(module, "--port", port, *arguments, clock=clock),
                environment=environment.for_children(PYTHONPATH=str(ROOT)),
                log=self._files.logs / f"{name}.log",
            )
        )

    def _tied(self, child: Child) -> Child:
        self._ending.callback(child.kill)
        return child

    def _run_functions(self, ports: Ports) -> None:
        # Not our own Lambda endpoint, which asks the runtime, which asks this client.
        moto = Clients(replace(self.endpoints, functions=self.endpoints.aws), self.region)
        self.runtime = Runtime(
            partial(moto, "lambda"),
            folder=self.folder,
            environment=environment.for_functions(self.endpoints),
            clock_file=self._files.clock,
            now=self.clock.now,
        )
        self._ending.callback(self.runtime.stop)
        invoke = self.runtime.invoke
        functions = lambda_api.serve(self.runtime, port=ports.functions, aws=self.endpoints.aws)
        self._ending.callback(functions.stop)
        apis = gateway.serve(port=ports.api, client=moto, invoke=invoke, now=self.clock.now)
        self._ending.callback(apis.stop)
        self.scheduler = Scheduler(moto("scheduler"), clock=self.clock, invoke=invoke)
        self.triggers = Triggers(moto("lambda"), moto("sqs"), invoke)
        self.deliveries = Deliveries(self.emulator, aws=self.endpoints.aws)
        for engine in (self.scheduler, self.triggers, self.deliveries):
            self._ending.callback(engine.stop)

    def _cdk(self) -> Cdk:
        tools = f"{Path(sys.executable).parent}:{ROOT}/node_modules/.bin"
        return Cdk(
            app=self._app or ROOT,
            assembly=self._files.assembly,
            context=self._context,
            environment=environment.for_children(
                **self.endpoints.variables(self.region),
                # moto takes an IP address in a template's URL for the name of a bucket.
                AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION=self.endpoints.aws.replace(
                    HOST, "localhost"
                ),
                PATH=f"{tools}:{os.environ.get('PATH', os.defpath)}",
                PYTHONPATH=str(ROOT),
            ),
            logs=self._files.logs,
        )

    def _deploy(self, cdk: Cdk) -> None:
        finish(self._tied(cdk.deploy()))
        self.verify()
        self.outputs = outputs(cdk.stacks(), self.client)
        self._set_up_by_hand()

    def _set_up_by_hand(self) -> None:
        """Do what a seller does beside the deployment: verify the sender, fill in the listing."""
        for function in self.client("lambda").list_functions()["Functions"]:
            variables = function.get("Environment", {}).get("Variables", {})
            if sender := variables.get("SENDER_EMAIL"):
                self.client("sesv2").create_email_identity(EmailIdentity=sender)
        if "RegistrationUrl" in self.outputs and self._marketplace_url is None:
            listing = {"fulfillment_url": self.url("RegistrationUrl"), "seller_account": ACCOUNT}
            self.emulator("listing", listing)
