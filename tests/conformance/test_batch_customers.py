"""BatchMeterUsage: whose usage it is, and what of: licenses, product codes, dimensions."""

from datetime import datetime

import pytest

from tests.conformance.citations import has, page, raises, says
from tests.conformance.rulebook import rule, under
from tests.conformance.stage import HOUR, NINE, NOW, OTHER_BUYER, Bought, Record, Service, Stage

NO_CUSTOMER = "NobodyHasThisIdentifier"
INVALID_LICENSE = "InvalidLicenseException"

MATCHES = says("InvalidLicenseException", "Ensure the LicenseArn is valid, matches the customer")
NEW_PRODUCTS = says(
    "BatchMeterUsage",
    "new SaaS products must use CustomerAWSAccountId (instead of CustomerIdentifier), LicenseArn "
    "(instead of ProductCode)",
)
LEGACY = says("BatchMeterUsage", "Existing integrations continue to work")
BILLED_TWICE = says(
    "BatchMeterUsageRequest.ProductCode",
    "Sending metering records with both ProductCode and LicenseArn for the same customer within "
    "the same hour will result in duplicate billing",
)
EXCLUSIVE = page(
    "CHANGELOG", "1.37.20: CustomerIdentifier and CustomerAWSAccountId exclude each other"
)
OF_THE_PRODUCT = says(
    "InvalidUsageDimensionException",
    "The usage dimension does not match one of the UsageDimensions associated with products",
)
CONCURRENT = says("BatchMeterUsage", "enabling buyers to make multiple purchases per")


def by_code(stage: Stage, bought: Bought, *records: Record) -> list[str]:
    """Send records under the product's code; returns their statuses."""
    return stage.send(*records, ProductCode=bought.product_code)


def of_account(bought: Bought, **fields: object) -> Record:
    """A legacy customer's record that names the account."""
    return Stage.record(
        bought, CustomerIdentifier=None, CustomerAWSAccountId=bought.account, **fields
    )


@rule(NEW_PRODUCTS)
def test_usage_of_a_license_and_its_account_is_billed_to_them(stage: Stage) -> None:
    bought = stage.buy()

    stage.send(stage.record(bought))

    (line,) = stage.usage(bought)
    assert (line["license_arn"], line["account"]) == (bought.license_arn, bought.account)
    assert (line["dimension"], datetime.fromisoformat(line["hour"])) == ("users", NINE)


@rule(MATCHES, raises("BatchMeterUsage", INVALID_LICENSE))
def test_a_license_that_does_not_exist_is_an_invalid_license(service: Service) -> None:
    assert service.refusal(service.record_of_nobody()) == INVALID_LICENSE


@rule(MATCHES)
def test_a_license_of_somebody_else_is_an_invalid_license(stage: Stage) -> None:
    bought = stage.buy()
    stage.buy(bought.product_code, OTHER_BUYER)

    code = stage.refusal(stage.record(bought, CustomerAWSAccountId=OTHER_BUYER))

    assert (code, stage.billed(bought)) == (INVALID_LICENSE, [])


@pytest.mark.parametrize(
    "arn", ["", "l-1", "arn:aws:license-manager", "aws:license-manager:us-east-1:123456789012:l-1"]
)
@rule(
    has(
        "LicenseArn",
        pattern="^arn:aws[a-zA-Z-]*:[A-Za-z0-9][A-Za-z0-9_/.-]{0,62}:[A-Za-z0-9_/.-]{0,63}:"
        "[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,1023}$",
    )
)
def test_a_license_that_is_no_arn_is_refused(stage: Stage, arn: str) -> None:
    assert stage.refusal(stage.record(stage.buy(), LicenseArn=arn))


@pytest.mark.parametrize("account", ["", "1111-2222-3333", "buyer", "1" * 256])
@rule(has("CustomerAWSAccountId", pattern="^[0-9]+$"), has("CustomerAWSAccountId", max=255))
def test_an_account_that_is_no_number_is_refused(stage: Stage, account: str) -> None:
    assert stage.refusal(stage.record(stage.buy(), CustomerAWSAccountId=account))


@rule(CONCURRENT, page("MFU", "one customer's licenses are metered, and told apart, by license"))
def test_two_licenses_of_one_buyer_are_metered_side_by_side(stage: Stage) -> None:
    one = stage.buy()
    other = stage.buy(one.product_code)

    assert stage.send(stage.record(one), stage.record(other, Quantity=4)) == ["Success"] * 2
    assert sorted(stage.billed(one)) == [3, 4]


@rule(
    says(
        "ResolveCustomerResult.LicenseArn",
        "Calls to BatchMeterUsage require LicenseArn for each UsageRecord",
    )
)
def test_a_record_of_a_new_product_without_license_is_refused(stage: Stage) -> None:
    bought = stage.buy()

    assert stage.refusal(stage.record(bought, LicenseArn=None))
    assert stage.billed(bought) == []


