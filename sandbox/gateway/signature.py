"""Who has signed a request, for methods that AWS IAM authorises: Signature Version 4. Pure.

The signature is computed once more with botocore's own signer, from what was signed. Whoever has
the sandbox's credentials may do anything, as its account's owner; policies are not looked at.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.environment import ACCOUNT, KEY
from sandbox.gateway.http import RefusedError, Request

SERVICE = "execute-api"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request, ?SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
# "AWS Signature Version 4 requests must be within 5 minutes of the time stamp"
# (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
SKEW_MAX = timedelta(minutes=5)
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has signed."""

    access_key: str
    account: str = ACCOUNT

    @property
    def arn(self) -> str:
        """The user as IAM names it."""
        return f"arn:aws:iam::{self.account}:user/{self.access_key}"


def check_signature(request: Request, *, region: str, real_now: datetime) -> Caller:
    """Tell who has signed a request.

    A client may live in the sandbox's time, as its functions do, or in real time, as shells do.

    Args:
        request: The request as it came.
        region: Where the API is.
        real_now: The real time.

    Raises:
        RefusedError: It is not signed, or not by a key of the sandbox, or not rightly.
    """
    authorization = request.header("Authorization")
    if not authorization:
        raise RefusedError("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")
    given = AUTHORIZATION.fullmatch(authorization)
    timestamp = request.header("X-Amz-Date")
    if given is None or not timestamp:
        message = (
            "Authorization header requires 'Credential' parameter. Authorization header requires "
            "'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
        raise RefusedError("INVALID_SIGNATURE", message, "IncompleteSignatureException")
    if given["service"] != SERVICE:
        raise RefusedError(
            "INVALID_SIGNATURE", f"Credential should be scoped to correct service: '{SERVICE}'. "
        )
    if given["region"] != region:
        message = f"Credential should be scoped to a valid region, not '{given['region']}'. "
        raise RefusedError("INVALID_SIGNATURE", message)
    if given["key"] != KEY:
        message = "The security token included in the request is invalid."
        raise RefusedError("INVALID_SIGNATURE", message, "UnrecognizedClientException")
    _check_time(timestamp, request.at, real_now)
    if _signature(request, region, timestamp, given["headers"].split(";")) != given["signature"]:
        raise RefusedError("INVALID_SIGNATURE", MISMATCH)
    return Caller(given["key"])


def _check_time(timestamp: str, *nows: datetime) -> None:
    try:
        signed = datetime.strptime(timestamp, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    except ValueError as error:
        message = f"Date must be in ISO-8601 'basic format'. Got '{timestamp}'."
        raise RefusedError("INVALID_SIGNATURE", message) from error
    if all(abs(now - signed) > SKEW_MAX for now in nows):
        earliest = f"{nows[0] - SKEW_MAX:{SIGV4_TIMESTAMP}} ({nows[0]:{SIGV4_TIMESTAMP}} - 5 min.)"
        message = f"Signature expired: {timestamp} is now earlier than {earliest}"
        raise RefusedError("INVALID_SIGNATURE", message)


def _signature(request: Request, region: str, timestamp: str, names: list[str]) -> str:
    signed = AWSRequest(method=request.method, url=request.sent_to, data=request.body)
    for name in names:
        for value in request.headers.get_all(name, []):
            signed.headers[name] = value
    if "x-amz-content-sha256" in signed.headers:
        # The signer trusts this header; that it is the body's is checked here.
        signed.headers.replace_header(
            "x-amz-content-sha256", hashlib.sha256(request.body).hexdigest()
        )
    signed.context["timestamp"] = timestamp
    signer = SigV4Auth(Credentials(KEY, KEY), SERVICE, region)
    canonical = signer.canonical_request(signed)
    if sorted(names) != signer.signed_headers(signer.headers_to_sign(signed)).split(";"):
        # A header that the signer leaves out, or that is not there: no signer of AWS's does that.
        raise RefusedError("INVALID_SIGNATURE", MISMATCH)
    assert urlsplit(request.sent_to).scheme == "http"  # or the signer would not look at the body
    return str(signer.signature(signer.string_to_sign(signed, canonical), signed))
