"""The alarms of registration and subscription: buyers who paid, and licenses that change."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra import metrics
from infra.alarms import AlarmTopic
from infra.metrics import PERIOD_MINUTES, REGISTRATION, SUBSCRIPTION
from infra.registration import Registration
from infra.subscription import RECONCILIATION_RETRIES, Subscription

# An ended license has an hour for its last usage, of which a person needs the most. An event that
# fails comes back every six minutes; SQS leaves it out of the age once it was received three times,
# so this tells of events that nobody receives, and the second failure tells of the others.
EVENT_AGE_MINUTES_MAX = 15
EVENT_FAILURES = 2
EVENT_FAILURES_OF = 15 // PERIOD_MINUTES
# A run that fails is made good by the next one.
SWEEPS_FAILED = 15 // PERIOD_MINUTES


def watch_subscription(bell: AlarmTopic, subscription: Subscription) -> list[cloudwatch.Alarm]:
    """Watch the events of AWS Marketplace on their way, and the nightly comparison.

    Returns:
        The alarms of the functions behind the scenes; they call nobody by themselves.
    """
    _watch_events(bell, subscription)
    _watch_reconciliation(bell, subscription)
    return [
        bell.watch(
            "EventsFunctionFails",
            metrics.failures(subscription.function, label="events"),
            above=0,
            periods=EVENT_FAILURES,
            of=EVENT_FAILURES_OF,
            tells="The function that applies AWS Marketplace's events failed as a whole, or was "
            "throttled, twice in a quarter of an hour.",
        ),
        bell.watch(
            "SweepFails",
            metrics.failures(subscription.sweep_function, label="sweep"),
            above=0,
            periods=SWEEPS_FAILED,
            tells="The sweep, which ends licenses whose last hour is over and publishes what was "
            "left behind, failed or was throttled for a quarter of an hour.",
        ),
    ]


def _watch_events(bell: AlarmTopic, subscription: Subscription) -> None:
    bell.ring(
        "EventsWait",
        metrics.age_of_oldest(subscription.queue),
        above=EVENT_AGE_MINUTES_MAX * 60,
        tells="An event of AWS Marketplace has not been applied for over "
        f"{EVENT_AGE_MINUTES_MAX} minutes. If it is a cancellation, the license's last usage "
        "must be sent within one hour of it. Look whether the subscription function runs at all.",
    )
    bell.ring(
        "EventsFail",
        metrics.own(bell, SUBSCRIPTION, metrics.EVENTS_FAILED),
        above=0,
        periods=EVENT_FAILURES,
        of=EVENT_FAILURES_OF,
        tells="Events of AWS Marketplace could not be applied, again and again. If one is a "
        "cancellation, the license's last usage must be sent within one hour of it. The "
        "subscription function's log says what fails.",
    )
    bell.ring_if_not_empty(
        "EventsGivenUp",
        subscription.dead_letters,
        tells="An event of AWS Marketplace could not be applied and lies in the dead-letter "
        "queue of the subscription queue. Read it there, mend what the subscription "
        "function's log says, then redrive the queue: each event is applied once.",
    )
    bell.ring_if_not_empty(
        "EventsUndelivered",
        subscription.undelivered,
        tells="EventBridge could not deliver an event of AWS Marketplace to the subscription "
        "queue; the attributes of the message in the dead-letter queue say why. Mend that, "
        "then send the bodies of the messages to the subscription queue.",
    )


def _watch_reconciliation(bell: AlarmTopic, subscription: Subscription) -> None:
    if subscription.reconciliation_function is None:
        return
    bell.ring(
        "ReconciliationFails",
        subscription.reconciliation_function.metric_errors(
            period=cdk.Duration.days(1), statistic=cloudwatch.Stats.SUM
        ),
        above=RECONCILIATION_RETRIES,
        tells="The nightly comparison of licenses with AWS Marketplace's agreements failed, and so "
        "did every repetition. Until it succeeds, an event that AWS Marketplace never delivered "
        "stays unnoticed. The function's log says why.",
    )
    bell.ring(
        "LicensesDiffer",
        metrics.own(bell, SUBSCRIPTION, metrics.LICENSE_DIFFERENCES),
        above=0,
        tells="Licenses differ from AWS Marketplace's agreements: events were lost, or never came. "
        "With reconciliation=repair what can be repaired is repaired by now; the function's log "
        "names each license, and whether it was.",
    )


def watch_registration(bell: AlarmTopic, registration: Registration) -> None:
    """Watch the endpoint that buyers come to."""
    bell.ring(
        "RegistrationFails",
        metrics.failures(registration.function, label="registration"),
        above=0,
        tells="The registration function failed or was throttled, and a buyer who has paid saw an "
        "error page instead of the sign-up. The function's log says why.",
    )
    bell.ring(
        "RegistrationsTurnedAway",
        metrics.own(bell, REGISTRATION, metrics.REGISTRATIONS_FAILED),
        above=0,
        tells="A buyer who has paid was asked to try again later, since AWS Marketplace or a "
        "table did not answer. If it lasts, the registration function's log says whether a "
        "permission, a region or the seller account is wrong.",
    )
