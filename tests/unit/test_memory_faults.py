"""What a simulation may do to every call of a double, whichever service it doubles."""

from random import Random
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from greenlet import getcurrent, greenlet

from sandbox.memory import Fault, MemoryDynamoDB, MemorySQS, ServiceError, UnsupportedError

KEY = {"pk": {"S": "p"}}
PUT_IF_ABSENT: Any = {
    "TableName": "table",
    "Item": KEY,
    "ConditionExpression": "attribute_not_exists(pk)",
}


class Killed(BaseException):
    """A tick dies."""


@pytest.fixture
def tables() -> MemoryDynamoDB:
    double = MemoryDynamoDB(now=lambda: 0.0, rng=Random(1))
    double.client().create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    double.reset_counters()
    return double


def raising(error: BaseException) -> Any:
    def hook(*_: object) -> None:
        raise error

    return hook


def always(fault: Fault) -> Any:
    return lambda *_: fault


def test_parameters_are_validated_by_botocore_before_the_double_sees_them(
    tables: MemoryDynamoDB,
) -> None:
    with pytest.raises(ParamValidationError):
        tables.client().put_item(TableName="table", Item="nonsense")  # type: ignore[arg-type]

    assert not tables.counters.requests


def test_hooks_see_service_operation_parameters_and_answer(tables: MemoryDynamoDB) -> None:
    seen: list[Any] = []
    tables.on_call = lambda *call: seen.append(call)
    tables.on_answer = lambda *call: seen.append(call)

    tables.client().get_item(TableName="table", Key=KEY)

    call = ("dynamodb", "GetItem", {"TableName": "table", "Key": KEY})
    assert seen == [call, (*call, {})]


def test_a_death_before_a_call_leaves_nothing_behind(tables: MemoryDynamoDB) -> None:
    tables.on_call = raising(Killed())

    with pytest.raises(Killed):
        tables.client().put_item(TableName="table", Item=KEY)

    assert not tables.items("table")


def test_a_death_after_a_call_leaves_it_done(tables: MemoryDynamoDB) -> None:
    tables.on_answer = raising(Killed())

    with pytest.raises(Killed):
        tables.client().put_item(TableName="table", Item=KEY)

    assert tables.items("table") == [KEY]


def test_a_lost_answer_is_a_time_out_of_a_call_that_was_executed(tables: MemoryDynamoDB) -> None:
    tables.on_call = always(Fault.ANSWER_LOST)

    with pytest.raises(ReadTimeoutError):
        tables.client().put_item(TableName="table", Item=KEY)

    assert tables.items("table") == [KEY]


def test_an_unreachable_service_executes_nothing(tables: MemoryDynamoDB) -> None:
    tables.on_call = always(Fault.UNREACHABLE)

    with pytest.raises(EndpointConnectionError):
        tables.client().put_item(TableName="table", Item=KEY)

    assert not tables.items("table")


def test_an_internal_error_before_the_call_executes_nothing(tables: MemoryDynamoDB) -> None:
    tables.on_call = always(Fault.INTERNAL_ERROR)
    client = tables.client()

    with pytest.raises(client.exceptions.InternalServerError):
        client.put_item(TableName="table", Item=KEY)

    assert not tables.items("table")


def test_an_internal_error_after_the_call_hides_that_it_was_executed(
    tables: MemoryDynamoDB,
) -> None:
    tables.on_answer = always(Fault.INTERNAL_ERROR)
    client = tables.client()

    with pytest.raises(client.exceptions.InternalServerError):
        client.put_item(TableName="table", Item=KEY)

    assert tables.items("table") == [KEY]


def test_throttling_executes_nothing_and_comes_under_each_of_its_names(
    tables: MemoryDynamoDB,
) -> None:
    tables.on_call = always(Fault.THROTTLED)
    client = tables.client()
    codes = set()

    for _ in range(20):
        with pytest.raises(ClientError) as caught:
            client.put_item(TableName="table", Item=KEY)
        codes.add(caught.value.response["Error"]["Code"])

    assert codes == {"ProvisionedThroughputExceededException", "ThrottlingException"}
    assert not tables.items("table")


def test_sqs_throttles_with_its_own_exception() -> None:
    queues = MemorySQS(now=lambda: 0.0, rng=Random(1))
    client = queues.client()
    queues.on_call = always(Fault.THROTTLED)

    with pytest.raises(client.exceptions.RequestThrottled):
        client.create_queue(QueueName="queue")


