"""The REST API: its stage, its limits, its own answers, and what a seller may put in front of it.

docs/decisions/0012-rest-api.md says why it is not an HTTP API.
"""

import json
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import gateway_page
from infra.settings import Settings
from infra.web_acl import protect

STAGE = "v1"
# The routes that are signed, beside those that buyers come to.
CLAIM = "registrations/claim"
USAGE = "usage"
# A purchase is a handful of requests, so 50 a second are more buyers than any listing has; beyond
# that somebody knocks on the door, and the account's functions must not all be busy opening it.
REQUESTS_PER_SECOND = 50
# Two seconds' worth: a page and what a browser asks for beside it come at once.
REQUESTS_BURST = 100
# Usage may come event by event. A tenth of what an account has in a region, 10,000 a second, leaves
# its other APIs in peace; who has more puts several records into one body.
USAGE_REQUESTS_PER_SECOND = 1_000
USAGE_REQUESTS_BURST = 2_000

# What API Gateway answers by itself where the function did not, and with which status. 503, because
# a browser or a proxy may try again; the pages of the function itself say the same.
OWN_PAGES = {
    "Throttled": (apigateway.ResponseType.THROTTLED, 429),
    "IntegrationFailure": (apigateway.ResponseType.INTEGRATION_FAILURE, 503),
    "IntegrationTimeout": (apigateway.ResponseType.INTEGRATION_TIMEOUT, 503),
    "ServerError": (apigateway.ResponseType.DEFAULT_5_XX, 503),
}

# Neither bodies nor query strings: the one holds the registration token, the other the code.
ACCESS_LOG_FORMAT = {
    "requestId": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "resource": "$context.resourcePath",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "latency": "$context.responseLatency",
    "integrationStatus": "$context.integrationStatus",
    "webAcl": "$context.waf.status",
    "caller": "$context.identity.userArn",
}


