"""Who is meant by usage, in each way to name a customer."""

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.customers.license import (
    License,
    State,
    license_key_of_arn,
    license_key_of_legacy,
)
from lambdas.metering.customer import Customers, Refusal, license_meant
from lambdas.metering.hours import HOUR_S
from lambdas.metering.named import Named
from lambdas.metering.terms import Terms
from lambdas.metering.usage import Reason, Rejected, Rules, Usage, read_message
from tests.unit.metering_stage import (
    BUYER,
    LICENSE,
    NOW_S,
    arn,
    begun,
    bought,
    customers,
    decide,
    legacy,
    seconds,
)

SAMPLES = Path(__file__).parents[1] / "events" / "usage"
CONTEXT = json.loads((SAMPLES / "context.json").read_text())
GOOD = sorted(path for path in SAMPLES.glob("*.json") if path.name != "context.json")
BAD = sorted(path for path in (SAMPLES / "bad").iterdir() if ".expected." not in path.name)
STRANGER = "999999999999"
USED_S = NOW_S - HOUR_S


def meant(named: Named, *licenses: License, known: Customers | None = None) -> str:
    """Resolve a customer, to the license's key or the reason why not."""
    answer = license_meant(
        named,
        known or customers(*licenses),
        used_s=USED_S,
        now_s=NOW_S,
        product_code="n0123",
    )
    return str(answer.reason) if isinstance(answer, Refusal) else answer


by_license = Named(license_arn=arn(LICENSE))
by_account = Named(account=BUYER)
by_identifier = Named(customer_identifier="X01")


def test_a_license_is_itself() -> None:
    assert meant(by_license, bought()) == "l-1"


def test_a_license_nobody_has_announced_yet_is_meant_all_the_same() -> None:
    assert meant(by_license) == "l-1"


def test_a_license_in_any_state_is_meant() -> None:
    found = [meant(by_license, bought(state=state, ended_s=1)) for state in State]

    assert found == ["l-1"] * len(State)


def test_a_license_and_its_own_account_agree() -> None:
    assert meant(Named(license_arn=arn(LICENSE), account=BUYER), bought()) == "l-1"


def test_a_license_whose_account_is_unknown_may_be_any_accounts() -> None:
    named = Named(license_arn=arn(LICENSE), account=STRANGER)

    assert meant(named, bought(account="")) == "l-1"


def test_a_license_of_another_account_is_a_mismatch() -> None:
    named = Named(license_arn=arn(LICENSE), account=STRANGER)

    assert meant(named, bought()) == Reason.CUSTOMER_MISMATCH


def test_a_license_of_another_customer_identifier_is_a_mismatch() -> None:
    named = Named(license_arn=arn(LICENSE), customer_identifier="X02")

    assert meant(named, bought(customer_identifier="X01")) == Reason.CUSTOMER_MISMATCH


def test_a_license_and_its_own_customer_identifier_agree() -> None:
    named = Named(license_arn=arn(LICENSE), customer_identifier="X01")

    assert meant(named, bought(customer_identifier="X01")) == "l-1"


def test_an_account_means_its_one_license() -> None:
    assert meant(by_account, bought()) == "l-1"


def test_an_account_with_two_licenses_is_ambiguous() -> None:
    assert meant(by_account, bought("l-1"), bought("l-2")) == Reason.AMBIGUOUS_CUSTOMER


def test_an_account_means_the_license_whose_life_holds_the_usage() -> None:
    old = bought("l-1", state=State.ENDED, ended_s=USED_S)
    new = bought("l-2", start_s=USED_S + 1)

    assert meant(by_account, old, new) == "l-1"


def test_an_account_means_the_license_of_the_product_that_is_named() -> None:
    named = Named(account=BUYER, product_code="other")

    assert meant(named, bought("l-1"), bought("l-2", product_code="other")) == "l-2"


def test_an_account_without_license_of_that_product_is_unknown() -> None:
    named = Named(account=BUYER, product_code="other")

    assert meant(named, bought()) == Reason.UNKNOWN_CUSTOMER


def test_an_account_nobody_knows_is_unknown() -> None:
    assert meant(Named(account=STRANGER), bought()) == Reason.UNKNOWN_CUSTOMER


def test_an_account_whose_license_ended_before_the_usage_is_unknown() -> None:
    gone = bought(state=State.ENDED, ended_s=USED_S - 1)

    assert meant(by_account, gone) == Reason.UNKNOWN_CUSTOMER


def test_an_account_that_registered_before_its_license_was_known_waits() -> None:
    registered = Customers(accounts={BUYER: []})

    assert meant(by_account, known=registered) == Reason.LICENSE_UNKNOWN_YET


