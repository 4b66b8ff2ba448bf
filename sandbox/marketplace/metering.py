"""The operations of AWS Marketplace Metering Service (X-Amz-Target AWSMPMeteringService).

Source of every rule that names no other: botocore 1.44.5 service model, meteringmarketplace
2016-01-14, the same text as https://docs.aws.amazon.com/marketplace/latest/APIReference/.
Exceptions carry AWS's codes; their texts are ours, because AWS publishes none. Where AWS does not
say which exception a broken rule gives, a comment says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.marketplace import faults
from sandbox.marketplace.bill import Metered, MeterKey, hour_of
from sandbox.marketplace.errors import Refused
from sandbox.marketplace.rules import (
    REQUEST_BYTES_LIMIT,
    check_age,
    check_meter_usage_age,
    moment_of,
    out_of_bounds,
    quantity_of,
    read_record,
)

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.marketplace import Marketplace
    from sandbox.marketplace.agreements import Product
    from sandbox.marketplace.calls import Caller, Request
    from sandbox.marketplace.rules import License, UsageRecord

# Not in the service model's enum: what a client must survive when AWS adds a status.
STATUS_NOBODY_KNOWS = "PendingReview"


def batch_meter_usage(marketplace: Marketplace, request: Request) -> dict[str, Any]:
    """Meter up to 25 records; one that breaks a rule fails all, a customer's state only itself.

    "If any of the records are outside of the allowed range, the entire batch is not processed."
    """
    # "Each request must be less than 1 MB in size"; the exception is not published.
    if request.size_bytes >= REQUEST_BYTES_LIMIT:
        text = f"The request has {request.size_bytes} bytes, and must have less than 1 MB"
        raise Refused("ValidationException", text)
    code = request.fields.get("ProductCode") or None
    if code is not None:
        _product(marketplace, code)
    readings = marketplace.readings
    records = [read_record(raw, readings) for raw in request.fields["UsageRecords"]]
    if readings.identifier_with_account == "request" and (
        any(record.identifier for record in records) and any(record.account for record in records)
    ):
        text = "CustomerIdentifier and CustomerAWSAccountId are mutually exclusive in one request"
        raise Refused("ValidationException", text)
    holders = [_license_of(marketplace, record, code, request.at) for record in records]
    # "Each BatchMeterUsage request is for only one product"; the exception is from AWS's metering
    # skill (its address is in `rules.py`).
    if len({holder.product_code for holder in holders if holder}) > 1:
        raise Refused("InvalidLicenseException", "The licenses are of more than one product")
    for record, holder in zip(records, holders, strict=True):
        _check_dimension(marketplace, record, holder, code)
        check_age(record.timestamp, request.at, readings.window_hours)
        _check_activation(record, holder, request.at)
    return _meter_all(marketplace, request, records, holders)


def _license_of(
    marketplace: Marketplace, record: UsageRecord, code: str | None, now: datetime
) -> License | None:
    """The license a record is for; None if its customer has none, which is a status, no exception.

    New products name the license and the account ("for each UsageRecord", ResolveCustomerResult),
    legacy ones the product code and the customer.
    """
    if record.license_arn is not None:
        return _license_by_arn(marketplace, record, code)
    if code is None:
        if record.identifier is not None:
            raise Refused("InvalidProductCodeException", "CustomerIdentifier needs a ProductCode")
        raise Refused("InvalidLicenseException", "A record has neither license nor product code")
    if not marketplace.products[code].legacy:
        # "New SaaS products must use … LicenseArn (instead of ProductCode)"; the exception is not
        # published.
        raise Refused("InvalidLicenseException", f"Product {code} is metered by LicenseArn")
    bought = [
        holder
        for holder in reversed(marketplace.licenses.values())
        if holder.product_code == code and holder.belongs_to(record.account, record.identifier)
    ]
    if not bought and record.account is None:
        # "You have metered usage for a CustomerIdentifier that does not exist", and, under the
        # status CustomerNotSubscribed, "the customer identifier is invalid": both are in the model.
        if record.identifier is None or marketplace.readings.unknown_identifier == "exception":
            raise Refused(
                "InvalidCustomerIdentifierException",
                f"Product {code} has no customer {record.identifier!r}",
            )
        return None
    reporting = [holder for holder in bought if holder.takes_reports(now)]
    covering = [holder for holder in reporting if holder.covers(record.timestamp)]
    return next(iter(covering or reporting or bought), None)


def _license_by_arn(marketplace: Marketplace, record: UsageRecord, code: str | None) -> License:
    """The license, if it "is valid, matches the customer" (InvalidLicenseException)."""
    holder = marketplace.licenses.get(record.license_arn or "")
    if holder is None:
        raise Refused("InvalidLicenseException", f"There is no license {record.license_arn}")
    if code is not None and marketplace.readings.code_with_license == "refused":
        raise Refused("InvalidLicenseException", "LicenseArn and ProductCode exclude each other")
    if code is not None and code != holder.product_code:
        text = f"{holder.arn} is not a license of product {code}"
        raise Refused("InvalidLicenseException", text)
    if record.identifier is not None and not marketplace.products[holder.product_code].legacy:
        # "BatchMeterUsage does not support CustomerIdentifier for new integrations"; the exception
        # is not published.
        text = "CustomerIdentifier is not supported for this product"
        raise Refused("InvalidCustomerIdentifierException", text)
    if not holder.belongs_to(record.account, record.identifier):
        named = record.account or record.identifier or "nobody"
        raise Refused("InvalidLicenseException", f"{holder.arn} is not a license of {named}")
    return holder


def _check_dimension(
    marketplace: Marketplace, record: UsageRecord, holder: License | None, code: str | None
) -> None:
    """Only "UsageDimensions associated with products", and then only those of the offer."""
    known = holder.dimensions if holder else marketplace.products[code or ""].dimensions
    if record.dimension not in known:
        text = f"{record.dimension!r} is not one of {', '.join(sorted(known))}"
        raise Refused("InvalidUsageDimensionException", text)


def _check_activation(record: UsageRecord, holder: License | None, now: datetime) -> None:
    """Usage of a time when the license was not active, though the customer is subscribed now.

    "Usage is within the license activation period" (InvalidLicenseException); by product code,
    "not before the start of the software usage" (UsageRecord$Timestamp).
    """
    if holder is None or not holder.takes_reports(now) or holder.covers(record.timestamp):
        return
    if record.license_arn is not None:
        text = f"{record.timestamp:%FT%TZ} is outside the activation period of {holder.arn}"
        raise Refused("InvalidLicenseException", text)
    raise out_of_bounds(f"the customer was not subscribed at {record.timestamp:%FT%TZ}")


def _meter_all(
    marketplace: Marketplace,
    request: Request,
    records: list[UsageRecord],
    holders: list[License | None],
) -> dict[str, Any]:
    """Apply records that break no rule, but for those an injected fault strikes."""
    results: list[dict[str, Any]] = []
    unprocessed = []
    code = request.fields.get("ProductCode") or None
    for index, (record, holder) in enumerate(zip(records, holders, strict=True)):
        fault = request.fault.of_record(index) if request.fault else None
        if fault == faults.UNPROCESSED:
            unprocessed.append(record.raw)
            continue
        if fault == faults.OMIT:
            continue
        if fault == faults.UNKNOWN_STATUS:
            results.append({"UsageRecord": record.raw, "Status": STATUS_NOBODY_KNOWS})
            continue
        if fault == faults.NOT_SUBSCRIBED or not (holder and holder.takes_reports(request.at)):
            results.append({"UsageRecord": record.raw, "Status": "CustomerNotSubscribed"})
            continue
        result = _meter(marketplace, record, holder, code)
        if fault != faults.OMIT_APPLIED:
            results.append(result)
    return {"Results": results, "UnprocessedRecords": unprocessed}


def _meter(
    marketplace: Marketplace, record: UsageRecord, holder: License, code: str | None
) -> dict[str, Any]:
    """Meter one record, unless its hour has another quantity already.

    "A previously metered UsageRecord had the same customer, dimension, and time, but a different
    quantity"; quantities "are compared by value" (UsageRecordResult$Status, UsageRecord). Whether
    other allocations with an equal total are the same is not published: here they are.
    """
    readings = marketplace.readings
    when = hour_of(record.timestamp) if readings.same_time == "hour" else record.timestamp
    key = MeterKey(record.license_arn, holder.product_code, holder.account, record.dimension, when)
    new = Metered(marketplace.new_id(), record.quantity, record.timestamp)
    first = marketplace.bill.enter(key, new)
    if record.license_arn is not None and code is not None:
        # "Sending metering records with both ProductCode and LicenseArn for the same customer
        # within the same hour will result in duplicate billing" (BatchMeterUsageRequest).
        marketplace.bill.enter(replace(key, license_arn=None), new)
    resent = first is not new
    if first.quantity != record.quantity or (resent and readings.identical_resend == "duplicate"):
        return {"UsageRecord": record.raw, "Status": "DuplicateRecord"}
    return {"UsageRecord": record.raw, "MeteringRecordId": first.record_id, "Status": "Success"}


def resolve_customer(marketplace: Marketplace, request: Request) -> dict[str, Any]:
    """Say whose registration token this is."""
    text = request.fields["RegistrationToken"]
    token = marketplace.tokens.get(text)
    if token is None:
        raise Refused("InvalidTokenException", "Registration token is invalid")
    readings = marketplace.readings
    minutes = token.minutes or readings.token_minutes
    too_old = request.at - token.issued_at >= timedelta(minutes=minutes)
    if too_old or (token.used and readings.resubmission == "expired"):
        raise Refused("ExpiredTokenException", "The submitted registration token has expired")
    marketplace.tokens[text] = replace(token, used=True)
    holder = marketplace.licenses[token.license_arn]
    reply: dict[str, Any] = {
        "CustomerIdentifier": holder.customer_identifier,
        "ProductCode": holder.product_code,
        "CustomerAWSAccountId": holder.account,
    }
    if marketplace.products[holder.product_code].legacy:
        return reply
    again = holder.arn in marketplace.resolved_licenses
    marketplace.resolved_licenses.add(holder.arn)
    if again or readings.license_in_first_answer:
        reply["LicenseArn"] = holder.arn
    return reply | {"Metadata": {"AgreementId": holder.agreement_id}}


def meter_usage(marketplace: Marketplace, request: Request) -> dict[str, Any]:
    """Meter usage of software in the buyer's account, once per hour, dimension and resource.

    Who calls is in the signature only: an access key id of twelve digits is the buyer's account,
    and every access key is a resource of its own.
    """
    fields, caller = request.fields, request.caller
    if fields.get("DryRun"):
        # "If you have the permissions, the request returns DryRunOperation"; its status is not
        # published.
        raise Refused("DryRunOperation", "Request would have succeeded, but DryRun flag is set")
    product = _product(marketplace, fields["ProductCode"])
    if marketplace.resource_region not in (None, caller.region):
        text = f"The resource is in {marketplace.resource_region}, the endpoint in {caller.region}"
        raise Refused("InvalidEndpointRegionException", text)
    moment = moment_of(fields["Timestamp"])
    holder = _entitled(marketplace, product, caller, request.at)
    if fields["UsageDimension"] not in holder.dimensions:
        text = f"{fields['UsageDimension']!r} is not a dimension of {product.code}"
        raise Refused("InvalidUsageDimensionException", text)
    check_meter_usage_age(moment, request.at)
    if not holder.covers(moment):
        raise out_of_bounds(f"the customer was not subscribed at {moment:%FT%TZ}")
    quantity = quantity_of(fields, "UsageQuantity", "UsageQuantityAsDecimal", marketplace.readings)
    token = fields.get("ClientToken")
    allocations = json.dumps(fields.get("UsageAllocations"), sort_keys=True)
    asked = (product.code, moment, fields["UsageDimension"], quantity, allocations)
    before = marketplace.client_tokens.get((caller.access_key_id, token)) if token else None
    if before is not None:
        if before[0] != asked:
            text = "The ClientToken is being used for multiple requests"
            raise Refused("IdempotencyConflictException", text)
        return {"MeteringRecordId": before[1]}
    key = MeterKey(
        license_arn=None,
        product_code=product.code,
        account=holder.account,
        dimension=fields["UsageDimension"],
        when=_once_per(marketplace, moment, token),
        resource=caller.access_key_id,
    )
    first = marketplace.bill.enter(key, Metered(marketplace.new_id(), quantity, moment))
    if first.quantity != quantity:
        text = f"This resource has metered {first.quantity} for that hour already"
        raise Refused("DuplicateRequestException", text)
    if token:
        marketplace.client_tokens[caller.access_key_id, token] = (asked, first.record_id)
    return {"MeteringRecordId": first.record_id}


def _once_per(marketplace: Marketplace, moment: datetime, token: str | None) -> datetime | str:
    """The hour; on Bedrock AgentCore the ClientToken, so that several in an hour add up."""
    if marketplace.platform != "agentcore":
        return hour_of(moment)
    if not token:
        # "You must include an idempotency token"; the exception is not published.
        raise Refused("ValidationException", "ClientToken is required on this platform")
    return token


def register_usage(marketplace: Marketplace, request: Request) -> dict[str, Any]:
    """Register a container, and confirm it with a JWT.

    The JWT has the right form and claims, but nobody outside can verify it: the key is the
    emulator's.
    """
    fields, caller = request.fields, request.caller
    product = _product(marketplace, fields["ProductCode"])
    if marketplace.resource_region not in (None, caller.region):
        text = f"The task is in {marketplace.resource_region}, the endpoint in {caller.region}"
        raise Refused("InvalidRegionException", text)
    # "Currently, Amazon ECS, Amazon EKS, and Fargate are supported."
    if marketplace.platform not in ("ecs", "eks"):
        text = f"Usage on {marketplace.platform} can't be registered"
        raise Refused("PlatformNotSupportedException", text)
    version = fields["PublicKeyVersion"]
    if version > product.public_key_version:
        text = f"The newest public key is {product.public_key_version}"
        raise Refused("InvalidPublicKeyVersionException", text)
    # Without a subscription it "will only be thrown on the initial call".
    if (caller.access_key_id, product.code) not in marketplace.registered:
        _entitled(marketplace, product, caller, request.at)
        marketplace.registered.add((caller.access_key_id, product.code))
    claims = {
        "productCode": product.code,
        "publicKeyVersion": version,
        "issuedAt": int(request.at.timestamp()),
        "nonce": fields.get("Nonce", ""),
    }
    signed = f"{_base64url({'alg': 'PS256', 'typ': 'JWT'})}.{_base64url(claims)}"
    signature = base64.urlsafe_b64encode(hashlib.sha256(signed.encode()).digest()).rstrip(b"=")
    reply: dict[str, Any] = {"Signature": f"{signed}.{signature.decode()}"}
    rotated_at = product.public_key_rotated_at
    if version < product.public_key_version and rotated_at is not None:
        # "Only included when public key version has expired."
        reply["PublicKeyRotationTimestamp"] = rotated_at.timestamp()
    return reply


def _product(marketplace: Marketplace, code: str) -> Product:
    product = marketplace.products.get(code)
    if product is None:
        raise Refused("InvalidProductCodeException", f"There is no product {code!r}")
    return product


def _entitled(marketplace: Marketplace, product: Product, caller: Caller, now: datetime) -> License:
    for holder in marketplace.licenses.values():
        theirs = holder.product_code == product.code and caller.account in (None, holder.account)
        if theirs and holder.takes_reports(now):
            return holder
    text = f"The customer has no valid subscription for {product.code}"
    raise Refused("CustomerNotEntitledException", text)


def _base64url(part: dict[str, Any]) -> str:
    text = json.dumps(part, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


OPERATIONS = {
    "BatchMeterUsage": batch_meter_usage,
    "MeterUsage": meter_usage,
    "RegisterUsage": register_usage,
    "ResolveCustomer": resolve_customer,
}
