"""How far it would go, on paper: the bottleneck at each step, from limits that are published."""

from bench.table import Table
from lambdas.metering.limiter import CALLS_PER_S_MAX

RECORDS_PER_CALL = 25
KEY_BYTES = 16
PARTITION_BYTES_PER_S = 1_000 * 1_024
"""A partition of DynamoDB takes 1,000 write units a second (developer guide, "Partitions")."""

TICK_SHARE = 0.5
"""Of an hour in which ticks fold: 60 % of 250 s, every 300 s."""


def reach() -> list[Table]:
    """Work out what limits each step, and what the next one changes."""
    hour_s = 3_600
    keys_per_hour = PARTITION_BYTES_PER_S // KEY_BYTES * hour_s
    records_per_hour = CALLS_PER_S_MAX * RECORDS_PER_CALL * hour_s
    table = Table(
        "reach",
        "On paper: the bottleneck at each step",
        ("events an hour", "what limits it", "what the next step needs"),
    )
    table.add(
        "5 million",
        "one processor at 100 µs an event, one per message, half of the time",
        "100 events per message: a tenth of the CPU and of the requests",
    )
    table.add(
        "1.5 million with Ids",
        "memory for 40 million keys, at an id memory of 26 hours",
        "a shorter `id_memory_hours`, or several logs",
    )
    table.add(
        "100 million",
        "one processor at 12 µs an event, half of the time",
        "several logs, each with a function of its own",
    )
    table.add(
        f"{keys_per_hour / 1e6:,.0f} million with Ids",
        "one partition of DynamoDB takes 1 MB a second, 64,000 keys",
        "several logs",
    )
    table.add(
        "1,000 million",
        "16 logs at 62.5 million each; keys for 30 minutes fill a function's memory, so Ids are"
        " remembered for less, or more logs are taken",
        "nothing here: SQS and DynamoDB take it; $16 an hour, of which write units $10",
    )
    table.add(
        f"any number, {records_per_hour:,} records",
        f"AWS Marketplace: {CALLS_PER_S_MAX} calls a second × {RECORDS_PER_CALL} records, per"
        " account and region; 180,000 licenses × 5 dimensions",
        "AWS",
    )
    return [table]
