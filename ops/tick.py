"""`marketplace tick`: run the metering function now."""

import json
from typing import Any

from ops.deployment import METERING_FUNCTION, Deployment
from ops.errors import OperatorError
from ops.output import Output, facts, table

QUESTION = "Count what the queue holds and send what is due to AWS Marketplace now?"


def tick(deployment: Deployment, output: Output, *, dry_run: bool, yes: bool) -> None:
    """Run one tick, as the schedule does every five minutes, and show what it did."""
    function, functions = deployment.output(METERING_FUNCTION), deployment.client("lambda")
    if dry_run:
        functions.invoke(FunctionName=function, InvocationType="DryRun")
        output.answer(
            {"function": function, "invoked": False},
            f"{function} may be invoked with these credentials, and was not.",
        )
        return
    output.confirm(QUESTION, yes=yes)
    with output.progress("A tick runs", "seconds"):
        answer = functions.invoke(FunctionName=function)
    summary = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise OperatorError(
            f"The tick failed: {summary.get('errorType', 'Error')}:"
            f" {summary.get('errorMessage', 'no message')}. Usage stays where it is, and the next"
            " tick goes on; the function's log says more."
        )
    output.answer(summary, facts(_told(summary)), *_attention(summary))


def _told(summary: dict[str, Any]) -> dict[str, object]:
    """Write the summary in its own words, lists of counts as text, zeros left out."""
    told: dict[str, object] = {}
    for name, value in summary.items():
        if name == "attention":
            continue
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{count:,} {each}" for each, count in value.items())
        elif isinstance(value, bool):
            shown = "yes" if value else "no"
        if shown not in (None, "", 0, "0"):
            told[name.replace("_", " ")] = shown
    return told


def _attention(summary: dict[str, Any]) -> list[Any]:
    records = summary.get("attention")
    if not records:
        return []
    headings = ("license", "dimension", "hour", "quantity", "status", "reason")
    return [
        table(headings, [[each[name] for name in headings] for each in records], right="quantity")
    ]
