"""The Lambda API of the sandbox: invocations run here, everything else is moto's.

So `aws lambda invoke`, `aws lambda list-functions` and every boto3 client work with one endpoint.
One route is the sandbox's own: `POST /sandbox/functions/NAME/kill` kills the processes of a
function in the middle of what they do.
"""

import base64
import http.client
import json
import re
import uuid
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from sandbox.environment import ACCOUNT
from sandbox.function_worker import VERSION
from sandbox.http_server import Handler, Server
from sandbox.runtime import Runtime, TooManyRequestsError

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB, as Lambda counts.
EVENT_BYTES_MAX = 6_291_456
# API_Invoke says "the last 4 KB of the execution log".
LOG_TAIL_BYTES = 4096
JSON = "application/json"

INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
KILL = re.compile(r"/sandbox/functions/([^/]+)/kill")
# The last name in `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` or a whole ARN.
FUNCTION = re.compile(r"(?:.*function:)?([\w-]+)(?::[\w$-]+)?")
ARN = re.compile(r"arn:aws:lambda:[\w-]+:\d+:function:[\w-]+")
# The region in `Credential=KEY/DATE/REGION/SERVICE/aws4_request` of a signed request.
SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/([\w-]+)/")


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def serve(runtime: Runtime, *, port: int, aws: str) -> Server:
    """Serve the Lambda API at this port; what is not an invocation goes to the AWS endpoint."""
    upstream = urlsplit(aws).netloc

    class LambdaApi(Handler):
        """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html."""

        def respond(self) -> None:
            """Invoke, kill, or pass on."""
            body = self.body()
            path = unquote(urlsplit(self.path).path)
            try:
                if self.command == "POST" and (match := INVOKE.fullmatch(path)):
                    function = _function(match[1], self.headers)
                    self.answer(*_invoke(runtime, function, body, self.headers))
                elif self.command == "POST" and (match := KILL.fullmatch(path)):
                    killed = {"killed": runtime.kill(_function(match[1], self.headers))}
                    self.answer(200, json.dumps(killed).encode(), {"Content-Type": JSON})
                else:
                    self.answer(*_pass_on(upstream, self, body))
            except _RefusedError as refused:
                text = {"Type": "User", "Message": str(refused), "message": str(refused)}
                headers = {"Content-Type": JSON, "x-amzn-ErrorType": refused.code}
                self.answer(refused.status, json.dumps(text).encode(), headers)

    return Server(LambdaApi, port)


def _invoke(
    runtime: Runtime, function: str, event: bytes, headers: Any
) -> tuple[int, bytes, dict[str, str]]:
    if len(event) > EVENT_BYTES_MAX:
        message = f"Request must be smaller than {EVENT_BYTES_MAX} bytes for the InvokeFunction"
        raise _RefusedError(413, "RequestTooLargeException", message)
    event = event or b"{}"
    try:
        json.loads(event)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise _RefusedError(400, "InvalidRequestContentException", message) from error
    try:
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind != "RequestResponse":
            runtime.describe(function)  # which says so if there is no such function
            if kind == "DryRun":
                return 204, b"", {"X-Amz-Executed-Version": VERSION}
            runtime.invoke_later(function, event)
            return 202, b"", {"x-amzn-RequestId": str(uuid.uuid4())}
        invoked = runtime.invoke(function, event)
    except TooManyRequestsError as error:
        raise _RefusedError(429, "TooManyRequestsException", str(error)) from error
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        details = error.response["Error"]
        raise _RefusedError(status, details["Code"], details["Message"]) from error
    answered = {
        "Content-Type": JSON,
        "x-amzn-RequestId": invoked.request_id,
        "X-Amz-Executed-Version": VERSION,
    }
    if invoked.answer.is_error:
        answered["X-Amz-Function-Error"] = "Unhandled"
    if headers.get("X-Amz-Log-Type") == "Tail":
        answered["X-Amz-Log-Result"] = base64.b64encode(invoked.log[-LOG_TAIL_BYTES:]).decode()
    return 200, invoked.answer.payload, answered


def _function(given: str, headers: Any) -> str:
    """The ARN of what is named, in the region that the request is signed for; or its name."""
    match = FUNCTION.fullmatch(given)
    if match is None:
        raise _RefusedError(400, "ValidationException", f"{given!r} does not name a function")
    if arn := ARN.match(given):
        return arn[0]
    signed = SIGNED_FOR.search(headers.get("Authorization", ""))
    return f"arn:aws:lambda:{signed[1]}:{ACCOUNT}:function:{match[1]}" if signed else match[1]


def _pass_on(upstream: str, request: Handler, body: bytes) -> tuple[int, bytes, dict[str, str]]:
    # These belong to one connection, not to the message.
    own = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
    headers = {key: value for key, value in request.headers.items() if key.lower() not in own}
    connection = http.client.HTTPConnection(upstream)
    try:
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        answered = {key: value for key, value in answer.getheaders() if key.lower() not in own}
        return answer.status, answer.read(), answered
    finally:
        connection.close()
