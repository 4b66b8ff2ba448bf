"""What the suite is put to: an emulator of its own, any other endpoint, or AWS itself.

Against AWS, `Guard` looks at every call before it leaves and stops whatever could be billed, could
use up a buyer's token or could begin to meter a container, whichever test has made it.
"""

import json
import os
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_MARKETPLACE_METERING"
AGAINST_VARIABLE = "CONFORMANCE_AGAINST"
REDIRECTS = re.compile("AWS_ENDPOINT_URL(_MARKETPLACE_.*)?")

# License and account that nobody can have bought with: all that AWS is asked to meter names both.
NO_LICENSE = "arn:aws:license-manager::777788889999:license:l-" + "0" * 32
NO_ACCOUNT = "000000000000"
NO_TOKEN = "no-buyer-has-this-token"
NO_AGREEMENT = "agmt-nobody-has-this-one"


class Against(StrEnum):
    """What answers."""

    EMULATOR = "emulator"
    ENDPOINT = "endpoint"
    AWS = "aws"


class CouldBeBilled(AssertionError):  # noqa: N818 (says what was prevented)
    """A call that must never reach AWS."""


def against() -> Against:
    """What the environment asks for; an endpoint that is named there, unless told otherwise."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    wanted = os.environ.get(AGAINST_VARIABLE) or ("endpoint" if endpoint else "emulator")
    try:
        chosen = Against(wanted)
    except ValueError:
        text = f"{AGAINST_VARIABLE} must be {', '.join(Against)}; it is {wanted!r}"
        raise ValueError(text) from None
    if chosen is Against.ENDPOINT and not endpoint:
        raise ValueError(f"Against an endpoint, {ENDPOINT_VARIABLE} says which")
    redirects = [name for name in os.environ if REDIRECTS.fullmatch(name)]
    if chosen is Against.AWS and redirects:
        raise ValueError(f"Against AWS, unset {', '.join(redirects)}")
    return chosen


def guard(operation: str, body: bytes) -> None:
    """Stop a call that would not be harmless in a seller's account.

    Raises:
        CouldBeBilled: It could be billed, use up a token or begin to meter.
    """
    fields: dict[str, Any] = json.loads(body)
    harmless = _HARMLESS.get(operation)
    if harmless is None or not harmless(fields):
        raise CouldBeBilled(f"{operation} {fields} is not to be sent to AWS")


def protect(client: Any) -> None:
    """Let the guard look at every call of this client."""

    def look(model: Any, params: dict[str, Any], **_: Any) -> None:
        guard(model.name, params["body"])

    client.meta.events.register("before-call.*", look)


def _names_nobody(record: dict[str, Any]) -> bool:
    """A record of a license that does not exist and of an account that does not exist."""
    return (
        record.get("LicenseArn") == NO_LICENSE
        and record.get("CustomerAWSAccountId") == NO_ACCOUNT
        and not record.get("CustomerIdentifier")
    )


_HARMLESS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "BatchMeterUsage": lambda fields: (
        not fields.get("ProductCode") and all(map(_names_nobody, fields.get("UsageRecords", ())))
    ),
    # "Checks whether you have the permissions …, but does not make the request" (DryRun).
    "MeterUsage": lambda fields: fields.get("DryRun") is True,
    # These only read; the last gives tokens away, but only to buyers.
    "GetEntitlements": lambda _: True,
    "SearchAgreements": lambda _: True,
    "DescribeAgreement": lambda _: True,
    "GetAgreementEntitlements": lambda fields: fields.get("agreementId") == NO_AGREEMENT,
    "ResolveCustomer": lambda fields: fields.get("RegistrationToken") in ("", NO_TOKEN),
}
