"""Requests and answers of the API front, and the errors that API Gateway itself answers. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from urllib.parse import parse_qsl

from sandbox.gateway.templates import render, static

JSON = "application/json"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-gateway-response-using-the-console.html
DEFAULT_TEMPLATES = {JSON: '{"message":$context.error.messageString}'}
# Status and exception of the response types that the sandbox knows.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
RESPONSE_TYPES = {
    "ACCESS_DENIED": (403, "AccessDeniedException"),
    "API_CONFIGURATION_ERROR": (500, "InternalServerErrorException"),
    "DEFAULT_5XX": (502, "InternalServerErrorException"),
    "INTEGRATION_FAILURE": (504, "InternalServerErrorException"),
    "INTEGRATION_TIMEOUT": (504, "InternalServerErrorException"),
    "INVALID_SIGNATURE": (403, "InvalidSignatureException"),
    "MISSING_AUTHENTICATION_TOKEN": (403, "MissingAuthenticationTokenException"),
    "REQUEST_TOO_LARGE": (413, "RequestTooLargeException"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "BadRequestException"),
}
HEADER = "gatewayresponse.header."


class RefusedError(Exception):
    """API Gateway answers the request itself.

    Args:
        kind: The type of the gateway response.
        message: What it tells.
        exception: The name that AWS gives the error, where it is not that of the type.
    """

    def __init__(self, kind: str, message: str, exception: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.exception = exception or RESPONSE_TYPES[kind][1]


@dataclass(frozen=True, slots=True)
class Request:
    """One request for an API, its path and query as they were sent."""

    id: str
    at: datetime
    method: str
    # The name of the API's host in the URL at AWS, and what follows it there.
    domain: str
    path: str
    query: str
    # The URL that the client has really sent it to; a signature is for that one.
    sent_to: str
    headers: Message
    body: bytes
    source_ip: str

    def queries(self) -> list[tuple[str, str]]:
        """Names and values of the query string, decoded."""
        return parse_qsl(self.query, keep_blank_values=True)

    def header(self, name: str) -> str:
        """One header, empty if it is not there."""
        return str(self.headers.get(name, ""))

    @property
    def content_type(self) -> str:
        """What the body is; API Gateway takes a body that says nothing for JSON."""
        return media_type(self.header("Content-Type")) or JSON


@dataclass(frozen=True, slots=True)
class Response:
    """What a client gets."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]] = field(default_factory=tuple)


def media_type(header: str) -> str:
    """The first media type of a header, without parameters.

    >>> media_type("text/html; charset=utf-8, text/plain")
    'text/html'
    """
    return header.split(",")[0].split(";")[0].strip().lower()


def is_binary(kind: str, binary_types: Sequence[str]) -> bool:
    """Whether an API treats this media type as bytes.

    >>> is_binary("image/png", ["image/*"]), is_binary("text/html", ["image/*"])
    (True, False)
    """
    main = kind.split("/")[0]
    return any(each in {kind, f"{main}/*", "*/*"} for each in binary_types)


def refusal(
    error: RefusedError, request: Request, customized: Mapping[str, Mapping[str, object]]
) -> Response:
    """What the API answers in the place of an integration.

    Args:
        error: Why.
        request: The request that is refused.
        customized: The API's own gateway responses by type, as GetGatewayResponses has them.
    """
    status, _ = RESPONSE_TYPES[error.kind]
    fallback = "DEFAULT_4XX" if status < 500 else "DEFAULT_5XX"
    own = customized.get(error.kind) or customized.get(fallback) or {}
    templates = own.get("responseTemplates") or DEFAULT_TEMPLATES
    assert isinstance(templates, Mapping)
    wanted = media_type(request.header("Accept"))
    kind = next((each for each in (wanted, JSON, *templates) if each in templates), JSON)
    context = {
        "requestId": request.id,
        "error.message": str(error),
        "error.messageString": json.dumps(str(error)),
        "error.responseType": error.kind,
    }
    headers = {"Content-Type": kind, "x-amzn-ErrorType": error.exception}
    parameters = own.get("responseParameters") or {}
    assert isinstance(parameters, Mapping)
    for name, value in parameters.items():
        headers[name.removeprefix(HEADER)] = static(value)
    body = render(templates[kind], context=context).encode()
    return Response(int(str(own.get("statusCode") or status)), body, list(headers.items()))
