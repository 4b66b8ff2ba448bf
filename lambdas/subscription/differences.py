"""What AWS Marketplace's agreements say against what we hold: differences, and repairs. Pure.

Events may be lost. A repair is an event like any other, dated when AWS Marketplace was asked, so
that whatever happened later wins over it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from lambdas.customers.history import Event, Kind, registration
from lambdas.customers.license import (
    License,
    LicenseKey,
    State,
    is_license_arn,
    license_key_of_arn,
)

SAID = "reconciliation"

RECENT_S = 2 * 3600
"""A license that changed this recently is left alone: agreements are searched in an index that may
be behind, and its events may still be on the way."""

SOLD_BEFORE_S = 24 * 3600
"""AWS Marketplace announces a license about a minute after its agreement starts; one that is first
announced a day later or more was sold before anybody listened."""

ACTIVE = "ACTIVE"


class Difference(StrEnum):
    """What differs."""

    UNKNOWN_LICENSE = "unknown-license"
    """A license that AWS Marketplace has provisioned, and that we have never heard of."""

    UNKNOWN_BUYER = "unknown-buyer"
    """A license that was first announced to us long after it was sold: its buyer registered before
    this stack was there."""

    MISSED_ACTIVATION = "missed-activation"
    """A license that is active there and not here."""

    MISSED_END = "missed-end"
    """A license that is active here, and none of whose agreements is in force."""

    MISSED_TERMS = "missed-terms"
    """A license whose ARN, start or end we do not hold as AWS Marketplace does."""

    MISSED_REGISTRATION = "missed-registration"
    """A license that is not registered, and whose buyer has registered for an agreement of which no
    event told us that it gave this license."""

    UNKNOWN_AGREEMENT = "unknown-agreement"
    """A license that is active here, and that no agreement knows; a person should look."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement as the Agreement API tells it.

    Attributes:
        id: AWS Marketplace's.
        status: such as ``ACTIVE`` or ``CANCELLED``.
        account: of the buyer.
        product_id: of the product.
        offer_id: of the accepted offer.
        license_arns: of the licenses it gives that are provisioned.
        start_ms: milliseconds since the epoch.
        end_ms: None if it has no end.
    """

    id: str
    status: str
    account: str
    product_id: str
    offer_id: str
    license_arns: tuple[str, ...]
    start_ms: int | None
    end_ms: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, and the events that mend it."""

    difference: Difference
    license: LicenseKey
    agreement_id: str
    repairs: tuple[Event, ...] = ()


def findings_of_active(
    agreement: Agreement,
    licenses: Mapping[LicenseKey, License],
    product_code: str,
    asked_ms: int,
) -> Iterator[Finding]:
    """Compare the licenses of an active agreement with those we hold.

    A license we never heard of is brought in with its buyer as registered: it was sold before this
    stack was there, or its events were lost. One whose sale we have heard of and whose buyer has
    not registered stays so, for the buyer may come any time.
    """
    for arn in agreement.license_arns:
        key = license_key_of_arn(arn)
        known = licenses.get(key)
        repair = _event(Kind.ACTIVATED, key, agreement, asked_ms, arn=arn)
        if known is None:
            if asked_ms - (agreement.start_ms or 0) < RECENT_S * 1000:
                continue
            buyer = _buyer(agreement, arn, product_code, asked_ms)
            yield Finding(Difference.UNKNOWN_LICENSE, key, agreement.id, (buyer, repair))
        elif _changed_recently(known, asked_ms):
            continue
        elif known.active_since_s is None or known.state in (State.ENDING, State.ENDED):
            yield Finding(Difference.MISSED_ACTIVATION, key, agreement.id, (repair,))
        elif known.registered_s is None and _sold_before(known, agreement):
            buyer = _buyer(agreement, arn, known.product_code or product_code, asked_ms)
            yield Finding(Difference.UNKNOWN_BUYER, key, agreement.id, (buyer,))
        elif _terms_differ(known, agreement, arn):
            terms = _event(Kind.AGREED, key, agreement, asked_ms, arn=arn)
            yield Finding(Difference.MISSED_TERMS, key, agreement.id, (terms,))


def finding_of_license(
    each: License, agreements: Collection[Agreement], asked_ms: int
) -> Finding | None:
    """Compare a license that is open here with the agreements that ever gave it."""
    if _changed_recently(each, asked_ms):
        return None
    if not agreements:
        return Finding(Difference.UNKNOWN_AGREEMENT, each.key, each.agreement_id)
    # One that was renewed or replaced ends nothing, as long as the next one gives this license too.
    if any(one.status == ACTIVE for one in agreements):
        return None
    last = max(agreements, key=lambda one: (one.id == each.agreement_id, one.end_ms or 0, one.id))
    repair = _event(Kind.CLOSED, each.key, last, asked_ms, arn="")
    return Finding(Difference.MISSED_END, each.key, last.id, (repair,))


def finding_of_registrations(
    each: License, registrations: Sequence[Event], asked_ms: int
) -> Finding | None:
    """Give a license that is not registered the registrations for agreements that gave it.

    A buyer who registers within a minute of the purchase may be known by the agreement alone. If
    the license has moved to another agreement since, and the events that named the first one
    together with the license are lost, nothing else says whose that registration is.
    """
    if not registrations or _changed_recently(each, asked_ms):
        return None
    repairs = tuple(replace(one, license=each.key, arn=each.arn) for one in registrations)
    agreement_id = registrations[0].agreement_id
    return Finding(Difference.MISSED_REGISTRATION, each.key, agreement_id, repairs)


def _buyer(agreement: Agreement, arn: str, product_code: str, asked_ms: int) -> Event:
    """Make the registration of a buyer who never came to us."""
    return registration(
        at_ms=asked_ms,
        license_arn=arn,
        account=agreement.account,
        product_code=product_code,
        customer_identifier="",
        agreement_id=agreement.id,
        free_trial=None,
        said=SAID,
    )


def _sold_before(each: License, agreement: Agreement) -> bool:
    if each.active_since_s is None or agreement.start_ms is None:
        return False
    return each.active_since_s - agreement.start_ms // 1000 >= SOLD_BEFORE_S


def _changed_recently(each: License, asked_ms: int) -> bool:
    times = (each.registered_s, each.active_since_s, each.ending_since_s, each.notice_s)
    last_s = max((time for time in times if time is not None), default=0)
    return asked_ms // 1000 - last_s < RECENT_S


def _terms_differ(each: License, agreement: Agreement, arn: str) -> bool:
    if each.agreement_id not in ("", agreement.id):
        return False
    start_s = None if agreement.start_ms is None else -(-agreement.start_ms // 1000)
    end_s = None if agreement.end_ms is None else agreement.end_ms // 1000
    better_arn = is_license_arn(arn) and not is_license_arn(each.arn)
    return better_arn or (each.start_s, each.end_s) != (start_s, end_s)


def _event(kind: Kind, key: LicenseKey, agreement: Agreement, asked_ms: int, *, arn: str) -> Event:
    return Event(
        id=f"reconciliation-{asked_ms}-{kind}-{agreement.id}",
        kind=kind,
        at_ms=asked_ms,
        said=SAID,
        license=key,
        arn=arn,
        account=agreement.account,
        product_id=agreement.product_id,
        agreement_id=agreement.id,
        offer_id=agreement.offer_id,
        start_ms=agreement.start_ms,
        end_ms=agreement.end_ms,
        note=agreement.status,
    )
