"""Checks that a deployed stack is all there.

moto's CloudFormation says CREATE_COMPLETE about stacks of which it has made a part, so the template
is compared with what each service itself lists.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.environment import ACCOUNT
from sandbox.existence import EXISTS, WITHOUT_ID, Client, Made

# Types that are left out on purpose. Metadata and conditions stand for nothing outside a template.
# A bucket policy (`cdk bootstrap` makes one that refuses plain HTTP) would lock everybody out: moto
# obeys its Deny and does not look at its conditions.
LEFT_OUT = frozenset(
    {
        "AWS::CDK::Metadata",
        "AWS::CloudFormation::WaitCondition",
        "AWS::CloudFormation::WaitConditionHandle",
        "AWS::S3::BucketPolicy",
    }
)


PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}


class IncompleteError(Exception):
    """Something of a template was not made; the message names all of it."""


def verify(template: Mapping[str, Any], stack: str, client: Client) -> None:
    """Check that every resource of the template exists, as its own service sees it.

    Args:
        template: What was deployed.
        stack: The name of its stack.
        client: Makes clients for the stack's region.

    Raises:
        IncompleteError: Some do not, or are of a type that nobody here knows how to look for.
    """
    listed = client("cloudformation").list_stack_resources(StackName=stack)
    rows = listed["StackResourceSummaries"]
    made = {row["LogicalResourceId"]: row.get("PhysicalResourceId", "") for row in rows}
    ids = {**PSEUDO_PARAMETERS, **made}
    missing = []
    for name, resource in template["Resources"].items():
        kind = resource["Type"]
        if kind in LEFT_OUT:
            continue
        found = Made(resource.get("Properties", {}), ids.get(name, ""), ids)
        if kind not in EXISTS:
            missing.append(f"{name}: sandbox/existence.py cannot look for a {kind}")
        elif not found.physical_id and kind not in WITHOUT_ID:
            missing.append(f"{name} ({kind}) has no physical id")
        elif not _exists(EXISTS[kind], client, found):
            missing.append(f"{name} ({kind}) is not there: {found.physical_id}")
    if missing:
        raise IncompleteError(f"{stack} is not complete:\n" + "\n".join(missing))


def _exists(look: Callable[[Client, Made], object], client: Client, made: Made) -> bool:
    try:
        return bool(look(client, made))
    except ClientError:
        return False
