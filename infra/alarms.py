"""Alarms, and the topic that calls a person; each says what has happened and what to do.

An alarm is for a person: what heals itself has none.
"""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.function import METRICS_NAMESPACE

# Metrics of the functions, by their names in lambdas/telemetry.py.
RECORDS_EXPIRED = "RecordsExpired"
RECORDS_PARKED = "RecordsParked"
REGISTRATIONS_FAILED = "RegistrationsFailed"

# As often as a tick: what happens once is seen in the next period.
PERIOD_MINUTES = 5
# AWS Marketplace may refuse a customer for minutes after the purchase, but not for hours; and 20 of
# the 24 hours in which it takes the record are still left.
PARKED_HOURS = 4
# An ended license has an hour for its last usage, of which a person needs the most. A message that
# failed once is back after six minutes, so one passing fault does not ring.
EVENT_AGE_MINUTES_MAX = 10


class AlarmTopic(Construct):
    """Where alarms go: to an address, if there is one, and to whoever else subscribes."""

    def __init__(self, scope: Construct, construct_id: str, *, email: str) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                # With a policy of its own, a topic no longer lets in its account's alarms.
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        cdk.Validations.of(self.topic).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions::AwsSolutions-SNS2",
                reason="CloudWatch cannot publish to a topic under AWS's own key, and a key of the "
                "seller's would cost money each month to hide the names of alarms.",
            )
        )
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))

    def ring(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        *,
        above: float,
        tells: str,
        periods: int = 1,
    ) -> None:
        """Call a person when a metric is above a number; `tells` is what the person reads."""
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=tells,
            metric=metric,
            threshold=above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=periods,
            # Zeros are not emitted: no number is no trouble.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))

    def ring_if_not_empty(self, construct_id: str, queue: sqs.Queue, *, tells: str) -> None:
        """Call a person as soon as a message lies in a queue."""
        self.ring(
            construct_id,
            queue.metric_approximate_number_of_messages_visible(
                period=cdk.Duration.minutes(PERIOD_MINUTES), statistic="Maximum"
            ),
            above=0,
            tells=tells,
        )


class Alarms(Construct):
    """The alarms of the stack, on the things they watch."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        events: sqs.Queue,
        dead_letters: sqs.Queue,
        undelivered: sqs.Queue,
        registration: lambda_.Function,
        email: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._bell = AlarmTopic(self, "Bell", email=email)
        self.topic = self._bell.topic
        self._watch_metering()
        self._watch_events(events, dead_letters, undelivered)
        self._watch_registration(registration)

    def _watch_metering(self) -> None:
        self._bell.ring(
            "RecordsExpired",
            _of("metering", RECORDS_EXPIRED, cdk.Duration.minutes(PERIOD_MINUTES)),
            above=0,
            tells="Usage records were not accepted before AWS Marketplace's window closed, and are "
            "not billed. The metering function's log names them with the reason. Once the reason "
            "is gone, send their usage again (docs/usage-messages.md, redrive).",
        )
        self._bell.ring(
            "RecordsParked",
            _of("metering", RECORDS_PARKED, cdk.Duration.hours(1)),
            above=0,
            periods=PARKED_HOURS,
            tells=f"AWS Marketplace has refused usage records for {PARKED_HOURS} hours. They are "
            "tried until 24 hours after their usage, then they expire and are not billed. The "
            "metering function's log says why: a customer without a subscription, or a dimension "
            "that the offer does not have.",
        )

    def _watch_events(
        self, events: sqs.Queue, dead_letters: sqs.Queue, undelivered: sqs.Queue
    ) -> None:
        self._bell.ring(
            "EventsWait",
            events.metric_approximate_age_of_oldest_message(
                period=cdk.Duration.minutes(PERIOD_MINUTES), statistic="Maximum"
            ),
            above=EVENT_AGE_MINUTES_MAX * 60,
            tells="An event of AWS Marketplace has not been applied for over "
            f"{EVENT_AGE_MINUTES_MAX} minutes. If it is a cancellation, the license's last usage "
            "must be sent within one hour of it. The subscription function's log says what fails.",
        )
        self._bell.ring_if_not_empty(
            "EventsGivenUp",
            dead_letters,
            tells="An event of AWS Marketplace could not be applied and lies in the dead-letter "
            "queue of the subscription queue. Read it there, mend what the subscription "
            "function's log says, then redrive the queue: each event is applied once.",
        )
        self._bell.ring_if_not_empty(
            "EventsUndelivered",
            undelivered,
            tells="EventBridge could not deliver an event of AWS Marketplace to the subscription "
            "queue; the attributes of the message in the dead-letter queue say why. Mend that, "
            "then send the bodies of the messages to the subscription queue.",
        )

    def _watch_registration(self, function: lambda_.Function) -> None:
        self._bell.ring(
            "RegistrationFails",
            function.metric_errors(period=cdk.Duration.minutes(PERIOD_MINUTES), statistic="Sum"),
            above=0,
            tells="The registration function failed, and a buyer who has paid saw an error page "
            "instead of the sign-up. The function's log says why.",
        )
        self._bell.ring(
            "RegistrationsTurnedAway",
            _of("registration", REGISTRATIONS_FAILED, cdk.Duration.minutes(PERIOD_MINUTES)),
            above=0,
            tells="A buyer who has paid was asked to try again later, since AWS Marketplace or a "
            "table did not answer. If it lasts, the registration function's log says whether a "
            "permission, a region or the seller account is wrong.",
        )


def _of(service: str, name: str, period: cdk.Duration) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        dimensions_map={"service": service},
        period=period,
        statistic="Sum",
    )
