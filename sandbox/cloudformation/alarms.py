"""CloudWatch's alarms. They can be listed; `sandbox.ringing` evaluates those that are asked for."""

from typing import Any

from moto.cloudwatch.models import (
    Dimension,
    Metric,
    MetricDataQuery,
    MetricStat,
    cloudwatch_backends,
)
from moto.core.common_models import CloudFormationModel

from sandbox.cloudformation.resource import Resource


class Alarm(Resource, CloudFormationModel):
    """An alarm on a metric or an expression."""

    type_name = "AWS::CloudWatch::Alarm"
    name_property = "AlarmName"
    attributes = ("Arn",)

    def _put(self) -> None:
        given = self.properties
        wanted: dict[str, Any] = {
            "name": self.physical_resource_id,
            "namespace": given.get("Namespace"),
            "metric_name": given.get("MetricName"),
            "metric_data_queries": [_query(metric) for metric in given.get("Metrics", [])],
            "comparison_operator": given["ComparisonOperator"],
            "evaluation_periods": given["EvaluationPeriods"],
            "datapoints_to_alarm": given.get("DatapointsToAlarm"),
            "period": given.get("Period"),
            "threshold": given.get("Threshold"),
            "statistic": given.get("Statistic"),
            "extended_statistic": given.get("ExtendedStatistic"),
            "description": given.get("AlarmDescription"),
            "dimensions": given.get("Dimensions", []),
            "alarm_actions": given.get("AlarmActions", []),
            "ok_actions": given.get("OKActions", []),
            "insufficient_data_actions": given.get("InsufficientDataActions", []),
            "unit": given.get("Unit"),
            "actions_enabled": given.get("ActionsEnabled", True),
            "treat_missing_data": given.get("TreatMissingData"),
            "evaluate_low_sample_count_percentile": given.get("EvaluateLowSampleCountPercentile"),
            "threshold_metric_id": given.get("ThresholdMetricId"),
        }
        cloudwatch_backends[self.account][self.region].put_metric_alarm(**wanted)

    def _remove(self) -> None:
        backend = cloudwatch_backends[self.account][self.region]
        backend.delete_alarms([self.physical_resource_id])

    def _attribute(self, _name: str) -> str:
        backend = cloudwatch_backends[self.account][self.region]
        return str(backend.alarms[self.physical_resource_id].alarm_arn)


class CompositeAlarm(Resource, CloudFormationModel):
    """An alarm on other alarms."""

    type_name = "AWS::CloudWatch::CompositeAlarm"
    name_property = "AlarmName"
    attributes = ("Arn",)

    def _put(self) -> None:
        given = self.properties
        wanted: dict[str, Any] = {
            "name": self.physical_resource_id,
            "rule": given["AlarmRule"],
            "description": given.get("AlarmDescription"),
            "alarm_actions": given.get("AlarmActions", []),
            "ok_actions": given.get("OKActions", []),
            "insufficient_data_actions": given.get("InsufficientDataActions", []),
            "actions_enabled": given.get("ActionsEnabled", True),
            **dict.fromkeys(_OF_METRICS),
            "dimensions": [],
        }
        cloudwatch_backends[self.account][self.region].put_metric_alarm(**wanted)

    def _remove(self) -> None:
        cloudwatch_backends[self.account][self.region].delete_alarms([self.physical_resource_id])

    def _attribute(self, _name: str) -> str:
        backend = cloudwatch_backends[self.account][self.region]
        return str(backend.alarms[self.physical_resource_id].alarm_arn)


# What moto asks of every alarm, and only those on metrics have.
_OF_METRICS = (
    *("namespace", "metric_name", "comparison_operator", "evaluation_periods", "period"),
    *("threshold", "statistic"),
)


def _query(metric: dict[str, Any]) -> MetricDataQuery:
    measured = metric.get("MetricStat")
    wanted: dict[str, Any] = {
        "query_id": metric["Id"],
        "label": metric.get("Label"),
        "period": metric.get("Period"),
        "return_data": metric.get("ReturnData", True),
        "expression": metric.get("Expression"),
        "metric_stat": None if measured is None else _stat(measured),
    }
    return MetricDataQuery(**wanted)


def _stat(measured: dict[str, Any]) -> MetricStat:
    metric = measured["Metric"]
    dimensions = [Dimension(each["Name"], each["Value"]) for each in metric.get("Dimensions", [])]
    return MetricStat(
        metric=Metric(metric["MetricName"], metric["Namespace"], dimensions),
        period=measured["Period"],
        stat=measured["Stat"],
        unit=measured.get("Unit", "None"),
    )
