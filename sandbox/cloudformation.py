"""The CloudFormation types that moto does not know, made through moto's own backends.

moto finds a type among the direct subclasses of `CloudFormationModel`, so importing this module
before the first stack is all that is needed. Each type says where it belongs, how it is put there
(created, or overwritten), how it is removed, and what its ARN is, if it has one.
"""

import json
from contextlib import suppress
from typing import Any, ClassVar, Self

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.utils import get_backend as lambda_backend
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.cloudwatch.models import (
    Dimension,
    Metric,
    MetricDataQuery,
    MetricStat,
    cloudwatch_backends,
)
from moto.core.common_models import CloudFormationModel
from moto.scheduler.exceptions import ScheduleNotFound
from moto.scheduler.models import scheduler_backends
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends


class Resource:
    """What moto asks of every type, answered from a type's `_put`, `_remove` and `_arn`."""

    type_name: ClassVar[str]
    # The property that names the resource; without one moto generates a name.
    name_property: ClassVar[str] = ""
    has_arn: ClassVar[bool] = False

    def __init__(self, name: str, properties: dict[str, Any], account: str, region: str) -> None:
        self.physical_resource_id = name
        self.properties = properties
        self.account = account
        self.region = region

    @classmethod
    def cloudformation_type(cls) -> str:
        """The type, as templates write it."""
        return cls.type_name

    @classmethod
    def cloudformation_name_type(cls) -> str:
        """The property that names it."""
        return cls.name_property

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether `Fn::GetAtt` of this attribute is allowed."""
        return cls.has_arn and attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """The value of `Fn::GetAtt`."""
        if not self.has_cfn_attr(attribute_name):
            raise UnformattedGetAttTemplateException
        return self._arn()

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> Self:
        """Create the resource, its references resolved."""
        resource = cls(resource_name, cloudformation_json["Properties"], account_id, region_name)
        resource._put()
        return resource

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Self,
        new_resource_name: str,  # noqa: ARG003 - generated anew by moto; an update keeps its name
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> Self:
        """Overwrite the resource, or move it when the template gives it another place."""
        properties = cloudformation_json["Properties"]
        name = properties.get(cls.name_property, original_resource.physical_resource_id)
        updated = cls(name, properties, account_id, region_name)
        if updated._place() != original_resource._place():
            original_resource._remove()
        updated._put()
        return updated

    def delete(self, _account_id: str, _region: str) -> None:
        """Take the resource away with its stack, or out of it."""
        self._remove()

    def is_created(self) -> bool:
        """Whether it is there; nothing here takes time."""
        return True

    def _place(self) -> object:
        return self.physical_resource_id

    def _put(self) -> None:
        raise NotImplementedError

    def _remove(self) -> None:
        raise NotImplementedError

    def _arn(self) -> str:
        raise NotImplementedError


class Schedule(Resource, CloudFormationModel):
    """A schedule of EventBridge Scheduler; `sandbox.schedule` fires it."""

    type_name = "AWS::Scheduler::Schedule"
    name_property = "Name"
    has_arn = True

    def _place(self) -> object:
        return (self._group(), self.physical_resource_id)

    def _put(self) -> None:
        given = self.properties
        wanted: dict[str, Any] = {
            "group_name": self._group(),
            "name": self.physical_resource_id,
            "description": given.get("Description"),
            "schedule_expression": given["ScheduleExpression"],
            "schedule_expression_timezone": given.get("ScheduleExpressionTimezone"),
            "flexible_time_window": given["FlexibleTimeWindow"],
            "target": dict(given["Target"]),
            "state": given.get("State", "ENABLED"),
            "kms_key_arn": given.get("KmsKeyArn"),
            "start_date": given.get("StartDate"),
            "end_date": given.get("EndDate"),
        }
        backend = scheduler_backends[self.account][self.region]
        try:
            backend.update_schedule(**wanted)
        except ScheduleNotFound:
            backend.create_schedule(**wanted, action_after_completion=None)

    def _remove(self) -> None:
        backend = scheduler_backends[self.account][self.region]
        backend.delete_schedule(self._group(), self.physical_resource_id)

    def _arn(self) -> str:
        backend = scheduler_backends[self.account][self.region]
        return backend.get_schedule(self._group(), self.physical_resource_id).arn

    def _group(self) -> str:
        return str(self.properties.get("GroupName", "default"))


class EventInvokeConfig(Resource, CloudFormationModel):
    """How Lambda treats the asynchronous invocations of a function."""

    type_name = "AWS::Lambda::EventInvokeConfig"

    def _place(self) -> object:
        return self.properties["FunctionName"]

    def _put(self) -> None:
        settings: dict[str, Any] = {
            key: self.properties[key]
            for key in ("MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig")
            if key in self.properties
        }
        # moto appends each put and reads the first, so without this an update would stay unseen.
        self._remove()
        backend = lambda_backend(self.account, self.region)
        backend.put_function_event_invoke_config(self.properties["FunctionName"], settings)

    def _remove(self) -> None:
        backend = lambda_backend(self.account, self.region)
        # moto deletes a stack in no particular order: what this hangs on may be gone already.
        with suppress(UnknownFunctionException):
            backend.get_function(self.properties["FunctionName"]).event_invoke_config = []


class QueuePolicy(Resource, CloudFormationModel):
    """Who may use some queues."""

    type_name = "AWS::SQS::QueuePolicy"

    def _place(self) -> object:
        return self.properties["Queues"]

    def _put(self) -> None:
        self._set(json.dumps(self.properties["PolicyDocument"]))

    def _remove(self) -> None:
        with suppress(QueueDoesNotExist):
            self._set(None)

    def _set(self, policy: str | None) -> None:
        backend = sqs_backends[self.account][self.region]
        for url in self.properties["Queues"]:
            backend.set_queue_attributes(url.rsplit("/", 1)[-1], {"Policy": policy})


class Alarm(Resource, CloudFormationModel):
    """An alarm on a metric or an expression. It can be listed; nobody evaluates it."""

    type_name = "AWS::CloudWatch::Alarm"
    name_property = "AlarmName"
    has_arn = True

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

    def _arn(self) -> str:
        backend = cloudwatch_backends[self.account][self.region]
        return backend.alarms[self.physical_resource_id].alarm_arn


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
