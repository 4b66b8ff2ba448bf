"""Events on their way: from AWS Marketplace to queues, over buses and topics, and what is put."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.environment import ask
from sandbox.sandbox import Sandbox
from tests.integration.toy import create_function

pytestmark = pytest.mark.slow

PRODUCT = "example000000000000000001"
OLDER = "legacy0000000000000000001"
PATTERN = {
    "source": ["aws.agreement-marketplace"],
    "detail-type": [{"prefix": "Purchase Agreement "}, {"prefix": "License "}],
}
FAR = "eu-west-1"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), app=None) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def no_rules_of_other_tests(sandbox: Sandbox) -> Iterator[None]:
    sandbox.deliveries.run_due()
    yield
    for region in ("us-east-1", FAR):
        events = sandbox.client("events", region)
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])


def queue(sandbox: Sandbox, name: str, region: str = "us-east-1") -> tuple[str, str]:
    """The URL and the ARN of a new queue."""
    url = sandbox.client("sqs", region).create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{region}:123456789012:{name}"


def rule(
    sandbox: Sandbox,
    name: str,
    target: str,
    *,
    pattern: object = PATTERN,
    region: str = "us-east-1",
    **options: Any,
) -> None:
    events = sandbox.client("events", region)
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target, **options}])


def bodies(sandbox: Sandbox, url: str, region: str = "us-east-1") -> list[Any]:
    sqs = sandbox.client("sqs", region)
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(json.loads(message["Body"]))
    return found


def purchase(sandbox: Sandbox, account: str, **order: object) -> dict[str, Any]:
    """Buy, and let the minute pass after which AWS Marketplace has told everything."""
    wanted = {"product_code": PRODUCT, "account": account, "dimensions": ["users"], **order}
    bought: dict[str, Any] = sandbox.emulator("purchases", {"state": "as-real", **wanted})
    sandbox.clock.advance(120)
    return bought


def told(sandbox: Sandbox) -> list[Any]:
    return [event["body"] for event in sandbox.emulator("events?after=0")["events"]]


def test_an_event_comes_into_the_queue_of_its_rule_as_it_is(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "whole")
    rule(sandbox, "whole", arn)

    purchase(sandbox, "111122223333")
    sandbox.deliveries.run_due()

    delivered = bodies(sandbox, url)
    assert len(delivered) >= 2
    assert delivered == told(sandbox)[-len(delivered) :]
    assert {"id", "time", "account", "region", "resources"} <= delivered[0].keys()


def test_an_event_is_delivered_once(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "once")
    rule(sandbox, "once", arn)
    purchase(sandbox, "111122224444")
    sandbox.deliveries.run_due()
    bodies(sandbox, url)

    assert (sandbox.deliveries.run_due(), bodies(sandbox, url)) == ([], [])


def test_an_event_that_is_told_twice_comes_twice_with_one_id(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "twice")
    rule(sandbox, "twice", arn)
    sandbox.emulator("delivery", {"kind": "twice", "event": "License Updated", "times": 1})

    purchase(sandbox, "111122225555")
    sandbox.clock.advance(3600)
    sandbox.deliveries.run_due()

    updated = [
        each["id"] for each in bodies(sandbox, url) if each["detail-type"].startswith("License")
    ]
    assert (len(updated), len(set(updated))) == (2, 1)


def test_an_event_that_a_rule_does_not_match_stays_out(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "unmatched")
    rule(sandbox, "unmatched", arn, pattern={**PATTERN, "detail-type": [{"prefix": "Other "}]})

    purchase(sandbox, "111122226666")
    sandbox.deliveries.run_due()

    assert bodies(sandbox, url) == []


def test_a_disabled_rule_delivers_nothing(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "disabled")
    rule(sandbox, "disabled", arn)
    sandbox.client("events").disable_rule(Name="disabled")

    purchase(sandbox, "111122227777")
    sandbox.deliveries.run_due()

    assert bodies(sandbox, url) == []


def test_a_rule_forwards_to_the_bus_of_another_region_unchanged(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "far", FAR)
    rule(sandbox, "forward", f"arn:aws:events:{FAR}:123456789012:event-bus/default")
    rule(sandbox, "far", arn, region=FAR)

    purchase(sandbox, "111122228888")
    sandbox.deliveries.run_due()

    forwarded = bodies(sandbox, url, FAR)
    assert forwarded == told(sandbox)[-len(forwarded) :] != []


def test_an_event_without_a_queue_becomes_a_dead_letter(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "undelivered")
    rule(
        sandbox,
        "gone",
        "arn:aws:sqs:us-east-1:123456789012:gone",
        DeadLetterConfig={"Arn": arn},
    )

    purchase(sandbox, "111122229999")
    sandbox.deliveries.run_due()

    assert {each["source"] for each in bodies(sandbox, url)} == {"aws.agreement-marketplace"}


def test_a_notification_comes_through_the_topic_of_an_older_product(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "legacy")
    topic_arn = f"arn:aws:sns:us-east-1:287250355862:aws-mp-subscription-notification-{OLDER}"
    template = {"TopicArn": topic_arn, "Protocol": "sqs", "Endpoint": arn}
    sandbox.client("cloudformation").create_stack(
        StackName="legacy",
        TemplateBody=json.dumps(
            {"Resources": {"Listen": {"Type": "AWS::SNS::Subscription", "Properties": template}}}
        ),
    )

    purchase(sandbox, "222233330000", product_code=OLDER, legacy=True)
    sandbox.deliveries.run_due()

    notifications = bodies(sandbox, url)
    actions = [json.loads(each["Message"])["action"] for each in notifications]
    assert (notifications[0]["TopicArn"], actions) == (topic_arn, ["subscribe-success"])


def test_a_notification_without_a_topic_is_lost(sandbox: Sandbox) -> None:
    """As for a seller who has subscribed to nothing."""
    nowhere = {"arn": "arn:aws:sns:us-east-1:287250355862:nowhere", "message": "x"}

    assert ask(f"{sandbox.endpoints.aws}/sandbox/topics", nowhere) == {"message_ids": []}


def put(sandbox: Sandbox, source: str) -> Any:
    entry = {"Source": source, "DetailType": "Told", "Detail": '{"a": 1}', "Resources": ["r"]}
    return sandbox.client("events").put_events(Entries=[entry])["Entries"][0]


def test_what_is_put_on_a_bus_is_remembered(sandbox: Sandbox) -> None:
    event_id = put(sandbox, "ours")["EventId"]

    event = sandbox.published()[-1]
    assert (event["id"], event["source"], event["detail"]) == (event_id, "ours", {"a": 1})
    assert (event["account"], event["resources"]) == ("123456789012", ["r"])


def test_what_is_put_on_a_bus_is_delivered_whole(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "ours")
    rule(sandbox, "ours", arn, pattern={"source": ["ours"]})

    put(sandbox, "ours")

    assert bodies(sandbox, url) == sandbox.published()[-1:]


def test_nobody_but_aws_speaks_for_aws(sandbox: Sandbox) -> None:
    assert (
        put(sandbox, "aws.agreement-marketplace")["ErrorCode"] == "NotAuthorizedForSourceException"
    )


def test_events_are_delivered_by_themselves_in_the_background(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "background")
    rule(sandbox, "background", arn)
    lines: list[str] = []

    sandbox.deliveries.start(lines.append)
    purchase(sandbox, "222233331111")
    deadline = time.monotonic() + 30
    while len(lines) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    sandbox.deliveries.stop()

    assert len(bodies(sandbox, url)) >= 2
    assert "AWS Marketplace: License Updated - Manufacturer" in lines


def test_settling_delivers_and_lets_functions_handle_until_all_is_quiet(sandbox: Sandbox) -> None:
    url, arn = queue(sandbox, "settling")
    rule(sandbox, "settling", arn)
    functions = sandbox.client("lambda")
    mapping = functions.create_event_source_mapping(
        FunctionName=create_function(sandbox, "settling"), EventSourceArn=arn
    )

    purchase(sandbox, "222233332222")
    handled = sandbox.settle()
    functions.delete_event_source_mapping(UUID=mapping["UUID"])

    assert sum(len(each.messages) for each in handled) >= 2
    assert bodies(sandbox, url) == []


def test_sent_mails_can_be_read(sandbox: Sandbox) -> None:
    ses = sandbox.client("sesv2")
    ses.create_email_identity(EmailIdentity="seller@example.com")

    ses.send_email(
        FromEmailAddress="Seller <seller@example.com>",
        Destination={"ToAddresses": ["buyer@example.com"]},
        Content={
            "Simple": {
                "Subject": {"Data": "Welcome"},
                "Body": {"Text": {"Data": "hello"}, "Html": {"Data": "<p>hello"}},
            }
        },
    )

    mail = sandbox.mails()[-1]
    assert mail["Destination"] == {"ToAddresses": ["buyer@example.com"]}
    assert mail["Content"]["Simple"]["Body"]["Text"] == {"Data": "hello"}


def test_mail_of_a_sender_who_is_not_verified_is_refused(sandbox: Sandbox) -> None:
    ses = sandbox.client("sesv2")
    before = sandbox.mails()

    with pytest.raises(ses.exceptions.MessageRejected):
        ses.send_email(
            FromEmailAddress="nobody@example.org",
            Destination={"ToAddresses": ["buyer@example.com"]},
            Content={"Simple": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}},
        )

    assert sandbox.mails() == before
