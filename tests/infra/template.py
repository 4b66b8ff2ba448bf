"""A CloudFormation template, read the way the tests ask for things."""

from collections.abc import Mapping
from typing import Any

ALARM = "AWS::CloudWatch::Alarm"
API = "AWS::ApiGateway::RestApi"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
DASHBOARD = "AWS::CloudWatch::Dashboard"
FUNCTION = "AWS::Lambda::Function"
GATEWAY_RESPONSE = "AWS::ApiGateway::GatewayResponse"
INVOCATION = "AWS::Lambda::EventInvokeConfig"
LOG = "AWS::Logs::LogGroup"
MAPPING = "AWS::Lambda::EventSourceMapping"
METHOD = "AWS::ApiGateway::Method"
POLICY = "AWS::IAM::Policy"
QUEUE = "AWS::SQS::Queue"
QUEUE_POLICY = "AWS::SQS::QueuePolicy"
ROLE = "AWS::IAM::Role"
RULE = "AWS::Events::Rule"
SCHEDULE = "AWS::Scheduler::Schedule"
STAGE = "AWS::ApiGateway::Stage"
SUBSCRIPTION = "AWS::SNS::Subscription"
TABLE = "AWS::DynamoDB::Table"
TOPIC = "AWS::SNS::Topic"
WEB_ACL = "AWS::WAFv2::WebACL"

TICK = "MeteringTick"
ENDPOINT = "RegistrationEndpoint"
APPLY = "SubscriptionApply"
SWEEP = "SubscriptionSweep"
RECONCILE = "SubscriptionReconcile"
FUNCTIONS = (TICK, ENDPOINT, APPLY, SWEEP, RECONCILE)
"""How the logical ids of each function's parts begin."""

USAGE_QUEUE = "MeteringUsageQueue"
EVENTS_QUEUE = "SubscriptionEvents"
DEAD_LETTERS = "SubscriptionDeadLetters"
UNDELIVERED = "SubscriptionUndelivered"

LEDGER = "MeteringLedger"
CUSTOMERS = "CustomersTable"
REGISTRATIONS = "RegistrationRegistrations"


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

    def every(self, kind: str) -> list[dict[str, Any]]:
        """The properties of all resources of that type."""
        return [each.get("Properties", {}) for each in self.all.values() if each["Type"] == kind]

    def one(self, kind: str, words: str = "") -> dict[str, Any]:
        return self.all[self.logical_id(kind, words)]

    def properties(self, kind: str, words: str = "") -> dict[str, Any]:
        found: dict[str, Any] = self.one(kind, words)["Properties"]
        return found

    def arn(self, kind: str, words: str = "") -> dict[str, Any]:
        return {"Fn::GetAtt": [self.logical_id(kind, words), "Arn"]}

    def ref(self, kind: str, words: str = "") -> dict[str, Any]:
        return {"Ref": self.logical_id(kind, words)}

    def variables(self, words: str) -> dict[str, Any]:
        """What the function is told."""
        found: dict[str, Any] = self.properties(FUNCTION, words)["Environment"]["Variables"]
        return found

    def allowed(self, words: str) -> list[dict[str, Any]]:
        """The statements of the one policy that the role of these words has."""
        policy = self.properties(POLICY, f"{words}Role")
        found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
        return found

    def queue_policy(self, words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.properties(QUEUE_POLICY, words)["PolicyDocument"][
            "Statement"
        ]
        return found


def allow(actions: str | list[str], resource: object, **conditions: object) -> dict[str, Any]:
    """A statement as CloudFormation writes it."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | {name.capitalize(): value for name, value in conditions.items()}
