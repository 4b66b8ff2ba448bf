"""What is wrong with a message is told in these words, naming the field and what to write instead.

People act on the sentences, and the operator's commands show them: they are held letter by letter.
"""

from typing import Any

import pytest

from lambdas.metering.usage import Rejected
from tests.unit.usage_messages import (
    NOW_S,
    event,
    event_without,
    read,
    record,
    record_without,
    rejected_of,
)


def part(quantity: Any, *tags: tuple[str, str]) -> dict[str, Any]:
    """Return a part of a split."""
    written = {"AllocatedUsageQuantity": quantity}
    if tags:
        written["Tags"] = [{"Key": key, "Value": value} for key, value in tags]
    return written


def split(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a record of 3 that is split."""
    return record(UsageAllocations=list(parts), **fields)


def decimal(text: str) -> dict[str, Any]:
    """Return a record with its quantity as a text."""
    return record_without("Quantity", QuantityAsDecimal=text)


def check(message: Any, field: str | None, tell: str) -> None:
    rejected = rejected_of(message)

    assert (rejected.field, rejected.tell) == (field, tell)


@pytest.mark.parametrize(
    ("message", "field", "tell"),
    [
        (
            record(Quantity=-3),
            "Quantity",
            "Quantity is '-3', which is negative; usage cannot be taken back.",
        ),
        (
            record(Quantity=12345678901),
            "Quantity",
            "Quantity is '12345678901'; at most 10 digits may stand before the point.",
        ),
        (
            record(Quantity=0.1234567),
            "Quantity",
            "Quantity is '0.1234567'; at most 6 digits may stand after the point.",
        ),
        (
            record(Quantity="3"),
            "Quantity",
            "Quantity must be a JSON number, not text.",
        ),
        (
            decimal("three"),
            "QuantityAsDecimal",
            (
                "QuantityAsDecimal is 'three'; write the digits 0 to 9 and at most one "
                "point, as 123.45."
            ),
        ),
        (
            decimal("-0.5"),
            "QuantityAsDecimal",
            ("QuantityAsDecimal is '-0.5', which is negative; usage cannot be taken back."),
        ),
        (
            decimal("-0"),
            "QuantityAsDecimal",
            "QuantityAsDecimal is '-0'; write it without sign and leading zeros.",
        ),
        (
            decimal("03"),
            "QuantityAsDecimal",
            "QuantityAsDecimal is '03'; write it without sign and leading zeros.",
        ),
        (
            decimal("12345678901"),
            "QuantityAsDecimal",
            ("QuantityAsDecimal is '12345678901'; at most 10 digits may stand before the point."),
        ),
        (
            decimal("0.1234567"),
            "QuantityAsDecimal",
            ("QuantityAsDecimal is '0.1234567'; at most 6 digits may stand after the point."),
        ),
        (
            decimal("1234567890.1234567"),
            "QuantityAsDecimal",
            (
                "QuantityAsDecimal is '1234567890.1234567'; at most 6 digits may stand "
                "after the point."
            ),
        ),
        (
            record(QuantityAsDecimal="3"),
            "QuantityAsDecimal",
            "Quantity and QuantityAsDecimal are both there; give one of them.",
        ),
        (
            record_without("Quantity"),
            "Quantity",
            "Quantity or QuantityAsDecimal is missing; write 0 if nothing was used.",
        ),
    ],
)
def test_a_wrong_quantity_is_told(message: Any, field: str | None, tell: str) -> None:
    check(message, field, tell)


@pytest.mark.parametrize(
    ("message", "field", "tell"),
    [
        (
            split(),
            "UsageAllocations",
            "UsageAllocations is an empty list; leave the field out.",
        ),
        (
            split(*[part(1)] * 2501),
            "UsageAllocations",
            "UsageAllocations has 2,501 entries; 2,500 is the most.",
        ),
        (
            split(part(1), part(2)),
            "UsageAllocations",
            "UsageAllocations has two entries with no tags; add them up in one.",
        ),
        (
            split(part(1, ("k", "v")), part(2, ("k", "v"))),
            "UsageAllocations",
            "UsageAllocations has two entries with the same tags; add them up in one.",
        ),
        (
            split(part(2)),
            "UsageAllocations",
            "UsageAllocations add up to 2, the quantity is 3; the two must be equal.",
        ),
        (
            decimal("3") | {"UsageAllocations": [part(3)]},
            "UsageAllocations",
            (
                "UsageAllocations[0] needs AllocatedUsageQuantityAsDecimal and no other: "
                "the record has QuantityAsDecimal."
            ),
        ),
        (
            split(
                part(1),
                {"AllocatedUsageQuantityAsDecimal": "3", "Tags": [{"Key": "k", "Value": "v"}]},
            ),
            "UsageAllocations",
            (
                "UsageAllocations[1] needs AllocatedUsageQuantity and no other: the "
                "record has Quantity."
            ),
        ),
        (
            split(part(-3)),
            "UsageAllocations",
            (
                "UsageAllocations[0]: AllocatedUsageQuantity is '-3', which is negative; "
                "usage cannot be taken back."
            ),
        ),
        (
            decimal("3") | {"UsageAllocations": [{"AllocatedUsageQuantityAsDecimal": "3,0"}]},
            "UsageAllocations",
            (
                "UsageAllocations[0]: AllocatedUsageQuantityAsDecimal is '3,0'; write "
                "the digits 0 to 9 and at most one point, as 123.45."
            ),
        ),
        (
            split({"AllocatedUsageQuantity": 3, "Tags": []}),
            "UsageAllocations",
            "UsageAllocations: Tags is an empty list; leave the field out.",
        ),
        (
            split(part(3, ("", "v"))),
            "UsageAllocations",
            "UsageAllocations: a tag key has 1 to 100 characters: ''.",
        ),
        (
            split(part(3, ("team", ""))),
            "UsageAllocations",
            "UsageAllocations: a tag value has 1 to 256 characters: '' of 'team'.",
        ),
        (
            split(part(3, ("team", "ä"))),
            "UsageAllocations",
            (
                "UsageAllocations: a tag holds letters (A to Z), digits, space and + - = "
                ". _ : / @ only: 'team': 'ä'."
            ),
        ),
        (
            split(part(3, ("k", "a"), ("k", "b"))),
            "UsageAllocations",
            "UsageAllocations: one allocation has a tag key twice; keep one of them.",
        ),
        (
            split(*[part(1, (f"k{number}", "v")) for number in range(6)], Quantity=6),
            "UsageAllocations",
            "UsageAllocations: the record has 6 different tag keys; 5 is the most.",
        ),
    ],
)
def test_a_wrong_split_is_told(message: Any, field: str | None, tell: str) -> None:
    check(message, field, tell)


@pytest.mark.parametrize(
    ("message", "field", "tell"),
    [
        (
            record_without("Dimension"),
            "Dimension",
            "Dimension is missing; give its API name.",
        ),
        (
            record(Dimension=""),
            "Dimension",
            "Dimension needs 1 to 255 characters, not 0.",
        ),
        (
            record(Dimension="d" * 1256),
            "Dimension",
            "Dimension needs 1 to 255 characters, not 1,256.",
        ),
        (
            record(Dimension="api-cals"),
            "Dimension",
            "Dimension is 'api-cals', not one of api-calls, storage-gb, users.",
        ),
        (
            record(Dimension=5),
            "Dimension",
            "Dimension must be text in quotes, not a number.",
        ),
    ],
)
def test_a_wrong_dimension_is_told(message: Any, field: str | None, tell: str) -> None:
    check(message, field, tell)


@pytest.mark.parametrize(
    ("message", "field", "tell"),
    [
        (
            record_without("Timestamp"),
            "Timestamp",
            "Timestamp is missing; say when the usage happened.",
        ),
        (
            event_without("time"),
            "Timestamp",
            "Both time and data.Timestamp are missing; say when the usage happened.",
        ),
        (
            record(Timestamp="noon"),
            "Timestamp",
            "Timestamp is 'noon', which is not a time; write 2026-11-23T10:15:00Z.",
        ),
        (
            record(Timestamp="2026-11-23T10:15:00"),
            "Timestamp",
            ("Timestamp is '2026-11-23T10:15:00', which has no offset; end it with Z or +hh:mm."),
        ),
        (
            record(Timestamp="2026-11-23T10:15:00Z" + "0" * 1080),
            "Timestamp",
            "Timestamp has 1,102 characters, which is too long for a time.",
        ),
        (
            record(Timestamp=True),
            "Timestamp",
            "Timestamp must be ISO 8601 text or epoch seconds, not true.",
        ),
        (
            record(Timestamp="2026-11-23T10:25:01Z"),
            "Timestamp",
            (
                'Timestamp is "2026-11-23T10:25:01Z", more than 5 minutes ahead; check '
                "the producer's clock."
            ),
        ),
        (
            record(Timestamp=NOW_S * 10**6),
            "Timestamp",
            (
                "Timestamp is 1795429200000000, more than 31,688,681 years ahead; are "
                "these milliseconds? Write seconds."
            ),
        ),
        (
            event(time="noon"),
            "time",
            "time is 'noon', which is not a time; write 2026-11-23T10:15:00Z.",
        ),
    ],
)
def test_a_wrong_time_is_told(message: Any, field: str | None, tell: str) -> None:
    check(message, field, tell)


@pytest.mark.parametrize(
    ("message", "field", "tell"),
    [
        (
            record_without("LicenseArn"),
            "LicenseArn",
            ("Nobody is named: give LicenseArn, CustomerAWSAccountId or CustomerIdentifier."),
        ),
        (
            record(LicenseArn="l-0123"),
            "LicenseArn",
            ("LicenseArn is 'l-0123'; give the whole ARN, arn:aws:license-manager:…:l-…."),
        ),
        (
            record_without("LicenseArn", CustomerAWSAccountId="12 34"),
            "CustomerAWSAccountId",
            "CustomerAWSAccountId is '12 34'; it must be the 12 digits of an account.",
        ),
        (
            record_without("LicenseArn", CustomerIdentifier="é" * 256),
            "CustomerIdentifier",
            f"CustomerIdentifier is '{'é' * 80}'…; it has at most 255 characters.",
        ),
        (
            record(ProductCode="p p"),
            "ProductCode",
            "ProductCode is 'p p'; give it as AWS Marketplace shows it.",
        ),
        (
            {"UsageRecords": [record()], "ProductCode": 5},
            "ProductCode",
            "ProductCode must be text in quotes, not a number.",
        ),
        (
            {"UsageRecords": [record()], "ProductCode": "p" * 1256},
            "ProductCode",
            "ProductCode has 1,256 characters; 255 at most.",
        ),
    ],
)
def test_a_wrong_customer_is_told(message: Any, field: str | None, tell: str) -> None:
    check(message, field, tell)


@pytest.mark.parametrize(
    ("message", "field", "tell"),
    [
        (
            record(Id=""),
            "Id",
            "Id needs 1 to 256 characters, the first not U+0000: ''.",
        ),
        (
            record(Id=7),
            "Id",
            "Id must be text in quotes, not a number.",
        ),
        (
            event_without("id"),
            "id",
            "A CloudEvent needs id, a text of 1 to 256 characters.",
        ),
        (
            event(id=7),
            "id",
            "id must be text in quotes, not a number.",
        ),
        (
            event(source="s" * 2049),
            "source",
            "A CloudEvent needs source, a text of 1 to 2,048 characters.",
        ),
    ],
)
def test_a_wrong_id_is_told(message: Any, field: str | None, tell: str) -> None:
    check(message, field, tell)


@pytest.mark.parametrize(
    ("message", "field", "tell"),
    [
        (
            record(Colour="red"),
            "Colour",
            ("Unknown field 'Colour'; correct it or leave it out. Field names are case-sensitive."),
        ),
        (
            record(quantity=3),
            "quantity",
            ("Unknown field 'quantity'; did you mean Quantity? Field names are case-sensitive."),
        ),
        (
            {"UsageRecords": [], "Region": "eu"},
            "Region",
            ("Unknown field 'Region'; correct it or leave it out. Field names are case-sensitive."),
        ),
        (
            {"UsageRecords": [record()], "Id": "a"},
            "Id",
            "Field Id does not belong here, but elsewhere in the message.",
        ),
        (
            {"UsageRecords": [5]},
            None,
            "A usage record must be an object, not a number.",
        ),
        (
            {"UsageRecords": 5},
            "UsageRecords",
            "UsageRecords must be a list, not a number.",
        ),
        (
            [record()],
            None,
            ("An array may hold CloudEvents only; wrap bare usage records in UsageRecords."),
        ),
        (
            event(specversion="0.3"),
            "specversion",
            "specversion is '0.3'; only CloudEvents 1.0 are understood.",
        ),
        (
            event(data=[1]),
            "data",
            "data must be a JSON object, not a list.",
        ),
        (
            event_without("data") | {"data_base64": "AA=="},
            "data",
            "data must be a JSON object, not data_base64.",
        ),
        (
            event_without("data"),
            "data",
            "data is missing; it must hold a usage record.",
        ),
        (
            '"quantity=5"',
            None,
            ("The message is text, not a usage record, a BatchMeterUsage body or a CloudEvent."),
        ),
        (
            "quantity=5",
            None,
            "The message is not JSON: JSON is malformed: invalid character (byte 0).",
        ),
        (
            {"Records": []},
            None,
            "None of the keys UsageRecords, specversion, Dimension is there.",
        ),
        (
            "[" * 100_000,
            None,
            "The message is nested too deeply to be read.",
        ),
    ],
)
def test_a_wrong_form_is_told(message: Any, field: str | None, tell: str) -> None:
    check(message, field, tell)


@pytest.mark.parametrize(
    ("message", "field", "tell"),
    [
        (
            {"Redrive": {"Key": "0" * 32, "Hour": "2026-11-23T10Z"}},
            "Redrive",
            "Give Key, or License, Dimension and Hour, not both.",
        ),
        (
            {"Redrive": {"License": "l-1", "Dimension": "users"}},
            "Redrive",
            "Give Key, or all of License, Dimension and Hour.",
        ),
        (
            {"Redrive": {"Key": "xyz"}},
            "Redrive",
            "Key is 'xyz'; it must be 32 hexadecimal digits.",
        ),
        (
            {"Redrive": {"License": "l-1", "Dimension": "users", "Hour": "10:00"}},
            "Redrive",
            "Hour is '10:00'; write it as 2026-11-23T10Z.",
        ),
        (
            {"Redrive": {"Name": "x"}},
            "Redrive",
            (
                "The redrive message is not well-formed: Object contains unknown field "
                "`Name` - at `$.Redrive`."
            ),
        ),
    ],
)
def test_a_wrong_redrive_is_told(message: Any, field: str | None, tell: str) -> None:
    check(message, field, tell)


def test_too_many_records_are_told() -> None:
    [rejected] = read({"UsageRecords": [record()] * 20_001})

    assert isinstance(rejected, Rejected)
    assert rejected.tell == "The message has 20,001 records; send at most 20,000 in one."


def test_as_many_records_as_may_be_are_read() -> None:
    assert len(read({"UsageRecords": [record()] * 20_000})) == 20_000
