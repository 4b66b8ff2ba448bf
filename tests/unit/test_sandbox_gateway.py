"""The pure parts of the API front: templates, API Gateway's own answers, and who may sign."""

from datetime import UTC, datetime
from email.message import Message
from typing import Any

import pytest

from sandbox.gateway.http import RefusedError, Request, refusal
from sandbox.gateway.signature import check_signature
from sandbox.gateway.templates import UnknownTemplateError, render, static

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def request(**headers: str) -> Request:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return Request(
        id="r-1",
        at=NOON,
        method="POST",
        domain="api.example.com",
        path="/v1/page",
        query="",
        sent_to="http://localhost:4572/api.example.com/v1/page",
        headers=message,
        body=b"",
        source_ip="127.0.0.1",
    )


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("plain", "plain"),
        ("$input.body", '{"a": {"b": "it\'s"}}'),
        ("<$input.path('$.a.b')>", "<it's>"),
        ("<$input.path('$.a.c')>", "<>"),
        ("$util.urlEncode($input.path('$.a.b'))", "it%27s"),
        ("$util.escapeJavaScript($input.path('$.a.b'))", "it\\'s"),
        ("$context.requestId and $context.error.messageString", 'r-1 and "no"'),
        ("5 $ for #ff0000 at 3$", "5 $ for #ff0000 at 3$"),
    ],
)
def test_a_template_is_filled_in(template: str, rendered: str) -> None:
    context = {"requestId": "r-1", "error.messageString": '"no"'}

    assert render(template, body='{"a": {"b": "it\'s"}}', context=context) == rendered


@pytest.mark.parametrize(
    "template",
    [
        "$input.json('$')",
        "$input.path('$')",
        "$util.base64Encode($input.body)",
        "$util.urlEncode($input.body",
        "$util.urlEncode('text')",
        "$context.identity.sourceIp",
        "$stageVariables.x",
        "#set($x = 1)",
        "## comment",
        "${input.body}",
    ],
)
def test_a_template_beyond_the_sandbox_is_refused_by_name(template: str) -> None:
    with pytest.raises(UnknownTemplateError, match="cannot fill in"):
        render(template, body="{}", context={"requestId": "r-1"})


@pytest.mark.parametrize("mapping", ["method.request.header.X", "'", ""])
def test_a_mapping_that_is_no_text_is_refused(mapping: str) -> None:
    with pytest.raises(UnknownTemplateError, match="cannot map"):
        static(mapping)


MISSING = RefusedError("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")
PAGE: dict[str, Any] = {
    "statusCode": "404",
    "responseTemplates": {"text/html": "<p>$context.error.message", "application/json": "{}"},
    "responseParameters": {"gatewayresponse.header.Cache-Control": "'no-store'"},
}


def test_an_api_says_no_in_json() -> None:
    answer = refusal(MISSING, request(), {})

    assert (answer.status, answer.body) == (403, b'{"message":"Missing Authentication Token"}')


@pytest.mark.parametrize("kind", ["MISSING_AUTHENTICATION_TOKEN", "DEFAULT_4XX"])
def test_an_api_may_say_no_in_its_own_way(kind: str) -> None:
    answer = refusal(MISSING, request(Accept="text/html,*/*"), {kind: PAGE})

    assert (answer.status, answer.body) == (404, b"<p>Missing Authentication Token")
    assert dict(answer.headers)["Cache-Control"] == "no-store"


def test_what_is_customized_for_others_does_not_matter() -> None:
    assert refusal(MISSING, request(), {"DEFAULT_5XX": PAGE}).status == 403


def test_a_gateway_response_speaks_what_the_client_accepts_or_json() -> None:
    customized = {"DEFAULT_4XX": PAGE}

    assert refusal(MISSING, request(Accept="image/png"), customized).body == b"{}"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Missing Authentication Token"),
        ({"Authorization": "Bearer token"}, "Authorization header requires 'Credential' parameter"),
        (
            {
                "Authorization": "AWS4-HMAC-SHA256 "
                "Credential=sandbox/20261123/us-east-1/execute-api/aws4_request, "
                f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
                "X_Amz_Date": "yesterday",
            },
            "Date must be in ISO-8601",
        ),
    ],
)
def test_what_is_no_signature_is_refused(headers: dict[str, str], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        check_signature(request(**headers), region="us-east-1", real_now=NOON)
