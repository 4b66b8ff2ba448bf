"""Take a message of the usage queue apart into records as written, without judging them. Pure.

Decoding never fails for one record's sake: fields whose type may be wrong are kept as JSON text,
and a record that does not fit its shape is read once more, field by field, for what is to be said
about it and for the names by which it is known all the same.
"""

from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import Annotated, TypeVar

import msgspec
from msgspec import Raw

from lambdas.metering.quantities import ABSENT, INTEGER_DIGITS_MAX, given
from lambdas.metering.reasons import NotUnderstoodError, Reason, kind_of, shown

PRODUCT_CODE_CHARS_MAX = 255
IDENTIFIER_CHARS_MAX = 255
DIMENSION_CHARS_MAX = 255
"""Of BatchMeterUsage (botocore 1.44.5, service model)."""

RECORDS_MAX = 20_000
"""In one message: 1 MiB holds about 15,000 usage records of the shortest kind."""

QUANTITY_MAX = 10**INTEGER_DIGITS_MAX - 1
"""Of a plain record; what is said about a larger one is said where all are read."""

NOT_TEXT = "?" * 4_096
"""Stands for a value that should be text and is not: no rule for any field lets it pass."""


class Form(Enum):
    """What a message is."""

    RECORD = auto()
    BODY = auto()
    EVENT = auto()
    EVENTS = auto()
    REDRIVE = auto()


class PlainRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One usage record as its producer wrote it, if it has an Id, a whole quantity and no tags.

    Most are of this kind, and a third of a tick's time goes into reading. `WrittenRecord` takes
    all others.
    """

    Timestamp: str
    Dimension: str
    Id: str
    Quantity: Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]
    LicenseArn: str | None = None
    CustomerAWSAccountId: str | None = None
    CustomerIdentifier: str | None = None
    ProductCode: str | None = None


class PlainBody(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The body of a BatchMeterUsage request whose records are all plain."""

    UsageRecords: list[PlainRecord]
    ProductCode: str | None = None


class WrittenRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One usage record as its producer wrote it."""

    Timestamp: Raw = ABSENT
    LicenseArn: str | None = None
    CustomerAWSAccountId: str | None = None
    CustomerIdentifier: str | None = None
    ProductCode: str | None = None
    Dimension: str | None = None
    Id: str | None = None
    Quantity: Raw = ABSENT
    QuantityAsDecimal: str | None = None
    UsageAllocations: Raw = ABSENT


class WrittenBody(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The body of a BatchMeterUsage request none of whose records is ill-formed."""

    UsageRecords: list[WrittenRecord]
    ProductCode: str | None = None


class WrittenEvent(msgspec.Struct, gc=False):
    """What matters of a CloudEvent as its producer wrote it; extension attributes may be there."""

    specversion: str | None = None
    source: str | None = None
    id: str | None = None
    time: Raw = ABSENT
    data: Raw = ABSENT
    data_base64: Raw = ABSENT


class Message(msgspec.Struct, gc=False):
    """A message taken apart.

    Attributes:
        form: what it is.
        body: the whole of it, as it came.
        records: its records, decoded where that could be done at once, else as JSON text; all of
            them plain, or none.
        product_code: of the body of a BatchMeterUsage request; None without.
    """

    form: Form
    body: str
    records: Sequence[PlainRecord | WrittenRecord | Raw] = ()
    product_code: str | None = None
    _texts: list[Raw] | None = None

    def text_of(self, index: int) -> str:
        """Return a record's JSON text; all of a list are taken out when one is asked for."""
        if self.form is Form.RECORD:
            return self.body.removeprefix(_BYTE_ORDER_MARK)
        if self._texts is None:
            found = _taken_apart(self.body.removeprefix(_BYTE_ORDER_MARK))
            self._texts = found if isinstance(found, list) else _LIST.decode(found["UsageRecords"])
        return bytes(self._texts[index]).decode()


