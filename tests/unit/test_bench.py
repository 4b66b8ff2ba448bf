"""The bench counts right: small runs whose requests can be told beforehand; no times."""

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

from bench import prices
from bench.cost import ALTERNATIVES, HOURS
from bench.hour import Hour, hour
from bench.idle import ALARM_METRICS, BUSY, HOURLY, NIGHTLY, Day, day, month
from bench.load import Form, Mix, bodies, dimension_names, records
from bench.page import PAGE, machine, replaced, write
from bench.rig import Requests, Rig
from bench.scale import run
from bench.submission import Crew, submission
from bench.table import Table, Verdict
from lambdas.telemetry import Metric


@pytest.fixture(scope="module")
def single() -> Hour:
    return hour(licenses=2, dimensions=3, events=1_200, form=Form.SINGLE)


@pytest.fixture(scope="module")
def idle_day() -> Day:
    return day(2, 3)


def test_messages_are_sent_and_deleted_ten_at_a_time(single: Hour) -> None:
    assert single.asked.sqs["SendMessageBatch"] == 120
    assert single.asked.sqs["DeleteMessageBatch"] == 120


def test_every_receive_is_billed_also_one_that_finds_nothing(single: Hour) -> None:
    sqs = single.asked.sqs

    assert sqs["ReceiveMessage"] > 120
    assert single.asked.sqs_billed == sum(sqs.values())


def test_requests_of_more_than_64_kb_are_billed_more_than_once() -> None:
    packed = hour(licenses=2, dimensions=3, events=12_000, form=Form.PACKED)

    assert packed.asked.sqs["SendMessageBatch"] == 12
    assert packed.asked.sqs_billed > sum(packed.asked.sqs.values()) + 2 * 12


def test_keys_are_paid_for_by_the_kilobyte() -> None:
    """16 bytes for usage by license, 32 by account: the rest of two hours is the same."""
    by_license = hour(licenses=2, dimensions=3, events=24_000, form=Form.PACKED)
    by_account = hour(licenses=2, dimensions=3, events=24_000, form=Form.PACKED_BY_ACCOUNT)

    more = by_account.asked.write_units - by_license.asked.write_units
    assert more == pytest.approx(24_000 * 16 / 1024, rel=0.05)


def test_outcomes_of_a_license_and_hour_are_written_in_one_request(single: Hour) -> None:
    assert single.records == 6
    assert single.asked.metering == 1
    assert single.asked.dynamodb["UpdateItem"] == 2


def test_the_parts_of_an_hour_add_up_to_its_price(single: Hour) -> None:
    assert single.dollars == single.sqs + single.dynamodb + single.function
    assert single.sqs == pytest.approx(single.asked.sqs_billed * 0.40 / 1e6)


def test_the_function_is_priced_by_what_it_waits_for_and_its_cpu() -> None:
    asked = {"cpu_s": 2.0, "waited_s": 1.0, "calls": 800, "metering_calls": 0, "threads": 8}

    assert prices.tick_seconds(**asked) == pytest.approx(2 + 1 + 1)  # type: ignore[arg-type]


def test_a_day_has_a_tick_and_a_sweep_every_five_minutes(idle_day: Day) -> None:
    assert idle_day.ticks.sqs == {"ReceiveMessage": 288}
    assert idle_day.sweeps.dynamodb["Query"] >= 288


def test_only_a_tick_that_seals_waits_for_an_empty_queue(idle_day: Day) -> None:
    assert idle_day.waited_s == 24


def test_a_day_has_a_zero_for_every_license_dimension_and_hour(idle_day: Day) -> None:
    assert idle_day.zeros == idle_day.ticks.records == 2 * 3 * 24


def test_a_month_has_its_polling_in_it(idle_day: Day) -> None:
    assert month(idle_day)["Lambda polls the subscription queue"] == pytest.approx(0.263, abs=0.001)


def test_metrics_that_are_priced_are_metrics_of_the_functions() -> None:
    assert {*HOURLY, *NIGHTLY, *BUSY} <= set(Metric)


def test_as_many_alarms_are_priced_as_the_page_about_watching_counts() -> None:
    watch = (PAGE.parent / "watch.md").read_text("utf-8")

    assert f"alarms: {ALARM_METRICS} metrics in them" in watch


def test_a_load_has_the_copies_and_the_late_usage_that_were_asked_for() -> None:
    rig = Rig(dimensions=dimension_names(2))
    buyers = rig.buy(3)
    mix = Mix(late=0.2, copies=0.2)

    usage = list(
        records(buyers, rig.dimensions, 5_000, form=Form.SINGLE, at_s=rig.now_s, seed=1, mix=mix)
    )

    assert len({each["Id"] for each in usage}) == pytest.approx(4_000, rel=0.05)
    assert sum(each["Timestamp"] < "2026-11-23T09" for each in usage) == pytest.approx(
        1_000, rel=0.15
    )


