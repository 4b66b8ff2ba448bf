"""Operations of AWS Marketplace Agreement Service (X-Amz-Target AWSMPCommerceService_v20200301).

Source of every rule that names no other: botocore 1.44.5 service model, marketplace-agreement
2020-03-01, the same text as
https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-agreements_SearchAgreements.html.
Who calls is in the signature only: an access key id of twelve digits is a buyer's account, any
other the seller's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.marketplace.errors import Refused
from sandbox.marketplace.paging import WrongToken, page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.marketplace import Marketplace
    from sandbox.marketplace.agreements import Agreement
    from sandbox.marketplace.calls import Request

# The largest page that may be asked for; how many come unasked is not published.
PAGE_AGREEMENTS = 50
# "The token is only valid for 30 minutes after creation" (AgreementEntitlement$registrationToken).
TOKEN_MINUTES = 30
NEVER = datetime.max.replace(tzinfo=UTC)

# What these filters may say.
CHOICES = {
    "AgreementType": ("PurchaseAgreement",),
    "PartyType": ("Proposer", "Acceptor"),
    "Status": ("ACTIVE", "CANCELLED", "EXPIRED", "RENEWED", "REPLACED", "TERMINATED"),
    "ResourceType": (
        "AmiProduct",
        "ContainerProduct",
        "SaaSProduct",
        "ProfessionalServicesProduct",
        "MachineLearningProduct",
    ),
    "EndTimeBehaviorType": ("RENEW", "REPLACE", "EXPIRE"),
    "EndTimeBehaviorReasonCode": (
        "PROPOSER_RENEW_OPTED_OUT",
        "ACCEPTOR_RENEW_OPTED_OUT",
        "NO_RENEWAL_TERM",
        "RENEWAL_LIMIT_EXHAUSTED",
    ),
    "IncludesContactOfType": ("ACCEPTOR",),
}
# Filters that may say anything.
IDENTIFIERS = (
    "ResourceIdentifier",
    "AcceptorAccountId",
    "OfferId",
    "OfferSetId",
    "InitialAgreementId",
    "LicenseArn",
)
# The time a filter compares with; an agreement without an end never ends.
TIMES: dict[str, Callable[[Agreement], datetime]] = {
    "EndTime": lambda agreement: agreement.ends_at or NEVER,
    "StartTime": lambda agreement: agreement.starts_at,
    "LastUpdateTime": lambda agreement: agreement.updated_at,
}
BEFORE_AND_AFTER = tuple(f"{edge}{time}" for time in TIMES for edge in ("Before", "After"))
# "The following filter combinations are supported when the PartyType is Acceptor", beside
# AgreementType and the end time.
ACCEPTORS_COMBINATIONS = (
    {"ResourceIdentifier", "Status"},
    {"OfferId", "Status"},
    {"OfferSetId", "Status"},
    {"ResourceType"},
)


def search_agreements(marketplace: Marketplace, request: Request) -> dict[str, Any]:
    """Find agreements by filters that all fit."""
    fields = request.fields
    if fields.get("catalog", "AWSMarketplace") != "AWSMarketplace":
        raise _invalid("INVALID_CATALOG", "The catalog is AWSMarketplace")
    filters = _filters(fields.get("filters") or [])
    party = filters.pop("PartyType")
    if party == "Acceptor":
        _check_combination(filters)
    found = [
        agreement
        for agreement in marketplace.agreements.values()
        if _is_party(agreement, request, party) and _fits(marketplace, agreement, request, filters)
    ]
    sort = fields.get("sort") or {}
    by = sort.get("sortBy") or "EndTime"
    if by not in TIMES or (party == "Acceptor" and by != "EndTime"):
        raise _invalid("INVALID_SORT_BY", f"Agreements cannot be sorted by {by} for an {party}")
    found.sort(key=TIMES[by], reverse=sort.get("sortOrder") == "DESCENDING")
    chosen, token = _page(found, request, [party, filters, sort])
    summaries = [_summary(marketplace, agreement, request) for agreement in chosen]
    return {"agreementViewSummaries": summaries} | token


def describe_agreement(marketplace: Marketplace, request: Request) -> dict[str, Any]:
    """Tell about one agreement."""
    agreement = _agreement(marketplace, request)
    behaviour, reason = _end_behaviour(agreement)
    reply = _parties(agreement) | {
        # What a contract costs is not emulated; pay as you go costs nothing in advance.
        "estimatedCharges": {"currencyCode": "USD", "agreementValue": "0"},
    }
    if behaviour is not None:
        reply["endTimeBehavior"] = {"type": behaviour} | ({"reasonCode": reason} if reason else {})
        if behaviour == "RENEW":
            reply["endTimeBehavior"]["renewalSummary"] = {"offerId": agreement.offer_id}
    if agreement.free_trial_ends_at is not None:
        trial_end = agreement.free_trial_ends_at.timestamp()
        reply["freeTrialSummary"] = {"trialEndTime": trial_end}
    return reply


def get_agreement_entitlements(marketplace: Marketplace, request: Request) -> dict[str, Any]:
    """Tell what became of the license of an agreement; the buyer gets a registration token too."""
    agreement = _agreement(marketplace, request)
    status, reason = _entitlement_status(marketplace, agreement, request)
    entitlement: dict[str, Any] = {
        "resource": {"id": agreement.product.id, "type": "SaaSProduct"},
        "status": status,
    }
    if reason is not None:
        entitlement["statusReasonCode"] = reason
    arn = _license_arn(marketplace, agreement, request)
    if arn is not None:
        entitlement["licenseArn"] = arn
    if request.caller.account == agreement.account and status == "PROVISIONED":
        entitlement["registrationToken"] = marketplace.registration_token(
            agreement.license_arn, minutes=TOKEN_MINUTES
        )
    chosen, token = _page([entitlement], request, agreement.id)
    return {"agreementEntitlements": chosen} | token


def _filters(filters: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Names and values of the filters.

    Raises:
        Refused: One is unknown, twice there, required and missing, or has a value it never has.
    """
    found: dict[str, str] = {}
    for each in filters:
        name, values = each.get("name"), each.get("values")
        if name is None:
            raise _invalid("MISSING_FILTER_NAME", "A filter has no name")
        if name not in (*CHOICES, *IDENTIFIERS, *BEFORE_AND_AFTER):
            raise _invalid("INVALID_FILTER_NAME", f"{name} is no filter")
        if values is None:
            raise _invalid("MISSING_FILTER_VALUES", f"The filter {name} has no value")
        if name in found:
            raise _invalid("INVALID_FILTERS", f"The filter {name} is there twice")
        if values[0] not in CHOICES.get(name, values):
            raise _invalid("INVALID_FILTER_VALUES", f"{name} cannot be {values[0]}")
        if name in BEFORE_AND_AFTER:
            _time(name, values[0])
        found[name] = values[0]
    if "PartyType" not in found:
        raise _invalid("MISSING_PARTY_TYPE", "The filter PartyType is required")
    if "AgreementType" not in found:
        raise _invalid("INVALID_FILTERS", "The filter AgreementType is required")
    return found


