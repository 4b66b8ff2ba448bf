"""The operation of AWS Marketplace Entitlement Service (X-Amz-Target AWSMPEntitlementService).

Source of every rule that names no other: botocore 1.44.5 service model, marketplace-entitlement
2017-01-11, the same text as
https://docs.aws.amazon.com/marketplaceentitlement/latest/APIReference/API_GetEntitlements.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.marketplace.errors import Refused
from sandbox.marketplace.paging import WrongToken, page

if TYPE_CHECKING:
    from sandbox.marketplace import Marketplace
    from sandbox.marketplace.agreements import Agreement, Value
    from sandbox.marketplace.calls import Request

# There is one endpoint
# (https://docs.aws.amazon.com/marketplace/latest/userguide/checking-entitlements.html).
REGION = "us-east-1"
# The largest page that may be asked for; how many come unasked is not published.
PAGE_ENTITLEMENTS = 25

# Which member of an entitlement each filter looks at.
FILTERED = {
    "CUSTOMER_IDENTIFIER": "CustomerIdentifier",
    "CUSTOMER_AWS_ACCOUNT_ID": "CustomerAWSAccountId",
    "DIMENSION": "Dimension",
    "LICENSE_ARN": "LicenseArn",
}


def get_entitlements(marketplace: Marketplace, request: Request) -> dict[str, Any]:
    """Tell what active contracts of a product include.

    "Filtered requests are unioned for each value in the value list, and then intersected for each
    filter key." "If the result contains an empty set of entitlements, NextToken might still be
    present and should be used": so it does on purpose, for clients that stop too early.
    """
    fields = request.fields
    if request.caller.region not in ("", REGION):
        # Common to all of AWS; the text is ours.
        text = f"Credential should be scoped to {REGION}, not {request.caller.region}"
        raise Refused("InvalidSignatureException", text)
    filters = fields.get("Filter") or {}
    if {"CUSTOMER_IDENTIFIER", "CUSTOMER_AWS_ACCOUNT_ID"} <= filters.keys():
        text = "CustomerIdentifier and CustomerAWSAccountId are mutually exclusive"
        raise Refused("InvalidParameterException", text)
    code = fields["ProductCode"]
    if code not in marketplace.products:
        # What a product nobody has listed gets is not published.
        raise Refused("InvalidParameterException", f"There is no product {code!r}")
    found = [
        entitlement
        for agreement in marketplace.agreements.values()
        if agreement.product.code == code and _is_provisioned(marketplace, agreement, request)
        for entitlement in _entitlements(agreement)
        if all(entitlement.get(FILTERED[key]) in values for key, values in filters.items())
    ]
    try:
        entitlements, token = page(
            found,
            fields.get("MaxResults") or PAGE_ENTITLEMENTS,
            fields.get("NextToken"),
            [code, filters],
            empty_first=marketplace.readings.first_entitlements == "empty",
        )
    except WrongToken as error:
        text = f"NextToken {error} is not of this request"
        raise Refused("InvalidParameterException", text) from error
    return {"Entitlements": entitlements} | ({"NextToken": token} if token else {})


def _is_provisioned(marketplace: Marketplace, agreement: Agreement, request: Request) -> bool:
    """Entitlements are there while the license is active."""
    held = marketplace.licenses[agreement.license_arn]
    return held.agreement_id == agreement.id and held.state(request.at) == "active"


def _entitlements(agreement: Agreement) -> list[dict[str, Any]]:
    """The entitlements of an agreement; a new product's customer has no identifier.

    "Customers who are opting to renew their contract will still have entitlements with an
    expiration date."
    """
    customer = {"CustomerAWSAccountId": agreement.account, "LicenseArn": agreement.license_arn}
    if agreement.customer_identifier:
        customer["CustomerIdentifier"] = agreement.customer_identifier
    ends_at = agreement.ends_at
    expiration = {"ExpirationDate": ends_at.timestamp()} if ends_at else {}
    return [
        {
            "ProductCode": agreement.product.code,
            "Dimension": dimension,
            "Value": _value(value),
            **customer,
            **expiration,
        }
        for dimension, value in sorted(agreement.entitlements.items())
    ]


def _value(value: Value) -> dict[str, Value]:
    kinds = {bool: "BooleanValue", int: "IntegerValue", float: "DoubleValue", str: "StringValue"}
    return {kinds[type(value)]: value}


OPERATIONS = {"GetEntitlements": get_entitlements}
