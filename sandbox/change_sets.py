"""Change sets that do what CloudFormation's do, imports of existing resources included.

moto applies a change set without giving the stack its template, so it has no outputs and cannot be
updated; and it knows nothing of imports. `mend_change_sets` corrects both.
"""

from contextlib import suppress
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.cloudformation.models import CloudFormationBackend, Stack, cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse
from moto.dynamodb.models import dynamodb_backends

from sandbox.patching import replace

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html:
# the type's primary identifier must be a property that a template may set, which is so for the name
# of a table, but not for the URL of a queue.
IMPORTABLE = {"AWS::DynamoDB::Table": "TableName"}
KEPT = ("Retain", "RetainExceptOnCreate")
WHOLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


class ChangeSetNotFoundError(CloudFormationError):
    """There is no change set of that name."""

    code = "ChangeSetNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"ChangeSet [{name}] does not exist")


def mend_change_sets() -> None:
    """Let change sets be executed wholly, in this process."""
    _name_unknown_ones_as_unknown()
    _forgive_unknown_change_sets()
    _remember_whether_to_import()
    _execute_as_if_deployed_directly()
    _import_what_exists()


def _name_unknown_ones_as_unknown() -> None:
    # The CDK CLI deletes an old change set and asks for it until it gets just this error.
    describe: Any = CloudFormationBackend.describe_change_set

    def describe_or_refuse(self: CloudFormationBackend, change_set_name: str) -> Any:
        try:
            return describe(self, change_set_name)
        except ValidationError as error:
            raise ChangeSetNotFoundError(change_set_name) from error

    replace(CloudFormationBackend, "describe_change_set", describe_or_refuse)


def _forgive_unknown_change_sets() -> None:
    delete_change_set = CloudFormationBackend.delete_change_set

    def delete_if_there(self: CloudFormationBackend, change_set_name: str) -> None:
        with suppress(UnboundLocalError):  # moto's answer to a name it does not know
            delete_change_set(self, change_set_name)

    replace(CloudFormationBackend, "delete_change_set", delete_if_there)


def _remember_whether_to_import() -> None:
    create: Any = CloudFormationResponse.create_change_set

    def create_change_set(self: CloudFormationResponse) -> Any:
        answer = create(self)
        made: Any = list(self.cloudformation_backend.change_sets.values())[-1]
        made.importing = self._get_bool_param("ImportExistingResources", if_none=False)
        return answer

    replace(CloudFormationResponse, "create_change_set", create_change_set)


def _execute_as_if_deployed_directly() -> None:
    def execute(self: CloudFormationBackend, change_set_name: str, **_stack_name: str) -> None:
        found: Any = self.describe_change_set(change_set_name)
        stack: Any = self.stacks[found.stack_id]
        if found.change_set_type == "CREATE":
            # The stack under review is empty; this one is the same with its template.
            new: Any = Stack
            stack = self.stacks[found.stack_id] = new(
                found.stack_id,
                found.stack_name,
                found.template,
                found.parameters,
                account_id=self.account_id,
                region_name=self.region_name,
                tags=found.tags,
                role_arn=found.role_arn,
                cross_stack_resources=self.exports,
            )
            stack.resource_map.importing = found.importing
            stack.create_resources()
        else:
            stack.resource_map.importing = found.importing
            stack.update(found.template, parameters=found.parameters, tags=found.tags)
        found.execution_status = "EXECUTE_COMPLETE"

    replace(CloudFormationBackend, "execute_change_set", execute)


def _import_what_exists() -> None:
    create = parsing.parse_and_create_resource

    def create_or_import(
        logical_id: str,
        resource_json: dict[str, Any],
        resources_map: parsing.ResourceMap,
        account_id: str,
        region_name: str,
    ) -> Any:
        name = _static_name(resource_json)
        tables = dynamodb_backends[account_id][region_name].tables
        if not getattr(resources_map, "importing", False) or name not in tables:
            return create(logical_id, resource_json, resources_map, account_id, region_name)
        if resource_json.get("DeletionPolicy") not in KEPT:
            raise ValidationError(message=f"{logical_id} cannot be imported: it is not retained.")
        stacks = cloudformation_backends[account_id][region_name].stacks.values()
        own = resources_map.stack_id
        # Of a stack that is not whole, moto would make the resources when it is asked for them.
        others = (each for each in stacks if each.status in WHOLE and each.stack_id != own)
        if owner := next((stack.name for stack in others if _has(stack, name)), None):
            raise ValidationError(message=f"{logical_id}: {name} belongs to the stack {owner}.")
        table: Any = tables[name]
        table.cf_resource_type, table.logical_resource_id = resource_json["Type"], logical_id
        return table

    replace(parsing, "parse_and_create_resource", create_or_import)


def _static_name(resource_json: dict[str, Any]) -> str:
    """The name that a template itself gives to something that may be imported."""
    named = resource_json.get("Properties", {}).get(IMPORTABLE.get(resource_json["Type"], ""), "")
    return named if isinstance(named, str) else ""


def _has(stack: Stack, name: str) -> bool:
    made = stack.stack_resources
    return any(getattr(each, "physical_resource_id", None) == name for each in made)
