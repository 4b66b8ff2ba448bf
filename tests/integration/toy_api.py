"""A small REST API in front of a small function, to try the sandbox's API front on."""

import json
from typing import Any
from urllib.parse import quote

from sandbox.sandbox import Sandbox
from tests.integration.toy import put_stack, upload

# It answers with its event, or with what the query parameter `answer` holds.
CODE = '''
import json
import time


def handler(event, context):
    """Answer as the query says."""
    query = event["queryStringParameters"] or {}
    if "sleep" in query:
        time.sleep(float(query["sleep"]))
    if "raise" in query:
        raise ValueError(query["raise"])
    if "answer" in query:
        return json.loads(query["answer"])
    return {"statusCode": 200, "body": json.dumps(event)}
'''

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}
ROOT = {"Fn::GetAtt": ["Api", "RootResourceId"]}
API = {"RestApiId": {"Ref": "Api"}}
REFUSAL = {"error": "refused", "message": "no"}


def resource(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Type": f"AWS::ApiGateway::{kind}", "Properties": properties}


def path(part: str, parent: Any = ROOT) -> dict[str, Any]:
    return resource("Resource", {**API, "ParentId": parent, "PathPart": part})


def method(of: Any, verb: str, integration: dict[str, Any], auth: str = "NONE") -> dict[str, Any]:
    properties = {"ResourceId": of, "HttpMethod": verb, "AuthorizationType": auth}
    return resource("Method", {**API, **properties, "Integration": integration})


def function_integration(**more: Any) -> dict[str, Any]:
    uri = [
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/",
        {"Fn::GetAtt": ["Function", "Arn"]},
        "/invocations",
    ]
    return {
        "Type": "AWS_PROXY",
        "IntegrationHttpMethod": "POST",
        "Uri": {"Fn::Join": ["", uri]},
        **more,
    }


def queue_integration(queue: str, **more: Any) -> dict[str, Any]:
    message_id = "$input.path('$.SendMessageResponse.SendMessageResult.MessageId')"
    return {
        "Type": "AWS",
        "IntegrationHttpMethod": "POST",
        "Uri": f"arn:aws:apigateway:us-east-1:sqs:path/123456789012/{queue}",
        "PassthroughBehavior": "NEVER",
        "RequestParameters": {
            "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"
        },
        "RequestTemplates": {
            "application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"
        },
        "IntegrationResponses": [
            {
                "StatusCode": "202",
                "SelectionPattern": "200",
                "ResponseTemplates": {"application/json": f'{{"id": "{message_id}"}}'},
                "ResponseParameters": {"method.response.header.Cache-Control": "'no-store'"},
            },
            {
                "StatusCode": "400",
                "SelectionPattern": "4..",
                "ResponseTemplates": {"application/json": json.dumps(REFUSAL)},
            },
            {"StatusCode": "503", "ResponseTemplates": {"application/json": "{}"}},
        ],
        **more,
    }


def resources(sandbox: Sandbox, *, page: str = "Sorry") -> dict[str, Any]:
    """A stack with an API of every kind of route that the sandbox knows."""
    text = {"gatewayresponse.header.Content-Type": "'text/html; charset=utf-8'"}
    return {
        "Role": ROLE,
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "behind-api",
                "Runtime": "python3.11",
                "Handler": "toy.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": upload(sandbox, "api.zip", code=CODE),
                "Timeout": 30,
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "behind-api"}},
        "Api": resource(
            "RestApi",
            {
                "Name": "toy",
                "EndpointConfiguration": {"Types": ["REGIONAL"]},
                "BinaryMediaTypes": ["application/octet-stream"],
            },
        ),
        "Page": path("page"),
        "Things": path("things"),
        "Thing": path("{id}", {"Ref": "Things"}),
        "Known": path("known", {"Ref": "Things"}),
        "Files": path("files"),
        "File": path("{name+}", {"Ref": "Files"}),
        "Signed": path("signed"),
        "Slow": path("slow"),
        "Usage": path("usage"),
        "Anywhere": path("anywhere"),
        "GetRoot": method(ROOT, "GET", function_integration()),
        "GetPage": method({"Ref": "Page"}, "GET", function_integration()),
        "PostPage": method({"Ref": "Page"}, "POST", function_integration()),
        "GetThing": method({"Ref": "Thing"}, "GET", function_integration()),
        "GetKnown": method({"Ref": "Known"}, "GET", function_integration()),
        "AnyFile": method({"Ref": "File"}, "ANY", function_integration()),
        "PostSigned": method({"Ref": "Signed"}, "POST", function_integration(), "AWS_IAM"),
        "GetSlow": method({"Ref": "Slow"}, "GET", function_integration(TimeoutInMillis=300)),
        "PostUsage": method({"Ref": "Usage"}, "POST", queue_integration("behind-api")),
        "PostAnywhere": method({"Ref": "Anywhere"}, "POST", queue_integration("nowhere")),
        "ServerError": resource(
            "GatewayResponse",
            {
                **API,
                "ResponseType": "DEFAULT_5XX",
                "StatusCode": "503",
                "ResponseTemplates": {"text/html": f"<p>{page}</p> #red costs $5"},
                "ResponseParameters": {**text, "gatewayresponse.header.Retry-After": "'60'"},
            },
        ),
        "Deployment": {
            **resource("Deployment", {**API, "Description": "toy"}),
            "DependsOn": ["GetRoot", "PostUsage"],
        },
        "Stage": resource(
            "Stage",
            {
                **API,
                "StageName": "v1",
                "DeploymentId": {"Ref": "Deployment"},
                "MethodSettings": [
                    {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 50}
                ],
            },
        ),
    }


def put_api(sandbox: Sandbox, **changes: Any) -> str:
    """Deploy the API, or change it; return where its stage is at AWS."""
    put_stack(sandbox, "api", resources(sandbox, **changes))
    (api,) = sandbox.client("apigateway").get_rest_apis()["items"]
    return f"https://{api['id']}.execute-api.us-east-1.amazonaws.com/v1"


def asking_for(answer: object) -> str:
    """The query that lets the function answer this."""
    return f"?answer={quote(json.dumps(answer))}"
