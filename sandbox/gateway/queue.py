"""Integrations that hand a request to an SQS queue without a function, by mapping templates.

https://docs.aws.amazon.com/apigateway/latest/developerguide/integrating-api-with-aws-services-sqs.html
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from botocore.exceptions import ClientError

from sandbox.gateway.http import JSON, RefusedError, Request, Response
from sandbox.gateway.routes import Route
from sandbox.gateway.templates import render, static

QUEUE = re.compile(
    r"arn:aws:apigateway:(?P<region>[\w-]+):sqs:path/(?P<account>\d{12})/(?P<queue>[\w-]+)"
)
# API_SendMessage: "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF".
INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FORM = "application/x-www-form-urlencoded"
REQUEST_HEADER = "integration.request.header."
RESPONSE_HEADER = "method.response.header."


class UnknownIntegrationError(ValueError):
    """An integration is beyond the sandbox."""


def send(request: Request, route: Route, client: Callable[[str, str | None], Any]) -> Response:
    """Send what the request template makes of a body, and answer by the response template.

    Raises:
        RefusedError: The API takes no such body, or does not say what to answer.
        UnknownIntegrationError: The integration is not for SQS, or does something else there.
    """
    integration = route.integration
    place = QUEUE.fullmatch(integration["uri"])
    if place is None:
        raise UnknownIntegrationError(f"The sandbox cannot integrate {integration['uri']}.")
    form = parse_qs(_mapped(request, integration), keep_blank_values=True)
    sent_as = (integration.get("requestParameters") or {}).get(f"{REQUEST_HEADER}Content-Type", "")
    if form.keys() != {"Action", "MessageBody"} or form["Action"] != ["SendMessage"]:
        raise UnknownIntegrationError("The sandbox integrates SendMessage with a MessageBody only.")
    if not sent_as or static(sent_as) != FORM:
        raise UnknownIntegrationError(f"SQS reads a form only if its Content-Type is {FORM}.")
    (body,) = form["MessageBody"]
    queue = f"https://sqs.{place['region']}.amazonaws.com/{place['account']}/{place['queue']}"
    status, answer = _send_message(client("sqs", place["region"]), queue, body, request.id)
    return _answer(integration, status, json.dumps(answer))


def _mapped(request: Request, integration: Mapping[str, Any]) -> str:
    templates = integration.get("requestTemplates") or {}
    template = templates.get(request.content_type)
    if template is None:
        behavior = integration.get("passthroughBehavior") or "WHEN_NO_MATCH"
        if behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and templates):
            raise RefusedError("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type")
        raise UnknownIntegrationError("The sandbox sends nothing to SQS without a template.")
    return render(template, body=request.body.decode(errors="replace"))


def _send_message(sqs: Any, queue: str, body: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """What SQS answers to API Gateway, in JSON."""
    if not body:
        message = "The request must contain the parameter MessageBody."
        return 400, _error("MissingParameter", message, request_id)
    if INVALID.search(body):  # moto takes it
        message = "Invalid binary character was found in the message body."
        return 400, _error("InvalidMessageContents", message, request_id)
    try:
        sent = sqs.send_message(QueueUrl=queue, MessageBody=body)
    except ClientError as error:
        details = error.response["Error"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status, _error(details["Code"], details["Message"], request_id)
    result = {"MD5OfMessageBody": sent["MD5OfMessageBody"], "MessageId": sent["MessageId"]}
    metadata = {"RequestId": request_id}
    return 200, {"SendMessageResponse": {"ResponseMetadata": metadata, "SendMessageResult": result}}


def _error(code: str, message: str, request_id: str) -> dict[str, Any]:
    error = {"Code": code, "Message": message, "Type": "Sender"}
    return {"Error": error, "RequestId": request_id}


def _answer(integration: Mapping[str, Any], status: int, answer: str) -> Response:
    responses = list((integration.get("integrationResponses") or {}).values())
    patterned = [each for each in responses if each.get("selectionPattern")]
    chosen = [each for each in patterned if re.fullmatch(each["selectionPattern"], str(status))]
    chosen += [each for each in responses if each not in patterned]
    if not chosen:
        raise RefusedError("API_CONFIGURATION_ERROR", "Internal server error")
    template = (chosen[0].get("responseTemplates") or {}).get(JSON)
    headers = {"Content-Type": JSON}
    for name, value in (chosen[0].get("responseParameters") or {}).items():
        headers[name.removeprefix(RESPONSE_HEADER)] = static(value)
    body = answer if template is None else render(template, body=answer)
    return Response(int(chosen[0]["statusCode"]), body.encode(), list(headers.items()))
