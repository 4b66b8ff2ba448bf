"""DynamoDB in memory, for simulation and bench. Tables are made through `CreateTable`.

Known: items and batches, conditional writes, update expressions, queries and scans of a table and
its global secondary indexes, write transactions, and the request units all of it costs. Not known,
and refused: local secondary indexes, streams, `TransactGetItems`, PartiQL, and every legacy
parameter. Items never expire here; AWS itself deletes expired items days late.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, ClassVar

from botocore.config import Config

from sandbox.memory import transactions, writes
from sandbox.memory.attributes import Item, invalid, stored_item
from sandbox.memory.documents import project
from sandbox.memory.double import (
    ACCOUNT_ID,
    REGION,
    Answer,
    Double,
    OnAnswer,
    OnCall,
    Operation,
    Params,
    ServiceError,
    UnsupportedError,
    require_known,
)
from sandbox.memory.pages import Reading
from sandbox.memory.requests import bind
from sandbox.memory.table import (
    Lag,
    PrimaryKey,
    Row,
    Scalar,
    Table,
    created,
    read_units,
    write_units,
)
from sandbox.memory.writes import PARAMETERS, PLANS, ConditionFailedError, Write

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# API reference, each under its operation.
BATCH_GET_KEYS_MAX = 100
BATCH_GET_BYTES_MAX = 16 * 1024 * 1024
BATCH_WRITE_REQUESTS_MAX = 25

_BOUND = {"TableName", "ExpressionAttributeNames", "ExpressionAttributeValues"}
_RETURN_VALUES = {
    "Put": ("NONE", "ALL_OLD"),
    "Delete": ("NONE", "ALL_OLD"),
    "Update": ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"),
}
_SHOWN = {"ReturnValues", "ReturnConsumedCapacity"}
_READ = {"ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"}
_PAGE = (
    _BOUND
    | _READ
    | {
        "ExclusiveStartKey",
        "FilterExpression",
        "IndexName",
        "Limit",
        "ReturnConsumedCapacity",
        "Select",
    }
)
_CREATE = {
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
    "SSESpecification",
    "StreamSpecification",
    "TableName",
    "Tags",
}


@dataclass(frozen=True, slots=True)
class TableFaults:
    """What AWS leaves open, as probabilities.

    `stale_read`: an eventually consistent read comes from a replica that misses the newest writes,
    any number of those of the last `stale_seconds`. `unprocessed`: one key or request of a batch
    comes back unprocessed.
    """

    stale_read: float = 0.0
    stale_seconds: float = 1.0
    unprocessed: float = 0.0


class MemoryDynamoDB(Double):
    """DynamoDB for real clients: `client()` makes one, `items(table)` looks without a call.

    Attributes:
        struck: how often each fault changed an answer.
    """

    service = "dynamodb"
    throttling_codes: ClassVar = ("ProvisionedThroughputExceededException", "ThrottlingException")
    internal_error_code = "InternalServerError"

    def __init__(
        self,
        *,
        now: Callable[[], float],
        rng: Random,
        faults: TableFaults | None = None,
        on_call: OnCall | None = None,
        on_answer: OnAnswer | None = None,
    ) -> None:
        super().__init__(now=now, rng=rng, on_call=on_call, on_answer=on_answer)
        self.faults = faults or TableFaults()
        self.struck: Counter[str] = Counter()
        self._tables: dict[str, Table] = {}
        self._tokens = transactions.Tokens()
        get = _READ | {"TableName", "Key", "ReturnConsumedCapacity"}
        batch = frozenset({"RequestItems", "ReturnConsumedCapacity"})
        transact = frozenset({"TransactItems", "ClientRequestToken", "ReturnConsumedCapacity"})
        query = _PAGE | {"KeyConditionExpression", "ScanIndexForward"}
        self.operations = {
            "CreateTable": Operation(self._create_table, frozenset(_CREATE)),
            "GetItem": Operation(self._get_item, frozenset(get)),
            "BatchGetItem": Operation(self._batch_get_item, batch),
            "Query": Operation(lambda p: self._read(p, Reading.query), frozenset(query)),
            "Scan": Operation(lambda p: self._read(p, Reading.scan), frozenset(_PAGE)),
            "PutItem": Operation(lambda p: self._write("Put", p), PARAMETERS["Put"] | _SHOWN),
            "UpdateItem": Operation(
                lambda p: self._write("Update", p), PARAMETERS["Update"] | _SHOWN
            ),
            "DeleteItem": Operation(
                lambda p: self._write("Delete", p), PARAMETERS["Delete"] | _SHOWN
            ),
            "BatchWriteItem": Operation(self._batch_write_item, batch),
            "TransactWriteItems": Operation(self._transact_write_items, transact),
        }

    def client(self, config: Config | None = None) -> "DynamoDBClient":
        """A real DynamoDB client that this double answers; retries are off unless configured."""
        client: DynamoDBClient = self._connect(config)
        return client

    def items(self, table: str, partition: Scalar | None = None) -> list[Item]:
        """All items, or one partition's, in key order, as a client shows them; costs no request."""
        with self._lock:
            found = self._tables[table]
            if partition is not None:
                entries = found.primary.partitions.get(partition, [])
                return [found.rows[primary].item for _, primary in entries]
            return [found.rows[primary].item for primary in sorted(found.rows)]

    def item(self, table: str, partition: Scalar, sort: Scalar = "") -> Item | None:
        """One item by the values of its key, the same object until it is written; no request."""
        row = self._tables[table].rows.get((partition, sort))
        return row.item if row else None

    def _table(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise ServiceError(400, "ResourceNotFoundException", "Requested resource not found")
        return table

    def _create_table(self, params: Params) -> Answer:
        table = created(params)
        if table.name in self._tables:
            raise ServiceError(400, "ResourceInUseException", f"Table already exists: {table.name}")
        self._tables[table.name] = table
        arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{table.name}"
        return {
            "TableDescription": {
                "TableName": table.name,
                "TableArn": arn,
                "TableStatus": "ACTIVE",
                "KeySchema": params["KeySchema"],
                "AttributeDefinitions": params["AttributeDefinitions"],
            }
        }

    def _lag(self, table: Table, *, consistent: bool) -> Lag:
        if consistent or not self._chance(self.faults.stale_read):
            return {}
        return table.lag(self.rng.random(), since=self.now() - self.faults.stale_seconds)

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def _consumed(self, table: str, params: Params, *, read: float = 0, write: float = 0) -> Answer:
        """Count request units, and show them if the request asked."""
        use = self.counters.table(table)
        use.requests += 1
        use.read_units += read
        use.write_units += write
        wanted = params.get("ReturnConsumedCapacity", "NONE")
        if wanted == "NONE":
            return {}
        if wanted != "TOTAL":
            raise UnsupportedError(f"ReturnConsumedCapacity: {wanted}")
        return {"ConsumedCapacity": {"TableName": table, "CapacityUnits": float(read + write)}}

    def _found(
        self, table: Table, wire_key: Params, *, consistent: bool
    ) -> tuple[Row | None, float]:
        """One row by its key, and the units it took to look."""
        primary = table.primary_key(stored_item(wire_key))
        lag = self._lag(table, consistent=consistent)
        current = table.rows.get(primary)
        found = lag.get(primary, current)
        self.struck["stale read"] += found is not current
        return found, read_units(found.bytes if found else 0, consistent=consistent)

    def _get_item(self, params: Params) -> Answer:
        table = self._table(params["TableName"])
        paths = bind(params).projection
        found, units = self._found(
            table, params["Key"], consistent=params.get("ConsistentRead", False)
        )
        answer = self._consumed(table.name, params, read=units)
        if found:
            answer["Item"] = project(found.item, paths) if paths else found.item
        return answer

    def _batch_get_item(self, params: Params) -> Answer:
        wanted: dict[str, Params] = params["RequestItems"]
        if sum(len(request["Keys"]) for request in wanted.values()) > BATCH_GET_KEYS_MAX:
            raise invalid("Too many items requested for the BatchGetItem call")
        answer: Answer = {"Responses": {}, "UnprocessedKeys": {}}
        capacity = []
        answer_bytes = 0
        for name, request in wanted.items():
            require_known(request, frozenset(_READ | {"Keys"}), where="BatchGetItem")
            table = self._table(name)
            consistent = request.get("ConsistentRead", False)
            paths = bind(request).projection
            _require_distinct([table.primary_key(stored_item(key)) for key in request["Keys"]])
            items, unprocessed, units = [], [], 0.0
            for key in request["Keys"]:
                if answer_bytes > BATCH_GET_BYTES_MAX or self._chance(self.faults.unprocessed):
                    self.struck["unprocessed key"] += 1
                    unprocessed.append(key)
                    continue
                found, cost = self._found(table, key, consistent=consistent)
                units += cost
                if found:
                    answer_bytes += found.bytes
                    items.append(project(found.item, paths) if paths else found.item)
            self.rng.shuffle(items)
            answer["Responses"][name] = items
            if unprocessed:
                answer["UnprocessedKeys"][name] = {**request, "Keys": unprocessed}
            capacity.append(self._consumed(name, params, read=units))
        return _with_capacities(answer, capacity)

    def _read(self, params: Params, page: Callable[[Reading], tuple[Answer, int]]) -> Answer:
        table = self._table(params["TableName"])
        index_name = params.get("IndexName")
        consistent = params.get("ConsistentRead", False)
        if index_name is not None and index_name not in table.indexes:
            raise invalid(f"The table does not have the specified index: {index_name}")
        if index_name is not None and consistent:
            raise invalid("Consistent reads are not supported on global secondary indexes")
        index = table.primary if index_name is None else table.indexes[index_name]
        lag = self._lag(table, consistent=consistent)
        reading = Reading(table, index, params, bind(params), lag)
        answer, read_bytes = page(reading)
        if lag:
            self.struck["stale read"] += page(replace(reading, lag={}))[0] != answer
        units = read_units(read_bytes, consistent=consistent)
        return answer | self._consumed(table.name, params, read=units)

    def _apply(self, write: Write) -> None:
        memory_seconds = self.faults.stale_seconds if self.faults.stale_read else 0.0
        if write.old is not write.new:
            write.table.write(
                write.primary, write.new, at=self.now(), memory_seconds=memory_seconds
            )

    def _write(self, action: str, params: Params) -> Answer:
        table = self._table(params["TableName"])
        wanted = params.get("ReturnValues", "NONE")
        if wanted not in _RETURN_VALUES[action]:
            raise invalid("Return values set to invalid value")
        try:
            write = PLANS[action](table, params)
        except ConditionFailedError as failed:
            self._consumed(table.name, {}, write=write_units(failed.old_bytes))
            raise
        answer = self._consumed(table.name, params, write=write.units)
        self._apply(write)
        returned = write.returned(wanted)
        return answer if returned is None else answer | {"Attributes": returned}

    def _batch_write_item(self, params: Params) -> Answer:
        wanted: dict[str, list[Params]] = params["RequestItems"]
        if sum(len(requests) for requests in wanted.values()) > BATCH_WRITE_REQUESTS_MAX:
            raise invalid("Too many items requested for the BatchWriteItem call")
        plans = {
            name: [_batched(self._table(name), request) for request in requests]
            for name, requests in wanted.items()
        }
        answer: Answer = {"UnprocessedItems": {}}
        capacity = []
        for name, requests in wanted.items():
            _require_distinct([write.primary for write in plans[name]])
            units, unprocessed = 0, []
            for request, write in zip(requests, plans[name], strict=True):
                if self._chance(self.faults.unprocessed):
                    self.struck["unprocessed request"] += 1
                    unprocessed.append(request)
                    continue
                units += write.units
                self._apply(write)
            if unprocessed:
                answer["UnprocessedItems"][name] = unprocessed
            capacity.append(self._consumed(name, params, write=units))
        return _with_capacities(answer, capacity)

    def _transact_write_items(self, params: Params) -> Answer:
        for entry in params["TransactItems"]:
            for action, request in entry.items():
                require_known(request, PARAMETERS[action], where=action)
        if self._tokens.repeats(params, self.now()):
            return {}
        plans = transactions.planned(params, self._table)
        units: Counter[str] = Counter()
        for table, plan in plans:
            units[table.name] += transactions.units(plan)
        capacities = [self._consumed(name, params, write=cost) for name, cost in units.items()]
        for write in transactions.require_all(plans):
            self._apply(write)
        self._tokens.remember(params, self.now())
        return _with_capacities({}, capacities)


def _batched(table: Table, request: Params) -> Write:
    """One request of a batch write: a put or a delete without a condition."""
    require_known(request, frozenset({"PutRequest", "DeleteRequest"}), where="BatchWriteItem")
    if len(request) != 1:
        raise invalid("Supplied AttributeValue has more than one write request set")
    if "PutRequest" in request:
        return writes.put(table, request["PutRequest"])
    return writes.delete(table, request["DeleteRequest"])


def _require_distinct(keys: list[PrimaryKey]) -> None:
    if len(set(keys)) < len(keys):
        raise invalid("Provided list of item keys contains duplicates")


def _with_capacities(answer: Answer, capacities: list[Answer]) -> Answer:
    """Batches and transactions show their capacity as a list, a table each."""
    shown = [each["ConsumedCapacity"] for each in capacities if each]
    return answer | {"ConsumedCapacity": shown} if shown else answer
