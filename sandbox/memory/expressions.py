"""DynamoDB's expressions, compiled to Python functions.

An expression is parsed once (its text and its names are the key of a cache) and then applied to
items and values. What DynamoDB refuses is a ValidationException in DynamoDB's words. Text that
this parser cannot read is an UnsupportedError: it is either wrong or beyond the double, and
neither may pass for an answer of AWS.
"""

import importlib.metadata
import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.memory.attributes import SCALAR_KINDS, Item, Value, invalid, kind_of, order
from sandbox.memory.documents import DocumentPath, read
from sandbox.memory.double import UnsupportedError

Values = dict[str, Value]
Operand = Callable[[Item, Values], Value | None]
Condition = Callable[[Item, Values], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_]\w*)|(?P<name>#\w+)|(?P<value>:\w+)|(?P<index>\d+)"
    r"|(?P<symbol><>|<=|>=|[=<>(),.\[\]+-]))",
    re.ASCII,
)
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SIZED_KINDS = frozenset({"S", "B", "SS", "NS", "BS", "L", "M"})


@cache
def reserved_words() -> frozenset[str]:
    """The words DynamoDB refuses as bare attribute names, from the list that moto carries."""
    listed = importlib.metadata.distribution("moto").locate_file(
        "moto/dynamodb/parsing/reserved_keywords.txt"
    )
    return frozenset(Path(str(listed)).read_text(encoding="utf-8").split())


class Parser:
    """Reads one expression from left to right; notes which placeholders it used."""

    def __init__(self, kind: str, text: str, names: Mapping[str, str]) -> None:
        self.kind = kind
        self.text = text
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self.attributes: set[str] = set()
        self._names = names
        self._tokens = self._split(text)
        self._at = 0

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens = []
        end = len(text.rstrip())
        at = 0
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise self.unreadable()
            tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        return [*tokens, ("end", "")]

    def unreadable(self) -> UnsupportedError:
        """The refusal of this text as a whole."""
        return UnsupportedError(f"{self.kind}: {self.text!r}")

    def peek(self) -> tuple[str, str]:
        """The next token, kept."""
        return self._tokens[self._at]

    def take(self) -> tuple[str, str]:
        """The next token, consumed."""
        token = self._tokens[self._at]
        self._at += token[0] != "end"
        return token

    def take_if(self, symbol: str) -> bool:
        """Consume the next token if it is this symbol, or this keyword in any case."""
        kind, text = self.peek()
        found = text == symbol if kind == "symbol" else kind == "word" and text.upper() == symbol
        if found:
            self.take()
        return found

    def expect(self, symbol: str) -> None:
        """Consume this symbol or keyword; anything else makes the text unreadable."""
        if not self.take_if(symbol):
            raise self.unreadable()

    def expect_end(self) -> None:
        """Nothing may be left."""
        if self.peek()[0] != "end":
            raise self.unreadable()

    def calls(self, *functions: str) -> str | None:
        """The name of the function that starts here, consumed with its parenthesis; or None."""
        kind, text = self.peek()
        if kind == "word" and text in functions and self._tokens[self._at + 1][1] == "(":
            self._at += 2
            return text
        return None

    def path(self) -> DocumentPath:
        """A document path, its names resolved."""
        parts: list[str | int] = [self._attribute_name()]
        self.attributes.add(str(parts[0]))
        while True:
            if self.take_if("."):
                parts.append(self._attribute_name())
            elif self.take_if("["):
                kind, text = self.take()
                if kind != "index":
                    raise self.unreadable()
                parts.append(int(text))
                self.expect("]")
            else:
                return tuple(parts)

    def _attribute_name(self) -> str:
        kind, text = self.take()
        if kind == "word":
            if text.upper() in reserved_words():
                raise invalid(
                    f"Invalid {self.kind}: Attribute name is a reserved keyword; "
                    f"reserved keyword: {text}"
                )
            return text
        if kind != "name":
            raise self.unreadable()
        self.used_names.add(text)
        if text not in self._names:
            raise invalid(
                f"Invalid {self.kind}: An expression attribute name used in the document path is "
                f"not defined; attribute name: {text}"
            )
        return self._names[text]

    def value(self) -> str:
        """The name of a value placeholder."""
        kind, text = self.take()
        if kind != "value":
            raise self.unreadable()
        self.used_values.add(text)
        return text

    def operand(self) -> Operand:
        """What a comparison compares: a path, a value, or a size."""
        if self.peek()[0] == "value":
            return _literal(self.value())
        if self.calls("size"):
            sized = self.operand()
            self.expect(")")
            return _size_of(sized)
        return _read_of(self.path())


def condition(parser: Parser) -> Condition:
    """A whole condition or filter expression."""
    parsed = _alternatives(parser)
    parser.expect_end()
    return parsed


