"""Try mutants against the tests that reach them, in forks of one run of pytest.

mutmut begins pytest anew for every mutant, which takes two seconds. Here the tests are collected
once, and every mutant gets a fork of that process, which takes a few hundredths of one.
"""

import gc
import os
import resource
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import _lru_cache_wrapper
from itertools import zip_longest
from time import process_time
from types import FrameType

import pytest

from tests.mutants.mutant import Mutant

TEST_S_MIN = 2
"""Processor time that a test with a mutant has at least before it counts as endless."""

TEST_S_FACTOR = 10
"""How much longer than without a mutant it may take."""

FILES_S = 120
"""Processor time that files of tests have together."""

MEMORY_BYTES = 4 << 30
"""What a fork may take: a mutant that gathers for ever ends before the machine does."""

_KILLED, _SURVIVED = 1, 0
_STDOUT, _STDERR = 1, 2


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    ENDLESS = "endless"
    SURVIVED = "survived"


class Trial:
    """A plugin of pytest that runs the collected tests once per mutant.

    Attributes:
        fates: what became of the mutants, in their order.
        importers: by mutant, the files that have to be imported with it for a last judgement:
            what they compute while they are imported is computed without it here. None if there
            are none.
    """

    def __init__(self, mutants: Sequence[Mutant], tell: Callable[[Fate], None]) -> None:
        self.fates: list[Fate] = []
        self.importers: list[set[str]] = []
        self._mutants = mutants
        self._tell = tell
        self._codes = {each.code for each in mutants}
        self._reached_by: dict[object, list[pytest.Item]] = defaultdict(list)
        self._imported_by: dict[object, set[str]] = defaultdict(set)
        self._took_s: dict[pytest.Item, float] = {}
        self._forked = False

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        """See what is reached while a file is imported."""
        with self._looking() as reached:
            report = yield
        for code in reached:
            self._imported_by[code].add(str(collector.path))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests without a mutant to see what they reach; then the mutants."""
        if session.testsfailed:
            raise session.Interrupted("Not all tests could be collected.")
        for item, following in zip_longest(session.items, session.items[1:]):
            _forget()
            began_s = process_time()
            with self._looking() as reached:
                _run(item, following)
            self._took_s[item] = process_time() - began_s
            for code in reached:
                self._reached_by[code].append(item)
        _forget()
        gc.collect()
        gc.freeze()
        for mutant in self._mutants:
            self._try(mutant)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """End at the first failure: a mutant is killed, or the tests do not hold without one."""
        if report.failed and self._forked:
            os._exit(_KILLED)
        if report.failed:
            pytest.exit(f"{report.nodeid} fails without any mutant:\n{report.longreprtext}", 1)

    def _try(self, mutant: Mutant) -> None:
        items = sorted(self._reached_by[mutant.code], key=lambda item: self._took_s[item])

        def trial() -> None:
            self._forked = True
            mutant.plant()
            for item, following in zip_longest(items, items[1:]):
                _allow_s(TEST_S_MIN + TEST_S_FACTOR * self._took_s[item])
                _run(item, following)

        files = self._imported_by[mutant.code]
        self.fates.append(_fate_of(trial))
        self.importers.append(files and files | {str(item.path) for item in items})
        self._tell(self.fates[-1])

    @contextmanager
    def _looking(self) -> Iterator[set[object]]:
        """Note which of the functions that have mutants are called."""
        reached: set[object] = set()

        def look(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and frame.f_code in self._codes:
                reached.add(frame.f_code)

        sys.settrace(look)
        try:
            yield reached
        finally:
            sys.settrace(None)


def fate_among(mutant: Mutant, files: set[str]) -> Fate:
    """Import files of tests with a mutant in place, and run them; none may be imported yet."""

    def trial() -> None:
        _allow_s(FILES_S)
        mutant.plant()
        if pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sorted(files)]):
            os._exit(_KILLED)

    return _fate_of(trial)


def _fate_of(trial: Callable[[], None]) -> Fate:
    """Have a trial in a fork, which an exception ends as a failed test does."""
    sys.stdout.flush()
    fork = os.fork()
    if fork == 0:
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDOUT)
            os.dup2(nowhere, _STDERR)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            trial()
            os._exit(_SURVIVED)
        finally:
            os._exit(_KILLED)
    _, status = os.waitpid(fork, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return Fate.ENDLESS
    return Fate.KILLED if status else Fate.SURVIVED


def _forget() -> None:
    """Empty the caches of the sources and the tests: what is remembered was made by no mutant."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("lambdas.", "tests.")):
            for each in vars(module).values():
                if isinstance(each, _lru_cache_wrapper):
                    each.cache_clear()


def _allow_s(limit_s: float) -> None:
    """Let the system end this process after so much processor time."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limit_s)


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    """Run a test as pytest does."""
    item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
