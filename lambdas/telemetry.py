"""The one logger and the one set of metrics, and the metrics' names.

Each metric series costs money every month, so there are few, zeros are not emitted, and reasons
are in the log instead of in dimensions.
"""

from enum import StrEnum
from functools import cache

from aws_lambda_powertools import Logger, Metrics


class Metric(StrEnum):
    """Names of the metrics, in the namespace that the stack sets."""

    COUNTED = "UsageCounted"
    DUPLICATES = "UsageDuplicates"
    QUARANTINED = "UsageQuarantined"
    IN_QUARANTINE = "UsageInQuarantine"
    OLDEST_UNBILLED = "OldestUnbilledUsage"
    HOURS_SEALED = "HoursSealed"
    RECORDS_SENT = "RecordsSent"
    RECORDS_ACCEPTED = "RecordsAccepted"
    RECORDS_CONFLICT = "RecordsConflict"
    RECORDS_EXPIRED = "RecordsExpired"
    RECORDS_UNCONFIRMED = "RecordsUnconfirmed"
    CALLS_REFUSED = "CallsRefused"
    RECORDS_UNFINISHED = "RecordsUnfinished"
    RECORDS_AT_RISK = "RecordsAtRisk"
    QUANTITY_PARKED = "QuantityParked"
    FINAL_FLUSH_LEFT = "FinalFlushTimeLeft"
    TICKS = "Ticks"
    LICENSES_ENDING = "LicensesEnding"
    LICENSES_PENDING = "LicensesPending"
    LICENSES_ACTIVE = "LicensesActive"
    REGISTRATIONS = "Registrations"
    REGISTRATIONS_FAILED = "RegistrationsFailed"
    EVENTS = "SubscriptionEvents"
    EVENTS_FAILED = "SubscriptionEventsFailed"
    LICENSE_DIFFERENCES = "LicenseDifferences"


@cache
def logger() -> Logger:
    """Return the logger, made on first use."""
    return Logger()


@cache
def metrics() -> Metrics:
    """Return the metrics, made on first use."""
    return Metrics()
