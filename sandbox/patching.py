"""Replaces parts of moto in this process."""

from typing import Any


def replace(owner: Any, name: str, by: object) -> None:
    """Let an attribute of a class or module of moto be this from now on."""
    setattr(owner, name, by)
