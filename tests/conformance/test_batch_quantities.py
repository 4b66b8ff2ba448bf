"""BatchMeterUsage: whole and decimal quantities."""

from decimal import Decimal

import pytest

from tests.conformance.citations import has, says
from tests.conformance.rulebook import rule
from tests.conformance.stage import Service, Stage

WHOLE_MAX = 2_147_483_647
WHOLE_RANGE = has("UsageQuantity", max=WHOLE_MAX)
FORM = has("UsageQuantityAsDecimalString", pattern=r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?$")
NOT_BOTH = says(
    "UsageRecord.Quantity",
    "You can't specify both Quantity and QuantityAsDecimal in a usage record",
)
NONE_PROCESSED = says(
    "UsageRecord.QuantityAsDecimal",
    "If any usage record fails these checks, the entire BatchMeterUsage request fails and no "
    "records are processed",
)
GOOD_DECIMALS = ["0", "0.0", "0.000001", "1", "17.42", "17.420000", "9999999999.999999"]
BAD_DECIMALS = [
    "",
    ".5",
    "5.",
    "+1",
    "-1",
    "00",
    "01",
    "1e3",
    "1,5",
    " 1",
    "1\n",
    "١",
    "0x1",
    "NaN",
    "Infinity",
    "1.0000000",
    "10000000000",
    "99999999999.99999",
]


@rule(
    says(
        "UsageRecord.Quantity",
        "Defaults to 0 if neither Quantity nor QuantityAsDecimal is specified",
    )
)
def test_a_record_without_quantity_is_one_of_zero(stage: Stage) -> None:
    bought = stage.buy()

    assert stage.send(stage.record(bought, Quantity=None)) == ["Success"]
    assert stage.billed(bought) == [0]


@rule(has("UsageQuantity", min=0))
def test_zero_is_taken(stage: Stage) -> None:
    assert stage.send(stage.record(stage.buy(), Quantity=0)) == ["Success"]


@rule(has("UsageQuantity", min=0))
def test_a_negative_quantity_is_refused(service: Service) -> None:
    assert service.refusal(service.record_of_nobody(Quantity=-1))


@rule(WHOLE_RANGE)
def test_the_largest_whole_quantity_is_taken(stage: Stage) -> None:
    bought = stage.buy()

    assert stage.send(stage.record(bought, Quantity=WHOLE_MAX)) == ["Success"]
    assert stage.billed(bought) == [WHOLE_MAX]


@rule(WHOLE_RANGE)
def test_a_larger_whole_quantity_is_refused(service: Service) -> None:
    assert service.refusal(service.record_of_nobody(Quantity=WHOLE_MAX + 1))


@pytest.mark.parametrize("text", GOOD_DECIMALS)
@rule(FORM)
def test_a_decimal_is_billed_exactly(stage: Stage, text: str) -> None:
    bought = stage.buy()

    assert stage.send(stage.record(bought, QuantityAsDecimal=text)) == ["Success"]
    assert stage.billed(bought) == [Decimal(text)]


@pytest.mark.parametrize("text", BAD_DECIMALS)
@rule(FORM)
def test_a_text_of_another_form_is_refused(service: Service, text: str) -> None:
    assert service.refusal(service.record_of_nobody(QuantityAsDecimal=text))


@rule(says("UsageRecord.QuantityAsDecimal", "Use this instead of Quantity"))
def test_a_decimal_may_exceed_the_largest_whole_quantity(stage: Stage) -> None:
    bought = stage.buy()

    stage.send(stage.record(bought, QuantityAsDecimal=str(WHOLE_MAX + 1)))

    assert stage.billed(bought) == [WHOLE_MAX + 1]


@rule(NOT_BOTH)
def test_both_quantities_in_one_record_are_refused(service: Service) -> None:
    assert service.refusal(service.record_of_nobody(Quantity=3, QuantityAsDecimal="3"))


@rule(NOT_BOTH, NONE_PROCESSED)
def test_both_quantities_in_one_record_keep_all_from_being_metered(stage: Stage) -> None:
    bought = stage.buy()
    good = stage.record(bought)
    bad = stage.record(bought, Dimension="storage-gb", Quantity=3, QuantityAsDecimal="3")

    stage.refusal(good, bad)

    assert stage.billed(bought) == []


@rule(NONE_PROCESSED)
def test_a_bad_decimal_keeps_all_from_being_metered(stage: Stage) -> None:
    bought = stage.buy()
    bad = stage.record(bought, Dimension="storage-gb", QuantityAsDecimal="1e3")

    stage.refusal(stage.record(bought), bad)

    assert stage.billed(bought) == []


@pytest.mark.parametrize("other", [{"QuantityAsDecimal": text} for text in ("17", "17.0", "17.00")])
@rule(
    says(
        "UsageRecord.QuantityAsDecimal",
        "Quantities are compared by value when checking for duplicate records, so 17, 17.0, and "
        "17.00 are the same quantity, whether you send it in Quantity or QuantityAsDecimal",
    )
)
def test_quantities_are_compared_by_value(stage: Stage, other: dict[str, str]) -> None:
    bought = stage.buy()
    stage.send(stage.record(bought, Quantity=17))

    assert stage.send(stage.record(bought, **other)) == ["Success"]
    assert stage.billed(bought) == [17]
