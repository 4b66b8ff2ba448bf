"""The environments of the subscription functions."""

import pytest

from lambdas.subscription.environment import NAMES, read_environment
from lambdas.variables import EnvironmentInvalidError

REQUIRED = {"CUSTOMERS_TABLE": "customers", "EVENT_BUS": "default"}


def test_what_may_be_left_out_is_left_alone() -> None:
    environment = read_environment(REQUIRED)

    assert environment.rules.product_ids == ()
    assert environment.rules.concurrent_agreements
    assert not environment.contracts
    assert environment.registrations_table == environment.product_code == ""


def test_reconciliation_repairs_only_if_it_is_told_to() -> None:
    assert not read_environment(REQUIRED).repairs
    assert not read_environment(REQUIRED | {"RECONCILIATION": "report"}).repairs
    assert read_environment(REQUIRED | {"RECONCILIATION": "repair"}).repairs


def test_every_variable_is_read() -> None:
    environment = read_environment(
        REQUIRED
        | {
            "REGISTRATIONS_TABLE": "registrations",
            "CONTRACTS": "true",
            "PRODUCT_IDS": '["prod-1"]',
            "CONCURRENT_AGREEMENTS": "false",
            "PRODUCT_CODE": "code",
        }
    )

    assert environment.registrations_table == "registrations"
    assert environment.contracts
    assert environment.rules.product_ids == ("prod-1",)
    assert not environment.rules.concurrent_agreements
    assert environment.product_code == "code"


@pytest.mark.parametrize("function", NAMES)
def test_every_function_has_a_table_and_a_bus(function: str) -> None:
    assert REQUIRED.keys() <= set(NAMES[function])


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_needed_and_missing_is_named(name: str, value: str | None) -> None:
    variables = {key: text for key, text in REQUIRED.items() if key != name}
    if value is not None:
        variables[name] = value

    with pytest.raises(EnvironmentInvalidError, match=f"{name} is not set"):
        read_environment(variables)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("RECONCILIATION", "fix", "RECONCILIATION is 'fix', neither repair nor report"),
        ("CONTRACTS", "yes", "CONTRACTS is 'yes'"),
        ("CONCURRENT_AGREEMENTS", "1", "CONCURRENT_AGREEMENTS is '1'"),
        ("PRODUCT_IDS", "prod-1", "PRODUCT_IDS is 'prod-1'"),
        ("PRODUCT_IDS", "[1]", "PRODUCT_IDS is '[1]'"),
        ("PRODUCT_IDS", '{"a": 1}', "PRODUCT_IDS is"),
    ],
)
def test_a_malformed_variable_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(EnvironmentInvalidError) as error:
        read_environment(REQUIRED | {name: value})

    assert says in str(error.value)
