"""The registration function: every request of the API comes here."""

import os
import secrets
import time
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.customers.bus import Bus
from lambdas.customers.changes import Changes
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from lambdas.registration.aws import Mailer, Marketplace, RegistrationsTable, connect
from lambdas.registration.desk import Desk
from lambdas.registration.environment import read_environment
from lambdas.registration.page import Pages
from lambdas.registration.wiring import Wiring


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    return desk().answer(event, context)


@cache
def desk() -> Desk:
    """Connect everything, once per container."""
    environment = read_environment(os.environ)
    dynamodb, events, marketplace, ses = connect(environment.metering_region)
    customers = CustomersTable(dynamodb, environment.customers_table)
    announced = Outbox(dynamodb, environment.customers_table)
    bus = Bus(events, environment.event_bus)
    sender, seller = environment.sender_email, environment.seller
    return Desk(
        Wiring(
            marketplace=Marketplace(marketplace),
            customers=customers,
            changes=Changes(customers, announced, bus, time.time),
            table=RegistrationsTable(dynamodb, environment.registrations_table),
            outbox=Outbox(dynamodb, environment.registrations_table),
            mailer=Mailer(ses, sender, seller.support_email) if sender else None,
            pages=Pages(seller),
            concurrent_agreements=environment.concurrent_agreements,
            signup_url=environment.signup_url,
            clock=time.time,
            sleep=time.sleep,
            random=secrets.token_bytes,
        )
    )
