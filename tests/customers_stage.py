"""Licenses in one process: the Customers table and a bus in memory under real clients, one clock.

`expected` says what any order, repetition, race or death must come to. `Shop` remembers every
version of a license and what was written to be told of it, and `Laws` holds the one to the other.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

from lambdas.customers.announcements import Announcement, announcements
from lambdas.customers.bus import Bus
from lambdas.customers.changes import Changes
from lambdas.customers.history import Event, Kind, license_of, registration
from lambdas.customers.license import License, LicenseKey
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from sandbox.memory import create_table
from sandbox.memory.double import Answer, Double, Operation, Params, ServiceError
from sandbox.memory.dynamodb import MemoryDynamoDB

TABLE = "customers"
BUS = "default"
BUYER = "111122223333"
PRODUCT = "example000000000000000001"
PRODUCT_ID = "prod-example000001"
KEY = LicenseKey("l-0123456789abcdef0123456789abcdef")
OTHER_KEY = LicenseKey("l-b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2")
LEGACY = LicenseKey("n0123/X01")
FIRST, SECOND = "agmt-1", "agmt-2"
BEGIN_MS = 1_795_168_800_000
"""2026-11-20T10:00:00Z."""

PUT_EVENTS_ENTRIES_MAX = 10
"""API reference of PutEvents."""

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


def ms(text: str) -> int:
    """Read a time, ``2026-11-23T10:20Z``."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def arn(key: str) -> str:
    """Write the ARN of a license as ResolveCustomer answers it."""
    return f"arn:aws:license-manager::777788889999:license:{key}"


def documented_arn(key: str) -> str:
    """Write the ARN of a license as the documented events have it; no API would take it."""
    return f"aws:license-manager:us-east-1:123456789012:{key}"


def happens(kind: Kind, minute: float = 0, **fields: Any) -> Event:
    """Write an event of the license `KEY`, so many minutes after the beginning."""
    known: dict[str, Any] = {
        "id": f"{kind}-{minute}-{fields.get('agreement_id', FIRST)}",
        "said": str(kind),
        "license": KEY,
        "arn": arn(fields.get("license", KEY)),
        "account": BUYER,
        "product_code": PRODUCT,
        "product_id": PRODUCT_ID,
        "agreement_id": FIRST,
    }
    return Event(kind=kind, at_ms=BEGIN_MS + round(minute * MINUTE_MS), **(known | fields))


def of_agreement(kind: Kind, minute: float = 0, **fields: Any) -> Event:
    """Write an event that names an agreement and no license, as agreement events do."""
    bare: dict[str, Any] = {"license": LicenseKey(""), "arn": "", "product_code": ""}
    return happens(kind, minute, **(bare | fields))


def of_topic(kind: Kind, minute: float = 0, **fields: Any) -> Event:
    """Write an event of a legacy customer, as the SNS topics send it."""
    legacy: dict[str, Any] = {
        "id": f"sns-{kind}-{minute}",
        "license": LEGACY,
        "arn": "",
        "account": "",
        "product_id": "",
        "product_code": "n0123",
        "customer_identifier": "X01",
        "agreement_id": "",
    }
    return happens(kind, minute, **(legacy | fields))


def registers(minute: float = 0, **fields: Any) -> Event:
    """Write the registration of the buyer of `KEY`."""
    known: dict[str, Any] = {
        "license_arn": arn(KEY),
        "account": BUYER,
        "product_code": PRODUCT,
        "customer_identifier": "",
        "agreement_id": FIRST,
        "free_trial": None,
    }
    return registration(at_ms=BEGIN_MS + round(minute * MINUTE_MS), **(known | fields))


def without_license(minute: float = 0, **fields: Any) -> Event:
    """Write a registration whose answer named neither license nor agreement."""
    return registers(minute, **({"license_arn": "", "agreement_id": ""} | fields))


class BusDouble(Double):
    """EventBridge, as far as PutEvents goes.

    Attributes:
        published: every entry taken, in order.
        refused: how many of the entries that come next are refused one by one.
        down: whether every call fails.
    """

    service = "events"
    throttling_codes = ("ThrottlingException",)
    internal_error_code = "InternalException"

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now=now, rng=Random(0))
        self.published: list[dict[str, Any]] = []
        self.refused = 0
        self.down = False
        self.operations = {"PutEvents": Operation(self._put, frozenset({"Entries"}))}

    def client(self) -> Any:
        """Make a real client."""
        return self._connect()

    def _put(self, params: Params) -> Answer:
        if self.down:
            raise ServiceError(500, self.internal_error_code, "The bus is down.")
        if len(params["Entries"]) > PUT_EVENTS_ENTRIES_MAX:
            raise ServiceError(400, "ValidationException", "Too many entries.")
        entries, failed = [], 0
        for each in params["Entries"]:
            if self.refused:
                self.refused -= 1
                failed += 1
                entries.append({"ErrorCode": "InternalFailure", "ErrorMessage": "again"})
            else:
                self.published.append(each)
                entries.append({"EventId": str(len(self.published))})
        return {"FailedEntryCount": failed, "Entries": entries}


@dataclass(frozen=True, slots=True)
class Version:
    """A license as it was written, and what was written in the same transaction to be told."""

    license: License
    told: tuple[tuple[str, str], ...]


