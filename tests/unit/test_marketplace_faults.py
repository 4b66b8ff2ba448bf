"""Faults injected on purpose, and the throttling AWS does by itself."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.faults import Fault
from tests.unit.marketplace_stage import (
    BUYER,
    NINE,
    NOW,
    PRODUCT,
    Stage,
    code_of,
    status_of,
)

# Code and HTTP status; throttling is a 400.
EXCEPTIONS = [
    ("ThrottlingException", 400),
    ("InternalServiceErrorException", 500),
    ("InvalidProductCodeException", 400),
    ("InvalidUsageDimensionException", 400),
    ("InvalidTagException", 400),
    ("InvalidUsageAllocationsException", 400),
    ("InvalidCustomerIdentifierException", 400),
    ("TimestampOutOfBoundsException", 400),
    ("DisabledApiException", 400),
    ("InvalidLicenseException", 400),
    ("AccessDeniedException", 400),
    ("ExpiredTokenException", 403),
    ("UnrecognizedClientException", 403),
    ("InternalFailure", 500),
    ("ServiceUnavailable", 503),
    ("SomethingNobodyKnows", 400),
]


@pytest.mark.parametrize(("code", "status"), EXCEPTIONS)
def test_any_exception_can_be_injected(code: str, status: int) -> None:
    stage = Stage()
    stage.fault(code, times=2)

    assert stage.refusal(stage.record()) == code
    assert status_of(lambda: stage.send(stage.record())) == status


def test_modelled_exceptions_are_raised_as_such() -> None:
    stage = Stage()
    stage.fault("ThrottlingException")

    with pytest.raises(stage.client.exceptions.ThrottlingException):
        stage.send(stage.record())


def test_an_exception_applies_nothing() -> None:
    stage = Stage()
    stage.fault("InternalServiceErrorException")

    stage.refusal(stage.record())

    assert stage.billed() == {}


def test_expired_credentials_are_told_from_expired_registration_tokens_by_their_words() -> None:
    stage = Stage()
    stage.fault("ExpiredTokenException", operation="ResolveCustomer")

    with pytest.raises(stage.client.exceptions.ExpiredTokenException, match="security token"):
        stage.client.resolve_customer(RegistrationToken=stage.bought.registration_token)


def test_status_and_message_can_be_chosen() -> None:
    stage = Stage()
    stage.fault("AccessDeniedException", status=403, message="not this account")

    with pytest.raises(stage.client.exceptions.ClientError, match="not this account") as error:
        stage.send(stage.record())

    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_fault_strikes_as_often_as_it_says() -> None:
    stage = Stage()
    stage.fault("ThrottlingException", times=2)

    for _ in range(2):
        assert stage.refusal(stage.record()) == "ThrottlingException"
    assert stage.send(stage.record()) == ["Success"]


def test_a_fault_without_count_strikes_until_it_is_cleared() -> None:
    stage = Stage()
    stage.fault("ThrottlingException", times=None)
    for _ in range(10):
        assert stage.refusal(stage.record()) == "ThrottlingException"

    stage.marketplace.clear_faults()

    assert stage.send(stage.record()) == ["Success"]


def test_faults_strike_in_the_order_they_came() -> None:
    stage = Stage()
    stage.fault("ThrottlingException")
    stage.fault("DisabledApiException")

    codes = [stage.refusal(stage.record()) for _ in range(2)]

    assert codes == ["ThrottlingException", "DisabledApiException"]


def test_a_fault_strikes_only_its_operation() -> None:
    stage = Stage()
    stage.fault("DisabledApiException", operation="ResolveCustomer")

    assert stage.send(stage.record()) == ["Success"]


def test_a_fault_may_strike_any_operation() -> None:
    stage = Stage()
    stage.fault("DisabledApiException", operation="*")

    code = code_of(lambda: stage.client.resolve_customer(RegistrationToken="x"))

    assert code == "DisabledApiException"


def luck(seed: int) -> list[bool]:
    """Which of a hundred calls a fault of probability 0.3 strikes."""
    stage = Stage(seed=seed)
    stage.fault("not-subscribed", times=None, probability=0.3)
    return [stage.send(stage.record()) != ["Success"] for _ in range(100)]


def test_a_probable_fault_strikes_about_as_often() -> None:
    assert 15 < sum(luck(seed=1)) < 45


def test_luck_follows_from_the_seed() -> None:
    assert luck(seed=1) == luck(seed=1)
    assert luck(seed=1) != luck(seed=2)


def test_pending_faults_tell_how_often_they_will_strike() -> None:
    stage = Stage()
    stage.fault("ThrottlingException", times=3)

    stage.refusal(stage.record())

    assert [left for _, left in stage.marketplace.pending_faults()] == [2]


def test_a_lost_answer_is_a_500_for_records_that_are_billed() -> None:
    stage = Stage()
    stage.fault("applied-but-500")

    assert status_of(lambda: stage.send(stage.record())) == 500
    assert stage.billed() == {(BUYER, "users", 9): "3"}


def test_an_injected_answer_says_that_it_is() -> None:
    stage = Stage()
    stage.fault("applied-but-500")

    with pytest.raises(stage.client.exceptions.InternalServiceErrorException, match="Injected"):
        stage.send(stage.record())


def test_a_lost_answer_is_followed_by_success_for_the_same_records() -> None:
    stage = Stage()
    stage.fault("applied-but-500")
    stage.refusal(stage.record())

    assert (stage.send(stage.record()), stage.total()) == (["Success"], "3")


def test_a_call_that_breaks_a_rule_is_refused_even_when_its_answer_was_to_be_lost() -> None:
    stage = Stage()
    stage.fault("applied-but-500")

    assert stage.refusal(stage.record(Dimension="seats")) == "InvalidUsageDimensionException"


@pytest.mark.parametrize(
    ("fault", "billed"),
    [("timeout-before", {}), ("timeout-after", {(BUYER, "users", 9): "3"})],
)
def test_a_timeout_comes_before_or_after_applying(fault: str, billed: dict[Any, str]) -> None:
    stage = Stage()
    stage.fault(fault)

    with pytest.raises(ReadTimeoutError):
        stage.send(stage.record())

    assert stage.billed() == billed


def two_records(stage: Stage) -> list[dict[str, Any]]:
    return [stage.record(Dimension="users"), stage.record(Dimension="storage-gb")]


def test_unprocessed_records_come_back_and_are_not_billed() -> None:
    stage = Stage()
    records = two_records(stage)
    stage.fault("unprocessed", records=1)

    answer = stage.client.batch_meter_usage(UsageRecords=records)

    assert answer["UnprocessedRecords"] == records[:1]
    assert [result["UsageRecord"] for result in answer["Results"]] == records[1:]
    assert stage.billed() == {(BUYER, "storage-gb", 9): "3"}


def test_a_whole_call_can_be_unprocessed() -> None:
    stage = Stage()
    stage.fault("unprocessed")

    answer = stage.client.batch_meter_usage(UsageRecords=two_records(stage))

    assert (len(answer["UnprocessedRecords"]), answer["Results"]) == (2, [])


@pytest.mark.parametrize(("fault", "total"), [("omit", "3"), ("omit-applied", "6")])
def test_omitted_records_are_in_neither_list(fault: str, total: str) -> None:
    stage = Stage()
    records = two_records(stage)
    stage.fault(fault, records=1)

    answer = stage.client.batch_meter_usage(UsageRecords=records)

    assert [result["UsageRecord"] for result in answer["Results"]] == records[1:]
    assert (answer["UnprocessedRecords"], stage.total()) == ([], total)


def test_a_buyer_may_seem_not_to_be_subscribed_for_a_while() -> None:
    stage = Stage()
    stage.fault("not-subscribed", records=1)

    assert stage.send(*two_records(stage)) == ["CustomerNotSubscribed", "Success"]
    assert stage.total() == "3"


def test_a_status_may_be_one_that_nobody_knows() -> None:
    stage = Stage()
    stage.fault("unknown-status", records=1)

    assert stage.send(*two_records(stage)) == ["PendingReview", "Success"]
    assert stage.total() == "3"


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"fault": "explode"}, "fault"),
        ({"fault": "unprocessed", "operation": "ResolveCustomer"}, "operation"),
        ({"fault": "Throttled", "times": 0}, "times"),
        ({"fault": "Throttled", "probability": 0.0}, "probability"),
        ({"fault": "Throttled", "probability": 1.1}, "probability"),
        ({"fault": "unprocessed", "records": 0}, "records"),
        ({"fault": "Throttled", "status": 399}, "status"),
        ({"fault": "Throttled", "status": 600}, "status"),
        ({"fault": "timeout-after", "hang_seconds": -1.0}, "hang_seconds"),
        ({"fault": "timeout-after", "hang_seconds": 901.0}, "hang_seconds"),
    ],
)
def test_an_impossible_fault_is_refused(fault: dict[str, Any], field: str) -> None:
    with pytest.raises(Unacceptable) as error:
        Fault(**fault)

    assert error.value.field == field


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "Throttled", "status": 400},
        {"fault": "Throttled", "status": 599},
        {"fault": "timeout-after", "hang_seconds": 900.0},
        {"fault": "omit", "times": None, "records": None, "probability": 1.0},
    ],
)
def test_an_extreme_fault_is_possible(fault: dict[str, Any]) -> None:
    assert Fault(**fault).fault == fault["fault"]


def test_faults_are_limited() -> None:
    stage = Stage()

    for _ in range(1_000):
        stage.fault("ThrottlingException")

    with pytest.raises(Unacceptable, match="at most 1000"):
        stage.fault("ThrottlingException")


def send_many(stage: Stage, count: int) -> list[str]:
    """The outcome of as many calls at the same moment."""
    for number in range(count):
        at = NINE - timedelta(minutes=number)
        stage.marketplace.answer(
            "AWSMPMeteringService.BatchMeterUsage",
            b'{"UsageRecords": [{"Timestamp": %d, "Dimension": "seats"}]}' % at.timestamp(),
        )
    return [call.outcome for call in stage.marketplace.calls()]


def test_more_than_ten_calls_in_a_second_are_throttled() -> None:
    stage = Stage(throttling=True)

    outcomes = send_many(stage, 12)

    assert outcomes[10:] == ["ThrottlingException"] * 2
    assert "ThrottlingException" not in outcomes[:10]


def test_a_throttled_call_applies_nothing() -> None:
    stage = Stage(throttling=True)
    send_many(stage, 10)

    assert stage.refusal(stage.record()) == "ThrottlingException"
    assert stage.billed() == {}


def test_a_second_later_calls_are_taken_again() -> None:
    stage = Stage(throttling=True)
    send_many(stage, 12)

    stage.now = NOW + timedelta(seconds=1)

    assert stage.send(stage.record()) == ["Success"]


def test_each_operation_has_a_rate_of_its_own() -> None:
    stage = Stage(throttling=True)
    send_many(stage, 10)

    answer = stage.client.meter_usage(ProductCode=PRODUCT, Timestamp=NINE, UsageDimension="users")

    assert answer["MeteringRecordId"]


def test_nothing_is_throttled_unless_asked_for() -> None:
    assert "ThrottlingException" not in send_many(Stage(), 50)
