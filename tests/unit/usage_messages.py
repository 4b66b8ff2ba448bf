"""Messages of the usage queue for tests, and the world they are read in."""

import json
from typing import Any

from lambdas.metering.usage import Redrive, Rejected, Rules, Usage, read_message

NOW_S = 1_795_429_200
"""2026-11-23T10:20:00Z."""

USED_S = NOW_S - 300
"""2026-11-23T10:15:00Z, the time of `record`."""

LICENSE = "l-0123456789abcdef0123456789abcdef"
ARN = f"arn:aws:license-manager::777788889999:license:{LICENSE}"
OTHER_ARN = "arn:aws:license-manager::777788889999:license:l-b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1"
RULES = Rules(frozenset({"users", "api-calls", "storage-gb"}), "n0123EXAMPLE")


def record(**fields: Any) -> dict[str, Any]:
    """Return a good usage record without Id, changed as told."""
    good = {
        "Timestamp": "2026-11-23T10:15:00Z",
        "LicenseArn": ARN,
        "Dimension": "users",
        "Quantity": 3,
    }
    return good | fields


def record_without(*fields: str, **others: Any) -> dict[str, Any]:
    """Return a good usage record that lacks these fields."""
    return {key: value for key, value in record(**others).items() if key not in fields}


def event(**attributes: Any) -> dict[str, Any]:
    """Return a good CloudEvent, changed as told."""
    good = {
        "specversion": "1.0",
        "type": "com.example.usage",
        "source": "/billing/meter-1",
        "id": "ce-1",
        "time": "2026-11-23T10:15:00Z",
        "data": record_without("Timestamp"),
    }
    return good | attributes


def event_without(*attributes: str) -> dict[str, Any]:
    """Return a good CloudEvent that lacks these attributes."""
    return {key: value for key, value in event().items() if key not in attributes}


def read(
    message: Any, *, message_id: str = "m-1", now_s: int = NOW_S, rules: Rules = RULES
) -> list[Usage | Rejected | Redrive]:
    """Read a message, given as its text or as the value of its JSON."""
    body = message if isinstance(message, str) else json.dumps(message)
    return read_message(body, message_id=message_id, arrived_s=NOW_S - 9, now_s=now_s, rules=rules)


def usage_of(message: Any, **world: Any) -> Usage:
    """Read a message that holds one usage."""
    [found] = read(message, **world)
    assert isinstance(found, Usage), found
    return found


def rejected_of(message: Any, **world: Any) -> Rejected:
    """Read a message that holds one usage, which is rejected."""
    [found] = read(message, **world)
    assert isinstance(found, Rejected), found
    return found


def redrive_of(message: Any) -> Redrive:
    """Read a message that asks for a redrive."""
    [found] = read(message)
    assert isinstance(found, Redrive), found
    return found
