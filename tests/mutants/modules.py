"""Which modules are changed: the pure ones in lambdas/, but for registration's."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

CHANGED, LEFT_OUT = "lambdas.", "lambdas.registration."
"""No money depends on registration's pages and mails."""


def pure_modules() -> list[str]:
    """List them as pyproject.toml does, in the contract that keeps them pure."""
    written = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [pure] = [
        contract["source_modules"]
        for contract in written["tool"]["importlinter"]["contracts"]
        if contract["name"].startswith("Pure modules ")
    ]
    return [
        module for module in pure if module.startswith(CHANGED) and not module.startswith(LEFT_OUT)
    ]
