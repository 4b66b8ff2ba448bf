"""SearchAgreements: which agreements there are."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.conformance.against import NO_AGREEMENT
from tests.conformance.citations import AGREEMENT, boto3_page, exceptions_of, has, raises, says
from tests.conformance.rulebook import rule
from tests.conformance.stage import HOUR, NOW, Bought, Service, Stage, error_of, refusal_of

ENDS_AT = NOW + timedelta(days=30)
PAGED = ("search_agreements", "get_agreement_entitlements")
READS = {
    "SearchAgreements": ("search_agreements", {}),
    "GetAgreementEntitlements": ("get_agreement_entitlements", {"agreementId": NO_AGREEMENT}),
    "DescribeAgreement": ("describe_agreement", {"agreementId": NO_AGREEMENT}),
}
STATUSES = (
    "ACTIVE",
    "ARCHIVED",
    "CANCELLED",
    "EXPIRED",
    "RENEWED",
    "REPLACED",
    "ROLLED_BACK",
    "SUPERSEDED",
    "TERMINATED",
)
FILTERS = "SearchAgreementsInput.filters"
ANY_COMBINATION = says(
    FILTERS,
    "A proposer can use any combination of the preceding filters along with AgreementType, which "
    "is required",
    AGREEMENT,
)
ACCEPTORS = says(
    FILTERS, "filter combinations are supported when the PartyType is Acceptor", AGREEMENT
)
SORTED = says(
    "SearchAgreementsInput.sort",
    "SortBy supports EndTime for both party types, and StartTime and LastUpdateTime only when "
    "PartyType is Proposer",
    AGREEMENT,
)
INVALID = says("ValidationException", "fails to satisfy the constraints", AGREEMENT)


def new_account() -> str:
    """The account of a buyer who has bought nothing yet."""
    return str(uuid4().int)[:12]


def buy(stage: Stage, account: str | None = None, **options: Any) -> Bought:
    """A purchase by somebody new."""
    return stage.buy(account=account or new_account(), **options)


def filters_of(**values: str) -> list[dict[str, Any]]:
    """Filters by name and value, for a seller unless told otherwise."""
    required = {"PartyType": "Proposer", "AgreementType": "PurchaseAgreement"}
    return [{"name": name, "values": [value]} for name, value in (required | values).items()]


def search(stage: Stage, client: Any = None, **values: str) -> list[dict[str, Any]]:
    """The summaries that these filters find."""
    paginator = (client or stage.connect(AGREEMENT)).get_paginator("search_agreements")
    pages = paginator.paginate(catalog="AWSMarketplace", filters=filters_of(**values))
    return [summary for page in pages for summary in page["agreementViewSummaries"]]


def refusal(service: Service, **request: Any) -> str:
    call = service.connect(AGREEMENT, validated=False).search_agreements
    return refusal_of(lambda: call(catalog="AWSMarketplace", **request))


@rule(says("SearchAgreements", "Searches across all agreements that a proposer", AGREEMENT))
def test_a_seller_finds_a_buyers_agreement_with_its_license(stage: Stage) -> None:
    bought = buy(stage)

    (summary,) = search(stage, AcceptorAccountId=bought.account)

    assert summary["agreementId"] == bought.agreement_id
    assert summary["acceptor"] == {"accountId": bought.account}
    assert summary["entitlements"] == [{"licenseArn": bought.license_arn}]
    assert (summary["status"], summary["startTime"]) == ("ACTIVE", bought.starts_at)


@rule(says(FILTERS, "LicenseArn", AGREEMENT))
def test_an_agreement_is_found_by_its_license(stage: Stage) -> None:
    bought = buy(stage)

    (summary,) = search(stage, LicenseArn=bought.license_arn)

    assert summary["agreementId"] == bought.agreement_id


@rule(
    says(
        "AgreementViewSummary.endTime",
        "The field is null for pay-as-you-go agreements, which don't have end dates",
        AGREEMENT,
    )
)
def test_pay_as_you_go_has_no_end(stage: Stage) -> None:
    (summary,) = search(stage, AcceptorAccountId=buy(stage).account)

    assert "endTime" not in summary
    assert "endTimeBehaviorType" not in summary


@pytest.mark.parametrize(("auto_renew", "behaviour"), [(False, "EXPIRE"), (True, "RENEW")])
@rule(says("AgreementViewSummary.endTimeBehaviorType", "A new agreement is created", AGREEMENT))
def test_an_agreement_says_what_happens_at_its_end(
    stage: Stage, auto_renew: bool, behaviour: str
) -> None:
    bought = buy(stage, ends_at=ENDS_AT, auto_renew=auto_renew)

    (summary,) = search(stage, AcceptorAccountId=bought.account)

    assert (summary["endTime"], summary["endTimeBehaviorType"]) == (ENDS_AT, behaviour)
    assert ("endTimeBehaviorReasonCode" in summary) is not auto_renew


@rule(
    says(
        "AgreementViewSummary.freeTrialEndTime",
        "This field is present only when the agreement includes a free trial",
        AGREEMENT,
    )
)
def test_only_a_free_trial_has_an_end_of_the_trial(stage: Stage) -> None:
    trial, plain = buy(stage, free_trial_days=14), buy(stage)

    (tried,) = search(stage, AcceptorAccountId=trial.account)
    (other,) = search(stage, AcceptorAccountId=plain.account)

    assert tried["freeTrialEndTime"] == trial.starts_at + timedelta(days=14)
    assert "freeTrialEndTime" not in other


@pytest.mark.parametrize("change", ["cancel", "end"])
@rule(has("AgreementStatus", AGREEMENT, enum=STATUSES))
def test_an_agreement_that_is_over_is_no_longer_active(stage: Stage, change: str) -> None:
    bought = buy(stage)
    stage.change(bought, change)

    (summary,) = search(stage, AcceptorAccountId=bought.account)

    assert summary["status"] in set(STATUSES) - {"ACTIVE"}
    assert search(stage, AcceptorAccountId=bought.account, Status="ACTIVE") == []
    assert search(stage, AcceptorAccountId=bought.account, Status=summary["status"]) == [summary]


@rule(has("AgreementStatus", AGREEMENT, enum=STATUSES))
def test_an_agreement_expires_at_its_end(stage: Stage) -> None:
    bought = buy(stage, ends_at=ENDS_AT)

    stage.set_clock(ENDS_AT + HOUR)

    (summary,) = search(stage, AcceptorAccountId=bought.account)
    assert summary["status"] == "EXPIRED"


@rule(
    says(
        "AgreementViewSummary.initialAgreementId",
        "You can also use it as the InitialAgreementId filter value to return every agreement in "
        "the same chain",
        AGREEMENT,
    )
)
def test_an_agreement_that_renewed_is_found_with_its_successor(stage: Stage) -> None:
    bought = buy(stage, ends_at=ENDS_AT, auto_renew=True)

    stage.set_clock(ENDS_AT + HOUR)

    chain = search(stage, InitialAgreementId=bought.agreement_id)
    assert sorted(summary["status"] for summary in chain) == ["ACTIVE", "RENEWED"]
    assert len({summary["agreementId"] for summary in chain}) == 2


@rule(
    says(
        "AgreementViewSummary.lastUpdateTime",
        "An agreement is updated when any of its attributes or accepted terms change",
        AGREEMENT,
    )
)
def test_agreements_that_changed_since_are_found(stage: Stage) -> None:
    bought = buy(stage)
    stage.set_clock(NOW + HOUR)
    since = (NOW + HOUR / 2).isoformat().replace("+00:00", "Z")
    before = search(stage, AcceptorAccountId=bought.account, AfterLastUpdateTime=since)

    stage.change(bought, "cancel")

    after = search(stage, AcceptorAccountId=bought.account, AfterLastUpdateTime=since)
    assert (before, [found["lastUpdateTime"] for found in after]) == ([], [NOW + HOUR])


@rule(has("MaxResults", AGREEMENT, max=50))
def test_pages_together_have_everything_once(stage: Stage) -> None:
    account = new_account()
    bought = [buy(stage, account) for _ in range(3)]
    pages = list(
        stage.connect(AGREEMENT)
        .get_paginator("search_agreements")
        .paginate(
            catalog="AWSMarketplace",
            filters=filters_of(AcceptorAccountId=account),
            PaginationConfig={"PageSize": 2},
        )
    )

    assert [len(page["agreementViewSummaries"]) for page in pages] == [2, 1]
    found = [each["agreementId"] for page in pages for each in page["agreementViewSummaries"]]
    assert sorted(found) == sorted(each.agreement_id for each in bought)


@pytest.mark.parametrize("order", ["ASCENDING", "DESCENDING"])
@rule(SORTED, has("SortOrder", AGREEMENT, enum=("ASCENDING", "DESCENDING")))
def test_a_seller_can_sort_by_start(stage: Stage, order: str) -> None:
    account = new_account()
    for days in (2, 3, 1):
        buy(stage, account, starts_at=NOW - timedelta(days=days))

    found = stage.connect(AGREEMENT).search_agreements(
        catalog="AWSMarketplace",
        filters=filters_of(AcceptorAccountId=account),
        sort={"sortBy": "StartTime", "sortOrder": order},
    )["agreementViewSummaries"]

    starts = [summary["startTime"] for summary in found]
    assert starts == sorted(starts, reverse=order == "DESCENDING")


@rule(ACCEPTORS)
def test_a_buyer_finds_only_own_agreements(stage: Stage) -> None:
    one, _ = buy(stage), buy(stage)
    client = stage.connect(AGREEMENT, key=one.account)

    found = search(stage, client, PartyType="Acceptor")

    assert [summary["agreementId"] for summary in found] == [one.agreement_id]


@rule(ACCEPTORS, INVALID)
def test_a_buyer_cannot_combine_all_filters(stage: Stage) -> None:
    bought = buy(stage)
    client = stage.connect(AGREEMENT, key=bought.account)
    wanted = {"PartyType": "Acceptor", "LicenseArn": bought.license_arn}

    assert refusal_of(lambda: search(stage, client, **wanted)) == "ValidationException"


@pytest.mark.parametrize(
    "request_",
    [
        {"filters": [{"name": "PartyType", "values": ["Proposer"]}]},
        {"filters": [{"name": "AgreementType", "values": ["PurchaseAgreement"]}]},
        {"filters": filters_of(Color="red")},
        {"filters": filters_of(PartyType="Bystander")},
        {"filters": filters_of(Status="ASLEEP")},
        {"filters": [{"name": "PartyType", "values": ["Proposer", "Acceptor"]}]},
        {"filters": filters_of(**{f"Filter{letter}": "x" for letter in "ABCDEFGHI"})},
        {"filters": filters_of(), "maxResults": 0},
        {"filters": filters_of(), "maxResults": 51},
        {"filters": filters_of(), "sort": {"sortBy": "Color"}},
        {"filters": filters_of(), "nextToken": "made-up"},
    ],
    ids=str,
)
@rule(
    INVALID,
    ANY_COMBINATION,
    has("FilterList", AGREEMENT, max=10),
    has("FilterValueList", AGREEMENT, max=1),
    has("MaxResults", AGREEMENT, max=50),
)
def test_a_search_that_breaks_a_rule_is_a_validation_exception(
    service: Service, request_: dict[str, Any]
) -> None:
    assert refusal(service, **request_) == "ValidationException"


@pytest.mark.parametrize(
    ("operation", "name"),
    [(operation, name) for operation in READS for name in exceptions_of(operation, AGREEMENT)],
)
@rule(
    raises("SearchAgreements", "InternalServerException", AGREEMENT),
    has("ThrottlingException", AGREEMENT, httpStatusCode=429),
)
def test_a_modelled_exception_has_its_own_name_and_status(
    stage: Stage, operation: str, name: str
) -> None:
    client = stage.connect(AGREEMENT)
    method, parameters = READS[operation]
    stage.fault(name, operation=operation)

    error = error_of(lambda: getattr(client, method)(**parameters))

    modelled = client.meta.service_model.shape_for(name).metadata["error"]["httpStatusCode"]
    assert error["Error"]["Code"] == name
    assert error["ResponseMetadata"]["HTTPStatusCode"] == modelled


@pytest.mark.parametrize("method", PAGED)
@rule(boto3_page(f"{AGREEMENT}/client/can_paginate", "whether an operation has pages"))
def test_searches_have_pages(service: Service, method: str) -> None:
    client = service.connect(AGREEMENT)

    assert client.can_paginate(method)
    assert client.get_paginator(method)
