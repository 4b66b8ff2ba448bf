"""What goes wrong in AWS, as a sentence for the person at the keyboard."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from lambdas.variables import EnvironmentInvalidError
from lambdas.versions import UnknownVersionError
from ops.errors import OperatorError

NOT_AWS = "What answers is not AWS: the sandbox, for one, does not know this call."

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_STALE = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)

OURS = (OperatorError, UnknownVersionError, EnvironmentInvalidError)
"""What says by itself what is wrong."""

AWS = (BotoCoreError, ClientError, ResponseParserError)
"""What boto3 raises where AWS refuses, cannot be reached, or is not AWS."""

EXPECTED = (*OURS, *AWS)
"""What `sentence` knows how to say; everything else is a fault of ours and keeps its traceback."""


def sentence(error: Exception) -> str:
    """Say what went wrong, and where AWS said it, which of its words to look up."""
    if isinstance(error, OURS):
        return str(error)
    if isinstance(error, NoCredentialsError):
        return "There are no AWS credentials: set AWS_PROFILE or give --profile."
    if isinstance(error, ProfileNotFound):
        return f"{error}; `aws configure list-profiles` names those there are."
    if isinstance(error, NoRegionError):
        return "There is no region: give --region, such as --region us-east-1."
    if isinstance(error, ClientError):
        return _sentence_of_answer(error)
    if isinstance(error, ResponseParserError):
        return NOT_AWS
    return f"AWS cannot be reached: {error}"


def _sentence_of_answer(error: ClientError) -> str:
    code, message = code_of(error), error.response["Error"].get("Message", "")
    if code.isdigit():
        # No name of an error, but the status of a page.
        return NOT_AWS
    if code in _DENIED:
        return (
            f"AWS denies {error.operation_name}: {message} docs/operate.md has the policies that"
            " the commands need."
        )
    if code in _STALE:
        return f"AWS does not take these credentials ({code}): sign in again."
    return f"AWS answers {error.operation_name} with {code}: {message}"


def code_of(error: ClientError) -> str:
    """Return AWS's name of an error."""
    return str(error.response["Error"].get("Code", "an unknown error"))
