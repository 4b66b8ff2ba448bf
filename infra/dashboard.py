"""The dashboard: one page that a person reads in ten seconds, the alarms first.

The upper row says whether money is safe (usage in, billed, at risk, age), the middle one what needs
a person, the lower one whether the machine runs. It draws every metric of the stack's own, and of
AWS's those that cost nothing.
"""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra import metrics
from infra.metering import TICK_TIMEOUT_SECONDS, Metering
from infra.metrics import METERING, REGISTRATION, SUBSCRIPTION
from infra.registration import Registration
from infra.subscription import Subscription

# CloudWatch divides a dashboard into 24 columns.
COLUMNS = 24
ALARMS_HEIGHT = 4
GRAPH_HEIGHT = 6
# AWS Marketplace's window, in which all usage must be billed.
WINDOW_HOURS = 24

Stats = cloudwatch.Stats


def make_dashboard(
    scope: Construct,
    *,
    alarms: Sequence[cloudwatch.AlarmBase],
    metering: Metering,
    registration: Registration,
    subscription: Subscription,
) -> cloudwatch.Dashboard:
    """Make the page, for one day unless somebody picks another time."""
    return cloudwatch.Dashboard(
        scope,
        "Dashboard",
        default_interval=cdk.Duration.days(1),
        widgets=[
            [
                cloudwatch.AlarmStatusWidget(
                    title="Alarms", alarms=alarms, width=COLUMNS, height=ALARMS_HEIGHT
                )
            ],
            [_usage_in(scope, metering), _billed(scope), _at_risk(scope), _age(scope, metering)],
            [
                _outcomes(scope),
                _registrations(scope),
                _licenses(scope),
                _events(scope, subscription),
            ],
            [_ticks(scope, metering), _errors(metering, registration, subscription)],
        ],
    )


def _graph(
    title: str,
    *,
    left: Sequence[cloudwatch.IMetric],
    right: Sequence[cloudwatch.IMetric] | None = None,
    in_row: int = 4,
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title, left=left, right=right, width=COLUMNS // in_row, height=GRAPH_HEIGHT
    )


def _usage_in(scope: Construct, metering: Metering) -> cloudwatch.GraphWidget:
    return _graph(
        "Usage in",
        left=[
            metering.queue.metric_number_of_messages_sent(
                period=metrics.PERIOD, statistic=Stats.SUM, label="messages"
            ),
            metrics.own(scope, METERING, metrics.COUNTED),
            metrics.own(scope, METERING, metrics.DUPLICATES),
            metrics.own(scope, METERING, metrics.QUARANTINED),
        ],
        right=[metrics.own(scope, METERING, metrics.IN_QUARANTINE, Stats.MAXIMUM)],
    )


def _billed(scope: Construct) -> cloudwatch.GraphWidget:
    return _graph(
        "Billed (zeros of heartbeats included)",
        left=[
            metrics.own(scope, METERING, metrics.RECORDS_SENT),
            metrics.own(scope, METERING, metrics.RECORDS_ACCEPTED),
        ],
        right=[metrics.own(scope, METERING, metrics.HOURS_SEALED)],
    )


def _at_risk(scope: Construct) -> cloudwatch.GraphWidget:
    return _graph(
        "At risk",
        left=[
            metrics.own(scope, METERING, metrics.RECORDS_UNFINISHED, Stats.MAXIMUM),
            metrics.own(scope, METERING, metrics.RECORDS_AT_RISK, Stats.MAXIMUM),
        ],
        right=[metrics.own(scope, METERING, metrics.QUANTITY_PARKED, Stats.MAXIMUM)],
    )


def _age(scope: Construct, metering: Metering) -> cloudwatch.GraphWidget:
    return _graph(
        f"Age, in hours (left), of the {WINDOW_HOURS} that AWS Marketplace gives",
        left=[
            _shown(
                "unbilled / 3600",
                metrics.own(scope, METERING, metrics.OLDEST_UNBILLED, Stats.MAXIMUM),
                "oldest usage not billed",
            ),
            _shown(
                "queued / 3600",
                metrics.age_of_oldest(metering.queue),
                "oldest usage in the queue",
            ),
        ],
        right=[
            _shown(
                "left / 60",
                metrics.own(scope, METERING, metrics.FINAL_FLUSH_LEFT, Stats.MINIMUM),
                "final flush, minutes left",
            )
        ],
    )


def _outcomes(scope: Construct) -> cloudwatch.GraphWidget:
    names = (
        *(metrics.RECORDS_EXPIRED, metrics.RECORDS_CONFLICT, metrics.RECORDS_UNCONFIRMED),
        metrics.CALLS_REFUSED,
    )
    return _graph(
        "Outcomes for a person",
        left=[metrics.own(scope, METERING, name) for name in names],
    )


def _registrations(scope: Construct) -> cloudwatch.GraphWidget:
    names = (metrics.REGISTRATIONS, metrics.REGISTRATIONS_FAILED)
    return _graph(
        "Registrations",
        left=[metrics.own(scope, REGISTRATION, name) for name in names],
    )


def _licenses(scope: Construct) -> cloudwatch.GraphWidget:
    night = cdk.Duration.days(1)
    return _graph(
        "Licenses (active and pending: as counted at night)",
        left=[
            metrics.own(scope, SUBSCRIPTION, metrics.LICENSES_ACTIVE, Stats.MAXIMUM, period=night),
            metrics.own(scope, SUBSCRIPTION, metrics.LICENSES_PENDING, Stats.MAXIMUM, period=night),
        ],
        right=[
            metrics.own(scope, METERING, metrics.LICENSES_ENDING, Stats.MAXIMUM),
            metrics.own(scope, SUBSCRIPTION, metrics.LICENSE_DIFFERENCES),
        ],
    )


def _events(scope: Construct, subscription: Subscription) -> cloudwatch.GraphWidget:
    return _graph(
        "Events of AWS Marketplace",
        left=[
            metrics.own(scope, SUBSCRIPTION, metrics.EVENTS),
            metrics.own(scope, SUBSCRIPTION, metrics.EVENTS_FAILED),
            metrics.waiting(subscription.dead_letters, label="given up"),
            metrics.waiting(subscription.undelivered, label="undelivered"),
        ],
        right=[_shown("age / 60", metrics.age_of_oldest(subscription.queue), "oldest, minutes")],
    )


def _ticks(scope: Construct, metering: Metering) -> cloudwatch.GraphWidget:
    return _graph(
        f"Ticks, and how long they take of {TICK_TIMEOUT_SECONDS} seconds",
        in_row=2,
        left=[metrics.own(scope, METERING, metrics.TICKS)],
        right=[
            _shown(
                "duration / 1000",
                metering.function.metric_duration(period=metrics.PERIOD, statistic=Stats.MAXIMUM),
                "longest, seconds",
            )
        ],
    )


def _errors(
    metering: Metering, registration: Registration, subscription: Subscription
) -> cloudwatch.GraphWidget:
    functions = {
        "metering": metering.function,
        "registration": registration.function,
        "events": subscription.function,
        "sweep": subscription.sweep_function,
        "reconciliation": subscription.reconciliation_function,
    }
    return _graph(
        "Errors and throttles",
        in_row=2,
        left=[
            metrics.failures(function, label=name)
            for name, function in functions.items()
            if function is not None
        ],
    )


def _shown(expression: str, metric: cloudwatch.Metric, label: str) -> cloudwatch.MathExpression:
    """Show a metric in a unit that people think in; the expression begins with a name for it."""
    return cloudwatch.MathExpression(
        expression=expression, using_metrics={expression.split()[0]: metric}, label=label
    )
