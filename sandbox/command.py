"""Runs a program that is not Python: `python -m sandbox.child sandbox.command PROGRAM ARGS…`.

It adds nothing but the lifeline of `sandbox.child`, which ends the program with the sandbox.
"""

import subprocess
import sys

if __name__ == "__main__":
    sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL))
