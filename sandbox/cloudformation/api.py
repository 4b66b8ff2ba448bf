"""REST APIs of API Gateway. moto's own types forget most properties, and cannot be updated."""

import json
from contextlib import suppress
from typing import Any

from moto.apigateway.exceptions import RestAPINotFound
from moto.apigateway.models import APIGatewayBackend, RestAPI, Stage, apigateway_backends
from moto.core.common_models import CloudFormationModel

from sandbox.cloudformation.resource import Resource, lower_first


class ApiResource(Resource):
    """Something of API Gateway, most often a part of one API."""

    @property
    def _backend(self) -> APIGatewayBackend:
        return apigateway_backends[self.account][self.region]

    @property
    def _api(self) -> RestAPI:
        return self._backend.get_rest_api(self.properties["RestApiId"])

    def _remove(self) -> None:
        # moto deletes a stack in no particular order: the API may be gone, and all of it with it.
        with suppress(RestAPINotFound):
            self._leave(self._api)

    def _leave(self, api: RestAPI) -> None:
        raise NotImplementedError(api)


class RestApi(ApiResource, CloudFormationModel):
    """An API, with its root resource."""

    type_name = "AWS::ApiGateway::RestApi"
    attributes = ("RestApiId", "RootResourceId")

    def _put(self) -> None:
        given = self.properties
        api = self._backend.apis.get(self.physical_resource_id)
        if api is None:
            api = self._backend.create_rest_api(name=given["Name"], description="")
            self.physical_resource_id = api.id
        api.name = given["Name"]
        api.description = given.get("Description", "")
        api.binaryMediaTypes = given.get("BinaryMediaTypes", [])
        api.policy = json.dumps(given["Policy"]) if "Policy" in given else None
        api.endpoint_configuration = lower_first(given.get("EndpointConfiguration", {}))
        api.disableExecuteApiEndpoint = given.get("DisableExecuteApiEndpoint", False)

    def _remove(self) -> None:
        self._backend.apis.pop(self.physical_resource_id, None)

    def _attribute(self, name: str) -> str:
        if name == "RestApiId":
            return self.physical_resource_id
        return self._backend.get_rest_api(self.physical_resource_id).root_resource_id


class PathResource(ApiResource, CloudFormationModel):
    """One part of a path."""

    type_name = "AWS::ApiGateway::Resource"
    attributes = ("ResourceId",)

    def _place(self) -> object:
        return [self.properties[key] for key in ("RestApiId", "ParentId", "PathPart")]

    def _put(self) -> None:
        if self.physical_resource_id not in self._api.resources:
            made = self._backend.create_resource(
                self.properties["RestApiId"],
                self.properties["ParentId"],
                self.properties["PathPart"],
            )
            self.physical_resource_id = made.id

    def _leave(self, api: RestAPI) -> None:
        api.resources.pop(self.physical_resource_id, None)

    def _attribute(self, _name: str) -> str:
        return self.physical_resource_id


