"""Drain the usage queue into the ledger: receive, fold, append, quarantine, delete, in that order.

A message is deleted only when all its usage is in the log or in quarantine. Whatever stops a tick
before that, SQS shows the message again, and keys tell what was counted already.
"""

from collections.abc import Iterable, Iterator, Sequence

from lambdas.customers.license import LicenseKey, license_key_of_arn, license_key_of_legacy
from lambdas.metering.aws import Message, Quarantined
from lambdas.metering.customer import Customers, Refusal
from lambdas.metering.fold import Folded, fold, license_of
from lambdas.metering.hand import HAND_BYTES_MAX, HAND_RECORDS_MAX, HAND_S, Hand, read_hand
from lambdas.metering.summary import Summary
from lambdas.metering.usage import Reason, Usage, license_key_digest, original_text
from lambdas.metering.wiring import Wiring

RECEIVERS = 8
"""Receives at a time; one alone gets some 500 messages a second out of a queue."""

APPENDS_MAX = 20
"""Attempts to append one entry. Each lost race means that another tick made progress."""

APPEND_WAIT_S = 0.05
"""Waited after a lost append, times the number of losses."""


class LogContendedError(Exception):
    """An entry could not be appended in many attempts: the table fails, or too many ticks run."""


def drain(wiring: Wiring, summary: Summary, *, until_s: float, sure: bool = True) -> None:
    """Count what the queue holds, until a receive comes back empty or time is up.

    Args:
        wiring: what to work with.
        summary: what was done is added to it.
        until_s: when to stop.
        sure: whether it matters now that nothing is left. If not, one quick look at a queue that
            seems empty is enough: the function would wait a second for certainty, at every tick of
            an idle month.
    """
    while wiring.clock() < until_s:
        messages, drained = _receive(wiring, until_s, sure=sure)
        if not messages and not drained:
            return
        sure = True
        # Redrives take requests each; other usage is not to wait for them.
        messages.sort(key=lambda each: '"Redrive"' in each.body)
        at = 0
        while at < len(messages) and wiring.clock() < until_s:
            hand = read_hand(wiring, messages[at:])
            _count(wiring, summary, hand)
            at += len(hand.messages)
        if drained and at == len(messages):
            summary.drained = True
            return
    summary.out_of_time = True


def _receive(wiring: Wiring, until_s: float, *, sure: bool) -> tuple[list[Message], bool]:
    """Take many messages, so that one append carries many; tell whether the queue is empty."""
    until_s = min(until_s, wiring.clock() + HAND_S)
    messages = wiring.queue.receive(sure=sure)
    if not messages:
        return messages, sure
    drained = False
    size_bytes = sum(len(each.body) for each in messages)
    while not drained and wiring.clock() < until_s:
        if len(messages) >= HAND_RECORDS_MAX or size_bytes >= HAND_BYTES_MAX:
            break
        receives = wiring.parallel(lambda _: wiring.queue.receive(), range(RECEIVERS))
        more = [each for received in receives for each in received]
        drained = not more
        size_bytes += sum(len(each.body) for each in more)
        messages += more
    return messages, drained


def _count(wiring: Wiring, summary: Summary, hand: Hand) -> None:
    """Count the usage of messages, quarantine the rest, and delete them."""
    customers = _customers_meant(wiring, hand.usages)
    quarantine: list[Quarantined] = []
    counted_from = losses = 0
    while True:
        now_s = wiring.now_s()
        ledger = wiring.log.read(now_s)
        wiring.log.reach_back(
            ledger,
            hand.oldest_s - wiring.terms.id_memory_s,
            lambda: _keys_of(wiring, hand, customers),
        )
        if counted_from == len(hand.usages):
            break
        folded = fold(
            ledger,
            hand.usages[counted_from:],
            customers=customers,
            terms=wiring.terms,
            now_s=now_s,
        )
        if folded.entry is not None and not wiring.log.append(ledger, folded.entry):
            losses += 1
            if losses == APPENDS_MAX:
                raise LogContendedError(f"{losses} attempts to append a fold were lost")
            wiring.sleep(APPEND_WAIT_S * losses)
            continue
        summary.counted += folded.counted
        summary.duplicates += folded.duplicates
        quarantine += _refused(wiring, hand, counted_from, folded, now_s)
        counted_from += folded.taken
    quarantine += [each for each in hand.rejected if ledger.keys.check_of(each.key) != each.check]
    _apply(wiring, hand, quarantine)
    wiring.queue.delete(hand.messages)
    summary.quarantined.update(Reason(each.reason) for each in quarantine)
    summary.messages += len(hand.messages)


def _apply(wiring: Wiring, hand: Hand, quarantine: Sequence[Quarantined]) -> None:
    """Write quarantine before what it replaces goes, so that usage is always somewhere."""
    for _ in wiring.parallel(wiring.quarantine.put, quarantine):
        pass
    redriven, now_s = hand.redriven.values(), wiring.now_s()
    counted = (each.quarantined for each in redriven if each.quarantined is not None)
    # What several usages came from is there as often, and is to be deleted once.
    gone = dict.fromkeys([*hand.replaced, *counted])
    for _ in wiring.parallel(wiring.quarantine.delete, gone):
        pass
    cells = dict.fromkeys(each.expired for each in redriven if each.expired is not None)
    for _ in wiring.parallel(lambda cell: wiring.outcomes.put_redriven(cell, now_s), cells):
        pass


def _refused(
    wiring: Wiring, hand: Hand, start: int, folded: Folded, now_s: int
) -> Iterator[Quarantined]:
    """Make quarantine items of what a fold refused; an expired record just stays what it is."""
    for each in folded.refused:
        at = start + each.index
        usage, owner = hand.usages[at], hand.owners[at]
        redriven = hand.redriven.get(at)
        if redriven is not None and redriven.expired is not None:
            del hand.redriven[at]
            continue
        before = redriven.quarantined if redriven else None
        yield Quarantined(
            key=usage.key,
            check=usage.check,
            version=wiring.new_id(),
            first_s=before.first_s if before else now_s,
            message_id=before.message_id if before else owner.id,
            index=before.index if before else usage.index,
            arrived_s=usage.arrived_s,
            reason=each.refusal.reason,
            field=each.refusal.field,
            tell=each.refusal.tell,
            text=before.text if before else original_text(owner.body, usage.index),
        )


def _keys_of(wiring: Wiring, hand: Hand, customers: Customers) -> set[bytes]:
    """List all keys under which the usage of a hand may have been counted."""
    keys = {each.key for each in hand.usages} | {each.key for each in hand.rejected}
    for usage in hand.usages:
        who = license_of(usage, customers, terms=wiring.terms, now_s=wiring.now_s())
        if usage.id is not None and not isinstance(who, Refusal):
            keys.add(license_key_digest(who, usage.id))
    return keys


def _customers_meant(wiring: Wiring, usages: Iterable[Usage]) -> Customers:
    """Read the licenses that usage may mean, all in a few requests.

    A license that is named alone is meant, whether it is known or not.
    """
    licenses: set[LicenseKey] = set()
    accounts: set[str] = set()
    for named in {usage.named for usage in usages if usage.license is None}:
        if named.license_arn:
            if named.account or named.customer_identifier:
                licenses.add(license_key_of_arn(named.license_arn))
        elif named.customer_identifier:
            product_code = named.product_code or wiring.terms.product_code
            licenses.add(license_key_of_legacy(product_code, named.customer_identifier))
        else:
            accounts.add(named.account)
    return Customers(wiring.customers.licenses(licenses), wiring.customers.of_accounts(accounts))
