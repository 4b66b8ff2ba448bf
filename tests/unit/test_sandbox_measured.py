"""Metrics out of the logs of functions."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.measured import Datum, measured

AT = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)


def line(at: datetime = AT, **values: object) -> str:
    """A line of a log, as Powertools writes metrics."""
    directive = {
        "Namespace": "Acme",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
    }
    aws = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": aws, "service": "metering", **values})


def datum(name: str, value: float, at: datetime = AT) -> Datum:
    return Datum(at, "Acme", name, frozenset({("service", "metering")}), value)


def test_metrics_are_found_among_other_lines(tmp_path: Path) -> None:
    text = f'START RequestId: 1\n{{"message": "Tick"}}\n{line(Ticks=[1.0])}\nREPORT\n'
    (tmp_path / "tick-1.log").write_text(text)

    assert measured(tmp_path) == [datum("Ticks", 1)]


def test_every_value_of_a_line_counts(tmp_path: Path) -> None:
    (tmp_path / "tick-1.log").write_text(line(Ticks=[1.0, 2.0], UsageCounted=3))

    assert measured(tmp_path) == [datum("Ticks", 1), datum("Ticks", 2), datum("UsageCounted", 3)]


def test_the_logs_of_all_processes_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    late, early = AT, AT.replace(minute=15)
    (tmp_path / "tick-1.log").write_text(line(late, Ticks=[1]))
    (tmp_path / "tick-2.log").write_text(line(early, Ticks=[1]))

    assert [each.at for each in measured(tmp_path)] == [early, late]


@pytest.mark.parametrize("text", ["", "START RequestId: 1\n", '{"message": "_aws"}\n'])
def test_a_log_without_metrics_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "tick-1.log").write_text(text)

    assert measured(tmp_path) == []
