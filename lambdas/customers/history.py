"""What happened to a license, in any order, and what that makes of it. Pure.

Events come late, twice, out of order, and before the buyer has registered. So none of them changes
a license: they are kept, and the license is told anew from all of them in the order of their own
times. Whatever the order they came in, the same events make the same license.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from lambdas.customers.license import (
    License,
    LicenseKey,
    State,
    is_license_arn,
    license_key_of_arn,
    license_key_of_legacy,
)

NOBODY = LicenseKey("")
"""Stands for a license that is not known yet."""

LAST_HOUR_MS = 3_600_000
"""After a cancellation usage may be reported for one hour (AWS Marketplace SaaS guide, "Metering
for usage"); then a license that was ending has ended."""


class Kind(StrEnum):
    """What an event means for a license."""

    AGREED = "agreed"
    """An agreement was made or amended: when it starts and ends."""

    REGISTERED = "registered"
    """The buyer has come to us with a registration token."""

    ACTIVATED = "activated"
    """AWS Marketplace takes usage from now on."""

    NOTICE = "notice"
    """Something a person may want to know, and nothing changes by it."""

    CLOSED = "closed"
    """The last hour of reporting begins, unless it has begun."""

    OVER = "over"
    """AWS Marketplace takes nothing more."""

    FAILED = "failed"
    """The subscription did not come about."""


_RANKS = {kind: rank for rank, kind in enumerate(Kind)}
"""Of events at one time: what closes comes after what opens, for a close that is missed costs the
last hour's usage, and an opening that is missed is mended by the next reconciliation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a license, or to the agreement it comes from.

    Attributes:
        id: unique; a second event with this id is the same event.
        kind: see `Kind`.
        at_ms: when it happened by its own time, milliseconds since the epoch.
        said: the words of whoever reported it, such as EventBridge's detail-type.
        license: whom it concerns; empty if it names an agreement or an account only.
        arn: the license ARN in the form it was reported in.
        account: the buyer's AWS account.
        product_code: the product's code.
        product_id: the product's id.
        customer_identifier: of a legacy customer.
        agreement_id: the agreement it speaks of.
        offer_id: the offer that was accepted.
        start_ms: when the agreement starts, milliseconds since the epoch.
        end_ms: when it ends; None if that is unknown or never.
        free_trial: whether the offer is a free trial; None if the event does not say.
        note: what else a person may want to know.
    """

    id: str
    kind: Kind
    at_ms: int
    said: str
    license: LicenseKey = NOBODY
    arn: str = ""
    account: str = ""
    product_code: str = ""
    product_id: str = ""
    customer_identifier: str = ""
    agreement_id: str = ""
    offer_id: str = ""
    start_ms: int | None = None
    end_ms: int | None = None
    free_trial: bool | None = None
    note: str = ""


def registration(
    *,
    at_ms: int,
    license_arn: str,
    account: str,
    product_code: str,
    customer_identifier: str,
    agreement_id: str,
    free_trial: bool | None,
    said: str = "registration",
) -> Event:
    """Make the event of a buyer who has come with a token, from ResolveCustomer's answer.

    The same answer makes an event with the same id, so a buyer who comes again changes nothing.
    Where neither a license nor a legacy customer is known yet, the event names none.
    """
    key = NOBODY
    if license_arn:
        key = license_key_of_arn(license_arn)
    elif customer_identifier:
        key = license_key_of_legacy(product_code, customer_identifier)
    facts = (key, license_arn, account, product_code, customer_identifier, agreement_id)
    return Event(
        id="registration-" + hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32],
        kind=Kind.REGISTERED,
        at_ms=at_ms,
        said=said,
        license=key,
        arn=license_arn,
        account=account,
        product_code=product_code,
        customer_identifier=customer_identifier,
        agreement_id=agreement_id,
        free_trial=free_trial,
    )


def license_of(key: LicenseKey, events: Iterable[Event], now_ms: int) -> License:
    """Tell what a license is by all that happened to it and to its agreements.

    Args:
        key: the license.
        events: in any order, any of them several times.
        now_ms: decides only whether the last hour of reporting is over.
    """
    story = _Story(key)
    told: set[str] = set()
    for event in sorted(events, key=lambda each: (each.at_ms, _RANKS[each.kind], each.id)):
        if event.id not in told:
            told.add(event.id)
            story.tell(event)
    return story.license(now_ms)


