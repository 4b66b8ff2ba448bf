"""`marketplace doctor`: whether everything is there that metering needs. Changes nothing.

Nothing here calls BatchMeterUsage. Whether metering is permitted is asked of IAM, for the role of
the metering function, whose permission it is; whoever runs this may well have none. There is no
harmless call to try: BatchMeterUsage knows no dry run, no source says what a call without records
does, and the dry run of MeterUsage answers for another permission, that of software in the buyer's
account.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import boto3

from ops import reading
from ops.clock import own_s
from ops.deployment import METERING_FUNCTION, Deployment
from ops.errors import OperatorError
from ops.output import Output, table
from ops.sentences import AWS, sentence
from ops.times import span_text, time_text

TICK_AGE_S_MAX = 15 * 60
"""Three ticks: the alarm rings then, too."""

CLOCK_SKEW_S_MAX = 60
"""AWS refuses requests signed five minutes off; usage five minutes ahead is quarantined."""

EVENTS_REGION = "us-east-1"
"""AWS Marketplace's events arrive there only (user guide, "saas-eventbridge-integration")."""

CATALOG_REGION = "us-east-1"
"""Of the AWS Marketplace Catalog API (its reference, "Supported Regions")."""

FIELDS_NEEDED = ("LicenseArn", "QuantityAsDecimal")
"""Of a usage record: since boto3 1.42.58 and 1.44.1."""

OUTPUTS = ("UsageQueueUrl", "UsageQueueArn", "LedgerTableName", "CustomersTableName")

_HEALTHY = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
)


class Verdict(StrEnum):
    """What a check came to; only `FAILED` makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found, in a sentence."""

    verdict: Verdict
    tell: str


Check = Callable[[Deployment, int], Finding]


def doctor(deployment: Deployment, output: Output, now_s: int) -> bool:
    """Check everything, and tell whether all that must be well is well."""
    found: list[tuple[str, Finding]] = []
    with output.progress("Checking", "checks") as seen:
        for name, check in CHECKS.items():
            found.append((name, _checked(check, deployment, now_s)))
            seen(len(found))
    failed = [name for name, finding in found if finding.verdict is Verdict.FAILED]
    value = {
        "stack": deployment.name,
        "region": deployment.region,
        "account": deployment.account,
        "healthy": not failed,
        "checks": [
            {"check": name, "verdict": str(finding.verdict), "tell": finding.tell}
            for name, finding in found
        ],
    }
    rows = [(name, finding.verdict, finding.tell) for name, finding in found]
    last = f"Not well: {', '.join(failed)}." if failed else "Metering can work."
    output.answer(value, table(("check", "", "finding"), rows), last)
    return not failed


def _checked(check: Check, deployment: Deployment, now_s: int) -> Finding:
    """Run a check; what it may not ask, or nobody answers, it has not checked."""
    try:
        return check(deployment, now_s)
    except OperatorError as error:
        return Finding(Verdict.FAILED, str(error))
    except AWS as error:
        return Finding(Verdict.SKIPPED, sentence(error))


def _stack(deployment: Deployment, _now_s: int) -> Finding:
    missing = [each for each in (*OUTPUTS, METERING_FUNCTION) if each not in deployment.outputs]
    if missing:
        return Finding(
            Verdict.FAILED,
            f"{deployment.name} lacks the outputs {', '.join(missing)}: deploy it again.",
        )
    status = deployment.status
    if status in _HEALTHY:
        return Finding(Verdict.OK, f"{deployment.name} in {deployment.region}: {status}.")
    verdict = Verdict.WARNING if status.endswith("_IN_PROGRESS") else Verdict.FAILED
    return Finding(verdict, f"{deployment.name} is {status}; CloudFormation's events say why.")


def _credentials(deployment: Deployment, _now_s: int) -> Finding:
    arn = deployment.output("UsageQueueArn")
    owner = arn.split(":")[4]
    if owner != deployment.account:
        return Finding(
            Verdict.FAILED,
            f"The credentials are of account {deployment.account}, the stack's queue of {owner}.",
        )
    return Finding(Verdict.OK, f"Credentials and stack belong to account {owner}.")


