"""The stack: which capabilities there are, who may touch whom, and what a seller needs to know."""

import aws_cdk as cdk
from constructs import Construct

from infra.customers import Customers
from infra.metering import Metering
from infra.settings import Settings


class MarketplaceStack(cdk.Stack):
    """One product's metering, in the seller's account."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            description="AWS Marketplace SaaS metering: usage from a queue, billed exactly once.",
            synthesizer=cdk.DefaultStackSynthesizer(
                # The rule reads a parameter that the sandbox's CloudFormation loses on updates.
                generate_bootstrap_version_rule=settings.function_platform != "local"
            ),
        )
        customers = Customers(self, "Customers")
        metering = Metering(self, "Metering", customers=customers, settings=settings)

        self._output(
            "UsageQueueUrl", metering.queue.queue_url, "Where the product sends its usage."
        )
        self._output(
            "UsageQueueArn", metering.queue.queue_arn, "For the policy that lets it send there."
        )
        self._output(
            "LedgerTableName", metering.ledger.table_name, "Usage counted, sealed and sent."
        )
        self._output("CustomersTableName", customers.table.table_name, "Licenses and their states.")
        self._output(
            "MeteringFunctionName", metering.function.function_name, "Invoke it to run a tick now."
        )

    def _output(self, output_id: str, value: str, description: str) -> None:
        cdk.CfnOutput(self, output_id, value=value, description=description)
