"""Starts, watches and ends the processes that the sandbox is made of."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"
# A server that imports all of moto needs 3 s on an idle machine; many times that under load.
START_SECONDS_MAX = 60.0
LAST_LINES_SHOWN = 15
POLL_SECONDS = 0.02
CONNECT_SECONDS_MAX = 2.0


class ChildDiedError(Exception):
    """A process of the sandbox ended by itself; the message says which and shows its last lines."""


class PortInUseError(Exception):
    """Somebody else listens at a port that was asked for."""


class Child:
    """One process, run by `sandbox.child`, which ends it when this process is gone.

    Args:
        name: What messages call it.
        command: What to run, with its own interpreter first.
        environment: All of its environment.
        log: Where its output goes, appended.
        folder: Its working directory.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        log: Path,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            # Its standard input stays open as long as this process lives: see sandbox.child. The
            # group of its own takes in whatever it starts, and leaves a Ctrl-C in the terminal to
            # the parent, who ends the others in good order.
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def status(self) -> int | None:
        """Its exit status; `None` while it runs, negative for the signal that ended it."""
        return self._process.poll()

    def wait(self) -> int:
        """Return its exit status once it has ended."""
        return self._process.wait()

    def kill(self) -> None:
        """End it and all that it started, at once, as a machine that fails would."""
        if self.status is None:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def check(self) -> None:
        """Raise if it has ended.

        Raises:
            ChildDiedError: It has.
        """
        if self.status is not None:
            raise ChildDiedError(self.obituary())

    def wait_until(self, up: Callable[[], bool]) -> Self:
        """Return once it is up.

        Raises:
            ChildDiedError: It ended instead, or is not up after a minute.
        """
        deadline = time.monotonic() + START_SECONDS_MAX
        while not up():
            self.check()
            if time.monotonic() > deadline:
                raise ChildDiedError(
                    f"{self.name} is not up after {START_SECONDS_MAX:.0f} s.\n{self.last_lines()}"
                )
            time.sleep(POLL_SECONDS)
        return self

    def obituary(self) -> str:
        """Say how it ended and what it said last."""
        return f"{self.name} ended with status {self.status}. {self.log}:\n{self.last_lines()}"

    def last_lines(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES_SHOWN:])


def shell_command(*command: str | Path) -> list[str]:
    """The command that runs any program as a child."""
    return python_module("sandbox.command", *command)


def python_module(module: str, *arguments: object, clock: Path | None = None) -> list[str]:
    """The command that runs a module as a child, in emulated time if a clock is given."""
    travel = [] if clock is None else ["--clock", str(clock)]
    return [sys.executable, "-m", "sandbox.child", *travel, module, *map(str, arguments)]


def choose_ports(*wanted: int) -> list[int]:
    """Return ports of this machine that nobody listens at: these, or any in the place of a 0.

    Raises:
        PortInUseError: Somebody listens at a wanted port.
    """
    with ExitStack() as probes:
        # All are held until all are chosen, so that no two are the same.
        return [_hold(probes.enter_context(socket.socket()), port) for port in wanted]


def _hold(probe: socket.socket, wanted: int) -> int:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, wanted))
    except OSError as error:
        raise PortInUseError(f"Port {wanted} cannot be used: {error.strerror}.") from error
    port: int = probe.getsockname()[1]
    return port


def answers(port: int, host: str = HOST) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS_MAX):
            return True
    except OSError:
        return False
