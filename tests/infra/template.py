"""A CloudFormation template, read the way the tests ask for things."""

from collections.abc import Mapping
from typing import Any

QUEUE = "AWS::SQS::Queue"
TABLE = "AWS::DynamoDB::Table"
FUNCTION = "AWS::Lambda::Function"
LOG = "AWS::Logs::LogGroup"
POLICY = "AWS::IAM::Policy"
ROLE = "AWS::IAM::Role"
SCHEDULE = "AWS::Scheduler::Schedule"


class Resources:
    """The resources of a template by type and by the words of their logical ids."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self.all: dict[str, dict[str, Any]] = template["Resources"]

    def logical_id(self, kind: str, words: str = "") -> str:
        """Name the one resource of that type whose logical id starts with these words."""
        (found,) = (
            name
            for name, resource in self.all.items()
            if resource["Type"] == kind and name.startswith(words)
        )
        return found

    def one(self, kind: str, words: str = "") -> dict[str, Any]:
        return self.all[self.logical_id(kind, words)]

    def properties(self, kind: str, words: str = "") -> dict[str, Any]:
        found: dict[str, Any] = self.one(kind, words)["Properties"]
        return found

    def arn(self, kind: str, words: str = "") -> dict[str, Any]:
        return {"Fn::GetAtt": [self.logical_id(kind, words), "Arn"]}

    def ref(self, kind: str, words: str = "") -> dict[str, Any]:
        return {"Ref": self.logical_id(kind, words)}
