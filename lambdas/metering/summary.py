"""What one tick did, for the log, the metrics and whoever invoked it. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lambdas.metering.hours import hour_text
from lambdas.metering.ledger import SealedRecord
from lambdas.metering.quantities import decimal_text
from lambdas.metering.records import Outcome, Status
from lambdas.metering.usage import Reason

ATTENTION_RECORDS_MAX = 50
"""Named in a summary; the ledger has all of them. It keeps the log line small."""

UNBILLED = frozenset({Status.PARKED, Status.CONFLICT, Status.EXPIRED, Status.UNCONFIRMED})


@dataclass(slots=True)
class Summary:
    """Counts of one tick.

    Attributes:
        messages: taken from the usage queue and deleted again.
        counted: usage added to the ledger.
        duplicates: usage that was in the ledger already.
        quarantined: usage that could not be counted, by reason.
        hours_sealed: how far the watermark moved.
        records_sealed: usage records frozen.
        calls: attempts of BatchMeterUsage.
        records_sent: records that were in a call.
        outcomes: what became of records, by status.
        attention: the first of those that a person should look at: refused, too late, in doubt.
        refusals: codes with which AWS Marketplace refused a call or did not answer.
        drained: whether the queue was emptied.
        out_of_time: whether work was left for the next tick.
        oldest_unsealed_s: how long ago the oldest hour with open usage began; None without any.
        unfinished: sealed records without a final outcome, heartbeats aside.
        micros_at_risk: their quantity, in 10⁻⁶.
        risk_left_s: how long the window of the first of them is still open; None without any.
    """

    messages: int = 0
    counted: int = 0
    duplicates: int = 0
    quarantined: Counter[Reason] = field(default_factory=Counter)
    hours_sealed: int = 0
    records_sealed: int = 0
    calls: int = 0
    records_sent: int = 0
    outcomes: Counter[Status] = field(default_factory=Counter)
    attention: list[dict[str, str]] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    drained: bool = False
    out_of_time: bool = False
    oldest_unsealed_s: int | None = None
    unfinished: int = 0
    micros_at_risk: int = 0
    risk_left_s: int | None = None

    def note(self, record: SealedRecord, outcome: Outcome) -> None:
        """Count an outcome, and keep the record for a person if it is not on the bill."""
        self.outcomes[outcome.status] += 1
        if outcome.status in UNBILLED and len(self.attention) < ATTENTION_RECORDS_MAX:
            self.attention.append(
                {
                    "license": record.license,
                    "dimension": record.frozen.dimension,
                    "hour": hour_text(record.frozen.hour),
                    "quantity": decimal_text(record.frozen.quantity),
                    "status": str(outcome.status),
                    "reason": outcome.reason,
                }
            )

    def as_json(self) -> dict[str, Any]:
        """Write the counts as JSON: what an invocation of the function answers."""
        return {
            "messages": self.messages,
            "counted": self.counted,
            "duplicates": self.duplicates,
            "quarantined": {str(reason): count for reason, count in self.quarantined.items()},
            "hours_sealed": self.hours_sealed,
            "records_sealed": self.records_sealed,
            "calls": self.calls,
            "records_sent": self.records_sent,
            "outcomes": {str(status): count for status, count in self.outcomes.items()},
            "attention": self.attention,
            "refusals": dict(self.refusals),
            "drained": self.drained,
            "out_of_time": self.out_of_time,
            "oldest_unsealed_seconds": self.oldest_unsealed_s,
            "unfinished_records": self.unfinished,
            "quantity_at_risk": decimal_text(self.micros_at_risk),
            "risk_left_seconds": self.risk_left_s,
        }
