"""`marketplace explain`: where one usage event went."""

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType

from lambdas.metering.aws import FOLD_KEPT_DAYS
from lambdas.metering.hours import hour_text
from lambdas.metering.ledger import CLOCK_SKEW_S, Fold, unpack
from lambdas.metering.quantities import decimal_text, micros_of_decimal
from lambdas.metering.reasons import NotUnderstoodError
from ops import reading
from ops.arguments import since_s
from ops.books import Waiting, WatchedTable
from ops.deployment import Deployment
from ops.errors import OperatorError
from ops.lines import Line, as_json
from ops.output import Output, table
from ops.sought import Counted, Sought, counted_in
from ops.times import time_text

RECORDS_SHOWN_MAX = 50
"""Of one entry, which may be that of thousands of licenses."""

Told = dict[str, Any]
"""A part of the answer, as programs get it."""

_END = 10**12 - 1


def explain(
    deployment: Deployment,
    output: Output,
    now_s: int,
    *,
    sought: Sought,
    quantity: str | None,
    days: int,
) -> bool:
    """Show where usage went, and tell whether it was found anywhere."""
    micros = _micros(quantity)
    keys = sought.keys()
    waiting = _in_quarantine(deployment, sought, keys)
    counted, searched_to_s = _in_log(deployment, output, sought, keys, since_s(days, now_s), micros)
    found = [_with_outcomes(deployment, output, now_s, each) for each in counted]
    value = {
        "id": sought.text,
        "searched_back_to": time_text(searched_to_s),
        "ledger": found,
        "quarantine": [_waiting_json(each) for each in waiting],
    }
    output.answer(value, *_shown(sought, value, days=min(days, FOLD_KEPT_DAYS)))
    return bool(counted or waiting)


def _micros(quantity: str | None) -> int | None:
    if quantity is None:
        return None
    try:
        return micros_of_decimal(quantity, "--quantity")
    except NotUnderstoodError as error:
        raise OperatorError(error.tell) from None


def _in_quarantine(deployment: Deployment, sought: Sought, keys: frozenset[bytes]) -> list[Waiting]:
    """Find it where it waits: by its key, or by the message that brought it."""
    books = reading.books(deployment)
    if sought.message:
        return [each for each in books.quarantined() if each.message_id == sought.text]
    return [each for key in sorted(keys) for each in books.quarantined(key.hex())]


def _in_log(
    deployment: Deployment,
    output: Output,
    sought: Sought,
    keys: frozenset[bytes],
    since: int,
    micros: int | None,
) -> tuple[list[Counted], int | None]:
    """Search the log back for the entry that counted it; a key is in one entry at most."""
    found: list[Counted] = []
    at_s = None
    with output.progress("Searching the ledger") as seen:
        table_ = WatchedTable(
            deployment.client("dynamodb"), deployment.environment.ledger_table, seen
        )
        for number, packed in table_.entries_before(_END):
            at_s = packed.at_s
            if at_s < since - CLOCK_SKEW_S:
                break
            if packed.kind != "fold":
                continue
            entry = unpack(packed)
            assert isinstance(entry, Fold)
            here = counted_in(number, entry, sought, keys, micros)
            found += here
            if here and not sought.message:
                break
    return found, at_s


def _with_outcomes(deployment: Deployment, output: Output, now_s: int, counted: Counted) -> Told:
    """Tell what became of the records that an entry has added to."""
    books = reading.books(deployment)
    state = reading.ledger(deployment, output, now_s)
    waiting = {
        (each.license, each.dimension, each.hour): each
        for each in reading.waiting(deployment, state)
    }
    records = []
    for row in counted.rows:
        line = waiting.get((row.license, row.dimension, row.hour))
        if line is None:
            done = books.lines(row.license, row.hour, row.hour)
            line = next((each for each in done if each.dimension == row.dimension), None)
        records.append(
            {
                "license": row.license,
                "hour": hour_text(row.hour),
                "dimension": row.dimension,
                "quantity_added": decimal_text(row.quantity),
                **(_became(line) if line else dict.fromkeys(_BECAME)),
            }
        )
    return {
        "entry": counted.entry,
        "counted_at": time_text(counted.at_s),
        "usages": counted.usages,
        "certain": counted.is_certain,
        "records": records,
    }


_BECAME = ("quantity", "status", "reason", "metering_record_id", "at", "redriven_at")


def _became(line: Line) -> Told:
    told = as_json(line)
    return {name: told[name] for name in _BECAME}


def _waiting_json(each: Waiting) -> dict[str, Any]:
    return {
        "name": each.name,
        "reason": each.reason,
        "field": each.field or None,
        "tell": each.tell,
        "message_id": each.message_id,
        "place": each.index,
        "since": time_text(each.first_s),
        "dismissed": time_text(each.dismissed_s),
    }


def _shown(sought: Sought, value: dict[str, Any], *, days: int) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for each in value["ledger"]:
        several = each["usages"] > 1
        counted = f"{each['usages']:,} usages of this message were" if several else "It was"
        parts.append(f"{counted} counted at {each['counted_at']}, in entry {each['entry']}.")
        if not each["certain"]:
            parts.append(
                "They are among these records:"
                if several
                else "It is in one of these records; --quantity, as it was sent, narrows them down:"
            )
        parts.append(_records_table(each["records"]))
    parts += [
        f"In quarantine since {each['since']} as {each['name']}, {each['reason']}: {each['tell']}"
        + (f" It was dismissed at {each['dismissed']}." if each["dismissed"] else "")
        for each in value["quarantine"]
    ]
    if not parts:
        parts.append(
            f"{sought.text!r} is neither in quarantine nor in the {days} days of the ledger that"
            f" were searched ({sought.meaning}). It may still be in the usage queue; or it named"
            " its customer in another way, which makes another key."
        )
    return parts


def _records_table(records: Sequence[dict[str, Any]]) -> RenderableType:
    names = ("license", "hour", "dimension", "quantity_added", "quantity", "status")
    rows = [
        [*(each[name] for name in names), each["metering_record_id"] or each["reason"]]
        for each in records[:RECORDS_SHOWN_MAX]
    ]
    if len(records) > RECORDS_SHOWN_MAX:
        rows.append([f"… and {len(records) - RECORDS_SHOWN_MAX:,} more, with --json", *[""] * 6])
    headings = ("license", "hour", "dimension", "added", "quantity", "status", "receipt or reason")
    return table(headings, rows, right="added quantity")
