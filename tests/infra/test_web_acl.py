from typing import Any

from tests.infra.template import STAGE, WEB_ACL, Resources


def rules(full: Resources) -> dict[str, dict[str, Any]]:
    return {each["Name"]: each for each in full.properties(WEB_ACL)["Rules"]}


def managed(full: Resources, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rules(full)[name]["Statement"]["ManagedRuleGroupStatement"]
    return found


def test_it_stands_in_front_of_the_stage(full: Resources) -> None:
    association = full.properties("AWS::WAFv2::WebACLAssociation")

    assert association["WebACLArn"] == full.arn(WEB_ACL)
    assert full.ref(STAGE) in association["ResourceArn"]["Fn::Join"][1]


def test_it_lets_in_whom_no_rule_stops(full: Resources) -> None:
    acl = full.properties(WEB_ACL)

    assert acl["DefaultAction"] == {"Allow": {}}
    assert acl["Scope"] == "REGIONAL"


def test_it_has_the_rate_and_three_groups_of_aws(full: Resources) -> None:
    assert list(rules(full)) == [
        "RatePerAddress",
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    ]
    assert [each["Priority"] for each in rules(full).values()] == [0, 1, 2, 3]


def test_the_rate_is_the_settings_in_five_minutes(full: Resources) -> None:
    rate = rules(full)["RatePerAddress"]
    statement = rate["Statement"]["RateBasedStatement"]

    assert rate["Action"] == {"Block": {}}
    assert (statement["Limit"], statement["EvaluationWindowSec"]) == (1000, 300)
    assert statement["AggregateKeyType"] == "IP"


def test_the_sellers_own_servers_are_not_one_person(full: Resources) -> None:
    statement = rules(full)["RatePerAddress"]["Statement"]["RateBasedStatement"]
    excepted = statement["ScopeDownStatement"]["NotStatement"]["Statement"]["OrStatement"]

    assert [
        (
            each["ByteMatchStatement"]["PositionalConstraint"],
            each["ByteMatchStatement"]["SearchString"],
        )
        for each in excepted["Statements"]
    ] == [("ENDS_WITH", "/registrations/claim"), ("ENDS_WITH", "/usage")]


def test_rules_that_would_stop_real_registrations_only_count(full: Resources) -> None:
    overrides = managed(full, "AWSManagedRulesCommonRuleSet")["RuleActionOverrides"]

    assert {each["Name"]: each["ActionToUse"] for each in overrides} == {
        "SizeRestrictions_BODY": {"Count": {}},
        "CrossSiteScripting_BODY": {"Count": {}},
        "GenericLFI_BODY": {"Count": {}},
        "GenericRFI_BODY": {"Count": {}},
        "NoUserAgent_HEADER": {"Count": {}},
    }


def test_the_other_groups_are_obeyed_as_they_are(full: Resources) -> None:
    for name in ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet"):
        assert "RuleActionOverrides" not in managed(full, name)
        assert rules(full)[name]["OverrideAction"] == {"None": {}}


def test_no_request_is_kept_as_a_sample(full: Resources) -> None:
    acl = full.properties(WEB_ACL)

    for each in (acl, *acl["Rules"]):
        assert each["VisibilityConfig"]["SampledRequestsEnabled"] is False