@dataclass(slots=True)
class _Story:
    """A license while its events are told in the order of their times."""

    key: LicenseKey
    arn: str = ""
    account: str = ""
    product_code: str = ""
    customer_identifier: str = ""
    product_id: str = ""
    offers: dict[str, str] = field(default_factory=dict)
    agreement: str = ""
    left: set[str] = field(default_factory=set)
    terms_ms: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    free_trial: bool = False
    registered_ms: int | None = None
    active_since_ms: int | None = None
    closed_ms: int | None = None
    over_ms: int | None = None
    notice: str = ""
    notice_ms: int | None = None

    def tell(self, event: Event) -> None:
        self.learn(event)
        match event.kind:
            case Kind.REGISTERED:
                self.move_to(event.agreement_id)
                if self.registered_ms is None:
                    self.registered_ms = event.at_ms
            case Kind.ACTIVATED:
                self.move_to(event.agreement_id)
                if self.active_since_ms is None or self.closed_ms is not None:
                    self.active_since_ms = event.at_ms
                self.closed_ms = self.over_ms = None
            case Kind.CLOSED | Kind.OVER:
                self.close(event)
            case Kind.FAILED:
                if self.active_since_ms is None:
                    self.closed_ms = self.over_ms = event.at_ms
            case Kind.AGREED | Kind.NOTICE:
                self.notice = f"{event.said}: {event.note}" if event.note else event.said
                self.notice_ms = event.at_ms

    def learn(self, event: Event) -> None:
        """Take up what the event says about the license: what identifies it is never changed."""
        if not self.arn or (is_license_arn(event.arn) and not is_license_arn(self.arn)):
            self.arn = event.arn
        self.account = self.account or event.account
        self.product_code = self.product_code or event.product_code
        self.customer_identifier = self.customer_identifier or event.customer_identifier
        self.product_id = event.product_id or self.product_id
        if event.offer_id:
            self.offers[event.agreement_id] = event.offer_id
        if event.free_trial is not None:
            self.free_trial = event.free_trial
        if event.start_ms is not None or event.end_ms is not None:
            start_ms, _ = self.terms_ms.get(event.agreement_id, (None, None))
            start_ms = start_ms if event.start_ms is None else event.start_ms
            self.terms_ms[event.agreement_id] = (start_ms, event.end_ms)

    def move_to(self, agreement: str) -> None:
        """Follow the license to another agreement, as happens when one is renewed or replaced."""
        if agreement and agreement != self.agreement:
            self.left.add(self.agreement)
            self.left.discard(agreement)
            self.agreement = agreement

    def close(self, event: Event) -> None:
        """Begin the last hour, or end it; the end of an agreement that was left is no end."""
        if event.agreement_id and event.agreement_id in self.left:
            return
        if self.closed_ms is None:
            self.closed_ms = event.at_ms
        elif event.kind is Kind.OVER and self.over_ms is None:
            self.over_ms = event.at_ms

    def license(self, now_ms: int) -> License:
        start_ms, end_ms = self.terms_ms.get(self.agreement, (None, None))
        state, ended_ms = State.PENDING, None
        if self.closed_ms is not None:
            last_ms = self.closed_ms + LAST_HOUR_MS
            over_ms = last_ms if self.over_ms is None else min(last_ms, self.over_ms)
            state = State.ENDING
            if over_ms <= now_ms:
                state, ended_ms = State.ENDED, over_ms
        elif self.registered_ms is not None and self.active_since_ms is not None:
            state = State.ACTIVE
        return License(
            key=self.key,
            arn=self.arn,
            account=self.account,
            product_code=self.product_code,
            state=state,
            agreement_id=self.agreement,
            customer_identifier=self.customer_identifier,
            start_s=_seconds_up(start_ms),
            ending_since_s=_seconds(self.closed_ms),
            ended_s=_seconds(ended_ms),
            registered_s=_seconds(self.registered_ms),
            active_since_s=_seconds_up(self.active_since_ms),
            end_s=_seconds(end_ms),
            product_id=self.product_id,
            offer_id=self.offers.get(self.agreement) or self.offers.get("", ""),
            free_trial=self.free_trial,
            notice=self.notice,
            notice_s=_seconds(self.notice_ms),
        )


def _seconds(time_ms: int | None) -> int | None:
    return None if time_ms is None else time_ms // 1000


def _seconds_up(time_ms: int | None) -> int | None:
    """Round up: a record must not lie before the license's start, which has milliseconds."""
    return None if time_ms is None else -(-time_ms // 1000)