def test_a_late_write_is_a_time_out_until_it_lands(tables: MemoryDynamoDB) -> None:
    tables.on_call = always(Fault.LATE)
    with pytest.raises(ReadTimeoutError):
        tables.client().put_item(TableName="table", Item=KEY)
    before = tables.items("table")

    tables.land_pending()

    assert (before, tables.items("table")) == ([], [KEY])


def test_a_late_write_loses_to_one_that_came_before_it(tables: MemoryDynamoDB) -> None:
    client = tables.client()
    tables.on_call = always(Fault.LATE)
    with pytest.raises(ReadTimeoutError):
        client.put_item(**PUT_IF_ABSENT)
    tables.on_call = None
    client.put_item(TableName="table", Item={**KEY, "winner": {"BOOL": True}})

    [answer] = tables.land_pending()

    assert isinstance(answer, ServiceError)
    assert answer.code == "ConditionalCheckFailedException"


def test_late_writes_land_in_the_order_the_simulation_chooses(tables: MemoryDynamoDB) -> None:
    client = tables.client()
    tables.on_call = always(Fault.LATE)
    for name in "ab":
        with pytest.raises(ReadTimeoutError):
            client.put_item(TableName="table", Item={**KEY, "from": {"S": name}})

    tables.land_pending(1)
    tables.land_pending(0)

    assert tables.items("table") == [{**KEY, "from": {"S": "a"}}]


def test_a_conditional_put_that_the_transport_repeats_meets_itself(tables: MemoryDynamoDB) -> None:
    tables.on_call = always(Fault.TWICE)
    client = tables.client()

    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(**PUT_IF_ABSENT)

    assert tables.items("table") == [KEY]


def test_a_hook_may_raise_an_error_answer_of_its_own(tables: MemoryDynamoDB) -> None:
    tables.on_call = raising(ServiceError(400, "LimitExceededException", "Enough."))
    client = tables.client()

    with pytest.raises(client.exceptions.LimitExceededException, match="Enough"):
        client.get_item(TableName="table", Key=KEY)


def test_a_hook_may_make_calls_itself(tables: MemoryDynamoDB) -> None:
    client = tables.client()

    def rival(*_: object) -> None:
        tables.on_call = None
        client.put_item(TableName="table", Item=KEY)

    tables.on_call = rival
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(**PUT_IF_ABSENT)


def test_ticks_in_greenlets_interleave_at_every_call(tables: MemoryDynamoDB) -> None:
    client = tables.client()
    order: list[str] = []
    main = getcurrent()
    tables.on_call = lambda *_: main.switch() and None

    def tick(name: str) -> None:
        for _ in range(2):
            client.get_item(TableName="table", Key=KEY)
            order.append(name)

    ticks = [greenlet(tick), greenlet(tick)]
    for running, name in zip(ticks, "ab", strict=True):
        running.switch(name)
    while not all(running.dead for running in ticks):
        for running in ticks:
            running.switch()

    assert order == ["a", "b", "a", "b"]


def test_the_transport_repeats_when_the_caller_configures_retries(tables: MemoryDynamoDB) -> None:
    faults = iter([Fault.ANSWER_LOST, None])
    tables.on_call = lambda *_: next(faults)
    client = tables.client(Config(retries={"total_max_attempts": 2, "mode": "standard"}))

    client.put_item(TableName="table", Item=KEY)

    assert tables.counters.requests == {"PutItem": 2}


def test_what_the_double_does_not_know_cannot_be_survived(tables: MemoryDynamoDB) -> None:
    client = tables.client()

    def survivor() -> None:
        try:
            client.describe_table(TableName="table")
        except Exception:  # noqa: BLE001  (the very thing that must not catch it)
            pytest.fail("survived")

    with pytest.raises(UnsupportedError, match="DescribeTable"):
        survivor()


def test_a_parameter_that_the_double_ignores_is_refused(tables: MemoryDynamoDB) -> None:
    with pytest.raises(UnsupportedError, match="ReturnItemCollectionMetrics"):
        tables.client().put_item(TableName="table", Item=KEY, ReturnItemCollectionMetrics="SIZE")


def test_counters_start_again_when_they_are_reset(tables: MemoryDynamoDB) -> None:
    client = tables.client()
    with pytest.raises(ClientError):
        client.get_item(TableName="nowhere", Key=KEY)

    counted = tables.reset_counters()

    assert counted.requests == {"GetItem": 1}
    assert counted.errors == {"ResourceNotFoundException": 1}
    assert counted.request_bytes > 0
    assert counted.answer_bytes > 0
    assert not tables.counters.requests
