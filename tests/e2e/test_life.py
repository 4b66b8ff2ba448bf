"""The life of a license in the deployed stack: from the first event to the last hour's bill."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from lambdas.customers.license import License, State
from sandbox.buyer import RegistrationError, register
from sandbox.environment import DIRECT, own_session
from tests.e2e.leaks import leaks
from tests.e2e.stage import Bought, Stage

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)


def sign_up(stage: Stage, bought: Bought) -> None:
    """Register on the hosted pages."""
    url = stage.sandbox.url("RegistrationUrl")
    register(url, bought.registration_token, email=f"{bought.key}@example.com")


def active(stage: Stage, account: str, **terms: object) -> Bought:
    """Let a buyer purchase and register, and AWS Marketplace activate the license."""
    bought = stage.purchase(account, **terms)
    sign_up(stage, bought)
    stage.let_pass(minutes=2)
    return bought


def held(stage: Stage, bought: Bought) -> License:
    found = stage.license(bought)
    assert found is not None
    return found


def told(stage: Stage, bought: Bought) -> list[str]:
    """What the seller's systems were told of the license; the contact is told apart."""
    return [name for name, detail in stage.told(bought.key) if "Contact" not in detail]


# Events


def test_events_before_the_registration_wait_for_it(hosted: Stage, account: str) -> None:
    bought = hosted.purchase(account)
    hosted.let_pass(minutes=2)
    before = held(hosted, bought).state, told(hosted, bought)

    sign_up(hosted, bought)

    assert before == (State.PENDING, [])
    assert held(hosted, bought).state is State.ACTIVE
    assert told(hosted, bought) == ["Customer Registered", "Subscription Activated"]


def test_an_activation_that_comes_twice_and_too_early_is_one(hosted: Stage, account: str) -> None:
    hosted.stray("overtaken", "Purchase Agreement Created")
    hosted.stray("twice", "License Updated", seconds=30)

    bought = active(hosted, account)
    hosted.let_pass(minutes=2)

    assert hosted.arrived(bought) == [
        "License Updated - Manufacturer",
        "Purchase Agreement Created - Proposer",
        "License Updated - Manufacturer",
    ]
    assert held(hosted, bought).state is State.ACTIVE
    assert told(hosted, bought).count("Subscription Activated") == 1


def test_an_end_that_overtakes_itself_is_one_end(hosted: Stage, account: str) -> None:
    bought = active(hosted, account)
    hosted.stray("overtaken", "Purchase Agreement Ended")
    hosted.stray("twice", "License Deprovisioned", seconds=30)

    hosted.cancel(bought)
    hosted.let_pass(minutes=3)

    assert hosted.arrived(bought)[2:] == [
        "License Deprovisioned - Manufacturer",
        "Purchase Agreement Ended - Proposer",
        "License Deprovisioned - Manufacturer",
    ]
    assert held(hosted, bought).state is State.ENDING
    assert told(hosted, bought).count("Subscription Ending") == 1


# The last hour


@dataclass(frozen=True, slots=True)
class Ending:
    """A cancellation with usage in flight, and usage after all is over.

    Attributes:
        cancelled_at: When the buyer cancelled.
        in_the_hour: What was billed before the hour was over.
        calls: When AWS Marketplace took usage since then.
        told: What the seller's systems were told.
        at_last: What was billed a day later.
        attention: What the last tick says of usage that is not billed.
    """

    cancelled_at: datetime
    in_the_hour: Decimal
    calls: Sequence[datetime]
    told: Sequence[str]
    at_last: Decimal
    attention: Sequence[Mapping[str, str]]


@pytest.fixture(scope="module")
def ending(hosted: Stage) -> Ending:
    bought = active(hosted, "720000000001")
    hosted.use(bought, 3, key="first")
    hosted.let_pass(hours=2)
    hosted.tick()
    hosted.use(bought, 4, key="before the end")
    cancelled_at = hosted.now()
    hosted.cancel(bought)
    hosted.let_pass(minutes=1)
    hosted.use(bought, 5, key="in flight")
    hosted.run_until(cancelled_at + HOUR - timedelta(minutes=1))
    in_the_hour = hosted.billed(bought)
    hosted.run_until(cancelled_at + HOUR + timedelta(minutes=6))
    hosted.use(bought, 9, key="after the end")
    hosted.let_pass(hours=2)
    hosted.tick()
    hosted.let_pass(hours=25)
    attention = hosted.tick()["attention"]
    return Ending(
        cancelled_at=cancelled_at,
        in_the_hour=in_the_hour,
        calls=hosted.took_usage(since=cancelled_at),
        told=told(hosted, bought),
        at_last=hosted.billed(bought),
        attention=[each for each in attention if each["license"] == bought.key],
    )


def test_usage_in_flight_is_billed_within_the_hour(ending: Ending) -> None:
    assert ending.in_the_hour == 3 + 4 + 5
    assert ending.calls
    assert max(ending.calls) < ending.cancelled_at + HOUR


def test_the_end_is_told_in_its_order(ending: Ending) -> None:
    assert ending.told[-2:] == ["Subscription Ending", "Subscription Ended"]


def test_usage_after_the_end_is_not_billed(ending: Ending) -> None:
    assert ending.at_last == ending.in_the_hour


def test_usage_after_the_end_expires_with_the_reason(ending: Ending) -> None:
    (expired,) = ending.attention

    assert (expired["status"], expired["reason"]) == ("expired", "CustomerNotSubscribed")
    assert expired["quantity"] == "9"


