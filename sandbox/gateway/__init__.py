"""Serves the REST APIs that moto only keeps, as API Gateway would.

The URL is the real one with this server in the place of `https://`, so that what has
`https://ID.execute-api.us-east-1.amazonaws.com/v1/register` at AWS has
`http://localhost:4572/ID.execute-api.us-east-1.amazonaws.com/v1/register` here, and a custom domain
`http://localhost:4572/DOMAIN/register`. Links that are relative lead to the same places as there.

Left out: throttling, usage plans, caches, authorizers other than AWS IAM, and access logs.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from sandbox.gateway import queue
from sandbox.gateway.event import proxy_event, proxy_response
from sandbox.gateway.http import JSON, RefusedError, Request, Response, refusal
from sandbox.gateway.queue import UnknownIntegrationError
from sandbox.gateway.routes import NoApiError, Route, Routes
from sandbox.gateway.signature import Caller, check_signature
from sandbox.gateway.templates import UnknownTemplateError
from sandbox.http_server import Handler, Server
from sandbox.lambda_api import EVENT_BYTES_MAX
from sandbox.runtime import Invoked, StoppedError, TooManyRequestsError

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
REQUEST_BYTES_MAX = 10 * 1024 * 1024
INTEGRATION_MILLISECONDS_MAX = 29_000

FUNCTION = re.compile(
    r"arn:aws:apigateway:[\w-]+:lambda:path/2015-03-31/functions/"
    r"(?P<arn>arn:aws:lambda:[\w-]+:\d{12}:function:[\w-]+)(?::[\w$-]+)?/invocations"
)

# Makes a boto3 client, by service and region (`None`: the usual one).
Client = Callable[[str, str | None], Any]


def serve(
    *,
    port: int,
    client: Client,
    invoke: Callable[[str, bytes], Invoked],
    now: Callable[[], datetime],
) -> Server:
    """Serve all REST APIs at this port.

    Args:
        port: Where to listen.
        client: Reads the APIs, and speaks to the services behind them.
        invoke: Runs a function, by its ARN, with an event.
        now: The sandbox's clock.
    """
    gateway = _Gateway(client, invoke)

    class RestApis(Handler):
        """One request, as its client has sent it."""

        def respond(self) -> None:
            """Answer it."""
            body = self.body()
            parts = urlsplit(self.path)
            domain, _, path = parts.path.removeprefix("/").partition("/")
            request = Request(
                id=str(uuid.uuid4()),
                at=now(),
                method=self.command,
                domain=domain,
                path=f"/{path}",
                query=parts.query,
                sent_to=f"http://{self.headers['Host']}{self.path}",
                headers=self.headers,
                body=body,
                source_ip=self.client_address[0],
            )
            response = gateway.answer(request)
            own = [("x-amzn-RequestId", request.id), ("x-amz-apigw-id", request.id)]
            self.answer(response.status, response.body, [*response.headers, *own])

    return Server(RestApis, port)


class _Gateway:
    def __init__(self, client: Client, invoke: Callable[[str, bytes], Invoked]) -> None:
        self._client = client
        self._invoke = invoke
        self._routes = Routes(client)

    def answer(self, request: Request) -> Response:
        try:
            api = self._routes.api(request.domain, request.path)
            try:
                route = self._routes.route(api, request.method)
                return self._integrate(request, route, _authorize(request, route))
            except RefusedError as error:
                return refusal(error, request, self._routes.responses(api))
        except NoApiError:
            return _plain(403, "Forbidden")
        except (UnknownIntegrationError, UnknownTemplateError) as error:
            print(error, flush=True)
            return _plain(501, str(error))

    def _integrate(self, request: Request, route: Route, caller: Caller | None) -> Response:
        if len(request.body) > REQUEST_BYTES_MAX:
            raise RefusedError("REQUEST_TOO_LARGE", "Request Entity Too Large")
        match route.integration.get("type"):
            case "AWS_PROXY":
                return self._call_function(request, route, caller)
            case "AWS":
                return queue.send(request, route, self._client)
            case kind:
                raise UnknownIntegrationError(f"The sandbox knows no {kind} integration.")

    def _call_function(self, request: Request, route: Route, caller: Caller | None) -> Response:
        function = FUNCTION.fullmatch(route.integration["uri"])
        if function is None:
            raise UnknownIntegrationError(f"No function: {route.integration['uri']}")
        event = json.dumps(proxy_event(request, route, caller)).encode()
        if len(event) > EVENT_BYTES_MAX:
            raise RefusedError("REQUEST_TOO_LARGE", "Request Entity Too Large")
        milliseconds = route.integration.get("timeoutInMillis") or INTEGRATION_MILLISECONDS_MAX
        invoked = self._in_time(function["arn"], event, int(milliseconds) / 1000)
        if invoked.answer.is_error:
            raise RefusedError("DEFAULT_5XX", "Internal server error")
        return proxy_response(invoked.answer.payload, request, route)

    def _in_time(self, function: str, event: bytes, seconds: float) -> Invoked:
        # The function goes on when nobody waits for it any more, as in Lambda.
        result: Future[Invoked] = Future()
        threading.Thread(target=self._run, args=(function, event, result), daemon=True).start()
        try:
            return result.result(seconds)
        except TimeoutError as error:
            raise RefusedError("INTEGRATION_TIMEOUT", "Endpoint request timed out") from error
        except (ClientError, StoppedError, TooManyRequestsError) as error:
            print(f"{function} cannot be invoked: {error}", flush=True)
            raise RefusedError("API_CONFIGURATION_ERROR", "Internal server error") from error

    def _run(self, function: str, event: bytes, result: Future[Invoked]) -> None:
        try:
            result.set_result(self._invoke(function, event))
        except Exception as error:  # noqa: BLE001 - raised where somebody waits for it
            result.set_exception(error)


def _authorize(request: Request, route: Route) -> Caller | None:
    match route.method.get("authorizationType"):
        case "NONE" | None:
            return None
        case "AWS_IAM":
            real_now = datetime.fromtimestamp(time.time(), UTC)
            return check_signature(request, region=route.region, real_now=real_now)
        case kind:
            raise UnknownIntegrationError(f"The sandbox knows no {kind} authorization.")


def _plain(status: int, message: str) -> Response:
    return Response(status, json.dumps({"message": message}).encode(), [("Content-Type", JSON)])
