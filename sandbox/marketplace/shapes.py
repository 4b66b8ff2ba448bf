"""Checks a request against the shapes AWS publishes, as the service's front door does.

The shapes are botocore's own service model, so every minimum, maximum and pattern is AWS's and
none is copied here. botocore's client checks types and minima only; maxima, patterns and the 25
records are the server's to refuse, and other clients check nothing at all.
"""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.loaders

from sandbox.marketplace.errors import HTTP_STATUS, Refused

# "The tag is invalid, or the number of tags is greater than 5" (botocore 1.44.5 service model,
# InvalidTagException). What AWS answers to other broken constraints is not published; other AWS
# services with JSON protocols answer ValidationException.
CODES = {
    "TagList": "InvalidTagException",
    "TagKey": "InvalidTagException",
    "TagValue": "InvalidTagException",
}
VALUE_SHOWN_CHARACTERS_MAX = 100


@cache
def service_model(service: str) -> dict[str, Any]:
    """Read botocore's model of a service, once."""
    model: dict[str, Any] = botocore.loaders.Loader().load_service_model(service, "service-2")
    return model


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises:
        Refused: It is not UTF-8, not JSON or not an object.
    """
    try:
        fields = json.loads(body or b"{}", parse_constant=_not_json, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Refused("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Refused("SerializationException", "The body is not a JSON object")
    return fields


def check(service: str, operation: str, fields: Mapping[str, Any]) -> None:
    """Refuse a request that its operation's input shape does not allow.

    Members the shape does not know are ignored, as AWS does.

    Raises:
        Refused: SerializationException for a wrong type, ValidationException or the code in
            `CODES` for a broken constraint.
    """
    model = service_model(service)
    try:
        _check(model["shapes"], model["operations"][operation]["input"]["shape"], fields, "")
    except Refused as refused:
        # "One or more parameters in your request was invalid": the one exception for it that the
        # entitlement service has (botocore 1.44.5 service model).
        if refused.code == "ValidationException" and "InvalidParameterException" in model["shapes"]:
            raise Refused("InvalidParameterException", refused.message) from refused
        raise


def http_status(service: str, refused: Refused) -> int:
    """The HTTP status of an error: its own, or the one the service's model says, or the usual."""
    if refused.status is not None:
        return refused.status
    shape = service_model(service)["shapes"].get(refused.code, {}) if service else {}
    modelled: int | None = shape.get("error", {}).get("httpStatusCode")
    return modelled or HTTP_STATUS.get(refused.code, 400)


def fault_code(service: str) -> str:
    """The code of the one exception of a service that says that the service failed."""
    shapes: dict[str, dict[str, Any]] = service_model(service)["shapes"]
    return next(name for name, shape in shapes.items() if shape.get("fault"))


def _check(shapes: dict[str, Any], name: str, value: Any, path: str) -> None:
    shape = shapes[name]
    kind = shape["type"]
    if not _CAN_BE[kind](value):
        raise Refused("SerializationException", f"{_shown(value)} at '{path}' is not a {kind}")
    if kind == "structure":
        _check_members(shapes, shape, value, path)
    elif kind == "list":
        _check_length(name, shape, value, path)
        for index, item in enumerate(value, 1):
            _check(shapes, shape["member"]["shape"], item, f"{path}.{index}.member")
    elif kind == "map":
        for key, item in value.items():
            _check(shapes, shape["key"]["shape"], key, path)
            _check(shapes, shape["value"]["shape"], item, f"{path}.{key}.member")
    elif kind == "string":
        _check_text(name, shape, value, path)
    elif kind == "integer":
        _check_range(name, shape, value, path)


def _check_members(
    shapes: dict[str, Any], shape: dict[str, Any], value: Mapping[str, Any], path: str
) -> None:
    prefix = f"{path}." if path else ""
    for member in shape.get("required", ()):
        if value.get(member) is None:
            where = prefix + _camel(member)
            raise _broken(shape["members"][member]["shape"], None, where, "Member must not be null")
    for member, target in shape["members"].items():
        item = value.get(member)
        if item is not None:
            _check(shapes, target["shape"], item, prefix + _camel(member))


def _check_text(name: str, shape: dict[str, Any], value: str, path: str) -> None:
    _check_length(name, shape, value, path)
    pattern = shape.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        wanted = f"Member must satisfy regular expression pattern: {pattern}"
        raise _broken(name, value, path, wanted)
    if value not in shape.get("enum", (value,)):
        wanted = f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]"
        raise _broken(name, value, path, wanted)


def _check_length(name: str, shape: dict[str, Any], value: Any, path: str) -> None:
    if len(value) < shape.get("min", 0):
        wanted = f"Member must have length greater than or equal to {shape['min']}"
        raise _broken(name, value, path, wanted)
    if len(value) > shape.get("max", math.inf):
        wanted = f"Member must have length less than or equal to {shape['max']}"
        raise _broken(name, value, path, wanted)


def _check_range(name: str, shape: dict[str, Any], value: int, path: str) -> None:
    if value < shape.get("min", -math.inf):
        wanted = f"Member must have value greater than or equal to {shape['min']}"
        raise _broken(name, value, path, wanted)
    if value > shape.get("max", math.inf):
        wanted = f"Member must have value less than or equal to {shape['max']}"
        raise _broken(name, value, path, wanted)


def _broken(name: str, value: Any, path: str, wanted: str) -> Refused:
    return Refused(
        CODES.get(name, "ValidationException"),
        f"1 validation error detected: Value {_shown(value)} at '{path}' "
        f"failed to satisfy constraint: {wanted}",
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return (
        text if len(text) <= VALUE_SHOWN_CHARACTERS_MAX else text[:VALUE_SHOWN_CHARACTERS_MAX] + "…"
    )


def _camel(member: str) -> str:
    return member[0].lower() + member[1:]


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _not_json(number)


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


# JSON has one kind of number and Python takes True for 1: the type itself is asked for.
_CAN_BE = {
    "structure": lambda value: type(value) is dict,
    "map": lambda value: type(value) is dict,
    "list": lambda value: type(value) is list,
    "string": lambda value: type(value) is str,
    "integer": lambda value: type(value) is int,
    "boolean": lambda value: type(value) is bool,
    "timestamp": lambda value: type(value) in (int, float),
}
