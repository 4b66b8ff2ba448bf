"""A buyer signs up with the hosted form: the contact is kept and told, and the sign-up confirmed.

A code is used once. Sending the form again shows the confirmation and changes nothing, except that
an e-mail is sent which a request that died did not come to send.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lambdas.customers.announcements import Announcement, Change, announcement
from lambdas.customers.license import License, LicenseKey
from lambdas.registration.codes import Registration, Standing, hash_of, is_code, standing
from lambdas.registration.contact import Contact
from lambdas.registration.mail import confirmation
from lambdas.registration.wiring import Wiring

USES_MAX = 4
"""Attempts to use a code while somebody else is using it, as happens with a double click."""

USE_WAIT_S = 0.2
"""Before the next attempt, times the attempts made."""


class CodeContendedError(Exception):
    """A code was being used by somebody else at every attempt to use it."""


def look_up(wiring: Wiring, code: str) -> tuple[Registration | None, Standing]:
    """Read what a code stands for and what it is good for; an unknown one counts as expired."""
    found = wiring.table.find(hash_of(code)) if is_code(code) else None
    if found is None:
        return None, Standing.EXPIRED
    return found, standing(found, wiring.now_s())


def use(
    wiring: Wiring, code: str, attempt: Callable[[Registration], bool]
) -> tuple[Registration | None, Standing]:
    """Use a fresh code, or tell why it cannot be used.

    Whenever an attempt does not win, the code is read again and the decision made from nothing.

    Returns:
        The registration, and `Standing.FRESH` if this very call has used the code.
    """
    for number in range(1, USES_MAX + 1):
        found, now_good_for = look_up(wiring, code)
        if found is None or now_good_for is not Standing.FRESH or attempt(found):
            return found, now_good_for
        wiring.sleep(USE_WAIT_S * number)
    raise CodeContendedError(f"a code was used by others at {USES_MAX} attempts")


def sign_up(
    wiring: Wiring, code: str, contact: Contact, told_refusal: Callable[[str], None]
) -> Standing:
    """Keep the contact, tell the seller's systems, and confirm by e-mail.

    Args:
        wiring: what to work with.
        code: the one-time code.
        contact: what the buyer typed.
        told_refusal: hears why SES refused the e-mail, which is no reason to fail.

    Returns:
        What the code was good for when the form came.
    """
    told: list[Announcement] = []

    def attempt(found: Registration) -> bool:
        told[:] = [_announcement(wiring, code, found, contact)]
        parts: list[Any] = [wiring.outbox.put(each) for each in told]
        return wiring.table.sign_up(hash_of(code), found.owner, contact, wiring.now_s(), *parts)

    found, was = use(wiring, code, attempt)
    if was is Standing.FRESH:
        wiring.changes.publish(told, wiring.outbox)
    if found is not None and was in (Standing.FRESH, Standing.SIGNED_UP):
        _confirm(wiring, found.owner, contact, told_refusal)
    return was


def _confirm(
    wiring: Wiring, owner: str, contact: Contact, told_refusal: Callable[[str], None]
) -> None:
    """Send the e-mail once: it is claimed before it is sent, and released if SES refuses it."""
    if wiring.mailer is None or not wiring.table.claim_mail(owner, contact, wiring.now_s()):
        return
    refusal = wiring.mailer.send(contact.email, confirmation(wiring.pages.seller))
    if refusal:
        wiring.table.release_mail(owner, contact)
        told_refusal(refusal)


def _announcement(wiring: Wiring, code: str, found: Registration, contact: Contact) -> Announcement:
    """Tell who signed up. The id is the code's: each sign-up is an event of its own."""
    license_ = license_now(wiring, found)
    members = {"Email": contact.email, "Name": contact.name, "Company": contact.company}
    told = announcement(
        Change.REGISTERED,
        license_,
        wiring.now_s(),
        Contact={name: text for name, text in members.items() if text},
    )
    id_ = f"signup-{hash_of(code)[:32]}"
    return replace(told, id=id_, detail={**told.detail, "Id": id_})


def license_now(wiring: Wiring, found: Registration) -> License:
    """Read the license that a code stands for; what is not known yet is as the buyer brought it."""
    keys = [found.license] if found.license else []
    if not keys and found.agreement_id:
        keys = wiring.customers.licenses_of_agreement(found.agreement_id)
    known = wiring.customers.licenses(keys) if len(keys) == 1 else {}
    if known:
        return next(iter(known.values()))
    return License(
        key=LicenseKey(found.license),
        arn=found.arn,
        account=found.account,
        product_code=found.product_code,
        agreement_id=found.agreement_id,
        customer_identifier=found.customer_identifier,
        registered_s=found.at_s,
    )
