"""The public door: its routes, its limits, and what API Gateway answers by itself."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from infra import gateway_page
from infra.settings import Settings
from tests.infra.template import (
    API,
    ENDPOINT,
    FUNCTION,
    GATEWAY_RESPONSE,
    LOG,
    METHOD,
    STAGE,
    WEB_ACL,
    Resources,
)

LAMBDA_PERMISSION = "AWS::Lambda::Permission"
ROUTES = {
    ("GET", "/register", "NONE"),
    ("POST", "/register", "NONE"),
    ("GET", "/signup", "NONE"),
    ("POST", "/signup", "NONE"),
    ("GET", "/signup/done", "NONE"),
    ("POST", "/registrations/claim", "AWS_IAM"),
}


def path_of(resources: Resources, reference: dict[str, Any]) -> str:
    if "Ref" not in reference:
        return ""
    resource = resources.all[reference["Ref"]]["Properties"]
    return f"{path_of(resources, resource['ParentId'])}/{resource['PathPart']}"


def routes(resources: Resources) -> set[tuple[str, str, str]]:
    return {
        (each["HttpMethod"], path_of(resources, each["ResourceId"]), each["AuthorizationType"])
        for each in resources.every(METHOD)
    }


def own_answers(resources: Resources) -> dict[str, dict[str, Any]]:
    return {each["ResponseType"]: each for each in resources.every(GATEWAY_RESPONSE)}


def test_the_routes_are_these_and_only_the_claim_is_signed(resources: Resources) -> None:
    assert routes(resources) == ROUTES


def test_a_seller_may_add_a_signed_route_for_usage(full: Resources) -> None:
    assert routes(full) == {*ROUTES, ("POST", "/usage", "AWS_IAM")}


def test_every_route_goes_to_the_function_as_it_is(resources: Resources) -> None:
    function = resources.arn(FUNCTION, ENDPOINT)

    for each in resources.every(METHOD):
        integration = each["Integration"]
        assert (integration["Type"], integration["IntegrationHttpMethod"]) == ("AWS_PROXY", "POST")
        assert function in integration["Uri"]["Fn::Join"][1]


def test_only_api_gateway_may_call_the_function_and_only_for_this_api(resources: Resources) -> None:
    permissions = resources.every(LAMBDA_PERMISSION)

    assert len(permissions) == len(ROUTES)
    for each in permissions:
        assert each["Principal"] == "apigateway.amazonaws.com"
        assert each["FunctionName"] == resources.arn(FUNCTION, ENDPOINT)
        assert resources.ref(API) in each["SourceArn"]["Fn::Join"][1]


def test_nothing_else_is_public(resources: Resources) -> None:
    kinds = {each["Type"] for each in resources.all.values()}

    assert not kinds & {"AWS::Lambda::Url", "AWS::S3::Bucket", "AWS::CloudFront::Distribution"}
    assert "AWS::ApiGatewayV2::Api" not in kinds


def test_the_api_is_regional_and_takes_bodies_as_text(resources: Resources) -> None:
    api = resources.properties(API)

    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert "BinaryMediaTypes" not in api


def test_the_stage_is_v1_and_throttled(resources: Resources) -> None:
    stage = resources.properties(STAGE)
    (limits,) = stage["MethodSettings"]

    assert stage["StageName"] == "v1"
    assert (limits["HttpMethod"], limits["ResourcePath"]) == ("*", "/*")
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (50, 100)


def test_usage_has_limits_of_its_own(full: Resources) -> None:
    _, limits = full.properties(STAGE)["MethodSettings"]

    assert (limits["HttpMethod"], limits["ResourcePath"]) == ("POST", "/~1usage")
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (1_000, 2_000)


def test_bodies_are_never_logged(resources: Resources, full: Resources) -> None:
    for each in (resources, full):
        for settings in each.properties(STAGE)["MethodSettings"]:
            assert settings["DataTraceEnabled"] is False
            assert settings.get("LoggingLevel", "OFF") == "OFF"


def test_without_the_setting_nothing_is_logged_and_the_accounts_role_is_left_alone(
    resources: Resources,
) -> None:
    assert "AccessLogSetting" not in resources.properties(STAGE)
    assert "AWS::ApiGateway::Account" not in {each["Type"] for each in resources.all.values()}


def test_access_logs_have_neither_bodies_nor_query_strings(full: Resources) -> None:
    setting = full.properties(STAGE)["AccessLogSetting"]
    used = set(re.findall(r"\$[\w.]+", setting["Format"]))

    assert json.loads(setting["Format"])
    assert used == {
        "$context.requestId",
        "$context.requestTimeEpoch",
        "$context.identity.sourceIp",
        "$context.httpMethod",
        "$context.path",
        "$context.resourcePath",
        "$context.status",
        "$context.responseLength",
        "$context.responseLatency",
        "$context.integrationStatus",
        "$context.waf.status",
        "$context.identity.userArn",
    }


def test_access_logs_are_kept_as_long_as_set(full: Resources) -> None:
    log = full.one(LOG, "RegistrationApiAccessLog")

    assert log["Properties"]["RetentionInDays"] == 731
    assert log["DeletionPolicy"] == "Retain"


def test_the_accounts_role_stays_when_the_stack_goes(full: Resources) -> None:
    assert full.one("AWS::ApiGateway::Account")["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("THROTTLED", "429"),
        ("INTEGRATION_FAILURE", "503"),
        ("INTEGRATION_TIMEOUT", "503"),
        ("DEFAULT_5XX", "503"),
    ],
)
def test_a_buyer_sees_a_page_when_the_function_does_not_answer(
    resources: Resources, kind: str, status: str
) -> None:
    answer = own_answers(resources)[kind]

    assert answer["StatusCode"] == status
    assert answer["ResponseTemplates"] == {"text/html": gateway_page.html(Settings())}
    assert answer["ResponseParameters"]["gatewayresponse.header.Retry-After"] == "'60'"


def test_none_of_api_gateways_own_answers_is_stored(full: Resources) -> None:
    for answer in own_answers(full).values():
        stored = answer["ResponseParameters"]["gatewayresponse.header.Cache-Control"]
        assert stored == "'no-store'"


def test_who_is_refused_by_the_web_acl_sees_the_page_too(full: Resources) -> None:
    assert own_answers(full)["WAF_FILTERED"]["StatusCode"] == "403"


def test_no_header_of_the_page_ends_its_own_quotes() -> None:
    assert [each for each in gateway_page.HEADERS.values() if each.count("'") != 2] == []


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words += data


def read_page(settings: Settings) -> Page:
    page = Page()
    page.feed(gateway_page.html(settings))
    return page


def test_the_page_says_what_to_do_and_whom_to_ask() -> None:
    settings = Settings(
        support_email="help@example.com", support_url="https://example.com/?a=1&b=2"
    )

    page = read_page(settings)

    assert "Set up your account" in page.words
    assert page.links == ["mailto:help@example.com", "https://example.com/?a=1&b=2"]


def test_the_page_is_text_in_the_sellers_name() -> None:
    page = read_page(Settings(seller_name="<script>alert(1)</script> & Söhne"))

    assert "<script>alert(1)</script> & Söhne" in page.words
    assert not {"script", "form", "style", "img"} & set(page.tags)


def test_nothing_of_a_request_can_get_into_the_page() -> None:
    # API Gateway replaces `$context…` in a template by what the request says.
    assert "$" not in gateway_page.html(Settings(seller_name="$context.path"))


def test_without_a_domain_the_url_is_that_of_the_stage(template: dict[str, Any]) -> None:
    parts = template["Outputs"]["RegistrationUrl"]["Value"]["Fn::Join"][1]

    assert parts[0] == "https://"
    assert str(parts[2]).startswith(".execute-api.us-east-1.")
    assert parts[-1] == "/register"


def test_with_a_domain_the_urls_are_those_of_the_domain(full_template: dict[str, Any]) -> None:
    outputs = full_template["Outputs"]

    assert outputs["RegistrationUrl"]["Value"] == "https://marketplace.example.com/register"
    assert outputs["ClaimUrl"]["Value"] == "https://marketplace.example.com/registrations/claim"
    assert outputs["UsageUrl"]["Value"] == "https://marketplace.example.com/usage"


def test_the_domain_takes_tls_1_2_at_least_and_leads_to_the_stage(full: Resources) -> None:
    domain = full.properties("AWS::ApiGateway::DomainName")
    mapping = full.properties("AWS::ApiGateway::BasePathMapping")

    assert domain["DomainName"] == "marketplace.example.com"
    assert domain["SecurityPolicy"] == "TLS_1_2"
    assert domain["RegionalCertificateArn"].startswith("arn:aws:acm:eu-west-1:")
    assert domain["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert mapping["Stage"] == full.ref(STAGE)
    assert "BasePath" not in mapping


def test_the_seller_is_told_where_to_point_the_domain(full_template: dict[str, Any]) -> None:
    target = full_template["Outputs"]["DomainTarget"]["Value"]

    assert target["Fn::GetAtt"][1] == "RegionalDomainName"


def test_a_web_acl_costs_money_and_is_made_only_when_asked(resources: Resources) -> None:
    assert WEB_ACL not in {each["Type"] for each in resources.all.values()}
