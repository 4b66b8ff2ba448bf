"""What the seller's own systems are told when a license changes. Pure.

An announcement is written in the same transaction as the change it tells of, so none is lost; it is
published at least once, with the same id every time (docs/events.md).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from lambdas.customers.history import LAST_HOUR_MS
from lambdas.customers.license import Entitlement, License, State, is_license_arn

SOURCE = "marketplace-metering"
"""The source of our events on the bus."""


class Change(StrEnum):
    """The detail types of our events."""

    REGISTERED = "Customer Registered"
    ACTIVATED = "Subscription Activated"
    CHANGED = "Subscription Changed"
    ENDING = "Subscription Ending"
    ENDED = "Subscription Ended"


_OF_STATE = {
    State.ACTIVE: Change.ACTIVATED,
    State.ENDING: Change.ENDING,
    State.ENDED: Change.ENDED,
}

_TOLD = (
    *("arn", "active_since_s", "agreement_id", "end_s", "offer_id", "entitlements"),
    *("notice", "notice_s"),
)
"""A change of one of these is told, even if the state is the same."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One event of ours.

    Attributes:
        id: the same at every publication; also in the detail, as ``Id``.
        change: what happened.
        detail: what is told of it, as docs/events.md lists it.
        at_s: when it happened.
        version: of the license it tells of.
    """

    id: str
    change: Change
    detail: dict[str, Any]
    at_s: int
    version: int

    @property
    def place(self) -> tuple[int, int, int]:
        """Its place among those of one license: a registration is told before what it found."""
        return self.at_s, self.version, tuple(Change).index(self.change)


def announcements(before: License | None, after: License, at_s: int) -> list[Announcement]:
    """List what is to be told when a license changes.

    Nothing is told of a license whose buyer has not registered: the seller's product does not know
    that customer yet. The registration is told first, then the state it finds. What changes before
    the activation is told with it.
    """
    if after.registered_s is None:
        return []
    changes = []
    known = before is not None and before.registered_s is not None
    state_before = before.state if before is not None and known else State.PENDING
    if not known:
        changes.append(Change.REGISTERED)
    if after.state is not state_before and after.state in _OF_STATE:
        changes.append(_OF_STATE[after.state])
    elif (
        known
        and after.state in _OF_STATE
        and any(getattr(before, name) != getattr(after, name) for name in _TOLD)
    ):
        changes.append(Change.CHANGED)
    return [announcement(change, after, at_s) for change in changes]


def announcement(change: Change, each: License, at_s: int, **more: Any) -> Announcement:
    """Write one announcement; its id follows from the license's version, ``more`` from the caller.

    Args:
        change: what happened.
        each: the license as it is now.
        at_s: when it happened.
        more: further members of the detail.
    """
    name = f"{each.key}:{each.version}:{change.name.lower()}"
    detail = {"Id": name, **_detail(each), **more}
    return Announcement(name, change, detail, at_s, each.version)


def _detail(each: License) -> dict[str, Any]:
    last_s = each.ended_s
    if last_s is None and each.ending_since_s is not None:
        last_s = each.ending_since_s + LAST_HOUR_MS // 1000
    members = {
        "License": each.key,
        # Usage with any other form would be refused, so nobody is given one.
        "LicenseArn": each.arn if is_license_arn(each.arn) else "",
        "CustomerAWSAccountId": each.account,
        "CustomerIdentifier": each.customer_identifier,
        "ProductCode": each.product_code,
        "ProductId": each.product_id,
        "AgreementId": each.agreement_id,
        "OfferId": each.offer_id,
        "State": str(each.state),
        "RegisteredAt": time_text(each.registered_s),
        "ActiveSince": time_text(each.active_since_s),
        "AgreementStart": time_text(each.start_s),
        "AgreementEnd": time_text(each.end_s),
        "UsageUntil": time_text(last_s),
        "FreeTrial": each.free_trial or None,
        "Notice": each.notice,
        "Entitlements": [entitlement_detail(one) for one in each.entitlements],
    }
    return {name: value for name, value in members.items() if value}


def entitlement_detail(each: Entitlement) -> dict[str, Any]:
    """Write an entitlement in the words of GetEntitlements.

    >>> entitlement_detail(Entitlement("seats", "Integer", "25"))
    {'Dimension': 'seats', 'Value': {'IntegerValue': 25}}
    """
    value: Any = each.value
    if each.kind == "Integer":
        value = int(each.value)
    elif each.kind == "Double":
        value = float(each.value)
    elif each.kind == "Boolean":
        value = each.value == "true"
    detail: dict[str, Any] = {"Dimension": each.dimension, "Value": {f"{each.kind}Value": value}}
    if each.expires_s is not None:
        detail["ExpirationDate"] = time_text(each.expires_s)
    return detail


def time_text(time_s: int | None) -> str:
    """Write a time as the detail has it; empty for none.

    >>> time_text(0), time_text(None)
    ('1970-01-01T00:00:00Z', '')
    """
    if time_s is None:
        return ""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