@rule(
    says(
        "ResolveCustomerResult.CustomerAWSAccountId",
        "Calls to BatchMeterUsage require CustomerAWSAccountId for each UsageRecord",
    )
)
def test_a_record_of_a_new_product_without_account_is_refused(stage: Stage) -> None:
    bought = stage.buy()

    assert stage.refusal(stage.record(bought, CustomerAWSAccountId=None))
    assert stage.billed(bought) == []


@rule(NEW_PRODUCTS)
def test_a_new_product_is_not_metered_by_its_code(stage: Stage) -> None:
    bought = stage.buy()
    record = stage.record(bought, LicenseArn=None)

    assert stage.refusal(record, ProductCode=bought.product_code)
    assert stage.billed(bought) == []


@rule(
    says("BatchMeterUsage", "does not support CustomerIdentifier for new integrations"),
    says("UsageRecord.CustomerIdentifier", "is not supported for new SaaS product integrations"),
)
def test_a_new_products_customer_has_no_identifier(stage: Stage) -> None:
    bought = stage.buy()
    record = stage.record(bought, CustomerAWSAccountId=None, CustomerIdentifier=NO_CUSTOMER)

    assert stage.refusal(record)
    assert stage.billed(bought) == []


@rule(LEGACY)
def test_a_legacy_customer_is_metered_by_code_and_identifier(stage: Stage) -> None:
    bought = stage.buy_legacy()

    assert by_code(stage, bought, stage.record(bought)) == ["Success"]
    assert stage.billed(bought) == [3]


@rule(page("CHANGELOG", "1.37.20: CustomerAWSAccountId in place of CustomerIdentifier"))
def test_a_legacy_customer_is_metered_by_code_and_account(stage: Stage) -> None:
    bought = stage.buy_legacy()

    assert by_code(stage, bought, of_account(bought)) == ["Success"]
    assert stage.billed(bought) == [3]


@rule(page("MFU", "one customer, however named, is one key"))
def test_identifier_and_account_name_the_same_customer(stage: Stage) -> None:
    bought = stage.buy_legacy()
    by_code(stage, bought, stage.record(bought))

    assert by_code(stage, bought, of_account(bought, Quantity=4)) == ["DuplicateRecord"]
    assert stage.billed(bought) == [3]


@rule(
    says(
        "InvalidProductCodeException",
        "The product code passed does not match the product code used for publishing the product",
    )
)
def test_a_product_code_nobody_has_is_an_invalid_product_code(stage: Stage) -> None:
    record = stage.record(stage.buy_legacy())

    assert stage.refusal(record, ProductCode="nobodys") == "InvalidProductCodeException"


@rule(
    says(
        "BatchMeterUsageRequest.ProductCode",
        "ProductCode is required only for legacy integrations that use CustomerIdentifier",
    )
)
def test_an_identifier_without_product_code_is_refused(stage: Stage) -> None:
    bought = stage.buy_legacy()

    assert stage.refusal(stage.record(bought))
    assert stage.billed(bought) == []


@rule(
    says(
        "InvalidCustomerIdentifierException",
        "You have metered usage for a CustomerIdentifier that does not exist",
    )
)
@under(unknown_identifier="exception")
def test_an_identifier_nobody_has_is_an_invalid_customer_identifier(stage: Stage) -> None:
    bought = stage.buy_legacy()
    record = stage.record(bought, CustomerIdentifier=NO_CUSTOMER)

    code = stage.refusal(record, ProductCode=bought.product_code)

    assert code == "InvalidCustomerIdentifierException"


@rule(says("UsageRecordResult.Status", "The customer identifier is invalid"))
@under(unknown_identifier="status")
def test_or_an_identifier_nobody_has_is_a_customer_who_is_not_subscribed(stage: Stage) -> None:
    bought = stage.buy_legacy()
    unknown = stage.record(bought, CustomerIdentifier=NO_CUSTOMER)

    assert by_code(stage, bought, unknown) == ["CustomerNotSubscribed"]
    assert stage.billed(bought) == []


@rule(says("UsageRecordResult.Status", "does not have an active agreement or subscription"))
@under(unknown_identifier=("exception", "status"))
def test_an_account_that_never_bought_is_not_subscribed(stage: Stage) -> None:
    bought = stage.buy_legacy()
    stranger = of_account(bought) | {"CustomerAWSAccountId": OTHER_BUYER}

    assert by_code(stage, bought, stranger) == ["CustomerNotSubscribed"]


