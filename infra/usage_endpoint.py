"""POST /usage: the body of a signed request goes into the usage queue as it is, without a function.

For producers that cannot speak SQS. What the body may be is docs/usage-messages.md, as on the
queue; whether it can be counted shows when it is.
"""

import json

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.api import USAGE, Api

# The forms of docs/usage-messages.md, by their media types; a request that names none is JSON.
CONTENT_TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
# SQS's query protocol takes a form. The body is escaped as a whole, so that nothing in it can add a
# parameter of its own.
REQUEST = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"
MESSAGE_ID = "$.SendMessageResponse.SendMessageResult.MessageId"

REFUSED = {
    "error": "refused",
    "message": "The usage queue does not take this body: it must be text of 1 byte to 1 MiB, "
    "without control characters. Sending it again does not help.",
}
UNAVAILABLE = {
    "error": "unavailable",
    "message": "The usage queue did not answer. Send the same body again, with the same Ids.",
}


class UsageEndpoint(Construct):
    """The route, and the role that may send to the queue and do nothing else."""

    def __init__(
        self, scope: Construct, construct_id: str, *, api: Api, queue: sqs.QueueBase
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        role = iam.Role(
            self,
            "Role",
            # Nobody of another account can hand this role to API Gateway (iam:PassRole stays within
            # one), and no page of AWS says that API Gateway names its source when it takes one.
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn])
        )
        api.route(
            "POST",
            USAGE,
            apigateway.AwsIntegration(
                service="sqs",
                path=f"{stack.account}/{queue.queue_name}",
                integration_http_method="POST",
                options=apigateway.IntegrationOptions(
                    credentials_role=role.without_policy_updates(),
                    passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
                    request_parameters={
                        "integration.request.header.Content-Type": (
                            "'application/x-www-form-urlencoded'"
                        ),
                        # Whatever the caller accepts, the templates below read JSON.
                        "integration.request.header.Accept": "'application/json'",
                    },
                    request_templates=dict.fromkeys(CONTENT_TYPES, REQUEST),
                    integration_responses=_answers(),
                ),
            ),
            signed=True,
            responses=[
                apigateway.MethodResponse(
                    status_code=status,
                    response_parameters={"method.response.header.Cache-Control": True},
                )
                for status in ("202", "400", "503")
            ],
        )


def _answers() -> list[apigateway.IntegrationResponse]:
    """Tell taken, refused and unknown apart by SQS's own status; what is not 200 was not taken."""
    taken = f'{{"MessageId": "$input.path(\'{MESSAGE_ID}\')"}}'
    return [
        _answer("202", "200", taken),
        _answer("400", "400", json.dumps(REFUSED)),
        # The one without a pattern is for everything else: throttling, a role that is not there
        # yet, a failure of SQS.
        _answer("503", None, json.dumps(UNAVAILABLE)),
    ]


def _answer(status: str, of_queue: str | None, body: str) -> apigateway.IntegrationResponse:
    return apigateway.IntegrationResponse(
        status_code=status,
        selection_pattern=of_queue,
        response_parameters={"method.response.header.Cache-Control": "'no-store'"},
        response_templates={"application/json": body},
    )
