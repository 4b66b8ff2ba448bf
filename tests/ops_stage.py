"""The operator's command over a metering world in memory: what it is told, and what it answers.

The stack that it finds is the world's tables and queue, and a few answers of AWS that the world
does not give, told by real clients.
"""

import io
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse

from ops.command import World as Reach
from ops.command import main
from ops.deployment import Deployment
from tests.world import CUSTOMERS, LEDGER, World

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Tick"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/Operator/ana"
QUEUE_ARN = f"arn:aws:sqs:us-east-1:{ACCOUNT}:usage"

Answer = Mapping[str, Any]
Answering = Callable[[Mapping[str, Any]], Answer]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer, of a command that was asked for JSON."""
        return json.loads(self.out)


@dataclass
class Stage:
    """A deployed stack that a test can look at with the operator's eyes.

    Attributes:
        world: what there is of metering.
        status: what CloudFormation says of the stack.
        region: that the stack is in.
        account: that the operator's credentials belong to.
        queue_attributes: of the usage queue, which the world does not know.
        variables: of the metering function, which are other than the world's.
        ticks: when CloudWatch has seen a tick.
        answers: of AWS, by client and operation; tests may replace some.
        asked: every operation that AWS was asked for, as IAM names it.
    """

    world: World
    status: str = "UPDATE_COMPLETE"
    region: str = "us-east-1"
    account: str = ACCOUNT
    queue_attributes: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    ticks: list[datetime] = field(default_factory=list)
    answers: dict[tuple[str, str], Answering] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    _listening: bool = False

    def __post_init__(self) -> None:
        given = {
            ("lambda", "GetFunctionConfiguration"): self._function,
            ("lambda", "Invoke"): self._invoke,
            ("cloudwatch", "GetMetricStatistics"): self._statistics,
            ("sts", "GetCallerIdentity"): _identity,
            ("iam", "GetRole"): lambda _: {"Role": {"Arn": ROLE.replace("Tick", "Operator")}},
            ("iam", "SimulatePrincipalPolicy"): lambda _: decision("allowed"),
            ("events", "DescribeRule"): lambda _: {"State": "ENABLED"},
            ("cloudformation", "ListStackResources"): _resources,
            ("marketplace-catalog", "ListEntities"): lambda _: {
                "EntitySummaryList": [{"EntityId": "prod-1", "Name": "Example"}]
            },
        }
        self.answers = given | self.answers
        for client in (self.world.tables_client, self.world.producer):
            client.meta.events.register("before-call", self._note)
        self.world.producer.meta.events.register(
            "after-call.sqs.GetQueueAttributes",
            lambda parsed, **_: parsed["Attributes"].update(self.queue_attributes),
        )

    def run(self, *arguments: str, typed: str = "") -> Ran:
        """Run a command line; what is typed answers its questions."""
        out, err = io.StringIO(), io.StringIO()
        reach = Reach(find=lambda _options: self.deployment(), now=lambda: int(self.world.now_s))
        with redirect_stdout(out), redirect_stderr(err), _typing(typed):
            status, self._listening = 0, True
            try:
                main(arguments, world=reach)
            except SystemExit as ended:
                status = int(ended.code or 0)
            finally:
                self._listening = False
        return Ran(status, out.getvalue(), err.getvalue())

    def asks(self, *arguments: str) -> Any:
        """Run a command line that must succeed, and return its JSON."""
        ran = self.run(*arguments, "--json")
        assert ran.status == 0, ran.err
        return ran.json

    def fail_ticks(self, kind: str, message: str) -> None:
        """From now on let the metering function fail."""
        failed = json.dumps({"errorType": kind, "errorMessage": message}).encode()
        self.answers["lambda", "Invoke"] = lambda _: {
            "StatusCode": 200,
            "FunctionError": "Unhandled",
            "Payload": io.BytesIO(failed),
        }

    def deployment(self) -> Deployment:
        """The stack, as the command would have found it."""
        return Deployment(
            name="MarketplaceMetering",
            region=self.region,
            account=self.account,
            status=self.status,
            outputs={
                "UsageQueueUrl": self.world.queue_url,
                "UsageQueueArn": QUEUE_ARN,
                "LedgerTableName": LEDGER,
                "CustomersTableName": CUSTOMERS,
                "MeteringFunctionName": "tick",
            },
            client=self.client,
        )

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of the world's own, or one with the answers of this stage."""
        if service == "dynamodb":
            return self.world.tables_client
        if service == "sqs":
            return self.world.producer
        made = boto3.client(
            service,
            region_name=region or self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

        given: dict[str, Any] = {}

        def remember(params: Any, **_more: Any) -> None:
            given.clear()
            given.update(params)

        def answer(model: Any, **_more: Any) -> Any:
            self._note(model)
            body = dict(self.answers[service, model.name](given))
            status = 400 if "Error" in body else 200
            return AWSResponse("", status, {}, None), body

        made.meta.events.register("provide-client-params", remember)
        made.meta.events.register("before-call", answer)
        return made

    def _note(self, model: Any, **_more: Any) -> None:
        if not self._listening:
            return
        service = model.service_model.signing_name
        self.asked.add(f"{'cloudwatch' if service == 'monitoring' else service}:{model.name}")

    def _function(self, _params: Mapping[str, Any]) -> Answer:
        terms = self.world.terms
        begun = datetime.fromtimestamp(terms.metering_from_s, UTC).isoformat()
        variables = {
            "USAGE_QUEUE_URL": self.world.queue_url,
            "LEDGER_TABLE": LEDGER,
            "CUSTOMERS_TABLE": CUSTOMERS,
            "METERING_REGION": "us-east-1",
            "METERING": "dry-run" if terms.dry_run else "live",
            "METERING_FROM": begun if terms.metering_from_s else "",
            "PRODUCT_CODE": terms.product_code,
            "DIMENSIONS": json.dumps(terms.dimensions),
            "POWERTOOLS_METRICS_NAMESPACE": "MarketplaceMetering",
            "POWERTOOLS_SERVICE_NAME": "metering",
        }
        return {"Role": ROLE, "Environment": {"Variables": variables | self.variables}}

    def _invoke(self, params: Mapping[str, Any]) -> Answer:
        if params.get("InvocationType") == "DryRun":
            return {"StatusCode": 204, "Payload": io.BytesIO()}
        self._listening = False  # What a tick asks for is not what the operator does.
        summary = self.world.tick().as_json()
        self._listening = True
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(summary).encode())}

    def _statistics(self, params: Mapping[str, Any]) -> Answer:
        ours = params["Namespace"] == "MarketplaceMetering" and params["MetricName"] == "Ticks"
        times = self.ticks if ours else []
        return {"Datapoints": [{"Timestamp": each, "Maximum": 1.0} for each in times]}


def decision(made: str) -> Answer:
    """What IAM's simulator answers."""
    return {"EvaluationResults": [{"EvalDecision": made}]}


def refusal(code: str) -> Answer:
    """What a service answers that refuses."""
    return {"Error": {"Code": code, "Message": "No."}}


def _identity(_params: Mapping[str, Any]) -> Answer:
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return {
        "Account": ACCOUNT,
        "Arn": CALLER,
        "ResponseMetadata": {"HTTPHeaders": {"date": now}},
    }


def _resources(params: Mapping[str, Any]) -> Answer:
    rule = {"ResourceType": "AWS::Events::Rule", "PhysicalResourceId": "Rule"}
    other = {"ResourceType": "AWS::SQS::Queue", "PhysicalResourceId": "Queue"}
    return {"StackResourceSummaries": [other, rule]}


@contextmanager
def _typing(text: str) -> Any:
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before
