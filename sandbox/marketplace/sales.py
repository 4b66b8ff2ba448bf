"""The selling side of the Marketplace emulator: products, agreements, licenses, tokens.

Everything that changes here is told to the seller (`lifecycle.py`).
"""

import base64
import heapq
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args

from sandbox.marketplace.agreements import Agreement, Listing, Product, Status, Value
from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.events import Timing
from sandbox.marketplace.lifecycle import Lifecycle
from sandbox.marketplace.rules import Change, License, Readings
from sandbox.marketplace.terms import (
    Offer,
    PurchaseState,
    beginning,
    check_end,
    check_entitlements,
    check_purchase,
    milliseconds,
)

# The account in real license ARNs, which have no region (code samples on
# https://docs.aws.amazon.com/marketplace/latest/userguide/saas-code-examples.html).
LICENSE_ARN_PREFIX = "arn:aws:license-manager::777788889999:license:l-"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a purchase brings into being; the identifier is empty for new products."""

    license_arn: str
    agreement_id: str
    registration_token: str
    customer_identifier: str
    offer_id: str


@dataclass(frozen=True, slots=True)
class Token:
    """A registration token that was given to a buyer; `minutes` if it is of another kind."""

    license_arn: str
    issued_at: datetime
    used: bool = False
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a buyer has: a license, and the agreement that grants it."""

    license: License
    agreement: Agreement


