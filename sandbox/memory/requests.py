"""The expressions of one request: compiled from a cache, bound to the request's values."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sandbox.memory.attributes import invalid, stored
from sandbox.memory.documents import DocumentPath
from sandbox.memory.double import Params
from sandbox.memory.expressions import Condition, Parser, Values, condition
from sandbox.memory.updates import Update, update

_KINDS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_KEY_COMPARISONS = frozenset({"=", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class KeyTerm:
    """One comparison of a key attribute: the operator and its value placeholders."""

    attribute: str
    comparison: str
    placeholders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """One expression, parsed, with what it needs from its request."""

    meaning: Any
    names: frozenset[str]
    values: frozenset[str]
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Expressions:
    """What a request says beside its plain parameters."""

    condition: Condition | None
    filter: Condition | None
    key_terms: tuple[KeyTerm, ...]
    projection: tuple[DocumentPath, ...] | None
    update: Update | None
    values: Values
    # The top-level attributes that the filter and the projection read.
    filtered: frozenset[str]
    projected: frozenset[str]


_NO_EXPRESSIONS = Expressions(None, None, (), None, None, {}, frozenset(), frozenset())


def bind(params: Params) -> Expressions:
    """Compile a request's expressions; refuse undefined and unused placeholders as AWS does."""
    texts = [(kind, params[kind]) for kind in _KINDS if kind in params]
    names = params.get("ExpressionAttributeNames")
    wire_values = params.get("ExpressionAttributeValues")
    if not texts and names is None and wire_values is None:
        return _NO_EXPRESSIONS
    _require_content(texts, names, wire_values)
    frozen_names = tuple((names or {}).items())
    compiled = {kind: _compile(kind, text, frozen_names) for kind, text in texts}
    values = {name: stored(value) for name, value in (wire_values or {}).items()}
    for kind, expression in compiled.items():
        for missing in sorted(expression.values - values.keys()):
            raise invalid(
                f"Invalid {kind}: An expression attribute value used in expression is not "
                f"defined; attribute value: {missing}"
            )
    _require_used("Names", names or {}, [c.names for c in compiled.values()])
    _require_used("Values", values, [c.values for c in compiled.values()])
    meaning = {kind: expression.meaning for kind, expression in compiled.items()}
    none: frozenset[str] = frozenset()
    return Expressions(
        condition=meaning.get("ConditionExpression"),
        filter=meaning.get("FilterExpression"),
        key_terms=meaning.get("KeyConditionExpression", ()),
        projection=meaning.get("ProjectionExpression"),
        update=meaning.get("UpdateExpression"),
        values=values,
        filtered=compiled["FilterExpression"].attributes if "FilterExpression" in meaning else none,
        projected=(
            compiled["ProjectionExpression"].attributes
            if "ProjectionExpression" in meaning
            else none
        ),
    )


def _require_content(texts: list[tuple[str, str]], names: Any, values: Any) -> None:
    for kind, text in texts:
        if not text:
            raise invalid(f"Invalid {kind}: The expression can not be empty;")
    for what, given in (("Names", names), ("Values", values)):
        if given is not None and not texts:
            raise invalid(f"ExpressionAttribute{what} can only be specified when using expressions")
        if given is not None and not given:
            raise invalid(f"ExpressionAttribute{what} must not be empty")


def _require_used(what: str, given: dict[str, Any], used: list[frozenset[str]]) -> None:
    unused = given.keys() - frozenset().union(*used)
    if unused:
        raise invalid(
            f"Value provided in ExpressionAttribute{what} unused in expressions: "
            f"keys: {{{', '.join(sorted(unused))}}}"
        )


@lru_cache(maxsize=4096)
def _compile(kind: str, text: str, names: tuple[tuple[str, str], ...]) -> Compiled:
    parser = Parser(kind, text, dict(names))
    match kind:
        case "UpdateExpression":
            meaning: Any = update(parser)
        case "KeyConditionExpression":
            meaning = tuple(_key_terms(parser))
            parser.expect_end()
        case "ProjectionExpression":
            meaning = _projection(parser)
        case _:
            meaning = condition(parser)
    return Compiled(
        meaning,
        frozenset(parser.used_names),
        frozenset(parser.used_values),
        frozenset(parser.attributes),
    )


def _projection(parser: Parser) -> tuple[DocumentPath, ...]:
    paths = [parser.path()]
    while parser.take_if(","):
        paths.append(parser.path())
    parser.expect_end()
    return tuple(paths)


def _key_terms(parser: Parser) -> list[KeyTerm]:
    terms = _key_term(parser)
    while parser.take_if("AND"):
        terms += _key_term(parser)
    return terms


def _key_term(parser: Parser) -> list[KeyTerm]:
    if parser.take_if("("):
        terms = _key_terms(parser)
        parser.expect(")")
        return terms
    if parser.calls("begins_with"):
        attribute = _key_attribute(parser)
        parser.expect(",")
        term = KeyTerm(attribute, "begins_with", (parser.value(),))
        parser.expect(")")
        return [term]
    attribute = _key_attribute(parser)
    if parser.take_if("BETWEEN"):
        low = parser.value()
        parser.expect("AND")
        return [KeyTerm(attribute, "BETWEEN", (low, parser.value()))]
    comparison = parser.take()[1]
    if comparison not in _KEY_COMPARISONS:
        raise parser.unreadable()
    return [KeyTerm(attribute, comparison, (parser.value(),))]


def _key_attribute(parser: Parser) -> str:
    path = parser.path()
    if len(path) > 1:
        raise parser.unreadable()
    return str(path[0])
