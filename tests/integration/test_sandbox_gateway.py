"""The API front: what a function behind it gets, what a client gets, who is let in."""

import base64
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.sandbox import Sandbox
from tests.integration.toy_api import asking_for, put_api

pytestmark = pytest.mark.slow

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Api:
    """The deployed API, as a client reaches it."""

    sandbox: Sandbox
    url: str

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        # No client that follows redirects, adds headers of its own, or raises for a status.
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.netloc)
        connection.request(method, f"{parts.path}{path}", body, dict(headers or {}))
        answer = connection.getresponse()
        read = Answer(answer.status, answer.headers, answer.read())
        connection.close()
        return read

    def send_signed(
        self, path: str, body: bytes, *, region: str = REGION, service: str = "execute-api"
    ) -> Answer:
        return self.send("POST", path, body, self.signed(path, body, region, service))

    def signed(
        self,
        path: str,
        body: bytes,
        region: str = REGION,
        service: str = "execute-api",
        key: str = "sandbox",
    ) -> dict[str, str]:
        request = AWSRequest("POST", f"{self.url}{path}", data=body, headers={"X-Mine": "yes"})
        SigV4Auth(Credentials(key, "sandbox"), service, region).add_auth(request)
        return dict(request.headers)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("sandbox")
    with Sandbox(folder, app=None, clock_start=NOON) as sandbox:
        yield Api(sandbox, sandbox.endpoints.url(put_api(sandbox)))


# What the function gets.


def test_the_path_comes_with_and_without_its_stage(api: Api) -> None:
    event = api.send("GET", "/page").json()

    assert (event["resource"], event["path"], event["requestContext"]["path"]) == (
        "/page",
        "/page",
        "/v1/page",
    )


def test_a_query_comes_in_both_forms(api: Api) -> None:
    event = api.send("GET", "/page?a=1&a=2%2B&empty=").json()

    assert event["queryStringParameters"] == {"a": "2+", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2+"], "empty": [""]}


def test_what_is_not_there_is_null(api: Api) -> None:
    event = api.send("GET", "/page").json()

    absent = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "body")
    assert [event[name] for name in absent] == [None] * 4


def test_headers_come_in_both_forms_with_the_host_at_aws(api: Api) -> None:
    event = api.send("GET", "/page", headers={"X-Mine": "yes"}).json()

    assert event["headers"]["X-Mine"] == "yes"
    assert event["multiValueHeaders"]["X-Mine"] == ["yes"]
    assert event["headers"]["Host"] == event["requestContext"]["domainName"]
    assert event["headers"]["Host"].endswith(".execute-api.us-east-1.amazonaws.com")


def test_a_form_comes_as_it_was_sent(api: Api) -> None:
    form = b"x-amzn-marketplace-token=a%2Bb%2F%3D&umlaut=\xc3\xa4"

    event = api.send(
        "POST", "/page", form, {"Content-Type": "application/x-www-form-urlencoded"}
    ).json()

    assert (event["body"], event["isBase64Encoded"]) == (form.decode(), False)


def test_a_binary_body_comes_in_base64(api: Api) -> None:
    event = api.send("POST", "/page", b"\xff\x00", {"Content-Type": "application/octet-stream"})

    assert (event.json()["body"], event.json()["isBase64Encoded"]) == ("/wA=", True)


def test_the_context_tells_who_when_and_where(api: Api) -> None:
    answer = api.send("GET", "/page", headers={"User-Agent": "a browser"})

    context = answer.json()["requestContext"]
    assert (context["stage"], context["identity"]["sourceIp"]) == ("v1", "127.0.0.1")
    assert context["identity"]["userAgent"] == "a browser"
    assert context["requestId"] == answer.headers["x-amzn-RequestId"]
    at = datetime.fromtimestamp(context["requestTimeEpoch"] / 1000, UTC)
    assert abs(at - api.sandbox.clock.now()) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/things/7%2F8", "/things/{id}", {"id": "7/8"}),
        ("/things/known", "/things/known", None),
        ("/files/a/b.txt", "/files/{name+}", {"name": "a/b.txt"}),
    ],
)
def test_path_parameters(api: Api, path: str, resource: str, parameters: object) -> None:
    event = api.send("GET", path).json()

    assert (event["resource"], event["pathParameters"]) == (resource, parameters)


def test_the_root_is_a_path(api: Api) -> None:
    assert api.send("GET", "/").json()["resource"] == "/"


def test_any_method_may_be_defined(api: Api) -> None:
    assert api.send("DELETE", "/files/a").json()["httpMethod"] == "DELETE"


# What the client gets.


def test_status_headers_and_body_are_the_functions(api: Api) -> None:
    wanted = {
        "statusCode": 303,
        "headers": {"Location": "signup?registration=code", "X-Both": "single"},
        "multiValueHeaders": {"X-Both": ["a", "b"]},
        "body": "ä",
    }

    answer = api.send("GET", "/page" + asking_for(wanted))

    assert (answer.status, answer.body.decode()) == (303, "ä")
    assert answer.headers["Location"] == "signup?registration=code"
    assert answer.headers.get_all("X-Both") == ["a", "b"]


def test_a_body_in_base64_is_decoded_for_who_accepts_bytes(api: Api) -> None:
    wanted = {
        "statusCode": 200,
        "body": base64.b64encode(b"\xff").decode(),
        "isBase64Encoded": True,
    }

    bytes_ = api.send(
        "GET", "/page" + asking_for(wanted), headers={"Accept": "application/octet-stream"}
    )
    text = api.send("GET", "/page" + asking_for(wanted), headers={"Accept": "text/html"})

    assert (bytes_.body, text.body) == (b"\xff", b"/w==")


