"""What a Lambda function behind a REST API gets and may answer: payload 1.0. Pure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.environment import ACCOUNT
from sandbox.gateway.http import JSON, RefusedError, Request, Response, is_binary, media_type
from sandbox.gateway.routes import Route
from sandbox.gateway.signature import Caller

ANSWER_MEMBERS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
# A function's answer may not say how the connection is run.
CONNECTION_HEADERS = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}
STATUSES = range(100, 600)


def proxy_event(request: Request, route: Route, caller: Caller | None) -> dict[str, Any]:
    """The event that a request becomes."""
    headers = _headers(request, signed=caller is not None)
    queries = request.queries()
    binary = is_binary(request.content_type, route.binary_types)
    body = base64.b64encode(request.body) if binary else request.body
    return {
        "resource": route.resource_path,
        "path": route.path,
        "httpMethod": request.method,
        "headers": dict(headers),
        "multiValueHeaders": _grouped(headers),
        "queryStringParameters": dict(queries) or None,
        "multiValueQueryStringParameters": _grouped(queries) or None,
        "pathParameters": dict(route.path_parameters) or None,
        "stageVariables": dict(route.stage_variables) or None,
        "requestContext": _context(request, route, caller),
        "body": body.decode(errors="replace") if request.body else None,
        "isBase64Encoded": binary and bool(request.body),
    }


def proxy_response(payload: bytes, request: Request, route: Route) -> Response:
    """What the client gets for a function's answer.

    Raises:
        RefusedError: The answer is malformed.
    """
    try:
        status, body, headers = _read(payload, request, route)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        print(f"Malformed Lambda proxy response: {error!r}", flush=True)
        raise RefusedError("DEFAULT_5XX", "Internal server error") from error
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", JSON))
    return Response(status, body, headers)


def _read(
    payload: bytes, request: Request, route: Route
) -> tuple[int, bytes, list[tuple[str, str]]]:
    answer = json.loads(payload)
    if not isinstance(answer, dict) or answer.keys() - ANSWER_MEMBERS:
        raise ValueError(f"not an object of {sorted(ANSWER_MEMBERS)}: {answer}")
    status = int(answer["statusCode"])
    if status not in STATUSES:
        raise ValueError(f"no status: {status}")
    text = answer.get("body") or ""
    accepted = media_type(request.header("Accept")) or JSON
    if answer.get("isBase64Encoded") and is_binary(accepted, route.binary_types):
        return status, base64.b64decode(text, validate=True), _answered_headers(answer)
    return status, text.encode(), _answered_headers(answer)


def _answered_headers(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    several: Mapping[str, Sequence[object]] = answer.get("multiValueHeaders") or {}
    single: Mapping[str, object] = answer.get("headers") or {}
    pairs = [(name, str(value)) for name, values in several.items() for value in values]
    pairs += [(name, str(value)) for name, value in single.items() if name not in several]
    return [(name, value) for name, value in pairs if name.lower() not in CONNECTION_HEADERS]


def _headers(request: Request, *, signed: bool) -> list[tuple[str, str]]:
    left_out = {"host", "connection"}
    if signed:
        left_out.add("authorization")  # for API Gateway, not for who comes after it
    sent = [
        (name, str(value))
        for name, value in request.headers.items()
        if name.lower() not in left_out
    ]
    return [
        *sent,
        ("Host", request.domain),
        ("X-Amzn-Trace-Id", f"Root=1-{int(request.at.timestamp()):08x}-{request.id[-12:]:0>24}"),
        ("X-Forwarded-For", request.source_ip),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _context(request: Request, route: Route, caller: Caller | None) -> dict[str, Any]:
    return {
        "accountId": ACCOUNT,
        "apiId": route.api_id,
        "deploymentId": route.deployment_id,
        "domainName": request.domain,
        "domainPrefix": request.domain.split(".")[0],
        "extendedRequestId": request.id,
        "httpMethod": request.method,
        "identity": {
            "accessKey": caller and caller.access_key,
            "accountId": caller and caller.account,
            "caller": caller and caller.access_key,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": request.source_ip,
            "user": caller and caller.access_key,
            "userAgent": request.header("User-Agent") or None,
            "userArn": caller and caller.arn,
        },
        "path": request.path,
        "protocol": "HTTP/1.1",
        "requestId": request.id,
        "requestTime": f"{request.at:%d/%b/%Y:%H:%M:%S +0000}",
        "requestTimeEpoch": int(request.at.timestamp() * 1000),
        "resourceId": route.resource_id,
        "resourcePath": route.resource_path,
        "stage": route.stage,
    }
