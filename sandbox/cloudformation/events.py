"""EventBridge."""

import json
from contextlib import suppress
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.events.exceptions import ResourceNotFoundException
from moto.events.models import EventBus, EventsBackend, events_backends
from moto.events.models import Rule as MotoRule

from sandbox.cloudformation.resource import Resource


class Rule(Resource, CloudFormationModel):
    """Which events go where. moto's own type takes another name with every update."""

    type_name = "AWS::Events::Rule"
    name_property = "Name"
    attributes = ("Arn",)

    def _place(self) -> object:
        return (self.properties.get("EventBusName"), self.physical_resource_id)

    def _put(self) -> None:
        given = self.properties
        bus = given.get("EventBusName", "default")
        pattern: Any = given.get("EventPattern")
        self._backend.put_rule(
            self.physical_resource_id,
            description=given.get("Description"),
            event_bus_arn=bus,
            event_pattern=None if pattern is None else json.dumps(pattern),
            role_arn=given.get("RoleArn"),
            scheduled_expression=given.get("ScheduleExpression"),
            state=given.get("State"),
        )
        self._rule().targets = []
        self._backend.put_targets(self.physical_resource_id, bus, given.get("Targets", []))

    def _remove(self) -> None:
        with suppress(ResourceNotFoundException):
            self._bus.rules.pop(self.physical_resource_id, None)

    def _attribute(self, _name: str) -> str:
        return self._rule().arn

    def _rule(self) -> MotoRule:
        return self._bus.rules[self.physical_resource_id]

    @property
    def _backend(self) -> EventsBackend:
        return events_backends[self.account][self.region]

    @property
    def _bus(self) -> EventBus:
        return self._backend.describe_event_bus(self.properties.get("EventBusName", "default"))