_BYTE_ORDER_MARK = "\ufeff"
_ANY = msgspec.json.Decoder(dict[str, Raw] | list[Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_TEXT = msgspec.json.Decoder(str | None)
_PLAIN_BODY = msgspec.json.Decoder(PlainBody)
_PLAIN_RECORD = msgspec.json.Decoder(PlainRecord)
_BODY = msgspec.json.Decoder(WrittenBody)
_RECORD = msgspec.json.Decoder(WrittenRecord)
_RECORDS = msgspec.json.Decoder(list[WrittenRecord])
_EVENT = msgspec.json.Decoder(WrittenEvent)

_RECORD_FIELDS = frozenset(WrittenRecord.__struct_fields__)
_BODY_FIELDS = frozenset({"UsageRecords", "ProductCode"})
_JSON_FIELDS = frozenset(
    {"Timestamp", "Quantity", "UsageAllocations", "time", "data", "data_base64"}
)

_EVENT_FORMS = (Form.EVENT, Form.EVENTS)

_Shape = TypeVar("_Shape", WrittenRecord, WrittenEvent)
_Body = TypeVar("_Body", PlainBody, WrittenBody)


def split(body: str) -> Message:
    """Tell the form of a message and take it apart.

    >>> message = split('{"UsageRecords": [{"Dimension": "users"}, {"Dimension": "storage-gb"}]}')
    >>> message.form.name, [each.Dimension for each in message.records]
    ('BODY', ['users', 'storage-gb'])

    Raises:
        NotUnderstoodError: what is wrong with the message as a whole.
        RecursionError: it is nested too deeply to be read; so also where a record is.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK)
    whole: PlainBody | WrittenBody | None = _whole_body(text, _PLAIN_BODY)
    if whole is None:
        record = _whole_record(text)
        if record is not None:
            return Message(Form.RECORD, body, [record])
        whole = _whole_body(text, _BODY)
    if whole is not None:
        return Message(Form.BODY, body, whole.UsageRecords, whole.ProductCode)
    found = _taken_apart(text)
    if isinstance(found, list):
        _check_number(found)
        return Message(Form.EVENTS, body, found)
    if "UsageRecords" in found:
        return Message(Form.BODY, body, _records(found), _product_code(found))
    if "Redrive" in found:
        return Message(Form.REDRIVE, body)
    if "specversion" in found:
        return Message(Form.EVENT, body, [Raw(text)])
    if not _RECORD_FIELDS.isdisjoint(found):
        return Message(Form.RECORD, body, [Raw(text)])
    tell = "None of the keys UsageRecords, specversion, Dimension is there."
    raise NotUnderstoodError(Reason.UNKNOWN_FORM, None, tell)


def _whole_record(text: str) -> PlainRecord | WrittenRecord | None:
    """Read a record with nothing wrong in it at one go; None if there is more to it."""
    for decoder in (_PLAIN_RECORD, _RECORD):
        with suppress(ValueError):
            return decoder.decode(text)
    return None


def _whole_body(text: str, decoder: msgspec.json.Decoder[_Body]) -> _Body | None:
    """Read a body with nothing wrong in it at one go, as most are; None if there is more to it."""
    try:
        body: _Body = decoder.decode(text)
    except ValueError:
        return None
    legal = len(body.ProductCode or "") <= PRODUCT_CODE_CHARS_MAX
    return body if legal and len(body.UsageRecords) <= RECORDS_MAX else None


def _taken_apart(text: str) -> dict[str, Raw] | list[Raw]:
    try:
        found: dict[str, Raw] | list[Raw] = _ANY.decode(text)
    except msgspec.ValidationError:
        kind = kind_of(text.strip().encode())
        tell = f"The message is {kind}, not a usage record, a BatchMeterUsage body or a CloudEvent."
        raise NotUnderstoodError(Reason.UNKNOWN_FORM, None, tell) from None
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        tell = f"The message is not JSON: {error}."
        raise NotUnderstoodError(Reason.BAD_JSON, None, tell) from None
    return found


def standalone(message: Message, index: int) -> str:
    """Return one record as a message of its own, which reads as the record did.

    >>> standalone(split('{"ProductCode": "p", "UsageRecords": [{}, {"Quantity": 1.0}]}'), 1)
    '{"ProductCode": "p", "UsageRecords": [{"Quantity": 1.0}]}'
    """
    if message.form is Form.EVENTS:
        return f"[{message.text_of(index)}]"
    if message.form is not Form.BODY:
        return message.body
    product = ""
    if message.product_code is not None:
        product = f'"ProductCode": {msgspec.json.encode(message.product_code).decode()}, '
    return f'{{{product}"UsageRecords": [{message.text_of(index)}]}}'


def read(
    message: Message, index: int
) -> tuple[WrittenRecord, WrittenEvent | None, NotUnderstoodError | None]:
    """Read one record, and the event around it; whatever it is, something comes back.

    Returns:
        The record, the event if there is one, and what is wrong with their fields as such: an
        unknown one, or no text where text must be. `NOT_TEXT` then stands in the field's place.
    """
    written = message.records[index]
    if isinstance(written, PlainRecord):
        record: WrittenRecord = _RECORD.decode(message.text_of(index))
        return record, None, None
    if isinstance(written, WrittenRecord):
        return written, None, None
    if message.form in _EVENT_FORMS:
        return _read_event(written)
    record, fault = _read_record(written)
    return record, None, fault


def _read_record(raw: Raw) -> tuple[WrittenRecord, NotUnderstoodError | None]:
    try:
        return _RECORD.decode(raw), None
    except msgspec.ValidationError:
        pass
    try:
        fields = _FIELDS.decode(raw)
    except msgspec.ValidationError:
        tell = f"A usage record must be an object, not {kind_of(bytes(raw))}."
        return WrittenRecord(), NotUnderstoodError(Reason.WRONG_TYPE, None, tell)
    record, not_text = _field_by_field(fields, WrittenRecord)
    for field in fields:
        if field not in _RECORD_FIELDS:
            return record, _unknown_field(field)
    if not not_text:
        # A field is there twice, and only the first of them is wrong: the last one counts.
        return record, None
    reason = Reason.BAD_ID if not_text == "Id" else Reason.WRONG_TYPE
    tell = f"{not_text} must be text in quotes, not {kind_of(bytes(fields[not_text]))}."
    return record, NotUnderstoodError(reason, not_text, tell)


def _read_event(raw: Raw) -> tuple[WrittenRecord, WrittenEvent, NotUnderstoodError | None]:
    event, fault = _envelope(raw)
    fault = fault or _why_no_event(event)
    if not given(event.data).startswith(b"{"):
        return WrittenRecord(), event, fault
    record, fault_of_record = _read_record(event.data)
    return record, event, fault or fault_of_record


def _envelope(raw: Raw) -> tuple[WrittenEvent, NotUnderstoodError | None]:
    try:
        return _EVENT.decode(raw), None
    except msgspec.ValidationError:
        pass
    try:
        fields = _FIELDS.decode(raw)
    except msgspec.ValidationError:
        return WrittenEvent(), None
    event, not_text = _field_by_field(fields, WrittenEvent)
    if not not_text:
        return event, None
    tell = f"{not_text} must be text in quotes, not {kind_of(bytes(fields[not_text]))}."
    return event, NotUnderstoodError(Reason.BAD_CLOUDEVENT, not_text, tell)


def _why_no_event(event: WrittenEvent) -> NotUnderstoodError | None:
    if event.specversion is None:
        tell = "An array may hold CloudEvents only; wrap bare usage records in UsageRecords."
        return NotUnderstoodError(Reason.UNKNOWN_FORM, None, tell)
    if event.specversion != "1.0":
        tell = f"specversion is {shown(event.specversion)}; only CloudEvents 1.0 are understood."
        return NotUnderstoodError(Reason.BAD_CLOUDEVENT, "specversion", tell)
    data = given(event.data)
    if data.startswith(b"{"):
        return None
    if data:
        tell = f"data must be a JSON object, not {kind_of(data)}."
    elif given(event.data_base64):
        tell = "data must be a JSON object, not data_base64."
    else:
        tell = "data is missing; it must hold a usage record."
    return NotUnderstoodError(Reason.BAD_CLOUDEVENT, "data", tell)


def _field_by_field(fields: dict[str, Raw], shape: type[_Shape]) -> tuple[_Shape, str]:
    """Fill a shape with what fits; the name of the first text that is none comes with it."""
    values: dict[str, Raw | str | None] = {}
    not_text = ""
    for field, raw in fields.items():
        if field not in shape.__struct_fields__:
            continue
        if field in _JSON_FIELDS:
            values[field] = raw
        else:
            try:
                values[field] = _TEXT.decode(raw)
            except msgspec.ValidationError:
                values[field] = NOT_TEXT
                not_text = not_text or field
    # `values` holds for every field of the shape what that field is declared as; nothing says so.
    return shape(**values), not_text  # type: ignore[arg-type]


def _records(found: dict[str, Raw]) -> Sequence[WrittenRecord | Raw]:
    for field in found:
        if field not in _BODY_FIELDS:
            raise _unknown_field(field)
    records: Sequence[WrittenRecord | Raw]
    try:
        records = _RECORDS.decode(found["UsageRecords"])
    except msgspec.ValidationError:
        # One bad record must not cost the others: each is to be read alone.
        try:
            records = _LIST.decode(found["UsageRecords"])
        except msgspec.ValidationError:
            tell = f"UsageRecords must be a list, not {kind_of(bytes(found['UsageRecords']))}."
            raise NotUnderstoodError(Reason.WRONG_TYPE, "UsageRecords", tell) from None
    _check_number(records)
    return records


def _product_code(found: dict[str, Raw]) -> str | None:
    # Checked here, since it is written again beside every record that is rejected.
    raw = found.get("ProductCode", ABSENT)
    if not given(raw):
        return None
    try:
        product_code: str = _TEXT.decode(raw)
    except msgspec.ValidationError:
        tell = f"ProductCode must be text in quotes, not {kind_of(bytes(raw))}."
        raise NotUnderstoodError(Reason.WRONG_TYPE, "ProductCode", tell) from None
    if len(product_code) > PRODUCT_CODE_CHARS_MAX:
        tell = (
            f"ProductCode has {len(product_code):,} characters; {PRODUCT_CODE_CHARS_MAX} at most."
        )
        raise NotUnderstoodError(Reason.UNKNOWN_CUSTOMER, "ProductCode", tell)
    return product_code


def _check_number(records: Sequence[object]) -> None:
    if len(records) > RECORDS_MAX:
        tell = f"The message has {len(records):,} records; send at most {RECORDS_MAX:,} in one."
        raise NotUnderstoodError(Reason.TOO_LARGE, None, tell)


def _unknown_field(field: str) -> NotUnderstoodError:
    known = {each.casefold(): each for each in _RECORD_FIELDS | _BODY_FIELDS}
    meant = known.get(field.casefold())
    hint = f"did you mean {meant}?" if meant else "correct it or leave it out."
    tell = f"Unknown field {shown(field)}; {hint} Field names are case-sensitive."
    if meant == field:
        tell = f"Field {field} does not belong here, but elsewhere in the message."
    return NotUnderstoodError(Reason.UNKNOWN_FIELD, field[:80], tell)
