"""Reconciliation: ask AWS Marketplace for its agreements, and compare."""

from collections.abc import Sequence

from lambdas.customers.license import (
    License,
    LicenseKey,
    State,
    is_license_arn,
    license_key_of_arn,
)
from lambdas.customers.table import CustomersTable
from lambdas.subscription.aws import Agreements
from lambdas.subscription.differences import (
    Finding,
    finding_of_license,
    finding_of_registrations,
    findings_of_active,
)

OPEN = (State.PENDING, State.ACTIVE)
"""States of licenses whose end may have been missed."""


def open_licenses(customers: CustomersTable) -> list[License]:
    """Read the licenses whose end may have been missed."""
    return [each for state in OPEN for each in customers.in_state(state)]


def differences(
    customers: CustomersTable,
    agreements: Agreements,
    ours: Sequence[License],
    *,
    product_ids: Sequence[str],
    product_code: str,
    asked_ms: int,
) -> list[Finding]:
    """List what differs between AWS Marketplace's agreements and our licenses.

    Args:
        customers: our licenses.
        agreements: AWS Marketplace's agreements.
        ours: our open licenses.
        product_ids: whose agreements to go through; licenses of other products are asked for one
            by one, and unknown ones among them cannot be found.
        product_code: of a product that no license of ours tells the code of.
        asked_ms: the time, milliseconds since the epoch.
    """
    codes = {each.product_id: each.product_code for each in ours if each.product_code}
    found: list[Finding] = []
    in_force: set[LicenseKey] = set()
    for product_id in product_ids:
        code = codes.get(product_id, product_code)
        for agreement in agreements.active(product_id):
            keys = {license_key_of_arn(arn) for arn in agreement.license_arns}
            in_force |= keys
            known = customers.licenses(keys)
            found += findings_of_active(agreement, known, code, asked_ms)
    for each in ours:
        missing, unregistered = each.key not in in_force, each.registered_s is None
        if not is_license_arn(each.arn) or not (missing or unregistered):
            continue
        all_of_it = agreements.of_license(each.arn)
        findings = []
        if missing:
            findings.append(finding_of_license(each, all_of_it, asked_ms))
        if unregistered:
            registrations = [
                event for one in all_of_it for event in customers.registrations_for(one.id)
            ]
            findings.append(finding_of_registrations(each, registrations, asked_ms))
        found += [finding for finding in findings if finding is not None]
    return found
