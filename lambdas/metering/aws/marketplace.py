"""BatchMeterUsage: AWS Marketplace's metering service, its codes translated once."""

from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from lambdas.metering.hours import Hour, hour_of
from lambdas.metering.ledger import Cell
from lambdas.metering.records import (
    Answer,
    Answered,
    Batch,
    CallRefused,
    NoAnswer,
    RecordRefused,
)

RECORD_EXCEPTIONS = frozenset(
    {
        "TimestampOutOfBoundsException",
        "InvalidUsageDimensionException",
        "InvalidLicenseException",
        "InvalidCustomerIdentifierException",
        "InvalidUsageAllocationsException",
        "InvalidTagException",
        "ValidationException",
        "ValidationError",
    }
)
"""One record is wrong and fails the call (API reference of BatchMeterUsage). The validation errors
are not in the service model; taking them so keeps one bad record from stopping everybody."""

CALL_EXCEPTIONS = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "DisabledApiException",
        "AccessDeniedException",
        "AccessDenied",
        "UnauthorizedOperation",
        "OptInRequired",
        "NotAuthorized",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
    }
)
"""The caller is refused before any record is looked at (common errors of AWS services)."""


class Marketplace:
    """AWS Marketplace's metering service, in the one region that this stack submits to.

    The client must not retry: every attempt is accounted for by the tick.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def submit(self, batch: Batch) -> Answer:
        """Call BatchMeterUsage once and say what the answer means."""
        arguments: dict[str, Any] = {"UsageRecords": list(batch.usage_records)}
        if batch.legacy:
            arguments["ProductCode"] = batch.product_code
        try:
            answer = self._client.batch_meter_usage(**arguments)
        except ClientError as error:
            return _error_answer(error.response["Error"]["Code"])
        except ParamValidationError:
            return RecordRefused("ParamValidationError")
        except (EndpointConnectionError, ConnectTimeoutError, NoCredentialsError) as error:
            return CallRefused(type(error).__name__)
        except BotoCoreError as error:
            return NoAnswer(type(error).__name__)
        return _answered(batch, answer)


def _error_answer(code: str) -> Answer:
    if code in RECORD_EXCEPTIONS:
        return RecordRefused(code)
    if code == "InvalidProductCodeException":
        return CallRefused(code, product_only=True)
    if code in CALL_EXCEPTIONS:
        return CallRefused(code)
    return NoAnswer(code)


def _answered(batch: Batch, answer: dict[str, Any]) -> Answered:
    """Match what came back with what was sent: neither order nor number format is promised."""
    cells = {
        _wire_name(wire): record.cell
        for record, wire in zip(batch.records, batch.usage_records, strict=True)
    }
    results: dict[Cell, tuple[str, str]] = {}
    for each in answer.get("Results", []):
        cell = cells.get(_wire_name(each.get("UsageRecord", {})))
        if cell is not None:
            results[cell] = (each.get("Status", ""), each.get("MeteringRecordId", ""))
    unprocessed = {
        cells[name]
        for name in map(_wire_name, answer.get("UnprocessedRecords", []))
        if name in cells
    }
    return Answered(results, frozenset(unprocessed - results.keys()))


def _wire_name(wire: dict[str, Any]) -> tuple[str, str, Hour | None]:
    who = wire.get("LicenseArn") or wire.get("CustomerIdentifier") or ""
    at = wire.get("Timestamp")
    return who, wire.get("Dimension", ""), hour_of(int(at.timestamp())) if at else None
