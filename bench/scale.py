"""How far it goes: more usage, longer memories."""

import subprocess
import sys
from collections.abc import Sequence

from bench.hour import Hour
from bench.load import Form, bodies, dimension_names, records
from bench.measure import cpu_s
from bench.rig import Rig
from bench.table import Table
from lambdas.metering.drain import drain
from lambdas.metering.summary import Summary

LICENSES, DIMENSIONS = 100, 5
SPREAD_MAX = 1.15
EVENTS = (10_000, 100_000, 1_000_000, 10_000_000)
AT_ONCE = 250_000
"""Events that lie in the queue at a time, so that the bench's own memory stays small."""

WARM_S = 600
"""How long ago the warm container started."""

SLICE = 10_000
"""Events whose CPU is taken for the comparison: the last so many of each size."""

MEMORY = ((5_000_000, 256), (26_000_000, 600))
"""Keys that are remembered, and MB that a tick may take with them."""

COLD_S_MAX = 1.5
COLD_KEYS = 1_000_000


def scale(*, quick: bool, large: bool = True) -> list[Table]:
    """Measure what an event costs behind few and behind many others, and what memory takes."""
    return [_events(quick=quick, large=large), _memory(quick=quick), _reading(quick=quick)]


def _events(*, quick: bool, large: bool) -> Table:
    """Count the same usage behind logs of different lengths, in turns."""
    sizes = [each for each in EVENTS if each < (1_000_000 if quick else 10_000_000) or large]
    if quick:
        sizes = [each for each in sizes if each <= 100_000]
    table = Table(
        "scale",
        "An event's cost, by how many were counted in the hour",
        (
            *("events in the hour", "CPU, µs per event", "of the least"),
            *("write units per 1,000", "dollars per million", "of the cheapest"),
        ),
        note=(
            f"100 per message, by license; the drain alone, the cheapest of {_ROUNDS} times"
            f" {SLICE:,} events in turns at the end of each hour, priced as above. Sending costs"
            " the same in all, and so does the rest of a tick."
        ),
    )
    usage = _usage(min(AT_ONCE, max(sizes)))
    rigs = {size: _counted(size, usage) for size in sizes}
    spent: dict[int, list[Hour]] = {size: [] for size in sizes}
    for number in range(_ROUNDS):
        for size in sizes[number % len(sizes) :] + sizes[: number % len(sizes)]:
            spent[size].append(rigs[size].more(SLICE))
    costs = {size: min(each.dollars for each in found) for size, found in spent.items()}
    cpus = {size: min(each.cpu_s for each in found) for size, found in spent.items()}
    for size, cost in costs.items():
        spread = cost / min(costs.values())
        table.add(
            *(f"{size:,}", f"{cpus[size] / SLICE * 1e6:.1f}"),
            f"{cpus[size] / min(cpus.values()):.2f}",
            f"{rigs[size].write_units / size * 1000:.1f}",
            *(f"${cost / SLICE * 1e6:.4f}", f"{spread:.2f}"),
            target=f"at most {SPREAD_MAX}",
            met=None if quick else spread <= SPREAD_MAX,
        )
    left_out = [f"{each:,}" for each in EVENTS if each not in sizes]
    if left_out:
        table.note += f" Left out, by a flag: {', '.join(left_out)} events."
    return table


_ROUNDS = 11
_MARK = "#" * 8
"""What the Ids begin with until usage is sent. Making it takes as long as counting it, so it is
made once, and gets other Ids each time."""


def _usage(events: int) -> list[str]:
    """Make messages that are good for every rig: all of them have the same buyers."""
    rig = Rig(dimensions=dimension_names(DIMENSIONS))
    buyers, at_s = rig.buy(LICENSES), rig.now_s + WARM_S
    usage = records(buyers, rig.dimensions, events, form=Form.PACKED, at_s=at_s, seed=1)
    marked = ({**each, "Id": _MARK + each["Id"][len(_MARK) :]} for each in usage)
    return bodies(marked, Form.PACKED)


class _counted:  # noqa: N801 it reads as what it is
    """A warm container that has counted so many events of an hour."""

    def __init__(self, events: int, usage: Sequence[str]) -> None:
        self.rig = Rig(dimensions=dimension_names(DIMENSIONS))
        self.rig.buy(LICENSES)
        self.container = self.rig.wiring()
        self.rig.tick(self.container)
        self.rig.now_s += WARM_S
        self.usage = usage
        self.sendings = 0
        self.write_units = 0.0
        left = events
        while left:
            number = min(AT_ONCE, left)
            counted = self.more(number)
            left -= number
            self.write_units += counted.asked.write_units

    def more(self, number: int) -> Hour:
        """Count more events, and tell what that took."""
        self.sendings += 1
        ids = f"{self.sendings:08x}"
        messages = self.usage[: number // Form.PACKED.per_message]
        self.rig.put([each.replace(_MARK, ids) for each in messages])
        self.rig.requests()
        summary = Summary()
        spent = cpu_s(lambda: drain(self.container, summary, until_s=self.rig.now_s + 1))
        if summary.counted != number:
            raise RuntimeError(f"{summary.counted} of {number} events were counted")
        return Hour(number, 0, 0, self.rig.requests(), spent, 0.0)


def _memory(*, quick: bool) -> Table:
    table = Table(
        "memory",
        "Memory of a cold tick, all of Python and boto3 included",
        ("remembered keys", "peak memory, MB"),
        note=(
            "Peak resident memory of a process of its own that reads the log, then counts 80,000"
            " events sent 100 to a message; the in-memory queue that holds these is in it too."
        ),
    )
    for keys, limit_mb in MEMORY:
        number = keys // 10 if quick else keys
        peak_mb, _ = run("memory", number)
        table.add(
            f"{number:,}",
            f"{peak_mb:.0f}",
            target=f"under {limit_mb}",
            met=None if quick else peak_mb < limit_mb,
        )
    return table


def _reading(*, quick: bool) -> Table:
    table = Table(
        "reading",
        "Reading the log",
        ("container", "log", "read units", "CPU, s"),
        note=(
            "The CPU is the least of several processes and has the in-memory DynamoDB in it, which"
            " makes the pages; the cold one also makes its clients."
        ),
    )
    number = COLD_KEYS // 10 if quick else COLD_KEYS
    runs = [run("cold", number) for _ in range(3 if quick else 7)]
    seconds = min(each for _, each in runs)
    units = runs[0][0]
    table.add(
        *("cold", f"{number:,} keys", f"{units:,.0f}", f"{seconds:.2f}"),
        target=f"under {COLD_S_MAX} s",
        met=None if quick else seconds < COLD_S_MAX,
    )
    warm_units, warm_s = run("warm", number)
    table.add(
        *("warm, nothing new", f"{number:,} keys", f"{warm_units:,.0f}", f"{warm_s:.4f}"),
        target="1 read unit",
        met=warm_units <= 1,
    )
    new_units, new_s = run("new", number)
    one = 24_000 * 16 // 4096 + 1
    table.add(
        *("warm, one new entry", f"{number:,} keys", f"{new_units:,.0f}", f"{new_s:.4f}"),
        target=f"at most {one + 2} read units",
        met=new_units <= one + 2,
    )
    return table


def run(what: str, keys: int) -> tuple[float, float]:
    """Measure in a process of its own; two numbers come back."""
    command = [sys.executable, "-m", "bench.memory", what, str(keys)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    one, two = done.stdout.split()
    return float(one), float(two)
