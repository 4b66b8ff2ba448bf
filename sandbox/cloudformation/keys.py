"""Keys of KMS. They can be listed; nothing here is really encrypted."""

import json

from moto.core.common_models import CloudFormationModel
from moto.kms.models import KmsBackend, kms_backends

from sandbox.cloudformation.resource import Resource

DELETION_DAYS = 30
"""KMS's own default."""


class Key(Resource, CloudFormationModel):
    """A symmetric key. moto's own type keeps the policy in a form that it cannot read back."""

    type_name = "AWS::KMS::Key"
    attributes = ("Arn", "KeyId")

    def _put(self) -> None:
        given, policy = self.properties, json.dumps(self.properties["KeyPolicy"])
        if self.physical_resource_id not in self._backend.keys:
            made = self._backend.create_key(
                policy, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", given.get("Description", ""), []
            )
            self.physical_resource_id = made.id
        key = self._backend.keys[self.physical_resource_id]
        key.policy = policy
        key.key_rotation_status = given.get("EnableKeyRotation", False)

    def _remove(self) -> None:
        self._backend.schedule_key_deletion(self.physical_resource_id, DELETION_DAYS)

    def _attribute(self, name: str) -> str:
        key = self._backend.keys[self.physical_resource_id]
        return str(key.arn if name == "Arn" else key.id)

    @property
    def _backend(self) -> KmsBackend:
        return kms_backends[self.account][self.region]
