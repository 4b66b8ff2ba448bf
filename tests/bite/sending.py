"""Bugs in what sends sealed records, and in what it makes of the answers."""

from tests.bite.bug import CORE, Bug, Edit

SEAL = "lambdas/metering/seal.py"
SUBMIT = "lambdas/metering/submit.py"
RECORDS = "lambdas/metering/records.py"
RECORDS_TESTS = "tests/unit/test_metering_records.py::"

BUGS = (
    Bug(
        "the time of a record is computed when it is sent",
        Edit(
            RECORDS,
            "datetime.fromtimestamp(frozen.timestamp_s, UTC)",
            "datetime.fromtimestamp(max(frozen.timestamp_s, who.start_s or 0), UTC)",
        ),
        form=8,
    ),
    Bug(
        "heartbeats are computed when they are sent",
        Edit(
            SEAL,
            """
    for who, zero in freezing.zeros(heartbeats, terms):
""",
            """
    for who, zero in ():
""",
        ),
        Edit(
            SUBMIT,
            """
from lambdas.metering.limiter import Limiter
""",
            """
from lambdas.customers.license import State
from lambdas.metering.hours import hour_of, start_s
from lambdas.metering.ledger import FrozenRecord
from lambdas.metering.limiter import Limiter
""",
        ),
        Edit(
            SUBMIT,
            """
    calls = wiring.table.calls()
    doubts =""",
            """
    for hour in range(hour_of(now_s) - 1, ledger.watermark + 1):
        for each in wiring.customers.in_state(State.ACTIVE):
            for dimension in wiring.terms.dimensions:
                zero = FrozenRecord(dimension, Hour(hour), 0, start_s(hour), ())
                heartbeat = SealedRecord(ledger.last, 0, each.key, zero)
                ledger.unfinished.setdefault(heartbeat.cell, heartbeat)
    calls = wiring.table.calls()
    doubts =""",
        ),
        form=8,
    ),
    Bug(
        "a quantity passes through a binary float",
        Edit(
            RECORDS,
            "micros // MICROS_PER_UNIT if whole else decimal_text(micros)",
            "micros // MICROS_PER_UNIT if whole else f'{micros / 1e6:.4f}'",
        ),
    ),
    Bug(
        "UnprocessedRecords are taken for accepted",
        Edit(
            SUBMIT,
            """
        for cell, (status, receipt) in answer.results.items():
""",
            """
        taken = answer.results | dict.fromkeys(answer.unprocessed, ('Success', ''))
        for cell, (status, receipt) in taken.items():
""",
        ),
    ),
    Bug(
        "UnprocessedRecords are forgotten",
        Edit(
            SUBMIT,
            """
        return unclear
""",
            """
        for cell in answer.unprocessed:
            self.ledger.unfinished.pop(cell, None)
        return unclear
""",
        ),
    ),
    Bug(
        "Success is taken for unconfirmed",
        Edit(
            RECORDS,
            """
        return Outcome(Status.ACCEPTED, now_s, "", receipt)
""",
            """
        status = Status.UNCONFIRMED if record.frozen.quantity else Status.ACCEPTED
        return Outcome(status, now_s, "", receipt)
""",
        ),
    ),
    Bug(
        "DuplicateRecord is taken for accepted",
        Edit(
            RECORDS,
            """
    if status == "Success":
""",
            """
    if status in ("Success", "DuplicateRecord"):
""",
        ),
        form=5,
    ),
    Bug(
        "DuplicateRecord after an earlier attempt of the same call is a conflict",
        Edit(
            SUBMIT,
            "maybe_applied=doubt or records[cell].at in elsewhere",
            "maybe_applied=records[cell].at in elsewhere",
        ),
    ),
    Bug(
        "DuplicateRecord is judged without a look at other calls",
        Edit(
            SUBMIT,
            "maybe_applied=doubt or records[cell].at in elsewhere",
            "maybe_applied=doubt",
        ),
    ),
    Bug(
        "CustomerNotSubscribed is final",
        Edit(
            RECORDS,
            """
        return self.status is not Status.PARKED
""",
            """
        return bool(self.status)
""",
        ),
    ),
    Bug(
        "no call items",
        Edit(
            SUBMIT,
            """
        self.wiring.table.put_call(call, self.wiring.now_s())
""",
            "",
        ),
        form=6,
    ),
    Bug(
        "expired although an attempt had no answer",
        Edit(
            SUBMIT,
            """
                maybe_applied=record.at in doubts,
""",
            """
                maybe_applied=False,
""",
        ),
        form=6,
    ),
    Bug(
        "a call item is deleted before the outcomes are written",
        Edit(
            SUBMIT,
            """
            answer = self.wiring.marketplace.submit(left)
""",
            """
            answer = self.wiring.marketplace.submit(left)
            if isinstance(answer, Answered):
                self.wiring.table.delete_call(call.id)
""",
        ),
    ),
    Bug(
        "a call item is deleted though its answer was lost",
        Edit(
            SUBMIT,
            """
        if not doubt:
""",
            """
        if call:
""",
        ),
    ),
    Bug(
        "no answer is taken for a refusal",
        Edit(
            SUBMIT,
            """
            elif isinstance(answer, NoAnswer):
                doubt = True
""",
            """
            elif isinstance(answer, NoAnswer):
                pass
""",
        ),
    ),
    Bug(
        "a record that an answer does not name is taken for not applied",
        Edit(
            SUBMIT,
            """
        unclear = len(answer.results) + len(answer.unprocessed) < len(records)
""",
            """
        unclear = False
""",
        ),
    ),
    Bug(
        "a call in doubt is forgotten when its first record is final",
        Edit(
            SUBMIT,
            """
        if all(
""",
            """
        if any(
""",
        ),
    ),
    Bug(
        "records expire before their window closes",
        Edit(
            RECORDS,
            "closes_s(record.frozen.timestamp_s, terms.window_hours) + LATE_S:",
            "closes_s(record.frozen.timestamp_s, terms.window_hours) - 8 * LATE_S:",
        ),
    ),
    Bug(
        "records expire the moment that their window closes, by whatever clock",
        Edit(
            RECORDS,
            """
LATE_S = 15 * 60
""",
            """
LATE_S = 0
""",
        ),
        hunters=(
            CORE,
            "tests/integration/test_metering_outcomes.py::test_a_record_is_judged_a_quarter_of_an_hour_after_its_window_closed",
        ),
    ),
    Bug(
        "a refused record is never tried again",
        Edit(
            RECORDS,
            """
    return now_s - outcome.at_s >= RETRY_PARKED_S
""",
            """
    return now_s < outcome.at_s
""",
        ),
        Edit(
            RECORDS,
            "outcome.reason == NOT_SUBSCRIBED or left_s <= LAST_TRIES_S:",
            "outcome.reason == NOT_SUBSCRIBED:",
        ),
    ),
    Bug(
        "a refused record keeps the others of its call from the bill",
        Edit(
            SUBMIT,
            """
        if len(batch.records) > 1:
            return batch.halves()
        (record,) = batch.records
""",
            """
        record, *others = batch.records
        for each in others:
            self.refused(batch.only([each.cell]), code)
""",
        ),
        hunters=(
            "tests/integration/test_metering_refusals.py::test_one_bad_record_among_fifty_costs_one_record",
        ),
    ),
    Bug(
        "records of a pending license are sent",
        Edit(
            RECORDS,
            "who is None or (who.state is State.PENDING and who.active_since_s is None)",
            "who is None",
        ),
        hunters=(RECORDS_TESTS + "test_records_that_could_not_be_taken_are_withheld",),
    ),
    Bug(
        "records of a license that has ended are dropped",
        Edit(
            RECORDS,
            "    if who is None or (who.state is State.PENDING",
            "    if who is None or who.state is State.ENDED or (who.state is State.PENDING",
        ),
        hunters=(RECORDS_TESTS + "test_a_license_in_any_state_but_pending_is_for_aws_to_judge",),
    ),
)
"""In the order of an answer's way."""
