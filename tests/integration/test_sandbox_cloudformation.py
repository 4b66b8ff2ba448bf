"""The types that the sandbox adds to moto's CloudFormation, through their lives."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.sandbox import Sandbox
from sandbox.verify import IncompleteError, verify
from tests.integration.toy import put_stack
from tests.integration.toy_api import API, ROOT, method, path, resource, resources

pytestmark = pytest.mark.slow

DOMAIN = "marketplace.example.com"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), app=None) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def no_stacks_of_other_tests(sandbox: Sandbox) -> Iterator[None]:
    yield
    for region in ("us-east-1", "eu-west-1"):
        cloudformation = sandbox.client("cloudformation", region)
        for stack in cloudformation.describe_stacks()["Stacks"]:
            cloudformation.delete_stack(StackName=stack["StackName"])


def test_a_deployed_api_is_all_there(sandbox: Sandbox) -> None:
    wanted = resources(sandbox)

    put_stack(sandbox, "whole", wanted)

    verify({"Resources": wanted}, "whole", sandbox.client)


@pytest.mark.parametrize("name", ["GetThing", "ServerError", "Stage"])
def test_a_missing_part_of_an_api_is_named(sandbox: Sandbox, name: str) -> None:
    wanted = resources(sandbox)
    put_stack(sandbox, "parts", {key: each for key, each in wanted.items() if key != name})

    with pytest.raises(IncompleteError, match=f"{name} "):
        verify({"Resources": wanted}, "parts", sandbox.client)


def test_an_api_goes_with_its_stack(sandbox: Sandbox) -> None:
    put_stack(sandbox, "gone", resources(sandbox))

    sandbox.client("cloudformation").delete_stack(StackName="gone")

    assert sandbox.client("apigateway").get_rest_apis()["items"] == []


def small_api(**changes: Any) -> dict[str, Any]:
    """An API with one method, which answers nobody, and a stage."""
    mock = {"Type": "MOCK"}
    return {
        "Api": resource("RestApi", {"Name": "small"}),
        "Page": path("page"),
        "Get": method({"Ref": "Page"}, "GET", mock),
        "Deployment": {**resource("Deployment", API), "DependsOn": ["Get"]},
        "Stage": resource(
            "Stage", {**API, "StageName": "v1", "DeploymentId": {"Ref": "Deployment"}}
        ),
        **changes,
    }


def api(sandbox: Sandbox) -> str:
    (api,) = sandbox.client("apigateway").get_rest_apis()["items"]
    return str(api["id"])


def paths(sandbox: Sandbox) -> dict[str, list[str]]:
    found = sandbox.client("apigateway").get_resources(restApiId=api(sandbox), embed=["methods"])
    return {each["path"]: list(each.get("resourceMethods", [])) for each in found["items"]}


def test_an_update_of_an_api_keeps_its_id_and_moves_what_is_in_it(sandbox: Sandbox) -> None:
    put_stack(sandbox, "small", small_api())
    before, had = api(sandbox), paths(sandbox)

    put_stack(
        sandbox,
        "small",
        small_api(
            Api=resource("RestApi", {"Name": "small", "Description": "changed"}),
            Page=path("other"),
            Get=method({"Ref": "Page"}, "POST", {"Type": "MOCK"}),
            Root=method(ROOT, "GET", {"Type": "MOCK"}),
        ),
    )

    assert (had, paths(sandbox)) == (
        {"/": [], "/page": ["GET"]},
        {"/": ["GET"], "/other": ["POST"]},
    )
    assert api(sandbox) == before


def test_a_resource_that_comes_back_is_made_again(sandbox: Sandbox) -> None:
    """Guards against moto, which takes what an update has removed for something that is there."""
    more = small_api(Other=path("other"))

    put_stack(sandbox, "back", more)
    put_stack(sandbox, "back", small_api())
    between = paths(sandbox)
    put_stack(sandbox, "back", more)

    assert (list(between), list(paths(sandbox))) == (["/", "/page"], ["/", "/page", "/other"])


def test_a_custom_domain_leads_to_a_stage(sandbox: Sandbox) -> None:
    mapping = {**API, "DomainName": {"Ref": "Domain"}, "Stage": {"Ref": "Stage"}}
    wanted = small_api(
        Domain=resource(
            "DomainName",
            {
                "DomainName": DOMAIN,
                "RegionalCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
                "EndpointConfiguration": {"Types": ["REGIONAL"]},
            },
        ),
        Mapping=resource("BasePathMapping", mapping),
    )

    put_stack(sandbox, "domain", wanted)

    verify({"Resources": wanted}, "domain", sandbox.client)
    (found,) = sandbox.client("apigateway").get_base_path_mappings(domainName=DOMAIN)["items"]
    assert (found["restApiId"], found["stage"]) == (api(sandbox), "v1")
    sandbox.client("cloudformation").delete_stack(StackName="domain")
    assert sandbox.client("apigateway").get_domain_names()["items"] == []


def test_the_log_role_of_the_account_is_set(sandbox: Sandbox) -> None:
    role = "arn:aws:iam::123456789012:role/logs"
    wanted = {"Account": resource("Account", {"CloudWatchRoleArn": role})}

    put_stack(sandbox, "account", wanted)

    verify({"Resources": wanted}, "account", sandbox.client)
    assert sandbox.client("apigateway").get_account()["cloudwatchRoleArn"] == role


def web_acl(*words: str) -> dict[str, Any]:
    visible = {
        "CloudWatchMetricsEnabled": True,
        "MetricName": "m",
        "SampledRequestsEnabled": False,
    }
    rules = [
        {
            "Name": word,
            "Priority": number,
            "Action": {"Block": {}},
            "Statement": {"ByteMatchStatement": {"SearchString": word}},
            "VisibilityConfig": visible,
        }
        for number, word in enumerate(words)
    ]
    properties = {"DefaultAction": {"Allow": {}}, "Rules": rules, "Scope": "REGIONAL"}
    return {
        "Type": "AWS::WAFv2::WebACL",
        "Properties": {**properties, "VisibilityConfig": visible},
    }


def test_a_web_acl_is_updated_in_front_of_its_stage(sandbox: Sandbox) -> None:
    stage = ["arn:aws:apigateway:us-east-1::/restapis/", {"Ref": "Api"}, "/stages/v1"]
    association = {
        "WebACLArn": {"Fn::GetAtt": ["Acl", "Arn"]},
        "ResourceArn": {"Fn::Join": ["", stage]},
    }

    def wanted(*words: str) -> dict[str, Any]:
        before = {"Type": "AWS::WAFv2::WebACLAssociation", "Properties": association}
        return small_api(Acl=web_acl(*words), Before={**before, "DependsOn": ["Stage"]})

    def words() -> list[str]:
        arn = f"arn:aws:apigateway:us-east-1::/restapis/{api(sandbox)}/stages/v1"
        acl = sandbox.client("wafv2").get_web_acl_for_resource(ResourceArn=arn)["WebACL"]
        return [rule["Name"] for rule in acl["Rules"]]

    lives = []
    for given in (("first",), ("first", "second"), ()):
        put_stack(sandbox, "walled", wanted(*given))
        verify({"Resources": wanted(*given)}, "walled", sandbox.client)
        lives.append(words())
    sandbox.client("cloudformation").delete_stack(StackName="walled")

    assert lives == [["first"], ["first", "second"], []]
    assert sandbox.client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"] == []


def queue(name: str) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}


def test_a_rule_keeps_its_name_and_changes_its_targets(sandbox: Sandbox) -> None:
    def wanted(*queues: str) -> dict[str, Any]:
        targets = [
            {
                "Id": name,
                "Arn": {"Fn::GetAtt": [name, "Arn"]},
                "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["First", "Arn"]}},
                "RetryPolicy": {"MaximumRetryAttempts": 3},
            }
            for name in queues
        ]
        pattern = {"source": ["ours"], "detail-type": [{"prefix": "T"}]}
        properties = {"EventPattern": pattern, "Targets": targets, "State": "ENABLED"}
        return {
            "First": queue("ruled-first"),
            "Second": queue("ruled-second"),
            "Rule": {"Type": "AWS::Events::Rule", "Properties": properties},
        }

    events = sandbox.client("events")

    def rules() -> list[tuple[str, list[str]]]:
        return [
            (
                each["Name"],
                [t["Id"] for t in events.list_targets_by_rule(Rule=each["Name"])["Targets"]],
            )
            for each in events.list_rules()["Rules"]
        ]

    put_stack(sandbox, "ruled", wanted("First"))
    ((name, first),) = rules()
    put_stack(sandbox, "ruled", wanted("Second"))
    ((same, second),) = rules()
    verify({"Resources": wanted("Second")}, "ruled", sandbox.client)
    sandbox.client("cloudformation").delete_stack(StackName="ruled")

    assert (same, first, second, rules()) == (name, ["First"], ["Second"], [])


def topic(**properties: object) -> dict[str, Any]:
    """A topic that a queue listens to."""
    return {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": properties},
        "Policy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {"Topics": [{"Ref": "Topic"}], "PolicyDocument": {"Statement": []}},
        },
        "Queue": queue("listening"),
        "Listen": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
                "RawMessageDelivery": True,
            },
        },
    }


def test_a_topic_keeps_its_subscriptions_when_it_is_updated(sandbox: Sandbox) -> None:
    """Guards against moto's own type, which makes a new topic."""
    put_stack(sandbox, "topic", topic())
    put_stack(sandbox, "topic", topic(DisplayName="changed"))
    verify({"Resources": topic()}, "topic", sandbox.client)
    sns, sqs = sandbox.client("sns"), sandbox.client("sqs")
    (arn,) = [each["TopicArn"] for each in sns.list_topics()["Topics"]]

    sns.publish(TopicArn=arn, Message="hello")

    url = sqs.get_queue_url(QueueName="listening")["QueueUrl"]
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"


