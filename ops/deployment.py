"""The deployed stack: found by its name, and known by its outputs."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import LedgerTable, Outcomes, Quarantine
from lambdas.metering.environment import DRY_RUN, LIVE, Environment, read_environment
from ops.errors import OperatorError
from ops.sentences import code_of

ROOT = Path(__file__).resolve().parent.parent

METERING_FUNCTION = "MeteringFunctionName"
"""The output that leads to everything else: the function's environment says where things are."""

THREADS = 8
"""Requests at a time: a person waits, but the tables are there for the functions."""

_PATIENT = Config(
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=THREADS,
    retries={"mode": "standard", "total_max_attempts": 3},
)

_INVOKING = Config(read_timeout=300, retries={"total_max_attempts": 1})
"""A tick takes 270 seconds at most, and is not to be started twice because nobody could wait."""

Client = Callable[..., Any]
"""Makes the boto3 client of a service, in the stack's region or in the one that is named."""


@dataclass(frozen=True, slots=True)
class Options:
    """What every command can be told; what is None is found out."""

    profile: str | None = None
    region: str | None = None
    stack: str | None = None


@dataclass(frozen=True)
class Deployment:
    """A stack that was found.

    Attributes:
        name: of the stack.
        region: that it is in.
        account: that the credentials belong to.
        status: what CloudFormation says of it.
        outputs: by their names.
        client: makes boto3 clients.
    """

    name: str
    region: str
    account: str
    status: str
    outputs: Mapping[str, str]
    client: Client = field(repr=False)

    @cached_property
    def function(self) -> Mapping[str, Any]:
        """The configuration of the metering function."""
        found: Mapping[str, Any] = self.client("lambda").get_function_configuration(
            FunctionName=self.output(METERING_FUNCTION)
        )
        return found

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The environment of the metering function."""
        found: Mapping[str, str] = self.function["Environment"]["Variables"]
        return found

    @cached_property
    def environment(self) -> Environment:
        """The same, as the function reads it: where things are, and the seller's terms."""
        return read_environment(self.variables)

    @property
    def mode(self) -> str:
        """Whether records are sent: ``live`` or ``dry-run``."""
        return DRY_RUN if self.environment.terms.dry_run else LIVE

    @cached_property
    def ledger(self) -> LedgerTable:
        """The log, and what belongs to it."""
        return LedgerTable(self.client("dynamodb"), self.environment.ledger_table)

    @cached_property
    def outcomes(self) -> Outcomes:
        """What became of sealed records."""
        return Outcomes(self.client("dynamodb"), self.environment.ledger_table, in_parallel)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Usage that was not counted."""
        return Quarantine(self.client("dynamodb"), self.environment.ledger_table)

    @cached_property
    def customers(self) -> CustomersTable:
        """The customers table."""
        return CustomersTable(
            self.client("dynamodb"), self.environment.customers_table, in_parallel
        )

    def output(self, name: str) -> str:
        """Return an output of the stack."""
        if name not in self.outputs:
            raise OperatorError(
                f"Stack {self.name} has no output {name}: it is another stack, or one that an"
                " older version deployed. Name the stack with --stack, or deploy again."
            )
        return self.outputs[name]


def find(options: Options) -> Deployment:
    """Find the stack that is meant, with the credentials that are meant."""
    configured = _configured()
    region = options.region or configured.get("region")
    session = boto3.Session(profile_name=options.profile, region_name=region)
    name = options.stack or configured.get("stack_name") or "MarketplaceMetering"

    def client(service: str, region: str | None = None) -> Any:
        config = _INVOKING if service == "lambda" else _PATIENT
        return session.client(service, region_name=region, config=config)

    account = client("sts").get_caller_identity()["Account"]
    described = _described(client("cloudformation"), name, region=session.region_name, of=account)
    return Deployment(
        name=name,
        region=session.region_name,
        account=account,
        status=described["StackStatus"],
        outputs={each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])},
        client=client,
    )


def _configured() -> Mapping[str, str]:
    """Read which stack `cdk deploy` makes here, and in which region."""
    try:
        context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8")).get("context", {})
    except FileNotFoundError:
        return {}
    return {key: context[key] for key in ("stack_name", "region") if context.get(key)}


def _described(cloudformation: Any, name: str, *, region: str, of: str) -> Mapping[str, Any]:
    try:
        described: Mapping[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if code_of(error) != "ValidationError":
            raise
        raise OperatorError(
            f"There is no stack {name} in {region} of account {of}. Name another with --stack or"
            " --region, or other credentials with --profile."
        ) from None
    return described


def in_parallel(work: Callable[..., Any], *items: Any) -> list[Any]:
    """Do work on many things, a few at a time, in their order."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, *items))
