"""What `cdk destroy` leaves behind, by the outputs that name it, so that a deployment can adopt it.

docs/decisions/0019-adoption.md says why tables come back into the stack and queues do not.
"""

import json
import re

LEDGER = "LedgerTableName"
CUSTOMERS = "CustomersTableName"
REGISTRATIONS = "RegistrationsTableName"
USAGE = "UsageQueueUrl"
EVENTS = "SubscriptionQueueUrl"
DEAD_LETTERS = "SubscriptionDeadLetterQueueUrl"
UNDELIVERED = "SubscriptionUndeliveredQueueUrl"
KEY = "KeyArn"
# Of the stack in us-east-1 that forwards events.
FORWARDING_UNDELIVERED = "ForwardingUndeliveredQueueUrl"
FORWARDING_KEY = "ForwardingKeyArn"

TABLES = (LEDGER, CUSTOMERS, REGISTRATIONS)
QUEUES = (USAGE, EVENTS, DEAD_LETTERS, UNDELIVERED, FORWARDING_UNDELIVERED)
KEYS = (KEY, FORWARDING_KEY)
ADOPTABLE = (*TABLES, *QUEUES, *KEYS)

# DynamoDB, CreateTable; SQS, CreateQueue, without FIFO; KMS, DescribeKey.
TABLE_NAME = "[A-Za-z0-9_.-]{3,255}"
QUEUE_NAME = "[A-Za-z0-9_-]{1,80}"
KEY_ARN = (
    r"arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/"
    r"([0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32})"
)


def adopted(given: object) -> dict[str, str]:
    """Take the physical names of what is to be adopted, by output; a queue's URL names it too."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except json.JSONDecodeError as error:
            raise ValueError("must be a JSON object") from error
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given.values()):
        raise ValueError("must be a JSON object from an output's name to a physical name")
    return {output: _physical_name(output, name) for output, name in given.items()}


def _physical_name(output: str, given: str) -> str:
    name, pattern, what = given, KEY_ARN, "the ARN of a KMS key"
    if output in TABLES:
        pattern, what = TABLE_NAME, "the name of a table"
    elif output in QUEUES:
        name = given.rpartition("/")[2] if given.startswith("https://") else given
        pattern, what = QUEUE_NAME, "the name or the URL of a queue"
    elif output not in KEYS:
        raise ValueError(f"may name {', '.join(ADOPTABLE)}, but not {output}")
    if not re.fullmatch(pattern, name):
        raise ValueError(f"must give for {output} {what}, not {given!r}")
    return name