@pytest.mark.parametrize(
    "malformed",
    [
        "text",
        None,
        {"body": "no status"},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "cookies": []},
        {"statusCode": 99},
    ],
)
def test_a_malformed_answer_is_a_server_error(api: Api, malformed: object) -> None:
    assert api.send("GET", "/page" + asking_for(malformed)).status == 503


def test_a_server_error_is_answered_with_the_apis_own_page(api: Api) -> None:
    answer = api.send("GET", "/page?raise=secret")

    assert (answer.status, answer.body) == (503, b"<p>Sorry</p> #red costs $5")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Retry-After"] == "60"


def test_a_function_that_takes_too_long_is_not_waited_for(api: Api) -> None:
    began = time.monotonic()

    answer = api.send("GET", "/slow?sleep=25")

    assert answer.status == 503
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/page"), ("GET", "/nowhere"), ("OPTIONS", "/page")]
)
def test_what_is_not_defined_wants_a_token(api: Api, method: str, path: str) -> None:
    """API Gateway's way to say 404 and 405."""
    answer = api.send(method, path)

    assert (answer.status, answer.json()) == (403, {"message": "Missing Authentication Token"})
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


def test_an_unknown_api_is_forbidden(api: Api) -> None:
    nowhere = api.sandbox.endpoints.url("https://nowhere.execute-api.us-east-1.amazonaws.com/v1")

    answer = Api(api.sandbox, nowhere).send("GET", "/page")

    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})


def test_a_request_that_is_too_large_is_refused(api: Api) -> None:
    assert api.send("POST", "/page", b"x" * 10_485_761).status == 413


def test_a_later_deployment_is_served_at_once(api: Api) -> None:
    put_api(api.sandbox, page="Later")
    later = api.send("GET", "/page?raise=x").body
    put_api(api.sandbox)

    assert later == b"<p>Later</p> #red costs $5"


# Who is let in.


def test_a_signed_request_is_let_in_by_name(api: Api) -> None:
    answer = api.send_signed("/signed?b=2&a=1", b'{"registration": "code"}')

    event = answer.json()
    assert (
        event["requestContext"]["identity"]["userArn"] == "arn:aws:iam::123456789012:user/sandbox"
    )
    assert event["body"] == '{"registration": "code"}'
    assert "Authorization" not in event["headers"]


def test_an_unsigned_request_is_refused(api: Api) -> None:
    answer = api.send("POST", "/signed", b"{}")

    assert (answer.status, answer.json()) == (403, {"message": "Missing Authentication Token"})


def test_another_body_than_the_signed_one_is_refused(api: Api) -> None:
    answer = api.send("POST", "/signed", b"other", api.signed("/signed", b"{}"))

    assert answer.status == 403
    assert answer.json()["message"].startswith("The request signature we calculated does not match")


def test_another_path_than_the_signed_one_is_refused(api: Api) -> None:
    assert api.send("POST", "/signed", b"{}", api.signed("/other", b"{}")).status == 403


def test_a_changed_signed_header_is_refused(api: Api) -> None:
    headers = {**api.signed("/signed", b"{}"), "X-Mine": "no"}

    assert api.send("POST", "/signed", b"{}", headers).status == 403


@pytest.mark.parametrize(
    ("region", "service", "message"),
    [
        ("eu-west-1", "execute-api", "Credential should be scoped to a valid region"),
        (REGION, "lambda", "Credential should be scoped to correct service: 'execute-api'"),
    ],
)
def test_a_signature_for_something_else_is_refused(
    api: Api, region: str, service: str, message: str
) -> None:
    answer = api.send_signed("/signed", b"{}", region=region, service=service)

    assert answer.status == 403
    assert answer.json()["message"].startswith(message)


def test_a_key_of_somebody_else_is_refused(api: Api) -> None:
    answer = api.send("POST", "/signed", b"{}", api.signed("/signed", b"{}", key="AKIAELSE"))

    assert answer.status == 403
    assert answer.json()["message"] == "The security token included in the request is invalid."


def test_an_old_signature_is_refused(api: Api) -> None:
    headers = {**api.signed("/signed", b"{}"), "X-Amz-Date": "20200101T000000Z"}

    answer = api.send("POST", "/signed", b"{}", headers)

    assert answer.json()["message"].startswith("Signature expired: 20200101T000000Z is now earlier")


# Straight into a queue.


def received(sandbox: Sandbox) -> list[str]:
    sqs = sandbox.client("sqs")
    url = sqs.get_queue_url(QueueName="behind-api")["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


def test_a_body_goes_into_the_queue_as_it_is(api: Api) -> None:
    body = '{"a": "b + c & d=e%20ä"}'

    answer = api.send("POST", "/usage", body.encode(), {"Content-Type": "application/json"})

    assert (answer.status, list(answer.json())) == (202, ["id"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert received(api.sandbox) == [body]


@pytest.mark.parametrize("body", [b"", b"\x01"])
def test_what_a_queue_does_not_take_is_refused(api: Api, body: bytes) -> None:
    answer = api.send("POST", "/usage", body, {"Content-Type": "application/json"})

    assert (answer.status, answer.json()["error"]) == (400, "refused")


def test_a_media_type_without_a_template_is_not_supported(api: Api) -> None:
    answer = api.send("POST", "/usage", b"a", {"Content-Type": "text/plain"})

    assert (answer.status, answer.json()) == (415, {"message": "Unsupported Media Type"})


def test_a_queue_that_is_gone_is_answered_by_its_status(api: Api) -> None:
    assert api.send("POST", "/anywhere", b"a").status == 400
