"""The emulator as a whole: what it serves, what it remembers, and its door inside the process."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import HTTPClientError
from botocore.validate import ParamValidator

from sandbox.marketplace.http import attach
from sandbox.marketplace.rules import Readings
from tests.unit.marketplace_stage import BUYER, NINE, NOW, PRODUCT, Stage, metering_client

SESSION = botocore.session.get_session()
METERING = SESSION.get_service_model("meteringmarketplace")
SERVED = {
    **dict.fromkeys(METERING.operation_names, METERING),
    "GetEntitlements": SESSION.get_service_model("marketplace-entitlement"),
    **dict.fromkeys(
        ("DescribeAgreement", "GetAgreementEntitlements", "SearchAgreements"),
        SESSION.get_service_model("marketplace-agreement"),
    ),
}


def answer_to(stage: Stage, operation: str) -> Any:
    """The answer of an operation, as it comes over the wire."""
    contract = stage.buy(entitlements={"users": 5}, auto_renew=True, free_trial_days=14)
    record = stage.record(Timestamp=NINE.timestamp())
    agreement = {"agreementId": contract.agreement_id}
    parties = (("PartyType", "Proposer"), ("AgreementType", "PurchaseAgreement"))
    requests: dict[str, dict[str, Any]] = {
        "BatchMeterUsage": {"UsageRecords": [record, record | {"Quantity": 4}]},
        "MeterUsage": {
            "ProductCode": PRODUCT,
            "Timestamp": NINE.timestamp(),
            "UsageDimension": "users",
        },
        "RegisterUsage": {"ProductCode": PRODUCT, "PublicKeyVersion": 1},
        "ResolveCustomer": {"RegistrationToken": stage.bought.registration_token},
        "GetEntitlements": {"ProductCode": PRODUCT},
        "DescribeAgreement": agreement,
        "GetAgreementEntitlements": agreement,
        "SearchAgreements": {
            "filters": [{"name": name, "values": [value]} for name, value in parties]
        },
    }
    target = f"{SERVED[operation].metadata['targetPrefix']}.{operation}"
    return stage.marketplace.answer(target, json.dumps(requests[operation]).encode())


@pytest.mark.parametrize("operation", SERVED)
def test_an_answer_has_the_published_shape(operation: str) -> None:
    stage = Stage(readings=Readings(first_entitlements="filled"))
    shape = SERVED[operation].operation_model(operation).output_shape

    answer = answer_to(stage, operation)

    assert (answer.status, len(answer.body) > 0) == (200, True)
    assert not ParamValidator().validate(dict(answer.body), shape).has_errors()
    assert answer.body.keys() <= shape.members.keys()


def test_no_operation_has_pages() -> None:
    client = metering_client()

    assert not any(client.can_paginate(name) for name in client.meta.method_to_api_mapping)


@pytest.mark.parametrize(
    "target", ["", "AWSMPMeteringService.MeterAll", "AWSMPEntitlementService.BatchMeterUsage"]
)
def test_an_unknown_target_is_an_unknown_operation(target: str) -> None:
    answer = Stage().marketplace.answer(target, b"{}")

    assert (answer.status, answer.body["__type"]) == (400, "UnknownOperationException")


def test_every_call_is_remembered() -> None:
    stage = Stage()
    stage.fault("ThrottlingException")
    stage.refusal(stage.record(), stage.record())
    stage.send(stage.record(), stage.record(Quantity=4))

    throttled, sent = stage.marketplace.calls()

    assert (throttled.operation, throttled.records) == ("BatchMeterUsage", 2)
    assert (throttled.outcome, throttled.fault) == ("ThrottlingException", "ThrottlingException")
    assert (sent.at, sent.outcome, sent.fault) == (NOW, "OK", None)
    assert sent.statuses == {"Success": 1, "DuplicateRecord": 1}


def test_the_buyers_side_counts_as_one_record() -> None:
    stage = Stage()
    stage.client.meter_usage(ProductCode=PRODUCT, Timestamp=NINE, UsageDimension="users")
    stage.client.register_usage(ProductCode=PRODUCT, PublicKeyVersion=1)

    assert [call.records for call in stage.marketplace.calls()] == [1, 0]


def test_a_lost_answer_is_remembered_as_what_it_was() -> None:
    stage = Stage()
    stage.fault("timeout-after")
    with pytest.raises(HTTPClientError):
        stage.send(stage.record())

    (call,) = stage.marketplace.calls()

    assert (call.fault, call.outcome, call.statuses) == ("timeout-after", "OK", {"Success": 1})


def test_unprocessed_records_are_remembered() -> None:
    stage = Stage()
    stage.fault("unprocessed")
    stage.send(stage.record())

    assert stage.marketplace.calls()[0].statuses == {"Unprocessed": 1}


def test_a_bill_line_tells_what_is_charged_to_whom() -> None:
    stage = Stage()
    stage.send(stage.record(QuantityAsDecimal="17.42"))

    (line,) = stage.marketplace.usage()

    assert (line.license_arn, line.product_code, line.account) == (
        stage.bought.license_arn,
        PRODUCT,
        BUYER,
    )
    assert (line.dimension, line.hour, str(line.quantity)) == ("users", NINE, "17.42")


def test_the_same_calls_have_the_same_ids_for_the_same_seed() -> None:
    first, second = (
        stage.client.batch_meter_usage(UsageRecords=[stage.record()])
        for stage in (Stage(seed=7), Stage(seed=7))
    )

    assert first == second


def test_an_answer_has_a_request_id() -> None:
    stage = Stage()

    answer = stage.client.batch_meter_usage(UsageRecords=[])

    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def test_whoever_attaches_hears_of_every_call_before_it_is_made() -> None:
    heard: list[str] = []
    stage = Stage(before_call=heard.append)

    stage.send(stage.record())
    stage.client.resolve_customer(RegistrationToken=stage.bought.registration_token)

    assert heard == ["BatchMeterUsage", "ResolveCustomer"]


class Killed(BaseException):
    """The end of a process, in the middle of a call."""


def kill(_: str) -> None:
    raise Killed


def test_a_caller_can_be_killed_before_its_call() -> None:
    stage = Stage(before_call=kill)

    with pytest.raises(Killed):
        stage.send(stage.record())

    assert (stage.billed(), stage.marketplace.calls()) == ({}, [])


def test_a_detached_client_calls_the_emulator_no_more() -> None:
    before, after = Stage(), Stage()
    client = metering_client()
    detach = attach(client, before.marketplace)

    detach()
    attach(client, after.marketplace)
    client.batch_meter_usage(UsageRecords=[])

    assert (len(before.marketplace.calls()), len(after.marketplace.calls())) == (0, 1)


def test_two_clients_can_share_a_marketplace() -> None:
    stage = Stage()
    other = metering_client()
    attach(other, stage.marketplace)
    stage.send(stage.record())

    answer = other.batch_meter_usage(UsageRecords=[stage.record()])

    assert [result["Status"] for result in answer["Results"]] == ["Success"]
    assert stage.total() == "3"