class Sales:
    """What was sold to whom, and what the seller was told of it.

    Safe to use from several threads: one lock around everything. The attributes without underscore
    are to be touched only by operations inside a call.

    Args:
        now: The time, aware.
        seed: Ids and tokens follow from it.
        readings: How to read AWS where it contradicts itself.
        timing: The pauses before events.
    """

    def __init__(
        self, now: Callable[[], datetime], *, seed: int, readings: Readings, timing: Timing
    ) -> None:
        self.now = now
        self.readings = readings
        self.products: dict[str, Product] = {}
        self.licenses: dict[str, License] = {}
        self.agreements: dict[str, Agreement] = {}
        self.tokens: dict[str, Token] = {}
        self._random = random.Random(seed)  # noqa: S311 (one seed reproduces a run)
        self._offers = random.Random(f"offers {seed}")  # noqa: S311 (as above)
        self._listing = Listing()
        self._lifecycle = Lifecycle(now, seed, timing, readings.legacy_channels)
        self._ends: list[tuple[datetime, str]] = []
        self._lock = threading.RLock()

    @property
    def listing(self) -> Listing:
        """The product page."""
        return self._listing

    def list_product(self, **fields: Any) -> Listing:
        """Change the product page; fields that are not given stay as they are.

        Products that were bought already keep their old names.
        """
        with self._lock:
            if "dimensions" in fields:
                fields["dimensions"] = tuple(fields["dimensions"])
            self._listing = replace(self._listing, **fields)
            return self._listing

    def purchase(
        self,
        product_code: str,
        account: str,
        dimensions: list[str],
        *,
        legacy: bool = False,
        state: PurchaseState = "active",
        starts_at: datetime | None = None,
        license_arn: str | None = None,
        customer_identifier: str | None = None,
        entitlements: Mapping[str, Value] | None = None,
        ends_at: datetime | None = None,
        auto_renew: bool = False,
        free_trial_days: int | None = None,
    ) -> Purchase:
        """Let an account buy a product, which is listed with its first purchase.

        The seller is told when it happens; see `Timing`.

        Args:
            product_code: Of the product; all its purchases are legacy, or none.
            account: The buyer's.
            dimensions: What the offer has a price for.
            legacy: Listed before 1 June 2026: metered by code and identifier.
            state: `pending` until it is activated, or active at once, or `as-real`: once the seller
                has been told that the license was updated.
            starts_at: When it becomes active by itself; an agreement may be future-dated.
            license_arn: A license ARN to have, for tests that need to know it.
            customer_identifier: The same, for legacy products.
            entitlements: What a contract includes, by dimension.
            ends_at: When the agreement ends: never, or for a contract after a year.
            auto_renew: Whether another agreement follows then.
            free_trial_days: How long nothing is charged.

        Raises:
            Unacceptable: An argument AWS would not have.
        """
        with self._lock:
            now = self._settle()
            license_arn = license_arn or self._new_license_arn()
            check_purchase(product_code, account, dimensions, license_arn)
            if license_arn in self.licenses:
                raise Unacceptable("license_arn", license_arn, "one that is not bought yet")
            product = self._product(product_code, legacy=legacy)
            if customer_identifier is not None and not legacy:
                raise Unacceptable("customer_identifier", customer_identifier, "absent: not legacy")
            begin = beginning(state, starts_at, now, self._lifecycle.timing, self.readings)
            offer = Offer(entitlements or {}, ends_at, auto_renew, free_trial_days)
            offer.check(dimensions, begin.agreement)
            agreement_id = self._new_agreement_id()
            bought = License(
                arn=license_arn,
                agreement_id=agreement_id,
                product_code=product_code,
                account=account,
                customer_identifier=self._identifier(product, account, customer_identifier),
                dimensions=frozenset(dimensions),
                starts_at=begin.license,
                reports_from=begin.reports_from,
            )
            known = product.dimensions | bought.dimensions
            self.products[product_code] = replace(product, dimensions=known)
            self.licenses[license_arn] = bought
            accepted_at = min(milliseconds(now), begin.agreement)
            agreement = Agreement(
                id=agreement_id,
                license_arn=license_arn,
                product=product,
                account=account,
                customer_identifier=bought.customer_identifier,
                offer_id=self._new_offer_id(),
                accepted_at=accepted_at,
                starts_at=begin.agreement,
                ends_at=offer.end(begin.agreement),
                updated_at=accepted_at,
                initial_id=agreement_id,
                auto_renew=auto_renew,
                free_trial_ends_at=offer.free_trial_end(begin.agreement),
                entitlements=dict(offer.entitlements),
            )
            self._keep(agreement)
            self._lifecycle.agreed(agreement, begin.told)
            return self._purchase(agreement)

    def registration_token(self, license_arn: str, *, minutes: int | None = None) -> str:
        """A new token for a buyer who presses *Set up your account* (again).

        It has `+`, `/` and `=` in it, as real ones may, so that nobody gets away with not decoding
        the form it comes in. It lives as long as `Readings` say, or so many minutes.
        """
        with self._lock:
            self._license(license_arn)
            token = ""
            while not {"+", "/", "="} <= set(token):
                token = base64.b64encode(self._random.randbytes(95)).decode()
            self.tokens[token] = Token(license_arn, self.now(), minutes=minutes)
            return token

    def change_license(
        self, license_arn: str, change: Change, at: datetime | None = None
    ) -> License:
        """Activate, cancel (an hour is left to report), end (none is left) or suspend a license.

        `activate` also brings back one that was suspended, cancelled or ended. The seller is told
        of everything but a suspension, about which nothing is documented.
        """
        with self._lock:
            now = self._settle()
            held = self._license(license_arn)
            if change not in get_args(Change):
                raise Unacceptable("change", change, " or ".join(get_args(Change)))
            if at is not None and at.tzinfo is None:
                raise Unacceptable("at", at.isoformat(), "a time with an offset")
            at = milliseconds(at or now)
            changed = self.licenses[license_arn] = held.changed(change, at)
            agreement = self.agreements[held.agreement_id]
            before = replace(held, suspended=False).state(at)
            if change == "activate" and before != "active":
                self._reopen(agreement, at)
            elif change in ("cancel", "end") and agreement.status == "ACTIVE":
                self._close(agreement, at, "CANCELLED" if change == "cancel" else "TERMINATED")
            elif change == "end":
                self._lifecycle.finished(agreement, at)
            return changed

    def amend(
        self,
        license_arn: str,
        *,
        entitlements: Mapping[str, Value] | None = None,
        ends_at: datetime | None = None,
        auto_renew: bool | None = None,
    ) -> Agreement:
        """Change what an active agreement includes, its end, or whether it renews by itself.

        Raises:
            Unacceptable: It is over, or cannot be changed like this.
        """
        with self._lock:
            now = milliseconds(self._settle())
            held, old = self._active(license_arn)
            check_entitlements(entitlements or {}, held.dimensions)
            check_end(ends_at, now)
            new = replace(
                old,
                entitlements=old.entitlements if entitlements is None else dict(entitlements),
                ends_at=old.ends_at if ends_at is None else milliseconds(ends_at),
                auto_renew=old.auto_renew if auto_renew is None else auto_renew,
                updated_at=now,
            )
            if new.auto_renew and new.ends_at is None:
                raise Unacceptable("auto_renew", auto_renew, "false: pay as you go has no end")
            self._keep(new)
            changes = (new.entitlements, new.ends_at) != (old.entitlements, old.ends_at)
            self._lifecycle.amended(new, now, license_changes=changes)
            return new

    def succeed(
        self,
        license_arn: str,
        intent: Literal["RENEW", "REPLACE"],
        *,
        entitlements: Mapping[str, Value] | None = None,
        ends_at: datetime | None = None,
        new_license: bool = False,
    ) -> Purchase:
        """Renew an active agreement, or replace it by one on another offer.

        The license stays, or there is a `new_license`; which of the two AWS does is not said.

        Raises:
            Unacceptable: It is over, or cannot go on like this.
        """
        with self._lock:
            now = milliseconds(self._settle())
            held, old = self._active(license_arn)
            if intent not in ("RENEW", "REPLACE"):
                raise Unacceptable("intent", intent, "RENEW or REPLACE")
            check_entitlements(entitlements or {}, held.dimensions)
            check_end(ends_at, now)
            arn = self._new_license_arn() if new_license else license_arn
            new = self._successor(old, intent, now, arn)
            if entitlements is not None:
                new = replace(new, entitlements=dict(entitlements))
            if ends_at is not None:
                new = replace(new, ends_at=milliseconds(ends_at))
            self._follow(old, new, now)
            return self._purchase(new)

    def holdings(self, account: str) -> list[Holding]:
        """What this buyer has bought so far, the newest last."""
        with self._lock:
            self._settle()
            return [
                Holding(held, self.agreements[held.agreement_id])
                for held in self.licenses.values()
                if held.account == account
            ]

    def _settle(self) -> datetime:
        """Let agreements end whose time has come, and return the time."""
        now = self.now()
        while self._ends and self._ends[0][0] <= now:
            at, agreement_id = heapq.heappop(self._ends)
            agreement = self.agreements[agreement_id]
            if agreement.status != "ACTIVE" or agreement.ends_at != at:
                continue
            if agreement.auto_renew:
                new = self._successor(agreement, "RENEW", at, agreement.license_arn)
                self._follow(agreement, new, at)
            else:
                held = self.licenses[agreement.license_arn]
                self.licenses[held.arn] = held.changed("cancel", at)
                self._close(agreement, at, "EXPIRED")
        return now

    def _keep(self, agreement: Agreement) -> None:
        self.agreements[agreement.id] = agreement
        if agreement.ends_at is not None:
            heapq.heappush(self._ends, (agreement.ends_at, agreement.id))

    def _reopen(self, agreement: Agreement, at: datetime) -> None:
        """Activate an agreement, which goes on without an end if its end has passed."""
        over = agreement.ends_at is not None and agreement.ends_at <= at
        ends_at = None if over else agreement.ends_at
        agreement = replace(agreement, status="ACTIVE", ends_at=ends_at, updated_at=at)
        self._keep(agreement)
        self._lifecycle.activated(agreement, at)

    def _close(self, agreement: Agreement, at: datetime, status: Status) -> None:
        agreement = self.agreements[agreement.id] = agreement.closed(status, at)
        held = self.licenses[agreement.license_arn]
        last_hour = held.report_until is not None and held.report_until > at
        self._lifecycle.closed(agreement, at, began=held.began(at), last_hour=last_hour)

    def _successor(
        self, old: Agreement, intent: Literal["RENEW", "REPLACE"], at: datetime, license_arn: str
    ) -> Agreement:
        agreement_id = self._new_agreement_id()
        offer_id = old.offer_id if intent == "RENEW" else self._new_offer_id()
        return old.successor(agreement_id, intent, at, license_arn, offer_id)

    def _follow(self, old: Agreement, new: Agreement, at: datetime) -> None:
        """Let one agreement take the place of another."""
        held = self.licenses[old.license_arn]
        same = new.license_arn == old.license_arn
        if same:
            self.licenses[held.arn] = replace(held, agreement_id=new.id)
        else:
            self.licenses[held.arn] = held.changed("cancel", at)
            fresh = replace(held, arn=new.license_arn, agreement_id=new.id, starts_at=at)
            self.licenses[fresh.arn] = replace(fresh, reports_from=None)
        old = old.closed("RENEWED" if new.intent == "RENEW" else "REPLACED", at)
        self.agreements[old.id] = old
        self._keep(new)
        self._lifecycle.succeeded(old, new, at, same_license=same)

    def _active(self, license_arn: str) -> tuple[License, Agreement]:
        held = self._license(license_arn)
        agreement = self.agreements[held.agreement_id]
        if agreement.status != "ACTIVE":
            raise Unacceptable("license_arn", license_arn, f"active, not {agreement.status}")
        return held, agreement

    def _purchase(self, agreement: Agreement) -> Purchase:
        return Purchase(
            license_arn=agreement.license_arn,
            agreement_id=agreement.id,
            registration_token=self.registration_token(agreement.license_arn),
            customer_identifier=agreement.customer_identifier,
            offer_id=agreement.offer_id,
        )

    def _license(self, license_arn: str) -> License:
        held = self.licenses.get(license_arn)
        if held is None:
            raise Unacceptable("license_arn", license_arn, "the ARN of a license bought here")
        return held

    def _product(self, code: str, *, legacy: bool) -> Product:
        product = self.products.get(code) or self._listing.product(code, legacy=legacy)
        if product.legacy != legacy:
            raise Unacceptable("legacy", legacy, f"{product.legacy}, as for {code}")
        return product

    def _identifier(self, product: Product, account: str, wanted: str | None) -> str:
        """One identifier for a buyer of a legacy product; new products have none.

        "For new SaaS product integrations, the CustomerIdentifier field is not populated" (botocore
        1.44.5 service model, ResolveCustomer).
        """
        if not product.legacy:
            return ""
        for held in self.licenses.values():
            if (held.product_code, held.account) == (product.code, account):
                return held.customer_identifier
        return wanted or f"{self._random.getrandbits(44):011X}"

    def _new_license_arn(self) -> str:
        return f"{LICENSE_ARN_PREFIX}{self._random.getrandbits(128):032x}"

    def _new_agreement_id(self) -> str:
        return f"agmt-{self._random.getrandbits(100):025x}"

    def _new_offer_id(self) -> str:
        return f"offer-{self._offers.getrandbits(52):013x}"
