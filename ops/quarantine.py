"""`marketplace quarantine`: usage that was not counted, and how to have it counted."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import RenderableType

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws import Quarantined
from lambdas.metering.hand import REDRIVE_DAYS_MAX
from lambdas.metering.hours import DAY_HOURS, HOUR_S, Hour, hour_text, start_s
from lambdas.metering.quantities import decimal_text
from lambdas.metering.reasons import Reason
from lambdas.metering.records import Status
from ops import reading
from ops.books import Waiting
from ops.deployment import Deployment
from ops.errors import OperatorError
from ops.lines import Line
from ops.output import Output, facts, table
from ops.times import time_text

SEND_BATCH_MAX = 10
"""Messages of one SendMessageBatch (SQS quotas)."""


def quarantine_list(
    deployment: Deployment, output: Output, *, reason: str | None, limit: int, dismissed: bool
) -> None:
    """List what is in quarantine, or what was dismissed there, by the time it came first."""
    waiting = _of_reason(deployment, reason, dismissed=dismissed)
    found = sorted(waiting, key=lambda each: (each.first_s, each.name))
    counts = Counter(each.reason for each in found)
    value = {
        "reasons": dict(counts.most_common()),
        "quarantine": [_as_json(each) for each in found[:limit]],
    }
    if not found:
        what = f"Nothing of reason {reason}" if reason else "Nothing"
        where = "was dismissed" if dismissed else "is in quarantine"
        output.answer(value, f"{what} {where}.")
        return
    rows = [(each.name, each.reason, time_text(each.first_s), each.tell) for each in found[:limit]]
    shown: list[RenderableType] = [table(("name", "reason", "since", "what to do"), rows)]
    if len(found) > limit:
        shown.append(f"… and {len(found) - limit:,} more; --limit shows them.")
    shown.append(", ".join(f"{count:,} {each}" for each, count in counts.most_common()))
    output.answer(value, *shown)


def quarantine_show(deployment: Deployment, output: Output, *, name: str) -> None:
    """Show usage in quarantine, whole."""
    each = _read(deployment, _the_one(deployment, name).name)
    value = {
        "name": each.name,
        "reason": each.reason,
        "field": each.field,
        "tell": each.tell,
        "message_id": each.message_id,
        "place": each.index,
        "arrived": time_text(each.arrived_s),
        "since": time_text(each.first_s),
        "text": each.text,
    }
    named = {key.replace("_", " "): told for key, told in value.items() if key != "text"}
    output.answer(value, facts(named), "", each.text)


def redrive_quarantined(
    deployment: Deployment,
    output: Output,
    *,
    names: Sequence[str],
    reason: str | None,
    bill_now: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Have usage in quarantine counted, under the key that it has had from the first."""
    if names:
        found = [_the_one(deployment, each) for each in names]
    else:
        found = list(_of_reason(deployment, reason))
    if not found:
        output.answer({"redriven": [], "sent": False}, "There is nothing to redrive.")
        return
    orders = [{"Key": each.name} for each in found]
    _warn_of_anothers(output, (each.reason for each in found))
    rows = [(each.name, each.reason, time_text(each.first_s)) for each in found]
    shown = table(("name", "reason", "since"), rows)
    _send(deployment, output, orders, shown, bill_now=bill_now, dry_run=dry_run, yes=yes)


