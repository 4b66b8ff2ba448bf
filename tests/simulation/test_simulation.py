"""No fault of AWS, and no death of a tick at any call, loses or doubles a unit of usage."""

import os
import subprocess
import sys

import pytest

from lambdas.metering.ledger import Cell
from tests.simulation.core import Core
from tests.simulation.invariants import Violation
from tests.simulation.play import Play
from tests.simulation.shrink import shrink
from tests.simulation.whole import Whole

CORE_SEEDS = 2000
WHOLE_SEEDS = 200
TELL = """
from tests.simulation.play import Play
from tests.simulation.whole import Whole

play = Play(Whole, 4, steps=100)
aws = play.world.aws.dynamodb
decide = aws.on_call

def tell(service, operation, params):
    print(operation, {name: each for name, each in params.items() if name != "ClientRequestToken"})
    return decide(service, operation, params)

aws.on_call = tell
play.run()
"""


@pytest.mark.parametrize("first", range(0, CORE_SEEDS, 100))
def test_the_ledgers_core_accounts_for_every_unit_of_usage_once(first: int) -> None:
    for seed in range(first, first + 100):
        Play(Core, seed).run()


@pytest.mark.parametrize("first", range(0, WHOLE_SEEDS, 10))
def test_the_whole_functions_account_for_every_unit_of_usage_and_every_license(first: int) -> None:
    for seed in range(first, first + 10):
        Play(Whole, seed).run()


@pytest.mark.parametrize("size", [Core, Whole])
def test_one_seed_reproduces_a_run(size: type[Core] | type[Whole]) -> None:
    first, second = Play(size, 7), Play(size, 7)

    first.run()
    second.run()

    assert first.keeper.story == second.keeper.story


def test_a_run_is_the_same_in_every_process() -> None:
    # Sets of texts have another order in each process; a run must not go by it.
    told = [
        subprocess.run(
            [sys.executable, "-c", TELL],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1")
    ]

    assert told[0] == told[1]
    assert b"BatchGetItem" in told[0]


class Overcharged(Core):
    """A world whose bill holds a unit too much of every record that is not zero."""

    def bill(self) -> dict[Cell, int]:
        return {cell: micros + (micros > 0) for cell, micros in super().bill().items()}


def test_what_is_billed_and_was_not_meant_is_a_violation() -> None:
    with pytest.raises(Violation, match="billed"):
        Play(Overcharged, 0).run()


def test_a_violation_is_told_with_few_steps() -> None:
    shrunk = shrink(Overcharged, 0)

    assert shrunk.played < 20
    assert "shrunk to" in str(shrunk)
