"""Changes of licenses: events are kept, licenses told anew from them, the seller's systems told.

Registration, subscription and reconciliation all write licenses through here. Each step may be
the last one of a function that dies: the event comes again, or the sweep finds what is left to do.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from lambdas.customers.announcements import Announcement, announcements
from lambdas.customers.bus import Bus
from lambdas.customers.history import Event, Kind, license_of
from lambdas.customers.license import Entitlement, License, LicenseKey, State
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable

WRITES_MAX = 20
"""Attempts to write one license while others write it; each of them was a success for somebody."""

WAITING_MS_MAX = 24 * 3_600_000
"""A registration and its license are known within this time of each other; a license that is
activated earlier or later is another purchase's."""


class LicenseContendedError(Exception):
    """A license was changed by somebody else at every attempt to change it."""


class Changes:
    """Applies events to licenses, each once, in any order."""

    def __init__(
        self, table: CustomersTable, outbox: Outbox, bus: Bus, clock: Callable[[], float]
    ) -> None:
        self._table = table
        self._outbox = outbox
        self._bus = bus
        self._clock = clock

    def note(self, events: Iterable[Event]) -> list[License]:
        """Keep events, apply them to the licenses they concern, and tell of what has changed.

        An event that was noted before changes nothing, so it is safe to note one again whose
        noting may have been cut short.

        Returns:
            The licenses concerned, as they are now; none for an event that waits for its license.
        """
        concerned: dict[LicenseKey, None] = {}
        for event in events:
            concerned |= dict.fromkeys(self._keep(event))
        licenses = [self.refresh(key) for key in concerned]
        return [self._let_in_waiting(each) for each in licenses if each.version]

    def refresh(self, key: LicenseKey) -> License:
        """Tell a license anew from all that is kept of it, and write and announce what differs.

        Returns:
            The license as it is now; with version 0, and not written, if nothing is kept of it.
        """
        return self._change(key, lambda each: each)

    def entitle(
        self, key: LicenseKey, entitlements: Sequence[Entitlement], asked_s: int
    ) -> License:
        """Keep with a license what its contract gives, unless a newer answer is there."""

        def entitled(each: License) -> License:
            if each.entitlements_s is not None and each.entitlements_s > asked_s:
                return each
            return replace(each, entitlements=tuple(entitlements), entitlements_s=asked_s)

        return self._change(key, entitled)

    def end_overdue(self) -> list[License]:
        """Let licenses end whose last hour of reporting is over."""
        return [
            now
            for each in self._table.in_state(State.ENDING)
            if (now := self.refresh(each.key)).state is not State.ENDING
        ]

    def publish(self, written: Iterable[Announcement], outbox: Outbox | None = None) -> int:
        """Publish announcements and forget those the bus has taken; the others stay written."""
        taken = self._bus.publish(written)
        for each in taken:
            (outbox or self._outbox).delete(each)
        return len(taken)

    def publish_leftovers(self, *outboxes: Outbox) -> int:
        """Publish what was written and perhaps never published; returns how many the bus took."""
        return sum(
            self.publish(sorted(outbox.leftovers(), key=lambda each: each.place), outbox)
            for outbox in (self._outbox, *outboxes)
        )

    def _keep(self, event: Event) -> list[LicenseKey]:
        if event.license:
            self._table.keep(event)
            if event.kind is Kind.REGISTERED:
                self._forget_waiting(event)
            return [event.license]
        concerned = []
        if event.agreement_id:
            self._table.keep(event)
            concerned = self._table.licenses_of_agreement(event.agreement_id)
        if event.kind is Kind.REGISTERED:
            self._table.keep_waiting(event)
            concerned = concerned or self._licenses_for(event)
        return concerned

    def _forget_waiting(self, event: Event) -> None:
        """Let no registration wait of a buyer who has come again, now that the license is known."""
        waiting = self._table.waiting(event.account, event.product_code)
        if waiting is None or waiting.agreement_id not in ("", event.agreement_id):
            return
        if abs(event.at_ms - waiting.at_ms) <= WAITING_MS_MAX:
            self._table.forget_waiting(waiting)

    def _let_in_waiting(self, each: License) -> License:
        """Give a license the registration of its account that came while it was not known.

        Whoever writes a license looks for a registration afterwards, and whoever writes such a
        registration looks for a license afterwards, so that they cannot miss each other.
        """
        if not each.account or each.registered_s is not None:
            return each
        waiting = self._table.waiting(each.account, each.product_code)
        if waiting is None or not _fits(waiting, each):
            return each
        self._table.let_in(waiting, each.key)
        return self.refresh(each.key)

    def _licenses_for(self, waiting: Event) -> list[LicenseKey]:
        """Find the license a registration is for that names none: the one activated last."""
        licenses = self._table.of_accounts([waiting.account]).get(waiting.account, [])
        fitting = [each for each in licenses if _fits(waiting, each)]
        fitting.sort(key=lambda each: each.active_since_s or 0)
        return [each.key for each in fitting[-1:]]

    def _change(self, key: LicenseKey, change: Callable[[License], License]) -> License:
        for _ in range(WRITES_MAX):
            kept = self._table.kept(key)
            before, now_ms = kept.license, int(self._clock() * 1000)
            told = license_of(key, kept.events, now_ms)
            version = 0
            if before is None and not kept.events:
                # Only its agreement points to it: whoever wrote that is about to keep the event,
                # or has died before. A row of it would be of nobody.
                return told
            if before is not None:
                version = before.version
                told = replace(
                    told,
                    entitlements=before.entitlements,
                    entitlements_s=before.entitlements_s,
                )
            after = change(replace(told, version=version))
            if after == before:
                return after
            after = replace(after, version=version + 1)
            told_of = announcements(before, after, now_ms // 1000)
            if self._table.replace(before, after, [self._outbox.put(each) for each in told_of]):
                self.publish(told_of)
                return after
        raise LicenseContendedError(f"{key} was changed by others {WRITES_MAX} times in a row")


def _fits(waiting: Event, each: License) -> bool:
    """Tell whether a registration that names no license can be for this one."""
    since_s, until_s = each.active_since_s, each.ending_since_s
    if each.registered_s is not None or since_s is None:
        return False
    if each.product_code != waiting.product_code:
        return False
    if waiting.agreement_id not in ("", each.agreement_id):
        return False
    # Whoever registers after a license has been cancelled has bought another one.
    if until_s is not None and until_s * 1000 < waiting.at_ms:
        return False
    return abs(since_s * 1000 - waiting.at_ms) <= WAITING_MS_MAX
