"""The operator's command: how its line is read, and how what it has found is written."""

import csv
import io

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from lambdas.customers.license import License, LicenseKey, State
from lambdas.metering.hours import HOUR_S, Hour, hour_of, hour_text
from lambdas.metering.keys import KEY_BYTES, content_check, id_digest, name_of_license
from lambdas.metering.ledger import Fold, FrozenRecord, Ledger, Row, SealedRecord
from lambdas.metering.records import Outcome, Status
from lambdas.metering.terms import Terms
from ops.arguments import hoisted, hour_given, hours_of_month, license_key
from ops.errors import OperatorError
from ops.lines import CSV_COLUMNS, Line, as_csv, as_json, totals
from ops.sentences import NOT_AWS, sentence
from ops.sought import Sought, counted_in
from ops.waiting import lines_waiting, oldest_s, risks

WHO = LicenseKey("l-1")
TEN = Hour(498_730)
TEN_S = TEN * HOUR_S
UNIT = 1_000_000


def line(status: str, *, quantity: int = UNIT, ago_hours: float = 0) -> Line:
    at_s = TEN_S - int(ago_hours * HOUR_S)
    return Line(WHO, "users", hour_of(at_s), quantity, at_s, status)


# The command line


@pytest.mark.parametrize(
    ("given", "put"),
    [
        (["status", "--region", "eu-west-1"], ["--region", "eu-west-1", "status"]),
        (["quarantine", "--json", "list"], ["--json", "quarantine", "list"]),
        (["--profile=a", "explain", "x"], ["--profile=a", "explain", "x"]),
        (["explain", "--", "--json"], ["explain", "--", "--json"]),
        (["status", "--stack"], ["--stack", "status"]),
    ],
)
def test_options_of_every_command_may_stand_anywhere(given: list[str], put: list[str]) -> None:
    assert hoisted(given) == put


@pytest.mark.parametrize("month", ["2026-00", "2026-13", "26-01", "2026-1", "", "2026-01-01"])
def test_a_month_is_year_and_month(month: str) -> None:
    with pytest.raises(OperatorError, match="write year and month, such as 2026-11"):
        hours_of_month(month)


def test_a_month_ends_where_the_next_one_begins() -> None:
    december, january = hours_of_month("2026-12"), hours_of_month("2027-01")

    assert hour_text(december[0]) == "2026-12-01T00Z"
    assert december[1] + 1 == january[0]


@pytest.mark.parametrize("hour", ["10", "2026-11-23T10", "2026-11-23T10:00Z"])
def test_an_hour_is_written_as_in_statements(hour: str) -> None:
    with pytest.raises(OperatorError, match="write it as 2026-11-23T10Z"):
        hour_given(hour)


def test_an_empty_license_is_told() -> None:
    with pytest.raises(OperatorError, match="The license is empty"):
        license_key(" ")


# What goes wrong


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "No."}}, "Query")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoCredentialsError(), "There are no AWS credentials"),
        (refused("AccessDeniedException"), "AWS denies Query: No."),
        (refused("ExpiredToken"), "sign in again"),
        (refused("ResourceNotFoundException"), "with ResourceNotFoundException: No."),
        (refused("404"), NOT_AWS),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached"),
    ],
)
def test_an_error_is_a_sentence(error: Exception, told: str) -> None:
    assert told in sentence(error)


# Lines


def test_csv_and_json_have_the_same_columns() -> None:
    told = as_json(line("accepted"))

    assert list(told) == list(CSV_COLUMNS)


def test_csv_survives_commas_and_quotes() -> None:
    odd = Line(WHO, 'a,"b"', TEN, 1, TEN_S, "accepted")

    [row] = csv.DictReader(io.StringIO(as_csv([odd])))

    assert (row["dimension"], row["quantity"]) == ('a,"b"', "0.000001")


def test_totals_are_exact() -> None:
    tenth = UNIT // 10
    sums = totals([line("accepted", quantity=tenth) for _ in range(3)] + [line("expired")])

    assert [(each.status, each.records, each.quantity) for each in sums] == [
        ("accepted", 3, 3 * tenth),
        ("expired", 1, UNIT),
    ]


# What waits


def sealed(quantity: int = UNIT) -> Ledger:
    frozen = FrozenRecord("users", TEN, quantity, TEN_S, ())
    record = SealedRecord(1, 0, WHO, frozen)
    return Ledger(unfinished={record.cell: record})


ACTIVE = License(
    WHO,
    arn="arn:aws:license-manager::777788889999:license:l-1",
    account="111122223333",
    state=State.ACTIVE,
)