def _check_combination(filters: dict[str, str]) -> None:
    others = filters.keys() - {"AgreementType", "BeforeEndTime", "AfterEndTime"}
    if not any(others <= combination for combination in ACCEPTORS_COMBINATIONS):
        text = f"An Acceptor cannot filter by {', '.join(sorted(others))} together"
        raise _invalid("UNSUPPORTED_FILTERS", text)


def _fits(
    marketplace: Marketplace, agreement: Agreement, request: Request, filters: dict[str, str]
) -> bool:
    """Whether an agreement is what all filters ask for; none has an offer set or contacts."""
    behaviour, reason = _end_behaviour(agreement)
    facts = {
        "AgreementType": "PurchaseAgreement",
        "ResourceIdentifier": agreement.product.id,
        "ResourceType": "SaaSProduct",
        "AcceptorAccountId": agreement.account,
        "OfferId": agreement.offer_id,
        "Status": agreement.status,
        "EndTimeBehaviorType": behaviour,
        "EndTimeBehaviorReasonCode": reason,
        "InitialAgreementId": agreement.initial_id,
        "LicenseArn": _license_arn(marketplace, agreement, request),
    }
    for name, value in filters.items():
        if name not in BEFORE_AND_AFTER:
            if facts.get(name) != value:
                return False
            continue
        edge, time = ("Before", name[6:]) if name.startswith("Before") else ("After", name[5:])
        moment, limit = TIMES[time](agreement), _time(name, value)
        if (moment >= limit) if edge == "Before" else (moment <= limit):
            return False
    return True


