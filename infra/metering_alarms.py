"""The alarms of metering: each rings while there is still time to bill the usage."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra import metrics
from infra.alarms import AlarmTopic
from infra.metering import TICK_INTERVAL_MINUTES, Metering
from infra.metrics import METERING, PERIOD_MINUTES
from infra.settings import Settings

# Three ticks: one that fails heals by itself.
SILENT_PERIODS = 15 // PERIOD_MINUTES
REFUSED_PERIODS = 15 // PERIOD_MINUTES
# A queue that is emptied every five minutes holds nothing that old, unless nobody gets to it; and
# at two hours the seal stops waiting for it, so that usage is billed in a later hour.
USAGE_AGE_HOURS_MAX = 2
# The longest pause of a healthy stack is six hours: the last hour of a month waits up to five for a
# backlog. Two thirds of the window are left then.
UNSEALED_HOURS = 8
# AWS Marketplace may refuse a customer for minutes after the purchase, but not for hours; and 20 of
# the 24 hours in which it takes the record are still left.
PARKED_HOURS = 4
# A person who was called has not come, and in six hours the usage cannot be billed for its own hour
# any more. The size is told once an hour, less often at the end of a month, hence long periods.
FORGOTTEN_PERIODS = 3
FORGOTTEN_PERIOD_HOURS = 6
# For a person to look, of the hour in which AWS Marketplace takes a license's last usage …
FLUSH_MINUTES_MIN = 20
LAST_HOUR_MINUTES = 60
# … unless the setting leaves less: the usage is sealed after `ending_settle_minutes`, and sent by
# the tick after that at the latest.
FLUSH_TICKS = 2


def watch_metering(bell: AlarmTopic, metering: Metering, settings: Settings) -> cloudwatch.Alarm:
    """Watch the tick, from the queue to AWS Marketplace's answer.

    Returns:
        The alarm that rings while metering stands still.
    """
    _watch_counting(bell, metering)
    _watch_windows(bell, settings)
    _watch_outcomes(bell)
    return _watch_ticks(bell)


def _own(
    scope: Construct,
    name: str,
    statistic: str = cloudwatch.Stats.SUM,
    period: cdk.Duration = metrics.PERIOD,
) -> cloudwatch.Metric:
    return metrics.own(scope, METERING, name, statistic, period=period)


def _watch_ticks(bell: AlarmTopic) -> cloudwatch.Alarm:
    bell.ring(
        "NoSeal",
        _own(bell, metrics.HOURS_SEALED, period=cdk.Duration.hours(1)),
        below=1,
        periods=UNSEALED_HOURS,
        if_silent=True,
        tells=f"No hour of usage was closed for {UNSEALED_HOURS} hours, so nothing new is sent to "
        "AWS Marketplace, which takes usage for 24 hours. Look whether ticks succeed, and whether "
        "the usage queue is ever emptied.",
    )
    return bell.ring(
        "NoTick",
        _own(bell, metrics.TICKS),
        below=1,
        periods=SILENT_PERIODS,
        if_silent=True,
        tells=f"Metering stands still: no tick has succeeded for "
        f"{SILENT_PERIODS * PERIOD_MINUTES} minutes. Usage waits in the queue and nothing is lost "
        "yet. The metering function's log says what fails; if it says nothing, the schedule does "
        "not start it.",
    )


def _watch_counting(bell: AlarmTopic, metering: Metering) -> None:
    bell.ring(
        "UsageWaits",
        metrics.age_of_oldest(metering.queue),
        above=USAGE_AGE_HOURS_MAX * 3600,
        tells=f"Usage has been in the queue for over {USAGE_AGE_HOURS_MAX} hours and is not in the "
        "ledger. Either ticks fail, or more comes in than they count. Do not purge the queue, and "
        "never move its messages: they would be billed twice.",
    )
    bell.ring(
        "UsageQuarantined",
        _own(bell, metrics.QUARANTINED),
        above=0,
        tells="Usage could not be counted and was put into quarantine, whole and with a reason. It "
        "is not billed until it is redriven or sent again; after 24 hours it can no longer be "
        "billed for its own hour.",
    )
    bell.ring(
        "QuarantineForgotten",
        _own(
            bell,
            metrics.IN_QUARANTINE,
            cloudwatch.Stats.MAXIMUM,
            cdk.Duration.hours(FORGOTTEN_PERIOD_HOURS),
        ),
        above=0,
        periods=FORGOTTEN_PERIODS,
        tells="Usage has been lying in quarantine for "
        f"{FORGOTTEN_PERIODS * FORGOTTEN_PERIOD_HOURS} hours. If it came today, some six hours are "
        "left to bill it for its own hour.",
    )


def _watch_windows(bell: AlarmTopic, settings: Settings) -> None:
    bell.ring(
        "RecordsAtRisk",
        _own(bell, metrics.RECORDS_AT_RISK, cloudwatch.Stats.MAXIMUM),
        above=0,
        tells="Usage is about to be lost: AWS Marketplace takes it for less than six hours more, "
        "or on the 1st of a month for less than three, and it is not billed. Find out why (refused "
        "calls, parked records, no seal, a license that was never activated), mend that, and run a "
        "tick.",
    )
    left = LAST_HOUR_MINUTES - settings.ending_settle_minutes - FLUSH_TICKS * TICK_INTERVAL_MINUTES
    minutes = min(FLUSH_MINUTES_MIN, left)
    bell.ring(
        "FinalFlush",
        _own(bell, metrics.FINAL_FLUSH_LEFT, cloudwatch.Stats.MINIMUM),
        below=minutes * 60,
        tells=f"A license ends in less than {minutes} minutes, and its last usage is not on the "
        "bill. After that AWS Marketplace refuses it. Look at the last tick's refusals and at "
        "parked records, mend that at once, and run a tick.",
    )


def _watch_outcomes(bell: AlarmTopic) -> None:
    bell.ring(
        "CallsRefused",
        _own(bell, metrics.CALLS_REFUSED),
        above=0,
        periods=REFUSED_PERIODS,
        tells="AWS Marketplace has refused or not answered calls for "
        f"{REFUSED_PERIODS * PERIOD_MINUTES} minutes: a permission, the region, the seller account "
        "or AWS Marketplace itself. Nothing is lost for 24 hours; all of it is sent again at every "
        "tick.",
    )
    bell.ring(
        "RecordsParked",
        _own(bell, metrics.QUANTITY_PARKED, cloudwatch.Stats.MAXIMUM, period=cdk.Duration.hours(1)),
        above=0,
        periods=PARKED_HOURS,
        tells=f"AWS Marketplace has refused usage records for {PARKED_HOURS} hours. They are "
        "tried until 24 hours after their usage, then they expire and are not billed. The "
        "metering function's log says why: a customer without a subscription, or a dimension "
        "that the offer does not have.",
    )
    bell.ring(
        "RecordsExpired",
        _own(bell, metrics.RECORDS_EXPIRED),
        above=0,
        tells="Usage records were not accepted before AWS Marketplace's window closed, and are "
        "not billed. The metering function's log names them with the reason. Once the reason "
        "is gone, their usage can be billed now instead.",
    )
    bell.ring(
        "RecordsConflict",
        _own(bell, metrics.RECORDS_CONFLICT),
        above=0,
        tells="AWS Marketplace already has another quantity for an hour of usage, which is not "
        "ours: somebody else meters the same license. Stop the other submitter; what this stack "
        "counted for those hours is not billed.",
    )
    bell.ring(
        "RecordsUnconfirmed",
        _own(bell, metrics.RECORDS_UNCONFIRMED),
        above=0,
        tells="Nobody knows whether some usage records are on the bill: a call that held them was "
        "never answered. CloudTrail tells. They must not be sent again before somebody has "
        "looked.",
    )
