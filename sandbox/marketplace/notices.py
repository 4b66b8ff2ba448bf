"""What AWS Marketplace tells a seller, in its real shapes. Pure.

EventBridge events are shaped like those on
https://docs.aws.amazon.com/marketplace/latest/userguide/notifications-eventbridge.html, but where
captured ones differ, they win (tests of https://github.com/MoltyCel/moltrust-api): no `offer` in
Ended, `resaleAuthorization.id` is null where the maker sells, times of agreements have milliseconds
and those of events do not, and ids are no UUIDs of version 4.

SNS messages of older products are those on
https://docs.aws.amazon.com/marketplace/latest/userguide/saas-notification.html.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.marketplace.agreements import Agreement

CREATED = "Purchase Agreement Created - Proposer"
AMENDED = "Purchase Agreement Amended - Proposer"
ENDED = "Purchase Agreement Ended - Proposer"
LICENSE_UPDATED = "License Updated - Manufacturer"
LICENSE_DEPROVISIONED = "License Deprovisioned - Manufacturer"

SUBSCRIBED = "subscribe-success"
UNSUBSCRIBING = "unsubscribe-pending"
UNSUBSCRIBED = "unsubscribe-success"
ENTITLEMENT_UPDATED = "entitlement-updated"

# Free AWS events are in the seller's default bus there, and nowhere else
# (https://docs.aws.amazon.com/marketplace/latest/buyerguide/agreement-eventbridge.html).
REGION = "us-east-1"
# Agreements without an end have this one in events.
NEVER = "9999-01-01T00:00:00Z"
# From then on a renewal cannot be changed; a month before the end in the seller guide's example.
RENEWAL_LOCKOUT = timedelta(days=31)
# The account of AWS Marketplace's SNS topics in the seller guide's examples.
TOPICS_ACCOUNT = "123456789012"


def event(
    name: str, agreement: Agreement, at: datetime, *, event_id: str, request_id: str
) -> dict[str, Any]:
    """The EventBridge event of this detail-type about an agreement as it is now."""
    return {
        "version": "0",
        "id": event_id,
        "detail-type": name,
        "source": "aws.agreement-marketplace",
        "account": agreement.product.seller_account,
        "time": f"{at.astimezone(UTC):%FT%TZ}",
        "region": REGION,
        "resources": [f"arn:aws:aws-marketplace::aws:agreement:{agreement.id}"],
        "detail": {
            "requestId": request_id,
            "catalog": "AWSMarketplace",
            "acceptor": {"accountId": agreement.account},
            "proposer": {"accountId": agreement.product.seller_account},
            **_DETAILS[name](agreement),
        },
    }


def notification(
    action: str, agreement: Agreement, at: datetime, *, message_id: str
) -> dict[str, Any]:
    """The SNS notification of this action, as a queue has it without raw delivery.

    Its `Message` is JSON text. An offer is named by a subscription only, and an entitlement says
    nothing of free trials, as in AWS's examples.
    """
    product = agreement.product
    message = {
        "action": action,
        "customer-identifier": agreement.customer_identifier,
        "product-code": product.code,
    }
    if action == SUBSCRIBED:
        message["offer-identifier"] = agreement.offer_id
    if action != ENTITLEMENT_UPDATED:
        free = agreement.free_trial_ends_at is not None
        message["isFreeTrialTermPresent"] = "true" if free else "false"
    kind = "entitlement" if action == ENTITLEMENT_UPDATED else "subscription"
    topic = f"arn:aws:sns:{REGION}:{TOPICS_ACCOUNT}:aws-mp-{kind}-notification-{product.code}"
    host = f"https://sns.{REGION}.amazonaws.com"
    return {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": topic,
        "Message": json.dumps(message),
        "Timestamp": _milliseconds(at),
        "SignatureVersion": "1",
        "Signature": "EMULATED==",
        "SigningCertURL": f"{host}/SimpleNotificationService-emulated.pem",
        "UnsubscribeURL": f"{host}/?Action=Unsubscribe&SubscriptionArn={topic}:emulated",
    }


def _created(agreement: Agreement) -> dict[str, Any]:
    return _renewed(agreement) if agreement.intent != "NEW" else _new(agreement)


def _new(agreement: Agreement) -> dict[str, Any]:
    return {
        "agreement": _terms(agreement) | {"intent": "NEW"},
        "offer": {"id": agreement.offer_id},
        "resaleAuthorization": {"id": None},
    }


def _renewed(agreement: Agreement) -> dict[str, Any]:
    """A renewal, or a replacement: with product and seller by name."""
    product = agreement.product
    return {
        "agreement": _terms(agreement)
        | {"intent": agreement.intent, "previousAgreementId": agreement.previous_id},
        "offer": {"id": agreement.offer_id},
        "product": {"id": product.id, "title": product.title},
        "proposer": {"name": product.seller, "accountId": product.seller_account},
    }


def _amended(agreement: Agreement) -> dict[str, Any]:
    product = agreement.product
    amended: dict[str, Any] = {
        "agreement": _terms(agreement)
        | {"intent": "AMEND", "autoRenewalEnabled": agreement.auto_renew},
        "offer": {"id": agreement.offer_id},
        "product": {"id": product.id, "title": product.title},
        "resaleAuthorization": {"id": None},
    }
    if agreement.ends_at is not None:
        amended["renewalSummary"] = {
            "lockoutStartTime": _milliseconds(agreement.ends_at - RENEWAL_LOCKOUT),
            "disabledBy": None if agreement.auto_renew else "ACCEPTOR",
        }
    return amended


def _ended(agreement: Agreement) -> dict[str, Any]:
    return {
        "agreement": {"id": agreement.id, "status": agreement.status},
        "resaleAuthorization": {"id": None},
    }


def _license(agreement: Agreement) -> dict[str, Any]:
    return {
        "agreement": {"id": agreement.id},
        "license": {"arn": agreement.license_arn},
        "offer": {"id": agreement.offer_id},
        "product": {"code": agreement.product.code, "id": agreement.product.id},
    }


def _terms(agreement: Agreement) -> dict[str, Any]:
    return {
        "id": agreement.id,
        "status": agreement.status,
        "acceptanceTime": _milliseconds(agreement.accepted_at),
        "startTime": _milliseconds(agreement.starts_at),
        "endTime": _milliseconds(agreement.ends_at) if agreement.ends_at else NEVER,
    }


def _milliseconds(moment: datetime) -> str:
    """The time with milliseconds, but without them where they are none.

    >>> _milliseconds(datetime(2026, 11, 19, 14, 23, 11, 13_000, tzinfo=UTC))
    '2026-11-19T14:23:11.013Z'
    >>> _milliseconds(datetime(2026, 11, 20, 9, tzinfo=UTC))
    '2026-11-20T09:00:00Z'
    """
    moment = moment.astimezone(UTC)
    precision = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


_DETAILS = {
    CREATED: _created,
    AMENDED: _amended,
    ENDED: _ended,
    LICENSE_UPDATED: _license,
    LICENSE_DEPROVISIONED: _license,
}
