"""What belongs to Lambda."""

from contextlib import suppress
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.utils import get_backend as lambda_backend
from moto.core.common_models import CloudFormationModel

from sandbox.cloudformation.resource import Resource


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
