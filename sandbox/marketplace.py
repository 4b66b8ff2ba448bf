"""AWS Marketplace on a laptop: products, licenses, tokens, faults, and what AWS would bill.

The emulator holds AWS's documented rules and nothing else: the clock is an argument, randomness
has a seed, and it knows neither HTTP nor whoever calls it. Beside it:

- `marketplace_rules.py`: the rules of one record and one license, and the readings to choose from
- `marketplace_metering.py`: the four operations of the metering service
- `marketplace_shapes.py`: requests checked against AWS's published shapes
- `marketplace_bill.py`: what was metered, once
- `marketplace_faults.py`: what goes wrong on purpose
- `marketplace_http.py`, `marketplace_admin.py`: the doors, over HTTP and inside the process

Left out: signatures and permissions are never checked, all regions are one (AWS may remove
duplicates for each region apart), and prices, invoices and CloudTrail do not exist.
"""

import base64
import random
import re
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from sandbox import marketplace_metering, marketplace_shapes
from sandbox.marketplace_bill import Bill, BillLine
from sandbox.marketplace_errors import Refused, Unacceptable
from sandbox.marketplace_faults import APPLIED_BUT_500, TIMEOUT_BEFORE, Fault, Faults
from sandbox.marketplace_rules import Change, License, Readings

# The account in real license ARNs, which have no region (code samples on
# https://docs.aws.amazon.com/marketplace/latest/userguide/saas-code-examples.html).
LICENSE_ARN_PREFIX = "arn:aws:license-manager::777788889999:license:l-"
# https://docs.aws.amazon.com/marketplace/latest/developerguide/metering-service-quotas.html
CALLS_PER_SECOND_MAX = {"BatchMeterUsage": 10, "MeterUsage": 10, "RegisterUsage": 5}
# The newest calls are kept; a demo makes some thousands.
CALLS_KEPT_MAX = 100_000

