"""What usage is looked for under, and what an entry of the log says of it. Pure.

The ledger keeps no Ids, only digests of them, together with the customer *as the producer wrote
it*. So who looks for an Id must say how it was sent.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lambdas.customers.license import LicenseKey
from lambdas.metering.forms import RECORDS_MAX
from lambdas.metering.hours import Hour
from lambdas.metering.keys import (
    KEY_BYTES,
    content_check,
    id_digest,
    license_key_digest,
    message_digest,
    name_of_account,
    name_of_legacy,
    name_of_license,
    place_digest,
)
from lambdas.metering.ledger import KEY_BYTES as KEY_AND_CHECK_BYTES
from lambdas.metering.ledger import Fold, Row, keys_among
from lambdas.metering.quantities import Allocations
from ops.errors import OperatorError


@dataclass(frozen=True, slots=True)
class Sought:
    """Usage as its producer sent it.

    Attributes:
        text: its Id, or the MessageId of the message that it came in.
        message: whether it is a MessageId.
        source: the ``source`` of the CloudEvent whose ``id`` it is; empty for an `Id`.
        license: the license it names; None otherwise.
        account: the ``CustomerAWSAccountId`` it names; empty otherwise.
        customer: the ``CustomerIdentifier`` it names; empty otherwise.
        product: the ``ProductCode`` that it was sent with; empty where there was none.
        default_product: the setting `product_code`, which a ``CustomerIdentifier`` falls back on.
        held: the licenses that the account holds, as far as is known today.
    """

    text: str
    message: bool = False
    source: str = ""
    license: LicenseKey | None = None
    account: str = ""
    customer: str = ""
    product: str = ""
    default_product: str = ""
    held: frozenset[LicenseKey] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what could not be found, or would find something else."""
        named = [each for each in (self.license, self.account, self.customer) if each]
        if self.message:
            if self.account or self.customer or self.source:
                raise OperatorError(
                    "A MessageId is found without its customer; only --license goes with --message,"
                    " and leaves out the records of others."
                )
        elif len(named) != 1:
            raise OperatorError(
                "Say how the usage named its customer: one of --license, --account and --customer."
            )

    @property
    def id(self) -> str:
        """The Id as it is counted: a CloudEvent's begins as no other may."""
        return f"\0{len(self.source)} {self.source}{self.text}" if self.source else self.text

    @property
    def meaning(self) -> str:
        """What was looked for, for a person."""
        if self.message:
            return "as a MessageId"
        how = f"with license {self.license}" if self.license else f"with account {self.account}"
        if self.customer:
            how = f"with customer {self.customer}"
        product = f" and product {self.product}" if self.product else ""
        return f"as an Id sent {how}{product}"

    def keys(self) -> frozenset[bytes]:
        """Return every key that it may have been counted or quarantined under."""
        if self.message:
            places = (place_digest(self.text, index) for index in range(RECORDS_MAX))
            return frozenset((message_digest(self.text), *places))
        if self.license:
            name = name_of_license(self.license)
        elif self.account:
            name = name_of_account(self.account, self.product)
        else:
            name = name_of_legacy(self.customer, self.product or self.default_product)
        return frozenset({id_digest(name, self.id)})


@dataclass(frozen=True, slots=True)
class Added:
    """What an entry adds to a license, dimension and hour; quantity in 10⁻⁶."""

    license: LicenseKey
    dimension: str
    hour: Hour
    quantity: int
    allocations: Allocations


@dataclass(frozen=True, slots=True)
class Counted:
    """An entry that counted usage that was sought.

    Attributes:
        entry: its number.
        at_s: when it was written.
        usages: how many of the keys that were sought it holds.
        rows: what of the entry may be that usage. An entry adds up all it counts, so it cannot
            always be told which it is.
        is_certain: whether it can.
    """

    entry: int
    at_s: int
    usages: int
    rows: tuple[Added, ...]
    is_certain: bool


def counted_in(
    number: int,
    fold: Fold,
    sought: Sought,
    keys: frozenset[bytes],
    micros: int | None,
) -> list[Counted]:
    """Look for usage in one entry of the log; a list of one if it is there, else of none."""
    found = keys_among(fold.keys, keys)
    if not found:
        return []
    checks = {check for _, check in _split(found)}
    rows = list(_narrowed(_added(fold.rows), fold, sought, checks, micros))
    return [
        Counted(number, fold.at_s, len(found) // KEY_AND_CHECK_BYTES, tuple(rows), len(rows) == 1)
    ]


def _split(packed: bytes) -> Iterator[tuple[bytes, bytes]]:
    for at in range(0, len(packed), KEY_AND_CHECK_BYTES):
        whole = packed[at : at + KEY_AND_CHECK_BYTES]
        yield whole[:KEY_BYTES], whole[KEY_BYTES:]


def _added(rows: Iterable[Row]) -> list[Added]:
    """Put the rows of one record together, which are apart by their tags."""
    parts: defaultdict[tuple[LicenseKey, str, Hour], list[Row]] = defaultdict(list)
    for row in rows:
        parts[row.license, row.dimension, row.hour].append(row)
    return [
        Added(
            *cell,
            sum(each.quantity for each in found),
            tuple(sorted((each.tags, each.quantity) for each in found))
            if any(each.tags for each in found)
            else (),
        )
        for cell, found in parts.items()
    ]


def _narrowed(
    rows: list[Added], fold: Fold, sought: Sought, checks: set[bytes], micros: int | None
) -> list[Added]:
    """Leave out what cannot be the usage, by its license and by its check."""
    if sought.message:
        rows = [each for each in rows if sought.license in (None, each.license)]
    else:
        # Usage that names no license has a second key, of the license that it was found to mean.
        wanted = {license_key_digest(each.license, sought.id) for each in rows}
        pairs = _split(keys_among(fold.keys, wanted))
        there = {key for key, check in pairs if check in checks}
        rows = [
            each
            for each in rows
            if license_key_digest(each.license, sought.id) in there
            and (not sought.held or each.license in sought.held)
        ]
    if len(checks) != 1:
        return rows
    known = _content_known(rows, checks, micros)
    if known is None:
        return rows
    dimension, quantity = known
    return [each for each in rows if each.dimension == dimension and each.quantity >= quantity]


def _content_known(
    rows: list[Added], checks: set[bytes], micros: int | None
) -> tuple[str, int] | None:
    """Tell dimension and quantity by the check, if a row is all that usage, or if it is told."""
    for each in rows:
        if content_check(each.dimension, each.quantity, each.allocations) in checks:
            return each.dimension, each.quantity
        if micros is not None and content_check(each.dimension, micros, ()) in checks:
            return each.dimension, micros
    return None