class Shop:
    """Everything that `Changes` touches.

    Attributes:
        now_s: the time for all.
        versions: every version of every license, in the order they were written.
        calls: the names of all AWS calls.
    """

    def __init__(self, *, now_ms: int = BEGIN_MS) -> None:
        self.now_s = now_ms / 1000
        self.dynamodb = MemoryDynamoDB(now=lambda: self.now_s, rng=Random(0))
        self.bus = BusDouble(lambda: self.now_s)
        self.client = self.dynamodb.client()
        create_table(self.client, TABLE)
        self.customers = CustomersTable(self.client, TABLE)
        self.outbox = Outbox(self.client, TABLE)
        self.versions: dict[LicenseKey, list[Version]] = {}
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None
        for double in (self.dynamodb, self.bus):
            double.on_call, double.on_answer = self._on_call, self._on_answer
        self.changes = Changes(
            self.customers, self.outbox, Bus(self.bus.client(), BUS), lambda: self.now_s
        )

    def at(self, minute: float) -> None:
        """Let it be so many minutes after the beginning."""
        self.now_s = (BEGIN_MS + minute * MINUTE_MS) / 1000

    def note(self, *events: Event) -> list[License]:
        """Note events, each by itself, as the subscription queue does."""
        return [each for event in events for each in self.changes.note([event])]

    def license(self, key: LicenseKey = KEY) -> License:
        """The license as it is kept."""
        return self.customers.licenses([key])[key]

    def told(self, key: LicenseKey = KEY) -> list[str]:
        """The detail types published of a license, in order, copies left out."""
        ids: dict[str, str] = {}
        for each in self.bus.published:
            detail = json.loads(each["Detail"])
            if detail["License"] == key:
                ids.setdefault(detail["Id"], each["DetailType"])
        return list(ids.values())

    def details(self) -> list[dict[str, Any]]:
        """What was published, in order, copies too."""
        return [json.loads(each["Detail"]) for each in self.bus.published]

    @contextmanager
    def dying(self, phase: str, number: int) -> Iterator[None]:
        """Let whoever makes the AWS call of this number die before or after it."""
        self.calls.clear()

        def die(_: str) -> None:
            if len(self.calls) == number:
                raise Killed

        setattr(self, phase, die)
        try:
            yield
        except Killed:
            pass
        else:
            raise AssertionError(f"nobody made {number} calls: {self.calls}")
        finally:
            setattr(self, phase, lambda _: None)

    def _on_call(self, service: str, operation: str, params: Params) -> None:
        self.calls.append(f"{service}.{operation}")
        self.before(f"{service}.{operation}")

    def _on_answer(
        self, service: str, operation: str, params: Params, answer: Answer | ServiceError
    ) -> None:
        if operation == "TransactWriteItems" and not isinstance(answer, ServiceError):
            self._witness(params)
        self.after(f"{service}.{operation}")

    def _witness(self, params: Params) -> None:
        items = [each["Put"]["Item"] for each in params["TransactItems"] if "Put" in each]
        told = tuple(
            (each["sk"]["S"], each["change"]["S"]) for each in items if each["pk"]["S"] == "outbox"
        )
        for each in items:
            if each["sk"]["S"] == "license":
                key = LicenseKey(each["key"]["S"])
                self.versions.setdefault(key, []).append(Version(self._peek(key), told))

    def _peek(self, key: LicenseKey) -> License:
        before, after = self.before, self.after
        self.before = self.after = lambda _: None
        number = len(self.calls)
        found = self.license(key)
        del self.calls[number:]
        self.before, self.after = before, after
        return found


class Killed(BaseException):
    """Whoever is at work dies here; no handler of the code under test may survive it."""


def interleave(shop: Shop, works: Sequence[Callable[[], Any]], turns: Iterable[int]) -> None:
    """Do several works at once: each turn lets one of them go on to its next AWS call.

    Args:
        shop: where they work.
        works: what each does.
        turns: whose turn it is, by number; when they are used up, each ends in order.
    """
    main = getcurrent()
    runners = [greenlet(work) for work in works]

    def give_way(_: str) -> None:
        if getcurrent() in runners:
            main.switch()

    shop.before = give_way
    for turn in turns:
        runner = runners[turn % len(runners)]
        if not runner.dead:
            runner.switch()
    for runner in runners:
        while not runner.dead:
            runner.switch()
    shop.before = lambda _: None


def settle(shop: Shop) -> None:
    """Do what the sweep does until nothing is left to do."""
    shop.changes.end_overdue()
    shop.changes.publish_leftovers()


def bare(each: License) -> License:
    """Leave out what the order of writing decides and the events do not: the version."""
    return replace(each, version=0)


def expected(events: Iterable[Event], now_ms: int, key: LicenseKey = KEY) -> License:
    """Tell what a license is by all events that concern it, those of its agreements included."""
    known = list(events)
    own = [each for each in known if each.license == key]
    agreements = {each.agreement_id for each in own} - {""}
    linked = [each for each in known if not each.license and each.agreement_id in agreements]
    return license_of(key, own + linked, now_ms)


@dataclass(slots=True)
class Laws:
    """What must hold of announcements, whatever happened."""

    shop: Shop
    ids: dict[str, dict[str, Any]] = field(default_factory=dict)

    def check(self) -> None:
        """Hold what was published against every version of every license."""
        written = {
            id_: change
            for versions in self.shop.versions.values()
            for version in versions
            for id_, change in version.told
        }
        published: dict[str, str] = {}
        for entry, detail in zip(self.shop.bus.published, self.shop.details(), strict=True):
            assert detail["Id"] not in self.ids or self.ids[detail["Id"]] == detail
            self.ids[detail["Id"]] = detail
            published[detail["Id"]] = entry["DetailType"]
        assert published == written, "what was told is not what has changed"
        for versions in self.shop.versions.values():
            self._check_story(versions)
        assert list(self.shop.outbox.leftovers()) == []

    def _check_story(self, versions: Sequence[Version]) -> None:
        before: License | None = None
        for number, version in enumerate(versions, start=1):
            assert version.license.version == number, "a version was skipped or written twice"
            should: list[Announcement] = announcements(before, version.license, 0)
            assert [(each.id, str(each.change)) for each in should] == list(version.told)
            before = version.license
