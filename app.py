"""The CDK app: settings, stacks, checks, synth."""

import sys

import aws_cdk as cdk
import cdk_nag

from infra.events import MARKETPLACE_EVENTS_REGION
from infra.events_stack import EventsStack
from infra.package import PackageError
from infra.settings import SettingError, Settings
from infra.stack import MarketplaceStack


def main() -> None:
    """Write the templates and assets, or say in one sentence why not."""
    app = cdk.App()
    try:
        settings = Settings.from_context(app.node.get_all_context())
        MarketplaceStack(app, settings.stack_name, settings=settings)
        if settings.region != MARKETPLACE_EVENTS_REGION:
            EventsStack(app, f"{settings.stack_name}-Events", settings=settings)
    except (SettingError, PackageError) as error:
        sys.exit(str(error))
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks())
    app.synth()


if __name__ == "__main__":
    main()
