"""How the Marketplace emulator says no.

Exception
├── Refused                 AWS's answer to an API call: code, message, HTTP status
└── ValueError
    └── Unacceptable        our answer to whoever sets the stage: field, what it was, what it takes
"""

import json
from collections.abc import Mapping

# The status of every code that is not a plain 400, where the service's model does not say it.
# InternalServiceErrorException is the only shape marked as a fault in botocore 1.44.5's models of
# metering and entitlements; the others are on "Common errors",
# https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/common-errors.html. Throttling is 400.
HTTP_STATUS = {
    "InternalServiceErrorException": 500,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "UnrecognizedClientException": 403,
    "InvalidClientTokenId": 403,
    "OptInRequired": 403,
    "InvalidSignatureException": 403,
}


class Refused(Exception):  # noqa: N818 (a word of the domain; "RefusedError" says nothing more)
    """AWS answers this call with an error, and nothing of the call has been applied.

    Args:
        code: Of the exception.
        message: Its text.
        status: Another HTTP status than the exception's own.
        details: The exception's other members.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.details = details or {}


class Unacceptable(ValueError):  # noqa: N818 (as above)
    """The emulator cannot be set up like this."""

    def __init__(self, field: str, was: object, expected: str) -> None:
        found = "missing" if was is None else json.dumps(was, ensure_ascii=False, default=str)
        super().__init__(f"{field} must be {expected}; it is {found}")
        self.field = field
        self.was = was
        self.expected = expected
