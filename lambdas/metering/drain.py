"""Drain the usage queue into the ledger: receive, fold, append, quarantine, delete, in that order.

A message is deleted only when all its usage is in the log or in quarantine. Whatever stops a tick
before that, SQS shows the message again, and keys tell what was counted already.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from lambdas.customers.license import LicenseKey, license_key_of_arn, license_key_of_legacy
from lambdas.metering.aws import Message, Place, Quarantined
from lambdas.metering.customer import Customers, Refusal
from lambdas.metering.fold import Folded, fold, license_of
from lambdas.metering.hours import DAY_HOURS, HOUR_S, start_s
from lambdas.metering.ledger import Cell
from lambdas.metering.named import Named
from lambdas.metering.summary import Summary
from lambdas.metering.usage import (
    Reason,
    Redrive,
    Rejected,
    Rules,
    Usage,
    content_check,
    license_key_digest,
    original_text,
    read_message,
)
from lambdas.metering.wiring import Wiring

HAND_RECORDS_MAX = 40_000
"""Messages received, and records read of them, at a time: nearly the keys that two entries hold.
It bounds a tick's memory, and the work that is lost if it dies."""

HAND_BYTES_MAX = 48 * 1024 * 1024
"""Of bodies received at a time, since one message may have 1 MiB."""

HAND_REDRIVES_MAX = 1_000
"""Redrives counted at a time, since each takes two or three requests of its own."""

REDRIVES_AT_ONCE = 100
"""Redrives looked up before a look at the clock, and at what they brought: 1 MiB each, maybe."""

HAND_S = 20
"""How long to receive before folding, and then to look up redrives, well within the messages' time
out of sight. To take redriven usage out of quarantine takes as long again."""

RECEIVERS = 8
"""Receives at a time; one alone gets some 500 messages a second out of a queue."""

APPENDS_MAX = 20
"""Attempts to append one entry. Each lost race means that another tick made progress."""

APPEND_WAIT_S = 0.05
"""Waited after a lost append, times the number of losses."""

REDRIVE_DAYS_MAX = 35
"""Folds are kept for 45 days; further back nobody can tell whether usage was counted."""


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
            hand = _read_hand(wiring, messages[at:])
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


@dataclass(frozen=True, slots=True)
class _Redriven:
    """Where redriven usage waits until it is counted: in quarantine, or as an expired record."""

    quarantined: Quarantined | None = None
    expired: Cell | None = None


@dataclass(slots=True)
class _Hand:
    """What a handful of messages holds.

    ``owners`` and ``usages`` stand side by side; ``redriven`` is by place in them. ``redrives``
    were looked up, and brought texts of so many ``redriven_bytes``.
    """

    oldest_s: int
    messages: list[Message] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    owners: list[Message] = field(default_factory=list)
    redriven: dict[int, _Redriven] = field(default_factory=dict)
    rejected: list[Quarantined] = field(default_factory=list)
    replaced: list[Quarantined] = field(default_factory=list)
    redrives: int = 0
    redriven_bytes: int = 0


def _count(wiring: Wiring, summary: Summary, hand: _Hand) -> None:
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


def _apply(wiring: Wiring, hand: _Hand, quarantine: Sequence[Quarantined]) -> None:
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
    wiring: Wiring, hand: _Hand, start: int, folded: Folded, now_s: int
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


def _read_hand(wiring: Wiring, messages: Sequence[Message]) -> _Hand:
    """Read messages until they hold enough, and for redrives what they point to."""
    now_s = wiring.now_s()
    rules = Rules(frozenset(wiring.terms.dimensions), wiring.terms.product_code)
    hand = _Hand(oldest_s=now_s)
    usages, owners = hand.usages, hand.owners
    redrives: list[tuple[Message, Redrive]] = []
    for message in messages:
        if len(usages) + len(hand.rejected) >= HAND_RECORDS_MAX:
            break
        hand.messages.append(message)
        hand.oldest_s = min(hand.oldest_s, message.sent_s)
        for each in read_message(
            message.body,
            message_id=message.id,
            arrived_s=message.sent_s,
            now_s=now_s,
            rules=rules,
        ):
            if isinstance(each, Usage):
                usages.append(each)
                owners.append(message)
            elif isinstance(each, Rejected):
                hand.rejected.append(_quarantined(wiring, each, message.id, now_s))
            else:
                redrives.append((message, each))
        if len(redrives) == REDRIVES_AT_ONCE:
            _take_redriven(wiring, hand, redrives, rules, now_s)
            redrives = []
            if (
                hand.redrives >= HAND_REDRIVES_MAX
                or hand.redriven_bytes >= HAND_BYTES_MAX
                or wiring.clock() >= now_s + HAND_S
            ):
                break
    _take_redriven(wiring, hand, redrives, rules, now_s)
    return hand


