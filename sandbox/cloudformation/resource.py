"""What every type of the sandbox shares: the hooks that moto calls, answered from a few methods."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException


class Resource:
    """What moto asks of every type, answered from a type's `_put`, `_remove` and `_attribute`.

    `Ref` gives the physical id: the name, unless `_put` sets what the service has made up.
    """

    type_name: ClassVar[str]
    # The property that names the resource; without one moto generates a name.
    name_property: ClassVar[str] = ""
    # What `Fn::GetAtt` may ask for.
    attributes: ClassVar[tuple[str, ...]] = ()

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
        return attr in cls.attributes

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """The value of `Fn::GetAtt`."""
        if not self.has_cfn_attr(attribute_name):
            raise UnformattedGetAttTemplateException
        return self._attribute(attribute_name)

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

    def _attribute(self, name: str) -> str:
        raise NotImplementedError(name)


def lower_first(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Name properties as the API does that the type stands for.

    >>> lower_first({"StatusCode": "202"})
    {'statusCode': '202'}
    """
    return {key[:1].lower() + key[1:]: value for key, value in properties.items()}
