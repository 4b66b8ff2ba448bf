"""What subscription asks of AWS Marketplace: entitlements and agreements."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config

from lambdas.customers.license import Entitlement, License
from lambdas.subscription.differences import ACTIVE, Agreement

MARKETPLACE_REGION = "us-east-1"
"""GetEntitlements is answered there only, and agreements are searched there to be sure (AWS
Marketplace API reference)."""

AGREEMENTS_PER_PAGE = 50
"""The most of one SearchAgreements (service model of marketplace-agreement)."""

PROVISIONED = "PROVISIONED"

PATIENT = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
)


class Entitlements:
    """Asks GetEntitlements what contracts give."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def of(self, each: License) -> list[Entitlement]:
        """Ask what the contract of a license gives, all pages of it, in a stable order."""
        names = {"LICENSE_ARN": [each.arn]}
        if not each.arn:
            names = {"CUSTOMER_IDENTIFIER": [each.customer_identifier]}
        pages = self._client.get_paginator("get_entitlements").paginate(
            ProductCode=each.product_code, Filter=names
        )
        found = [_entitlement(item) for page in pages for item in page.get("Entitlements", [])]
        return sorted(found, key=lambda one: (one.dimension, one.kind, one.value))


class Agreements:
    """Asks the Agreement API which agreements there are."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def active(self, product_id: str) -> Iterator[Agreement]:
        """Ask for the active agreements of a product, each with its provisioned licenses."""
        for found in self._search(ResourceIdentifier=product_id, Status=ACTIVE):
            yield _agreement(found, product_id, tuple(self._provisioned(found["agreementId"])))

    def of_license(self, arn: str) -> list[Agreement]:
        """Ask for all agreements, in force or not, that gave a license."""
        return [_agreement(found, "", (arn,)) for found in self._search(LicenseArn=arn)]

    def _search(self, **filters: str) -> Iterator[dict[str, Any]]:
        wanted = {"PartyType": "Proposer", "AgreementType": "PurchaseAgreement", **filters}
        pages = self._client.get_paginator("search_agreements").paginate(
            catalog="AWSMarketplace",
            filters=[{"name": name, "values": [value]} for name, value in wanted.items()],
            PaginationConfig={"PageSize": AGREEMENTS_PER_PAGE},
        )
        for page in pages:
            yield from page.get("agreementViewSummaries", [])

    def _provisioned(self, agreement_id: str) -> Iterator[str]:
        pages = self._client.get_paginator("get_agreement_entitlements").paginate(
            agreementId=agreement_id
        )
        for each in (each for page in pages for each in page.get("agreementEntitlements", [])):
            if each.get("status") == PROVISIONED and each.get("licenseArn"):
                yield each["licenseArn"]


def connect() -> tuple[Any, Any, Any, Any]:
    """Make the clients for the tables, the event bus, entitlements and agreements."""
    return (
        boto3.client("dynamodb", config=PATIENT),
        boto3.client("events", config=PATIENT),
        boto3.client("marketplace-entitlement", region_name=MARKETPLACE_REGION, config=PATIENT),
        boto3.client("marketplace-agreement", region_name=MARKETPLACE_REGION, config=PATIENT),
    )


def _entitlement(item: dict[str, Any]) -> Entitlement:
    [(kind, value)] = item["Value"].items()
    text = str(value).lower() if isinstance(value, bool) else str(value)
    expires = item.get("ExpirationDate")
    return Entitlement(
        dimension=item["Dimension"],
        kind=kind.removesuffix("Value"),
        value=text,
        expires_s=None if expires is None else int(expires.timestamp()),
    )


def _agreement(found: dict[str, Any], product_id: str, license_arns: tuple[str, ...]) -> Agreement:
    return Agreement(
        id=found["agreementId"],
        status=found.get("status", ""),
        account=found.get("acceptor", {}).get("accountId", ""),
        product_id=product_id,
        offer_id=found.get("proposalSummary", {}).get("offerId", ""),
        license_arns=license_arns,
        start_ms=_milliseconds(found.get("startTime")),
        end_ms=_milliseconds(found.get("endTime")),
    )


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1000)
