"""What producers meant: units of usage, each once, under whatever names they were sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import HOUR_S, hour_from_text, hour_of, month_of
from lambdas.metering.ledger import FULL_HOURS_MAX
from lambdas.metering.terms import Terms
from lambdas.metering.usage import (
    Reason,
    Redrive,
    Rejected,
    Rules,
    Usage,
    read_message,
    record_key,
)
from tests.simulation.tale import SKEW_S_MAX

DAY_S = 24 * HOUR_S
KEY_CHARS = 24

HUGE_MICROS_MIN = 10**15
"""Ten of these fill an hour; of less, a run cannot send enough to fill any."""

NAMES_NOBODY = (
    Reason.UNKNOWN_CUSTOMER,
    Reason.AMBIGUOUS_CUSTOMER,
    Reason.LICENSE_UNKNOWN_YET,
)
"""Why an account may mean nobody; a license that is named always means itself."""

Name = tuple[bytes, bytes]
"""A key and the check of its content: one unit of usage as a message wrote it."""


@dataclass(eq=False, slots=True)
class Unit:
    """One unit of usage as its producer meant it.

    Attributes:
        license: whose it is; None for what is no usage, or where only the account is certain.
        account: whose it is; empty for what is no usage.
        id_reused: another unit bears its Id too.
        certain: its account means its license and no other, as far as anybody can know.
        names: key and check of every way in which it was written.
        usage: how it reads; None for what is no usage.
        first_s: the earliest time that a copy says it was used at.
        last_s: the latest.
        sent_s: when it was sent first.
        any_month: an operator said that it may be billed in another month.
    """

    license: LicenseKey | None = None
    account: str = ""
    id_reused: bool = False
    certain: bool = False
    names: set[Name] = field(default_factory=set)
    usage: Usage | None = None
    first_s: float = inf
    last_s: float = -inf
    sent_s: float = inf
    any_month: bool = False

    @property
    def told(self) -> str:
        """Its name in a story."""
        if self.usage is None:
            return "no usage"
        whose = self.license[-4:] if self.license else f"account {self.account}"
        return (
            f"{self.usage.id or 'without an Id'}, {self.usage.quantity / 10**6:g}"
            f" {self.usage.dimension} of {whose}"
        )

    def is_counted(self, keys: Mapping[bytes, bytes]) -> bool:
        """Tell whether the log holds it under one of its names."""
        return any(keys.get(key) == check for key, check in self.names)

    def waits(self, quarantined: set[str]) -> bool:
        """Tell whether it is in quarantine under one of its names."""
        return any((key + check).hex() in quarantined for key, check in self.names)


class Units:
    """All that was sent, by message and by name."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.metering_from_s = terms.metering_from_s
        self.of_name: dict[Name, Unit] = {}
        self.of_message: dict[str, list[Unit]] = {}
        self.billed_now: set[bytes] = set()
        self.hours_fill = False
        self._rules = Rules(frozenset(terms.dimensions), terms.product_code)

    def __iter__(self) -> Iterator[Unit]:
        """Give every unit once, in the order in which they were sent first."""
        return iter(dict.fromkeys(self.of_name.values()))

    def note_sent(self, message_id: str, body: str, units: Sequence[Unit], now_s: float) -> None:
        """Write down what a message means: a unit for each of its records.

        It is read as if its time had come: what is in the future now may count later.
        """
        at_s = int(now_s) + DAY_S
        read = read_message(
            body, message_id=message_id, arrived_s=at_s, now_s=at_s, rules=self._rules
        )
        units = units or [Unit() for _ in read]
        for unit, each in zip(units, read, strict=True):
            assert not isinstance(each, Redrive)
            name = (each.key, each.check)
            assert self.of_name.setdefault(name, unit) is unit, "one name for two units"
            unit.names.add(name)
            unit.sent_s = min(unit.sent_s, now_s)
            if not isinstance(each, Rejected):
                unit.usage = each
                self.hours_fill |= each.quantity >= HUGE_MICROS_MIN
                unit.first_s = min(unit.first_s, each.used_s)
                unit.last_s = max(unit.last_s, each.used_s)
        self.of_message[message_id] = list(units)

    def note_redrive(self, order: Mapping[str, str]) -> None:
        """Write down what may be billed in another month, since an operator says so."""
        if "Key" in order:
            key, check = order["Key"][:KEY_CHARS], order["Key"][KEY_CHARS:]
            unit = self.of_name.get((bytes.fromhex(key), bytes.fromhex(check)))
            if unit is not None:
                unit.any_month = True
        else:
            hour = hour_from_text(order["Hour"])
            who = LicenseKey(order["License"])
            self.billed_now.add(record_key(who, order["Dimension"], hour))

    def called(self, name: Name) -> str:
        """Name what is in quarantine, in a story."""
        unit = self.of_name.get(name)
        return unit.told if unit is not None else "an operator's order, or nonsense"

    def of_messages(self, message_ids: Iterable[str]) -> Iterator[Unit]:
        """Give the units of messages; a redrive holds none."""
        for message_id in message_ids:
            yield from self.of_message.get(message_id, ())

    def may_wait(self, name: Name, reason: str, now_s: float) -> bool:
        """Tell whether a reason for quarantine is true, as far as producers know."""
        unit = self.of_name.get(name)
        if unit is None or unit.usage is None:
            return True
        usage = unit.usage
        if reason == Reason.EXPIRED:
            if now_s - unit.first_s >= self.terms.window_hours * HOUR_S - SKEW_S_MAX:
                return True
            ride_hours = 1 + FULL_HOURS_MAX * self.hours_fill
            soon = hour_of(int(now_s) + SKEW_S_MAX + ride_hours * HOUR_S)
            return month_of(soon) != month_of(hour_of(usage.used_s))
        if reason == Reason.FUTURE:
            return unit.last_s > now_s - SKEW_S_MAX
        if reason == Reason.BEFORE_METERING_FROM:
            return unit.first_s < self.metering_from_s
        if reason == Reason.ID_REUSED:
            return unit.id_reused
        if reason in NAMES_NOBODY:
            by_account = len(unit.names) > 1 or not usage.named.license_arn
            return by_account and not unit.certain
        return reason == Reason.TOO_LARGE and self.hours_fill