@pytest.mark.parametrize(
    ("outcome", "who", "terms", "state"),
    [
        (None, ACTIVE, Terms(), ("unsent", "")),
        (None, None, Terms(), ("withheld", "license-unknown")),
        (
            None,
            License(WHO, arn=ACTIVE.arn, account=ACTIVE.account, state=State.PENDING),
            Terms(),
            ("withheld", "license-pending"),
        ),
        (
            None,
            License(WHO, arn=ACTIVE.arn, state=State.ACTIVE, active_since_s=1),
            Terms(),
            ("withheld", "license-incomplete"),
        ),
        (Outcome(Status.PARKED, 0, "X"), ACTIVE, Terms(), ("parked", "X")),
        (Outcome(Status.DRY_RUN, 0), ACTIVE, Terms(), ("dry-run", "")),
        (
            None,
            ACTIVE,
            Terms(metering_from_s=TEN_S + HOUR_S),
            ("not-ours", "before-metering-from"),
        ),
    ],
)
def test_a_record_waits_for_a_reason(
    outcome: Outcome | None, who: License | None, terms: Terms, state: tuple[str, str]
) -> None:
    ledger = sealed()
    outcomes = dict.fromkeys(ledger.unfinished, outcome) if outcome else {}

    [found] = lines_waiting(ledger, outcomes, {WHO: who} if who else {}, terms)

    assert (found.status, found.reason) == state


@pytest.mark.parametrize(
    "outcome",
    [Outcome(Status.ACCEPTED, 0), Outcome(Status.DRY_RUN, 0, "window-closed")],
    ids=["accepted", "dry-run"],
)
def test_a_record_with_a_final_outcome_does_not_wait(outcome: Outcome) -> None:
    ledger = sealed()

    assert list(lines_waiting(ledger, dict.fromkeys(ledger.unfinished, outcome), {}, Terms())) == []


def test_risk_is_what_is_not_billed_by_the_hours_left() -> None:
    lines = [
        *(line(each, ago_hours=20) for each in ("open", "unsent", "parked", "withheld")),
        *(line(each, ago_hours=20) for each in ("dry-run", "not-ours")),
        line("unsent", quantity=0, ago_hours=20),
        line("unsent", ago_hours=25),
    ]

    assert [(each.hours_left_below, each.records) for each in risks(lines, TEN_S, Terms())] == [
        (0, 1),
        (6, 4),
    ]


def test_a_dry_run_risks_nothing() -> None:
    assert risks([line("unsent", ago_hours=20)], TEN_S, Terms(dry_run=True)) == []


def test_a_zero_is_not_the_oldest_usage() -> None:
    lines = [line("open", quantity=0, ago_hours=5), line("open", ago_hours=2)]

    assert oldest_s(lines) == TEN_S - 2 * HOUR_S


# What is sought


def entry(*usages: tuple[str, int, str]) -> Fold:
    """An entry that counts usage of WHO: Ids, quantities and dimensions."""
    keys = b"".join(
        id_digest(name_of_license(WHO), id_) + content_check(dimension, quantity, ())
        for id_, quantity, dimension in usages
    )
    sums: dict[str, int] = {}
    for _, quantity, dimension in usages:
        sums[dimension] = sums.get(dimension, 0) + quantity
    rows = tuple(Row(WHO, each, TEN, (), total, TEN_S) for each, total in sums.items())
    return Fold(TEN_S, keys, rows)


def test_usage_alone_in_its_record_is_certain() -> None:
    sought = Sought("a", license=WHO)
    fold = entry(("a", UNIT, "users"), ("b", UNIT, "reports"), ("c", 2 * UNIT, "reports"))

    [found] = counted_in(7, fold, sought, sought.keys(), None)

    assert found.is_certain
    assert [each.dimension for each in found.rows] == ["users"]


def test_usage_that_may_be_part_of_two_hours_is_not_certain() -> None:
    """Guards against taking a record of exactly this quantity for the usage itself."""
    sought = Sought("a", license=WHO)
    whole = entry(("a", UNIT, "users"))
    later = Row(WHO, "users", Hour(TEN + 1), (), 3 * UNIT, TEN_S)
    fold = Fold(TEN_S, whole.keys, (*whole.rows, later))

    [found] = counted_in(7, fold, sought, sought.keys(), None)

    assert not found.is_certain


def test_usage_of_others_is_not_found() -> None:
    sought = Sought("a", license=LicenseKey("l-2"))

    assert counted_in(7, entry(("a", UNIT, "users")), sought, sought.keys(), None) == []


def test_an_id_and_the_id_of_an_event_are_two() -> None:
    plain, event = Sought("a", license=WHO), Sought("a", source="/meter", license=WHO)

    assert plain.keys().isdisjoint(event.keys())
    assert {len(key) for key in plain.keys() | event.keys()} == {KEY_BYTES}
