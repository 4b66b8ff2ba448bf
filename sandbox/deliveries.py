"""Brings what AWS Marketplace tells a seller to the buses and topics that moto keeps.

The emulator says what happened, as whole EventBridge events and SNS notifications; here they go to
the default bus of their region, with the ids and times they have, and to their topics, where those
exist. Two ways: `start` does so in the background; or the caller drives, with `run_due`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.background import PASSING, Background
from sandbox.environment import ask

POLL_REAL_SECONDS = 0.2


class Deliveries:
    """Delivers each event once; one that the emulator tells twice comes twice.

    Args:
        emulator: Answers a route of the Marketplace emulator.
        aws: Where moto answers (see `sandbox.aws_routes`).
    """

    def __init__(self, emulator: Callable[[str], Any], *, aws: str) -> None:
        self._emulator = emulator
        self._aws = aws
        self._cursor = 0
        self._background = Background(
            self._poll,
            rest_real_seconds=POLL_REAL_SECONDS,
            # Another Marketplace than the emulator need not answer in JSON.
            failures=(*PASSING, ValueError),
        )

    def start(self, report: Callable[[str], None]) -> None:
        """Deliver in the background from now on; say a line about each event."""
        self._background.start(report)

    def stop(self) -> None:
        """Deliver no more."""
        self._background.stop()

    def run_due(self) -> list[Mapping[str, Any]]:
        """Deliver what has happened since the last time; return it."""
        events: list[Mapping[str, Any]] = self._emulator(f"events?after={self._cursor}")["events"]
        for event in events:
            self._deliver(event)
            self._cursor = event["cursor"]
        return events

    def _poll(self, report: Callable[[str], None]) -> None:
        for event in self.run_due():
            report(f"AWS Marketplace: {event['name']}")

    def _deliver(self, event: Mapping[str, Any]) -> None:
        body = event["body"]
        if event["channel"] == "sns":
            message = {"arn": body["TopicArn"], "message": body["Message"]}
            ask(f"{self._aws}/sandbox/topics", message)
        else:
            ask(f"{self._aws}/sandbox/events", {"events": [body]})
