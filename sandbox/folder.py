"""The folder of one sandbox: its clock, its logs, and how shells find it."""

import fcntl
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from sandbox import environment


class FolderInUseError(Exception):
    """The folder belongs to a sandbox that still runs."""


class Folder:
    """Where the files of a sandbox are.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.clock = self.path / "clock"
        self.logs = self.path / "logs"
        self.assembly = self.path / "cdk.out"
        self._env = self.path / "env"
        self._ready = self.path / "ready"

    def occupy(self, ending: ExitStack) -> None:
        """Take the folder, until the end, and clear away what an earlier sandbox has left.

        Raises:
            FolderInUseError: Another sandbox has it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = ending.enter_context((self.path / "lock").open("w"))
        try:
            # Gone with this process, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUseError(f"Another sandbox runs in {self.path}.") from error
        for leftover in ("logs", "library", "code"):
            shutil.rmtree(self.path / leftover, ignore_errors=True)
        for stale in (self._env, self._ready):
            stale.unlink(missing_ok=True)
        self.logs.mkdir()

    def invite(self, variables: Mapping[str, str], ending: ExitStack) -> None:
        """Let shells in, until the end: `env` for their variables, and then `ready`."""
        for file in (self._env, self._ready):
            ending.callback(file.unlink, missing_ok=True)
        self._env.write_text(environment.as_shell(variables), encoding="utf-8")
        self._ready.touch()