Platform = Literal["ec2", "ecs", "eks", "agentcore"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever signed the request, as far as its signature says."""

    access_key_id: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of one operation; its shape has been checked."""

    at: datetime
    fields: Mapping[str, Any]
    size_bytes: int
    caller: Caller
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; if `lost`, nothing does, after `hang_seconds`."""

    status: int
    body: Mapping[str, Any]
    request_id: str
    lost: bool = False
    hang_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a purchase brings into being; the identifier is empty for new products."""

    license_arn: str
    agreement_id: str
    registration_token: str
    customer_identifier: str


@dataclass(frozen=True, slots=True)
class Product:
    """A listing; `legacy` ones are metered by product code and customer identifier."""

    code: str
    legacy: bool
    dimensions: frozenset[str]
    public_key_version: int = 1
    public_key_rotated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A registration token that was given to a buyer."""

    license_arn: str
    issued_at: datetime
    used: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One API call; the outcome is `OK` or an error's code, whether or not anybody heard it."""

    at: datetime
    operation: str
    records: int
    outcome: str
    statuses: Mapping[str, int]
    fault: str | None


Operation = Callable[["Marketplace", Request], dict[str, Any]]


class Marketplace:
    """The state of one AWS Marketplace, and its answers.

    Safe to use from several threads: one lock around everything. The attributes without underscore
    are the operations' own, to be touched only inside a call.

    Args:
        now: The time, aware.
        seed: Ids, tokens and the luck of faults follow from it.
        readings: How to read AWS where it contradicts itself.
        throttling: Refuse calls beyond AWS's published rates (see `CALLS_PER_SECOND_MAX`).
        platform: Where callers of MeterUsage and RegisterUsage run.
        resource_region: The region those callers run in; `None` takes any.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        seed: int = 0,
        readings: Readings | None = None,
        throttling: bool = False,
        platform: Platform = "ecs",
        resource_region: str | None = None,
    ) -> None:
        self.now = now
        self.readings = readings or Readings()
        self.platform = platform
        self.resource_region = resource_region
        self.products: dict[str, Product] = {}
        self.licenses: dict[str, License] = {}
        self.tokens: dict[str, Token] = {}
        self.bill = Bill()
        self.resolved_licenses: set[str] = set()
        self.client_tokens: dict[tuple[str, str], tuple[object, str]] = {}
        self.registered: set[tuple[str, str]] = set()
        self._random = random.Random(seed)  # noqa: S311 (one seed reproduces a run)
        self._throttling = throttling
        self._recent: dict[str, deque[datetime]] = {}
        self._faults = Faults(seed)
        self._calls: deque[Call] = deque(maxlen=CALLS_KEPT_MAX)
        self._operations: dict[str, tuple[str, str, Operation]] = {}
        self._lock = threading.RLock()
        self.serve("meteringmarketplace", marketplace_metering.OPERATIONS)

    def serve(self, service: str, operations: Mapping[str, Operation]) -> None:
        """Answer these operations too, named and shaped by botocore's model of the service."""
        prefix = marketplace_shapes.service_model(service)["metadata"]["targetPrefix"]
        for name, operation in operations.items():
            self._operations[f"{prefix}.{name}"] = (service, name, operation)

    def purchase(
        self,
        product_code: str,
        account: str,
        dimensions: list[str],
        *,
        legacy: bool = False,
        state: Literal["active", "pending"] = "active",
        starts_at: datetime | None = None,
        license_arn: str | None = None,
        customer_identifier: str | None = None,
    ) -> Purchase:
        """Let an account buy a product, which is listed with its first purchase.

        Args:
            product_code: Of the product; all its purchases are legacy, or none.
            account: The buyer's.
            dimensions: What the offer has a price for.
            legacy: Listed before 1 June 2026: metered by code and identifier.
            state: `pending` until it is activated, or active at once.
            starts_at: When it becomes active by itself; an agreement may be future-dated.
            license_arn: A license ARN to have, for tests that need to know it.
            customer_identifier: The same, for legacy products.

        Raises:
            Unacceptable: An argument AWS would not have.
        """
        with self._lock:
            now = self.now()
            license_arn = license_arn or f"{LICENSE_ARN_PREFIX}{self._random.getrandbits(128):032x}"
            self._check_purchase(product_code, account, dimensions, license_arn)
            product = self.products.get(product_code) or Product(product_code, legacy, frozenset())
            if product.legacy != legacy:
                raise Unacceptable("legacy", legacy, f"{product.legacy}, as for {product_code}")
            if customer_identifier is not None and not legacy:
                raise Unacceptable("customer_identifier", customer_identifier, "absent: not legacy")
            bought = License(
                arn=license_arn,
                agreement_id=f"agmt-{self._random.getrandbits(100):025x}",
                product_code=product_code,
                account=account,
                customer_identifier=self._identifier(product, account, customer_identifier),
                dimensions=frozenset(dimensions),
                starts_at=_beginning(state, starts_at, now),
            )
            known = product.dimensions | bought.dimensions
            self.products[product_code] = replace(product, dimensions=known)
            self.licenses[license_arn] = bought
            return Purchase(
                license_arn=license_arn,
                agreement_id=bought.agreement_id,
                registration_token=self.registration_token(license_arn),
                customer_identifier=bought.customer_identifier,
            )

    def registration_token(self, license_arn: str) -> str:
        """A new token for a buyer who presses *Set up your account* (again).

        It has `+`, `/` and `=` in it, as real ones may, so that nobody gets away with not decoding
        the form it comes in.
        """
        with self._lock:
            self._license(license_arn)
            token = ""
            while not {"+", "/", "="} <= set(token):
                token = base64.b64encode(self._random.randbytes(95)).decode()
            self.tokens[token] = Token(license_arn, self.now())
            return token

    def change_license(
        self, license_arn: str, change: Change, at: datetime | None = None
    ) -> License:
        """Activate, cancel (an hour is left to report), end (none is left) or suspend a license.

        `activate` also brings back one that was suspended, cancelled or ended.
        """
        with self._lock:
            held = self._license(license_arn)
            if change not in get_args(Change):
                raise Unacceptable("change", change, " or ".join(get_args(Change)))
            if at is not None and at.tzinfo is None:
                raise Unacceptable("at", at.isoformat(), "a time with an offset")
            held = held.changed(change, _milliseconds(at or self.now()))
            self.licenses[license_arn] = held
            return held

    def rotate_public_key(self, product_code: str) -> int:
        """Give a container product's RegisterUsage the next key; returns its version."""
        with self._lock:
            product = self.products[product_code]
            version = product.public_key_version + 1
            self.products[product_code] = replace(
                product, public_key_version=version, public_key_rotated_at=self.now()
            )
            return version

    def inject(self, fault: Fault) -> None:
        """Let a fault strike, after those injected before."""
        with self._lock:
            self._faults.add(fault)

    def clear_faults(self) -> None:
        """Let nothing strike any more."""
        with self._lock:
            self._faults.clear()

    def pending_faults(self) -> list[tuple[Fault, int | None]]:
        """The faults still to strike, and how many more times each."""
        with self._lock:
            return self._faults.pending()

    def usage(self) -> list[BillLine]:
        """What AWS would bill."""
        with self._lock:
            return self.bill.lines()

    def calls(self) -> list[Call]:
        """The newest API calls, oldest first."""
        with self._lock:
            return list(self._calls)

    def new_id(self) -> str:
        """A unique id, the same in every run with the same seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def answer(self, target: str, body: bytes, caller: Caller | None = None) -> Answer:
        """Answer one API call, `target` being its X-Amz-Target header."""
        with self._lock:
            at = self.now()
            operation = target.rpartition(".")[2]
            fault = self._faults.strike(operation) if target in self._operations else None
            fields: Mapping[str, Any] = {}
            status, outcome, reply = 200, "OK", {}
            try:
                fields = self._understand(target, body)
                request = Request(at, fields, len(body), caller or Caller(), fault)
                reply = self._perform(target, request)
            except Refused as refused:
                status, outcome = refused.status, refused.code
                reply = {"__type": refused.code, "message": refused.message}
            self._calls.append(
                Call(
                    at=at,
                    operation=operation,
                    records=_records_in(fields),
                    outcome=outcome,
                    statuses=_statuses_in(reply),
                    fault=fault.fault if fault else None,
                )
            )
            return Answer(
                status,
                reply,
                request_id=self.new_id(),
                lost=fault is not None and fault.loses_answer,
                hang_seconds=fault.hang_seconds if fault else 0.0,
            )

    def _understand(self, target: str, body: bytes) -> Mapping[str, Any]:
        if target not in self._operations:
            text = f"No operation has the X-Amz-Target {target!r}"
            raise Refused("UnknownOperationException", text)
        return marketplace_shapes.parse(body)

    def _perform(self, target: str, request: Request) -> dict[str, Any]:
        service, name, operation = self._operations[target]
        fault = request.fault
        if fault is not None and (refusal := fault.refusal) is not None:
            raise refusal
        if fault is not None and fault.fault == TIMEOUT_BEFORE:
            return {}
        self._throttle(name, request.at)
        marketplace_shapes.check(service, name, request.fields)
        reply = operation(self, request)
        if fault is not None and fault.fault == APPLIED_BUT_500:
            message = fault.message or "Injected by the emulator, after applying the call"
            raise Refused("InternalServiceErrorException", message, fault.status)
        return reply

    def _throttle(self, operation: str, now: datetime) -> None:
        """Never more calls in any second than published: stricter than a bucket that refills."""
        limit = CALLS_PER_SECOND_MAX.get(operation)
        if not self._throttling or limit is None:
            return
        recent = self._recent.setdefault(operation, deque())
        while recent and not timedelta(0) <= now - recent[0] < timedelta(seconds=1):
            recent.popleft()
        if len(recent) >= limit:
            raise Refused("ThrottlingException", "Rate exceeded")
        recent.append(now)

    def _license(self, license_arn: str) -> License:
        held = self.licenses.get(license_arn)
        if held is None:
            raise Unacceptable("license_arn", license_arn, "the ARN of a license bought here")
        return held

    def _check_purchase(
        self, product_code: str, account: str, dimensions: list[str], license_arn: str
    ) -> None:
        shape = marketplace_shapes.service_model("meteringmarketplace")["shapes"]
        if not product_code or not re.fullmatch(shape["ProductCode"]["pattern"], product_code):
            raise Unacceptable("product_code", product_code, "letters, digits and -/=:_.@")
        if not re.fullmatch("[0-9]{12}", account):
            raise Unacceptable("account", account, "an AWS account id of 12 digits")
        if not dimensions or not all(0 < len(dimension) <= 255 for dimension in dimensions):
            raise Unacceptable("dimensions", dimensions, "API names of 1 to 255 characters")
        if not re.fullmatch(shape["LicenseArn"]["pattern"], license_arn):
            raise Unacceptable("license_arn", license_arn, "a license ARN")
        if license_arn in self.licenses:
            raise Unacceptable("license_arn", license_arn, "one that is not bought yet")

    def _identifier(self, product: Product, account: str, wanted: str | None) -> str:
        """One identifier for a buyer of a legacy product; new products have none.

        "For new SaaS product integrations, the CustomerIdentifier field is not populated" (botocore
        1.44.5 service model, ResolveCustomer).
        """
        if not product.legacy:
            return ""
        for held in self.licenses.values():
            if (held.product_code, held.account) == (product.code, account):
                return held.customer_identifier
        return wanted or f"{self._random.getrandbits(44):011X}"


def _beginning(state: str, starts_at: datetime | None, now: datetime) -> datetime | None:
    if starts_at is not None and starts_at.tzinfo is None:
        raise Unacceptable("starts_at", starts_at.isoformat(), "a time with an offset")
    if state == "pending":
        if starts_at is not None and starts_at <= now:
            raise Unacceptable("starts_at", starts_at.isoformat(), "ahead, or absent")
        return starts_at and _milliseconds(starts_at)
    if state != "active":
        raise Unacceptable("state", state, "active or pending")
    return _milliseconds(starts_at or now)


def _milliseconds(moment: datetime) -> datetime:
    """Times of agreements carry milliseconds, not more, in events and in the Agreement API."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _records_in(fields: Mapping[str, Any]) -> int:
    records = fields.get("UsageRecords")
    return len(records) if isinstance(records, list) else int("UsageDimension" in fields)


def _statuses_in(reply: Mapping[str, Any]) -> dict[str, int]:
    statuses = Counter(result["Status"] for result in reply.get("Results", ()))
    if reply.get("UnprocessedRecords"):
        statuses["Unprocessed"] = len(reply["UnprocessedRecords"])
    return dict(statuses)
