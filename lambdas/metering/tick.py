"""One tick: fold what the queue holds, seal the hours that are over, submit their records.

Any number of ticks may run at once, and any may die at any instruction; what each step leaves
behind is safe for the next (docs/design.md, "What happens when a tick dies").
"""

from collections.abc import Sequence

from lambdas.customers.license import License, State
from lambdas.metering.aws import Settled
from lambdas.metering.drain import APPEND_WAIT_S, APPENDS_MAX, LogContendedError, drain
from lambdas.metering.hours import Hour
from lambdas.metering.ledger import Ledger, Seal
from lambdas.metering.risk import final_flush_left_s
from lambdas.metering.seal import (
    Heartbeats,
    ends_month,
    first_entry,
    hour_due,
    seals_for_ending,
    seals_for_everyone,
)
from lambdas.metering.submit import submit
from lambdas.metering.summary import Summary
from lambdas.metering.wiring import Wiring

FOLD_SHARE = 0.6
"""Of a tick's time; the rest is for sealing and submitting, which must not starve."""


def tick(wiring: Wiring, *, until_s: float, summary: Summary | None = None) -> Summary:
    """Run once and tell what was done; stops between steps when time is up.

    Args:
        wiring: what to work with.
        until_s: when to stop, in seconds since the epoch by the wiring's clock.
        summary: what is done is added to it, for whoever is to know that of a tick that fails.
    """
    summary = summary or Summary()
    summary.dry_run = wiring.terms.dry_run
    began_s = wiring.clock()
    ledger = _begin_log(wiring)
    drain(
        wiring,
        summary,
        until_s=began_s + FOLD_SHARE * (until_s - began_s),
        sure=_something_ends(wiring, ledger),
    )
    ending = wiring.customers.in_state(State.ENDING)
    ledger = _seal(wiring, summary, ending)
    submit(wiring, summary, ledger, ending={each.key for each in ending}, until_s=until_s)
    summary.ending = len(ending)
    summary.final_flush_left_s = final_flush_left_s(
        ledger, ending, now_s=wiring.now_s(), terms=wiring.terms
    )
    return summary


def _something_ends(wiring: Wiring, ledger: Ledger) -> bool:
    """Tell whether an hour or a license is to be closed, over usage that waits if it is missed."""
    due = hour_due(ledger, now_s=wiring.now_s(), drained=True, terms=wiring.terms)
    return due is not None or bool(wiring.customers.in_state(State.ENDING))


def _begin_log(wiring: Wiring) -> Ledger:
    """Read the log, and write the first entry of a new one, once."""
    ledger = wiring.log.read(wiring.now_s())
    if not ledger.last:
        # The hint of a log that has expired would speak of this one's numbers.
        wiring.log.note_settled(Settled())
        wiring.log.append(ledger, first_entry(wiring.now_s()))
        ledger = wiring.log.read(wiring.now_s())
        if not ledger.last:
            raise LogContendedError("the first entry of the log could not be written")
    return ledger


def _seal(wiring: Wiring, summary: Summary, ending: Sequence[License]) -> Ledger:
    """Seal until nothing is due; a lost race means to look again at what is."""
    losses = 0
    while losses < APPENDS_MAX:
        ledger = wiring.log.read(wiring.now_s())
        before = ledger.watermark
        seals = _due_seals(wiring, summary, ledger, ending)
        if not seals:
            return ledger
        for each in seals:
            if not wiring.log.append(ledger, each):
                losses += 1
                wiring.sleep(APPEND_WAIT_S * losses)
                break
            summary.records_sealed += sum(len(rows) for rows in each.records.values())
        summary.hours_sealed += ledger.watermark - before
    raise LogContendedError(f"{APPENDS_MAX} attempts to append a seal were lost")


def _due_seals(
    wiring: Wiring, summary: Summary, ledger: Ledger, ending: Sequence[License]
) -> list[Seal]:
    now_s, terms = wiring.now_s(), wiring.terms
    due = _hour_due(wiring, ledger, now_s=now_s, drained=summary.drained)
    if due is None:
        if terms.dry_run:
            # No last hour must be met, and late usage must not ride beyond this hour: the next one
            # may be the first that is sent.
            return []
        return seals_for_ending(ledger, ending, terms=terms, now_s=now_s)
    used = {who for who, _, hour in ledger.open if hour <= due}
    heartbeats = Heartbeats()
    if terms.dimensions and not terms.dry_run:
        active = wiring.customers.in_state(State.ACTIVE)
        heartbeats = Heartbeats(active, wiring.table.refused_zeros())
    return seals_for_everyone(
        ledger,
        due,
        licenses=wiring.customers.licenses(used),
        heartbeats=heartbeats,
        terms=terms,
        now_s=now_s,
    )


def _hour_due(wiring: Wiring, ledger: Ledger, *, now_s: int, drained: bool) -> Hour | None:
    """Return the hour up to which is to be sealed, if any.

    A queue looks empty to one tick while another holds its messages, or died with them: that is
    asked where it matters, for the last hour of a month.
    """
    due = hour_due(ledger, now_s=now_s, drained=drained, terms=wiring.terms)
    if due is None or not drained or not ends_month(ledger, due) or wiring.queue.is_empty():
        return due
    return hour_due(ledger, now_s=now_s, drained=drained, terms=wiring.terms, hidden=True)
