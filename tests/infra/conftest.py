"""The stack as it would be deployed, made once: starting the CDK costs seconds."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from infra import package
from infra.settings import Settings
from infra.stack import MarketplaceStack
from tests.infra.template import Resources

CDK_JSON = json.loads((package.ROOT / "cdk.json").read_text())


def synthesize(settings: dict[str, object]) -> dict[str, Any]:
    """Make the template for cdk.json and these settings, without the zip."""
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
