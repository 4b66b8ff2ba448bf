"""What is counted at a time: handfuls of messages, and what redrives among them point to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from lambdas.metering.aws import Message, Place, Quarantined
from lambdas.metering.hours import DAY_HOURS, HOUR_S, start_s
from lambdas.metering.ledger import Cell
from lambdas.metering.named import Named
from lambdas.metering.usage import (
    Reason,
    Redrive,
    Rejected,
    Rules,
    Usage,
    content_check,
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

REDRIVE_DAYS_MAX = 35
"""Folds are kept for 45 days; further back nobody can tell whether usage was counted."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """Where redriven usage waits until it is counted: in quarantine, or as an expired record."""

    quarantined: Quarantined | None = None
    expired: Cell | None = None


@dataclass(slots=True)
class Hand:
    """What a handful of messages holds.

    ``owners`` and ``usages`` stand side by side; ``redriven`` is by place in them. ``redrives``
    were looked up, and brought texts of so many ``redriven_bytes``.
    """

    oldest_s: int
    messages: list[Message] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    owners: list[Message] = field(default_factory=list)
    redriven: dict[int, Redriven] = field(default_factory=dict)
    rejected: list[Quarantined] = field(default_factory=list)
    replaced: list[Quarantined] = field(default_factory=list)
    redrives: int = 0
    redriven_bytes: int = 0


def read_hand(wiring: Wiring, messages: Sequence[Message]) -> Hand:
    """Read messages until they hold enough, and for redrives what they point to."""
    now_s = wiring.now_s()
    rules = Rules(frozenset(wiring.terms.dimensions), wiring.terms.product_code)
    hand = Hand(oldest_s=now_s)
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
    hand: Hand,
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
    hand: Hand,
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
        hand.redriven[len(hand.usages)] = Redriven(quarantined=before)
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
    wiring: Wiring, hand: Hand, redrives: Sequence[tuple[Message, Redrive]], now_s: int
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
        hand.redriven[len(hand.usages)] = Redriven(expired=cell)
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
