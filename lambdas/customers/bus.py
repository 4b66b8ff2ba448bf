"""The event bus on which the seller's own systems hear of licenses."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.customers.announcements import SOURCE, Announcement

ENTRIES_MAX = 10
"""Entries of one PutEvents (API reference)."""


class Bus:
    """Publishes announcements with PutEvents."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def publish(self, announcements: Iterable[Announcement]) -> list[Announcement]:
        """Publish, and return those the bus has taken; the others may be published again later.

        That a bus is not there is nobody's fault who came to change a license, so it is no error.
        """
        waiting = list(announcements)
        taken: list[Announcement] = []
        for at in range(0, len(waiting), ENTRIES_MAX):
            taken += self._put(waiting[at : at + ENTRIES_MAX])
        return taken

    def _put(self, some: Sequence[Announcement]) -> list[Announcement]:
        entries = [
            {
                "EventBusName": self._name,
                "Source": SOURCE,
                "DetailType": str(each.change),
                "Detail": json.dumps(each.detail),
                "Time": datetime.fromtimestamp(each.at_s, UTC),
            }
            for each in some
        ]
        try:
            answer = self._client.put_events(Entries=entries)
        except (BotoCoreError, ClientError):
            return []
        results = zip(some, answer["Entries"], strict=True)
        return [each for each, result in results if "ErrorCode" not in result]
