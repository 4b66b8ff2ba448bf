"""The setting `customer_managed_key`: what is under the key, and who may use it for what."""

from typing import Any

import pytest

from tests.infra.conftest import ENTITLEMENT_TOPIC, SUBSCRIPTION_TOPIC, synthesize
from tests.infra.template import LOG, POLICY, QUEUE, TABLE, TOPIC, Resources

KEY = "AWS::KMS::Key"
ACCOUNT = {"Ref": "AWS::AccountId"}
USING = [
    *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"),
    *("kms:GenerateDataKey*", "kms:ReEncrypt*"),
]
WRITING = ["kms:Decrypt", "kms:GenerateDataKey"]


@pytest.fixture(scope="module")
def keyed() -> Resources:
    """The stack of a seller who sets the key only."""
    return Resources(synthesize({"customer_managed_key": True}))


def allow(actions: object, principal: object, condition: object = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Principal": principal, "Resource": "*"}
    return statement if condition is None else {**statement, "Condition": condition}


def through(*services: str) -> dict[str, object]:
    via = [f"{service}.us-east-1.amazonaws.com" for service in services]
    return {"StringEquals": {"kms:CallerAccount": ACCOUNT, "kms:ViaService": via}}


def test_without_the_setting_there_is_no_key(resources: Resources) -> None:
    assert resources.every(KEY) == []
    assert "KmsKeyId" not in str(resources.all)
    assert "KmsMasterKeyId" not in str(resources.all)


def test_without_the_setting_queues_are_under_sqs_own_key(resources: Resources) -> None:
    # EventBridge and alarms cannot write through the keys that AWS manages in KMS.
    assert all(queue["SqsManagedSseEnabled"] for queue in resources.every(QUEUE))


def test_the_key_is_turned_every_year(keyed: Resources) -> None:
    (key,) = keyed.every(KEY)

    assert key["EnableKeyRotation"] is True


def test_the_key_may_be_used_for_exactly_this(keyed: Resources) -> None:
    (key,) = keyed.every(KEY)
    logs = {"Fn::Join": ["", ["arn:aws:logs:us-east-1:", ACCOUNT, ":log-group:*"]]}

    assert key["KeyPolicy"]["Statement"] == [
        allow("kms:*", {"AWS": {"Fn::Join": ["", ["arn:aws:iam::", ACCOUNT, ":root"]]}}),
        allow(USING, {"AWS": "*"}, through("dynamodb", "sqs")),
        allow(
            "kms:CreateGrant",
            {"AWS": "*"},
            through("dynamodb") | {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        allow(WRITING, {"Service": "events.amazonaws.com"}),
        allow(
            WRITING,
            {"Service": "cloudwatch.amazonaws.com"},
            {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        ),
        allow(
            USING,
            {"Service": "logs.us-east-1.amazonaws.com"},
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}},
        ),
    ]


def test_topics_of_aws_marketplace_may_write_under_the_key_too(full: Resources) -> None:
    (key,) = full.every(KEY)

    assert key["KeyPolicy"]["Statement"][-1] == allow(
        WRITING,
        {"Service": "sns.amazonaws.com"},
        {"ArnEquals": {"aws:SourceArn": [SUBSCRIPTION_TOPIC, ENTITLEMENT_TOPIC]}},
    )


def test_every_table_queue_topic_and_log_is_under_the_key(
    full: Resources, forwarding: Resources
) -> None:
    for stack in (full, forwarding):
        key = stack.arn(KEY)

        for table in stack.every(TABLE):
            assert table["SSESpecification"] == {
                "SSEEnabled": True,
                "SSEType": "KMS",
                "KMSMasterKeyId": key,
            }
        for queue in stack.every(QUEUE):
            assert queue["KmsMasterKeyId"] == key
            assert "SqsManagedSseEnabled" not in queue
        assert [topic["KmsMasterKeyId"] for topic in stack.every(TOPIC)] == [key]
        assert all(log["KmsKeyId"] == key for log in stack.every(LOG))


def test_the_roles_are_the_same_with_and_without_the_key(
    resources: Resources, keyed: Resources
) -> None:
    def policies(stack: Resources) -> dict[str, Any]:
        return {name: each for name, each in stack.all.items() if each["Type"] == POLICY}

    assert policies(keyed) == policies(resources)
