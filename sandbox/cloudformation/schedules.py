"""EventBridge Scheduler."""

from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.scheduler.exceptions import ScheduleNotFound
from moto.scheduler.models import scheduler_backends

from sandbox.cloudformation.resource import Resource


class Schedule(Resource, CloudFormationModel):
    """A schedule of EventBridge Scheduler; `sandbox.schedule` fires it."""

    type_name = "AWS::Scheduler::Schedule"
    name_property = "Name"
    attributes = ("Arn",)

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

    def _attribute(self, _name: str) -> str:
        backend = scheduler_backends[self.account][self.region]
        return str(backend.get_schedule(self._group(), self.physical_resource_id).arn)

    def _group(self) -> str:
        return str(self.properties.get("GroupName", "default"))
