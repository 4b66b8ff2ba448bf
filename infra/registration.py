"""Registration: the public API that buyers arrive at, its function, and its own table.

Contact data is kept in that table only, apart from metering, and goes away by itself where a
registration is abandoned.
"""

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import adoption, events
from infra.api import CLAIM, Api
from infra.customers import Customers
from infra.function import ServiceFunction
from infra.settings import Settings
from infra.table import durable_table

# API Gateway gives up after 29 seconds (its quota for a REST API's integration): a function that
# runs longer writes for nobody. A buyer has given up long before.
REGISTRATION_TIMEOUT_SECONDS = 20
# A cold start is all work of the processor, whose share grows with the memory: half a processor
# starts in about a second, and buyers are so few that most of them meet a cold start.
REGISTRATION_MEMORY_MB = 1_024

REGISTRATIONS_EXPIRY_ATTRIBUTE = "expires"


class Registration(Construct):
    """Everything between a buyer's browser and a registered customer."""

    def __init__(
        self, scope: Construct, construct_id: str, *, customers: Customers, settings: Settings
    ) -> None:
        super().__init__(scope, construct_id)
        self.table = durable_table(
            self,
            "Registrations",
            adopted=settings.adopted(adoption.REGISTRATIONS),
            expiry_attribute=REGISTRATIONS_EXPIRY_ATTRIBUTE,
        )
        endpoint = ServiceFunction(
            self,
            "Endpoint",
            capability="registration",
            handler="lambdas.registration.handler.handler",
            description="Turns a registration token into a known customer, and asks for contact.",
            environment=_environment(
                settings, customers=customers.table.table_name, registrations=self.table.table_name
            ),
            timeout=cdk.Duration.seconds(REGISTRATION_TIMEOUT_SECONDS),
            memory_mb=REGISTRATION_MEMORY_MB,
            settings=settings,
        )
        self.function = endpoint.function
        customers.grant_lookup(endpoint.role)
        customers.grant_changes(endpoint.role)
        events.grant_publishing(endpoint.role)
        self._grant_registrations(endpoint.role)
        _grant_marketplace(endpoint.role, settings.metering_region)
        if settings.sender_email:
            _grant_sending(endpoint.role, settings.sender_email)

        self.api = Api(self, "Api", settings=settings)
        self._routes()

    def grant_outbox(self, role: iam.Role) -> None:
        """Let a function publish what this one has written and could not publish itself."""
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["dynamodb:Query", "dynamodb:DeleteItem"],
                resources=[self.table.table_arn],
            )
        )

    def _grant_registrations(self, role: iam.Role) -> None:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DeleteItem",
                ],
                resources=[self.table.table_arn],
            )
        )

    def _routes(self) -> None:
        # The console's test button would be a second permission for every route.
        integration = apigateway.LambdaIntegration(self.function, allow_test_invoke=False)
        for path in ("register", "signup"):
            self.api.route("GET", path, integration)
            self.api.route("POST", path, integration)
        self.api.route("GET", "signup/done", integration)
        self.api.route("POST", CLAIM, integration, signed=True)


def _grant_marketplace(role: iam.Role, metering_region: str) -> None:
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["aws-marketplace:ResolveCustomer"],
            # The action has no resource type, so `*` is the only resource that allows it.
            resources=["*"],
            conditions={"StringEquals": {"aws:RequestedRegion": metering_region}},
        )
    )
    cdk.Validations.of(role).acknowledge(
        cdk.Acknowledgment(
            id="AwsSolutions::AwsSolutions-IAM5[Resource::*]",
            reason="aws-marketplace:ResolveCustomer supports no resource-level permissions; the "
            "statement allows this one action, in the metering region only.",
        )
    )


def _grant_sending(role: iam.Role, sender: str) -> None:
    """Let a function send e-mail from one address, whichever way SES has verified it.

    SES authorizes by the address where that is an identity, else by its domain, and by the
    configuration set that is the identity's default, if the seller has given it one.
    """
    stack = cdk.Stack.of(role)
    identities = [
        stack.format_arn(service="ses", resource="identity", resource_name=name)
        for name in (sender, sender.partition("@")[2])
    ]
    any_set = stack.format_arn(service="ses", resource="configuration-set", resource_name="*")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["ses:SendEmail"],
            resources=[*identities, any_set],
            conditions={"StringEquals": {"ses:FromAddress": sender}},
        )
    )
    cdk.Validations.of(role).acknowledge(
        cdk.Acknowledgment(
            id=f"AwsSolutions::AwsSolutions-IAM5[Resource::arn:{stack.partition}:ses:"
            f"{stack.region}:<AWS::AccountId>:configuration-set/*]",
            reason="Which configuration set is the default of the seller's identity is the "
            "seller's choice and may change. The condition allows one sender address only.",
        )
    )


def _environment(settings: Settings, *, customers: str, registrations: str) -> dict[str, str]:
    return {
        "CUSTOMERS_TABLE": customers,
        "REGISTRATIONS_TABLE": registrations,
        "EVENT_BUS": events.EVENT_BUS,
        "METERING_REGION": settings.metering_region,
        "CONCURRENT_AGREEMENTS": str(settings.concurrent_agreements).lower(),
        "SIGNUP_URL": settings.signup_url,
        "SELLER_NAME": settings.seller_name,
        "LOGO_URL": settings.logo_url,
        "BRAND_COLOR": settings.brand_color,
        "SUPPORT_EMAIL": settings.support_email,
        "SUPPORT_URL": settings.support_url,
        "SIGN_IN_URL": settings.sign_in_url,
        "TERMS_URL": settings.terms_url,
        "PRIVACY_URL": settings.privacy_url,
        "NEXT_STEPS": settings.next_steps,
        "SENDER_EMAIL": settings.sender_email,
    }
