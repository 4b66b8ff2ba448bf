"""How far it would go, on paper: the bottleneck at each step, worked out from named numbers."""

from math import ceil

from bench.prices import CALL_S
from bench.table import Table
from lambdas.metering.drain import RECEIVERS
from lambdas.metering.handler import THREADS
from lambdas.metering.limiter import CALLS_PER_S_MAX
from lambdas.metering.log import KEYS_MAX
from lambdas.metering.terms import Terms

HOUR_S = 3_600
FOLDING_SHARE = 0.5
"""Of the time: 60 % of 250 seconds, every 300."""

SINGLE_S, PACKED_S = 100e-6, 10e-6
"""CPU of an event, alone in its message and with 99 others, as measured (table "cpu")."""

MESSAGES_PER_REQUEST = 10
KEY_BYTES = 16
PARTITION_BYTES_PER_S = 1_000 * 1_024
"""DynamoDB takes 1,000 write units a second in a partition (developer guide, page
"bp-partition-key-design")."""

RECORDS_PER_CALL = 25
LARGEST_FUNCTION_KEYS = 450_000_000
"""At some 20 bytes a key in 10,240 MB, the most that Lambda gives."""

GOAL, GOAL_MEMORY_HOURS = 1_000_000_000, 2


def reach() -> list[Table]:
    """Work out what limits each step, and what the next one changes."""
    memory_hours = Terms().id_memory_hours
    packed = _folded(100, PACKED_S)
    table = Table(
        "reach",
        "On paper: the bottleneck at each step",
        ("events an hour", "what ends there", "what goes further"),
    )
    table.add(
        _millions(KEYS_MAX / memory_hours),
        f"{KEYS_MAX / 1e6:.0f} million keys in memory, of {memory_hours} hours",
        "a shorter `id_memory_hours`, or a larger function",
    )
    table.add(
        _millions(_folded(1, SINGLE_S)),
        f"one event per message: of ten, receiving takes {CALL_S / RECEIVERS * 1e3:.1f} ms,"
        f" counting {10 * SINGLE_S * 1e3:.1f}, deleting {CALL_S / THREADS * 1e3:.1f}",
        "100 events per message",
    )
    table.add(
        _millions(LARGEST_FUNCTION_KEYS / memory_hours),
        f"{LARGEST_FUNCTION_KEYS / 1e6:.0f} million keys in the largest function; minutes to read"
        " them when it starts",
        "several logs, by key: each has a function, a partition and a memory of its own",
    )
    table.add(
        f"{_millions(packed)}, each log",
        "one processor, half of the time",
        "more logs",
    )
    table.add(
        f"{_millions(PARTITION_BYTES_PER_S / KEY_BYTES * HOUR_S)}, each log",
        "the writes of one partition, 1 MB a second",
        "more logs",
    )
    for_memory = ceil(GOAL * memory_hours / LARGEST_FUNCTION_KEYS)
    for_cpu = max(ceil(GOAL / packed), ceil(GOAL * GOAL_MEMORY_HOURS / LARGEST_FUNCTION_KEYS))
    table.add(
        _millions(GOAL),
        f"memory for {GOAL * memory_hours / 1e9:.0f} billion keys: {for_memory} logs of the"
        f" largest function, or {for_cpu} that remember Ids for {GOAL_MEMORY_HOURS} hours",
        "nothing needs to: SQS and DynamoDB take it, for some $15 an hour",
    )
    table.add(
        f"any, in {_millions(CALLS_PER_S_MAX * RECORDS_PER_CALL * HOUR_S)} records",
        f"AWS Marketplace: {CALLS_PER_S_MAX} calls a second, {RECORDS_PER_CALL} records each;"
        " 180,000 licenses × 5 dimensions",
        "only AWS can",
    )
    return [table]


def _folded(events_per_message: int, cpu_s: float) -> float:
    """Tell how many events an hour one log takes in; waiting and counting do not overlap."""
    events = MESSAGES_PER_REQUEST * events_per_message
    seconds = CALL_S / RECEIVERS + CALL_S / THREADS + events * cpu_s
    return HOUR_S * FOLDING_SHARE / seconds * events


def _millions(number: float) -> str:
    return f"{number / 1e6:,.1f} million" if number < 1e7 else f"{number / 1e6:,.0f} million"
