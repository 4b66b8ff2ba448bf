"""What the world can reach, and what nobody may do: with all settings on, in both stacks."""

from typing import Any

import pytest

from tests.infra.template import (
    API,
    FUNCTION,
    LOG,
    METHOD,
    POLICY,
    QUEUE,
    QUEUE_POLICY,
    ROLE,
    TOPIC,
    Resources,
)

PERMISSION = "AWS::Lambda::Permission"
TOPIC_POLICY = "AWS::SNS::TopicPolicy"
BUYERS_PATHS = {"register", "signup", "done"}
"""The last parts of the paths that need no signature."""


@pytest.fixture(params=["full", "forwarding"])
def stack(request: pytest.FixtureRequest) -> Resources:
    """Each of the two stacks."""
    found: Resources = request.getfixturevalue(request.param)
    return found


def statements(stack: Resources, *kinds: str) -> list[dict[str, Any]]:
    return [
        statement
        for kind in kinds
        for each in stack.every(kind)
        for statement in each["PolicyDocument"]["Statement"]
    ]


def test_only_the_api_has_an_address_in_the_world(stack: Resources) -> None:
    kinds = {resource["Type"] for resource in stack.all.values()}

    assert not kinds & {
        *("AWS::Lambda::Url", "AWS::S3::Bucket", "AWS::CloudFront::Distribution"),
        *("AWS::EC2::Instance", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
    }
    assert len(stack.every(API)) <= 1


def test_whoever_is_not_a_buyer_must_sign(full: Resources) -> None:
    opened = {
        full.all[method["ResourceId"]["Ref"]]["Properties"]["PathPart"]
        for method in full.every(METHOD)
        if method["AuthorizationType"] == "NONE"
    }

    assert opened == BUYERS_PATHS


def test_nobody_is_allowed_anything_without_a_name(stack: Resources) -> None:
    anybody = ("*", {"AWS": "*"})
    allowed = [
        each for each in statements(stack, QUEUE_POLICY, TOPIC_POLICY) if each["Effect"] == "Allow"
    ]

    assert not [each for each in allowed if each["Principal"] in anybody]


def test_every_service_is_let_in_for_this_account_or_this_rule_only(stack: Resources) -> None:
    allowed = [
        each for each in statements(stack, QUEUE_POLICY, TOPIC_POLICY) if each["Effect"] == "Allow"
    ]

    assert all(
        "aws:SourceArn" in str(each["Condition"]) or "aws:SourceAccount" in str(each["Condition"])
        for each in allowed
    )


@pytest.mark.parametrize(
    ("kind", "policy", "named"), [(QUEUE, QUEUE_POLICY, "Queues"), (TOPIC, TOPIC_POLICY, "Topics")]
)
def test_every_queue_and_topic_refuses_whoever_comes_without_tls(
    stack: Resources, kind: str, policy: str, named: str
) -> None:
    refusing = [
        reference["Ref"]
        for each in stack.every(policy)
        if any(
            statement["Effect"] == "Deny"
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for statement in each["PolicyDocument"]["Statement"]
        )
        for reference in each[named]
    ]

    assert sorted(refusing) == sorted(
        name for name, resource in stack.all.items() if resource["Type"] == kind
    )


def test_only_the_api_of_the_stack_and_its_schedules_start_functions(full: Resources) -> None:
    assert {each["Principal"] for each in full.every(PERMISSION)} == {"apigateway.amazonaws.com"}
    assert all(full.logical_id(API) in str(each["SourceArn"]) for each in full.every(PERMISSION))


def test_no_role_may_do_all_of_anything(stack: Resources) -> None:
    actions = [
        action
        for statement in statements(stack, POLICY)
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    ]

    assert actions
    assert not [action for action in actions if "*" in action]


def test_only_actions_of_aws_marketplace_have_no_resource(stack: Resources) -> None:
    # None of them has a resource type (service authorization reference, "AWS Marketplace …").
    unbound = [each for each in statements(stack, POLICY) if each["Resource"] == "*"]

    assert all("aws-marketplace:" in str(each["Action"]) for each in unbound)
    assert all("aws:RequestedRegion" in str(each["Condition"]) for each in unbound)


def test_every_role_is_for_one_service(stack: Resources) -> None:
    trusted = [
        statement["Principal"]
        for role in stack.every(ROLE)
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
    ]

    assert all(set(principal) == {"Service"} for principal in trusted)
    assert all(isinstance(principal["Service"], str) for principal in trusted)


def test_no_function_keeps_concurrency_for_itself(full: Resources) -> None:
    # A new account has ten concurrent executions, and AWS leaves none of them to be reserved.
    assert all("ReservedConcurrentExecutions" not in each for each in full.every(FUNCTION))


def test_every_log_ends_some_day(stack: Resources) -> None:
    assert all(log["RetentionInDays"] == 731 for log in stack.every(LOG))


def test_the_stacks_export_nothing_that_another_could_cling_to(
    full_template: dict[str, Any],
) -> None:
    assert not [name for name, each in full_template["Outputs"].items() if "Export" in each]
