"""Runs the deployed functions: their zip, their handler, their environment, as moto has them.

Like Lambda, it keeps processes warm and starts another one when all are busy, so invocations of one
function overlap. What a later deploy changes is picked up by the next invocation.
"""

import hashlib
import importlib.metadata
import io
import itertools
import shutil
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError

from sandbox.environment import DIRECT
from sandbox.function_worker import Answer, Deployed, Worker

# Lambda's default is 1,000 for an account; a laptop is not that large.
CONCURRENCY_MAX = 10
# How long an event that nobody waits for lies before it is tried again.
BUSY_SECONDS = 0.1
# What a process gets besides its zip: the runtime client with what it needs, and time travel.
LIBRARY_PACKAGES = ("awslambdaric", "simplejson", "snapshot-restore-py", "time-machine")
LIBRARY_FILES = ("__init__.py", "child.py", "clock.py", "time_travel.py")


class TooManyRequestsError(Exception):
    """All processes that a function may have are busy."""


class StoppedError(Exception):
    """The sandbox is being stopped; nothing is started any more."""


@dataclass(frozen=True, slots=True)
class Invoked:
    """What an invocation came to; `log` is all that the function wrote meanwhile."""

    request_id: str
    answer: Answer
    log: bytes


class Runtime:
    """Invokes the functions that moto knows, by name or ARN.

    Args:
        functions: Makes a boto3 Lambda client of moto, for a region or for the usual one.
        folder: Where code is unpacked and logs are written.
        environment: What every function gets besides its own variables: endpoints, credentials.
        clock_file: The clock that the functions live by.
        now: The same clock.
    """

    def __init__(
        self,
        functions: Callable[[str | None], Any],
        *,
        folder: Path,
        environment: Mapping[str, str],
        clock_file: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._functions = functions
        self._folder = folder
        self._environment = environment
        self._clock_file = clock_file
        self._now = now
        self._library = _link_library(folder / "library")
        self._lock = threading.Lock()
        self._pools: dict[str, _Pool] = {}
        self._numbers = itertools.count(1)
        self._stopped = threading.Event()

    def invoke(self, name: str, event: bytes) -> Invoked:
        """Let a function handle an event, in a warm process if one is idle.

        Raises:
            botocore.exceptions.ClientError: There is no such function.
            TooManyRequestsError: All its processes are busy.
            StoppedError: The sandbox is being stopped.
        """
        pool = self._pool(name)
        worker = pool.borrow()
        try:
            return Invoked(*worker.run(event))
        finally:
            pool.give_back(worker)

    def invoke_later(self, name: str, event: bytes) -> None:
        """Let a function handle an event some time; as in Lambda, it waits while all are busy."""
        threading.Thread(target=self._invoke_patiently, args=(name, event), daemon=True).start()

    def describe(self, name: str) -> dict[str, Any]:
        """The configuration of a function, as Lambda's GetFunction answers it."""
        region = name.split(":")[3] if name.startswith("arn:") else None
        answer: dict[str, Any] = self._functions(region).get_function(FunctionName=name)
        return answer

    def kill(self, name: str) -> int:
        """Kill every process of a function, in the middle of what it does; return how many."""
        arn = self.describe(name)["Configuration"]["FunctionArn"]
        with self._lock:
            pool = self._pools.get(arn)
        return 0 if pool is None else pool.kill()

    def stop(self) -> None:
        """End all processes of all functions."""
        self._stopped.set()
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.retire()
            pool.kill()

    def _invoke_patiently(self, name: str, event: bytes) -> None:
        while not self._stopped.is_set():
            try:
                self.invoke(name, event)
            except TooManyRequestsError:
                self._stopped.wait(BUSY_SECONDS)
            except StoppedError:
                return
            except BotoCoreError:
                if not self._stopped.is_set():  # moto is gone only because all of it is
                    raise
            else:
                return

    def _pool(self, name: str) -> "_Pool":
        described = self.describe(name)
        configuration = described["Configuration"]
        deployed = Deployed(
            name=configuration["FunctionName"],
            arn=configuration["FunctionArn"],
            handler=configuration["Handler"],
            runtime=configuration["Runtime"],
            timeout_seconds=configuration["Timeout"],
            memory_mb=configuration["MemorySize"],
            variables=configuration.get("Environment", {}).get("Variables", {}),
            code=self._folder / "code" / _digest(configuration["CodeSha256"]),
        )
        with self._lock:
            if self._stopped.is_set():
                raise StoppedError
            pool = self._pools.get(deployed.arn)
            if pool is None or pool.deployed != deployed:
                if pool is not None:
                    pool.retire()
                if not deployed.code.exists():
                    _unpack(described["Code"]["Location"], deployed.code)
                pool = _Pool(deployed, self._start)
                self._pools[deployed.arn] = pool
        return pool

    def _start(self, deployed: Deployed) -> Worker:
        number = next(self._numbers)
        return Worker(
            deployed,
            number=number,
            library=self._library,
            environment=self._environment,
            clock_file=self._clock_file,
            now=self._now,
            log=self._folder / "logs" / f"{deployed.name}-{number}.log",
        )


class _Pool:
    """The processes of one version of one function."""

    def __init__(self, deployed: Deployed, start: Callable[[Deployed], Worker]) -> None:
        self.deployed = deployed
        self._start = start
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._retired = False

    def borrow(self) -> Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive:
                    self._busy.add(worker)
                    return worker
                worker.stop()
            if len(self._busy) >= CONCURRENCY_MAX:
                raise TooManyRequestsError(f"{self.deployed.name} is busy {CONCURRENCY_MAX} times")
            worker = self._start(self.deployed)
            self._busy.add(worker)
            return worker

    def give_back(self, worker: Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            if worker.is_alive and not self._retired:
                self._idle.append(worker)
                return
        worker.stop()

    def kill(self) -> int:
        with self._lock:
            workers = [*self._idle, *self._busy]
        for worker in workers:
            worker.kill()
        return len(workers)

    def retire(self) -> None:
        """Stop what is idle, and what is busy once it is done."""
        with self._lock:
            self._retired = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.stop()


def _digest(code_sha256: str) -> str:
    # The digest is base64, which no folder can be named by.
    return hashlib.sha256(code_sha256.encode()).hexdigest()[:16]


def _unpack(location: str, folder: Path) -> None:
    with DIRECT.open(location) as answer:
        code = io.BytesIO(answer.read())
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with zipfile.ZipFile(code) as archive:
        archive.extractall(unfinished)
    unfinished.rename(folder)


def _link_library(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for package in LIBRARY_PACKAGES:
        distribution = importlib.metadata.distribution(package)
        for top in {file.parts[0] for file in distribution.files or ()}:
            if not top.endswith(".dist-info") and top not in {"..", "__pycache__"}:
                (folder / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
    ours = folder / "sandbox"
    ours.mkdir()
    for name in LIBRARY_FILES:
        (ours / name).symlink_to(Path(__file__).resolve().with_name(name))
    return folder
