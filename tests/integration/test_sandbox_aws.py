"""moto, made safe and complete enough: what the sandbox mends in it, one by one."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.sandbox import Sandbox
from tests.integration.toy import put_stack, upload

pytestmark = pytest.mark.slow

THREADS = 8
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), app=None) as sandbox:
        yield sandbox


def create_table(sandbox: Sandbox, name: str) -> Any:
    dynamodb = sandbox.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


def test_what_one_of_many_threads_has_written_on_a_condition_stays(sandbox: Sandbox) -> None:
    """Guards the lock around DynamoDB: of 320 successful transactions moto kept 182 to 316."""
    dynamodb = create_table(sandbox, "conditional")

    def put_if_absent(key: int) -> int:
        put = {
            "TableName": "conditional",
            "Item": {"id": {"S": str(key)}},
            "ConditionExpression": "attribute_not_exists(id)",
        }
        try:
            dynamodb.transact_write_items(TransactItems=[{"Put": put}])
        except dynamodb.exceptions.TransactionCanceledException:
            return 0
        return 1

    with ThreadPoolExecutor(THREADS) as pool:
        won = sum(pool.map(put_if_absent, [key for key in range(100) for _ in range(THREADS)]))

    assert (won, dynamodb.scan(TableName="conditional")["Count"]) == (100, 100)


# In a process of its own, because it mends moto there, with threads that switch all the time.
SEND_DURING_DELETES = """
import sys
from concurrent.futures import ThreadPoolExecutor

from moto.sqs.models import Message, sqs_backends

from sandbox.aws import mend

mend(port=0)
sys.setswitchinterval(1e-5)
backend = sqs_backends["123456789012"]["us-east-1"]
queue = backend.create_queue("queue", region="us-east-1")
for _ in range(400):
    backend.send_message("queue", "old")
received = [each for _ in range(40) for each in backend.receive_message("queue", 10, 0, 900)]

def replace(message):
    queue.delete_message(message.receipt_handle)
    new = Message("id", "new", {})
    new.mark_sent()
    queue.add_message(new)

with ThreadPoolExecutor(8) as pool:
    list(pool.map(replace, received))
