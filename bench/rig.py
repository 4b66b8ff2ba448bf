"""All of AWS that a tick speaks to, in memory under real boto3 clients, with counters."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import boto3
from botocore.config import Config

from lambdas.customers.license import License, State, license_key_of_arn
from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import LedgerTable, Outcomes, Parallel, Quarantine, UsageQueue
from lambdas.metering.aws import Marketplace as MeteringService
from lambdas.metering.log import Log
from lambdas.metering.summary import Summary
from lambdas.metering.terms import Terms
from lambdas.metering.tick import tick
from lambdas.metering.wiring import Wiring
from sandbox.marketplace import Marketplace
from sandbox.marketplace.http import attach
from sandbox.memory import Counters, MemoryDynamoDB, MemorySQS, TableUse, create_table
from sandbox.memory.double import Params

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
"""A Monday in the middle of a month, at a full hour."""

PRODUCT = "example000000000000000001"
LEDGER, CUSTOMERS = "ledger", "customers"
TICK_INTERVAL_S = 300
TICK_WORK_S = 250
"""Of the 270 seconds of a tick, what is left without the reserve for its last words."""

METERING_CALL = "marketplace-metering.BatchMeterUsage"


@dataclass(slots=True)
class Requests:
    """What was asked of AWS.

    Attributes:
        sqs: requests by operation.
        sqs_billed: requests as SQS charges for them, 64 KB at a time.
        dynamodb: requests by operation.
        write_units: of both tables.
        read_units: of both tables.
        metering: calls of BatchMeterUsage, for which AWS charges nothing.
        records: usage records in them.
    """

    sqs: dict[str, int] = field(default_factory=dict)
    sqs_billed: int = 0
    dynamodb: dict[str, int] = field(default_factory=dict)
    write_units: float = 0
    read_units: float = 0
    metering: int = 0
    records: int = 0

    @property
    def total(self) -> int:
        """Requests that a function waits for."""
        return sum(self.sqs.values()) + sum(self.dynamodb.values()) + self.metering

    def plus(self, other: "Requests") -> "Requests":
        """Add up."""
        return Requests(
            dict(Counter(self.sqs) + Counter(other.sqs)),
            self.sqs_billed + other.sqs_billed,
            dict(Counter(self.dynamodb) + Counter(other.dynamodb)),
            self.write_units + other.write_units,
            self.read_units + other.read_units,
            self.metering + other.metering,
            self.records + other.records,
        )


class Rig:
    """A stack's tables and queue, AWS Marketplace, and the function's wiring."""

    def __init__(
        self,
        *,
        dimensions: Sequence[str] = (),
        heartbeats: bool = False,
        dynamodb: type[MemoryDynamoDB] = MemoryDynamoDB,
        throttling: bool = False,
        before_metering: Callable[[str], None] | None = None,
    ) -> None:
        self.now_s = START.timestamp()
        self.dimensions = tuple(dimensions)
        self.terms = Terms(dimensions=self.dimensions if heartbeats else (), product_code=PRODUCT)
        rng = Random(0)
        self.sqs = MemorySQS(now=self.clock, rng=rng)
        self.dynamodb = dynamodb(now=self.clock, rng=rng)
        self.marketplace = Marketplace(
            lambda: datetime.fromtimestamp(self.now_s, UTC), throttling=throttling
        )
        self.sqs_client = self.sqs.client()
        self.queue_url = self.sqs_client.create_queue(
            QueueName="usage", Attributes={"VisibilityTimeout": "900"}
        )["QueueUrl"]
        self.tables_client = self.dynamodb.client()
        for name in (LEDGER, CUSTOMERS):
            create_table(self.tables_client, name)
        self.customers = CustomersTable(self.tables_client, CUSTOMERS)
        self.metering_client = _metering_client()
        attach(self.metering_client, self.marketplace, before_call=before_metering)
        self.calls: list[tuple[float, list[Any]]] = []
        self.waited_s = 0.0
        self.sqs.on_answer = self._note_wait
        self.metering_client.meta.events.register(
            f"provide-client-params.{METERING_CALL}", self._note_call
        )
        self._ids = 0

    def clock(self) -> float:
        """The time, for AWS and ticks alike."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def wiring(
        self, *, parallel: Parallel = map, sleep: Callable[[float], None] | None = None
    ) -> Wiring:
        """A cold container."""
        table = LedgerTable(self.tables_client, LEDGER)
        return Wiring(
            queue=UsageQueue(self.sqs_client, self.queue_url, parallel),
            table=table,
            log=Log(table, self.terms),
            outcomes=Outcomes(self.tables_client, LEDGER, parallel),
            quarantine=Quarantine(self.tables_client, LEDGER),
            customers=CustomersTable(self.tables_client, CUSTOMERS, parallel),
            marketplace=MeteringService(self.metering_client),
            terms=self.terms,
            clock=self.clock,
            sleep=sleep or self.sleep,
            parallel=parallel,
            new_id=self._new_id,
        )

    def tick(self, wiring: Wiring) -> Summary:
        """Run one tick; `waited_s` then is how long it waited for a queue with nothing in it."""
        self.waited_s = 0.0
        return tick(wiring, until_s=self.now_s + TICK_WORK_S)

    def buy(self, number: int) -> list[License]:
        """Let buyers purchase, one license each, active for three weeks."""
        began = datetime(2026, 11, 1, tzinfo=UTC)
        bought = []
        for account in range(1, number + 1):
            sold = self.marketplace.purchase(
                PRODUCT, f"{account:012}", list(self.dimensions), state="active", starts_at=began
            )
            each = License(
                key=license_key_of_arn(sold.license_arn),
                arn=sold.license_arn,
                account=f"{account:012}",
                product_code=PRODUCT,
                state=State.ACTIVE,
                agreement_id=sold.agreement_id,
                start_s=int(began.timestamp()),
                registered_s=int(began.timestamp()),
                active_since_s=int(began.timestamp()),
            )
            self.customers.save(each)
            bought.append(each)
            if account % 100 == 0:
                # Every purchase looks through all events that nobody has asked for yet.
                self.marketplace.events()
        return bought

    def send(self, bodies: Sequence[str]) -> None:
        """Send messages as a producer does: in batches of ten."""
        for at in range(0, len(bodies), 10):
            self.sqs_client.send_message_batch(
                QueueUrl=self.queue_url,
                Entries=[
                    {"Id": str(number), "MessageBody": body}
                    for number, body in enumerate(bodies[at : at + 10])
                ],
            )

    def put(self, bodies: Sequence[str]) -> None:
        """Lay messages into the queue without a request, where sending is not the question."""
        queue = self.sqs.queue(self.queue_url)
        for body in bodies:
            queue.send(body, now=self.now_s, delay_seconds=0)

    def requests(self) -> Requests:
        """Tell what was asked since the last time, and begin anew."""
        sqs, dynamodb = self.sqs.reset_counters(), self.dynamodb.reset_counters()
        calls, self.calls = self.calls, []
        return Requests(
            dict(sqs.requests),
            sqs.billed_requests,
            dict(dynamodb.requests),
            sum(each.write_units for each in _tables(dynamodb)),
            sum(each.read_units for each in _tables(dynamodb)),
            len(calls),
            sum(len(records) for _, records in calls),
        )

    def _note_call(self, params: dict[str, Any], **_: Any) -> None:
        self.calls.append((self.now_s, params["UsageRecords"]))

    def _note_wait(self, _service: str, name: str, params: Params, answer: object) -> None:
        # Of several that find nothing at a time, the others wait while the first does.
        if name == "ReceiveMessage" and answer == {}:
            self.waited_s = max(self.waited_s, params["WaitTimeSeconds"])

    def _new_id(self) -> str:
        # As long as those of the function, since what is stored is weighed.
        self._ids += 1
        return f"{self._ids:032x}"


def _tables(counters: Counters) -> list[TableUse]:
    return list(counters.tables.values())


def _metering_client() -> Any:
    return boto3.client(
        "meteringmarketplace",
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        config=Config(retries={"total_max_attempts": 1}),
    )
