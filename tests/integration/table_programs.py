"""Random requests for a DynamoDB table with few keys, so that they meet.

They keep away from where moto is known to differ from AWS: numbers are written in one spelling,
operands of a comparison are of the attribute's own type and guarded against absence, and nothing
is near 400 KB.
"""

import random
import re
from typing import Any, NamedTuple

Wire = dict[str, Any]

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
# Attributes whose values every program changes, with the type each of them has.
TYPES = {"n": "N", "s": "S", "b": "B", "tags": "SS", "m": "M", "l": "L"}
TABLE_OPERATIONS = (
    "put_item",
    "put_item",
    "update_item",
    "update_item",
    "delete_item",
    "get_item",
    "batch_get_item",
    "query",
    "scan",
    "transact_write_items",
)
LETTERS = ("a", "b", "ab", "abc", "é", "z")


class Clause(NamedTuple):
    """A piece of an expression and the values it names."""

    text: str
    values: dict[str, Wire]


def joined(glue: str, clauses: list[Clause]) -> Clause:
    """Several clauses as one; their value placeholders are numbered apart."""
    texts: list[str] = []
    values: dict[str, Wire] = {}
    for place, part in enumerate(clauses):
        texts.append(re.sub(r":(\w+)", rf":p{place}_\1", part.text))
        values |= {f":p{place}_{name[1:]}": value for name, value in part.values.items()}
    return Clause(glue.join(texts), values)


def clause(text: str, **values: Wire) -> Clause:
    return Clause(text, {f":{name}": value for name, value in values.items()})


def bound(**expressions: Clause | None) -> Wire:
    """Expressions as request parameters; attributes go by placeholders of their own name."""
    kinds = [kind for kind, part in expressions.items() if part]
    together = joined("\0", [part for part in expressions.values() if part])
    params: Wire = dict(zip(kinds, together.text.split("\0"), strict=False))
    names = {name: name[1:] for name in re.findall(r"#\w+", together.text)}
    if names:
        params["ExpressionAttributeNames"] = names
    if together.values:
        params["ExpressionAttributeValues"] = together.values
    return params


