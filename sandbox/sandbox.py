"""AWS and AWS Marketplace on a laptop, with the really deployed stack in it.

    with Sandbox(folder) as sandbox:
        sandbox.client("sqs").send_message(QueueUrl=sandbox.outputs["UsageQueueUrl"], MessageBody=…)
        sandbox.invoke_metering()
        sandbox.clock.advance(3600)

Three endpoints: moto with what it lacks (`sandbox.aws`), the Marketplace emulator, and the Lambda
API, which this process serves itself and which runs the functions. All live by one clock.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from sandbox import environment, lambda_api
from sandbox.children import HOST, Child, answers, choose_port, python_module
from sandbox.clock import Clock
from sandbox.deploy import ROOT, Cdk, finish, outputs, verify
from sandbox.environment import KEY, REGION, Endpoints
from sandbox.runtime import Runtime
from sandbox.scheduler import Scheduler

# Longer than any function may run; and nothing is sent twice behind the caller's back.
CLIENT = Config(read_timeout=1000, retries={"total_max_attempts": 1}, proxies={})


class FunctionError(Exception):
    """A function answered with an error, or died; the message is what Lambda says."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts of a sandbox listen; 0 takes any free port."""

    aws: int = 0
    marketplace: int = 0
    functions: int = 0


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
        self._app = app
        self._context = {"function_platform": "local", **(context or {})}
        self._clock_start = clock_start
        self._speed = speed
        self._ports = ports
        self._marketplace_url = marketplace_url
        self._servers: dict[int, Child] = {}
        self._ending = ExitStack()
        self._session = boto3.session.Session(KEY, KEY, region_name=REGION)
        self._clients: dict[str, Any] = {}
        self._making_client = threading.Lock()

    def __enter__(self) -> Self:
        with ExitStack() as unfinished:
            unfinished.callback(self._ending.close)
            self._start()
            unfinished.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def client(self, service: str) -> Any:
        """A boto3 client of this sandbox, by the name of its service."""
        with self._making_client:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service, endpoint_url=self.endpoints.of(service), config=CLIENT
                )
            return self._clients[service]

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

    def deploy(self, **context: str) -> None:
        """Deploy the app again, with these settings changed.

        Raises:
            DeployError: It failed, or the stack is not complete.
        """
        self._context |= context
        cdk = self._cdk()
        finish(self._tied(cdk.synth()))
        self._deploy(cdk)

    def check(self) -> None:
        """Raise if a part of the sandbox has ended by itself.

        Raises:
            ChildDiedError: One has.
        """
        for server in self._servers.values():
            server.check()

    def variables(self) -> dict[str, str]:
        """The environment of a shell that uses this sandbox."""
        return environment.for_shells(self.endpoints, self.outputs)

    def _start(self) -> None:
        for leftover in ("logs", "library", "code"):
            shutil.rmtree(self.folder / leftover, ignore_errors=True)
        (self.folder / "logs").mkdir(parents=True)
        self.clock = Clock(self._clock_file, start=self._clock_start, speed=self._speed)
        ports = self._choose_ports()
        cdk = self._cdk()
        # Synthesis takes longest, and needs none of the servers.
        synth = self._tied(cdk.synth()) if self._app else None
        self._serve("sandbox.aws", ports.aws, clock=self._clock_file)
        if self._marketplace_url is None:
            market = "sandbox.marketplace_http"
            self._serve(market, ports.marketplace, "--clock-file", self._clock_file)
        self._run_functions(ports.functions)
        for port, server in self._servers.items():
            server.wait_until(partial(answers, port))
        if synth is not None:
            finish(self._tied(cdk.bootstrap()))
            finish(synth)
            self._deploy(cdk)
        self._invite_shells()

    @property
    def _clock_file(self) -> Path:
        return self.folder / "clock"

    def _choose_ports(self) -> Ports:
        ports = Ports(
            aws=choose_port(self._ports.aws),
            marketplace=choose_port(self._ports.marketplace),
            functions=choose_port(self._ports.functions),
        )
        self.endpoints = Endpoints(
            aws=f"http://{HOST}:{ports.aws}",
            marketplace=self._marketplace_url or f"http://{HOST}:{ports.marketplace}",
            functions=f"http://{HOST}:{ports.functions}",
        )
        return ports

    def _serve(self, module: str, port: int, *arguments: object, clock: Path | None = None) -> None:
        name = module.rpartition(".")[2]
        self._servers[port] = self._tied(
            Child(
                name,
                python_module(module, "--port", port, *arguments, clock=clock),
                environment=environment.for_children(PYTHONPATH=str(ROOT)),
                log=self.folder / "logs" / f"{name}.log",
            )
        )

    def _tied(self, child: Child) -> Child:
        self._ending.callback(child.kill)
        return child

    def _run_functions(self, port: int) -> None:
        # Not our own Lambda endpoint, which asks the runtime, which asks this client.
        moto = self._session.client("lambda", endpoint_url=self.endpoints.aws, config=CLIENT)
        self.runtime = Runtime(
            moto,
            folder=self.folder,
            environment=environment.for_functions(self.endpoints),
            clock_file=self._clock_file,
            now=self.clock.now,
        )
        api = lambda_api.serve(self.runtime, port=port, aws=self.endpoints.aws)
        self._ending.callback(api.stop)
        self._ending.callback(self.runtime.stop)
        schedules = self.client("scheduler")
        self.scheduler = Scheduler(schedules, clock=self.clock, invoke=self.runtime.invoke)
        self._ending.callback(self.scheduler.stop)

    def _cdk(self) -> Cdk:
        tools = f"{Path(sys.executable).parent}:{ROOT}/node_modules/.bin"
        return Cdk(
            app=self._app or ROOT,
            assembly=self.folder / "cdk.out",
            context=self._context,
            environment=environment.for_children(
                **self.endpoints.variables(),
                # moto takes an IP address in a template's URL for the name of a bucket.
                AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION=self.endpoints.aws.replace(
                    HOST, "localhost"
                ),
                PATH=f"{tools}:{os.environ.get('PATH', os.defpath)}",
                PYTHONPATH=str(ROOT),
            ),
            logs=self.folder / "logs",
        )

    def _deploy(self, cdk: Cdk) -> None:
        finish(self._tied(cdk.deploy()))
        for name, template in cdk.stacks().items():
            verify(template, name, self.client)
        self.outputs = outputs(cdk, self.client)

    def _invite_shells(self) -> None:
        env, ready = self.folder / "env", self.folder / "ready"
        self._ending.callback(env.unlink, missing_ok=True)
        self._ending.callback(ready.unlink, missing_ok=True)
        env.write_text(environment.as_shell(self.variables()), encoding="utf-8")
        ready.touch()
