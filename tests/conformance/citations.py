"""Where a rule is written: in AWS's service model, as botocore ships it, or on a page.

What is cited from the model is looked up there (`test_rule_book.py`), so a new botocore that says
something else breaks the rule's citation before it breaks anybody's code.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import unescape
from typing import Any

import botocore.loaders

BOTOCORE = "1.44.5"
METERING = "meteringmarketplace"
ENTITLEMENT = "marketplace-entitlement"
AGREEMENT = "marketplace-agreement"

GUIDE = "https://docs.aws.amazon.com/marketplace/latest/userguide/"
DEVELOPERS = "https://docs.aws.amazon.com/marketplace/latest/developerguide/"
BOTO3 = "https://boto3.amazonaws.com/v1/documentation/api/latest/reference/services/"

# Names that docs/marketplace.md has too mean the same page there.
PAGES = {
    "CHANGELOG": "https://github.com/boto/botocore/blob/develop/CHANGELOG.rst",
    "CODE": f"{GUIDE}saas-code-examples.html",
    "COMMON": "https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/common-errors.html",
    "CHECKING": f"{GUIDE}checking-entitlements.html",
    "CONTRACTS": f"{GUIDE}saas-contracts.html",
    "EB": f"{GUIDE}saas-eventbridge-integration.html",
    "FIELD": "https://github.com/MoltyCel/moltrust-api",
    "GOTO": "https://docs.aws.amazon.com/goto/WebAPI/meteringmarketplace-2016-01-14/BatchMeterUsage",
    "MFU": f"{GUIDE}metering-for-usage.html",
    "QUOTAS": f"{DEVELOPERS}metering-service-quotas.html",
    "REGIONS": f"{DEVELOPERS}metering-regions.html",
    "RH-2641": "https://github.com/RedHatInsights/rhsm-subscriptions/pull/2641",
    "RH-2687": "https://github.com/RedHatInsights/rhsm-subscriptions/pull/2687",
    "RH-6533": "https://github.com/RedHatInsights/rhsm-subscriptions/pull/6533",
    "RH-6539": "https://github.com/RedHatInsights/rhsm-subscriptions/pull/6539",
    "SETUP": f"{GUIDE}saas-product-customer-setup.html",
    "TAGS": "https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/allocation-tag-restrictions.html",
    "SKILL": "https://github.com/aws/agent-toolkit-for-aws/blob/main/skills/specialized-skills/"
    "aws-marketplace-skills/aws-marketplace-metering/SKILL.md",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence, or a part of one, in the documentation of an operation, shape or member."""

    where: str
    words: str
    service: str = METERING

    def __str__(self) -> str:
        return f"{_model(self.service)}, {self.where}: “{self.words}”"

    def holds(self) -> bool:
        """Whether the model says so."""
        return self.words in said(self.service, self.where)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A minimum, pattern, HTTP status … of a shape or member, or an exception of an operation."""

    where: str
    name: str
    value: object
    service: str = METERING

    def __str__(self) -> str:
        value = ", ".join(map(str, self.value)) if isinstance(self.value, tuple) else self.value
        return f"{_model(self.service)}, {self.where}: {self.name} {value}"

    def holds(self) -> bool:
        """Whether the model has it."""
        parts = service_model(self.service)
        if self.name == "raises":
            raised = parts["operations"][self.where].get("errors", ())
            return {"shape": self.value} in [dict(error) for error in raised]
        if self.where == "metadata":
            found = parts["metadata"].get(self.name)
        else:
            shape, _, member = self.where.partition(".")
            found = parts["shapes"][shape]
            found = found["members"][member] if member else found
            found = found.get(self.name, found.get("error", {}).get(self.name))
        return bool((tuple(found) if isinstance(found, list) else found) == self.value)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says, in our words; `name` is one of `PAGES`, or boto3's address."""

    name: str
    says: str

    def __str__(self) -> str:
        name = self.name if self.name in PAGES else "boto3"
        return f"[{name}]({PAGES.get(self.name, self.name)}): {self.says}"


Source = Words | Constraint | Page


def says(where: str, words: str, service: str = METERING) -> Words:
    """Cite what the service model says about an operation, a shape or a `Shape.Member`."""
    return Words(where, words, service)


def has(where: str, service: str = METERING, **constraint: object) -> Constraint:
    """Cite one constraint of the service model: `has("UsageRecordList", max=25)`."""
    ((name, value),) = constraint.items()
    return Constraint(where, name, value, service)


def raises(operation: str, exception: str, service: str = METERING) -> Constraint:
    """Cite an exception the service model lists for an operation."""
    return Constraint(operation, "raises", exception, service)


def page(name: str, says: str) -> Page:
    """Cite a page."""
    return Page(name, says)


def boto3_page(path: str, says: str) -> Page:
    """Cite boto3's reference of a client's method."""
    return Page(f"{BOTO3}{path}.html", says)


@cache
def service_model(service: str) -> dict[str, Any]:
    """Botocore's model of a service."""
    model: dict[str, Any] = botocore.loaders.Loader().load_service_model(service, "service-2")
    return model


def said(service: str, where: str) -> str:
    """The documentation of an operation, a shape or a `Shape.Member`, without its mark-up."""
    model = service_model(service)
    shape, _, member = where.partition(".")
    if member:
        found = model["shapes"][shape]["members"][member]
    else:
        found = model["operations"].get(where) or model["shapes"][where]
    text = re.sub(r"<[^>]+>", "", found.get("documentation", ""))
    return " ".join(unescape(text).split())


def exceptions_of(operation: str, service: str = METERING) -> Sequence[str]:
    """The exceptions the model lists for an operation."""
    errors = service_model(service)["operations"][operation].get("errors", ())
    return [error["shape"] for error in errors]


def _model(service: str) -> str:
    return f"botocore {BOTOCORE} service model, {service}"
