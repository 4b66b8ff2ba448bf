"""What one tick did, for the log, the metrics and whoever invoked it. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lambdas.metering.hours import hour_text
from lambdas.metering.ledger import SealedRecord
from lambdas.metering.quantities import decimal_text
from lambdas.metering.records import Outcome, Status
from lambdas.metering.risk import Risk
from lambdas.metering.usage import Reason

ATTENTION_RECORDS_MAX = 50
"""Named in a summary; the ledger has all of them. It keeps the log line small."""

UNBILLED = frozenset({Status.PARKED, Status.CONFLICT, Status.EXPIRED, Status.UNCONFIRMED})


@dataclass(slots=True)
class Summary:
    """Counts of one tick.

    Attributes:
        dry_run: whether AWS Marketplace was not to be called.
        messages: taken from the usage queue and deleted again.
        counted: usage added to the ledger.
        duplicates: usage that was in the ledger already.
        quarantined: usage that could not be counted, by reason.
        hours_sealed: how far the watermark moved.
        records_sealed: usage records frozen.
        calls: attempts of BatchMeterUsage.
        records_sent: records that were in a call.
        outcomes: what became of records, by status.
        anothers: records that ended unsent, since an older submitter bills their hours.
        attention: the first of those that a person should look at: refused, too late, in doubt.
        refusals: codes with which AWS Marketplace refused a call or did not answer.
        calls_refused: how many of those were not about a single record.
        drained: whether the queue was certainly emptied; where that does not matter, an empty one
            is not looked at closely enough to tell.
        out_of_time: whether work was left for the next tick.
        risk: what is not on the bill yet.
        ending: licenses whose last hour of reporting runs.
        final_flush_left_s: what is left of that hour to the first of them with usage that is not
            on the bill; None without any.
        in_quarantine: how much usage waits there, if it was counted in this tick.
    """

    dry_run: bool = False
    messages: int = 0
    counted: int = 0
    duplicates: int = 0
    quarantined: Counter[Reason] = field(default_factory=Counter)
    hours_sealed: int = 0
    records_sealed: int = 0
    calls: int = 0
    records_sent: int = 0
    outcomes: Counter[Status] = field(default_factory=Counter)
    anothers: int = 0
    attention: list[dict[str, str]] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    calls_refused: int = 0
    drained: bool = False
    out_of_time: bool = False
    risk: Risk = field(default_factory=Risk)
    ending: int = 0
    final_flush_left_s: int | None = None
    in_quarantine: int | None = None

    def note(self, record: SealedRecord, outcome: Outcome) -> None:
        """Count an outcome, and keep the record for a person if it is not on the bill.

        Left out is what nobody expects on the bill: of hours that another submitter bills, and
        what was counted when a dry-run marked it.
        """
        if outcome.reason == Reason.BEFORE_METERING_FROM:
            self.anothers += 1
            return
        if outcome.status is Status.DRY_RUN and outcome.is_final:
            return
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
            "metering": "dry-run" if self.dry_run else "live",
            "messages": self.messages,
            "counted": self.counted,
            "duplicates": self.duplicates,
            "quarantined": {str(reason): count for reason, count in self.quarantined.items()},
            "hours_sealed": self.hours_sealed,
            "records_sealed": self.records_sealed,
            "calls": self.calls,
            "records_sent": self.records_sent,
            "outcomes": {str(status): count for status, count in self.outcomes.items()},
            "before_metering_from": self.anothers,
            "attention": self.attention,
            "refusals": dict(self.refusals),
            "calls_refused": self.calls_refused,
            "drained": self.drained,
            "out_of_time": self.out_of_time,
            "oldest_unbilled_seconds": self.risk.oldest_s,
            "unfinished_records": self.risk.unfinished,
            "unfinished_quantity": decimal_text(self.risk.micros),
            "parked_quantity": decimal_text(self.risk.micros_parked),
            "at_risk_records": self.risk.at_risk,
            "risk_left_seconds": self.risk.left_s,
            "licenses_ending": self.ending,
            "final_flush_left_seconds": self.final_flush_left_s,
            "in_quarantine": self.in_quarantine,
        }
