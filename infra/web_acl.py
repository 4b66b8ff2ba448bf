"""The web ACL that a seller may put in front of the API: AWS's managed rules and a rate per IP."""

from collections.abc import Sequence

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

# The window that the setting counts in; AWS WAF offers 1, 2, 5 and 10 minutes.
RATE_WINDOW_SECONDS = 300

# Rules that would turn real buyers and the seller's own servers away are counted, not obeyed.
# Bodies here are a token to be looked up, a form whose values are escaped wherever they are shown,
# or usage that is parsed strictly, so what these rules look for in a body cannot do harm.
COUNTED_RULES = (
    # Bodies over 8 KB: AWS Marketplace names no limit for a token, and usage may have 1 MiB.
    "SizeRestrictions_BODY",
    # What looks like a script: a token is arbitrary base64, a company may be called "on=off".
    "CrossSiteScripting_BODY",
    # What looks like a path upwards: "../" is legal in a token.
    "GenericLFI_BODY",
    # An address as a value: AWS Marketplace sends one in x-amzn-marketplace-fulfillment-url.
    "GenericRFI_BODY",
    # Servers that claim a registration or send usage need not name their software.
    "NoUserAgent_HEADER",
)


def protect(
    scope: Construct, stage: apigateway.Stage, *, rate: int, signed_routes: Sequence[str]
) -> None:
    """Put a web ACL in front of a stage, with `rate` requests per address in five minutes.

    The rate is one person's, so signed routes do not count: the seller's servers call them for
    everybody, from few addresses, and only with IAM's leave.
    """
    acl = wafv2.CfnWebACL(
        scope,
        "WebAcl",
        scope="REGIONAL",
        description="In front of the registration API.",
        default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_visibility("WebAcl"),
        rules=[
            _rate(0, rate, signed_routes),
            _managed(1, "AWSManagedRulesAmazonIpReputationList"),
            _managed(2, "AWSManagedRulesKnownBadInputsRuleSet"),
            _managed(3, "AWSManagedRulesCommonRuleSet", counted=COUNTED_RULES),
        ],
    )
    wafv2.CfnWebACLAssociation(
        scope, "WebAclOfStage", resource_arn=stage.stage_arn, web_acl_arn=acl.attr_arn
    )


def _managed(priority: int, name: str, counted: Sequence[str] = ()) -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        # The group's own actions hold.
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=name,
                rule_action_overrides=[
                    wafv2.CfnWebACL.RuleActionOverrideProperty(
                        name=rule, action_to_use=wafv2.CfnWebACL.RuleActionProperty(count={})
                    )
                    for rule in counted
                ]
                or None,
            )
        ),
        visibility_config=_visibility(name),
    )


def _rate(priority: int, rate: int, signed_routes: Sequence[str]) -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name="RatePerAddress",
        priority=priority,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                limit=rate,
                evaluation_window_sec=RATE_WINDOW_SECONDS,
                aggregate_key_type="IP",
                scope_down_statement=wafv2.CfnWebACL.StatementProperty(
                    not_statement=wafv2.CfnWebACL.NotStatementProperty(
                        statement=wafv2.CfnWebACL.StatementProperty(
                            or_statement=wafv2.CfnWebACL.OrStatementProperty(
                                statements=[_path_ends(f"/{path}") for path in signed_routes]
                            )
                        )
                    )
                ),
            )
        ),
        visibility_config=_visibility("RatePerAddress"),
    )


def _path_ends(path: str) -> wafv2.CfnWebACL.StatementProperty:
    # The path begins with the stage, but not under a custom domain.
    return wafv2.CfnWebACL.StatementProperty(
        byte_match_statement=wafv2.CfnWebACL.ByteMatchStatementProperty(
            field_to_match=wafv2.CfnWebACL.FieldToMatchProperty(uri_path={}),
            positional_constraint="ENDS_WITH",
            search_string=path,
            text_transformations=[
                wafv2.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")
            ],
        )
    )


def _visibility(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True,
        metric_name=name,
        # Samples are whole requests, with the query string that holds the one-time code.
        sampled_requests_enabled=False,
    )
