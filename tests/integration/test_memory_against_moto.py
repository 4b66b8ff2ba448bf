"""The doubles of SQS and DynamoDB agree with moto, program by program.

Random programs run twice, against moto and against the double, and every answer must be the same;
errors are compared by their code. Where moto is known to differ from AWS the programs keep away,
and `tests/unit/test_memory_*.py` says what the double does: numbers are written in one spelling
only, sets never run empty by a literal, pages are followed to their end, and nothing is near
400 KB (moto weighs items by another rule).
"""

import random
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
import time_machine
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from sandbox.memory import MemoryDynamoDB, MemorySQS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

Wire = dict[str, Any]
Step = tuple[str, Wire]

PROGRAMS = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# moto shows capacities and metrics that nobody asked for.
UNCOMPARED = frozenset({"ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics"})
TABLE: Wire = {
    "TableName": "table",
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "holder")
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-holder",
            "KeySchema": [
                {"AttributeName": "holder", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


class Clause(NamedTuple):
    """A piece of an expression and the placeholders it uses."""

    text: str
    names: dict[str, str]
    values: dict[str, Wire]


def clause(text: str, **values: Wire) -> Clause:
    """A clause; every attribute but the keys goes by a placeholder of its own name."""
    names = {f"#{word}": word for word in ("n", "s", "tags", "m", "l", "b") if f"#{word}" in text}
    return Clause(text, names, {f":{name}": value for name, value in values.items()})


def joined(template: str, clauses: list[Clause]) -> Clause:
    """Several clauses as one; their value placeholders are numbered apart."""
    texts, names, values = [], {}, {}
    for place, part in enumerate(clauses):
        texts.append(re.sub(r":(\w+)", rf":p{place}_\1", part.text))
        values |= {f":p{place}_{name[1:]}": value for name, value in part.values.items()}
        names |= part.names
    return Clause(template.format(*texts), names, values)


letters = st.sampled_from(["a", "b", "ab", "abc", "é", "z"])
strings = letters.map(lambda text: {"S": text})
numbers = st.integers(-3, 12).map(lambda number: {"N": str(number)})
string_sets = st.sets(letters, min_size=1, max_size=3).map(lambda s: {"SS": sorted(s)})
binaries = st.sampled_from([b"\x00", b"ab", b"\xff\x01"]).map(lambda raw: {"B": raw})
scalars = st.one_of(strings, numbers, binaries)
lists = st.lists(st.one_of(strings, numbers), max_size=3).map(lambda v: {"L": v})
maps = st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(strings, numbers), max_size=2).map(
    lambda v: {"M": v}
)
keys = st.fixed_dictionaries(
    {
        "pk": st.sampled_from(["p", "q"]).map(lambda text: {"S": text}),
        "sk": st.sampled_from(["1", "2", "2x", "3"]).map(lambda text: {"S": text}),
    }
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "holder": st.sampled_from(["x", "y"]).map(lambda text: {"S": text}),
        "n": numbers,
        "s": strings,
        "tags": string_sets,
        "m": maps,
        "l": lists,
        "b": binaries,
        "flag": st.booleans().map(lambda flag: {"BOOL": flag}),
    },
)
items = st.builds(lambda key, rest: {**key, **rest}, keys, attributes)

_path = st.sampled_from(["#n", "#s", "#b", "#m.a", "#l[0]", "sk"])
_symbol = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
simple_conditions = st.one_of(
    st.builds(lambda p: clause(f"attribute_exists({p})"), _path),
    st.builds(lambda p: clause(f"attribute_not_exists({p})"), _path),
    st.builds(lambda p, s, v: clause(f"{p} {s} :v", v=v), _path, _symbol, scalars),
    st.builds(lambda p: clause(f"sk < {p}"), st.sampled_from(["#s", "#n"])),
    st.builds(lambda a, b: clause("#n BETWEEN :a AND :b", a=a, b=b), numbers, numbers),
    st.builds(lambda a, b: clause("#s IN (:a, :b)", a=a, b=b), strings, strings),
    st.builds(lambda p: clause("begins_with(#s, :p)", p=p), strings),
    st.builds(lambda p: clause("contains(#tags, :p)", p=p), strings),
    st.builds(lambda p: clause("contains(#s, :p)", p=p), strings),
    st.builds(lambda p: clause("contains(#l, :p)", p=p), scalars),
    st.builds(
        lambda s, n: clause(f"attribute_exists(#s) AND size(#s) {s} :n", n=n), _symbol, numbers
    ),
    st.builds(
        lambda p, k: clause(f"attribute_type({p}, :k)", k={"S": k}),
        _path,
        st.sampled_from(["S", "N", "L"]),
    ),
)
conditions = st.recursive(
    simple_conditions,
    lambda inner: st.one_of(
        st.builds(lambda a: joined("NOT ({})", [a]), inner),
        st.builds(lambda a, b: joined("({}) AND ({})", [a, b]), inner, inner),
        st.builds(lambda a, b: joined("{} OR {}", [a, b]), inner, inner),
    ),
    max_leaves=3,
)