def test_messages_hold_as_much_as_their_form_says() -> None:
    usage = [{"Id": str(number)} for number in range(250)]

    assert len(bodies(iter(usage), Form.SINGLE)) == 250
    assert len(bodies(iter(usage), Form.PACKED)) == 3


def test_requests_add_up() -> None:
    one = Requests({"SendMessage": 2}, 3, {"Query": 1}, 4.0, 0.5, 1, 25)

    both = one.plus(one)

    assert (both.sqs, both.sqs_billed, both.dynamodb) == ({"SendMessage": 4}, 6, {"Query": 2})
    assert (both.write_units, both.read_units, both.metering, both.records) == (8.0, 1.0, 2, 50)


def test_a_crew_works_at_the_same_time() -> None:
    crew = Crew(3)
    crew.rig = rig = Rig()
    began_s = rig.now_s

    def work(seconds: float) -> float:
        crew.sleep(seconds)
        return seconds

    assert crew.parallel(work, [1.0, 2.0, 3.0, 1.0]) == [1.0, 2.0, 3.0, 1.0]
    assert rig.now_s - began_s == 3.0


def test_submission_meets_its_targets_on_a_small_scale() -> None:
    [table] = submission(quick=True, licenses=300)

    assert not table.missed
    assert [each.verdict for each in table.rows].count(Verdict.MET) == 4


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_is_that_of_the_program_and_not_of_what_started_it() -> None:
    before_mb, _ = run("memory", 1_000)
    ballast = bytearray(b"x") * 300_000_000

    peak_mb, _ = run("memory", 1_000)

    assert peak_mb < before_mb + 100
    assert len(ballast) == 300_000_000


def test_a_row_that_misses_its_target_is_missed() -> None:
    table = Table("a", "A", ("what", "dollars"))
    table.add("cheap", "$1", target="at most $2", met=True)
    table.add("dear", "$3", target="at most $2", met=False)
    table.add("unknown", "$?")

    assert [each.cells[0] for each in table.missed] == ["dear"]
    assert "| dear | $3 | at most $2 | MISSED |" in table.markdown()


def test_numbers_are_set_to_the_right_and_prose_is_not() -> None:
    table = Table("a", "A", ("what", "dollars", "why"))
    table.add("dear", "$3", "because it is more than anybody would pay for it")

    assert "|---|--:|---|\n" in table.markdown()


def test_tables_are_kept_where_the_page_has_marks_for_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- bench: a -->\nold\n<!-- end -->\nrest\n")
    table = Table("a", "A", ("what", "dollars"))
    table.add("cheap", "$1")

    homeless = write([table, Table("b", "B", ("what",))], "Today.", page)

    assert homeless == ["b"]
    assert "old" not in page.read_text()
    assert "| cheap | $1 |" in page.read_text()
    assert page.read_text().endswith("<!-- end -->\nrest\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a program and a page, both committed."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("a page")
    (tmp_path / "program.py").write_text("1 + 1")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "All")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_a_run_tells_its_day(checkout: Path) -> None:
    assert "2026-11-30" in machine(date(2026, 11, 30), checkout)


def test_a_changed_page_is_no_change_of_what_was_measured(checkout: Path) -> None:
    (checkout / "docs" / "page.md").write_text("another page")

    assert "with changes" not in machine(date(2026, 11, 30), checkout)


def test_a_changed_program_is_told(checkout: Path) -> None:
    (checkout / "program.py").write_text("1 + 2")

    assert "with changes" in machine(date(2026, 11, 30), checkout)


@pytest.mark.parametrize(
    "name",
    [
        *("cost", "counts", "prices", "idle", "watch", "cpu", "profile", "cold", "reading"),
        *("scale", "memory", "submission", "reach", "machine"),
    ],
)
def test_the_page_has_a_place_for_every_table(name: str) -> None:
    _, found = replaced(PAGE.read_text("utf-8"), name, "")

    assert found


@pytest.mark.parametrize(
    ("row", "place", "format_"),
    [
        ("100 × 5, one event per message", 4, "{:.2f}"),
        ("100 × 5, 100 per message, by license", 4, "{:.3f}"),
        ("100 × 5, 100 per message, by account", 4, "{:.3f}"),
        ("together", 1, "{:.2f}"),
        ("together", 2, "{:.2f}"),
        ("CloudWatch metrics and dashboard", 1, "{:.2f}"),
        ("alarms", 1, "{:.2f}"),
    ],
)
def test_the_readme_says_what_the_page_says(row: str, place: int, format_: str) -> None:
    readme = (PAGE.parent.parent / "README.md").read_text("utf-8")
    section = readme.partition("## What it costs")[2].partition("\n## ")[0]
    [cells] = [
        line.strip("| ").split(" | ")
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith(f"| {row} |") and "$" in line
    ]

    dollars = float(cells[place].strip("*$"))

    assert re.search(rf"(?<![\d.]){re.escape(format_.format(dollars))}(?!\d)", section)


def test_the_hours_that_are_counted_include_those_with_targets() -> None:
    assert {(100, 5, form) for form in Form} <= set(HOURS)
    assert ALTERNATIVES
