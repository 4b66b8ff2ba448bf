"""Registration and subscription on real clients: what Lambda calls, without Lambda.

AWS Marketplace's events come by a queue of their own. Lambda polls it and deletes what a function
has applied; what failed, or died with its function, comes back.
"""

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from lambdas.customers.bus import Bus
from lambdas.customers.changes import Changes
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from lambdas.registration.aws import Marketplace, RegistrationsTable
from lambdas.registration.contact import Contact
from lambdas.registration.customer import TokenRefused, Unavailable
from lambdas.registration.form import Arrival
from lambdas.registration.page import Pages
from lambdas.registration.register import Registered, register
from lambdas.registration.seller import Seller
from lambdas.registration.signup import sign_up
from lambdas.registration.wiring import Wiring
from lambdas.subscription.aws import Agreements
from lambdas.subscription.events import Ignored, Rules, read_event
from lambdas.subscription.reconciliation import differences, open_licenses
from sandbox.marketplace.http import attach
from sandbox.memory import create_table
from tests.customers_stage import BusDouble
from tests.simulation.tale import PRODUCT
from tests.world import CUSTOMERS, World

REGISTRATIONS = "registrations"
EVENTS_VISIBILITY_S = 360
BATCH_MESSAGES = 10
"""As the stack sets the subscription queue up."""

CONTACT = Contact(email="ada@buyer.example", name="Ada", company="Buyer & Co")

Message = dict[str, Any]


class Functions:
    """The three functions that write licenses, and what they alone touch.

    Args:
        aws: the world they share with metering.
        pause: gives way while a function sleeps.
        before_call: told of every call of AWS Marketplace.
    """

    def __init__(
        self, aws: World, pause: Callable[[], None], before_call: Callable[[str], None]
    ) -> None:
        self.aws = aws
        client = aws.tables_client
        create_table(client, REGISTRATIONS)
        self.bus = BusDouble(self.clock)
        self.customers = CustomersTable(client, CUSTOMERS)
        bus = Bus(self.bus.client(), "default")
        self.changes = Changes(self.customers, Outbox(client, CUSTOMERS), bus, self.clock)
        self.contacts = Outbox(client, REGISTRATIONS)
        self.desk = Wiring(
            marketplace=Marketplace(aws.marketplace_client),
            customers=self.customers,
            changes=self.changes,
            table=RegistrationsTable(client, REGISTRATIONS),
            outbox=self.contacts,
            mailer=None,
            pages=Pages(Seller()),
            concurrent_agreements=True,
            signup_url="",
            clock=self.clock,
            sleep=lambda _: pause(),
            random=aws.rng.randbytes,
        )
        searcher = agreement_client()
        attach(searcher, aws.marketplace, before_call=before_call)
        self.agreements = Agreements(searcher)
        self.queue_url = aws.producer.create_queue(
            QueueName="subscription", Attributes={"VisibilityTimeout": str(EVENTS_VISIBILITY_S)}
        )["QueueUrl"]

    def clock(self) -> float:
        """The time."""
        return self.aws.now_s

    def tell(self, body: str) -> None:
        """Put an event into the subscription queue, as EventBridge does."""
        self.aws.producer.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def poll(self) -> list[Message]:
        """Take a batch for the subscription function, as Lambda does."""
        answer: Any = self.aws.producer.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=BATCH_MESSAGES,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        messages: list[Message] = answer.get("Messages", [])
        return messages

    def delete(self, messages: list[Message]) -> None:
        """Delete what was applied."""
        entries: Any = [
            {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
            for number, each in enumerate(messages)
        ]
        if entries:
            self.aws.producer.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)

    def waiting(self) -> int:
        """Count the events in the queue, in whatever state."""
        return len(self.aws.sqs.queue(self.queue_url).messages())

    def apply(self, message: Message) -> None:
        """Apply one event to the licenses it concerns."""
        found = read_event(
            message["Body"],
            message_id=message["MessageId"],
            sent_ms=int(message["Attributes"]["SentTimestamp"]),
            rules=Rules(),
        )
        assert not isinstance(found, Ignored), found
        self.changes.note([found])

    def sweep(self) -> None:
        """End licenses whose last hour is over, and publish what was left."""
        self.changes.end_overdue()
        self.changes.publish_leftovers(self.contacts)

    def reconcile(self, product_id: str) -> list[str]:
        """Compare with AWS Marketplace's agreements and mend; returns what differed."""
        found = differences(
            self.customers,
            self.agreements,
            open_licenses(self.customers),
            product_ids=[product_id],
            product_code=PRODUCT,
            asked_ms=int(self.clock() * 1000),
        )
        for each in found:
            self.changes.note(each.repairs)
        return [str(each.difference) for each in found]

    def arrive(self, token: str) -> Registered | TokenRefused | Unavailable:
        """Let a buyer's browser come with a token."""
        return register(self.desk, Arrival(token, free_trial=False))

    def sign_up(self, code: str) -> None:
        """Let a buyer fill in the hosted form."""
        sign_up(self.desk, code, CONTACT, lambda _: None)


def agreement_client() -> Any:
    """Make a real client of the Agreement API that never retries."""
    return boto3.client(
        "marketplace-agreement",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
