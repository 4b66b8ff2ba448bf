"""The policies in docs/operate.md allow what the commands do, and no more."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lambdas.customers.license import State
from lambdas.metering.terms import Terms
from tests.ops_stage import Stage
from tests.world import BUYER, PRODUCT, START, World

PAGE = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")

ACTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sts:GetCallerIdentity": None,
}
"""How IAM names what is named otherwise; who one is may be asked without a permission."""

FINDING = {"cloudformation:DescribeStacks"}
"""What every command asks before it begins, to find the stack."""

LOOKING = (
    ("status",),
    ("doctor",),
    ("customers",),
    ("customers", "--account", BUYER),
    ("statement", "l-1"),
    ("explain", "a", "--account", BUYER),
    ("quarantine", "list"),
    ("quarantine", "redrive", "--all", "--dry-run"),
    ("parked",),
    ("unconfirmed",),
)
ACTING = (
    ("tick", "--yes"),
    ("quarantine", "redrive", "--all", "--yes"),
    ("quarantine", "dismiss", "--reason", "bad-json", "--yes"),
)
ACTS = "For redrives, dismissals and ticks"


def a_stage() -> Stage:
    """A stack in which there is something of everything."""
    stage = Stage(World(terms=Terms(product_code=PRODUCT)), ticks=[START])
    stage.world.send("{", stage.world.usage(stage.world.buy(), 5, id_="a"))
    stage.world.send(stage.world.usage(stage.world.buy("4" * 12, state=State.PENDING), 5))
    stage.world.tick()
    stage.world.advance(minutes=55)
    stage.world.tick()
    return stage


def statements(heading: str) -> list[dict[str, Any]]:
    """The statements of the policy below a heading."""
    text = re.search(rf"### {heading}\n.*?```json\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    found: list[dict[str, Any]] = json.loads(text[1])["Statement"]
    return found


def policy(heading: str) -> set[str]:
    """The actions of the policy below a heading."""
    return {action for each in statements(heading) for action in each["Action"]}


def done(stage: Stage, *commands: tuple[str, ...]) -> set[str]:
    for command in commands:
        ran = stage.run(*command)
        assert ran.status in (0, 3), ran.err
    return {action for each in stage.asked if (action := ACTIONS.get(each, each))}


def test_looking_needs_what_the_policy_for_looking_allows() -> None:
    assert done(a_stage(), *LOOKING) | FINDING == policy("For looking")


def test_acting_needs_what_its_policy_adds() -> None:
    looking = policy("For looking")

    assert done(a_stage(), *ACTING) - looking == policy(ACTS)


@pytest.mark.parametrize("action", ["dynamodb:PutItem", "aws-marketplace:BatchMeterUsage"])
def test_no_policy_lets_an_operator_write_the_ledger_or_meter(action: str) -> None:
    assert action not in policy("For looking") | policy(ACTS)


def test_what_an_operator_may_write_of_the_ledger_is_quarantine_alone() -> None:
    [write] = [each for each in statements(ACTS) if "dynamodb:UpdateItem" in each["Action"]]

    assert write["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["quarantine"]}
    }