def _publisher(deployment: Deployment, _now_s: int) -> Finding:
    catalog = deployment.client("marketplace-catalog", CATALOG_REGION)
    try:
        found = catalog.list_entities(
            Catalog="AWSMarketplace", EntityType="SaaSProduct", MaxResults=5
        )["EntitySummaryList"]
    except AWS as error:
        return Finding(Verdict.SKIPPED, sentence(error))
    if not found:
        return Finding(
            Verdict.FAILED,
            f"Account {deployment.account} has published no SaaS product, and AWS Marketplace"
            " answers nobody but the account that published it: deploy there.",
        )
    names = ", ".join(each.get("Name", each["EntityId"]) for each in found)
    return Finding(Verdict.OK, f"Account {deployment.account} has published {names}.")


def _region(deployment: Deployment, _now_s: int) -> Finding:
    region = deployment.environment.metering_region
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    known = boto3.Session().get_available_regions("meteringmarketplace", partition)
    if region not in known:
        return Finding(
            Verdict.FAILED,
            f"BatchMeterUsage is not answered in {region}; set metering_region to one of"
            f" {', '.join(sorted(known))}.",
        )
    return Finding(Verdict.OK, f"BatchMeterUsage is answered in {region}.")


def _permission(deployment: Deployment, _now_s: int) -> Finding:
    region = deployment.environment.metering_region
    context = [
        {
            "ContextKeyName": "aws:RequestedRegion",
            "ContextKeyType": "string",
            "ContextKeyValues": [region],
        }
    ]
    role = deployment.function["Role"]
    decision = _simulated(deployment, role, "aws-marketplace:BatchMeterUsage", "*", context)
    if decision == "allowed":
        return Finding(Verdict.OK, f"IAM lets {_short(role)} call BatchMeterUsage in {region}.")
    return Finding(
        Verdict.FAILED,
        f"IAM denies {_short(role)} BatchMeterUsage in {region} ({decision}): look for a service"
        " control policy or a permissions boundary, and deploy again.",
    )


def _queue(deployment: Deployment, _now_s: int) -> Finding:
    url, arn = deployment.environment.queue_url, deployment.output("UsageQueueArn")
    attributes = deployment.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["All"]
    )["Attributes"]
    if "RedrivePolicy" in attributes:
        return Finding(
            Verdict.FAILED,
            "The usage queue has a redrive policy: what comes back from a dead-letter queue is"
            " billed twice (docs/design.md). Remove it.",
        )
    depth = int(attributes["ApproximateNumberOfMessages"])
    return Finding(Verdict.OK, f"{arn} answers, {depth:,} messages wait.")


def _sending(deployment: Deployment, _now_s: int) -> Finding:
    """Ask IAM whether these credentials may send, as a redrive does, without sending."""
    caller = _role_of(deployment.client("sts").get_caller_identity()["Arn"], deployment)
    arn = deployment.output("UsageQueueArn")
    decision = _simulated(deployment, caller, "sqs:SendMessage", arn, [])
    if decision == "allowed":
        return Finding(Verdict.OK, f"{_short(caller)} may send usage and redrives.")
    return Finding(
        Verdict.WARNING,
        f"{_short(caller)} may not send to the usage queue ({decision}): `marketplace quarantine"
        " redrive` needs sqs:SendMessage.",
    )


def _rules(deployment: Deployment, _now_s: int) -> Finding:
    """Look at the rules that AWS Marketplace's events come by: in us-east-1, and in the region."""
    stacks = [(deployment.name, deployment.region)]
    if deployment.region != EVENTS_REGION:
        stacks.append((f"{deployment.name}-Events", EVENTS_REGION))
    for stack, region in stacks:
        names = list(_resources(deployment, stack, region, "AWS::Events::Rule"))
        if not names:
            return Finding(
                Verdict.FAILED,
                f"Stack {stack} in {region} has no EventBridge rule: deploy it again, with --all.",
            )
        events = deployment.client("events", region)
        for name in names:
            state = events.describe_rule(Name=name)["State"]
            if state == "DISABLED":
                return Finding(
                    Verdict.FAILED,
                    f"Rule {name} in {region} is disabled: no event of AWS Marketplace comes.",
                )
    return Finding(Verdict.OK, f"AWS Marketplace's events are listened to in {stacks[-1][1]}.")


