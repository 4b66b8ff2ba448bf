"""DynamoDB in memory, reads: pages, indexes, and replicas that lag."""

import pytest

from sandbox.memory import TableFaults
from tests.unit.memory_stage import Stage, key, refused, sks


@pytest.fixture
def stage() -> Stage:
    return Stage()


# Pages


def test_a_page_that_the_limit_fills_says_that_there_may_be_more(stage: Stage) -> None:
    stage.put("1")

    last = stage.query(Limit=1)["LastEvaluatedKey"]
    beyond = stage.query(ExclusiveStartKey=last)

    assert (last, beyond["Items"]) == (key("1"), [])
    assert "LastEvaluatedKey" not in beyond


def test_a_page_ends_before_one_mebibyte(stage: Stage) -> None:
    for sk in "123":
        stage.put(sk, b={"B": b"x" * 400_000})

    first = stage.query()
    second = stage.query(ExclusiveStartKey=first["LastEvaluatedKey"])

    assert (sks(first), sks(second)) == (["1", "2"], ["3"])


def test_pages_go_on_backwards(stage: Stage) -> None:
    for sk in "123":
        stage.put(sk)

    first = stage.query(ScanIndexForward=False, Limit=2)
    second = stage.query(ScanIndexForward=False, ExclusiveStartKey=first["LastEvaluatedKey"])

    assert (sks(first), sks(second)) == (["3", "2"], ["1"])


def test_a_filter_counts_what_it_looked_at(stage: Stage) -> None:
    stage.put("1", a={"BOOL": True})
    stage.put("2")

    answer = stage.query(FilterExpression="attribute_exists(a)", Limit=2, Select="COUNT")

    assert (answer["Count"], answer["ScannedCount"]) == (1, 2)
    assert "Items" not in answer


def test_a_limit_counts_what_is_looked_at_not_what_is_found(stage: Stage) -> None:
    stage.put("1")
    stage.put("2", a={"BOOL": True})

    answer = stage.query(FilterExpression="attribute_exists(a)", Limit=1)

    assert (sks(answer), answer["LastEvaluatedKey"]) == ([], key("1"))


def test_a_scan_visits_every_partition_once(stage: Stage) -> None:
    wanted = [{"pk": {"S": f"p{number}"}, "sk": {"S": "1"}} for number in range(50)]
    for item in wanted:
        stage.client.put_item(TableName="table", Item=item)

    pages = stage.client.get_paginator("scan").paginate(
        TableName="table", PaginationConfig={"PageSize": 7}
    )

    seen = [item["pk"]["S"] for page in pages for item in page["Items"]]
    assert sorted(seen) == sorted(item["pk"]["S"] for item in wanted)


def test_a_range_that_ends_before_it_begins_is_refused(stage: Stage) -> None:
    with refused("BETWEEN operator requires upper bound"):
        stage.query(
            KeyConditionExpression="pk = :pk AND sk BETWEEN :b AND :a",
            ExpressionAttributeValues={":pk": {"S": "log"}, ":a": {"S": "1"}, ":b": {"S": "2"}},
        )


# Indexes


def test_an_index_holds_only_items_with_its_key(stage: Stage) -> None:
    stage.put("1", holder={"S": "x"})
    stage.put("2")
    stage.put("3", holder={"S": "x"})
    stage.update("3", "REMOVE holder")

    assert sks(stage.of_holder()) == ["1"]


def test_an_index_shows_only_what_it_projects() -> None:
    stage = Stage(projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]})
    stage.put("1", holder={"S": "x"}, a={"S": "kept"}, b={"S": "left out"})

    [item] = stage.of_holder()["Items"]

    assert item == {**key("1"), "holder": {"S": "x"}, "a": {"S": "kept"}}


def test_an_index_cannot_be_read_consistently(stage: Stage) -> None:
    with refused("Consistent reads are not supported on global secondary indexes"):
        stage.of_holder(ConsistentRead=True)


# Replicas that lag


def stale(stage: Stage, probability: float = 1.0) -> Stage:
    stage.tables.faults = TableFaults(stale_read=probability, stale_seconds=10)
    return stage


def test_an_eventually_consistent_read_may_show_any_recent_version() -> None:
    versions = set()
    for seed in range(40):
        stage = stale(Stage(seed))
        for number in "012":
            stage.put("1", n={"N": number})
        versions.add((stage.get("1", consistent=False) or {"n": {"N": "none"}})["n"]["N"])

    assert versions == {"none", "0", "1"}


def test_a_consistent_read_shows_the_newest_version(stage: Stage) -> None:
    stale(stage).put("1")

    assert stage.get("1") == key("1")


def test_a_replica_lags_no_longer_than_the_simulation_says(stage: Stage) -> None:
    stale(stage).put("1")

    stage.now += 11

    assert stage.get("1", consistent=False) == key("1")


def test_a_lagging_index_still_has_what_was_removed() -> None:
    seen = set()
    for seed in range(40):
        stage = stale(Stage(seed))
        stage.put("1", holder={"S": "x"})
        stage.update("1", "SET holder = :y", y={"S": "y"})
        seen.add(tuple(sks(stage.of_holder())))

    assert seen == {("1",), ()}


def test_a_lagging_query_lacks_what_was_just_put(stage: Stage) -> None:
    stale(stage).put("1")

    assert sks(stage.query()) == []


def test_a_lagging_scan_still_has_what_was_deleted(stage: Stage) -> None:
    stage.put("1")
    stale(stage)
    stage.client.delete_item(TableName="table", Key=key("1"))

    assert sks(stage.client.scan(TableName="table")) == ["1"]
