"""The sweep: last hours that are over, and announcements that were never published."""

from collections.abc import Iterator

import pytest

from lambdas.customers.license import License, State
from sandbox.marketplace.sales import Purchase
from tests.customers_stage import BUYER
from tests.subscription_stage import REGISTRATIONS, Functions, running


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    with running(monkeypatch) as each:
        yield each


def cancelled(functions: Functions, account: str = BUYER) -> Purchase:
    """A buyer who has just cancelled, a minute and a half ago at most."""
    bought = functions.buy(account)
    functions.register(bought, account)
    functions.wait(seconds=90)
    functions.deliver()
    functions.marketplace.change_license(bought.license_arn, "cancel")
    functions.wait(seconds=60)
    functions.deliver()
    return bought


def test_a_license_whose_last_hour_is_over_ends(functions: Functions) -> None:
    bought = cancelled(functions)
    functions.wait(hours=1)

    answer = functions.sweep()

    ended: License = functions.license(bought)
    assert answer == {"ended": [ended.key], "published": 0}
    assert ended.state is State.ENDED
    assert functions.told()[-1] == "Subscription Ended"


def test_a_license_whose_last_hour_runs_does_not(functions: Functions) -> None:
    bought = cancelled(functions)
    functions.wait(hours=1, seconds=-61)

    assert functions.sweep()["ended"] == []
    assert functions.license(bought).state is State.ENDING


def test_several_end_in_one_sweep(functions: Functions) -> None:
    both = [cancelled(functions, account) for account in (BUYER, "222233334444")]
    functions.wait(hours=1)

    functions.sweep()

    assert {functions.license(each).state for each in both} == {State.ENDED}


def test_leftovers_of_both_tables_are_published(functions: Functions) -> None:
    functions.bus.down = True
    functions.register(functions.buy())
    [told] = list(functions.outbox().leftovers())
    other = functions.outbox(REGISTRATIONS)
    functions.dynamodb.client().transact_write_items(TransactItems=[other.put(told)])
    functions.bus.down = False

    assert functions.sweep()["published"] == 2

    assert list(functions.outbox().leftovers()) == list(other.leftovers()) == []


def test_a_bus_that_is_still_down_keeps_what_is_to_be_told(functions: Functions) -> None:
    functions.bus.down = True
    functions.register(functions.buy())

    assert functions.sweep()["published"] == 0

    assert len(list(functions.outbox().leftovers())) == 1


def test_a_sweep_with_nothing_to_do_says_so(functions: Functions) -> None:
    assert functions.sweep() == {"ended": [], "published": 0}

    [line] = [each for each in functions.lines() if each.get("message") == "Sweep"]
    assert line["summary"] == {"ended": [], "published": 0}


def test_a_sweep_needs_no_other_table(functions: Functions) -> None:
    functions.configure(REGISTRATIONS_TABLE="")

    assert functions.sweep()["published"] == 0
