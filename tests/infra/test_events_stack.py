from tests.infra.template import (
    ALARM,
    QUEUE,
    ROLE,
    RULE,
    SUBSCRIPTION,
    TOPIC,
    Resources,
    allow,
)
from tests.infra.test_registration import bus


def test_it_listens_to_what_the_main_stack_listens_to(
    forwarding: Resources, full: Resources
) -> None:
    pattern = forwarding.properties(RULE)["EventPattern"]

    assert pattern == full.properties(RULE)["EventPattern"]


def test_it_forwards_to_the_default_bus_of_the_main_stacks_region(forwarding: Resources) -> None:
    (target,) = forwarding.properties(RULE)["Targets"]

    assert target["Arn"] == bus("eu-west-1")
    assert target["RoleArn"] == forwarding.arn(ROLE)


def test_it_tries_for_a_day_and_loses_nothing_after_it(forwarding: Resources) -> None:
    (target,) = forwarding.properties(RULE)["Targets"]

    assert target["DeadLetterConfig"] == {"Arn": forwarding.arn(QUEUE)}
    assert target["RetryPolicy"] == {
        "MaximumEventAgeInSeconds": 24 * 3600,
        "MaximumRetryAttempts": 185,
    }


def test_its_role_may_put_events_on_that_bus_and_do_nothing_else(forwarding: Resources) -> None:
    assert forwarding.allowed("") == [allow("events:PutEvents", bus("eu-west-1"))]


def test_only_eventbridge_may_take_its_role(forwarding: Resources) -> None:
    (statement,) = forwarding.properties(ROLE)["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "events.amazonaws.com"}


def test_an_event_it_cannot_forward_calls_the_same_person(forwarding: Resources) -> None:
    alarm = forwarding.properties(ALARM)

    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert alarm["AlarmActions"] == [forwarding.ref(TOPIC)]
    assert forwarding.properties(SUBSCRIPTION)["Endpoint"] == "on-call@example.com"
    assert "eu-west-1" in alarm["AlarmDescription"]


def test_it_holds_nothing_else(forwarding: Resources) -> None:
    assert {each["Type"].split("::")[1] for each in forwarding.all.values()} == {
        *("Events", "IAM", "KMS", "SQS", "SNS", "CloudWatch")
    }
