"""Usage, licenses and ledgers for tests of the metering core. Time stands still at `NOW_S`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from lambdas.customers.license import License, LicenseKey, State, license_key_of_arn
from lambdas.metering.customer import Customers
from lambdas.metering.fold import Folded, Refused, fold
from lambdas.metering.hours import Hour, end_s, hour_of, start_s
from lambdas.metering.keys import (
    content_check,
    id_digest,
    license_key_digest,
    name_of_account,
    place_digest,
)
from lambdas.metering.ledger import (
    Entry,
    FrozenRecord,
    Ledger,
    Row,
    Seal,
    SealedRecord,
    pack,
    records_of,
    unpack,
)
from lambdas.metering.named import Named
from lambdas.metering.seal import Heartbeats, first_entry, seals_for_everyone
from lambdas.metering.terms import Terms
from lambdas.metering.usage import Allocations, Tags, Usage

NOW_S = 1_795_429_200
"""2026-11-23T10:20:00Z, a Monday in the middle of a month."""

THIS_HOUR = hour_of(NOW_S)
UNIT = 1_000_000
"""One unit of usage, in 10⁻⁶."""

LICENSE = LicenseKey("l-1")
OTHER = LicenseKey("l-2")
BUYER = "111122223333"
PRODUCT = "example000000000000000001"
TERMS = Terms(dimensions=("users", "api-calls", "storage-gb"), product_code=PRODUCT)
ANYTHING = Terms(product_code=PRODUCT)
"""Terms that leave the dimensions open, and so report no zeros."""


def seconds(text: str) -> int:
    """Read a time, ``2026-11-23T10:20Z``."""
    return int(datetime.fromisoformat(text).timestamp())


def arn(key: str) -> str:
    """Write the ARN of a license."""
    return f"arn:aws:license-manager::777788889999:license:{key}"


def bought(key: str = LICENSE, **fields: Any) -> License:
    """Return an active license of a new product, since the first of the month."""
    standard = License(
        LicenseKey(key),
        arn=arn(key),
        account=BUYER,
        product_code=PRODUCT,
        state=State.ACTIVE,
        start_s=seconds("2026-11-01T00:00Z"),
    )
    return replace(standard, **fields)


def legacy(identifier: str = "X01", **fields: Any) -> License:
    """Return an active customer of a product that has no licenses."""
    standard = License(
        LicenseKey(f"n0123/{identifier}"),
        account=BUYER,
        product_code="n0123",
        state=State.ACTIVE,
        customer_identifier=identifier,
    )
    return replace(standard, **fields)


def usage(
    id_: str | None,
    quantity: int = UNIT,
    *,
    who: str = LICENSE,
    dimension: str = "users",
    used_s: int = NOW_S - 60,
    split: Mapping[Tags, int] | None = None,
    message: str = "m-1",
    index: int = 0,
    **fields: Any,
) -> Usage:
    """Return usage of a license, or of an account where ``who`` is digits.

    Without an Id its key is of its place in a message. Quantities are in 10⁻⁶; a split by tags
    says the quantity, too.
    """
    allocations: Allocations = tuple(sorted((split or {}).items()))
    if split:
        quantity = sum(split.values())
    by_account = who.isdigit()
    if id_ is None:
        key = place_digest(message, index)
    elif by_account:
        key = id_digest(name_of_account(who, ""), id_)
    else:
        key = license_key_digest(license_key_of_arn(arn(who)), id_)
    standard = Usage(
        key=key,
        check=content_check(dimension, quantity, allocations),
        id=id_,
        named=Named(account=who) if by_account else Named(license_arn=arn(who)),
        dimension=dimension,
        quantity=quantity,
        used_s=used_s,
        allocations=allocations,
        arrived_s=used_s,
        index=index,
    )
    return msgspec.structs.replace(standard, **fields)


def customers(*licenses: License) -> Customers:
    """Return the Customers table as a fold sees it, which holds these licenses."""
    accounts: dict[str, list[License]] = {}
    for each in licenses:
        accounts.setdefault(each.account, []).append(each)
    return Customers({each.key: each for each in licenses}, accounts)


def begun(now_s: int = NOW_S) -> Ledger:
    """Return the state of a log that has its first entry only."""
    ledger = Ledger()
    append(ledger, first_entry(now_s))
    return ledger


def append(ledger: Ledger, entry: Entry) -> None:
    """Write an entry as bytes, read it back, and apply it."""
    ledger.apply(ledger.last + 1, unpack(pack(entry)))


def decide(
    ledger: Ledger,
    *batch: Usage,
    known: Customers | None = None,
    terms: Terms = ANYTHING,
    now_s: int = NOW_S,
) -> Folded:
    """Fold usage without appending anything."""
    return fold(ledger, batch, customers=known or Customers(), terms=terms, now_s=now_s)


def rows_of(folded: Folded) -> list[Row]:
    """List what the entry of a fold adds."""
    assert folded.entry is not None
    return list(folded.entry.rows)


def count(ledger: Ledger, *batch: Usage, **world: Any) -> list[Refused]:
    """Fold usage, in as many entries as it takes, and return what was refused."""
    refused: list[Refused] = []
    left: Sequence[Usage] = batch
    while left:
        folded = decide(ledger, *left, **world)
        assert folded.taken
        if folded.entry is not None:
            append(ledger, folded.entry)
        refused += folded.refused
        left = left[folded.taken :]
    return refused


def seals_upto(
    ledger: Ledger,
    upto: Hour,
    *licenses: License,
    heartbeats: Heartbeats | None = None,
    terms: Terms = ANYTHING,
    now_s: int | None = None,
) -> list[Seal]:
    """Seal hours for everyone without appending anything."""
    return seals_for_everyone(
        ledger,
        upto,
        licenses={each.key: each for each in licenses},
        heartbeats=heartbeats or Heartbeats(),
        terms=terms,
        now_s=end_s(upto) + 600 if now_s is None else now_s,
    )


def close(ledger: Ledger, upto: Hour, *licenses: License, **world: Any) -> list[Seal]:
    """Seal hours for everyone, append the seals and return them."""
    seals = seals_upto(ledger, upto, *licenses, **world)
    for each in seals:
        append(ledger, each)
    return seals


def frozen_in(seals: Sequence[Seal]) -> list[tuple[LicenseKey, FrozenRecord]]:
    """List the records of seals with their licenses."""
    return [(who, each) for seal in seals for who, rows in seal.records.items() for each in rows]


def state_of(ledger: Ledger) -> tuple[object, ...]:
    """Return all of a state but its keys, which can only be asked for one by one."""
    return (
        ledger.first,
        ledger.last,
        ledger.first_at_s,
        ledger.began_s,
        ledger.watermark,
        ledger.early,
        ledger.keys.count,
        ledger.open,
        ledger.dimensions,
        ledger.unfinished,
    )


def sealed(who: LicenseKey = LICENSE, **fields: Any) -> SealedRecord:
    """Return a record as a seal holds it; fields are those of the frozen record."""
    standard = FrozenRecord("users", THIS_HOUR, 3 * UNIT, start_s(THIS_HOUR), ())
    frozen = msgspec.structs.replace(standard, **fields)
    seal = Seal(NOW_S, THIS_HOUR, everyone=True, records={who: (frozen,)})
    [record] = records_of(2, seal)
    return record
