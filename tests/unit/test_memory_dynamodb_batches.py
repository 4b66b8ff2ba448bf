"""DynamoDB in memory: batches, transactions, and the request units of everything."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.memory import TableFaults
from tests.unit.memory_stage import ITEM_BYTES_MAX, Stage, item_of, key, refused


@pytest.fixture
def stage() -> Stage:
    return Stage()


# Batches


def test_a_batch_of_keys_may_come_back_unprocessed_in_part() -> None:
    for seed in range(20):
        stage = Stage(seed)
        for sk in "1234":
            stage.put(sk)
        stage.tables.faults = TableFaults(unprocessed=0.5)
        answer = stage.client.batch_get_item(
            RequestItems={"table": {"Keys": [key(sk) for sk in "1234"], "ConsistentRead": True}}
        )

        found = {item["sk"]["S"] for item in answer["Responses"]["table"]}
        again = answer["UnprocessedKeys"].get("table", {"Keys": []})
        assert found | {left["sk"]["S"] for left in again["Keys"]} == set("1234")
        assert len(found) + len(again["Keys"]) == 4


def test_unprocessed_keys_are_a_request_that_can_be_sent_again(stage: Stage) -> None:
    stage.put("1")
    stage.tables.faults = TableFaults(unprocessed=1.0)
    left = stage.client.batch_get_item(RequestItems={"table": {"Keys": [key("1")]}})

    stage.tables.faults = TableFaults()
    answer = stage.client.batch_get_item(RequestItems=left["UnprocessedKeys"])

    assert answer["Responses"]["table"] == [key("1")]


def test_a_batch_reads_at_most_a_hundred_keys(stage: Stage) -> None:
    with refused("Too many items requested for the BatchGetItem call"):
        stage.client.batch_get_item(
            RequestItems={"table": {"Keys": [key(str(number)) for number in range(101)]}}
        )


def test_a_batch_puts_and_deletes(stage: Stage) -> None:
    stage.put("1")

    stage.client.batch_write_item(
        RequestItems={
            "table": [{"PutRequest": {"Item": key("2")}}, {"DeleteRequest": {"Key": key("1")}}]
        }
    )

    assert stage.tables.items("table") == [key("2")]


def test_writes_of_a_batch_may_come_back_unprocessed() -> None:
    stages = [Stage(seed) for seed in range(20)]
    for stage in stages:
        stage.tables.faults = TableFaults(unprocessed=0.5)
        answer = stage.client.batch_write_item(
            RequestItems={"table": [{"PutRequest": {"Item": key(sk)}} for sk in "12"]}
        )
        left: Any = answer["UnprocessedItems"].get("table", [])

        assert len(stage.tables.items("table")) + len(left) == 2
    assert len({len(stage.tables.items("table")) for stage in stages}) == 3


# Transactions


def transact(stage: Stage, *actions: Any, **more: Any) -> Any:
    named: Any = [
        {kind: {"TableName": "table", **request} for kind, request in action.items()}
        for action in actions
    ]
    return stage.client.transact_write_items(TransactItems=named, **more)


def test_a_transaction_does_nothing_if_one_condition_fails(stage: Stage) -> None:
    stage.put("1")
    absent = "attribute_not_exists(pk)"

    with pytest.raises(stage.client.exceptions.TransactionCanceledException) as caught:
        transact(
            stage,
            {"Put": {"Item": key("2")}},
            {"ConditionCheck": {"Key": key("1"), "ConditionExpression": absent}},
        )

    reasons = caught.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert stage.tables.items("table") == [key("1")]


def test_the_same_transaction_under_one_token_is_done_once(stage: Stage) -> None:
    add: Any = {
        "Update": {
            "Key": key("1"),
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }

    for _ in range(2):
        transact(stage, add, ClientRequestToken="token")

    assert stage.get("1")["n"] == {"N": "1"}


def test_another_transaction_under_the_same_token_is_refused(stage: Stage) -> None:
    transact(stage, {"Put": {"Item": key("1")}}, ClientRequestToken="token")

    with pytest.raises(stage.client.exceptions.IdempotentParameterMismatchException):
        transact(stage, {"Put": {"Item": key("2")}}, ClientRequestToken="token")


def test_a_token_is_forgotten_after_ten_minutes(stage: Stage) -> None:
    transact(stage, {"Put": {"Item": key("1")}}, ClientRequestToken="token")
    stage.now += 601

    transact(stage, {"Put": {"Item": key("2")}}, ClientRequestToken="token")

    assert len(stage.tables.items("table")) == 2


def test_a_transaction_names_an_item_once(stage: Stage) -> None:
    with refused("cannot include multiple operations on one item"):
        transact(stage, {"Put": {"Item": key("1")}}, {"Delete": {"Key": key("1")}})


# Units


@pytest.mark.parametrize(
    ("size", "consistent", "units"),
    [(4096, True, 1), (4097, True, 2), (4096, False, 0.5), (4097, False, 1)],
)
def test_a_read_costs_a_unit_for_4_kilobytes_half_if_eventually_consistent(
    stage: Stage, size: int, *, consistent: bool, units: float
) -> None:
    stage.client.put_item(TableName="table", Item=item_of(size))

    answer = stage.client.get_item(
        TableName="table",
        Key=key("1"),
        ConsistentRead=consistent,
        ReturnConsumedCapacity="TOTAL",
    )

    assert answer["ConsumedCapacity"] == {"TableName": "table", "CapacityUnits": units}


def test_looking_for_what_is_not_there_costs_a_unit(stage: Stage) -> None:
    stage.get("1")

    assert stage.units == (1, 0)


def test_a_query_is_rounded_up_once_for_its_page(stage: Stage) -> None:
    for sk in "123":
        stage.put(sk, b={"B": b"x" * 1300})
    stage.tables.reset_counters()

    stage.query(ConsistentRead=True)

    assert stage.units == (1, 0)


def test_a_batch_is_rounded_up_item_by_item(stage: Stage) -> None:
    stage.client.batch_get_item(
        RequestItems={"table": {"Keys": [key("1"), key("2")], "ConsistentRead": True}}
    )

    assert stage.units == (2, 0)


@pytest.mark.parametrize(("size", "units"), [(1024, 1), (1025, 2), (ITEM_BYTES_MAX, 400)])
def test_a_write_costs_a_unit_for_a_kilobyte(stage: Stage, size: int, units: int) -> None:
    stage.client.put_item(TableName="table", Item=item_of(size))

    assert stage.units == (0, units)


def test_a_smaller_item_costs_as_much_as_the_one_it_replaces(stage: Stage) -> None:
    stage.client.put_item(TableName="table", Item=item_of(3000))
    stage.tables.reset_counters()

    stage.put("1")

    assert stage.units == (0, 3)


def test_a_refused_condition_costs_as_much_as_what_was_there(stage: Stage) -> None:
    stage.client.put_item(TableName="table", Item=item_of(3000))
    stage.tables.reset_counters()

    with pytest.raises(ClientError):
        stage.client.delete_item(
            TableName="table", Key=key("1"), ConditionExpression="attribute_exists(nothing)"
        )

    assert stage.units == (0, 3)


def test_a_transaction_costs_twice(stage: Stage) -> None:
    answer = transact(
        stage,
        {"Put": {"Item": item_of(1025)}},
        {"Delete": {"Key": key("2")}},
        ReturnConsumedCapacity="TOTAL",
    )

    assert answer["ConsumedCapacity"] == [{"TableName": "table", "CapacityUnits": 6}]


@pytest.mark.parametrize(
    ("change", "units"),
    [
        ("REMOVE b", 1),
        ("SET a = :v", 1 + 1),
        ("SET holder = :v", 1 + 2),
        ("REMOVE holder", 1 + 1),
    ],
)
def test_an_index_costs_only_where_it_changes(change: str, units: int) -> None:
    stage = Stage(projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]})
    stage.put("1", holder={"S": "x"}, a={"S": "1"}, b={"S": "2"})
    stage.tables.reset_counters()

    stage.update("1", change, **({"v": {"S": "3"}} if ":v" in change else {}))

    assert stage.units == (0, units)
