"""The list of mutants that may survive `make mutants` still fits the sources."""

import inspect
from importlib import import_module
from typing import Any

import pytest

from tests.mutants.accepted import Change, read_reasons
from tests.mutants.modules import pure_modules

ACCEPTED = sorted({change for reason in read_reasons() for change in reason.survivors})


def source(name: str) -> str:
    """Return the source of a function or method, which may be below decorators."""
    [module] = [each for each in pure_modules() if name.startswith(f"{each}.")]
    found: Any = import_module(module)
    for part in name.removeprefix(f"{module}.").split("."):
        found = inspect.getattr_static(found, part)
    return inspect.getsource(inspect.unwrap(getattr(found, "fget", found)))


@pytest.mark.parametrize("change", ACCEPTED, ids=lambda change: change.function)
def test_an_accepted_survivor_fits_the_sources(change: Change) -> None:
    assert change.before in " ".join(source(change.function).split())


def test_survivors_are_accepted_for_a_reason() -> None:
    assert all(reason.why.endswith(".") and reason.survivors for reason in read_reasons())
