"""Strategies for requests: most are in order, and some have one or two things wrong with them.

Customers are numbers here, 0 to 3; whoever sends the request has them buy first. What is spoiled
lies just within or just beyond what the service model and the guide allow.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.conformance.against import NO_LICENSE
from tests.conformance.stage import NOW, Record

CUSTOMERS = 4
CUSTOMER = "Customer"
WHOLE_MAX = 2**31 - 1
MICRO = Decimal("0.000001")

wholes = st.one_of(st.integers(0, 20), st.sampled_from([WHOLE_MAX - 1, WHOLE_MAX]))


def decimal_text(micros: int, zeros: int = 0) -> str:
    """A quantity of millionths as text, with so many zeros more than it needs."""
    text = f"{micros * MICRO:.6f}".rstrip("0")
    digits = len(text.partition(".")[2])
    return (text + "0" * min(zeros, 6 - digits)).rstrip(".")


decimals = st.builds(
    decimal_text,
    st.one_of(st.integers(0, 50_000_000), st.just(9_999_999_999_999_999)),
    st.integers(0, 6),
)
# Characters of the pattern, among them some that only its accidental range lets in.
tag_texts = st.text("abcXYZ019+-=._:/@ ", min_size=1, max_size=4)
tags = st.dictionaries(tag_texts, tag_texts, min_size=1, max_size=5).map(
    lambda pairs: [{"Key": key, "Value": value} for key, value in pairs.items()]
)


@st.composite
def quantities(draw: st.DrawFn, whole: str, decimal: str) -> Record:
    """A quantity in one of its forms, with or without allocations that add up to it."""
    form = draw(st.sampled_from(["none", "whole", "decimal", "split", "split-decimal"]))
    if form == "none":
        return {}
    if form == "whole":
        return {whole: draw(wholes)}
    if form == "decimal":
        return {decimal: draw(decimals)}
    sets = draw(st.lists(tags, min_size=1, max_size=3, unique_by=_tag_set))
    parts = draw(st.lists(st.integers(0, 9_000_000), min_size=len(sets), max_size=len(sets)))
    as_decimal = form == "split-decimal"
    member = "AllocatedUsageQuantityAsDecimal" if as_decimal else "AllocatedUsageQuantity"
    number: Callable[[int], Any] = decimal_text if as_decimal else int
    buckets = [{member: number(part), "Tags": each} for part, each in zip(parts, sets, strict=True)]
    if draw(st.booleans()):
        del buckets[-1]["Tags"]
    return {decimal if as_decimal else whole: number(sum(parts)), "UsageAllocations": buckets}


def _tag_set(listed: list[dict[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset((tag["Key"], tag["Value"]) for tag in listed)


def moments(hours: int) -> st.SearchStrategy[datetime]:
    """Any second of so many hours up to now."""
    return st.integers(0, hours * 3600).map(lambda seconds: NOW - timedelta(seconds=seconds))


records = st.builds(
    lambda customer, moment, dimension, quantity: {
        CUSTOMER: customer,
        "Timestamp": moment,
        "Dimension": dimension,
        **quantity,
    },
    st.integers(0, CUSTOMERS - 1),
    moments(5),
    st.sampled_from(["users", "storage-gb"]),
    quantities("Quantity", "QuantityAsDecimal"),
)

_edge_texts = st.sampled_from(
    ["", "a" * 100, "a" * 101, "a" * 256, "a" * 257, "!", "?", "ü", "a\n", " ", "a,b", "<", ">"]
)
_edge_tags = st.lists(
    st.fixed_dictionaries({"Key": st.one_of(tag_texts, _edge_texts), "Value": _edge_texts}),
    max_size=7,
)
_edge_wholes = st.sampled_from([-1, 0, 1, WHOLE_MAX, WHOLE_MAX + 1, 2**63])
_edge_decimals = st.sampled_from(
    ["", "0", "00", "1.", ".1", "1e1", "-1", "+1", "1.1234567", "10000000000", "9999999999.9", "1 "]
)
_edge_buckets = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "AllocatedUsageQuantity": _edge_wholes,
            "AllocatedUsageQuantityAsDecimal": _edge_decimals,
            "Tags": _edge_tags,
        },
    ),
    max_size=3,
)
_many_keys = st.integers(5, 7).map(
    lambda count: [
        {"AllocatedUsageQuantity": 0, "Tags": [{"Key": f"k{number}", "Value": "x"}]}
        for number in range(count)
    ]
)


def spoils(whole: str, decimal: str, dimension: str) -> st.SearchStrategy[Record]:
    """Something of a quantity, a dimension or a time that may be wrong."""
    days = st.sampled_from([-1, 0, 1, 21_599, 21_600, 21_601, 86_399, 86_400, 86_401, 10**8])
    return st.one_of(
        _edge_wholes.map(lambda value: {whole: value}),
        _edge_decimals.map(lambda value: {decimal: value}),
        _edge_buckets.map(lambda value: {"UsageAllocations": value}),
        _many_keys.map(lambda value: {whole: 0, "UsageAllocations": value}),
        _edge_tags.map(
            lambda value: {
                whole: 3,
                "UsageAllocations": [{"AllocatedUsageQuantity": 3, "Tags": value}],
            }
        ),
        st.sampled_from(["", "seats", "d" * 255, "d" * 256]).map(lambda value: {dimension: value}),
        days.map(lambda seconds: {"Timestamp": NOW - timedelta(seconds=seconds)}),
    )


_customer_spoils = st.sampled_from(
    [
        {"LicenseArn": NO_LICENSE},
        {"LicenseArn": "l-1"},
        {"LicenseArn": None},
        {"CustomerAWSAccountId": "999999999999"},
        {"CustomerAWSAccountId": None},
        {"Timestamp": None},
        {"Dimension": None},
        {CUSTOMER: CUSTOMERS},
    ]
)


@st.composite
def batches(draw: st.DrawFn) -> list[Record]:
    """The records of a BatchMeterUsage call; no two of one customer, dimension and hour.

    What becomes of two such records within one call depends on their order, which no rule names.
    """
    found = draw(st.lists(records, max_size=5, unique_by=_key))
    spoiled = draw(st.sampled_from([0, 0, 1, 1, 1, 2]))
    for _ in range(spoiled if found else 0):
        place = draw(st.integers(0, len(found) - 1))
        change = spoils("Quantity", "QuantityAsDecimal", "Dimension")
        found[place] |= draw(st.one_of(change, change, change, _customer_spoils))
    if found and draw(st.integers(0, 30)) == 0:
        found = [found[0]] * draw(st.integers(26, 30))
    return found


@st.composite
def usages(draw: st.DrawFn) -> Record:
    """The parameters of a MeterUsage call, but for the product."""
    found: Record = {
        "Timestamp": draw(moments(5)),
        "UsageDimension": draw(st.sampled_from(["users", "storage-gb"])),
        **draw(quantities("UsageQuantity", "UsageQuantityAsDecimal")),
    }
    if draw(st.booleans()):
        found |= draw(spoils("UsageQuantity", "UsageQuantityAsDecimal", "UsageDimension"))
    return found


def _key(record: Record) -> tuple[object, ...]:
    hour = record["Timestamp"].replace(minute=0, second=0)
    return record[CUSTOMER], record["Dimension"], hour


# Few customers, hours and quantities, so that the same key comes again and again.
_simple = st.builds(
    lambda customer, hour, minute, dimension, quantity: {
        CUSTOMER: customer,
        "Timestamp": NOW.replace(hour=hour, minute=minute),
        "Dimension": dimension,
        **quantity,
    },
    st.integers(0, 1),
    st.sampled_from([8, 9]),
    st.sampled_from([0, 30]),
    st.sampled_from(["users", "storage-gb"]),
    st.sampled_from(
        [
            {"Quantity": 0},
            {},
            {"Quantity": 2},
            {"QuantityAsDecimal": "2.00"},
            {"QuantityAsDecimal": "0.5"},
        ]
    ),
)
histories = st.lists(st.lists(_simple, max_size=4, unique_by=_key), min_size=1, max_size=6)
