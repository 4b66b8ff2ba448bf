"""The pages about alarms are complete: every alarm has its row, and an entry in the runbook."""

import re
from pathlib import Path

import pytest

from tests.infra.template import ALARM, COMPOSITE, Resources
from tests.infra.test_alarms import CALLING, OWN, PARTS, every
from tests.unit.test_docs import codes, rows

DOCS = Path(__file__).parents[2] / "docs"
WATCH = (DOCS / "watch.md").read_text()
RUNBOOK = (DOCS / "runbook.md").read_text()
ENTRIES = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", RUNBOOK, re.MULTILINE | re.DOTALL))

ALARM_METRIC_CENTS, COMPOSITE_CENTS = 10, 50
"""A month, CloudWatch's pricing page for us-east-1, November 2026."""


def test_every_alarm_has_an_entry_in_the_runbook_and_no_other_has() -> None:
    assert set(ENTRIES) == CALLING


@pytest.mark.parametrize("name", sorted(CALLING))
def test_an_entry_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    parts = re.findall(r"^\*\*(.*?)\.\*\*", ENTRIES[name], re.MULTILINE)

    assert parts == ["Means", "Look first", "Remedy"]


@pytest.mark.parametrize("name", sorted(CALLING))
def test_an_entry_has_a_command_for_the_first_look(name: str) -> None:
    look = ENTRIES[name].split("**Look first.**")[1].split("**Remedy.**")[0]

    assert "```sh\n" in look


def test_the_parts_of_the_composite_alarm_are_explained_with_it() -> None:
    assert {name for name in PARTS if f"`{name}`" in ENTRIES["FunctionsFail"]} == PARTS
    assert {name for name in PARTS if f"`{name}`" in WATCH} == PARTS


def test_every_alarm_is_listed(resources: Resources) -> None:
    assert sorted(codes(WATCH, "alarm")) == sorted(set(every(resources)) - PARTS)


def test_every_metric_is_listed_with_its_function() -> None:
    told = {cells[0].strip("`"): cells[1] for cells in rows(WATCH, "metric")}
    alarmed = {metric: service for service, metric, *_ in OWN.values()}

    assert {metric: told[metric] for metric in alarmed} == alarmed


def test_the_alarms_cost_what_is_told(resources: Resources) -> None:
    metrics = sum(
        sum("MetricStat" in part for part in each.get("Metrics", [])) or 1
        for each in resources.every(ALARM)
    )
    composites = len(resources.every(COMPOSITE))
    cents = metrics * ALARM_METRIC_CENTS + composites * COMPOSITE_CENTS

    [row] = [cells for cells in rows(WATCH, "what") if cells[0].startswith("alarms")]
    assert f"{metrics} metrics" in row[0]
    assert row[1] == f"${cents / 100:.2f}"
