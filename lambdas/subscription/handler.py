"""The subscription functions: AWS Marketplace's events, the sweep, the nightly reconciliation."""

import os
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.customers.bus import Bus
from lambdas.customers.changes import Changes
from lambdas.customers.license import License, State
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from lambdas.subscription.aws import Agreements, Entitlements, connect
from lambdas.subscription.environment import Environment, read_environment
from lambdas.subscription.events import Ignored, asks_for_entitlements, read_event
from lambdas.subscription.reconciliation import differences, open_licenses
from lambdas.telemetry import Metric, logger, metrics


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the subscription functions work with."""

    environment: Environment
    customers: CustomersTable
    changes: Changes
    other_outboxes: tuple[Outbox, ...]
    entitlements: Entitlements
    agreements: Agreements


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Apply the messages of the subscription queue, each on its own.

    A message that fails comes back, and after some attempts goes to the dead-letter queue.
    """
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(
        event=event,
        record_handler=partial(_apply_or_log, wiring()),
        processor=processor,
        context=context,
    )
    failed = len(answer["batchItemFailures"])
    _count({Metric.EVENTS: len(event["Records"]) - failed, Metric.EVENTS_FAILED: failed})
    return dict(answer)


def sweep(_event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """End licenses whose last hour is over, and publish what was written but not published."""
    wired = wiring()
    ended = wired.changes.end_overdue()
    published = wired.changes.publish_leftovers(*wired.other_outboxes)
    answer = {"ended": [each.key for each in ended], "published": published}
    logger().info("Sweep", extra={"summary": answer})
    return answer


def reconcile(_event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Compare our licenses with AWS Marketplace's agreements, report what differs, and mend it."""
    wired = wiring()
    ours = open_licenses(wired.customers)
    found = differences(
        wired.customers,
        wired.agreements,
        ours,
        product_ids=wired.environment.rules.product_ids,
        product_code=wired.environment.product_code,
        asked_ms=int(time.time() * 1000),
    )
    for each in found:
        logger().warning(
            "A license differs from AWS Marketplace's agreements",
            extra={
                "difference": str(each.difference),
                "license": each.license,
                "agreement": each.agreement_id,
                "repaired": wired.environment.repairs and bool(each.repairs),
            },
        )
        if wired.environment.repairs:
            for license_now in wired.changes.note(each.repairs):
                _ask_for_entitlements(wired, license_now)
    if wired.environment.contracts:
        for each_active in wired.customers.in_state(State.ACTIVE):
            _ask_for_entitlements(wired, each_active)
    states = Counter(each.state for each in ours)
    _count(
        {
            Metric.LICENSE_DIFFERENCES: len(found),
            # They are counted where all of them are read anyway.
            Metric.LICENSES_PENDING: states[State.PENDING],
            Metric.LICENSES_ACTIVE: states[State.ACTIVE],
        }
    )
    answer = {
        "repaired": wired.environment.repairs,
        "differences": [
            {
                "difference": str(each.difference),
                "license": each.license,
                "agreement": each.agreement_id,
            }
            for each in found
        ],
    }
    logger().info("Reconciliation", extra={"differences": len(found)})
    return answer


def _apply_or_log(wired: Wiring, record: SQSRecord) -> None:
    try:
        _apply(wired, record)
    except Exception:
        # The edge of a message: it is not deleted, and the others of its batch go on.
        logger().exception(
            "A subscription event could not be applied; it comes back",
            extra={"message_id": record.message_id},
        )
        raise


def _apply(wired: Wiring, record: SQSRecord) -> None:
    found = read_event(
        record.body,
        message_id=record.message_id,
        sent_ms=int(record.attributes.sent_timestamp),
        rules=wired.environment.rules,
    )
    if isinstance(found, Ignored):
        logger().info("A subscription event is ignored", extra={"why": found.why})
        return
    licenses = wired.changes.note([found])
    logger().info(
        "A subscription event",
        extra={
            "said": found.said,
            "event_id": found.id,
            "agreement": found.agreement_id,
            "licenses": {each.key: str(each.state) for each in licenses},
        },
    )
    if asks_for_entitlements(found):
        for each in licenses:
            _ask_for_entitlements(wired, each)


def _ask_for_entitlements(wired: Wiring, each: License) -> None:
    """Keep with a license what its contract gives now; a product without contracts is not asked."""
    if wired.environment.contracts and each.product_code:
        asked_s = int(time.time())
        wired.changes.entitle(each.key, wired.entitlements.of(each), asked_s)


@cache
def wiring() -> Wiring:
    """Connect everything, once per container."""
    environment = read_environment(os.environ)
    dynamodb, events, entitlements, agreements = connect()
    customers = CustomersTable(dynamodb, environment.customers_table)
    outbox = Outbox(dynamodb, environment.customers_table)
    others = [environment.registrations_table] if environment.registrations_table else []
    return Wiring(
        environment=environment,
        customers=customers,
        changes=Changes(customers, outbox, Bus(events, environment.event_bus), time.time),
        other_outboxes=tuple(Outbox(dynamodb, table) for table in others),
        entitlements=Entitlements(entitlements),
        agreements=Agreements(agreements),
    )


def _count(counts: dict[Metric, int]) -> None:
    """Emit counts as metrics, zeros left out; Powertools warns of emitting none."""
    for name, count in counts.items():
        if count:
            metrics().add_metric(name, MetricUnit.Count, count)
    if any(counts.values()):
        metrics().flush_metrics()
