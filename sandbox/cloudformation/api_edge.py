"""What of API Gateway is not of one API: the account's log role, and custom domains."""

from contextlib import suppress

from moto.apigateway.exceptions import BasePathNotFoundException, DomainNameNotFound
from moto.apigateway.models import DomainName as MotoDomainName
from moto.core.common_models import CloudFormationModel

from sandbox.cloudformation.api import ApiResource
from sandbox.cloudformation.resource import lower_first


class Account(ApiResource, CloudFormationModel):
    """The role by which API Gateway writes logs, one for the account and the region."""

    type_name = "AWS::ApiGateway::Account"

    def _put(self) -> None:
        self._backend.account.cloudwatch_role_arn = self.properties.get("CloudWatchRoleArn")

    def _remove(self) -> None:
        # As in AWS, the role stays set when the stack that set it goes.
        pass


class DomainName(ApiResource, CloudFormationModel):
    """A domain of the seller's own, in the API's region."""

    type_name = "AWS::ApiGateway::DomainName"
    name_property = "DomainName"
    attributes = ("RegionalDomainName", "RegionalHostedZoneId")

    def _put(self) -> None:
        given = self.properties
        domain = self._backend.domain_names.get(self.physical_resource_id)
        if domain is None:
            domain = MotoDomainName(self.physical_resource_id, region_name=self.region)
            self._backend.domain_names[self.physical_resource_id] = domain
        domain.regional_certificate_arn = given.get("RegionalCertificateArn")
        domain.security_policy = given.get("SecurityPolicy")
        domain.endpoint_configuration = lower_first(given.get("EndpointConfiguration", {}))

    def _remove(self) -> None:
        self._backend.domain_names.pop(self.physical_resource_id, None)
        self._backend.base_path_mappings.pop(self.physical_resource_id, None)

    def _attribute(self, name: str) -> str:
        domain = self._backend.get_domain_name(self.physical_resource_id)
        if name == "RegionalDomainName":
            return domain.regional_domain_name
        return domain.regional_hosted_zone_id


class BasePathMapping(ApiResource, CloudFormationModel):
    """Which stage a custom domain leads to."""

    type_name = "AWS::ApiGateway::BasePathMapping"

    def _place(self) -> object:
        return (self.properties["DomainName"], self.properties.get("BasePath"))

    def _put(self) -> None:
        given = self.properties
        self._remove()
        self._backend.create_base_path_mapping(
            given["DomainName"], given["RestApiId"], given.get("BasePath", ""), given["Stage"]
        )

    def _remove(self) -> None:
        with suppress(DomainNameNotFound, BasePathNotFoundException, KeyError):
            self._backend.delete_base_path_mapping(
                self.properties["DomainName"], self.properties.get("BasePath") or "(none)"
            )
