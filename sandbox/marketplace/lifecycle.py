"""What a change of an agreement makes AWS Marketplace tell the seller, and when.

Products listed since 1 June 2026 get EventBridge events, older ones SNS messages. Sources are in
`notices.py` (shapes) and `events.py` (pauses).
"""

import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from sandbox.marketplace import notices
from sandbox.marketplace.agreements import Agreement
from sandbox.marketplace.events import Event, Planned, Timeline, Timing

ACTIVATIONS = (notices.LICENSE_UPDATED, notices.SUBSCRIBED)


class Lifecycle:
    """Plans the events of every agreement.

    Args:
        now: The time: what was due before it has been told.
        seed: The ids of events follow from it, apart from everything else that does.
        timing: The pauses.
        legacy_channels: How the seller of an older product hears.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        seed: int,
        timing: Timing,
        legacy_channels: Literal["sns", "both"],
    ) -> None:
        self._now = now
        self.timing = timing
        self.timeline = Timeline(seed)
        self._random = random.Random(f"events {seed}")  # noqa: S311 (one seed reproduces a run)
        self._legacy_channels = legacy_channels

    def agreed(self, agreement: Agreement, activation: datetime | None) -> None:
        """An offer was accepted, and its license becomes active then, if that is known."""
        self._event(notices.CREATED, agreement, _later(agreement.accepted_at, self._created))
        # A subscription before `unsubscribe-success` takes the end back: "you will only receive
        # subscribe-success"
        # (https://docs.aws.amazon.com/marketplace/latest/userguide/saas-notification.html).
        self._forget_unsubscription(agreement)
        if activation is not None:
            self._activation(agreement, activation)

    def activated(self, agreement: Agreement, at: datetime) -> None:
        """The license of an agreement is active, earlier than planned, or again."""
        self._forget(agreement, *ACTIVATIONS)
        self._forget_unsubscription(agreement)
        self._activation(agreement, at)

    def amended(self, agreement: Agreement, at: datetime, *, license_changes: bool) -> None:
        """An agreement was changed; its license too, where it includes other amounts or ends then.

        License Updated follows "any change" of entitlements, for older products
        `entitlement-updated`.
        """
        at = _later(at, self._created)
        self._event(notices.AMENDED, agreement, at)
        if license_changes:
            self._license_changed(agreement, _later(at, self.timing.license_updated_seconds))

    def succeeded(
        self, old: Agreement, new: Agreement, at: datetime, *, same_license: bool
    ) -> None:
        """An agreement was renewed or replaced by another one."""
        at = _later(at, self._created)
        self._forget(old, *ACTIVATIONS)
        self._event(notices.CREATED, new, at)
        self._event(notices.ENDED, old, _later(at, 1))
        if not same_license:
            ended = _later(at, 1 + abs(self.timing.deprovisioned_seconds))
            self._event(notices.LICENSE_DEPROVISIONED, old, ended)
        changed = _later(at, self.timing.license_updated_seconds)
        if new.intent == "REPLACE":
            self._activation(new, changed)
        else:
            self._license_changed(new, changed)

    def closed(self, agreement: Agreement, at: datetime, *, began: bool, last_hour: bool) -> None:
        """An agreement is over: the status says why.

        Args:
            agreement: With its new status.
            at: When it ended.
            began: Whether its license was ever active; if not, none is withdrawn.
            last_hour: Whether there is an hour left to report.
        """
        self._forget(agreement, *ACTIVATIONS)
        pause = self.timing.deprovisioned_seconds
        at = _later(at, self.timing.ended_seconds)
        self._event(notices.ENDED, agreement, _later(at, max(0, -pause)))
        if began:
            self._event(notices.LICENSE_DEPROVISIONED, agreement, _later(at, max(0, pause)))
        self._message(notices.UNSUBSCRIBING, agreement, at)
        if agreement.entitlements:
            self._message(notices.ENTITLEMENT_UPDATED, agreement, at)
        last = self.timing.unsubscribed_seconds if last_hour else 0
        self._message(notices.UNSUBSCRIBED, agreement, _later(at, last))

    def finished(self, agreement: Agreement, at: datetime) -> None:
        """The last hour of an agreement that is over has been cut short."""
        if self._forget(agreement, notices.UNSUBSCRIBED):
            self._message(notices.UNSUBSCRIBED, agreement, at)

    @property
    def _created(self) -> float:
        return self.timing.created_seconds

    def _activation(self, agreement: Agreement, at: datetime) -> None:
        self._event(notices.LICENSE_UPDATED, agreement, at)
        self._message(notices.SUBSCRIBED, agreement, at)
        if agreement.entitlements:
            self._message(notices.ENTITLEMENT_UPDATED, agreement, at)

    def _license_changed(self, agreement: Agreement, at: datetime) -> None:
        self._event(notices.LICENSE_UPDATED, agreement, at)
        self._message(notices.ENTITLEMENT_UPDATED, agreement, at)

    def _event(self, name: str, agreement: Agreement, at: datetime) -> None:
        if agreement.product.legacy and self._legacy_channels == "sns":
            return
        body = notices.event(name, agreement, at, event_id=self._id(), request_id=self._id())
        self.timeline.plan(Planned(at, agreement, Event(0, at, "eventbridge", name, body)))

    def _message(self, action: str, agreement: Agreement, at: datetime) -> None:
        if agreement.product.legacy:
            body = notices.notification(action, agreement, at, message_id=self._id())
            self.timeline.plan(Planned(at, agreement, Event(0, at, "sns", action, body)))

    def _forget(self, agreement: Agreement, *names: str) -> bool:
        """Let what has not been delivered not happen; says whether there was anything."""
        return self.timeline.forget(
            self._now(),
            lambda planned: planned.about.id == agreement.id and planned.event.name in names,
        )

    def _forget_unsubscription(self, agreement: Agreement) -> None:
        """Take back the announced end of the same customer of the same older product."""
        customer = (agreement.product.code, agreement.customer_identifier)
        self.timeline.forget(
            self._now(),
            lambda planned: (
                planned.event.name == notices.UNSUBSCRIBED
                and (planned.about.product.code, planned.about.customer_identifier) == customer
            ),
        )

    def _id(self) -> str:
        """128 bits in the form of a UUID, of no version, as real events have."""
        return str(uuid.UUID(int=self._random.getrandbits(128)))


def _later(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)
