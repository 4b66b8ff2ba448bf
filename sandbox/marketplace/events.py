"""When events leave AWS Marketplace, and how they stray on their way to the seller."""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sandbox.marketplace.agreements import Agreement
from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.faults import Detour, Faults

# Whoever sets longer pauses wants to move the clock instead.
PAUSE_SECONDS_MAX = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Timing:
    """The pauses before events, in seconds, with those of a captured run as defaults.

    Source: tests of https://github.com/MoltyCel/moltrust-api, but for `ended_seconds`, which nobody
    has measured, and the hour, which is documented (Metering for usage).

    Args:
        created_seconds: From the acceptance to Created.
        license_updated_seconds: From then to License Updated, which makes the license active.
        ended_seconds: From a cancellation to Ended.
        deprovisioned_seconds: From then to License Deprovisioned; below 0 it comes first.
        unsubscribed_seconds: From `unsubscribe-pending` to `unsubscribe-success`.
    """

    created_seconds: float = 11
    license_updated_seconds: float = 61
    ended_seconds: float = 2
    deprovisioned_seconds: float = 31
    unsubscribed_seconds: float = 3600

    def __post_init__(self) -> None:
        for each in fields(self):
            seconds = getattr(self, each.name)
            least = -PAUSE_SECONDS_MAX if each.name == "deprovisioned_seconds" else 0
            if not least <= seconds <= PAUSE_SECONDS_MAX:
                text = f"from {least} to {PAUSE_SECONDS_MAX} seconds"
                raise Unacceptable(each.name, seconds, text)

    def activation(self, agreement_starts_at: datetime) -> datetime:
        """When License Updated comes."""
        seconds = self.created_seconds + self.license_updated_seconds
        return agreement_starts_at + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that AWS Marketplace told the seller.

    Args:
        cursor: Its place among all that were delivered, from 1.
        at: When it happened, by its own time; it may have been delivered later.
        channel: How it came.
        name: EventBridge's detail-type, or the SNS action.
        body: What a queue gets: the whole event, or the SNS notification around the message.
    """

    cursor: int
    at: datetime
    channel: Literal["eventbridge", "sns"]
    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """An event that is still to be delivered, and the agreement it is about."""

    due: datetime
    about: Agreement
    event: Event
    diverted: bool = False


class Timeline:
    """Events to come, in the order of their times, and those that were delivered, in theirs.

    An event is delivered once the time has come and somebody asks; a detour may lose it, hold it
    back or double it. What was delivered never changes, so a cursor into it takes each once.
    """

    def __init__(self, seed: int) -> None:
        self.detours = Faults[Detour](seed)
        self._planned: list[tuple[datetime, int, Planned]] = []
        self._serial = 0
        self._overtaken: list[Event] = []
        self._delivered: list[Event] = []

    def plan(self, planned: Planned) -> None:
        """Let an event be delivered when it is due."""
        self._serial += 1
        heapq.heappush(self._planned, (planned.due, self._serial, planned))

    def forget(self, now: datetime, unwanted: Callable[[Planned], bool]) -> bool:
        """Let events that are not due yet not happen after all; says whether there were any."""
        before = len(self._planned)
        self._planned = [each for each in self._planned if each[0] <= now or not unwanted(each[2])]
        heapq.heapify(self._planned)
        return len(self._planned) < before

    def delivered(self, now: datetime, after: int = 0) -> list[Event]:
        """What has been delivered by now, after the cursor."""
        while self._planned and self._planned[0][0] <= now:
            self._send(heapq.heappop(self._planned)[2])
        return self._delivered[after:]

    def _send(self, planned: Planned) -> None:
        detour = None if planned.diverted else self.detours.strike(planned.event.name)
        if detour is None:
            self._deliver(planned.event)
            return
        later = replace(planned, due=planned.due + timedelta(seconds=detour.seconds), diverted=True)
        if detour.kind == "overtaken":
            self._overtaken.append(planned.event)
        if detour.kind == "twice":
            self._deliver(planned.event)
        if detour.kind in ("late", "twice"):
            self.plan(later)

    def _deliver(self, event: Event) -> None:
        for each in (event, *self._overtaken):
            self._delivered.append(replace(each, cursor=len(self._delivered) + 1))
        self._overtaken.clear()