print([message.body for message in queue.messages].count("new"), end="")
"""


def test_no_message_sent_during_deletes_is_lost() -> None:
    """Guards the lock around deletes: of 600 messages sent meanwhile, moto kept 61."""
    done = subprocess.run(
        [sys.executable, "-c", SEND_DURING_DELETES], capture_output=True, text=True, check=True
    )

    assert done.stdout == "400"


def fill(sqs: Any, queue: str, messages: int) -> None:
    for first in range(0, messages, 10):
        entries = [{"Id": str(n), "MessageBody": "x"} for n in range(first, first + 10)]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)


def test_a_deep_queue_is_not_slow(sandbox: Sandbox) -> None:
    """Guards the counting of messages: a receive from 300 messages took 0.3 s."""
    sqs = sandbox.client("sqs")
    queue = sqs.create_queue(QueueName="deep")["QueueUrl"]
    fill(sqs, queue, 500)

    began = time.monotonic()
    for _ in range(10):
        sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)

    assert time.monotonic() - began < 5


def test_a_queue_with_a_trigger_keeps_its_messages_for_the_sandbox(sandbox: Sandbox) -> None:
    """Guards the trigger that is switched off: moto received messages itself, and failed."""
    put_stack(
        sandbox,
        "triggered",
        {
            "Role": ROLE,
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "triggered"}},
            "Function": function(upload(sandbox, "triggered.zip")),
            "Trigger": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "FunctionName": {"Ref": "Function"},
                    "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                },
            },
        },
    )
    sqs = sandbox.client("sqs")
    queue = sqs.get_queue_url(QueueName="triggered")["QueueUrl"]

    sqs.send_message(QueueUrl=queue, MessageBody="for us")

    message = sqs.receive_message(QueueUrl=queue, AttributeNames=["All"])["Messages"][0]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_received_message_comes_back_when_emulated_time_has_passed(sandbox: Sandbox) -> None:
    sqs = sandbox.client("sqs")
    queue = sqs.create_queue(QueueName="hidden", Attributes={"VisibilityTimeout": "900"})[
        "QueueUrl"
    ]
    sqs.send_message(QueueUrl=queue, MessageBody="once more")
    sqs.receive_message(QueueUrl=queue)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)

    sandbox.clock.advance(901)

    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "once more"


def test_a_delayed_message_comes_when_emulated_time_has_passed(sandbox: Sandbox) -> None:
    sqs = sandbox.client("sqs")
    queue = sqs.create_queue(QueueName="delayed")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=600)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)

    sandbox.clock.advance(601)

    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "later"


def test_a_waiting_receive_ends_early_when_time_runs_fast(sandbox: Sandbox) -> None:
    sqs = sandbox.client("sqs")
    queue = sqs.create_queue(QueueName="empty")["QueueUrl"]

    sandbox.clock.run(1000)
    began = time.monotonic()
    sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
    took = time.monotonic() - began
    sandbox.clock.run(1)

    assert took < 0.9  # moto itself looks again after a real second


def function(code: dict[str, str]) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.11",
            "Handler": "toy.handler",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": code,
        },
    }


def schedule(expression: str, **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "ScheduleExpression": expression,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "RoleArn": "r"},
            **properties,
        },
    }


def schedules(sandbox: Sandbox, prefix: str) -> list[str]:
    scheduler = sandbox.client("scheduler")
    found = scheduler.list_schedules(NamePrefix=prefix)["Schedules"]
    return [scheduler.get_schedule(Name=each["Name"])["ScheduleExpression"] for each in found]


def test_a_schedule_is_created_updated_and_deleted(sandbox: Sandbox) -> None:
    lives = []

    put_stack(sandbox, "ticking", {"Tick": schedule("rate(5 minutes)")})
    lives.append(schedules(sandbox, "ticking"))
    put_stack(sandbox, "ticking", {"Tick": schedule("rate(6 minutes)")})
    lives.append(schedules(sandbox, "ticking"))
    sandbox.client("cloudformation").delete_stack(StackName="ticking")
    lives.append(schedules(sandbox, "ticking"))

    assert lives == [["rate(5 minutes)"], ["rate(6 minutes)"], []]


def test_a_renamed_schedule_leaves_its_old_name(sandbox: Sandbox) -> None:
    put_stack(sandbox, "renamed", {"Tick": schedule("rate(5 minutes)", Name="renamed-old")})

    put_stack(sandbox, "renamed", {"Tick": schedule("rate(5 minutes)", Name="renamed-new")})

    found = sandbox.client("scheduler").list_schedules(NamePrefix="renamed")["Schedules"]
    assert [each["Name"] for each in found] == ["renamed-new"]


def test_a_schedule_tells_its_arn(sandbox: Sandbox) -> None:
    template = {
        "Resources": {"Tick": schedule("rate(5 minutes)", Name="with-arn")},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Tick", "Arn"]}}},
    }
    cloudformation = sandbox.client("cloudformation")

    cloudformation.create_stack(StackName="with-arn", TemplateBody=json.dumps(template))

    stack = cloudformation.describe_stacks(StackName="with-arn")["Stacks"][0]
    assert stack["Outputs"][0]["OutputValue"].endswith(":schedule/default/with-arn")


def alarm(threshold: int) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
            "Threshold": threshold,
            "Metrics": [
                {"Id": "rate", "Expression": "errors / 2", "ReturnData": True},
                {
                    "Id": "errors",
                    "ReturnData": False,
                    "MetricStat": {
                        "Metric": {
                            "Namespace": "N",
                            "MetricName": "M",
                            "Dimensions": [{"Name": "D", "Value": "V"}],
                        },
                        "Period": 60,
                        "Stat": "Sum",
                    },
                },
            ],
        },
    }


def alarms(sandbox: Sandbox, prefix: str) -> list[float]:
    found = sandbox.client("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    return [each["Threshold"] for each in found]


def test_an_alarm_is_created_updated_and_deleted(sandbox: Sandbox) -> None:
    lives = []

    put_stack(sandbox, "alarming", {"Alarm": alarm(1)})
    lives.append(alarms(sandbox, "alarming"))
    put_stack(sandbox, "alarming", {"Alarm": alarm(2)})
    lives.append(alarms(sandbox, "alarming"))
    sandbox.client("cloudformation").delete_stack(StackName="alarming")
    lives.append(alarms(sandbox, "alarming"))

    assert lives == [[1], [2], []]


def test_a_queue_policy_is_created_updated_and_deleted(sandbox: Sandbox) -> None:
    def policy(sid: str) -> dict[str, Any]:
        return {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {"Statement": [{"Sid": sid}]},
            },
        }

    def sids() -> list[str]:
        sqs = sandbox.client("sqs")
        url = sqs.get_queue_url(QueueName="guarded")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        document = json.loads(attributes.get("Attributes", {}).get("Policy", '{"Statement": []}'))
        return [statement["Sid"] for statement in document["Statement"]]

    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "guarded"}}
    lives = []

    put_stack(sandbox, "guarded", {"Queue": queue, "Policy": policy("first")})
    lives.append(sids())
    put_stack(sandbox, "guarded", {"Queue": queue, "Policy": policy("second")})
    lives.append(sids())
    put_stack(sandbox, "guarded", {"Queue": queue})
    lives.append(sids())

    assert lives == [["first"], ["second"], []]


def test_an_event_invoke_config_is_created_updated_and_deleted(sandbox: Sandbox) -> None:
    code = upload(sandbox, "asynchronous.zip")

    def retries(attempts: int) -> dict[str, Any]:
        return {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Qualifier": "$LATEST",
                "MaximumRetryAttempts": attempts,
            },
        }

    def listed() -> list[int]:
        functions = sandbox.client("lambda")
        (name,) = [
            each["FunctionName"]
            for each in functions.list_functions()["Functions"]
            if each["FunctionName"].startswith("asynchronous")
        ]
        found = functions.list_function_event_invoke_configs(FunctionName=name)
        return [each["MaximumRetryAttempts"] for each in found["FunctionEventInvokeConfigs"]]

    owner = {"Role": ROLE, "Function": function(code)}
    lives = []

    put_stack(sandbox, "asynchronous", {**owner, "Config": retries(0)})
    lives.append(listed())
    put_stack(sandbox, "asynchronous", {**owner, "Config": retries(1)})
    lives.append(listed())
    put_stack(sandbox, "asynchronous", owner)
    lives.append(listed())

    assert lives == [[0], [1], []]


def test_a_stack_goes_whatever_order_its_resources_are_deleted_in(sandbox: Sandbox) -> None:
    put_stack(
        sandbox,
        "going",
        {
            "Role": ROLE,
            "Function": function(upload(sandbox, "going.zip")),
            "Config": {
                "Type": "AWS::Lambda::EventInvokeConfig",
                "Properties": {"FunctionName": {"Ref": "Function"}, "MaximumRetryAttempts": 0},
            },
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
            "Policy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {}},
            },
        },
    )
    cloudformation = sandbox.client("cloudformation")

    cloudformation.delete_stack(StackName="going")

    assert "going" not in [each["StackName"] for each in cloudformation.describe_stacks()["Stacks"]]


def test_a_type_that_moto_does_not_know_is_refused(sandbox: Sandbox) -> None:
    """Guards against CREATE_COMPLETE of a stack in which something is missing."""
    with pytest.raises(ClientError, match="cannot make a AWS::Pipes::Pipe"):
        put_stack(sandbox, "unknown", {"Pipe": {"Type": "AWS::Pipes::Pipe", "Properties": {}}})


def test_a_resource_that_fails_is_named(sandbox: Sandbox) -> None:
    """Guards against the 500 that an SDK repeats until it meets the half-made stack."""
    broken = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Threshold": 1}}

    with pytest.raises(ClientError, match=r"Wrong \(AWS::CloudWatch::Alarm\) failed"):
        put_stack(sandbox, "broken", {"Wrong": broken})


def test_a_stack_that_failed_can_be_deleted_and_made_anew(sandbox: Sandbox) -> None:
    cloudformation = sandbox.client("cloudformation")
    with pytest.raises(ClientError):
        put_stack(
            sandbox,
            "second-try",
            {
                "Tick": schedule("rate(5 minutes)", Name="second-try"),
                "Wrong": {"Type": "AWS::CloudWatch::Alarm", "Properties": {}},
            },
        )
    status = cloudformation.describe_stacks(StackName="second-try")["Stacks"][0]["StackStatus"]

    cloudformation.delete_stack(StackName="second-try")
    put_stack(sandbox, "second-try", {"Tick": schedule("rate(7 minutes)", Name="second-try")})

    assert (status, schedules(sandbox, "second-try")) == ("ROLLBACK_COMPLETE", ["rate(7 minutes)"])


def test_deleting_a_change_set_that_is_not_there_is_no_error(sandbox: Sandbox) -> None:
    put_stack(sandbox, "unchanged", {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}})

    answer = sandbox.client("cloudformation").delete_change_set(
        StackName="unchanged", ChangeSetName="never-made"
    )

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