def test_a_legacy_customer_is_meant_with_its_product() -> None:
    named = Named(customer_identifier="X01", product_code="n0123")

    assert meant(named, legacy()) == "n0123/X01"


def test_a_legacy_customer_without_product_is_of_the_configured_one() -> None:
    assert meant(by_identifier, legacy()) == "n0123/X01"


def test_a_legacy_customer_of_another_product_is_unknown() -> None:
    named = Named(customer_identifier="X01", product_code="n9")

    assert meant(named, legacy()) == Reason.UNKNOWN_CUSTOMER


def test_a_legacy_customer_must_have_registered() -> None:
    assert meant(by_identifier) == Reason.UNKNOWN_CUSTOMER


def test_a_legacy_customer_and_its_own_account_agree() -> None:
    named = Named(customer_identifier="X01", account=BUYER)

    assert meant(named, legacy()) == "n0123/X01"


def test_a_legacy_customer_and_another_account_are_a_mismatch() -> None:
    named = Named(customer_identifier="X01", account=STRANGER)

    assert meant(named, legacy()) == Reason.CUSTOMER_MISMATCH


def test_an_account_means_its_legacy_license_too() -> None:
    assert meant(by_account, legacy()) == "n0123/X01"


def sample_customers() -> Customers:
    """Return the customers of the samples' context."""
    licenses = [
        License(
            license_key_of_arn(each["license_arn"]),
            arn=each["license_arn"],
            account=each["account"],
            product_code=each["product_code"],
            state=State(each["state"]),
            start_s=seconds(each["start"]),
        )
        for each in CONTEXT["licenses"]
    ]
    legacy_customers = [
        License(
            license_key_of_legacy(each["product_code"], each["customer_identifier"]),
            account=each["account"],
            product_code=each["product_code"],
            state=State(each["state"]),
            customer_identifier=each["customer_identifier"],
        )
        for each in CONTEXT["legacy_customers"]
    ]
    return customers(*licenses, *legacy_customers)


def quarantined(body: str, now_s: int) -> list[dict[str, Any]]:
    """Read a message, fold what is usage, and list what either step refuses."""
    rules = Rules(frozenset(CONTEXT["dimensions"]), CONTEXT["product_code"])
    found = read_message(body, message_id="m-1", arrived_s=now_s, now_s=now_s, rules=rules)
    usages = [each for each in found if isinstance(each, Usage)]
    terms = Terms(tuple(CONTEXT["dimensions"]), CONTEXT["product_code"])
    folded = decide(begun(now_s), *usages, known=sample_customers(), terms=terms, now_s=now_s)
    assert folded.taken == len(usages)
    rejected = [
        {"record": each.index, "reason": each.reason, "field": each.field}
        for each in found
        if isinstance(each, Rejected)
    ]
    refused = [
        {
            "record": usages[each.index].index,
            "reason": each.refusal.reason,
            "field": each.refusal.field,
        }
        for each in folded.refused
    ]
    return rejected + refused


@pytest.mark.parametrize("sample", BAD, ids=lambda path: path.stem)
def test_a_bad_sample_ends_in_quarantine_for_its_reason(sample: Path) -> None:
    expected = json.loads(sample.with_name(f"{sample.stem}.expected.json").read_text())
    now_s = seconds(expected.get("now", CONTEXT["now"]))

    found = quarantined(sample.read_text(), now_s)

    reasons = [
        {name: each[name] for name in ("record", "reason", "field")}
        for each in expected["quarantined"]
    ]
    assert found == reasons


@pytest.mark.parametrize("sample", GOOD, ids=lambda path: path.stem)
def test_nothing_of_a_good_sample_is_quarantined(sample: Path) -> None:
    assert quarantined(sample.read_text(), NOW_S) == []


@pytest.mark.parametrize(
    ("named", "licenses"),
    [
        (Named(account=STRANGER), []),
        (by_account, [bought("l-1"), bought("l-2")]),
        (Named(license_arn=arn(LICENSE), account=STRANGER), [bought()]),
        (Named(customer_identifier="X99"), []),
        (Named(customer_identifier="X01", account=STRANGER), [legacy()]),
    ],
)
def test_whoever_reads_a_refusal_is_told_which_customer_it_is_about(
    named: Named, licenses: list[License]
) -> None:
    answer = license_meant(
        named, customers(*licenses), used_s=USED_S, now_s=NOW_S, product_code="n0123"
    )

    assert isinstance(answer, Refusal)
    assert (named.customer_identifier or named.account) in answer.tell
