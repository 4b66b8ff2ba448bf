"""Answers as they come over the wire: botocore understands them, and the endpoint gives the same.

The files in `samples/` are in JSON 1.1 as it travels, put together from the service model; message
texts and ids in them are examples. They are own words of the suite, so that what the endpoint says
is compared with something that it did not say itself.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import botocore.parsers
import botocore.session
import pytest
from botocore.validate import ParamValidator

from tests.conformance.citations import METERING, has, raises, says
from tests.conformance.rulebook import rule
from tests.conformance.stage import (
    NINE,
    NOW,
    OTHER_BUYER,
    SECOND,
    Bought,
    Record,
    Stage,
    error_of,
    new_product_code,
)

SAMPLES = Path(__file__).parent / "samples"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.json"))
ERRORS = [name for name in NAMES if name.startswith("error-")]
REQUESTS = [name for name in NAMES if name.startswith("request")]
ANSWERS = [name for name in NAMES if name not in {*ERRORS, *REQUESTS}]
# What the service model does not know, and a client must survive all the same.
BEYOND_THE_MODEL = {"unknown-status"}

BATCH = (
    botocore.session.get_session().get_service_model(METERING).operation_model("BatchMeterUsage")
)
STATUSES = ("Success", "CustomerNotSubscribed", "DuplicateRecord")
LISTS = says(
    "BatchMeterUsage",
    "BatchMeterUsage returns a list of UsageRecordResult objects, which have each UsageRecord",
)


def read(name: str) -> Any:
    """A sample."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def parsed(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """An answer as botocore understands it."""
    response = {
        "body": json.dumps(body).encode(),
        "headers": headers or {"content-type": "application/x-amz-json-1.1"},
        "status_code": status,
    }
    parser = botocore.parsers.create_parser("json")
    found: dict[str, Any] = parser.parse(response, BATCH.output_shape)
    return found


def canonical(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what is never the same twice: ids, and the order of its lists."""
    results = [
        result | ({"MeteringRecordId": "an id"} if "MeteringRecordId" in result else {})
        for result in answer["Results"]
    ]
    return {
        "Results": sorted(results, key=_text),
        "UnprocessedRecords": sorted(answer.get("UnprocessedRecords", ()), key=_text),
    }


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


