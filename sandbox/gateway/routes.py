"""Finds what answers a request among the REST APIs that moto keeps.

Looked up anew for every request, so that a deployment is served at once. Unlike API Gateway, which
serves the snapshot that a deployment has made, this is always the API as it is.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from sandbox.gateway.http import RefusedError

EXECUTE_API = re.compile(r"(?P<api>[a-z0-9]+)\.execute-api\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")
PARAMETER = re.compile(r"\{([\w.-]+)(\+?)\}")


class NoApiError(Exception):
    """There is no such API, stage or domain."""


@dataclass(frozen=True, slots=True)
class Api:
    """A stage of an API, as a URL has named it, and the path that follows."""

    id: str
    region: str
    stage: str
    path: str


@dataclass(frozen=True, slots=True)
class Route:
    """A method of an API that a request has met."""

    api_id: str
    region: str
    stage: str
    deployment_id: str
    resource_id: str
    resource_path: str
    path: str
    path_parameters: Mapping[str, str]
    stage_variables: Mapping[str, str]
    binary_types: Sequence[str]
    method: Mapping[str, Any]

    @property
    def integration(self) -> Mapping[str, Any]:
        """What answers, as GetIntegration has it."""
        integration: Mapping[str, Any] = self.method.get("methodIntegration") or {}
        return integration


class Routes:
    """Reads APIs.

    Args:
        client: Makes a boto3 client, by service and region (`None`: the usual one).
    """

    def __init__(self, client: Callable[[str, str | None], Any]) -> None:
        self._client = client

    def api(self, domain: str, path: str) -> Api:
        """The API behind a domain name: API Gateway's own, or a custom one.

        Raises:
            NoApiError: There is none.
        """
        first, _, rest = path.removeprefix("/").partition("/")
        if match := EXECUTE_API.fullmatch(domain):
            return Api(match["api"], match["region"], stage=first, path=f"/{rest}")
        gateway = self._client("apigateway", None)
        try:
            mappings = gateway.get_base_path_mappings(domainName=domain).get("items", [])
        except ClientError as error:
            raise NoApiError(domain) from error
        for mapping in mappings:
            base = mapping.get("basePath", "(none)")
            if base in {first, "(none)"}:
                region = gateway.meta.region_name
                left = path if base == "(none)" else f"/{rest}"
                return Api(mapping["restApiId"], region, mapping["stage"], left)
        raise NoApiError(domain)

    def route(self, api: Api, method: str) -> Route:
        """The method of an API that is asked for.

        Raises:
            NoApiError: There is no such API or stage.
            RefusedError: The API does not define it.
        """
        gateway = self._client("apigateway", api.region)
        try:
            stage = gateway.get_stage(restApiId=api.id, stageName=api.stage)
            described = gateway.get_rest_api(restApiId=api.id)
        except ClientError as error:
            raise NoApiError(api.id) from error
        resources = gateway.get_resources(restApiId=api.id, embed=["methods"])["items"]
        resource, parameters = _resource(resources, api.path)
        methods = resource.get("resourceMethods", {})
        defined = methods.get(method) or methods.get("ANY")
        if defined is None:
            raise _undefined()
        return Route(
            api_id=api.id,
            region=api.region,
            stage=api.stage,
            deployment_id=stage["deploymentId"],
            resource_id=resource["id"],
            resource_path=resource["path"],
            path=unquote(api.path),
            path_parameters=parameters,
            stage_variables=stage.get("variables", {}),
            binary_types=described.get("binaryMediaTypes", []),
            method=defined,
        )

    def responses(self, api: Api) -> dict[str, Mapping[str, Any]]:
        """The API's own gateway responses, by type."""
        gateway = self._client("apigateway", api.region)
        items = gateway.get_gateway_responses(restApiId=api.id).get("items", [])
        return {item["responseType"]: item for item in items}


def _resource(
    resources: Iterable[Mapping[str, Any]], path: str
) -> tuple[Mapping[str, Any], dict[str, str]]:
    for resource in sorted(resources, key=_vagueness):
        parameters = _match(resource["path"], path)
        if parameters is not None:
            return resource, parameters
    raise _undefined()


def _undefined() -> RefusedError:
    # What API Gateway says about paths and methods that are not there, too.
    return RefusedError("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")


def _vagueness(resource: Mapping[str, Any]) -> list[int]:
    # What is written out wins over a parameter, and a parameter over a greedy one.
    kinds = [PARAMETER.fullmatch(part) for part in resource["path"].split("/")]
    return [0 if kind is None else 2 if kind[2] else 1 for kind in kinds]


def _match(resource_path: str, path: str) -> dict[str, str] | None:
    wanted, given = resource_path.split("/"), path.split("/")
    parameters = {}
    for index, part in enumerate(wanted):
        if index >= len(given):
            return None
        kind = PARAMETER.fullmatch(part)
        if kind is None and part != unquote(given[index]):
            return None
        if kind is not None:
            greedy = bool(kind[2])
            value = unquote("/".join(given[index:]) if greedy else given[index])
            if not value:
                return None
            parameters[kind[1]] = value
            if greedy:
                return parameters
    return parameters if len(wanted) == len(given) else None