def test_a_topic_and_its_subscriptions_go_with_their_stack(sandbox: Sandbox) -> None:
    sns = sandbox.client("sns")
    listed: list[Callable[[], Any]] = [
        lambda: sns.list_topics()["Topics"],
        lambda: sns.list_subscriptions()["Subscriptions"],
    ]
    put_stack(sandbox, "fading", topic())
    before = [len(each()) for each in listed]

    sandbox.client("cloudformation").delete_stack(StackName="fading")

    assert (before, [len(each()) for each in listed]) == ([1, 1], [0, 0])


def test_a_topic_of_another_region_and_account_can_be_subscribed_to(sandbox: Sandbox) -> None:
    arn = "arn:aws:sns:us-east-1:287250355862:aws-mp-subscription-notification-code"
    wanted = {
        "Queue": queue("far"),
        "Listen": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": arn,
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
                "Region": "us-east-1",
            },
        },
    }
    cloudformation = sandbox.client("cloudformation", "eu-west-1")

    cloudformation.create_stack(StackName="far", TemplateBody=json.dumps({"Resources": wanted}))

    def client(service: str, region: str = "eu-west-1") -> Any:
        return sandbox.client(service, region)

    verify({"Resources": wanted}, "far", client)
    (found,) = sandbox.client("sns").list_subscriptions()["Subscriptions"]
    assert (found["TopicArn"], found["Owner"]) == (arn, "123456789012")
