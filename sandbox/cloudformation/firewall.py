"""Web ACLs. They can be listed; nobody here is kept out by them."""

import base64
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.wafv2.models import FakeWebACL, WAFV2Backend, wafv2_backends

from sandbox.cloudformation.resource import Resource


class WebAcl(Resource, CloudFormationModel):
    """Rules for requests."""

    type_name = "AWS::WAFv2::WebACL"
    name_property = "Name"
    attributes = ("Arn", "Id")

    def _place(self) -> object:
        return (self.properties["Scope"], self._name)

    def _put(self) -> None:
        given = self.properties
        wanted: dict[str, Any] = {
            "name": self._name,
            "visibility_config": given["VisibilityConfig"],
            "default_action": given["DefaultAction"],
            "description": given.get("Description", ""),
            "rules": _as_the_api_has_it(given.get("Rules", [])),
            "custom_response_bodies": given.get("CustomResponseBodies"),
            "association_config": None,
            "captcha_config": None,
            "challenge_config": None,
            "token_domains": None,
        }
        acl = self._acl()
        if acl is None:
            acl = self._backend.create_web_acl(**wanted, scope=given["Scope"], tags=[])
        else:
            acl.rules = []  # which moto leaves as they are when there are none any more
            self._backend.update_web_acl(**wanted, _id=acl.id, lock_token=acl.lock_token)
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-wafv2-webacl.html
        self.physical_resource_id = f"{acl.name}|{acl.id}|{given['Scope']}"

    def _remove(self) -> None:
        acl = self._acl()
        if acl is not None:
            del self._backend.wacls[acl.arn]

    def _attribute(self, name: str) -> str:
        acl = self._acl()
        assert acl is not None
        return acl.arn if name == "Arn" else acl.id

    @property
    def _name(self) -> str:
        return self.physical_resource_id.split("|")[0]

    @property
    def _backend(self) -> WAFV2Backend:
        return wafv2_backends[self.account][self.region]

    def _acl(self) -> FakeWebACL | None:
        found = [each for each in self._backend.wacls.values() if each.name == self._name]
        return found[0] if found else None


def _as_the_api_has_it(rules: Any) -> Any:
    """Encode what a template writes as text and WAF's API as bytes."""
    match rules:
        case list():
            return [_as_the_api_has_it(each) for each in rules]
        case {"SearchString": text, **others}:
            encoded = base64.b64encode(text.encode()).decode()
            return {**_as_the_api_has_it(others), "SearchString": encoded}
        case dict():
            return {key: _as_the_api_has_it(value) for key, value in rules.items()}
    return rules


class WebAclAssociation(Resource, CloudFormationModel):
    """Which web ACL stands before a stage of an API."""

    type_name = "AWS::WAFv2::WebACLAssociation"

    def _place(self) -> object:
        return self.properties["ResourceArn"]

    def _put(self) -> None:
        self._remove()
        backend = wafv2_backends[self.account][self.region]
        backend.associate_web_acl(self.properties["WebACLArn"], self.properties["ResourceArn"])

    def _remove(self) -> None:
        backend = wafv2_backends[self.account][self.region]
        backend.disassociate_web_acl(self.properties["ResourceArn"])
