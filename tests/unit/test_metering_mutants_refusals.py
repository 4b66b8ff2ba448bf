"""Why usage is not counted is told in these words, with the field at fault and what can be done."""

from typing import Any

import pytest

from lambdas.customers.license import License
from lambdas.metering.customer import Customers, Refusal, license_meant
from lambdas.metering.hours import DAY_HOURS, HOUR_S, Hour
from lambdas.metering.named import Named
from lambdas.metering.terms import Terms
from lambdas.metering.usage import Usage
from tests.unit.metering_stage import (
    BUYER,
    LICENSE,
    NOW_S,
    OTHER,
    UNIT,
    arn,
    begun,
    bought,
    close,
    count,
    customers,
    decide,
    legacy,
    seconds,
    usage,
)

STRANGER = "999999999999"
FULL = 9_999_999_999 * UNIT
ACCOUNT, IDENTIFIER = "CustomerAWSAccountId", "CustomerIdentifier"
OF_LEGACY = f"CustomerIdentifier X01 and account {STRANGER} name two customers; give one of them."


def refusal(named: Named, *licenses: License, product_code: str = "n0123") -> Refusal:
    found = customers(*licenses)
    known = Customers(found.licenses, {**found.accounts, "7": []})
    answer = license_meant(
        named, known, used_s=NOW_S - HOUR_S, now_s=NOW_S, product_code=product_code
    )
    assert isinstance(answer, Refusal)
    return answer


def told(refused: Refusal, field: str, tell: str) -> None:
    assert (refused.field, refused.tell) == (field, tell)


def refused(each: Usage, **world: Any) -> Refusal:
    """Fold one usage that is refused."""
    folded = decide(world.pop("ledger", begun()), each, **world)
    [found] = folded.refused
    return found.refusal


def test_another_account_than_the_licenses_own_is_told() -> None:
    named = Named(license_arn=arn(LICENSE), account=STRANGER)

    told(
        refusal(named, bought()),
        ACCOUNT,
        f"License {arn(LICENSE)} belongs to another account than {STRANGER};"
        " leave CustomerAWSAccountId out, or name the license's own account.",
    )


def test_another_identifier_than_the_licenses_own_is_told() -> None:
    named = Named(license_arn=arn(LICENSE), customer_identifier="X02")

    told(
        refusal(named, bought()),
        IDENTIFIER,
        f"License {arn(LICENSE)} does not belong to customer X02; leave CustomerIdentifier out.",
    )


@pytest.mark.parametrize(
    ("code", "shown"), [("n0123", "n0123"), ("", "(none named)")], ids=["product", "no product"]
)
def test_an_identifier_that_nobody_has_is_told(code: str, shown: str) -> None:
    told(
        refusal(Named(customer_identifier="X01"), product_code=code),
        IDENTIFIER,
        f"No customer X01 of product {shown} has registered; check both, or redrive once the"
        " customer has registered.",
    )


def test_an_identifier_of_another_account_is_told() -> None:
    named = Named(customer_identifier="X01", account=STRANGER)

    told(refusal(named, legacy()), IDENTIFIER, OF_LEGACY)


def test_an_account_whose_license_is_not_known_yet_is_told() -> None:
    told(
        refusal(Named(account="7")),
        ACCOUNT,
        "Account 7 has registered, but its license is not known yet; redrive once AWS Marketplace"
        " has announced it.",
    )


def test_an_account_that_means_several_licenses_is_told() -> None:
    told(
        refusal(Named(account=BUYER), bought(LICENSE), bought(OTHER)),
        ACCOUNT,
        f"Account {BUYER} holds 2 licenses of the product at that time; name one with LicenseArn.",
    )


def test_an_account_without_a_license_is_told() -> None:
    told(
        refusal(Named(account=STRANGER)),
        ACCOUNT,
        f"Account {STRANGER} holds no pending, active or ending license of the product, nor one"
        " that ended within 24 hours and after the usage; check the account, or redrive once the"
        " customer has registered.",
    )


def test_usage_before_the_cut_over_is_told() -> None:
    told(
        refused(usage("u-1"), terms=Terms(metering_from_s=NOW_S)),
        "Timestamp",
        "The usage is older than the setting metering_from; whoever metered before it bills it, or"
        " redrive it with BillAt.",
    )


@pytest.mark.parametrize("hours", [6, DAY_HOURS])
def test_usage_that_is_too_old_is_told(hours: int) -> None:
    told(
        refused(usage("u-1", used_s=NOW_S - hours * HOUR_S), terms=Terms(window_hours=hours)),
        "Timestamp",
        f"The usage is {hours} hours old or older: AWS Marketplace no longer takes it; redrive it"
        " with BillAt to bill it now.",
    )


def test_usage_of_a_month_that_is_full_is_told() -> None:
    now_s = seconds("2026-12-01T01:00Z")
    ledger = begun(now_s)
    close(ledger, Hour(now_s // HOUR_S - 1), now_s=now_s)

    told(
        refused(usage("u-1", used_s=now_s - HOUR_S - 1), ledger=ledger, now_s=now_s),
        "Timestamp",
        "The month of 2026-11-30T23Z can take no more usage, and usage does not change month by"
        " itself; redrive it with BillAt to bill it in this one.",
    )


def test_usage_of_hours_that_are_full_is_told() -> None:
    ledger = begun()
    count(ledger, *(usage(f"u-{number}", FULL) for number in range(13)))

    told(
        refused(usage("one more"), ledger=ledger),
        "Quantity",
        "The next 12 hours are full: AWS Marketplace takes 9,999,999,999.999999 of a dimension in"
        " an hour (use a bigger unit), and at most 300 dimensions are kept.",
    )


def test_an_id_used_again_is_told() -> None:
    ledger = begun()
    count(ledger, usage("u-1"))

    told(
        refused(usage("u-1", 2 * UNIT), ledger=ledger),
        "Id",
        "Id 'u-1' was counted before with another dimension, quantity or tags; if this is other"
        " usage, send it under an Id of its own.",
    )
