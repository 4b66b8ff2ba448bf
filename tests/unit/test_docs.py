"""The documents say what the code says: names, numbers, links and examples are held to it."""

import re
from datetime import datetime
from itertools import chain, groupby
from pathlib import Path

import pytest

from infra.settings import RULES, Settings
from lambdas.metering.environment import NAMES as METERING
from lambdas.metering.records import Status
from lambdas.metering.redrives import Redrive
from lambdas.metering.usage import Reason, Rules, Usage, read_message
from lambdas.registration.environment import NAMES as REGISTRATION
from lambdas.subscription.environment import NAMES as SUBSCRIPTION
from lambdas.telemetry import Metric

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DESIGN = (DOCS / "design.md").read_text()
USAGE_MESSAGES = (DOCS / "usage-messages.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

NOW_S = int(datetime.fromisoformat("2026-11-23T10:20:00Z").timestamp())
"""Minutes after the times in the examples."""

SOURCES = "\n".join(
    path.read_text()
    for folder in ("infra", "lambdas", "sandbox", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != Path(__file__)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [body for kind, body in FENCE.findall(USAGE_MESSAGES) if kind == "json"]
SNAKE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+")

every_page = pytest.mark.parametrize(
    "page", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in PAGES]
)


def rows(page: str, heading: str) -> list[list[str]]:
    """The rows of the table whose first column has this heading, as lists of cells."""
    lines = page.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    _, table = next(groupby(lines[start:], key=lambda line: line.startswith("|")))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in list(table)[2:]]


def codes(page: str, heading: str) -> list[str]:
    """What the first column of that table writes as code."""
    return [code for cells in rows(page, heading) for code in CODE.findall(cells[0])]


def anchors(page: Path) -> set[str]:
    """How GitHub names the headings of a page in links."""
    prose = FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_reason_is_told_what_to_do_about() -> None:
    assert codes(USAGE_MESSAGES, "reason") == [str(reason) for reason in Reason]


def test_the_changelog_counts_the_reasons() -> None:
    assert f"with one of {len(Reason)} reasons" in " ".join(
        (ROOT / "CHANGELOG.md").read_text().split()
    )


def test_every_outcome_is_explained() -> None:
    assert codes(DESIGN, "status") == [str(status) for status in Status]


def test_final_outcomes_are_called_final() -> None:
    final = [cells[0].strip("`") for cells in rows(DESIGN, "status") if cells[2].startswith("yes")]

    assert final == [
        str(status) for status in Status if status not in (Status.PARKED, Status.DRY_RUN)
    ]


def test_every_metric_is_listed() -> None:
    assert sorted(codes((DOCS / "watch.md").read_text(), "metric")) == sorted(Metric)


def test_every_setting_is_listed() -> None:
    assert sorted(codes(DESIGN, "setting")) == sorted(RULES)


@pytest.mark.parametrize("cells", rows(DESIGN, "setting"), ids=lambda cells: cells[0].strip("`"))
def test_a_setting_has_the_default_that_is_told(cells: list[str]) -> None:
    default = getattr(Settings(), cells[0].strip("`"))

    told = str(default).lower() if isinstance(default, bool) else str(default or "none")

    assert cells[2].strip("`") == told


def test_the_variables_of_the_functions_are_those_told() -> None:
    of_settings = {cells[1].strip("`") for cells in rows(DESIGN, "setting") if cells[1]}
    of_the_stack = {
        *("USAGE_QUEUE_URL", "LEDGER_TABLE", "CUSTOMERS_TABLE", "REGISTRATIONS_TABLE"),
        "EVENT_BUS",
    }
    of_the_functions = {
        *METERING,
        *REGISTRATION,
        *chain(*SUBSCRIPTION.values()),
    }

    assert of_settings | of_the_stack == of_the_functions


@every_page
def test_a_name_in_the_docs_is_one_in_the_code(page: Path) -> None:
    prose = FENCE.sub("", page.read_text())
    names = {code for code in CODE.findall(prose) if SNAKE.fullmatch(code)}

    assert {name for name in names if not re.search(rf"\b{name}\b", SOURCES)} == set()


@every_page
def test_a_file_in_the_docs_exists(page: Path) -> None:
    paths = {
        code
        for code in CODE.findall(FENCE.sub("", page.read_text()))
        if re.fullmatch(r"(infra|lambdas|sandbox|tests|docs)/[\w./-]*", code)
    }

    assert {path for path in paths if not (ROOT / path).exists()} == set()


@every_page
def test_a_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if ":" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@every_page
def test_a_make_target_in_the_docs_exists(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"(?:`|^\$ |^)make ([a-z][a-z-]*)", text, re.MULTILINE))
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert targets - set(known) == set()


def kinds(body: str) -> set[type]:
    """What an example message is read as."""
    found = read_message(body, message_id="m-1", arrived_s=NOW_S, now_s=NOW_S, rules=Rules())
    return {type(each) for each in found}


@pytest.mark.parametrize("body", EXAMPLES)
def test_an_example_message_is_understood(body: str) -> None:
    assert kinds(body) in ({Usage}, {Redrive})


def test_the_examples_show_usage_and_redrives() -> None:
    assert set().union(*map(kinds, EXAMPLES)) == {Usage, Redrive}


def test_every_decision_is_in_the_index() -> None:
    folder = DOCS / "decisions"
    listed = LINK.findall((folder / "README.md").read_text())

    assert sorted(listed) == sorted(path.name for path in folder.glob("0*.md"))


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("0*.md")), ids=lambda p: p.name)
def test_a_decision_says_what_would_change_it(path: Path) -> None:
    parts = re.findall(r"^\*\*(.*?)\.\*\*", path.read_text(), re.MULTILINE)

    assert parts == ["Context", "Decision", "Consequences", "What would change our mind"]


@pytest.mark.parametrize("heading", sorted(set(re.findall(r'docs/design\.md, "(.+?)"', SOURCES))))
def test_a_heading_that_the_code_cites_exists(heading: str) -> None:
    assert f"# {heading}\n" in DESIGN