# One change for each attribute, so that no two paths of an update overlap.
_sets = {
    "n": st.one_of(
        st.builds(lambda v: clause("#n = :v", v=v), numbers),
        st.builds(lambda v: clause("#n = #n - :v", v=v), numbers),
        st.builds(
            lambda z, v: clause("#n = if_not_exists(#n, :z) + :v", z=z, v=v), numbers, numbers
        ),
    ),
    "s": st.one_of(
        st.builds(lambda v: clause("#s = :v", v=v), strings),
        st.builds(lambda v: clause("#s = if_not_exists(#b, :v)", v=v), strings),
    ),
    "m": st.one_of(
        st.builds(lambda v: clause("#m = :v", v=v), maps),
        st.builds(lambda v: clause("#m.a = :v", v=v), scalars),
    ),
    "l": st.one_of(
        st.builds(lambda v: clause("#l = :v", v=v), lists),
        st.builds(lambda v: clause("#l = list_append(#l, :v)", v=v), lists),
        st.builds(lambda v: clause("#l[1] = :v", v=v), scalars),
    ),
}
_removes = {
    "b": st.just(clause("#b")),
    "s": st.just(clause("#s")),
    "m": st.just(clause("#m.a")),
    "l": st.just(clause("#l[0]")),
}
_adds = {
    "n": st.builds(lambda v: clause("#n :v", v=v), numbers),
    "tags": st.builds(lambda v: clause("#tags :v", v=v), string_sets),
}
_deletes = {"tags": st.builds(lambda v: clause("#tags :v", v=v), string_sets)}


@st.composite
def updates(draw: st.DrawFn) -> Clause:
    """An update expression of one to three clauses about different attributes."""
    free = {"n", "s", "m", "l", "b", "tags"}
    parts = []
    for word, choices in (
        ("SET", _sets),
        ("REMOVE", _removes),
        ("ADD", _adds),
        ("DELETE", _deletes),
    ):
        usable = sorted(free & choices.keys())
        if not usable or not draw(st.booleans()):
            continue
        wanted = draw(st.lists(st.sampled_from(usable), min_size=1, max_size=2, unique=True))
        free -= set(wanted)
        changes = [draw(choices[name]) for name in wanted]
        parts.append(joined(f"{word} " + ", ".join(["{}"] * len(changes)), changes))
    return (
        joined(" ".join(["{}"] * len(parts)), parts)
        if parts
        else draw(st.just(clause("SET #s = :v", v={"S": "a"})))
    )


def bound(**expressions: Clause | None) -> Wire:
    """Expressions as request parameters, without empty ones."""
    given_ones = {kind: part for kind, part in expressions.items() if part is not None}
    together = joined("\0".join(["{}"] * len(given_ones)), list(given_ones.values()))
    params: Wire = (
        dict(zip(given_ones, together.text.split("\0"), strict=True)) if given_ones else {}
    )
    if together.names:
        params["ExpressionAttributeNames"] = together.names
    if together.values:
        params["ExpressionAttributeValues"] = together.values
    return params


maybe_condition = st.none() | conditions
_on_failure = st.sampled_from([{}, {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}])
puts = st.builds(
    lambda item, c, f: {"Item": item, **bound(ConditionExpression=c), **(f if c else {})},
    items,
    maybe_condition,
    _on_failure,
)
deletes = st.builds(
    lambda key, c, f: {"Key": key, **bound(ConditionExpression=c), **(f if c else {})},
    keys,
    maybe_condition,
    _on_failure,
)
changes = st.builds(
    lambda key, u, c, f: {
        "Key": key,
        **bound(UpdateExpression=u, ConditionExpression=c),
        **(f if c else {}),
    },
    keys,
    updates(),
    maybe_condition,
    _on_failure,
)


def returning(requests: st.SearchStrategy[Wire], *values: str) -> st.SearchStrategy[Wire]:
    """The same requests, asking for return values."""
    return st.builds(lambda r, v: {**r, "ReturnValues": v}, requests, st.sampled_from(values))


_sort_conditions = st.one_of(
    st.none(),
    st.builds(
        lambda s, v: clause(f"sk {s} :v", v={"S": v}),
        st.sampled_from(["=", "<", "<=", ">", ">="]),
        st.sampled_from(["1", "2", "3"]),
    ),
    st.just(clause("sk BETWEEN :a AND :b", a={"S": "1"}, b={"S": "2x"})),
    st.just(clause("begins_with(sk, :a)", a={"S": "2"})),
)


