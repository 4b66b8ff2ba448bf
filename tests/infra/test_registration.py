from infra import registration
from tests.infra.template import (
    CUSTOMERS,
    ENDPOINT,
    FUNCTION,
    LOG,
    REGISTRATIONS,
    TABLE,
    Resources,
    allow,
)

INTEGRATION_SECONDS_MAX = 29
"""API Gateway, quotas of REST APIs."""

OURS_ONLY = {
    "ForAllValues:StringEquals": {"events:source": "marketplace-metering"},
    "Null": {"events:source": "false"},
}


def bus(region: str) -> dict[str, object]:
    return {
        "Fn::Join": [
            "",
            [f"arn:aws:events:{region}:", {"Ref": "AWS::AccountId"}, ":event-bus/default"],
        ]
    }


def test_without_settings_the_function_is_told_where_things_are(resources: Resources) -> None:
    told = {name: value for name, value in resources.variables(ENDPOINT).items() if value}

    assert told == {
        "CUSTOMERS_TABLE": resources.ref(TABLE, CUSTOMERS),
        "REGISTRATIONS_TABLE": resources.ref(TABLE, REGISTRATIONS),
        "EVENT_BUS": "default",
        "METERING_REGION": "us-east-1",
        "CONCURRENT_AGREEMENTS": "true",
        "POWERTOOLS_SERVICE_NAME": "registration",
        "POWERTOOLS_METRICS_NAMESPACE": "MarketplaceMetering",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_every_setting_of_the_pages_reaches_the_function(full: Resources) -> None:
    told = full.variables(ENDPOINT)

    assert told["METERING_REGION"] == "eu-central-1"
    assert told["CONCURRENT_AGREEMENTS"] == "false"
    assert told["SIGNUP_URL"] == "https://app.example.com/sign-up?plan=1"
    assert told["SELLER_NAME"] == "Müller & $context Söhne"
    assert told["LOGO_URL"] == "https://example.com/logo.svg"
    assert told["BRAND_COLOR"] == "#0b5cad"
    assert told["SUPPORT_EMAIL"] == "support@example.com"
    assert told["SUPPORT_URL"] == "https://example.com/support?from=aws&to=us"
    assert told["SIGN_IN_URL"] == "https://app.example.com/sign-in"
    assert told["TERMS_URL"] == "https://example.com/terms"
    assert told["PRIVACY_URL"] == "https://example.com/privacy"
    assert told["NEXT_STEPS"] == "Look into your mailbox."
    assert told["SENDER_EMAIL"] == "welcome@example.com"


def test_the_function_may_do_exactly_this(resources: Resources) -> None:
    assert resources.allowed(ENDPOINT) == [
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], resources.arn(LOG, ENDPOINT)),
        allow(
            [
                "dynamodb:BatchGetItem",
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
            ],
            resources.arn(TABLE, CUSTOMERS),
        ),
        allow("events:PutEvents", bus("us-east-1"), condition=OURS_ONLY),
        allow(
            [
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
            ],
            resources.arn(TABLE, REGISTRATIONS),
        ),
        allow(
            "aws-marketplace:ResolveCustomer",
            "*",
            condition={"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
        ),
    ]


def test_tokens_are_resolved_in_the_metering_region_only(full: Resources) -> None:
    (resolving,) = (
        each for each in full.allowed(ENDPOINT) if "aws-marketplace" in str(each["Action"])
    )

    assert resolving["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}


def test_mail_may_be_sent_only_if_there_is_a_sender(resources: Resources) -> None:
    assert "ses:" not in str(resources.allowed(ENDPOINT))


def test_mail_may_be_sent_from_the_sender_only(full: Resources) -> None:
    (sending,) = (each for each in full.allowed(ENDPOINT) if "ses:" in str(each["Action"]))

    assert sending["Action"] == "ses:SendEmail"
    assert sending["Condition"] == {"StringEquals": {"ses:FromAddress": "welcome@example.com"}}
    assert [resource["Fn::Join"][1][-1] for resource in sending["Resource"]] == [
        ":configuration-set/*",
        ":identity/example.com",
        ":identity/welcome@example.com",
    ]


def test_a_buyer_gets_the_functions_own_answer_before_api_gateway_gives_up() -> None:
    assert registration.REGISTRATION_TIMEOUT_SECONDS < INTEGRATION_SECONDS_MAX


def test_the_function_has_the_time_it_is_meant_to_have(resources: Resources) -> None:
    function = resources.properties(FUNCTION, ENDPOINT)

    assert function["Timeout"] == registration.REGISTRATION_TIMEOUT_SECONDS
    assert function["MemorySize"] == registration.REGISTRATION_MEMORY_MB