# Licenses


def test_two_licenses_of_one_account_are_billed_apart(hosted: Stage, account: str) -> None:
    one, other = active(hosted, account), active(hosted, account)
    hosted.use(one, 2, key="one")
    hosted.use(other, 5, key="other")

    hosted.let_pass(hours=2)
    hosted.tick()

    assert {each.key for each in hosted.licenses_of(account)} == {one.key, other.key}
    assert (hosted.billed(one), hosted.billed(other)) == (Decimal(2), Decimal(5))


def test_the_end_of_one_license_is_not_that_of_the_other(hosted: Stage, account: str) -> None:
    one, other = active(hosted, account), active(hosted, account)

    hosted.cancel(one)
    hosted.let_pass(minutes=2)

    assert held(hosted, one).state is State.ENDING
    assert held(hosted, other).state is State.ACTIVE


def test_what_a_contract_gives_is_kept(hosted: Stage, account: str) -> None:
    bought = active(hosted, account, entitlements={"users": 10})

    (given,) = held(hosted, bought).entitlements

    assert (given.dimension, given.kind, given.value) == ("users", "Integer", "10")


def test_what_a_contract_gives_is_refreshed_and_told(hosted: Stage, account: str) -> None:
    bought = active(hosted, account, entitlements={"users": 10})

    hosted.sandbox.emulator(
        "agreements",
        {"license_arn": bought.license_arn, "change": "amend", "entitlements": {"users": 25}},
    )
    hosted.let_pass(minutes=2)

    change, detail = hosted.told(bought.key)[-1]
    assert [each.value for each in held(hosted, bought).entitlements] == ["25"]
    assert change == "Subscription Changed"
    assert detail["Entitlements"][0]["Value"] == {"IntegerValue": 25}


# Reconciliation


def never_announced(stage: Stage, account: str) -> Bought:
    """A license of before this stack was there: no event, no registration."""
    for event in ("Purchase Agreement Created", "License Updated"):
        stage.stray("lost", event)
    begun = stage.now() - timedelta(days=1)
    bought = stage.purchase(account, state="active", starts_at=begun.isoformat())
    stage.sandbox.settle()
    return bought


def differences(answer: Mapping[str, Any], bought: Bought) -> list[str]:
    return [each["difference"] for each in answer["differences"] if each["license"] == bought.key]


def test_reconciliation_brings_in_whom_nobody_announced(hosted: Stage, account: str) -> None:
    bought = never_announced(hosted, account)

    answer = hosted.reconcile()

    assert differences(answer, bought) == ["unknown-license"]
    assert held(hosted, bought).state is State.ACTIVE
    assert told(hosted, bought) == ["Customer Registered", "Subscription Activated"]


def test_reconciliation_repairs_a_missed_end(hosted: Stage, account: str) -> None:
    bought = active(hosted, account)
    hosted.let_pass(hours=3)
    for event in ("Purchase Agreement Ended", "License Deprovisioned"):
        hosted.stray("lost", event)
    hosted.cancel(bought)
    hosted.let_pass(minutes=2)
    missed = held(hosted, bought).state

    answer = hosted.reconcile()

    assert missed is State.ACTIVE
    assert differences(answer, bought) == ["missed-end"]
    assert held(hosted, bought).state is not State.ACTIVE


def test_reconciliation_that_only_reports_changes_nothing(own_page: Stage, account: str) -> None:
    bought = never_announced(own_page, account)

    answer = own_page.reconcile()

    assert differences(answer, bought) == ["unknown-license"]
    assert own_page.license(bought) is None


# Usage by HTTP


def post_usage(stage: Stage, usage: Mapping[str, object], *, signed: bool) -> int:
    """Post usage, and return the status."""
    url, body = stage.sandbox.url("UsageUrl"), json.dumps(usage)
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
    session = own_session()
    if signed:
        credentials = session.get_credentials()
        SigV4Auth(credentials, "execute-api", session.region_name).add_auth(request)
    try:
        with DIRECT.open(urllib.request.Request(url, body.encode(), dict(request.headers))) as took:
            return int(took.status)
    except HTTPError as refused:
        with refused:
            return refused.code


def test_usage_posted_over_http_is_billed(hosted: Stage, account: str) -> None:
    bought = active(hosted, account)

    status = post_usage(hosted, hosted.usage(bought, 6, key="posted"), signed=True)
    hosted.let_pass(hours=2)
    hosted.tick()

    assert (status, hosted.billed(bought)) == (202, Decimal(6))


def test_usage_that_is_not_signed_is_refused(hosted: Stage, account: str) -> None:
    bought = active(hosted, account)

    assert post_usage(hosted, hosted.usage(bought, 6, key="forged"), signed=False) == 403


# Secrets


def test_a_registration_token_is_kept_nowhere(hosted: Stage, account: str) -> None:
    taken = active(hosted, account)
    refused = hosted.purchase(account)
    hosted.let_pass(days=2)
    with pytest.raises(RegistrationError):
        sign_up(hosted, refused)
    down = {"operation": "ResolveCustomer", "fault": "ThrottlingException", "times": 2}
    hosted.sandbox.emulator("faults", down)
    delayed = hosted.purchase(account)
    with pytest.raises(RegistrationError):
        sign_up(hosted, delayed)

    # The license shows that the search finds what is there.
    assert leaks(hosted.sandbox, taken.key)
    for bought in (taken, refused, delayed):
        assert leaks(hosted.sandbox, bought.registration_token) == []