@rule(EXCLUSIVE)
@under(identifier_with_account=("record", "request"))
def test_identifier_and_account_in_one_record_are_refused(stage: Stage) -> None:
    bought = stage.buy_legacy()
    both = stage.record(bought, CustomerAWSAccountId=bought.account)

    assert stage.refusal(both, ProductCode=bought.product_code)
    assert stage.billed(bought) == []


@rule(EXCLUSIVE)
@under(identifier_with_account="record")
def test_records_of_one_call_may_name_their_customers_differently(stage: Stage) -> None:
    bought = stage.buy_legacy()
    records = stage.record(bought), of_account(bought, Timestamp=NINE - HOUR)

    assert by_code(stage, bought, *records) == ["Success", "Success"]


@rule(page("GOTO", "identifier and account exclude each other in one request"))
@under(identifier_with_account="request")
def test_or_all_records_of_a_call_name_their_customers_the_same_way(stage: Stage) -> None:
    bought = stage.buy_legacy()
    records = stage.record(bought), of_account(bought, Timestamp=NINE - HOUR)

    assert stage.refusal(*records, ProductCode=bought.product_code)
    assert stage.billed(bought) == []


@rule(BILLED_TWICE)
@under(code_with_license="billed-twice")
def test_product_code_and_license_in_one_call_are_billed_twice(stage: Stage) -> None:
    bought = stage.buy()

    stage.send(stage.record(bought), ProductCode=bought.product_code)

    assert stage.total(bought) == 6


@rule(page("RH-6539", "a call with ProductCode and LicenseArn was refused"))
@under(code_with_license="refused")
def test_or_product_code_and_license_in_one_call_are_refused(stage: Stage) -> None:
    bought = stage.buy()

    assert stage.refusal(stage.record(bought), ProductCode=bought.product_code)
    assert stage.billed(bought) == []


@rule(BILLED_TWICE)
@under(code_with_license=("billed-twice", "refused"))
def test_product_code_and_license_in_two_calls_are_billed_twice(stage: Stage) -> None:
    bought = stage.buy_legacy()
    by_code(stage, bought, of_account(bought))

    stage.send(of_account(bought, LicenseArn=bought.license_arn))

    assert stage.total(bought) == 6


@rule(OF_THE_PRODUCT, raises("BatchMeterUsage", "InvalidUsageDimensionException"))
def test_a_dimension_the_product_does_not_have_is_an_invalid_dimension(stage: Stage) -> None:
    bought = stage.buy()

    code = stage.refusal(stage.record(bought, Dimension="seats"))

    assert (code, stage.billed(bought)) == ("InvalidUsageDimensionException", [])


@rule(page("RH-6533", "a dimension outside the customer's offer fails the call, zero or not"))
def test_a_dimension_outside_the_offer_is_an_invalid_dimension(stage: Stage) -> None:
    bought = stage.buy(dimensions=["users"])
    stage.buy(bought.product_code, OTHER_BUYER, dimensions=["storage-gb"])

    record = stage.record(bought, Dimension="storage-gb", Quantity=0)

    assert stage.refusal(record) == "InvalidUsageDimensionException"


@rule(has("UsageDimension", max=255))
def test_a_dimension_may_have_255_characters(stage: Stage) -> None:
    bought = stage.buy(dimensions=["d" * 255])

    assert stage.send(stage.record(bought, Dimension="d" * 255)) == ["Success"]


@pytest.mark.parametrize("dimension", ["", "d" * 256], ids=["none", "256"])
@rule(has("UsageDimension", min=1), has("UsageDimension", max=255))
def test_a_dimension_without_or_with_more_characters_is_refused(
    service: Service, dimension: str
) -> None:
    assert service.refusal(service.record_of_nobody(Dimension=dimension))


@rule(
    has("ProductCode", pattern="^[-a-zA-Z0-9/=:_.@]*$"),
    has("ProductCode", max=255),
)
@pytest.mark.parametrize("code", ["a b", "ü", "p" * 256])
def test_a_product_code_of_another_form_is_refused(stage: Stage, code: str) -> None:
    assert stage.refusal(stage.record(stage.buy_legacy()), ProductCode=code)


@rule(MATCHES)
def test_a_license_of_another_product_than_the_calls_is_refused(stage: Stage) -> None:
    one, other = stage.buy(), stage.buy()

    assert stage.refusal(stage.record(one), ProductCode=other.product_code)
    assert stage.billed(one, other) == []


@rule(LEGACY)
def test_a_legacy_buyers_other_hours_are_other_records(stage: Stage) -> None:
    bought = stage.buy_legacy(starts_at=NOW - 5 * HOUR)

    statuses = by_code(
        stage, bought, stage.record(bought), stage.record(bought, Timestamp=NINE - HOUR)
    )

    assert (statuses, stage.billed(bought)) == (["Success"] * 2, [3, 3])