def _quarantined(wiring: Wiring, rejected: Rejected, message_id: str, now_s: int) -> Quarantined:
    return Quarantined(
        key=rejected.key,
        check=rejected.check,
        version=wiring.new_id(),
        first_s=now_s,
        message_id=message_id,
        index=rejected.index,
        arrived_s=rejected.arrived_s,
        reason=rejected.reason,
        field=rejected.field,
        tell=rejected.tell,
        text=rejected.text,
    )


def _take_redriven(
    wiring: Wiring,
    hand: _Hand,
    redrives: Sequence[tuple[Message, Redrive]],
    rules: Rules,
    now_s: int,
) -> None:
    """Look up what redrives point to; what is not there any more was counted."""
    hand.redrives += len(redrives)
    of_quarantined = [each for each in redrives if each[1].license is None]
    names = [(redrive.key + (redrive.check or b"")).hex() for _, redrive in of_quarantined]
    found = wiring.parallel(wiring.quarantine.get, names)
    for (message, redrive), before in zip(of_quarantined, found, strict=True):
        if before is not None:
            hand.redriven_bytes += len(before.text)
            _take_quarantined(wiring, hand, message, redrive, before, rules, now_s)
    of_expired = [each for each in redrives if each[1].license is not None]
    _take_expired(wiring, hand, of_expired, now_s)


def _take_quarantined(
    wiring: Wiring,
    hand: _Hand,
    message: Message,
    redrive: Redrive,
    before: Quarantined,
    rules: Rules,
    now_s: int,
) -> None:
    """Read quarantined usage once more, to be counted under the key it has had from the first.

    Text that a person could not have changed may read differently now, since a setting was. If it
    gives one usage, that has the quarantined key; if a whole message now gives several, each has
    the key that it would have had in its message.
    """
    found = read_message(
        before.text,
        message_id=before.message_id,
        arrived_s=before.arrived_s,
        now_s=now_s,
        rules=rules,
    )
    usages = [each for each in found if isinstance(each, Usage)]
    rejected = [each for each in found if isinstance(each, Rejected)]
    single = len(found) == 1
    for usage in usages:
        oldest_s = min(usage.used_s, before.first_s)
        if oldest_s < now_s - REDRIVE_DAYS_MAX * DAY_HOURS * HOUR_S:
            hand.rejected.append(_too_old(wiring, before, usage))
            hand.replaced.append(before)
            continue
        hand.oldest_s = min(hand.oldest_s, oldest_s)
        hand.redriven[len(hand.usages)] = _Redriven(quarantined=before)
        hand.owners.append(message)
        hand.usages.append(
            msgspec.structs.replace(
                usage,
                key=before.key if single else usage.key,
                by_license=usage.by_license and not single,
                bill_at_s=now_s if redrive.bill_now else None,
            )
        )
    for each in rejected:
        again = _quarantined(wiring, each, before.message_id, before.first_s)
        key = before.key if single else each.key
        hand.rejected.append(replace(again, key=key, index=before.index))
        hand.replaced.append(before)


def _too_old(wiring: Wiring, before: Quarantined, usage: Usage) -> Quarantined:
    return replace(
        before,
        check=usage.check,
        version=wiring.new_id(),
        reason=Reason.REDRIVE_TOO_OLD,
        field="Timestamp",
        tell=f"This usage, or its quarantine, is more than {REDRIVE_DAYS_MAX} days old: nobody can"
        " tell any more whether it was counted. Look it up, and send it under a new Id if not.",
    )


def _take_expired(
    wiring: Wiring, hand: _Hand, redrives: Sequence[tuple[Message, Redrive]], now_s: int
) -> None:
    """Take up expired usage records again: certainly not billed, so they may be counted anew."""
    cells = [_cell(redrive) for _, redrive in redrives]
    places: list[Place | None] = list(wiring.parallel(wiring.outcomes.expired, cells))
    records = wiring.log.sealed_records({each for each in places if each is not None})
    oldest_s = now_s - REDRIVE_DAYS_MAX * DAY_HOURS * HOUR_S
    for (message, redrive), cell, place in zip(redrives, cells, places, strict=True):
        who, dimension, hour = cell
        record = None if place is None else records.get(place)
        if record is None or start_s(hour) < oldest_s:
            continue
        frozen = record.frozen
        hand.oldest_s = min(hand.oldest_s, frozen.timestamp_s)
        hand.redriven[len(hand.usages)] = _Redriven(expired=cell)
        hand.owners.append(message)
        hand.usages.append(
            Usage(
                key=redrive.key,
                check=content_check(dimension, frozen.quantity, frozen.allocations),
                id=None,
                named=Named(),
                license=who,
                dimension=dimension,
                quantity=frozen.quantity,
                used_s=frozen.timestamp_s,
                allocations=frozen.allocations,
                arrived_s=message.sent_s,
                index=0,
                bill_at_s=now_s if redrive.bill_now else None,
            )
        )


def _cell(redrive: Redrive) -> Cell:
    assert redrive.license is not None and redrive.hour is not None  # noqa: PT018 a cell has both
    return redrive.license, redrive.dimension, redrive.hour


def _keys_of(wiring: Wiring, hand: _Hand, customers: Customers) -> set[bytes]:
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