def _clock(deployment: Deployment, _now_s: int) -> Finding:
    answer = deployment.client("sts").get_caller_identity()
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        return Finding(Verdict.SKIPPED, "AWS's answer bears no date.")
    skew_s = round(own_s() - parsedate_to_datetime(date).timestamp())
    if abs(skew_s) > CLOCK_SKEW_S_MAX:
        where = "ahead of" if skew_s > 0 else "behind"
        return Finding(
            Verdict.FAILED,
            f"This machine's clock is {span_text(abs(skew_s))} {where} AWS's: set it, and look at"
            " those of your producers, whose usage must not be more than 5 minutes ahead.",
        )
    return Finding(Verdict.OK, f"This machine's clock is {abs(skew_s)} s off AWS's.")


def _sdk(deployment: Deployment, _now_s: int) -> Finding:
    """See whether the SDK here, which `cdk deploy` packs as locked, knows what is sent."""
    client = deployment.client("meteringmarketplace", deployment.environment.metering_region)
    record = client.meta.service_model.shape_for("UsageRecord")
    missing = [each for each in FIELDS_NEEDED if each not in record.members]
    if missing:
        return Finding(
            Verdict.FAILED,
            f"boto3 {boto3.__version__} does not know {' and '.join(missing)} of a usage record:"
            " run `make setup`, and deploy again.",
        )
    return Finding(Verdict.OK, f"boto3 {boto3.__version__} knows {' and '.join(FIELDS_NEEDED)}.")


def _last_tick(deployment: Deployment, now_s: int) -> Finding:
    last_s = reading.last_tick_s(deployment, now_s)
    if last_s is None:
        return Finding(Verdict.FAILED, "No tick has been seen: `marketplace tick` runs one.")
    ago_s = max(0, now_s - last_s)
    when = f"The last tick was seen {span_text(ago_s)} ago, at {time_text(last_s)}"
    if ago_s > TICK_AGE_S_MAX:
        return Finding(
            Verdict.FAILED,
            f"{when}: look at the function's log and at its schedule; `marketplace tick` runs one.",
        )
    return Finding(Verdict.OK, f"{when}.")


CHECKS: dict[str, Check] = {
    "stack": _stack,
    "credentials": _credentials,
    "publisher": _publisher,
    "metering region": _region,
    "permission to meter": _permission,
    "usage queue": _queue,
    "permission to send": _sending,
    "events": _rules,
    "clock": _clock,
    "SDK": _sdk,
    "last tick": _last_tick,
}


def _simulated(
    deployment: Deployment,
    principal: str,
    action: str,
    resource: str,
    context: Sequence[dict[str, Any]],
) -> str:
    """Ask IAM what it would decide; nothing is done."""
    answer = deployment.client("iam").simulate_principal_policy(
        PolicySourceArn=principal,
        ActionNames=[action],
        ResourceArns=[resource],
        ContextEntries=list(context),
    )
    decision: str = answer["EvaluationResults"][0]["EvalDecision"]
    return decision


def _role_of(caller: str, deployment: Deployment) -> str:
    """Return whose policies decide for a caller: of a session, those of its role."""
    kind, _, rest = caller.rpartition(":")[2].partition("/")
    if kind != "assumed-role":
        return caller
    role: str = deployment.client("iam").get_role(RoleName=rest.partition("/")[0])["Role"]["Arn"]
    return role


def _short(arn: str) -> str:
    """Return the last name of a principal.

    >>> _short("arn:aws:iam::123456789012:role/team/Operator")
    'Operator'
    """
    return arn.rpartition("/")[2]


def _resources(deployment: Deployment, stack: str, region: str, kind: str) -> Iterator[str]:
    client = deployment.client("cloudformation", region)
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
        for each in page["StackResourceSummaries"]:
            if each["ResourceType"] == kind:
                # The default bus has no part in the name, any other would.
                yield each["PhysicalResourceId"].rpartition("|")[2]
