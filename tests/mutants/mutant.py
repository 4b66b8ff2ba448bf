"""A mutant: one small thing of one function changed, as mutmut would change it.

mutmut finds what can be changed; planting is ours. A mutant is planted by exchanging the code of
the one function in this process, so no source is written and nothing has to be imported again.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import libcst
from mutmut.mutation.file_mutation import create_mutations

from tests.mutants.accepted import Change

_DECORATORS = re.compile(r"^ *@(property|(lru_)?cache.*)$", re.MULTILINE)
"""mutmut leaves decorated functions alone; without these, each is a function like any other."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of a function, and the source of its module after it."""

    module: str
    name: str
    change: Change
    source: str

    @property
    def code(self) -> object:
        """The code of the function that is changed: what runs if a test reaches it."""
        return _function(vars(import_module(self.module)), self.name).__code__

    def plant(self) -> None:
        """Change the function wherever in this process it is known; nothing takes that back."""
        changed = {"__name__": self.module}
        exec(compile(self.source, self.module, "exec"), changed)
        ours = _function(vars(import_module(self.module)), self.name)
        theirs = _function(changed, self.name)
        ours.__code__ = theirs.__code__
        ours.__defaults__, ours.__kwdefaults__ = theirs.__defaults__, theirs.__kwdefaults__


def mutants_of(module: str, root: Path, word: str) -> Iterator[Mutant]:
    """List the mutants of a module, of the functions that have a word in their name."""
    path = root / f"{module.replace('.', '/')}.py"
    source = _DECORATORS.sub("", path.read_text(encoding="utf-8"))
    tree, mutations, _, _ = create_mutations(str(path), source)
    places = {
        function: (name, statement)
        for function, name, statement in _functions(tree.body)
        if word in f"{module}.{name}"
    }
    for each in mutations:
        if each.contained_by_top_level_function in places:
            name, statement = places[each.contained_by_top_level_function]
            before = tree.code_for_node(statement)
            after = tree.code_for_node(
                statement.deep_replace(each.original_node, each.mutated_node)
            )
            change = Change(f"{module}.{name}", *_difference(before, after))
            yield Mutant(module, name, change, source.replace(before, after, 1))


def _functions(body: Any) -> Iterator[tuple[libcst.FunctionDef, str, Any]]:
    """List the functions and methods, each with its name and the statement that holds it."""
    for statement in body:
        if isinstance(statement, libcst.FunctionDef):
            yield statement, statement.name.value, statement
        if isinstance(statement, libcst.ClassDef):
            for each in statement.body.body:
                if isinstance(each, libcst.FunctionDef):
                    yield each, f"{statement.name.value}.{each.name.value}", statement


def _function(names: dict[str, Any], name: str) -> FunctionType:
    """Find a function or method by its name, below its decorators."""
    first, _, rest = name.partition(".")
    found = names[first]
    if rest:
        found = vars(found)[rest]
    found = found.fget if isinstance(found, property) else inspect.unwrap(found)
    found = getattr(found, "__func__", found)
    assert isinstance(found, FunctionType), f"{name} is not a function"
    return found


def _difference(before: str, after: str) -> tuple[str, str]:
    """Return the lines that differ, each of the two on one line."""
    old, new = before.splitlines(), after.splitlines()
    fewest = min(len(old), len(new))
    same = next((i for i in range(fewest) if old[i] != new[i]), fewest)
    old, new = old[same:], new[same:]
    fewest = min(len(old), len(new))
    same = next((i for i in range(fewest) if old[-1 - i] != new[-1 - i]), fewest)
    return _joined(old[: len(old) - same]), _joined(new[: len(new) - same])


def _joined(lines: list[str]) -> str:
    return " ".join(each.strip() for each in lines)
