"""Mapping templates of API Gateway, as far as this project uses them. Pure.

Understood are `$input.body`, `$input.path('$.a.b')`, `$context.name`, and around any of them
`$util.urlEncode(…)` and `$util.escapeJavaScript(…)`. Everything else is refused by name: a template
that is filled in wrongly would look like a producer that sends wrong usage.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

BODY = re.compile(r"\$input\.body\b")
PATH = re.compile(r"\$input\.path\('\$\.([\w.]+)'\)")
CONTEXT = re.compile(r"\$context\.([\w.]*\w)")
FUNCTION = re.compile(r"\$util\.(urlEncode|escapeJavaScript)\(")
# Where a reference, a directive or a comment begins; any other $ or # stands for itself.
REFERENCE = re.compile(
    r"\$!?\{?[A-Za-z]|#\{?(?:[#*@]|set|if|else|end|foreach|include|parse|stop|define|macro)"
)
UNKNOWN_CHARACTERS_SHOWN = 40


class UnknownTemplateError(ValueError):
    """A template is wrong, or beyond the sandbox."""


def render(template: str, *, body: str = "", context: Mapping[str, str] | None = None) -> str:
    """Fill in a template.

    Args:
        template: The template.
        body: What `$input` means.
        context: What `$context` knows.

    Raises:
        UnknownTemplateError: The sandbox cannot fill it in.

    >>> render("Action=SendMessage&MessageBody=$util.urlEncode($input.body)", body='{"a": 1}')
    'Action=SendMessage&MessageBody=%7B%22a%22%3A+1%7D'
    """
    rendered, at = [], 0
    while match := REFERENCE.search(template, at):
        rendered.append(template[at : match.start()])
        text, at = _reference(template, match.start(), body, context or {})
        rendered.append(text)
    return "".join([*rendered, template[at:]])


def static(mapping: str) -> str:
    """The text that a parameter is mapped to: `'no-store'`, with its quotes.

    Raises:
        UnknownTemplateError: It is no static text; the sandbox knows no other mapping.

    >>> static("'no-store'")
    'no-store'
    """
    if len(mapping) > 1 and mapping[0] == mapping[-1] == "'":
        return mapping[1:-1]
    raise UnknownTemplateError(f"The sandbox cannot map {mapping}, only text such as 'no-store'.")


def _reference(template: str, at: int, body: str, context: Mapping[str, str]) -> tuple[str, int]:
    if match := BODY.match(template, at):
        return body, match.end()
    if match := PATH.match(template, at):
        return _path(body, match[1].split(".")), match.end()
    if (match := CONTEXT.match(template, at)) and match[1] in context:
        return context[match[1]], match.end()
    if match := FUNCTION.match(template, at):
        argument, end = _reference(template, match.end(), body, context)
        if template[end : end + 1] == ")":
            encode = quote_plus if match[1] == "urlEncode" else _escape_javascript
            return encode(argument), end + 1
    unknown = template[at : at + UNKNOWN_CHARACTERS_SHOWN]
    raise UnknownTemplateError(f"The sandbox cannot fill in {unknown!r} of a template.")


def _path(body: str, names: list[str]) -> str:
    value: Any = json.loads(body)
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def _escape_javascript(text: str) -> str:
    # As in API Gateway, a single quote is escaped as well, which makes the text invalid as JSON.
    return json.dumps(text)[1:-1].replace("'", "\\'").replace("/", "\\/")
