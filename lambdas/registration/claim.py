"""The seller's server claims a registration: a one-time code becomes a license, once."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lambdas.customers.announcements import time_text
from lambdas.registration.codes import Registration, Standing, hash_of
from lambdas.registration.form import FREE_TRIAL, decoded
from lambdas.registration.page import CODE_FIELD
from lambdas.registration.signup import license_now, use
from lambdas.registration.wiring import Wiring

BODY_CHARACTERS_MAX = 4_096
"""A claim has some sixty characters."""


class Refusal(StrEnum):
    """Why a claim is refused, as the answer's ``error`` says it."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CLAIMED = "claimed"
    UNAVAILABLE = "unavailable"


STATUSES = {
    Refusal.MALFORMED: 400,
    Refusal.UNKNOWN: 404,
    Refusal.EXPIRED: 410,
    Refusal.CLAIMED: 410,
    Refusal.UNAVAILABLE: 503,
}
MESSAGES = {
    Refusal.MALFORMED: 'The body must be JSON such as {"registration": "…"}.',
    Refusal.UNKNOWN: "No such registration. Codes are deleted some time after they expire.",
    Refusal.EXPIRED: "The registration has expired; the buyer can press the button again.",
    Refusal.CLAIMED: "The registration was claimed before; a code is good for one claim.",
    Refusal.UNAVAILABLE: "The registration could not be read now; try again.",
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the code stood for, in the members of the answer."""

    detail: dict[str, Any]


def read_claim(body: str | None, *, is_base64: bool) -> str | Refusal:
    """Find the code in the body of a claim.

    >>> read_claim('{"registration": "abc"}', is_base64=False)
    'abc'
    """
    text = decoded(body or "", is_base64=is_base64)
    if not text or len(text) > BODY_CHARACTERS_MAX:
        return Refusal.MALFORMED
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return Refusal.MALFORMED
    code = read.get(CODE_FIELD) if isinstance(read, dict) else None
    return code if isinstance(code, str) and code else Refusal.MALFORMED


def claim(wiring: Wiring, code: str) -> Claimed | Refusal:
    """Use up a code and tell what it stands for. What can fail is done before."""
    detail: dict[str, Any] = {}

    def attempt(found: Registration) -> bool:
        detail.update(_detail(wiring, found))
        return wiring.table.claim(hash_of(code), wiring.now_s())

    found, was = use(wiring, code, attempt)
    if found is None:
        return Refusal.UNKNOWN
    if was is Standing.FRESH:
        return Claimed(detail)
    return Refusal.EXPIRED if was is Standing.EXPIRED else Refusal.CLAIMED


def _detail(wiring: Wiring, found: Registration) -> dict[str, Any]:
    now = license_now(wiring, found)
    members = {
        "License": now.key,
        "LicenseArn": now.arn,
        "CustomerAWSAccountId": found.account or now.account,
        "ProductCode": found.product_code or now.product_code,
        "CustomerIdentifier": found.customer_identifier or now.customer_identifier,
        "AgreementId": now.agreement_id,
        "OfferType": FREE_TRIAL if found.free_trial or now.free_trial else "",
        "State": str(now.state),
        "RegisteredAt": time_text(found.at_s),
    }
    return {name: text for name, text in members.items() if text}