class Api(Construct):
    """A regional REST API with one stage; routes are added by the capabilities."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.rest = apigateway.RestApi(
            self,
            "Rest",
            rest_api_name=cdk.Stack.of(self).stack_name,
            description="Where AWS Marketplace sends buyers to register.",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=settings.access_logs,
            deploy_options=self._stage(settings),
        )
        # The URL of the stage alone leads nowhere; the stack's outputs name the routes.
        self.rest.node.try_remove_child("Endpoint")
        self._acknowledge(settings)
        self._own_answers(settings)

        self._base = f"https://{settings.domain_name}" if settings.domain_name else ""
        self.domain: apigateway.DomainName | None = None
        if settings.domain_name:
            self.domain = self._custom_domain(settings)
        if settings.web_acl:
            protect(
                self,
                self.rest.deployment_stage,
                rate=settings.web_acl_rate,
                signed_routes=(CLAIM, USAGE),
            )

    def url(self, path: str) -> str:
        """Name a route as the world should."""
        return f"{self._base}/{path}" if self._base else self.rest.url_for_path(f"/{path}")

    def route(
        self,
        verb: str,
        path: str,
        integration: apigateway.Integration,
        *,
        signed: bool = False,
        responses: list[apigateway.MethodResponse] | None = None,
    ) -> None:
        """Add a route: open to everybody, or only to callers that IAM allows to invoke it."""
        method = self.rest.root.resource_for_path(path).add_method(
            verb,
            integration,
            authorization_type=(
                apigateway.AuthorizationType.IAM if signed else apigateway.AuthorizationType.NONE
            ),
            method_responses=responses,
        )
        findings = {
            "AwsSolutions-COG4": "A Cognito user pool knows none of the callers. This route is "
            "called by a server of the seller's, with a signature that IAM checks."
            if signed
            else "Buyers come here from AWS Marketplace before they have an account anywhere. "
            "What identifies them is the registration token, or a one-time code, in the request."
        }
        if not signed:
            findings["AwsSolutions-APIG4"] = findings["AwsSolutions-COG4"]
        for finding, reason in findings.items():
            cdk.Validations.of(method).acknowledge(
                cdk.Acknowledgment(id=f"AwsSolutions::{finding}", reason=reason)
            )

    def _stage(self, settings: Settings) -> apigateway.StageOptions:
        destination: apigateway.IAccessLogDestination | None = None
        access_format: apigateway.AccessLogFormat | None = None
        if settings.access_logs:
            log = logs.LogGroup(self, "AccessLog", removal_policy=cdk.RemovalPolicy.RETAIN)
            # The L2 property takes an enumeration that hides the number of days.
            cfn_log = cast("logs.CfnLogGroup", log.node.default_child)
            cfn_log.retention_in_days = settings.log_retention_days
            destination = apigateway.LogGroupLogDestination(log)
            access_format = apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG_FORMAT))
        return apigateway.StageOptions(
            stage_name=STAGE,
            throttling_rate_limit=REQUESTS_PER_SECOND,
            throttling_burst_limit=REQUESTS_BURST,
            method_options=_usage_limits() if settings.usage_endpoint else None,
            access_log_destination=destination,
            access_log_format=access_format,
        )

    def _own_answers(self, settings: Settings) -> None:
        """Give a person a page where API Gateway has to answer by itself, and keep it nowhere."""
        pages = dict(OWN_PAGES)
        if settings.web_acl:
            pages["Refused"] = (apigateway.ResponseType.WAF_FILTERED, 403)
        for construct_id, (kind, status) in pages.items():
            self.rest.add_gateway_response(
                construct_id,
                type=kind,
                status_code=str(status),
                response_headers=gateway_page.HEADERS,
                templates={"text/html": gateway_page.html(settings)},
            )
        # Programs, or addresses that do not exist: API Gateway's own JSON is enough.
        self.rest.add_gateway_response(
            "ClientError",
            type=apigateway.ResponseType.DEFAULT_4_XX,
            response_headers={"Cache-Control": "'no-store'"},
        )

    def _custom_domain(self, settings: Settings) -> apigateway.DomainName:
        # The address that API Gateway gave stays open too: a listing may name it still.
        domain = apigateway.DomainName(
            self,
            "Domain",
            domain_name=settings.domain_name,
            certificate=acm.Certificate.from_certificate_arn(
                self, "Certificate", settings.certificate_arn
            ),
            endpoint_type=apigateway.EndpointType.REGIONAL,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )
        domain.add_base_path_mapping(self.rest, stage=self.rest.deployment_stage)
        return domain

    def _acknowledge(self, settings: Settings) -> None:
        _acknowledge(
            self.rest,
            "AwsSolutions-APIG2",
            "The function checks every request itself: a model could only answer a buyer with "
            "JSON, and would refuse fields that AWS Marketplace adds one day.",
        )
        stage = self.rest.deployment_stage
        _acknowledge(
            stage,
            "AwsSolutions-APIG6",
            "Execution logs show bodies and query strings, so they would keep registration tokens "
            "and one-time codes. The function logs what happened, without them.",
        )
        if not settings.access_logs:
            _acknowledge(
                stage,
                "AwsSolutions-APIG1",
                "API Gateway writes logs under one role per account and region, and this stack "
                "must not take over a role that other stacks rely on. The setting access_logs "
                "switches them on.",
            )
        if not settings.web_acl:
            _acknowledge(
                stage,
                "AwsSolutions-APIG3",
                "A web ACL costs more each month than the rest of the stack at rest, and the API "
                "is throttled. The setting web_acl switches it on.",
            )
        if settings.access_logs:
            _acknowledge(
                self.rest,
                "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                "AmazonAPIGatewayPushToCloudWatchLogs]",
                "API Gateway's role for logs is shared by all APIs of the account and region, "
                "whose log groups this stack cannot know; AWS asks for this policy.",
            )


def _usage_limits() -> dict[str, apigateway.MethodDeploymentOptions]:
    return {
        f"/{USAGE}/POST": apigateway.MethodDeploymentOptions(
            throttling_rate_limit=USAGE_REQUESTS_PER_SECOND,
            throttling_burst_limit=USAGE_REQUESTS_BURST,
        )
    }


def _acknowledge(construct: Construct, finding: str, reason: str) -> None:
    cdk.Validations.of(construct).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions::{finding}", reason=reason)
    )
