"""A walk along every AWS call of the subscription functions that changes something, with a death.

A death at any other call leaves behind what one after the change before it does. A batch whose
function died comes back whole; a night's reconciliation is followed by the next one.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from lambdas.customers.license import License, State
from sandbox.marketplace.faults import Detour
from sandbox.marketplace.sales import Purchase
from tests.customers_stage import bare
from tests.interruptions import Killed
from tests.subscription_stage import Functions, failed, running

OTHER = "222233334444"
CHANGES = {"PutItem", "TransactWriteItems", "DeleteItem", "PutEvents"}
"""All that these functions do to the table and to the bus."""


def dying(functions: Functions, number: int, work: Callable[[], Any]) -> list[str]:
    """Work, and die after the change of this number, unheard; tell the changes that were made."""
    changes: list[str] = []

    def count(_service: str, operation: str, *_: Any) -> None:
        if operation in CHANGES:
            changes.append(operation)
            if len(changes) == number:
                raise Killed

    doubles = (functions.dynamodb, functions.bus)
    for each in doubles:
        each.on_answer = count
    with suppress(Killed):
        work()
    for each in doubles:
        each.on_answer = None
    return changes


def told(functions: Functions) -> list[tuple[str, str]]:
    """What the seller's systems heard, by id: copies are left out, the order is not promised."""
    heard = {json.loads(each["Detail"])["Id"]: each for each in functions.bus.published}
    return sorted((id_, each["DetailType"]) for id_, each in heard.items())


def a_whole_life(functions: Functions) -> tuple[Purchase, list[dict[str, Any]]]:
    """A buyer who has registered, and whose four events come in one batch."""
    functions.configure(CONTRACTS="true")
    bought = functions.buy(entitlements={"users": 25, "seats": 5})
    functions.register(bought)
    functions.wait(hours=2)
    functions.marketplace.change_license(bought.license_arn, "cancel")
    functions.wait(seconds=90)
    return bought, [dict(each.body) for each in functions.marketplace.events()]


def test_the_subscription_function_may_die_at_every_call_of_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def play(number: int) -> tuple[list[str], License, list[tuple[str, str]]]:
        with running(monkeypatch) as functions:
            bought, batch = a_whole_life(functions)
            made = dying(functions, number, lambda: functions.handle(*batch))
            assert failed(functions.handle(*batch)) == []
            functions.sweep()
            assert list(functions.outbox().leftovers()) == []
            return made, bare(functions.license(bought)), told(functions)

    changes, *expected = play(0)
    assert set(changes) == CHANGES
    for number in range(1, len(changes) + 1):
        made, *found = play(number)
        assert found == expected, f"dies after change {number}, {made[-1]}"


def nothing_was_heard(functions: Functions) -> list[Purchase]:
    """Two buyers of whom nothing is known."""
    functions.marketplace.divert(Detour(kind="lost", event="*", times=None))
    return [functions.buy(), functions.buy(OTHER)]


def an_agreement_was_left(functions: Functions) -> list[Purchase]:
    """A buyer who registered for an agreement that nothing has named with the license."""
    bought = functions.buy_and_renew_unheard()
    functions.deliver()
    return [bought]


@pytest.mark.parametrize("lost", [nothing_was_heard, an_agreement_was_left])
def test_a_reconciliation_may_die_at_every_call(
    monkeypatch: pytest.MonkeyPatch, lost: Callable[[Functions], list[Purchase]]
) -> None:
    """It mends one license after the other; what it did not come to is mended a night later."""

    def play(number: int) -> tuple[list[str], list[State], list[str]]:
        with running(monkeypatch) as functions:
            bought = lost(functions)
            functions.configure(PRODUCT_IDS=json.dumps([functions.product_id(bought[0])]))
            functions.wait(hours=24)
            made = dying(functions, number, functions.reconcile)
            functions.wait(hours=24)
            functions.reconcile()
            functions.sweep()
            assert list(functions.outbox().leftovers()) == []
            states = [functions.license(each).state for each in bought]
            return made, states, sorted(kind for _, kind in told(functions))

    changes, *expected = play(0)
    assert expected[0] in ([State.ACTIVE], [State.ACTIVE, State.ACTIVE])
    assert "TransactWriteItems" in changes
    for number in range(1, len(changes) + 1):
        made, *found = play(number)
        assert found == expected, f"dies after change {number}, {made[-1]}"
