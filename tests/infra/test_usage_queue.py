from tests.infra.template import QUEUE, QUEUE_POLICY, USAGE_QUEUE, Resources


def test_usage_waits_fourteen_days_encrypted(resources: Resources) -> None:
    queue = resources.properties(QUEUE, USAGE_QUEUE)

    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queue["SqsManagedSseEnabled"] is True


def test_a_message_of_one_mebibyte_is_taken(resources: Resources) -> None:
    assert resources.properties(QUEUE, USAGE_QUEUE)["MaximumMessageSize"] == 1024 * 1024


def test_the_usage_queue_has_no_redrive_policy_as_that_would_bill_twice(
    resources: Resources,
) -> None:
    assert "RedrivePolicy" not in resources.properties(QUEUE, USAGE_QUEUE)


def test_the_usage_queue_is_a_standard_queue(resources: Resources) -> None:
    assert "FifoQueue" not in resources.properties(QUEUE, USAGE_QUEUE)


def test_the_usage_queue_refuses_everybody_without_tls(resources: Resources) -> None:
    policy = resources.properties(QUEUE_POLICY, USAGE_QUEUE)

    assert policy["Queues"] == [resources.ref(QUEUE, USAGE_QUEUE)]
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "sqs:*",
            "Resource": resources.arn(QUEUE, USAGE_QUEUE),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
