"""AWS and AWS Marketplace on a laptop, with the really deployed stack in it.

    with Sandbox(folder) as sandbox:
        sandbox.client("sqs").send_message(QueueUrl=sandbox.outputs["UsageQueueUrl"], MessageBody=…)
        sandbox.invoke_metering()
        sandbox.clock.advance(3600)
        sandbox.emulator("usage")

Three endpoints: moto with what it lacks (`sandbox.aws`), the Marketplace emulator, and the Lambda
API, which this process serves itself and which runs the functions. All live by one clock.
"""

import fcntl
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

from botocore.config import Config

from sandbox import environment, lambda_api
from sandbox.children import HOST, Child, answers, choose_ports, python_module
from sandbox.clock import Clock
from sandbox.deploy import ROOT, Cdk, finish, outputs
from sandbox.environment import DIRECT, Endpoints
from sandbox.runtime import Runtime
from sandbox.scheduler import Scheduler
from sandbox.verify import verify

# Longer than any function may run; and nothing is sent twice behind the caller's back.
CLIENT = Config(read_timeout=1000, retries={"total_max_attempts": 1}, proxies={})


class FolderInUseError(Exception):
    """The folder belongs to a sandbox that still runs."""


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
        self._session = environment.own_session()
        self._clients: dict[str, Any] = {}
        self._making_client = threading.Lock()

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

    def emulator(self, route: str, body: Mapping[str, object] | None = None) -> Any:
        """Ask the Marketplace emulator (GET), or tell it something (POST), and return its answer.

        Its routes are in `sandbox.marketplace_admin`, such as "usage" and "purchases".
        """
        url = f"{self.endpoints.marketplace}/emulator/{route}"
        with DIRECT.open(url, None if body is None else json.dumps(body).encode()) as answer:
            return json.load(answer)

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
            self._deploy(cdk)
        except BaseException:
            self._context = before
            raise

    def verify(self) -> None:
        """Check that every resource of the deployed app is there.

        Raises:
            IncompleteError: Some are not.
        """
        for name, template in self._cdk().stacks().items():
            verify(template, name, self.client)

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
        self._occupy_folder()
        for leftover in ("logs", "library", "code"):
            shutil.rmtree(self.folder / leftover, ignore_errors=True)
        for stale in (self._env, self._ready):
            stale.unlink(missing_ok=True)
        (self.folder / "logs").mkdir()
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

    def _occupy_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._ending.enter_context((self.folder / "lock").open("w"))
        try:
            # Gone with this process, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUseError(f"Another sandbox runs in {self.folder}.") from error

    @property
    def _clock_file(self) -> Path:
        return self.folder / "clock"

    @property
    def _env(self) -> Path:
        return self.folder / "env"

    @property
    def _ready(self) -> Path:
        return self.folder / "ready"

    def _choose_ports(self) -> Ports:
        wanted = self._ports
        ports = Ports(*choose_ports(wanted.aws, wanted.marketplace, wanted.functions))
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
        self._ending.callback(self.runtime.stop)
        api = lambda_api.serve(self.runtime, port=port, aws=self.endpoints.aws)
        self._ending.callback(api.stop)
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
        self.verify()
        self.outputs = outputs(cdk, self.client)

    def _invite_shells(self) -> None:
        self._ending.callback(self._env.unlink, missing_ok=True)
        self._ending.callback(self._ready.unlink, missing_ok=True)
        self._env.write_text(environment.as_shell(self.variables()), encoding="utf-8")
        self._ready.touch()
