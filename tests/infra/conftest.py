"""The stacks as they would be deployed, each made once: starting the CDK costs seconds."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from infra import package
from infra.events_stack import EventsStack
from infra.settings import Settings
from infra.stack import MarketplaceStack
from tests.infra.template import Resources

CDK_JSON = json.loads((package.ROOT / "cdk.json").read_text())

SUBSCRIPTION_TOPIC = (
    "arn:aws:sns:us-east-1:123456789012:aws-mp-subscription-notification-aaaabbbbcccc"
)
ENTITLEMENT_TOPIC = (
    "arn:aws:sns:us-east-1:123456789012:aws-mp-entitlement-notification-aaaabbbbcccc"
)

EVERYTHING: dict[str, object] = {
    "stack_name": "Acme",
    "region": "eu-west-1",
    "metering_region": "eu-central-1",
    "product_code": "dsx0p0vi96vw1j8bu0gkcy8pm",
    "dimensions": "api-calls,storage",
    "metering_from": "2026-12-01T00:00:00Z",
    "id_memory_hours": "48",
    "settle_minutes": "15",
    "ending_settle_minutes": "25",
    "concurrent_agreements": "false",
    "product_ids": "prod-abcdefghijklm,prod-nopqrstuvwxyz",
    "contracts": "true",
    "reconciliation": "report",
    "sns_topics": f"{SUBSCRIPTION_TOPIC},{ENTITLEMENT_TOPIC}",
    "signup_url": "https://app.example.com/sign-up?plan=1",
    "seller_name": "Müller & $context Söhne",
    "logo_url": "https://example.com/logo.svg",
    "brand_color": "#0b5cad",
    "support_email": "support@example.com",
    "support_url": "https://example.com/support?from=aws&to=us",
    "sign_in_url": "https://app.example.com/sign-in",
    "terms_url": "https://example.com/terms",
    "privacy_url": "https://example.com/privacy",
    "next_steps": "Look into your mailbox.",
    "sender_email": "welcome@example.com",
    "domain_name": "marketplace.example.com",
    "certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/0b3c9a52-6f1d",
    "web_acl": "true",
    "web_acl_rate": "1000",
    "access_logs": "true",
    "usage_endpoint": "true",
    "alarm_email": "on-call@example.com",
    "customer_managed_key": "true",
    "log_retention_days": "731",
    "log_level": "DEBUG",
}
"""The settings of a seller who sets everything, away from us-east-1."""


def synthesize(settings: dict[str, object]) -> dict[str, Any]:
    """Make the main stack's template for cdk.json and these settings, without the zip."""
    context = CDK_JSON["context"] | settings | {"aws:cdk:bundling-stacks": []}
    app = cdk.App(context=context)
    read = Settings.from_context(app.node.get_all_context())
    stack = MarketplaceStack(app, read.stack_name, settings=read)
    return dict(Template.from_stack(stack).to_json())


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return synthesize({})


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> Resources:
    return Resources(template)


@pytest.fixture(scope="session")
def full_template() -> dict[str, Any]:
    return synthesize(EVERYTHING)


@pytest.fixture(scope="session")
def full(full_template: dict[str, Any]) -> Resources:
    """The stack of a seller who sets everything."""
    return Resources(full_template)


@pytest.fixture(scope="session")
def forwarding() -> Resources:
    """The second stack of that seller."""
    settings = Settings.from_context(EVERYTHING)
    stack = EventsStack(cdk.App(context=CDK_JSON["context"]), "Acme-Events", settings=settings)
    return Resources(Template.from_stack(stack).to_json())


@pytest.fixture(scope="session")
def sandboxed() -> dict[str, Any]:
    """The template as the sandbox deploys it; without reconciliation, to see it left out."""
    return synthesize({"function_platform": "local", "reconciliation": "off"})


@pytest.fixture(scope="session")
def arm64_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is deployed, unpacked."""
    folder = tmp_path_factory.mktemp("arm64")
    package.build(package.ARM64, folder)
    return folder


@pytest.fixture(scope="session")
def local_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for this machine, where it can be run."""
    folder = tmp_path_factory.mktemp("local")
    package.build(package.platform_named("local"), folder)
    return folder
