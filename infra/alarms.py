"""The topic that calls a person, and how an alarm rings it.

An alarm is for a person: what heals itself has none, or rings only if it does not. Each says what
has happened and what to do first, and names its entry in the runbook.
"""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.metrics import waiting

ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


class AlarmTopic(Construct):
    """Where alarms go: to an address, if there is one, and to whoever else subscribes."""

    def __init__(self, scope: Construct, construct_id: str, *, email: str) -> None:
        super().__init__(scope, construct_id)
        self.alarms: list[cloudwatch.AlarmBase] = []
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
        tells: str,
        above: float | None = None,
        below: float | None = None,
        periods: int = 1,
        of: int | None = None,
        if_silent: bool = False,
    ) -> cloudwatch.Alarm:
        """Call a person when a metric is above, or below, a number.

        Args:
            construct_id: the alarm's name, and that of its entry in the runbook.
            metric: what is watched.
            tells: what the person reads.
            above: the largest number that is no trouble.
            below: the smallest number that is no trouble.
            periods: in how many periods it must be beyond that.
            of: among how many of the latest periods; all of them must be if this is left out.
            if_silent: whether a period without a number is trouble, too. Zeros are not emitted, so
                that for most metrics it is none.
        """
        watched = self.watch(
            construct_id,
            metric,
            tells=tells,
            above=above,
            below=below,
            periods=periods,
            of=of,
            if_silent=if_silent,
        )
        self._call(watched)
        return watched

    def watch(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        *,
        tells: str,
        above: float | None = None,
        below: float | None = None,
        periods: int = 1,
        of: int | None = None,
        if_silent: bool = False,
    ) -> cloudwatch.Alarm:
        """Make an alarm that calls nobody by itself, to be part of `ring_when`; see `ring`."""
        threshold = above if below is None else below
        if threshold is None or None not in (above, below):
            raise ValueError(f"{construct_id}: either above or below a number")
        silence = cloudwatch.TreatMissingData
        return cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=_pointing(tells, construct_id),
            metric=metric,
            threshold=threshold,
            comparison_operator=ABOVE if below is None else BELOW,
            evaluation_periods=of or periods,
            datapoints_to_alarm=periods,
            treat_missing_data=silence.BREACHING if if_silent else silence.NOT_BREACHING,
        )

    def ring_when(self, construct_id: str, rule: cloudwatch.IAlarmRule, *, tells: str) -> None:
        """Call a person by what several alarms say together."""
        self._call(
            cloudwatch.CompositeAlarm(
                self,
                construct_id,
                alarm_description=_pointing(tells, construct_id),
                alarm_rule=rule,
            )
        )

    def ring_if_not_empty(self, construct_id: str, queue: sqs.QueueBase, *, tells: str) -> None:
        """Call a person as soon as a message lies in a queue."""
        self.ring(construct_id, waiting(queue), above=0, tells=tells)

    def _call(self, alarm: cloudwatch.AlarmBase) -> None:
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        self.alarms.append(alarm)


def _pointing(tells: str, entry: str) -> str:
    return f"{tells} Runbook: {entry}."
