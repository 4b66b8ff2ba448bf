"""A customer as a producer wrote it, and what the keys of its Ids begin with. Pure."""

import re
from functools import lru_cache
from hashlib import blake2b

import msgspec

from lambdas.customers.license import is_license_arn, license_key_of_arn
from lambdas.metering.forms import IDENTIFIER_CHARS_MAX, PRODUCT_CODE_CHARS_MAX
from lambdas.metering.keys import name_of_account, name_of_legacy, name_of_license
from lambdas.metering.reasons import NotUnderstoodError, Reason, shown

_ACCOUNT = re.compile(r"[0-9]{1,255}")
_PRODUCT_CODE = re.compile(r"[-a-zA-Z0-9/=:_.@]*")
_NAMES_REMEMBERED = 8_192


class Named(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """A customer as the producer wrote it; empty texts for what it did not give."""

    license_arn: str = ""
    account: str = ""
    customer_identifier: str = ""
    product_code: str = ""


# The same customers come again and again, and their texts are long to check.
@lru_cache(maxsize=_NAMES_REMEMBERED)
def customer_named(
    arn: str | None,
    account: str | None,
    identifier: str | None,
    product_code: str | None,
    default_product_code: str,
) -> tuple[Named, blake2b]:
    """Return the customer as written, and what the keys of its Ids begin with.

    Raises:
        NotUnderstoodError: nobody is named, or not as AWS Marketplace names customers.
    """
    if arn is not None and not (is_license_arn(arn) and license_key_of_arn(arn)):
        tell = f"LicenseArn is {shown(arn)}; give the whole ARN, arn:aws:license-manager:…:l-…."
        raise NotUnderstoodError(Reason.UNKNOWN_LICENSE, "LicenseArn", tell)
    if account is not None and _ACCOUNT.fullmatch(account) is None:
        tell = f"CustomerAWSAccountId is {shown(account)}; it must be the 12 digits of an account."
        raise NotUnderstoodError(Reason.UNKNOWN_CUSTOMER, "CustomerAWSAccountId", tell)
    identifier, product_code = identifier or "", product_code or ""
    if len(identifier) > IDENTIFIER_CHARS_MAX:
        tell = f"CustomerIdentifier is {shown(identifier)}; it has at most 255 characters."
        raise NotUnderstoodError(Reason.UNKNOWN_CUSTOMER, "CustomerIdentifier", tell)
    if len(product_code) > PRODUCT_CODE_CHARS_MAX or not _PRODUCT_CODE.fullmatch(product_code):
        tell = f"ProductCode is {shown(product_code)}; give it as AWS Marketplace shows it."
        raise NotUnderstoodError(Reason.UNKNOWN_CUSTOMER, "ProductCode", tell)
    named = Named(arn or "", account or "", identifier, product_code)
    if arn is not None:
        return named, name_of_license(license_key_of_arn(arn))
    if identifier:
        return named, name_of_legacy(identifier, product_code or default_product_code)
    if account is not None:
        return named, name_of_account(account, product_code)
    tell = "Nobody is named: give LicenseArn, CustomerAWSAccountId or CustomerIdentifier."
    raise NotUnderstoodError(Reason.MISSING_FIELD, "LicenseArn", tell)
