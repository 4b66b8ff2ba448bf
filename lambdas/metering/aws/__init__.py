"""What metering says to AWS: the usage queue, the ledger table, BatchMeterUsage.

Each class speaks for one AWS thing, in its words on one side and in ours on the other. It decides
nothing: what to retry and what to keep is up to the tick. Clients are passed in.
"""

from typing import Any

import boto3
from botocore.config import Config

from lambdas.metering.aws.items import Place
from lambdas.metering.aws.ledger_table import FOLD_KEPT_DAYS, Call, LedgerTable, Settled
from lambdas.metering.aws.marketplace import Marketplace
from lambdas.metering.aws.outcomes import Outcomes
from lambdas.metering.aws.quarantine import Quarantine, Quarantined
from lambdas.metering.aws.queue import Message, Parallel, UsageQueue

__all__ = [
    "FOLD_KEPT_DAYS",
    "Call",
    "LedgerTable",
    "Marketplace",
    "Message",
    "Outcomes",
    "Parallel",
    "Place",
    "Quarantine",
    "Quarantined",
    "Settled",
    "UsageQueue",
    "connect",
]


def connect(metering_region: str, *, connections: int) -> tuple[Any, Any, Any]:
    """Make the clients for the usage queue, the tables, and AWS Marketplace.

    Time-outs are short, since a tick has minutes only, and shorter than what it keeps in reserve.
    BatchMeterUsage is never retried by the SDK: every attempt must be accounted for.
    """
    patient = Config(
        connect_timeout=3,
        read_timeout=10,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 4},
    )
    once = Config(
        connect_timeout=3,
        read_timeout=15,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    return (
        boto3.client("sqs", config=patient),
        boto3.client("dynamodb", config=patient),
        boto3.client("meteringmarketplace", region_name=metering_region, config=once),
    )
