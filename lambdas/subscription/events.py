"""A message of the subscription queue becomes an event of a license. Pure.

Two senders write there: EventBridge (``aws.agreement-marketplace``), and for older products two SNS
topics. Neither has a documented schema version, so what is not known is ignored, and what is needed
and missing is an error that names the field.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambdas.customers.history import NOBODY, Event, Kind
from lambdas.customers.license import license_key_of_arn, license_key_of_legacy

SOURCE = "aws.agreement-marketplace"

NO_END = frozenset({"RENEWED", "REPLACED", "SUPERSEDED"})
"""Statuses of an agreement that ended because another one took its place (service model of
marketplace-agreement, AgreementStatus): the customer stays. Any other status is an end, also one
that nobody knows yet, since then the last hour of reporting may have begun."""

ACTIONS = {
    "subscribe-success": Kind.ACTIVATED,
    "subscribe-fail": Kind.FAILED,
    "unsubscribe-pending": Kind.CLOSED,
    "unsubscribe-success": Kind.OVER,
    "entitlement-updated": Kind.NOTICE,
}
"""What the SNS topics say (AWS Marketplace SaaS guide, "SNS notifications")."""

YEAR_WITHOUT_END = 9999
"""Of the end time of an agreement that has none."""


class EventMalformedError(Exception):
    """A message is not what EventBridge or the SNS topics send; the text names the field."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is none of our business, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Which products are ours, and how their customers are named.

    Attributes:
        product_ids: of the seller's products that are metered here; empty means all.
        concurrent_agreements: whether customers are known by their license. If not, a license
            event is taken for one of its agreement, which leads to the legacy customer.
    """

    product_ids: tuple[str, ...] = ()
    concurrent_agreements: bool = True


def read_event(body: str, *, message_id: str, sent_ms: int, rules: Rules) -> Event | Ignored:
    """Read a message.

    Args:
        body: an EventBridge event, an SNS envelope, or what is in such an envelope.
        message_id: of the SQS message, for a body that has no id of its own.
        sent_ms: when it was sent, for a body that has no time of its own.
        rules: see `Rules`.

    Raises:
        EventMalformedError: something that is needed is missing or is not what it should be.
    """
    found = _object(body, "the message")
    if found.get("Type") == "Notification":
        at_ms = _time_ms(_text(found, "Timestamp"), "Timestamp")
        inner = _object(_text(found, "Message"), "Message")
        return _of_topic(inner, event_id=_text(found, "MessageId"), at_ms=at_ms)
    if "action" in found:
        return _of_topic(found, event_id=message_id, at_ms=sent_ms)
    return _of_bus(found, rules)


def asks_for_entitlements(event: Event) -> bool:
    """Tell whether what a contract gives may have changed.

    AWS Marketplace says so by License Updated, or by entitlement-updated for older products.
    """
    return event.kind is Kind.ACTIVATED or event.said == "entitlement-updated"


def _of_topic(found: Mapping[str, Any], *, event_id: str, at_ms: int) -> Event:
    action = _text(found, "action")
    identifier, product_code = _text(found, "customer-identifier"), _text(found, "product-code")
    trial = found.get("isFreeTrialTermPresent")
    return Event(
        id=event_id,
        kind=ACTIONS.get(action, Kind.NOTICE),
        at_ms=at_ms,
        said=action,
        license=license_key_of_legacy(product_code, identifier),
        product_code=product_code,
        customer_identifier=identifier,
        offer_id=str(found.get("offer-identifier") or ""),
        # The topic writes a truth value as text.
        free_trial=None if trial is None else str(trial).lower() == "true",
    )


def _of_bus(found: Mapping[str, Any], rules: Rules) -> Event | Ignored:
    if _text(found, "source") != SOURCE:
        raise EventMalformedError(f"source is {found['source']!r}, not {SOURCE}")
    said = _text(found, "detail-type")
    detail = _part(found, "detail", needed=True)
    agreement = _part(detail, "agreement")
    of_license = said.startswith("License ")
    product_id = _known(_part(detail, "product"), "id") or _known(agreement, "productId")
    if rules.product_ids and product_id and product_id not in rules.product_ids:
        return Ignored(f"{said} of product {product_id}, which is not metered here")
    arn = _text(_part(detail, "license", needed=True), "arn") if of_license else ""
    named = of_license and rules.concurrent_agreements
    if not named and not agreement.get("id"):
        return Ignored(f"{said} names no agreement")
    kind, note = _meaning(said, detail, agreement)
    return Event(
        id=_text(found, "id"),
        kind=kind,
        at_ms=_time_ms(_text(found, "time"), "time"),
        said=said,
        license=license_key_of_arn(arn) if named else NOBODY,
        arn=arn if named else "",
        account=_known(_part(detail, "acceptor"), "accountId") or _known(agreement, "acceptorId"),
        product_code=_known(_part(detail, "product"), "code"),
        product_id=product_id,
        agreement_id=_known(agreement, "id"),
        offer_id=_known(_part(detail, "offer"), "id") or _known(agreement, "offerId"),
        start_ms=_moment_ms(agreement, "startTime"),
        end_ms=_moment_ms(agreement, "endTime"),
        note=note,
    )


def _meaning(
    said: str, detail: Mapping[str, Any], agreement: Mapping[str, Any]
) -> tuple[Kind, str]:
    """Tell what an event does to a license, and what else a person may want to know of it.

    The sender writes each detail type with the role of whom it tells at the end, so only the
    beginning counts.
    """
    status = _known(agreement, "status")
    if said.startswith("License Updated"):
        return Kind.ACTIVATED, ""
    if said.startswith("License Deprovisioned"):
        return Kind.CLOSED, ""
    if said.startswith("Purchase Agreement Ended"):
        return (Kind.NOTICE if status in NO_END else Kind.CLOSED), status
    if said.startswith(("Purchase Agreement Created", "Purchase Agreement Amended")):
        return Kind.AGREED, _known(agreement, "intent")
    days = agreement.get("daysBeforeEndTime") or detail.get("daysBeforeEndTime")
    request = _part(detail, "agreementCancellationRequest")
    return Kind.NOTICE, f"{days} days before the end" if days else _known(request, "reasonMessage")


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise EventMalformedError(f"{where} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise EventMalformedError(f"{where} is {_shown(found)}, not an object")
    return found


def _part(found: Mapping[str, Any], name: str, *, needed: bool = False) -> Mapping[str, Any]:
    part = found.get(name)
    if part is None and not needed:
        return {}
    if not isinstance(part, dict):
        raise EventMalformedError(f"{name} is {_shown(part)}, not an object")
    return part


def _text(found: Mapping[str, Any], name: str) -> str:
    text = found.get(name)
    if not isinstance(text, str) or not text:
        raise EventMalformedError(f"{name} is {_shown(text)}, not a text")
    return text


def _known(found: Mapping[str, Any], name: str) -> str:
    """Read a text that may be missing or empty."""
    return _text(found, name) if found.get(name) else ""


def _moment_ms(found: Mapping[str, Any], name: str) -> int | None:
    text = _known(found, name)
    if not text or text.startswith(f"{YEAR_WITHOUT_END}-"):
        return None
    return _time_ms(text, name)


def _time_ms(text: str, name: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise EventMalformedError(f"{name} is {_shown(text)}, not a time with an offset")
    return round(time.timestamp() * 1000)


def _shown(value: object) -> str:
    """Write a value short enough for a log.

    >>> _shown(None), _shown("x" * 99)[:3]
    ('missing', "'xx")
    """
    return "missing" if value is None else repr(value)[:80]