class Play:
    """The customers of the samples, bought anew, and the samples with their licenses in it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        records = read("request")["UsageRecords"]
        code = new_product_code()
        self._bought: dict[str, Bought] = {
            arn: stage.buy(code, account)
            for arn, account in {
                record["LicenseArn"]: record["CustomerAWSAccountId"] for record in records
            }.items()
        }
        self.records: list[Record] = parsed_records(self._named(records))

    def expected(self, name: str) -> dict[str, Any]:
        """What a sample says, about these customers."""
        return canonical(parsed(self._named(read(name))))

    def answered(self, *order: int) -> dict[str, Any]:
        """What the endpoint says to the records, sent in this order."""
        return canonical(self.stage.answer(*(self.records[index] for index in order)))

    def leave(self, index: int) -> None:
        """Let the license of a record end."""
        arn = self.records[index]["LicenseArn"]
        self.stage.change(next(b for b in self._bought.values() if b.license_arn == arn), "end")

    def _named(self, body: Any) -> Any:
        text = json.dumps(body)
        for arn, bought in self._bought.items():
            text = text.replace(arn, bought.license_arn)
        return json.loads(text)


def parsed_records(records: Iterable[Record]) -> list[Record]:
    """Records of the wire, as a caller of boto3 writes them."""
    found: list[Record] = parsed({"UnprocessedRecords": list(records)})["UnprocessedRecords"]
    return found


@pytest.mark.parametrize("name", ANSWERS)
@rule(LISTS)
def test_an_answer_is_understood_and_has_no_member_the_model_does_not_know(name: str) -> None:
    answer = read(name)

    found = parsed(answer)

    assert not ParamValidator().validate(answer, BATCH.output_shape).has_errors()
    assert len(found.get("Results", ())) == len(answer["Results"])
    assert len(found.get("UnprocessedRecords", ())) == len(answer.get("UnprocessedRecords", ()))


@pytest.mark.parametrize("name", ANSWERS)
@rule(has("UsageRecordResultStatus", enum=STATUSES))
def test_an_answer_has_no_status_beyond_the_models(name: str) -> None:
    statuses = {result["Status"] for result in read(name)["Results"]}

    assert (statuses <= set(STATUSES)) == (name not in BEYOND_THE_MODEL)


@pytest.mark.parametrize("name", REQUESTS)
@rule(has("BatchMeterUsageRequest", required=("UsageRecords",)))
def test_a_request_has_the_published_shape(name: str) -> None:
    assert not ParamValidator().validate(read(name), BATCH.input_shape).has_errors()


@pytest.mark.parametrize("name", ERRORS)
@rule(raises("BatchMeterUsage", "ThrottlingException"))
def test_an_error_is_understood(name: str) -> None:
    sample = read(name)

    found = parsed(sample["body"], sample["status"], sample["headers"])

    assert found["Error"] == {"Code": sample["body"]["__type"], "Message": "example text"}
    assert found["ResponseMetadata"]["HTTPStatusCode"] == sample["status"]
    assert found["ResponseMetadata"]["RequestId"]


@rule(LISTS)
def test_all_accepted(stage: Stage) -> None:
    play = Play(stage)

    assert play.answered(0, 1, 2, 3) == play.expected("success")


@pytest.mark.parametrize("name", ["success.other-order", "success.without-unprocessed-list"])
@rule(LISTS)
def test_all_accepted_in_whatever_form(stage: Stage, name: str) -> None:
    play = Play(stage)

    assert play.answered(3, 1, 0, 2) == play.expected(name)


@rule(says("UsageRecord.QuantityAsDecimal", "Quantities are compared by value"))
def test_a_quantity_echoed_in_the_other_form_is_the_same_answer(stage: Stage) -> None:
    play = Play(stage)
    play.records[0] |= {"QuantityAsDecimal": str(play.records[0].pop("Quantity"))}

    assert play.answered(0, 1, 2, 3) == play.expected("quantity-in-other-form")


@rule(says("UsageRecordResult.Status", "but a different quantity"))
def test_one_that_has_another_quantity_already(stage: Stage) -> None:
    play = Play(stage)
    play.stage.send(play.records[0] | {"Quantity": 4})

    assert play.answered(0, 1, 2, 3) == play.expected("duplicate")


@rule(says("UsageRecordResult.Status", "does not have an active agreement or subscription"))
def test_two_of_a_buyer_who_is_not_subscribed(stage: Stage) -> None:
    play = Play(stage)
    play.leave(2)
    play.leave(3)

    assert play.answered(0, 1, 2, 3) == play.expected("not-subscribed")


@rule(says("BatchMeterUsageResult.UnprocessedRecords", "You can retry the failed request"))
def test_two_that_were_not_processed(stage: Stage) -> None:
    play = Play(stage)
    play.stage.fault("unprocessed", records=2)

    assert play.answered(2, 3, 0, 1) == play.expected("unprocessed")


@rule(says("BatchMeterUsageResult.UnprocessedRecords", "You can retry the failed request"))
def test_none_that_was_processed(stage: Stage) -> None:
    play = Play(stage)
    play.stage.fault("unprocessed")

    assert play.answered(0, 1, 2, 3) == play.expected("all-unprocessed")


@rule(LISTS, has("UsageRecordResultStatus", enum=STATUSES))
def test_one_of_each(stage: Stage) -> None:
    play = Play(stage)
    other = play.records[1] | {"QuantityAsDecimal": "1"}
    other.pop("UsageAllocations")
    play.stage.send(other)
    play.leave(2)
    play.stage.fault("unprocessed", records=1)

    assert play.answered(3, 0, 1, 2) == play.expected("mixed")


@rule(LISTS)
def test_one_that_is_in_neither_list(stage: Stage) -> None:
    play = Play(stage)
    play.stage.fault("omit", records=1)

    assert play.answered(3, 0, 1, 2) == play.expected("in-neither-list")


@rule(LISTS)
def test_one_with_a_status_nobody_knows(stage: Stage) -> None:
    play = Play(stage)

    def without_words(answer: dict[str, Any]) -> dict[str, Any]:
        unknown = [result for result in answer["Results"] if result["Status"] not in STATUSES]
        assert len(unknown) == 1
        unknown[0]["Status"] = "a status nobody knows"
        return canonical(answer)

    play.stage.fault("unknown-status", records=1)

    assert without_words(play.answered(3, 0, 1, 2)) == without_words(
        play.expected("unknown-status")
    )


def provoke(stage: Stage, name: str) -> dict[str, Any]:
    """The error of a call that meets what the sample is about."""
    bought = stage.buy()
    legacy = stage.buy_legacy()
    buckets = [{"AllocatedUsageQuantity": 3, "Tags": [{"Key": "?", "Value": "x"}]}]
    calls: dict[str, tuple[Record, dict[str, str]]] = {
        "error-allocations": (
            stage.record(bought, UsageAllocations=[{"AllocatedUsageQuantity": 1}]),
            {},
        ),
        "error-customer": (
            stage.record(legacy, CustomerIdentifier="nobody"),
            {"ProductCode": legacy.product_code},
        ),
        "error-dimension": (stage.record(bought, Dimension="seats"), {}),
        "error-license": (stage.record(bought, CustomerAWSAccountId=OTHER_BUYER), {}),
        "error-product-code": (stage.record(legacy), {"ProductCode": new_product_code()}),
        "error-tag": (stage.record(bought, UsageAllocations=buckets), {}),
        "error-timestamp": (stage.record(bought, Timestamp=NOW + SECOND), {}),
        "error-validation": (stage.record(bought, Quantity=2**31), {}),
    }
    sample = read(name)
    if name not in calls:
        stage.fault(sample["body"]["__type"])
    record, request = calls.get(name, (stage.record(bought, Timestamp=NINE), {}))
    return error_of(lambda: stage.unchecked.batch_meter_usage(UsageRecords=[record], **request))


@pytest.mark.parametrize("name", ERRORS)
@rule(raises("BatchMeterUsage", "InvalidTagException"))
def test_an_error_is_answered_like_its_sample(stage: Stage, name: str) -> None:
    sample = read(name)
    expected = parsed(sample["body"], sample["status"], sample["headers"])

    answered = provoke(stage, name)

    headers = answered["ResponseMetadata"]["HTTPHeaders"]
    assert answered["Error"]["Code"] == expected["Error"]["Code"]
    assert answered["Error"].keys() == expected["Error"].keys()
    assert answered["ResponseMetadata"]["HTTPStatusCode"] == sample["status"]
    assert headers["content-type"] == sample["headers"]["content-type"]
    assert headers.keys() >= sample["headers"].keys()
