"""DynamoDB in memory, writes and values: what moto does not know, or does otherwise."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.memory import UnsupportedError
from sandbox.memory.attributes import item_size
from tests.unit.memory_stage import ITEM_BYTES_MAX, Stage, Wire, item_of, key, refused, sks


@pytest.fixture
def stage() -> Stage:
    return Stage()


# Conditional writes


def test_a_second_put_if_absent_fails(stage: Stage) -> None:
    put: Any = {"TableName": "table", "ConditionExpression": "attribute_not_exists(pk)"}
    stage.client.put_item(Item=key("1"), **put)

    with pytest.raises(stage.client.exceptions.ConditionalCheckFailedException):
        stage.client.put_item(Item={**key("1"), "late": {"BOOL": True}}, **put)

    assert stage.tables.items("table") == [key("1")]


def test_of_many_threads_that_put_if_absent_one_wins(stage: Stage) -> None:
    def attempt(place: int) -> bool:
        try:
            stage.client.put_item(
                TableName="table",
                Item=key(str(place % 20)),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = sum(threads.map(attempt, range(160)))

    assert won == 20


# Values


@pytest.mark.parametrize(
    ("written", "kept"),
    [("1.0", "1"), ("007", "7"), ("1e3", "1000"), ("-0.50", "-0.5"), ("-0", "0"), ("1E-2", "0.01")],
)
def test_a_number_has_one_spelling(stage: Stage, written: str, kept: str) -> None:
    stage.put("1", n={"N": written})

    assert stage.get("1")["n"] == {"N": kept}


def test_numbers_are_exact_to_38_digits(stage: Stage) -> None:
    stage.put("1", n={"N": "9" * 37 + "8"})

    assert stage.update("1", "ADD n :one", one={"N": "1"})["n"] == {"N": "9" * 38}


@pytest.mark.parametrize("text", ["1" * 39, "1e126", "1e-131", "NaN", "one"])
def test_a_number_that_dynamodb_cannot_hold_is_refused(stage: Stage, text: str) -> None:
    with pytest.raises(ClientError) as caught:
        stage.put("1", n={"N": text})

    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_binary_comes_back_as_it_went(stage: Stage) -> None:
    stage.put("1", b={"B": bytes(range(256))}, bs={"BS": [b"\x01", b"\x00"]})

    assert stage.get("1")["b"] == {"B": bytes(range(256))}
    assert stage.get("1")["bs"] == {"BS": [b"\x00", b"\x01"]}


def test_a_set_that_runs_empty_is_gone(stage: Stage) -> None:
    stage.put("1", tags={"SS": ["a"]})

    assert stage.update("1", "DELETE tags :t", t={"SS": ["a", "b"]}) == key("1")


def test_an_empty_set_is_refused(stage: Stage) -> None:
    with refused("may not be empty"):
        stage.put("1", tags={"SS": []})


def test_numbers_of_another_spelling_are_equal(stage: Stage) -> None:
    stage.put("1", n={"N": "10"})

    stage.client.delete_item(
        TableName="table",
        Key=key("1"),
        ConditionExpression="n = :n",
        ExpressionAttributeValues={":n": {"N": "1e1"}},
    )

    assert stage.get("1") is None


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "é"}, 2),
        ({"N": "1234"}, 3),
        ({"N": "-12.5"}, 4),
        ({"N": "1000"}, 2),
        ({"B": b"abc"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"BOOL": False}]}, 3 + 1 + 2 + 1 + 1),
        ({"M": {"ab": {"S": "cd"}}}, 3 + 1 + 2 + 2),
        ({"SS": ["ab", "c"]}, 3),
        ({"NS": ["1", "23"]}, 4),
    ],
    ids=str,
)
def test_an_item_weighs_what_aws_counts(value: Wire, size: int) -> None:
    assert item_size({"name": value}) == len("name") + size


def test_an_item_may_weigh_400_kilobytes(stage: Stage) -> None:
    stage.client.put_item(TableName="table", Item=item_of(ITEM_BYTES_MAX))

    with refused("Item size has exceeded the maximum allowed size"):
        stage.client.put_item(TableName="table", Item=item_of(ITEM_BYTES_MAX + 1))


def test_an_item_may_not_grow_beyond_400_kilobytes(stage: Stage) -> None:
    stage.client.put_item(TableName="table", Item=item_of(ITEM_BYTES_MAX))

    with refused("Item size to update has exceeded the maximum allowed size"):
        stage.update("1", "SET x = :x", x={"BOOL": True})


# Requests that AWS refuses, and syntax that the double does not know


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pk": {"S": "log"}}, "Missing the key sk in the item"),
        ({"pk": {"S": "log"}, "sk": {"N": "1"}}, "Type mismatch for key sk expected: S actual: N"),
        ({"pk": {"S": ""}, "sk": {"S": "1"}}, "cannot contain an empty string value. Key: pk"),
        ({"pk": {"S": "log"}, "sk": {"S": "x" * 1025}}, "1024 bytes"),
        (
            {"pk": {"S": "log"}, "sk": {"S": "1"}, "holder": {"N": "1"}},
            "Type mismatch for Index Key holder",
        ),
    ],
)
def test_an_item_without_a_proper_key_is_refused(stage: Stage, wrong: Any, message: str) -> None:
    with refused(message):
        stage.client.put_item(TableName="table", Item=wrong)


def test_a_key_has_exactly_its_attributes(stage: Stage) -> None:
    with refused("does not match the schema"):
        stage.client.get_item(TableName="table", Key={**key("1"), "x": {"S": "y"}})


def test_the_key_of_an_item_cannot_be_updated(stage: Stage) -> None:
    with refused("Cannot update attribute sk. This attribute is part of the key"):
        stage.update("1", "SET sk = :x", x={"S": "2"})


def test_a_reserved_word_needs_a_placeholder(stage: Stage) -> None:
    with refused("Attribute name is a reserved keyword; reserved keyword: state"):
        stage.update("1", "SET state = :x", x={"S": "2"})


def test_a_value_that_no_expression_uses_is_refused(stage: Stage) -> None:
    with refused("unused in expressions: keys: {:y}"):
        stage.update("1", "SET x = :x", x={"S": "2"}, y={"S": "3"})


def test_a_value_that_nobody_gave_is_refused(stage: Stage) -> None:
    with refused("expression attribute value used in expression is not defined"):
        stage.update("1", "SET x = :x, y = :y", x={"S": "2"})


def test_a_name_that_nobody_gave_is_refused(stage: Stage) -> None:
    with refused("attribute name used in the document path is not defined"):
        stage.update("1", "SET #x = :x", x={"S": "2"})


def test_two_changes_of_one_path_are_refused(stage: Stage) -> None:
    with refused("Two document paths overlap"):
        stage.update("1", "SET a.b = :x REMOVE a", x={"S": "2"})


def test_arithmetic_on_what_is_not_there_is_refused(stage: Stage) -> None:
    with refused("refers to an attribute that does not exist in the item"):
        stage.update("1", "SET n = n + :x", x={"N": "2"})


def test_a_filter_may_not_name_the_key(stage: Stage) -> None:
    stage.put("1")

    with refused("Filter Expression can only contain non-primary key attributes"):
        stage.query(FilterExpression="attribute_exists(sk)")


@pytest.mark.parametrize(
    "expression",
    ["SET x = :x *  2", "SET x = (:x)", "FLY x", "SET x = :x SET y = :x", "SET x := :x"],
)
def test_syntax_beyond_the_double_cannot_be_survived(stage: Stage, expression: str) -> None:
    with pytest.raises(UnsupportedError):
        stage.update("1", expression, x={"S": "2"})


# Expressions


def test_an_update_reads_the_item_as_it_was(stage: Stage) -> None:
    stage.put("1", a={"S": "old a"}, b={"S": "old b"})

    updated = stage.update("1", "SET a = b, b = a REMOVE c")

    assert (updated["a"], updated["b"]) == ({"S": "old b"}, {"S": "old a"})


def test_elements_are_removed_by_their_old_places(stage: Stage) -> None:
    stage.put("1", l={"L": [{"S": letter} for letter in "abcd"]})

    updated = stage.update("1", "REMOVE l[0], l[2]")

    assert updated["l"] == {"L": [{"S": "b"}, {"S": "d"}]}


def test_a_comparison_with_what_is_not_there_is_false(stage: Stage) -> None:
    stage.put("1")

    found = stage.client.scan(
        TableName="table",
        FilterExpression="n < :n OR n >= :n OR n = :n",
        ExpressionAttributeValues={":n": {"N": "1"}},
    )

    assert found["Items"] == []


def test_a_comparison_across_types_is_false(stage: Stage) -> None:
    stage.put("1", n={"S": "0"})

    found = stage.client.scan(
        TableName="table",
        FilterExpression="n < :n OR n >= :n",
        ExpressionAttributeValues={":n": {"N": "1"}},
    )

    assert found["Items"] == []


def test_and_binds_tighter_than_or(stage: Stage) -> None:
    stage.put("1", a={"BOOL": True})

    found = stage.client.scan(
        TableName="table",
        FilterExpression="attribute_exists(a) OR attribute_exists(b) AND attribute_exists(c)",
    )

    assert sks(found) == ["1"]


def test_a_projection_keeps_the_maps_around_what_it_names(stage: Stage) -> None:
    stage.put("1", m={"M": {"a": {"S": "x"}, "b": {"S": "y"}}}, l={"L": [{"S": "p"}, {"S": "q"}]})

    answer = stage.client.get_item(
        TableName="table", Key=key("1"), ProjectionExpression="m.b, l[1], nothing"
    )

    assert answer["Item"] == {"m": {"M": {"b": {"S": "y"}}}, "l": {"L": [{"S": "q"}]}}


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [("UPDATED_OLD", {"a": {"S": "old"}}), ("UPDATED_NEW", {"a": {"S": "new"}})],
)
def test_an_update_shows_what_it_changed(stage: Stage, wanted: Any, shown: Wire) -> None:
    stage.put("1", a={"S": "old"}, b={"S": "other"})

    answer = stage.client.update_item(
        TableName="table",
        Key=key("1"),
        UpdateExpression="SET a = :a",
        ExpressionAttributeValues={":a": {"S": "new"}},
        ReturnValues=wanted,
    )

    assert answer["Attributes"] == shown


# Looking without a call


def test_items_are_seen_in_key_order_without_a_request(stage: Stage) -> None:
    stage.put("2")
    stage.put("1")
    stage.tables.reset_counters()

    assert stage.tables.items("table") == [key("1"), key("2")]
    assert stage.tables.items("table", "log") == [key("1"), key("2")]
    assert stage.tables.items("table", "elsewhere") == []
    assert stage.tables.item("table", "log", "2") == key("2")
    assert not stage.tables.counters.requests