def _time(name: str, value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _invalid("INVALID_FILTER_VALUES", f"{name} is no time: {value}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _agreement(marketplace: Marketplace, request: Request) -> Agreement:
    wanted = request.fields["agreementId"]
    agreement = marketplace.agreements.get(wanted)
    if agreement is None:
        details = {"resourceId": wanted, "resourceType": "Agreement"}
        text = f"There is no agreement {wanted}"
        raise Refused("ResourceNotFoundException", text, details=details)
    if not (_is_party(agreement, request, "Acceptor") or _is_party(agreement, request, "Proposer")):
        # Which exception somebody else gets is not published.
        text = f"{wanted} is an agreement between others"
        raise Refused("AccessDeniedException", text, details={"reason": "INVALID_ACCESS"})
    return agreement


def _is_party(agreement: Agreement, request: Request, party: str) -> bool:
    caller = request.caller.account or agreement.product.seller_account
    wanted = agreement.account if party == "Acceptor" else agreement.product.seller_account
    return caller == wanted


def _page(
    items: list[Any], request: Request, asked: object
) -> tuple[Sequence[Any], dict[str, str]]:
    size = request.fields.get("maxResults") or PAGE_AGREEMENTS
    try:
        chosen, token = page(items, size, request.fields.get("nextToken") or None, asked)
    except WrongToken as error:
        raise _invalid("INVALID_NEXT_TOKEN", "The token is not of this request") from error
    return chosen, {"nextToken": token} if token else {}


def _parties(agreement: Agreement) -> dict[str, Any]:
    """What a summary and a description have in common; an end that is not there is left out."""
    parties = {
        "agreementId": agreement.id,
        "agreementType": "PurchaseAgreement",
        "acceptor": {"accountId": agreement.account},
        "proposer": {"accountId": agreement.product.seller_account},
        "acceptanceTime": agreement.accepted_at.timestamp(),
        "startTime": agreement.starts_at.timestamp(),
        "initialAgreementId": agreement.initial_id,
        "status": agreement.status,
        "proposalSummary": {
            "offerId": agreement.offer_id,
            "resources": [{"id": agreement.product.id, "type": "SaaSProduct"}],
        },
    }
    return parties | ({"endTime": agreement.ends_at.timestamp()} if agreement.ends_at else {})


def _summary(marketplace: Marketplace, agreement: Agreement, request: Request) -> dict[str, Any]:
    arn = _license_arn(marketplace, agreement, request)
    summary = _parties(agreement) | {
        "lastUpdateTime": agreement.updated_at.timestamp(),
        "entitlements": [{"licenseArn": arn}] if arn else [],
    }
    behaviour, reason = _end_behaviour(agreement)
    if behaviour is not None:
        summary["endTimeBehaviorType"] = behaviour
    if reason is not None:
        summary["endTimeBehaviorReasonCode"] = reason
    if agreement.free_trial_ends_at is not None:
        summary["freeTrialEndTime"] = agreement.free_trial_ends_at.timestamp()
    return summary


def _end_behaviour(agreement: Agreement) -> tuple[str | None, str | None]:
    """What happens at the end, and why nothing follows; nothing of what has no end or is over."""
    if agreement.ends_at is None or agreement.status != "ACTIVE":
        return None, None
    return ("RENEW", None) if agreement.auto_renew else ("EXPIRE", "ACCEPTOR_RENEW_OPTED_OUT")


def _license_arn(marketplace: Marketplace, agreement: Agreement, request: Request) -> str | None:
    """The license, once it was provisioned; whether it is told before is not documented."""
    held = marketplace.licenses[agreement.license_arn]
    at = request.at if held.ends_at is None else min(request.at, held.ends_at)
    return held.arn if held.began(at) else None


def _entitlement_status(
    marketplace: Marketplace, agreement: Agreement, request: Request
) -> tuple[str, str | None]:
    """The status of an entitlement, and the reason; which ones go together is not documented."""
    held = marketplace.licenses[agreement.license_arn]
    if agreement.status != "ACTIVE":
        return "DEPROVISIONED", "AGREEMENT_INACTIVE"
    if held.suspended:
        return "DEPROVISIONED", "ACCOUNT_SUSPENDED"
    if agreement.starts_at > request.at:
        return "SCHEDULED", "FUTURE_START_DATE"
    if not held.began(request.at):
        return "PENDING", "PROVISIONING_IN_PROGRESS"
    return "PROVISIONED", None


def _invalid(reason: str, message: str) -> Refused:
    return Refused("ValidationException", message, details={"reason": reason})


OPERATIONS = {
    "DescribeAgreement": describe_agreement,
    "GetAgreementEntitlements": get_agreement_entitlements,
    "SearchAgreements": search_agreements,
}
