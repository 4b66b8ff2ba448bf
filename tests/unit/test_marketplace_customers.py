"""BatchMeterUsage: whose usage it is, and for which license or product."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.marketplace.rules import Readings
from tests.unit.marketplace_stage import (
    BUYER,
    HOUR,
    LEGACY_PRODUCT,
    NINE,
    NOW,
    OTHER_BUYER,
    PRODUCT,
    UNKNOWN_LICENSE,
    Stage,
)


def test_an_unknown_license_fails_the_call() -> None:
    stage = Stage()

    assert stage.refusal(stage.record(LicenseArn=UNKNOWN_LICENSE)) == "InvalidLicenseException"


def test_a_license_of_another_account_fails_the_call() -> None:
    stage = Stage()

    record = stage.record(CustomerAWSAccountId=OTHER_BUYER)

    assert stage.refusal(record) == "InvalidLicenseException"


def test_a_license_without_its_account_fails_the_call() -> None:
    stage = Stage()

    record = stage.record(CustomerAWSAccountId=None)

    assert stage.refusal(record) == "InvalidLicenseException"


def test_an_account_without_license_or_product_fails_the_call() -> None:
    stage = Stage()

    assert stage.refusal(stage.record(LicenseArn=None)) == "InvalidLicenseException"


def test_new_products_know_no_customer_identifiers() -> None:
    stage = Stage()

    record = stage.record(CustomerAWSAccountId=None, CustomerIdentifier="X01EXAMPLEX")

    assert stage.refusal(record) == "InvalidCustomerIdentifierException"


def test_new_products_are_not_metered_by_product_code() -> None:
    stage = Stage()

    record = stage.record(LicenseArn=None)

    assert stage.refusal(record, ProductCode=PRODUCT) == "InvalidLicenseException"


def test_an_empty_identifier_is_none() -> None:
    stage = Stage()

    assert stage.send(stage.record(CustomerIdentifier="")) == ["Success"]


def test_identifier_and_account_exclude_each_other() -> None:
    stage = Stage()

    record = stage.record(CustomerIdentifier="X01EXAMPLEX")

    assert stage.refusal(record) == "ValidationException"


def test_one_call_may_name_one_customer_so_and_another_so() -> None:
    stage = Stage()
    first, second = stage.buy_legacy(), stage.buy_legacy(account=OTHER_BUYER)

    statuses = stage.send(
        stage.legacy_record(first),
        stage.legacy_record(second, CustomerIdentifier=None, CustomerAWSAccountId=OTHER_BUYER),
        ProductCode=LEGACY_PRODUCT,
    )

    assert statuses == ["Success", "Success"]


def test_one_call_names_all_customers_the_same_way_in_another_reading() -> None:
    stage = Stage(readings=Readings(identifier_with_account="request"))
    first, second = stage.buy_legacy(), stage.buy_legacy(account=OTHER_BUYER)

    code = stage.refusal(
        stage.legacy_record(first),
        stage.legacy_record(second, CustomerIdentifier=None, CustomerAWSAccountId=OTHER_BUYER),
        ProductCode=LEGACY_PRODUCT,
    )

    assert code == "ValidationException"


def test_one_way_to_name_customers_is_fine_in_every_reading() -> None:
    stage = Stage(readings=Readings(identifier_with_account="request"))

    assert stage.send(stage.record(), stage.record(Dimension="storage-gb")) == ["Success"] * 2


def test_licenses_of_two_products_fail_the_call() -> None:
    stage = Stage()
    other = stage.buy("example000000000000000002")

    code = stage.refusal(stage.record(), stage.record(LicenseArn=other.license_arn))

    assert code == "InvalidLicenseException"


def test_licenses_of_two_buyers_share_a_call() -> None:
    stage = Stage()
    other = stage.buy(account=OTHER_BUYER)

    record = stage.record(LicenseArn=other.license_arn, CustomerAWSAccountId=OTHER_BUYER)

    assert stage.send(stage.record(), record) == ["Success", "Success"]


def test_an_unknown_dimension_fails_the_call() -> None:
    stage = Stage()

    assert stage.refusal(stage.record(Dimension="seats")) == "InvalidUsageDimensionException"


def test_a_dimension_of_another_offer_fails_the_call() -> None:
    stage = Stage()
    stage.marketplace.purchase(PRODUCT, OTHER_BUYER, ["users", "seats"])

    assert stage.refusal(stage.record(Dimension="seats")) == "InvalidUsageDimensionException"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"Timestamp": NOW - 30 * HOUR}, "TimestampOutOfBoundsException"),
        ({"Dimension": "seats"}, "InvalidUsageDimensionException"),
        ({"LicenseArn": UNKNOWN_LICENSE}, "InvalidLicenseException"),
        ({"CustomerAWSAccountId": OTHER_BUYER}, "InvalidLicenseException"),
        ({"QuantityAsDecimal": "1.2345678"}, "ValidationException"),
        (
            {"UsageAllocations": [{"AllocatedUsageQuantity": 1}]},
            "InvalidUsageAllocationsException",
        ),
        (
            {
                "UsageAllocations": [
                    {"AllocatedUsageQuantity": 3, "Tags": [{"Key": "{", "Value": "x"}]}
                ]
            },
            "InvalidTagException",
        ),
    ],
)
def test_one_bad_record_fails_the_call_and_nothing_of_it_is_billed(
    bad: dict[str, Any], code: str
) -> None:
    stage = Stage()

    assert stage.refusal(stage.record(), stage.record(Dimension="storage-gb") | bad) == code
    assert stage.billed() == {}


def test_a_legacy_customer_is_metered_by_product_code_and_identifier() -> None:
    stage = Stage()
    bought = stage.buy_legacy(customer_identifier="X01EXAMPLEX")

    statuses = stage.send(stage.legacy_record(bought), ProductCode=LEGACY_PRODUCT)

    assert (bought.customer_identifier, statuses) == ("X01EXAMPLEX", ["Success"])


def test_a_legacy_customer_keeps_its_identifier_for_every_purchase() -> None:
    stage = Stage()

    assert stage.buy_legacy().customer_identifier == stage.buy_legacy().customer_identifier


def test_a_legacy_customer_is_the_same_by_identifier_and_by_account() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    stage.send(stage.legacy_record(bought, Quantity=3), ProductCode=LEGACY_PRODUCT)

    by_account = stage.record(LicenseArn=None, Quantity=4)

    assert stage.send(by_account, ProductCode=LEGACY_PRODUCT) == ["DuplicateRecord"]


def test_an_identifier_without_product_code_fails_the_call() -> None:
    stage = Stage()
    bought = stage.buy_legacy()

    assert stage.refusal(stage.legacy_record(bought)) == "InvalidProductCodeException"


def test_an_unknown_product_code_fails_the_call() -> None:
    stage = Stage()

    code = stage.refusal(stage.record(), ProductCode="example000000000000000009")

    assert code == "InvalidProductCodeException"


def test_an_account_id_is_no_identifier() -> None:
    stage = Stage()
    bought = stage.buy_legacy()

    record = stage.legacy_record(bought, CustomerIdentifier=BUYER)

    code = stage.refusal(record, ProductCode=LEGACY_PRODUCT)
    assert code == "InvalidCustomerIdentifierException"


def test_a_record_that_names_nobody_fails_the_call() -> None:
    stage = Stage()
    bought = stage.buy_legacy()

    record = stage.legacy_record(bought, CustomerIdentifier=None)

    code = stage.refusal(record, ProductCode=LEGACY_PRODUCT)
    assert code == "InvalidCustomerIdentifierException"


def test_an_unknown_identifier_fails_the_call() -> None:
    stage = Stage()
    bought = stage.buy_legacy()

    record = stage.legacy_record(bought, CustomerIdentifier="X99NOBODYXX")

    code = stage.refusal(record, ProductCode=LEGACY_PRODUCT)
    assert code == "InvalidCustomerIdentifierException"


def test_an_unknown_identifier_is_a_status_in_another_reading() -> None:
    stage = Stage(readings=Readings(unknown_identifier="status"))
    bought = stage.buy_legacy()

    record = stage.legacy_record(bought, CustomerIdentifier="X99NOBODYXX")

    assert stage.send(record, ProductCode=LEGACY_PRODUCT) == ["CustomerNotSubscribed"]


def test_an_account_that_bought_nothing_is_not_subscribed() -> None:
    stage = Stage()
    stage.buy_legacy()

    record = stage.record(LicenseArn=None, CustomerAWSAccountId=OTHER_BUYER)

    assert stage.send(record, ProductCode=LEGACY_PRODUCT) == ["CustomerNotSubscribed"]


def test_a_legacy_customer_who_left_is_not_subscribed() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    stage.marketplace.change_license(bought.license_arn, "end")

    statuses = stage.send(stage.legacy_record(bought), ProductCode=LEGACY_PRODUCT)

    assert statuses == ["CustomerNotSubscribed"]


def test_legacy_usage_before_the_start_is_out_of_bounds() -> None:
    stage = Stage()
    bought = stage.buy_legacy(starts_at=NINE + timedelta(minutes=1))

    code = stage.refusal(stage.legacy_record(bought), ProductCode=LEGACY_PRODUCT)

    assert code == "TimestampOutOfBoundsException"


def test_legacy_usage_of_an_earlier_agreement_is_taken_after_a_new_one() -> None:
    stage = Stage()
    old = stage.buy_legacy()
    stage.marketplace.change_license(old.license_arn, "cancel")
    stage.now = NOW + timedelta(minutes=30)
    stage.buy_legacy(starts_at=stage.now)

    assert stage.send(stage.legacy_record(old), ProductCode=LEGACY_PRODUCT) == ["Success"]


def test_a_license_and_a_product_code_are_billed_apart() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    stage.send(stage.legacy_record(bought, Quantity=3), ProductCode=LEGACY_PRODUCT)

    stage.send(stage.record(LicenseArn=bought.license_arn, Quantity=3))

    assert stage.total() == "6"


def test_a_call_with_product_code_and_license_is_billed_twice() -> None:
    stage = Stage()

    assert stage.send(stage.record(Quantity=3), ProductCode=PRODUCT) == ["Success"]
    assert stage.total() == "6"


def test_a_call_with_product_code_and_license_is_refused_in_another_reading() -> None:
    stage = Stage(readings=Readings(code_with_license="refused"))

    assert stage.refusal(stage.record(), ProductCode=PRODUCT) == "InvalidLicenseException"


def test_a_license_of_another_product_than_the_call_names_fails_the_call() -> None:
    stage = Stage()
    stage.buy_legacy()

    assert stage.refusal(stage.record(), ProductCode=LEGACY_PRODUCT) == "InvalidLicenseException"
