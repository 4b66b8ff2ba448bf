"""SQS and DynamoDB in memory under real boto3 clients, hostile and reproducible.

A simulation gives the clock, the random numbers and two hooks around every call; a bench reads the
counters. Attributes, expressions and errors are AWS's: `tests/integration` holds the doubles to
moto, program by program.

    creation.py      a table as the stack has them
    double.py        the wire: clients, hooks, faults, counters
    sqs.py           operations of SQS: queue.py is one queue, limits.py what is refused
    dynamodb.py      operations of DynamoDB: table.py is one table and its indexes, pages.py
                     query and scan, writes.py single writes, transactions.py many at once,
                     requests.py the expressions of a request (expressions.py, updates.py),
                     attributes.py values, documents.py paths into them
"""

from sandbox.memory.creation import create_table
from sandbox.memory.double import Counters, Fault, ServiceError, TableUse, UnsupportedError
from sandbox.memory.dynamodb import MemoryDynamoDB, TableFaults
from sandbox.memory.queue import MessageSnapshot, Queue, QueueFaults
from sandbox.memory.sqs import MemorySQS

__all__ = [
    "Counters",
    "Fault",
    "MemoryDynamoDB",
    "MemorySQS",
    "MessageSnapshot",
    "Queue",
    "QueueFaults",
    "ServiceError",
    "TableFaults",
    "TableUse",
    "UnsupportedError",
    "create_table",
]
