"""Event buses that deliver whole events: in the moto process, with moto's rules and patterns.

moto takes events only through PutEvents, gives each an id and a time of its own, and sends them on
without the account. Here an event is an envelope, delivered as it is: an event of AWS Marketplace
that comes twice has the same id twice, and a rule that forwards to a bus of another region changes
nothing in it. What is put by PutEvents goes the same way, and is remembered.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.events.models import EventsBackend, Rule, events_backends
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends
from moto.utilities.arns import parse_arn

from sandbox.patching import replace

DEFAULT_BUS = "default"
# What is done with a target that would get something else than the whole event.
UNKNOWN_TARGET_SETTINGS = ("Input", "InputPath", "InputTransformer")

Envelope = Mapping[str, Any]


class UnknownTargetError(Exception):
    """A rule has a target that the sandbox cannot deliver to."""


class Published:
    """What PutEvents has put on the buses, oldest first."""

    def __init__(self) -> None:
        self.events: list[Envelope] = []


def deliver(event: Envelope, *, account: str, region: str, bus: str = DEFAULT_BUS) -> None:
    """Send an event to every target of every enabled rule of a bus that it matches.

    Raises:
        UnknownTargetError: A target is beyond the sandbox.
    """
    for rule in list(events_backends[account][region].describe_event_bus(bus).rules.values()):
        _send(rule, event)


def mend_events(published: Published) -> None:
    """Let what PutEvents puts be delivered like that, too, and remember it."""
    put_events: Any = EventsBackend.put_events

    def put_and_remember(self: EventsBackend, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # Events of AWS's own sources come from AWS alone.
        foreign = [str(each.get("Source", "")).startswith("aws.") for each in events]
        own = [each for each, is_foreign in zip(events, foreign, strict=True) if not is_foreign]
        results = iter(put_events(self, own))
        entries = [_NOT_AUTHORIZED if is_foreign else next(results) for is_foreign in foreign]
        for event, entry in zip(events, entries, strict=True):
            if "EventId" in entry:
                published.events.append(_envelope(self, event, entry["EventId"]))
        return entries

    def send_to_targets(self: Rule, original_event: Any) -> None:
        event = {key: value for key, value in original_event.items() if key != "ingestion-time"}
        _send(self, {**event, "time": _time(event["time"])})

    replace(EventsBackend, "put_events", put_and_remember)
    replace(Rule, "send_to_targets", send_to_targets)


_NOT_AUTHORIZED = {
    "ErrorCode": "NotAuthorizedForSourceException",
    "ErrorMessage": "Not authorized for the source.",
}


def _send(rule: Rule, event: Envelope) -> None:
    # moto's rule without a pattern, which is one that a schedule fires, matches everything.
    if rule.state != "ENABLED" or not rule.event_pattern.get_pattern():
        return
    wanted: Any = event
    if not rule.event_pattern.matches_event(wanted):
        return
    for target in rule.targets:
        if any(setting in target for setting in UNKNOWN_TARGET_SETTINGS):
            raise UnknownTargetError(f"{rule.arn} changes its events; the sandbox cannot do that.")
        _send_to(target, event, rule.arn)


def _send_to(target: Mapping[str, Any], event: Envelope, rule_arn: str) -> None:
    arn = parse_arn(target["Arn"])
    if arn.service == "sqs":
        queues = sqs_backends[arn.account][arn.region]
        try:
            queues.send_message(arn.resource_id, json.dumps(event))
        except QueueDoesNotExist:
            _give_up(target, event, rule_arn)
    elif arn.service == "events" and arn.resource_type == "event-bus":
        deliver(event, account=arn.account, region=arn.region, bus=arn.resource_id)
    else:
        raise UnknownTargetError(
            f"{rule_arn} sends to {target['Arn']}; the sandbox knows SQS queues and event buses."
        )


def _give_up(target: Mapping[str, Any], event: Envelope, rule_arn: str) -> None:
    dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
    if dead_letters is None:
        print(f"{rule_arn} has nowhere to send {event['id']}: {target['Arn']} is gone.", flush=True)
        return
    arn = parse_arn(dead_letters)
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    attributes = {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": "NO_RESOURCE",
    }
    sqs_backends[arn.account][arn.region].send_message(
        arn.resource_id,
        json.dumps(event),
        message_attributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def _envelope(backend: EventsBackend, entry: Mapping[str, Any], event_id: str) -> Envelope:
    now = datetime.now(UTC).timestamp()
    return {
        "version": "0",
        "id": event_id,
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": backend.account_id,
        "time": _time(entry.get("Time", now)),
        "region": backend.region_name,
        "resources": entry.get("Resources", []),
        "detail": json.loads(entry["Detail"]),
    }


def _time(given: float | str) -> str:
    return f"{datetime.fromtimestamp(float(given), UTC):%Y-%m-%dT%H:%M:%SZ}"
