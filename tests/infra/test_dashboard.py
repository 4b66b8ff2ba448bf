"""The dashboard: it draws what there is, all of it, and stays within what costs nothing."""

import json
from typing import Any

import pytest

from lambdas.telemetry import Metric
from tests.infra.template import ALARM, DASHBOARD, Resources

FREE_METRICS_MAX = 50
"""Three dashboards of an account are free, with up to 50 metrics each (CloudWatch pricing)."""
COLUMNS = 24
FREE_METRICS = {
    "AWS/SQS": {
        *("NumberOfMessagesSent", "ApproximateAgeOfOldestMessage"),
        "ApproximateNumberOfMessagesVisible",
    },
    "AWS/Lambda": {"Errors", "Throttles", "Duration"},
}
"""Those of AWS, which come with the service."""


def widgets(resources: Resources) -> list[dict[str, Any]]:
    """What is on the page; a reference is written as its logical id."""
    [_, parts] = resources.properties(DASHBOARD)["DashboardBody"]["Fn::Join"]
    text = "".join(each if isinstance(each, str) else _named(each) for each in parts)
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found


def _named(reference: dict[str, Any]) -> str:
    [value] = reference.values()
    return str(value if isinstance(value, str) else value[0])


def drawn(resources: Resources) -> list[tuple[str, str]]:
    """Namespace and name of every metric on the page."""
    return [
        (line[0], line[1])
        for widget in widgets(resources)
        for line in widget["properties"].get("metrics", [])
        if isinstance(line[0], str)
    ]


def test_every_metric_of_our_own_is_drawn_and_no_other(resources: Resources) -> None:
    own = {name for space, name in drawn(resources) if not space.startswith("AWS/")}

    assert own == {str(each) for each in Metric}


def test_what_is_drawn_of_aws_is_free(resources: Resources) -> None:
    of_aws = {each for each in drawn(resources) if each[0].startswith("AWS/")}

    assert of_aws <= {(space, name) for space, names in FREE_METRICS.items() for name in names}


def test_our_own_metrics_are_those_of_the_stack(full: Resources) -> None:
    assert {space for space, _ in drawn(full)} == {"Acme", *FREE_METRICS}


@pytest.mark.parametrize("stack", ["resources", "full"])
def test_a_dashboard_stays_within_the_free_ones(stack: str, request: pytest.FixtureRequest) -> None:
    assert len(drawn(request.getfixturevalue(stack))) <= FREE_METRICS_MAX


def test_the_alarms_that_call_are_at_the_top(resources: Resources) -> None:
    first, *_ = widgets(resources)
    calling = {
        name
        for name, each in resources.all.items()
        if "AlarmActions" in each.get("Properties", {}) and "CloudWatch" in each["Type"]
    }

    assert (first["type"], first["y"], first["width"]) == ("alarm", 0, COLUMNS)
    assert set(first["properties"]["alarms"]) == calling
    assert calling < set(resources.all)


def test_the_first_row_says_whether_money_is_safe(resources: Resources) -> None:
    alarms, *graphs = widgets(resources)
    row = [each for each in graphs if each["y"] == alarms["height"]]

    assert [each["properties"]["title"].split()[0] for each in row] == [
        *("Usage", "Billed", "At", "Age,"),
    ]
    assert sum(each["width"] for each in row) == COLUMNS


def test_an_alarm_on_a_metric_is_a_metric_on_the_page(resources: Resources) -> None:
    alarmed = {
        (each["Namespace"], each["MetricName"])
        for each in resources.every(ALARM)
        if "MetricName" in each
    }

    assert alarmed <= set(drawn(resources))


def test_without_reconciliation_its_function_is_not_drawn(sandboxed: dict[str, Any]) -> None:
    text = json.dumps(Resources(sandboxed).properties(DASHBOARD))

    assert "reconciliation_errors" not in text
