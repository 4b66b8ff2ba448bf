import json
from typing import Any

import pytest

from tests.infra.template import METHOD, QUEUE, ROLE, USAGE_QUEUE, Resources, allow

ROUTE = "RegistrationApiRestusagePOST"


@pytest.fixture
def integration(full: Resources) -> dict[str, Any]:
    found: dict[str, Any] = full.properties(METHOD, ROUTE)["Integration"]
    return found


def answers(integration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["StatusCode"]: each for each in integration["IntegrationResponses"]}


def test_without_the_setting_there_is_no_such_route(resources: Resources) -> None:
    assert "usage" not in [
        each["Properties"].get("PathPart")
        for each in resources.all.values()
        if each["Type"] == "AWS::ApiGateway::Resource"
    ]


def test_the_role_may_send_to_the_usage_queue_and_nothing_else(full: Resources) -> None:
    assert full.allowed("UsageEndpoint") == [allow("sqs:SendMessage", full.arn(QUEUE, USAGE_QUEUE))]


def test_only_api_gateway_may_take_the_role(full: Resources) -> None:
    (statement,) = full.properties(ROLE, "UsageEndpoint")["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}


def test_the_request_goes_to_the_queue_without_a_function(
    full: Resources, integration: dict[str, Any]
) -> None:
    assert integration["Type"] == "AWS"
    assert integration["Credentials"] == full.arn(ROLE, "UsageEndpoint")
    assert integration["Uri"]["Fn::Join"][1] == [
        "arn:aws:apigateway:eu-west-1:sqs:path/",
        {"Ref": "AWS::AccountId"},
        "/",
        {"Fn::GetAtt": [full.logical_id(QUEUE, USAGE_QUEUE), "QueueName"]},
    ]


def test_the_whole_body_is_escaped_so_that_it_cannot_add_parameters(
    integration: dict[str, Any],
) -> None:
    template = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"

    assert integration["RequestTemplates"] == {
        "application/json": template,
        "application/cloudevents+json": template,
        "application/cloudevents-batch+json": template,
    }


def test_other_content_types_are_refused(integration: dict[str, Any]) -> None:
    assert integration["PassthroughBehavior"] == "NEVER"


def test_sqs_is_asked_with_a_form_and_answers_json(integration: dict[str, Any]) -> None:
    assert integration["RequestParameters"] == {
        "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'",
        "integration.request.header.Accept": "'application/json'",
    }


def test_what_was_taken_is_202_with_its_message_id(integration: dict[str, Any]) -> None:
    taken = answers(integration)["202"]

    assert taken["SelectionPattern"] == "200"
    assert taken["ResponseTemplates"]["application/json"] == (
        '{"MessageId": "$input.path(\'$.SendMessageResponse.SendMessageResult.MessageId\')"}'
    )


def test_what_sqs_refuses_is_400(integration: dict[str, Any]) -> None:
    refused = answers(integration)["400"]

    assert refused["SelectionPattern"] == "400"
    assert json.loads(refused["ResponseTemplates"]["application/json"])["error"] == "refused"


def test_anything_else_is_503_and_never_taken_for_success(integration: dict[str, Any]) -> None:
    (rest,) = (
        each for each in integration["IntegrationResponses"] if "SelectionPattern" not in each
    )

    assert rest["StatusCode"] == "503"
    assert json.loads(rest["ResponseTemplates"]["application/json"])["error"] == "unavailable"


def test_no_answer_is_stored(full: Resources, integration: dict[str, Any]) -> None:
    declared = full.properties(METHOD, ROUTE)["MethodResponses"]

    assert {each["StatusCode"] for each in declared} == set(answers(integration))
    for each in integration["IntegrationResponses"]:
        assert each["ResponseParameters"] == {"method.response.header.Cache-Control": "'no-store'"}
