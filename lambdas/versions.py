"""The versions of what is stored: a reader refuses a format that it does not know. Pure.

What is stored outlives the code that wrote it, and two releases may run side by side for the
minutes of a deployment, or for good after a step back. Money that is read wrongly is worse than
money that waits.
"""

from collections.abc import Mapping
from typing import Any

VERSION = "v"
"""The attribute that holds it. What was written without one has the first version."""

FIRST = 1


class UnknownVersionError(Exception):
    """Something was stored by a newer release than the one that reads it."""


def versioned(version: int) -> dict[str, Any]:
    """Return the attribute that says in which version an item is written."""
    return {VERSION: {"N": str(version)}}


def check_version(stored: Mapping[str, Any], known: int, *place: str) -> None:
    """Refuse what a newer release has written, rather than guess what it means.

    Args:
        stored: an item, or a part of one that has a version of its own.
        known: the newest version that this release reads; it reads all older ones.
        place: the keys under which it stands.

    Raises:
        UnknownVersionError: says which item it is, and what to do.
    """
    found = int(stored[VERSION]["N"]) if VERSION in stored else FIRST
    if not FIRST <= found <= known:
        raise UnknownVersionError(
            f"{' / '.join(place)} has version {found}, and this release knows version {known} at"
            " most: a newer release has written it, so deploy that one again"
        )