class Dice:
    """Random requests for a table with few keys, so that they meet."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.one_of = self.rng.choice

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def value(self, kind: str) -> Wire:
        letters = self.rng.sample(LETTERS, self.rng.randint(1, 3))
        match kind:
            case "S":
                return {"S": letters[0]}
            case "N":
                return {"N": str(self.rng.randint(-3, 12))}
            case "B":
                return {"B": letters[0].encode()}
            case "SS":
                return {"SS": sorted(letters)}
            case "M":
                return {"M": {name: self.scalar() for name in "ab" if self.chance(0.6)}}
        return {"L": [self.scalar() for _ in letters]}

    def scalar(self) -> Wire:
        return self.value(self.one_of("SN"))

    def key(self) -> Wire:
        return {"pk": {"S": self.one_of("pq")}, "sk": {"S": self.one_of(("1", "2", "2x", "3"))}}

    def item(self) -> Wire:
        rest = {name: self.value(kind) for name, kind in TYPES.items() if self.chance(0.5)}
        holder = {"holder": {"S": self.one_of("xy")}} if self.chance(0.6) else {}
        return {**self.key(), **rest, **holder, "flag": {"BOOL": self.chance(0.5)}}

    def condition(self, depth: int = 2) -> Clause:
        if depth and self.chance(0.4):
            inner = [self.condition(depth - 1) for _ in range(2)]
            return joined(self.one_of((" AND ", " OR ")), [_wrapped(part) for part in inner])
        if depth and self.chance(0.2):
            negated = self.condition(depth - 1)
            return Clause(f"NOT ({negated.text})", negated.values)
        return self.simple_condition(self.one_of("nsb"))

    def simple_condition(self, name: str) -> Clause:
        value, other = self.value(TYPES[name]), self.value(TYPES[name])
        symbol = self.one_of(("=", "<>", "<", "<=", ">", ">="))
        guard = f"attribute_exists(#{name}) AND"
        text, letters = f"contains({self.one_of(('#tags', '#s'))}, :v)", self.value("S")
        return self.one_of(
            (
                clause(f"attribute_exists({self.path()})"),
                clause(f"attribute_not_exists({self.path()})"),
                clause(f"{guard} #{name} {symbol} :v", v=value),
                clause(f"#{name} = :v", v=value),
                clause(f"#{name} <> :v", v=value),
                clause("#m.a = :v OR #l[0] = :v", v=self.scalar()),
                clause(f"{guard} #{name} BETWEEN :v AND :w", v=value, w=other),
                clause(f"#{name} IN (:v, :w)", v=value, w=other),
                clause("attribute_exists(#s) AND begins_with(#s, :v)", v=letters),
                clause(text, v=letters),
                clause("contains(#l, :v)", v=self.scalar()),
                clause(f"attribute_exists(#s) AND size(#s) {symbol} :v", v=self.value("N")),
                clause("attribute_type(#n, :v)", v={"S": self.one_of("SN")}),
            )
        )

    def path(self) -> str:
        return self.one_of(("pk", "sk", "#n", "#s", "#tags", "#m.a", "#l[1]", "#flag"))

    def update(self) -> Clause:
        """Up to four clauses; no two of their paths overlap."""
        free = list(TYPES)
        self.rng.shuffle(free)
        changes: dict[str, list[Clause]] = {}
        for name in free[: self.rng.randint(1, 4)]:
            word, change = self.one_of(self.changes(name, self.value(TYPES[name])))
            changes.setdefault(word, []).append(change)
        parts = {word: joined(", ", some) for word, some in changes.items()}
        return joined(" ", [Clause(f"{w} {part.text}", part.values) for w, part in parts.items()])

    def changes(self, name: str, value: Wire) -> list[tuple[str, Clause]]:
        """What an update may do to one attribute."""
        any_type = [
            ("SET", clause(f"#{name} = :v", v=value)),
            ("SET", clause(f"#{name} = if_not_exists(#{name}, :v)", v=value)),
            ("REMOVE", clause(f"#{name}")),
        ]
        add = ("ADD", clause(f"#{name} :v", v=value))
        own = {
            "n": [
                add,
                ("SET", clause("#n = #n - :v", v=value)),
                ("SET", clause("#n = if_not_exists(#n, :z) + :v", z={"N": "0"}, v=value)),
            ],
            "tags": [add, ("DELETE", clause("#tags :v", v=value))],
            "m": [("SET", clause("#m.a = :v", v=self.scalar())), ("REMOVE", clause("#m.a"))],
            "l": [("SET", clause("#l[1] = :v", v=self.scalar())), ("REMOVE", clause("#l[0]"))],
        }
        return any_type + own.get(name, [])

    def conditional(self, request: Wire, **expressions: Clause) -> Wire:
        if self.chance(0.5):
            return {**request, **bound(**expressions)}
        shown = {"ReturnValuesOnConditionCheckFailure": self.one_of(("NONE", "ALL_OLD"))}
        return {**request, **shown, **bound(ConditionExpression=self.condition(), **expressions)}

    def put(self) -> Wire:
        return self.conditional({"Item": self.item()})

    def delete(self) -> Wire:
        return self.conditional({"Key": self.key()})

    def change(self) -> Wire:
        return self.conditional({"Key": self.key()}, UpdateExpression=self.update())

    def query(self) -> Wire:
        """A query of the table or its index, in either direction, filtered or not."""
        partition = clause("pk = :p", p={"S": self.one_of("pq")})
        index: Wire = {}
        if self.chance(0.5):
            partition = clause("holder = :p", p={"S": self.one_of("xy")})
            index = {"IndexName": "by-holder"}
        low, high = sorted(self.rng.sample(("1", "2", "2x", "3"), 2))
        sorts = [
            *(clause(f"sk {symbol} :v", v={"S": low}) for symbol in ("=", "<", "<=", ">", ">=")),
            clause("sk BETWEEN :v AND :w", v={"S": low}, w={"S": high}),
            clause("begins_with(sk, :v)", v={"S": low}),
        ]
        key = joined(" AND ", [partition, self.one_of(sorts)]) if self.chance(0.7) else partition
        filtered = clause("contains(#tags, :v)", v=self.value("S")) if self.chance(0.3) else None
        return {
            **index,
            **bound(KeyConditionExpression=key, FilterExpression=filtered),
            "ScanIndexForward": self.chance(0.5),
            "Limit": self.rng.randint(1, 4),
        }

    def check(self) -> Wire:
        return {"Key": self.key(), **bound(ConditionExpression=self.condition())}

    def action(self) -> Wire:
        """One action of a transaction."""
        kind, request = self.one_of(
            (
                ("Put", self.put),
                ("Delete", self.delete),
                ("Update", self.change),
                ("ConditionCheck", self.check),
            )
        )
        return {kind: {"TableName": "table", **request()}}

    def step(self) -> tuple[str, Wire]:
        """One call."""
        match self.one_of(TABLE_OPERATIONS):
            case "put_item" as operation:
                request = self.put()
            case "delete_item" as operation:
                request = self.delete()
            case "update_item" as operation:
                shown = self.one_of(("NONE", "ALL_OLD", "ALL_NEW"))
                return operation, {**self.change(), "ReturnValues": shown}
            case "query" as operation:
                return operation, self.query()
            case "scan" as operation:
                return operation, bound(FilterExpression=self.condition())
            case "get_item" as operation:
                return operation, {"Key": self.key()}
            case "batch_get_item" as operation:
                keys = [self.key() for _ in range(self.rng.randint(1, 4))]
                return operation, {"RequestItems": {"table": {"Keys": keys}}}
            case operation:
                actions = [self.action() for _ in range(self.rng.randint(1, 3))]
                return operation, {"TransactItems": actions}
        return operation, {**request, "ReturnValues": self.one_of(("NONE", "ALL_OLD"))}


def _wrapped(part: Clause) -> Clause:
    return Clause(f"({part.text})", part.values)