def _alternatives(parser: Parser) -> Condition:
    options = [_conjunction(parser)]
    while parser.take_if("OR"):
        options.append(_conjunction(parser))
    return options[0] if len(options) == 1 else lambda i, v: any(c(i, v) for c in options)


def _conjunction(parser: Parser) -> Condition:
    terms = [_negation(parser)]
    while parser.take_if("AND"):
        terms.append(_negation(parser))
    return terms[0] if len(terms) == 1 else lambda i, v: all(c(i, v) for c in terms)


def _negation(parser: Parser) -> Condition:
    if parser.take_if("NOT"):
        negated = _negation(parser)
        return lambda item, values: not negated(item, values)
    if parser.take_if("("):
        inner = _alternatives(parser)
        parser.expect(")")
        return inner
    return _predicate(parser) or _comparison(parser)


def _predicate(parser: Parser) -> Condition | None:
    function = parser.calls(
        "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"
    )
    if function is None:
        return None
    if function in ("attribute_exists", "attribute_not_exists"):
        found = _read_of(parser.path())
        parser.expect(")")
        wanted = function == "attribute_exists"
        return lambda item, values: (found(item, values) is not None) is wanted
    left = parser.operand()
    parser.expect(",")
    right = parser.operand()
    parser.expect(")")
    test = {"attribute_type": _is_of_type, "begins_with": _begins, "contains": _contains}[function]

    def holds(item: Item, values: Values) -> bool:
        whole, part = left(item, values), right(item, values)
        return whole is not None and part is not None and test(whole, part)

    return holds


def _comparison(parser: Parser) -> Condition:
    left = parser.operand()
    if parser.take_if("BETWEEN"):
        low = parser.operand()
        parser.expect("AND")
        at_least = _ordering(parser.kind, ">=", left, low)
        at_most = _ordering(parser.kind, "<=", left, parser.operand())
        return lambda item, values: at_least(item, values) and at_most(item, values)
    if parser.take_if("IN"):
        parser.expect("(")
        options = [parser.operand()]
        while parser.take_if(","):
            options.append(parser.operand())
        parser.expect(")")
        equals = [_equality(left, option) for option in options]
        return lambda item, values: any(equal(item, values) for equal in equals)
    symbol = parser.take()[1]
    right = parser.operand()
    if symbol == "=":
        return _equality(left, right)
    if symbol == "<>":
        equal = _equality(left, right)
        return lambda item, values: not equal(item, values)
    if symbol not in _ORDERINGS:
        raise parser.unreadable()
    return _ordering(parser.kind, symbol, left, right)


def _literal(placeholder: str) -> Operand:
    return lambda _, values: values[placeholder]


def _read_of(path: DocumentPath) -> Operand:
    if len(path) == 1:
        # A path begins with a name; its type says only that the parts are names or indexes.
        [name] = path
        return lambda item, _: item.get(name)  # type: ignore[arg-type]
    return lambda item, _: read(item, path)


def _size_of(operand: Operand) -> Operand:
    def sized(item: Item, values: Values) -> Value | None:
        value = operand(item, values)
        if value is None or kind_of(value) not in _SIZED_KINDS:
            return None
        return {"N": str(len(value[kind_of(value)]))}

    return sized


def _equality(left: Operand, right: Operand) -> Condition:
    def equal(item: Item, values: Values) -> bool:
        value = left(item, values)
        return value is not None and value == right(item, values)

    return equal


def _ordering(kind: str, symbol: str, left: Operand, right: Operand) -> Condition:
    compare = _ORDERINGS[symbol]

    def ordered(item: Item, values: Values) -> bool:
        a, b = left(item, values), right(item, values)
        if b is not None and kind_of(b) not in SCALAR_KINDS and b in values.values():
            raise invalid(
                f"Invalid {kind}: Incorrect operand type for operator or function; operator or "
                f"function: {symbol}, operand type: {kind_of(b)}"
            )
        if a is None or b is None or kind_of(a) != kind_of(b) or kind_of(a) not in SCALAR_KINDS:
            return False
        return compare(order(a), order(b))

    return ordered


def _is_of_type(value: Value, kind: Value) -> bool:
    return kind_of(value) == kind.get("S")


def _begins(whole: Value, prefix: Value) -> bool:
    kind = kind_of(prefix)
    if kind not in ("S", "B"):
        raise invalid(
            "Incorrect operand type for operator or function; operator or function: begins_with, "
            f"operand type: {kind}"
        )
    return kind in whole and whole[kind].startswith(prefix[kind])


def _contains(whole: Value, part: Value) -> bool:
    kind = kind_of(whole)
    if kind == "L":
        return part in whole["L"]
    if kind in ("SS", "NS", "BS"):
        return kind[0] in part and part[kind[0]] in whole[kind]
    return kind in ("S", "B") and kind in part and part[kind] in whole[kind]
