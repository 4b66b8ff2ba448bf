"""What became of the mutants: a table, and the survivors by the reason they are accepted for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.mutants.accepted import Change, Reason
from tests.mutants.mutant import Mutant
from tests.mutants.trial import Fate

NOTICED_PERCENT_MIN = 90
"""Of the mutants of every capability."""

HEAD = """\
| module | mutants | killed | endless | survived | noticed |
|---|--:|--:|--:|--:|--:|
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the mutants, held against the survivors that are accepted."""

    mutants: Sequence[Mutant]
    fates: Sequence[Fate]
    reasons: Sequence[Reason]

    def unaccepted(self) -> list[Change]:
        """List the survivors that no reason is given for."""
        return sorted((self._survivors() - self._accepted()).elements())

    def outdated(self) -> list[Change]:
        """List the accepted survivors that are killed by now, or no mutants any more."""
        return sorted((self._accepted() - self._survivors()).elements())

    def weak(self) -> list[str]:
        """Name the capabilities of whose mutants too few are noticed."""
        counts = self._counts(modules=False)
        return [name for name in counts if _percent(counts[name]) < NOTICED_PERCENT_MIN]

    def table(self) -> str:
        """Write the modules, the capabilities and all of it as a table in Markdown."""
        rows = [
            *(_row(f"`{name}`", fates) for name, fates in self._counts(modules=True).items()),
            *(_row(f"all of {name}", fates) for name, fates in self._counts(modules=False).items()),
            _row("**all**", Counter(self.fates)),
        ]
        return HEAD + "\n".join(rows)

    def survivors(self) -> str:
        """Write the accepted survivors, by reason and function, in Markdown."""
        told: list[str] = []
        for reason in self.reasons:
            told.append(f"{reason.why} ({len(reason.survivors)})\n")
            for function, changes in groupby(sorted(reason.survivors), lambda each: each.function):
                told.append(f"- `{function.removeprefix('lambdas.')}`")
                told += [f"  - {_told(each)}" for each in changes]
            told.append("")
        return "\n".join(told)

    def _counts(self, *, modules: bool) -> dict[str, Counter[Fate]]:
        counts: dict[str, Counter[Fate]] = {}
        for mutant, fate in zip(self.mutants, self.fates, strict=True):
            name = mutant.module.removeprefix("lambdas.")
            counts.setdefault(name if modules else name.partition(".")[0], Counter())[fate] += 1
        return counts

    def _survivors(self) -> Counter[Change]:
        tried = zip(self.mutants, self.fates, strict=True)
        return Counter(mutant.change for mutant, fate in tried if fate is Fate.SURVIVED)

    def _accepted(self) -> Counter[Change]:
        return Counter(each for reason in self.reasons for each in reason.survivors)


def _told(change: Change) -> str:
    """Write a change on one line, as code that may hold back-ticks itself."""
    return f"``{change.before}`` → " + (f"``{change.after}``" if change.after else "nothing")


def _row(name: str, fates: Counter[Fate]) -> str:
    counts = [fates.total(), *(fates[each] for each in Fate)]
    cells = [f"{each:,}" for each in counts] + [f"{_percent(fates):.1f} %"]
    return f"| {name} | " + " | ".join(cells) + " |"


def _percent(fates: Counter[Fate]) -> float:
    return 100 * (1 - fates[Fate.SURVIVED] / fates.total())