class Method(ApiResource, CloudFormationModel):
    """A method of a path, with what answers it."""

    type_name = "AWS::ApiGateway::Method"

    def _place(self) -> object:
        return [self.properties[key] for key in ("RestApiId", "ResourceId", "HttpMethod")]

    def _put(self) -> None:
        given = self.properties
        place: dict[str, Any] = {
            "function_id": given["RestApiId"],
            "resource_id": given["ResourceId"],
            "method_type": given["HttpMethod"],
        }
        self._backend.put_method(
            **place,
            authorization_type=given.get("AuthorizationType", "NONE"),
            api_key_required=given.get("ApiKeyRequired"),
        )
        for response in given.get("MethodResponses", []):
            self._backend.put_method_response(
                **place,
                response_code=response["StatusCode"],
                response_models=response.get("ResponseModels"),
                response_parameters=response.get("ResponseParameters"),
            )
        if "Integration" in given:
            self._integrate(place, given["Integration"])

    def _integrate(self, place: dict[str, Any], integration: dict[str, Any]) -> None:
        self._backend.put_integration(
            **place,
            integration_type=integration["Type"],
            uri=integration.get("Uri", ""),
            integration_method=integration.get("IntegrationHttpMethod", ""),
            credentials=integration.get("Credentials"),
            request_templates=integration.get("RequestTemplates"),
            passthrough_behavior=integration.get("PassthroughBehavior"),
            timeout_in_millis=integration.get("TimeoutInMillis"),
            request_parameters=integration.get("RequestParameters"),
            content_handling=integration.get("ContentHandling"),
        )
        for response in integration.get("IntegrationResponses", []):
            self._backend.put_integration_response(
                **place,
                status_code=response["StatusCode"],
                selection_pattern=response.get("SelectionPattern", ""),
                response_templates=response.get("ResponseTemplates", {}),
                response_parameters=response.get("ResponseParameters", {}),
                content_handling=response.get("ContentHandling"),
            )

    def _leave(self, api: RestAPI) -> None:
        resource = api.resources.get(self.properties["ResourceId"])
        if resource is not None:
            resource.delete_method(self.properties["HttpMethod"])


class Deployment(ApiResource, CloudFormationModel):
    """A snapshot of an API: of its name only, since what is served here is always the API as is."""

    type_name = "AWS::ApiGateway::Deployment"
    attributes = ("DeploymentId",)

    def _put(self) -> None:
        if self.physical_resource_id not in self._api.deployments:
            # With a StageName moto would make a stage, too; here only a Stage does.
            made = self._backend.create_deployment(
                self.properties["RestApiId"], "", self.properties.get("Description", "")
            )
            self.physical_resource_id = made.id

    def _leave(self, api: RestAPI) -> None:
        api.deployments.pop(self.physical_resource_id, None)

    def _attribute(self, _name: str) -> str:
        return self.physical_resource_id


class ApiStage(ApiResource, CloudFormationModel):
    """Where a deployment can be called, and how often."""

    type_name = "AWS::ApiGateway::Stage"
    name_property = "StageName"

    def _place(self) -> object:
        return (self.properties["RestApiId"], self.physical_resource_id)

    def _put(self) -> None:
        given = self.properties
        before = self._api.stages.get(self.physical_resource_id)
        stage = Stage(
            name=self.physical_resource_id,
            deployment_id=given["DeploymentId"],
            variables=given.get("Variables"),
            description=given.get("Description", ""),
            tracing_enabled=given.get("TracingEnabled"),
        )
        stage.method_settings = {
            f"{setting['ResourcePath'].strip('/') or '*'}/{setting['HttpMethod']}": lower_first(
                setting
            )
            for setting in given.get("MethodSettings", [])
        }
        if "AccessLogSetting" in given:
            stage.access_log_settings = lower_first(given["AccessLogSetting"])
        stage.web_acl_arn = None if before is None else before.web_acl_arn
        self._api.stages[self.physical_resource_id] = stage

    def _leave(self, api: RestAPI) -> None:
        api.stages.pop(self.physical_resource_id, None)


class GatewayResponse(ApiResource, CloudFormationModel):
    """What the API itself answers, in the place of an integration."""

    type_name = "AWS::ApiGateway::GatewayResponse"
    attributes = ("Id",)

    def _place(self) -> object:
        return (self.properties["RestApiId"], self.properties["ResponseType"])

    def _put(self) -> None:
        given = self.properties
        wanted: dict[str, Any] = {
            "response_type": given["ResponseType"],
            "status_code": given.get("StatusCode"),
            "response_parameters": given.get("ResponseParameters"),
            "response_templates": given.get("ResponseTemplates"),
        }
        self._api.put_gateway_response(**wanted)

    def _leave(self, api: RestAPI) -> None:
        api.delete_gateway_response(self.properties["ResponseType"])

    def _attribute(self, _name: str) -> str:
        return self.physical_resource_id
