"""The function's environment: what is read, what is refused, and in which words."""

from collections.abc import Iterator, Mapping

import pytest

from lambdas.metering.environment import NAMES, read_environment
from lambdas.metering.terms import Terms
from lambdas.variables import EnvironmentInvalidError
from tests.unit.metering_stage import seconds

WHERE = {
    "USAGE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/usage",
    "LEDGER_TABLE": "ledger",
    "CUSTOMERS_TABLE": "customers",
    "METERING_REGION": "us-east-1",
}
"""The least that must be set."""


class Asked(Mapping[str, str]):
    """Variables that remember which of them were asked for."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)


def terms(**variables: str) -> Terms:
    return read_environment(WHERE | variables).terms


def refusal(**variables: str) -> str:
    with pytest.raises(EnvironmentInvalidError) as error:
        read_environment(WHERE | variables)
    return str(error.value)


def test_the_variables_listed_for_the_stack_are_those_that_are_read() -> None:
    asked = Asked(WHERE)

    read_environment(asked)

    assert asked.names == set(NAMES)


def test_where_things_are_is_read_as_it_is() -> None:
    read = read_environment(WHERE)

    assert [
        read.queue_url,
        read.ledger_table,
        read.customers_table,
        read.metering_region,
    ] == list(WHERE.values())


@pytest.mark.parametrize("name", WHERE)
def test_a_place_that_is_not_set_is_named(name: str) -> None:
    variables = {each: text for each, text in WHERE.items() if each != name}

    with pytest.raises(EnvironmentInvalidError, match=f"^{name} is not set$"):
        read_environment(variables)


@pytest.mark.parametrize("name", WHERE)
def test_a_place_that_is_empty_is_not_set(name: str) -> None:
    assert refusal(**{name: ""}) == f"{name} is not set"


def test_what_is_not_set_has_the_standard_terms() -> None:
    assert terms() == Terms()


def test_a_variable_that_is_empty_is_as_good_as_none() -> None:
    optional = {name: "" for name in NAMES if name not in WHERE}

    assert terms(**optional) == Terms()


def test_all_terms_can_be_set() -> None:
    read = terms(
        PRODUCT_CODE="n0123",
        DIMENSIONS='["users", "größe"]',
        METERING_FROM="2026-12-01T00:00:00Z",
        ID_MEMORY_HOURS="48",
        SETTLE_MINUTES="15",
        ENDING_SETTLE_MINUTES="30",
    )

    assert read == Terms(
        dimensions=("users", "größe"),
        product_code="n0123",
        metering_from_s=seconds("2026-12-01T00:00Z"),
        id_memory_hours=48,
        settle_minutes=15,
        ending_settle_minutes=30,
    )


def test_a_cut_over_may_be_written_with_any_offset() -> None:
    read = terms(METERING_FROM="2026-12-01T01:00:00+01:00")

    assert read.metering_from_s == seconds("2026-12-01T00:00Z")


@pytest.mark.parametrize("text", ["2026-12-01T00:00:00", "2026-12-01", "tomorrow", "1795429200"])
def test_a_cut_over_without_offset_is_refused(text: str) -> None:
    assert refusal(METERING_FROM=text).startswith(f"METERING_FROM is {text!r}, not a time like")


@pytest.mark.parametrize("text", ["users", '"users"', '{"users": 1}', "[1]", '["a", null]', "["])
def test_dimensions_that_are_no_list_of_names_are_refused(text: str) -> None:
    assert refusal(DIMENSIONS=text).startswith(f"DIMENSIONS is {text!r}, not a list such as")


@pytest.mark.parametrize("name", ["ID_MEMORY_HOURS", "SETTLE_MINUTES", "ENDING_SETTLE_MINUTES"])
@pytest.mark.parametrize("text", ["-1", "1.5", "26h", " 26", "٢٦", "1e1"])
def test_a_number_that_is_not_whole_is_refused(name: str, text: str) -> None:
    assert refusal(**{name: text}).startswith(f"{name} is {text!r}, not a whole number such as")


def test_the_id_memory_is_told_in_seconds_too() -> None:
    assert terms(ID_MEMORY_HOURS="2").id_memory_s == 7200
