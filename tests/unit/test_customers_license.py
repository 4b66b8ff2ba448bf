"""What names a license, and which one usage means that names an account."""

from random import Random

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.license import (
    LICENSE_ARN,
    License,
    State,
    is_license_arn,
    license_key_of_arn,
    license_key_of_legacy,
    meant_by_account,
)
from lambdas.metering.hours import HOUR_S
from tests.unit.metering_stage import NOW_S, bought

DAY_S = 24 * HOUR_S
USED_S = NOW_S - 2 * HOUR_S

pending = bought("l-pending", state=State.PENDING, start_s=None)
active = bought("l-active")
ending = bought("l-ending", state=State.ENDING, ending_since_s=NOW_S - 60)


def ended(at_s: int | None, key: str = "l-ended", **fields: int) -> License:
    return bought(key, state=State.ENDED, ended_s=at_s, **fields)


def meant(*licenses: License, used_s: int = USED_S) -> list[str]:
    return [each.key for each in meant_by_account(licenses, used_s, NOW_S)]


def test_both_ways_that_aws_writes_an_arn_name_one_license() -> None:
    in_samples = "arn:aws:license-manager::777788889999:license:l-0123"
    in_events = "aws:license-manager:us-east-1:123456789012:l-0123"

    assert license_key_of_arn(in_samples) == license_key_of_arn(in_events) == "l-0123"


def test_a_slash_before_the_last_part_is_no_part_of_it() -> None:
    assert license_key_of_arn("arn:aws:license-manager::777788889999:license/l-0123") == "l-0123"


def test_a_legacy_customer_of_two_products_is_two_customers() -> None:
    assert license_key_of_legacy("n1", "X01") != license_key_of_legacy("n2", "X01")


def test_the_pattern_of_an_arn_is_the_published_one() -> None:
    shapes = get_session().get_service_model("meteringmarketplace").shape_for("LicenseArn")

    assert f"^{LICENSE_ARN.pattern}$" == shapes.metadata["pattern"]


@pytest.mark.parametrize(
    "text",
    [
        "l-0123",
        "",
        "arn:aws:license-manager::777788889999:license:l-0123\n",
        "arn:aws:license-manager:777788889999",
        "aws:license-manager:us-east-1:123456789012:l-0123",
        "arn:aws:license-manager::7777:license:" + "l" * 1024,
    ],
)
def test_what_aws_would_refuse_is_no_license_arn(text: str) -> None:
    assert not is_license_arn(text)


@pytest.mark.parametrize("only", [pending, active, ending], ids=lambda each: each.state)
def test_the_only_license_is_meant_while_it_lasts(only: License) -> None:
    assert meant(only) == [only.key]


def test_an_account_without_license_means_nobody() -> None:
    assert meant() == []


def test_the_only_license_is_meant_even_for_usage_before_its_start() -> None:
    assert meant(bought("l-new", start_s=NOW_S)) == ["l-new"]


@pytest.mark.parametrize(
    ("ended_s", "expected"),
    [
        pytest.param(NOW_S - HOUR_S, ["l-ended"], id="after the usage"),
        pytest.param(USED_S, ["l-ended"], id="with the usage"),
        pytest.param(USED_S - 1, [], id="before the usage"),
        pytest.param(None, [], id="nobody knows when"),
    ],
)
def test_an_ended_license_is_meant_by_usage_before_its_end(
    ended_s: int | None, expected: list[str]
) -> None:
    assert meant(ended(ended_s)) == expected


@pytest.mark.parametrize(
    ("ended_s", "expected"), [(NOW_S - DAY_S, ["l-ended"]), (NOW_S - DAY_S - 1, [])]
)
def test_an_ended_license_is_meant_for_a_day(ended_s: int, expected: list[str]) -> None:
    assert meant(ended(ended_s), used_s=NOW_S - 2 * DAY_S) == expected


@pytest.mark.parametrize(
    "running", [active, ending, ended(NOW_S - HOUR_S)], ids=lambda each: each.state
)
def test_a_pending_license_loses_to_one_that_runs_or_ran(running: License) -> None:
    assert meant(pending, running) == [running.key]


def test_a_pending_license_loses_even_where_the_other_began_later() -> None:
    assert meant(pending, bought("l-new", start_s=NOW_S)) == ["l-new"]


def test_a_replaced_license_is_meant_by_usage_of_its_time() -> None:
    changed_s = NOW_S - HOUR_S
    old, new = ended(changed_s), bought("l-new", start_s=changed_s + 1)

    assert meant(old, new, used_s=changed_s) == ["l-ended"]


def test_a_replacing_license_is_meant_by_usage_since_its_start() -> None:
    changed_s = NOW_S - HOUR_S
    old, new = ended(changed_s - 1), bought("l-new", start_s=changed_s)

    assert meant(old, new, used_s=changed_s) == ["l-new"]


def test_usage_in_the_second_of_a_replacement_is_ambiguous() -> None:
    changed_s = NOW_S - HOUR_S
    old, new = ended(changed_s), bought("l-new", start_s=changed_s)

    assert meant(old, new, used_s=changed_s) == ["l-ended", "l-new"]


def test_a_license_with_an_unknown_start_has_lived_always() -> None:
    unknown, new = bought("l-unknown", start_s=None), bought("l-new", start_s=NOW_S)

    assert meant(unknown, new) == ["l-unknown"]


def test_two_licenses_that_run_are_ambiguous() -> None:
    assert meant(active, ending) == ["l-active", "l-ending"]


def test_two_licenses_that_both_began_later_are_ambiguous() -> None:
    one, other = bought("l-3", start_s=NOW_S), bought("l-4", start_s=NOW_S - 1)

    assert meant(one, other) == ["l-3", "l-4"]


def test_two_pending_licenses_are_ambiguous() -> None:
    another = bought("l-another", state=State.PENDING)

    assert meant(pending, another) == ["l-pending", "l-another"]


lives = st.builds(
    lambda state, start_s, ended_s: bought(
        "l-1", state=state, start_s=start_s, ended_s=ended_s if state is State.ENDED else None
    ),
    st.sampled_from(State),
    st.none() | st.integers(NOW_S - 3 * DAY_S, NOW_S),
    st.integers(NOW_S - 3 * DAY_S, NOW_S),
)


@given(st.lists(lives, max_size=4), st.integers(NOW_S - DAY_S, NOW_S))
def test_nobody_is_meant_only_if_no_license_might_be(lives: list[License], used_s: int) -> None:
    might_be = [each for each in lives if meant_by_account([each], used_s, NOW_S)]

    assert bool(meant_by_account(lives, used_s, NOW_S)) == bool(might_be)


@given(st.lists(lives, max_size=4), st.integers(NOW_S - DAY_S, NOW_S), st.randoms())
def test_the_order_of_licenses_makes_no_difference(
    lives: list[License], used_s: int, random: Random
) -> None:
    shuffled = sorted(lives, key=lambda _: random.random())

    def answer(licenses: list[License]) -> list[str]:
        return sorted(map(repr, meant_by_account(licenses, used_s, NOW_S)))

    assert answer(shuffled) == answer(lives)