@st.composite
def queries(draw: st.DrawFn) -> Wire:
    """A query of the table or of its index, in either direction, filtered or not."""
    index = draw(st.booleans())
    partition = clause("holder = :p", p={"S": "x"}) if index else clause("pk = :p", p={"S": "p"})
    sort = draw(_sort_conditions)
    key = joined("{} AND {}", [partition, sort]) if sort else partition
    holds = draw(st.none() | st.builds(lambda v: clause("#n > :v", v=v), numbers))
    params = bound(KeyConditionExpression=key, FilterExpression=holds)
    if index:
        params["IndexName"] = "by-holder"
    return params | {"ScanIndexForward": draw(st.booleans()), "Limit": draw(st.integers(1, 4))}


transactions = st.lists(
    st.one_of(
        puts.map(lambda r: {"Put": r}),
        deletes.map(lambda r: {"Delete": r}),
        changes.map(lambda r: {"Update": r}),
        st.builds(
            lambda key, c: {"ConditionCheck": {"Key": key, **bound(ConditionExpression=c)}},
            keys,
            conditions,
        ),
    ),
    min_size=1,
    max_size=3,
)


def in_table(action: Wire) -> Wire:
    """A transaction's action with its table."""
    [(kind, request)] = action.items()
    return {kind: {"TableName": "table", **request}}


table_steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("put_item"), returning(puts, "NONE", "ALL_OLD")),
    st.tuples(st.just("delete_item"), returning(deletes, "NONE", "ALL_OLD")),
    st.tuples(
        st.just("update_item"),
        returning(changes, "NONE", "ALL_OLD", "ALL_NEW"),
    ),
    st.tuples(st.just("get_item"), keys.map(lambda key: {"Key": key})),
    st.tuples(st.just("query"), queries()),
    st.tuples(st.just("scan"), st.builds(lambda c: bound(FilterExpression=c), maybe_condition)),
    st.tuples(
        st.just("batch_get_item"),
        st.lists(keys, min_size=1, max_size=4).map(
            lambda wanted: {"RequestItems": {"table": {"Keys": wanted}}}
        ),
    ),
    st.tuples(
        st.just("transact_write_items"),
        transactions.map(lambda actions: {"TransactItems": [in_table(a) for a in actions]}),
    ),
)


def plain(answer: Any) -> Any:
    """An answer without what may differ: metadata, the order of sets, times, capacities."""
    if isinstance(answer, dict):
        return {
            kind: sorted(value) if kind in ("SS", "NS", "BS") else plain(value)
            for kind, value in answer.items()
            if kind not in UNCOMPARED
        }
    return [plain(element) for element in answer] if isinstance(answer, list) else answer


def outcome(call: Callable[[], Wire]) -> Any:
    """What a call answers, or the code and the details of its error."""
    try:
        return plain(call())
    except ClientError as error:
        reasons = error.response.get("CancellationReasons", [])
        return (
            error.response["Error"]["Code"],
            [reason["Code"] for reason in reasons],
            plain(error.response.get("Item")),
        )


def paged(client: "DynamoDBClient", operation: str, params: Wire) -> Wire:
    """All pages of a query or scan as one answer."""
    found: list[Wire] = []
    pages = client.get_paginator(operation).paginate(TableName="table", **params)  # type: ignore[call-overload]
    for page in pages:
        found += page["Items"]
    if operation == "scan":
        found.sort(key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
    return {"Items": found}


def run_on_table(client: "DynamoDBClient", step: Step) -> Any:
    operation, params = step
    if operation in ("query", "scan"):
        return outcome(lambda: paged(client, operation, params))
    if operation == "batch_get_item":
        answer = outcome(lambda: client.batch_get_item(**params))
        if isinstance(answer, dict):
            answer["Responses"]["table"].sort(key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
        return answer
    if operation != "transact_write_items":
        params = {"TableName": "table", **params}
    return outcome(lambda: getattr(client, operation)(**params))


@PROGRAMS
@given(st.lists(table_steps, min_size=1, max_size=20))
def test_the_table_answers_every_program_as_moto_does(program: list[Step]) -> None:
    tables = MemoryDynamoDB(now=lambda: 0.0, rng=random.Random(1))
    double = tables.client()
    double.create_table(**TABLE)
    with mock_aws():
        moto = boto3.client("dynamodb", region_name="us-east-1")
        moto.create_table(**TABLE)

        for step in program:
            assert run_on_table(double, step) == run_on_table(moto, step), step
        assert tables.items("table") == paged(moto, "scan", {})["Items"]
