"""No fault of AWS, and no death of a tick at any call, loses or doubles a unit of usage."""

import pytest

from tests.simulation.play import Play

SEEDS = 100
SEEDS_PER_TEST = 10


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_every_unit_of_usage_is_accounted_for_once(first: int) -> None:
    for seed in range(first, first + SEEDS_PER_TEST):
        Play(seed).run()


def test_one_seed_reproduces_a_run() -> None:
    first, second = Play(7), Play(7)

    first.run()
    second.run()

    assert first.keeper.story == second.keeper.story