def dismiss(
    deployment: Deployment,
    output: Output,
    now_s: int,
    *,
    names: Sequence[str],
    reason: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Take usage in quarantine off the list and out of the alarms; it stays there, whole."""
    found = [_the_one(deployment, each) for each in names] or _of_reason(deployment, reason)
    if not found:
        output.answer({"dismissed": []}, "There is nothing to dismiss.")
        return
    value = {"dismissed": [] if dry_run else [each.name for each in found]}
    rows = [(each.name, each.reason, time_text(each.first_s)) for each in found]
    if not output.as_json:
        output.answer(None, table(("name", "reason", "since"), rows))
    if dry_run:
        output.answer(value, "", "Nothing was changed.")
        return
    output.confirm(
        f"Dismiss this usage ({len(found):,})? It is not billed unless it is redriven by name.",
        yes=yes,
    )
    for each in found:
        if not deployment.quarantine.dismiss(each.name, each.version, now_s):
            raise OperatorError(
                f"{each.name} has left quarantine in this moment, or came again; look once more."
            )
    output.answer(
        value,
        "",
        f"{len(found):,} dismissed: kept whole, listed by `quarantine list --dismissed`, and listed"
        " as before if it comes again.",
    )


def redrive_expired(
    deployment: Deployment,
    output: Output,
    now_s: int,
    *,
    record: tuple[LicenseKey, str, Hour],
    bill_now: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Have the usage of an expired record counted anew, in the present hour."""
    who, dimension, hour = record
    lines = reading.books(deployment).lines(who, hour, hour)
    found = next((each for each in lines if each.dimension == dimension), None)
    _check_redrivable(record, found, now_s, bill_now=bill_now)
    assert found is not None
    order = {"License": who, "Dimension": dimension, "Hour": hour_text(hour)}
    _warn_of_anothers(output, [found.reason])
    quantity = decimal_text(found.quantity)
    shown = table(
        ("license", "dimension", "hour", "quantity", "status", "reason"),
        [(who, dimension, hour_text(hour), quantity, found.status, found.reason)],
        right="quantity",
    )
    _send(deployment, output, [order], shown, bill_now=bill_now, dry_run=dry_run, yes=yes)


def _warn_of_anothers(output: Output, reasons: Iterable[str]) -> None:
    """Say whom it may belong to: asked for by name, it is redriven all the same."""
    if Reason.BEFORE_METERING_FROM in reasons:
        output.remark(
            "Some of this is of before metering_from, when an older submitter billed: bill it here"
            " only if that one did not."
        )


def _check_redrivable(
    record: tuple[LicenseKey, str, Hour], found: Line | None, now_s: int, *, bill_now: bool
) -> None:
    """Refuse what a tick would pass over without a word."""
    who, dimension, hour = record
    what = f"The record of {who}, {dimension}, {hour_text(hour)}"
    if found is None:
        raise OperatorError(
            f"{what} has no outcome; `marketplace statement {who}` lists the records of a month."
        )
    rehearsed = found.status == Status.DRY_RUN and found.reason
    if found.status != Status.EXPIRED and not rehearsed:
        raise OperatorError(
            f"{what} is {found.status}; only one whose window closed unbilled can be redriven,"
            " since every other is on the bill, may be, or is still tried."
        )
    if found.redriven_s is not None:
        raise OperatorError(f"{what} was redriven at {time_text(found.redriven_s)} already.")
    if start_s(hour) < now_s - REDRIVE_DAYS_MAX * DAY_HOURS * HOUR_S:
        raise OperatorError(
            f"{what} is more than {REDRIVE_DAYS_MAX} days old, and is not redriven any more."
        )
    if not bill_now:
        raise OperatorError(
            f"{what} can only be billed in the present hour, since its own takes no more: add"
            " --bill-now."
        )


def _send(
    deployment: Deployment,
    output: Output,
    orders: Sequence[dict[str, Any]],
    shown: RenderableType,
    *,
    bill_now: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Send redrive messages, after a look at what they are for."""
    bill = {"BillAt": "now"} if bill_now else {}
    messages = [{"Redrive": order | bill} for order in orders]
    when = (
        "in the present hour, whatever its own was"
        if bill_now
        else "in its own hour, or if that is closed in the next open one of its month"
    )
    if not output.as_json:
        output.answer(None, shown)
    if dry_run:
        output.answer(
            {"messages": messages, "sent": False},
            "",
            f"Nothing was sent. Without --dry-run, this usage would be billed {when}.",
        )
        return
    output.confirm(f"Have this usage ({len(messages):,}) billed, {when}?", yes=yes)
    sqs, url = deployment.client("sqs"), deployment.environment.queue_url
    with output.progress("Sending", "redrives") as seen:
        for at in range(0, len(messages), SEND_BATCH_MAX):
            _send_ten(sqs, url, messages[at : at + SEND_BATCH_MAX], sent=at)
            seen(at)
    output.answer(
        {"messages": messages, "sent": True},
        "",
        f"{len(messages):,} sent; they take effect with the next tick, in five minutes at the most."
        " What still cannot be counted stays in quarantine, with its new reason.",
    )


def _send_ten(sqs: Any, url: str, messages: Sequence[dict[str, Any]], *, sent: int) -> None:
    answer = sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": str(at), "MessageBody": json.dumps(each)} for at, each in enumerate(messages)
        ],
    )
    failed = answer.get("Failed", [])
    if failed:
        raise OperatorError(
            f"SQS refused {len(failed)} redrives ({failed[0]['Code']}) after"
            f" {sent + len(messages) - len(failed):,} were sent. Run the same again: usage is"
            " counted once, however often it is redriven."
        )


def _of_reason(
    deployment: Deployment, reason: str | None, *, dismissed: bool = False
) -> list[Waiting]:
    if reason is not None and reason not in list(Reason):
        raise OperatorError(f"--reason is {reason!r}, none of {', '.join(Reason)}.")
    every = reading.books(deployment).quarantined()
    return [
        each
        for each in every
        if reason in (None, each.reason) and dismissed is (each.dismissed_s is not None)
    ]


def _the_one(deployment: Deployment, begins: str) -> Waiting:
    """Find the one usage whose name begins like this."""
    found = list(reading.books(deployment).quarantined(begins.lower())) if begins else []
    if len(found) == 1:
        return found[0]
    if found:
        raise OperatorError(
            f"{len(found)} names in quarantine begin with {begins}; give more of its 32 digits."
        )
    raise OperatorError(
        f"Nothing in quarantine is named {begins!r}; `marketplace quarantine list` names what is"
        " there by 32 hexadecimal digits, of which the first few are enough."
    )


def _read(deployment: Deployment, name: str) -> Quarantined:
    found = deployment.quarantine.get(name)
    if found is None:
        raise OperatorError(
            f"{name} has left quarantine: it was redriven. If it is listed all the same, pieces of"
            " its text are missing; dismiss it."
        )
    return found


def _as_json(each: Waiting) -> dict[str, Any]:
    return {
        "name": each.name,
        "reason": each.reason,
        "field": each.field or None,
        "tell": each.tell,
        "message_id": each.message_id,
        "place": each.index,
        "arrived": time_text(each.arrived_s),
        "since": time_text(each.first_s),
        "dismissed": time_text(each.dismissed_s),
    }
