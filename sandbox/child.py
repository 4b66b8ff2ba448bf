"""Runs a module as a child of the sandbox: `python -m sandbox.child [--clock FILE] MODULE ARGS…`.

The child ends, with all that it started itself, when its standard input closes. The kernel closes
it when the parent is gone, however it went: also by `kill -9`. So nothing outlives the sandbox.

With `--clock` the module lives in emulated time from its first import on. It knows nothing of that:
time-machine comes from here, never from the zip of a function.
"""

import argparse
import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    """Tie this process to its parent, set its time, and become the module."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.child")
    parser.add_argument("--clock", type=Path, help="file of the clock to follow")
    parser.add_argument("module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()
    if options.clock is not None:
        _travel(options.clock)
    sys.argv = [options.module, *options.arguments]
    runpy.run_module(options.module, run_name="__main__", alter_sys=True)


def _travel(clock: Path) -> None:
    # time-machine imports pytest where it finds it, for a plugin; that is 0.4 s of every start.
    # None there makes an import fail: Python documents that, the type of the mapping does not.
    sys.modules.setdefault("pytest", None)  # type: ignore[arg-type]
    from sandbox.time_travel import follow

    follow(clock)


def _end_with_parent() -> None:
    lifeline = sys.stdin.fileno()
    while os.read(lifeline, 1):
        pass
    # The parent made this process the leader of a group of its own (sandbox.children).
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
