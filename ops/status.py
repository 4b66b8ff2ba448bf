"""`marketplace status`: how metering stands, on one screen."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType

from lambdas.metering.hours import hour_text
from lambdas.metering.ledger import Ledger
from lambdas.metering.quantities import decimal_text
from ops import reading
from ops.deployment import Deployment
from ops.lines import Line
from ops.output import Output, facts, table
from ops.times import span_text, time_text
from ops.waiting import MEANINGS, Risk, oldest_s, risks


def status(deployment: Deployment, output: Output, now_s: int) -> None:
    """Show how metering stands."""
    state = reading.ledger(deployment, output, now_s)
    lines = reading.waiting(deployment, state)
    value = _gathered(deployment, state, lines, now_s)
    output.answer(value, *_shown(value, now_s))


def _gathered(
    deployment: Deployment, state: Ledger, lines: Sequence[Line], now_s: int
) -> dict[str, Any]:
    terms = deployment.environment.terms
    queue = deployment.client("sqs").get_queue_attributes(
        QueueUrl=deployment.environment.queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return {
        "stack": deployment.name,
        "region": deployment.region,
        "account": deployment.account,
        "time": time_text(now_s),
        "mode": deployment.mode,
        "metering_from": time_text(terms.metering_from_s or None),
        "last_tick": time_text(reading.last_tick_s(deployment, now_s)),
        "queue": {
            "messages": int(queue["ApproximateNumberOfMessages"]),
            "in_flight": int(queue["ApproximateNumberOfMessagesNotVisible"]),
            "oldest_seconds": reading.queue_age_s(deployment, now_s),
        },
        "sealed_upto": hour_text(state.watermark) if state.last else None,
        "open_hours": [hour_text(hour) for hour in sorted({each for _, _, each in state.open})],
        "records": _counted(lines),
        "at_risk": [_risk(each) for each in risks(lines, now_s, terms)],
        "oldest_unbilled": time_text(oldest_s(lines)),
        "quarantine": reading.books(deployment).quarantine_size(),
        "unanswered_calls": len(deployment.ledger.calls()),
    }


def _counted(lines: Sequence[Line]) -> dict[str, int]:
    """Count the records that wait; a zero is none to wait for."""
    counts = Counter(each.status for each in lines if each.quantity)
    return {status: counts[status] for status in MEANINGS}


def _risk(risk: Risk) -> dict[str, Any]:
    return {
        "hours_left_below": risk.hours_left_below,
        "records": risk.records,
        "quantity": decimal_text(risk.quantity),
    }


def _shown(value: dict[str, Any], now_s: int) -> list[RenderableType]:
    queue, hours = value["queue"], value["open_hours"]
    age_s = queue["oldest_seconds"]
    waiting = f"{queue['messages']:,} messages, {queue['in_flight']:,} in flight"
    parts: list[RenderableType] = [
        facts(
            {
                "stack": f"{value['stack']} in {value['region']}, account {value['account']}",
                "time": value["time"],
                "mode": value["mode"],
                "last tick": _ago(value["last_tick"], now_s) or "none for hours",
                "usage queue": waiting + (f", oldest {span_text(age_s)}" if age_s else ""),
                "sealed": f"up to {value['sealed_upto']}" if value["sealed_upto"] else "nothing",
                "open hours": ", ".join(hours) if hours else "none with usage",
                "oldest unbilled": _ago(value["oldest_unbilled"], now_s) or "nothing",
                "quarantine": value["quarantine"],
                "calls without answer": value["unanswered_calls"],
            }
        ),
        table(
            ("records", "number", "meaning"),
            [(name, value["records"][name], meaning) for name, meaning in MEANINGS.items()],
            right="number",
        ),
    ]
    if value["at_risk"]:
        rows = [
            (_left(each["hours_left_below"]), each["records"], each["quantity"])
            for each in value["at_risk"]
        ]
        parts.append(table(("time left", "records", "quantity"), rows, right="records quantity"))
    else:
        parts.append("Nothing waits to be billed.")
    return parts


def _left(hours: int) -> str:
    return f"under {hours} h" if hours else "too late"


def _ago(time: str | None, now_s: int) -> str | None:
    """Write a time and how long ago it is."""
    if time is None:
        return None
    return f"{time}, {span_text(now_s - int(datetime.fromisoformat(time).timestamp()))} ago"
