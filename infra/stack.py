"""The stack: which capabilities there are, who may touch whom, and what a seller needs to know."""

import aws_cdk as cdk
from constructs import Construct

from infra import adoption
from infra.api import CLAIM, USAGE
from infra.customers import Customers
from infra.encryption import Encryption
from infra.metering import Metering
from infra.registration import Registration
from infra.settings import Settings
from infra.subscription import Subscription
from infra.usage_endpoint import UsageEndpoint
from infra.watch import Watch


class MarketplaceStack(cdk.Stack):
    """One product's registration, subscription and metering, in the seller's account."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            description="AWS Marketplace SaaS: buyers registered, subscriptions followed, usage "
            "billed exactly once.",
            env=cdk.Environment(region=settings.region),
            synthesizer=synthesizer(settings),
        )
        customers = Customers(self, "Customers", settings=settings)
        metering = Metering(self, "Metering", customers=customers, settings=settings)
        registration = Registration(self, "Registration", customers=customers, settings=settings)
        subscription = Subscription(
            self,
            "Subscription",
            customers=customers,
            registration=registration,
            settings=settings,
        )
        if settings.usage_endpoint:
            UsageEndpoint(self, "UsageEndpoint", api=registration.api, queue=metering.queue)
        watch = Watch(
            self,
            "Alarms",
            metering=metering,
            registration=registration,
            subscription=subscription,
            settings=settings,
        )

        self._tell_of_usage(metering, registration, settings)
        self._tell_of_customers(customers, registration)
        self._tell_of_events(subscription)
        self._output("DashboardUrl", watch.dashboard_url, "How the stack does, on one page.")
        self._output("AlarmTopicArn", watch.topic.topic_arn, "Subscribe who is to be called.")
        kept = {
            adoption.LEDGER: metering.ledger.table_name,
            adoption.CUSTOMERS: customers.table.table_name,
            adoption.REGISTRATIONS: registration.table.table_name,
            adoption.USAGE: metering.queue.queue_name,
            adoption.EVENTS: subscription.queue.queue_name,
            adoption.DEAD_LETTERS: subscription.dead_letters.queue_name,
            adoption.UNDELIVERED: subscription.undelivered.queue_name,
        }
        if settings.customer_managed_key:
            encryption = Encryption(
                self,
                "Encryption",
                adopted=settings.adopted(adoption.KEY),
                topics=settings.sns_topics,
            )
            encryption.protect(self)
            kept[adoption.KEY] = encryption.key.key_arn
            self._output(adoption.KEY, encryption.key.key_arn, "What everything is encrypted with.")
        self._output(
            "Kept",
            self.to_json_string(kept),
            "What outlives the stack: after a destroy, the setting adopt of the next deployment.",
        )

    def _tell_of_usage(
        self, metering: Metering, registration: Registration, settings: Settings
    ) -> None:
        self._output(adoption.USAGE, metering.queue.queue_url, "Where the product sends its usage.")
        self._output(
            "UsageQueueArn", metering.queue.queue_arn, "For the policy that lets it send there."
        )
        if settings.usage_endpoint:
            self._output(
                "UsageUrl", registration.api.url(USAGE), "Where it can POST its usage, signed."
            )
        self._output(adoption.LEDGER, metering.ledger.table_name, "Usage counted, sealed and sent.")
        self._output(
            "MeteringFunctionName", metering.function.function_name, "Invoke it to run a tick now."
        )

    def _tell_of_customers(self, customers: Customers, registration: Registration) -> None:
        api = registration.api
        self._output("RegistrationUrl", api.url("register"), "The fulfillment URL of the listing.")
        self._output(
            "ClaimUrl",
            api.url(CLAIM),
            "Where the seller's server claims a registration, signed.",
        )
        if api.domain:
            self._output(
                "DomainTarget",
                api.domain.domain_name_alias_domain_name,
                "What the custom domain must be an alias of, in the seller's DNS.",
            )
        self._output(adoption.CUSTOMERS, customers.table.table_name, "Licenses and their states.")
        self._output(adoption.REGISTRATIONS, registration.table.table_name, "Contacts of buyers.")
        self._output(
            "RegistrationFunctionName", registration.function.function_name, "Serves the API."
        )

    def _tell_of_events(self, subscription: Subscription) -> None:
        self._output(adoption.EVENTS, subscription.queue.queue_url, "Events of AWS Marketplace.")
        self._output(
            adoption.DEAD_LETTERS,
            subscription.dead_letters.queue_url,
            "Events that could not be applied.",
        )
        self._output(
            adoption.UNDELIVERED,
            subscription.undelivered.queue_url,
            "Events that EventBridge could not deliver.",
        )
        self._output(
            "SubscriptionFunctionName", subscription.function.function_name, "Applies the events."
        )
        self._output(
            "SweepFunctionName",
            subscription.sweep_function.function_name,
            "Invoke it to sweep now.",
        )
        if subscription.reconciliation_function:
            self._output(
                "ReconciliationFunctionName",
                subscription.reconciliation_function.function_name,
                "Invoke it to compare licenses with agreements now.",
            )

    def _output(self, output_id: str, value: str, description: str) -> None:
        cdk.CfnOutput(self, output_id, value=value, description=description)


def synthesizer(settings: Settings) -> cdk.DefaultStackSynthesizer:
    """Make what puts a stack's files where CloudFormation finds them."""
    return cdk.DefaultStackSynthesizer(
        # The rule reads a parameter that the sandbox's CloudFormation loses on updates.
        generate_bootstrap_version_rule=settings.function_platform != "local"
    )
