"""Submit sealed records to AWS Marketplace until each has a final outcome.

A record goes out unchanged, however often. Before a call, a call item names its records; it is
deleted when the answer is written down, and so tells every later reader what may have been applied
without an answer. Anything that fails leaves the records as they are, for the next tick.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from threading import Lock

from lambdas.customers.license import LicenseKey
from lambdas.metering.aws import Call, Place, Settled
from lambdas.metering.hours import Hour, closes_s
from lambdas.metering.ledger import Cell, Ledger, SealedRecord
from lambdas.metering.limiter import Limiter
from lambdas.metering.records import (
    NOT_SUBSCRIBED,
    Answer,
    Answered,
    Batch,
    CallRefused,
    Due,
    NoAnswer,
    Outcome,
    RecordRefused,
    Status,
    batches,
    is_due,
    may_be_sent,
    outcome_of_refusal,
    outcome_of_result,
    too_late,
)
from lambdas.metering.risk import risk
from lambdas.metering.summary import Summary
from lambdas.metering.wiring import Wiring

CHUNK_RECORDS = 2500
"""Records whose outcomes are read at a time: a hundred calls, ten seconds of submitting."""

TRIES_MAX = 3
"""Attempts of one call in one tick where records are unprocessed or the answer is lost."""

RETRY_WAIT_S = 1.0
"""Waited before another attempt, doubled each time."""

LOST_ANSWERS_MAX = 3
"""Attempts in a row whose answers were lost; then the tick stops, and leaves one call or a few in
doubt instead of all."""

ENDING_DOUBTS_MAX = 3
"""Calls without an answer after which records of a license that ends must let others go first."""

SETTLED_LISTED_MAX = 1000
"""Unfinished records that the hint lists one by one, some 10 KB."""


def submit(
    wiring: Wiring,
    summary: Summary,
    ledger: Ledger,
    *,
    ending: Collection[LicenseKey],
    until_s: float,
) -> None:
    """Send what is due, judge what is too late, and note from where on records are unfinished.

    Licenses that end go first: AWS Marketplace takes their last records for an hour only. Records
    in calls that were never answered go last, in smaller and smaller calls, for one of them may be
    why there is no answer. In a dry-run nothing is sent; what would be is marked.
    """
    submission = _Submission(wiring, summary, ledger, until_s)
    # The time is taken before the call items are read: whoever sends later saw a later time.
    now_s = wiring.now_s()
    calls = wiring.table.calls()
    doubts = Counter(place for call in calls for place in call.places)
    waiting = sorted(
        _not_marked(wiring, ledger, now_s) if wiring.terms.dry_run else ledger.unfinished.values(),
        key=lambda each: (
            each.license not in ending or doubts[each.at] > ENDING_DOUBTS_MAX,
            doubts[each.at],
            each.frozen.timestamp_s,
            *each.at,
        ),
    )
    for at in range(0, len(waiting), CHUNK_RECORDS):
        if submission.stopped or wiring.clock() >= until_s:
            break
        submission.submit_chunk(waiting[at : at + CHUNK_RECORDS], doubts, now_s)
    submission.send(submission.again)
    summary.out_of_time |= wiring.clock() >= until_s
    _forget_calls(wiring, ledger, calls)
    _note_settled(wiring, ledger)
    summary.risk = risk(ledger, submission.known, now_s=wiring.now_s(), terms=wiring.terms)


@dataclass(slots=True)
class _Submission:
    """The calls of one tick."""

    wiring: Wiring
    summary: Summary
    ledger: Ledger
    until_s: float
    stopped: bool = False
    products_stopped: set[str] = field(default_factory=set)
    lost_in_a_row: int = 0
    known: dict[Cell, Outcome] = field(default_factory=dict)
    again: list[Due] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    limiter: Limiter = field(init=False)

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.wiring.clock, self.wiring.sleep)

    def submit_chunk(
        self, chunk: Sequence[SealedRecord], doubts: Counter[Place], now_s: int
    ) -> None:
        """Read what is known of some records, then judge and send."""
        known = self.wiring.outcomes.read(each.cell for each in chunk)
        self.known |= known
        licenses = self.wiring.customers.licenses({each.license for each in chunk})
        due: list[Due] = []
        late: list[tuple[SealedRecord, Outcome]] = []
        for record in chunk:
            outcome = known.get(record.cell)
            if outcome is not None and outcome.is_final:
                del self.ledger.unfinished[record.cell]
                continue
            judged = too_late(
                record,
                outcome,
                maybe_applied=record.at in doubts,
                now_s=now_s,
                terms=self.wiring.terms,
            )
            who = licenses.get(record.license)
            if judged is not None:
                late.append((record, judged))
            elif (
                who is not None
                and may_be_sent(who)
                and is_due(record, outcome, now_s=now_s, terms=self.wiring.terms)
            ):
                due.append(Due(record, who, outcome, doubts[record.at]))
        for _ in self.wiring.parallel(lambda each: self.write(*each), late):
            pass
        if self.wiring.terms.dry_run:
            self.mark(due, now_s)
            return
        due = self.take_back_marks(due)
        # Refused records go one to a call, and must not use up the calls of others.
        self.again += [each for each in due if each.was_refused]
        self.send(each for each in due if not each.was_refused)

    def mark(self, due: Iterable[Due], now_s: int) -> None:
        """Write down that records would be sent if this were no dry-run.

        What was refused keeps its reason. What may have been applied gets no mark, since it would
        say that nothing was sent.
        """
        mark = Outcome(Status.DRY_RUN, now_s)
        unsent = [each.record for each in due if each.outcome is None and not each.doubts]
        for _ in self.wiring.parallel(lambda each: self.write(each, mark), unsent):
            pass
        self.ledger.marked.update(each.record.cell for each in due if each.is_marked)

    def take_back_marks(self, due: Sequence[Due]) -> list[Due]:
        """Forget that a dry-run held records back: from now on they end as any others do."""
        marked = [each.record.cell for each in due if each.is_marked]
        for _ in self.wiring.parallel(self.wiring.outcomes.delete_mark, marked):
            pass
        return [replace(each, outcome=None) if each.is_marked else each for each in due]

    def send(self, due: Iterable[Due]) -> None:
        """Send records in the order given, those of equal doubts together."""
        for _, alike in groupby(due, key=lambda each: each.doubts):
            for _ in self.wiring.parallel(self.submit_batch, batches(alike)):
                pass

    def submit_batch(self, batch: Batch) -> None:
        """Send one call's records, in halves if one of them spoils it."""
        if self.may_go_on(batch):
            for half in self.call(batch):
                self.submit_batch(half)

    def may_go_on(self, batch: Batch) -> bool:
        stopped = self.stopped or batch.product_code in self.products_stopped
        return not stopped and self.wiring.clock() < self.until_s

    def call(self, batch: Batch) -> Sequence[Batch]:
        """Make one call, again where that helps, and write down what became of its records.

        Returns:
            The halves to send instead, if one record of several was refused; else nothing.
        """
        call = Call(self.wiring.new_id(), frozenset(each.at for each in batch.records))
        self.wiring.table.put_call(call, self.wiring.now_s())
        left, doubt = batch, False
        halves: Sequence[Batch] = ()
        for attempt in range(TRIES_MAX):
            if attempt:
                self.wiring.sleep(RETRY_WAIT_S * 2 ** (attempt - 1))
            self.limiter.wait()
            left = self.with_open_window(left)
            if not left.records or not self.may_go_on(left):
                break
            self.count_call(left)
            answer = self.wiring.marketplace.submit(left)
            self.count_answer(left, answer)
            if isinstance(answer, Answered):
                doubt |= self.write_results(call, left, answer, doubt=doubt)
                left = left.only(
                    each.cell for each in left.records if each.cell not in answer.results
                )
                if not left.records:
                    break
            elif isinstance(answer, NoAnswer):
                doubt = True
            else:
                if isinstance(answer, RecordRefused):
                    halves = self.refused(left, answer.code)
                break
        if not doubt:
            self.wiring.table.delete_call(call.id)
        return halves

    def with_open_window(self, batch: Batch) -> Batch:
        """Leave out records whose window closed while the call waited for its turn."""
        now_s, window_hours = self.wiring.now_s(), self.wiring.terms.window_hours
        return batch.only(
            each.cell
            for each in batch.records
            if now_s < closes_s(each.frozen.timestamp_s, window_hours)
        )

    def write_results(self, call: Call, batch: Batch, answer: Answered, *, doubt: bool) -> bool:
        """Write the outcomes of an answer, and tell whether some record is in doubt after it."""
        records = {each.cell: each for each in batch.records}
        statuses = {status for status, _ in answer.results.values()}
        elsewhere = self.places_in_other_calls(call) if "DuplicateRecord" in statuses else set()
        now_s = self.wiring.now_s()
        unclear = len(answer.results) + len(answer.unprocessed) < len(records)
        accepted: list[tuple[SealedRecord, Outcome]] = []
        for cell, (status, receipt) in answer.results.items():
            outcome = outcome_of_result(
                records[cell],
                status,
                receipt,
                maybe_applied=doubt or records[cell].at in elsewhere,
                now_s=now_s,
            )
            if outcome is None:
                unclear = True
                with self.lock:
                    self.summary.refusals[f"unknown status {status}"] += 1
                    self.summary.calls_refused += 1
            elif outcome.status is Status.ACCEPTED:
                accepted.append((records[cell], outcome))
            else:
                self.write(records[cell], outcome)
        self.write_accepted(accepted)
        return unclear

    def places_in_other_calls(self, call: Call) -> set[Place]:
        """Read, after an answer, which records another unanswered call of ours may have sent."""
        calls = self.wiring.table.calls()
        return {place for each in calls if each.id != call.id for place in each.places}

    def refused(self, batch: Batch, code: str) -> Sequence[Batch]:
        """Park a record that was refused alone; a batch is halved to find it."""
        if len(batch.records) > 1:
            return batch.halves()
        (record,) = batch.records
        now_s = self.wiring.now_s()
        outcome = outcome_of_refusal(record, code, now_s=now_s)
        if outcome.status is Status.REFUSED:
            self.wiring.table.put_refused_zero(record.license, record.frozen.dimension, now_s)
        self.write(record, outcome)
        return ()

    def write_accepted(self, accepted: Iterable[tuple[SealedRecord, Outcome]]) -> None:
        """Write what was accepted, the records of one license and hour together."""
        together: dict[tuple[LicenseKey, Hour], list[tuple[SealedRecord, Outcome]]] = {}
        for record, outcome in accepted:
            together.setdefault((record.license, record.frozen.hour), []).append((record, outcome))
        for each in together.values():
            self.wiring.outcomes.put_accepted(each)
            with self.lock:
                for record, outcome in each:
                    self.summary.note(record, outcome)
                    self.ledger.unfinished.pop(record.cell, None)

    def write(self, record: SealedRecord, outcome: Outcome) -> None:
        """Write an outcome unless it says nothing new."""
        before = self.known.get(record.cell)
        still_parked = (
            before is not None
            and before.reason == outcome.reason == NOT_SUBSCRIBED
            and outcome.status is Status.PARKED
        )
        try:
            if not still_parked and not self.wiring.outcomes.put(record, outcome):
                return
        except Exception:
            # It may be there all the same, and no later tick would tell of it.
            with self.lock:
                self.summary.note(record, outcome)
            raise
        with self.lock:
            self.summary.note(record, outcome)
            if outcome.is_final:
                self.ledger.unfinished.pop(record.cell, None)
            else:
                self.known[record.cell] = outcome

    def count_call(self, batch: Batch) -> None:
        with self.lock:
            self.summary.calls += 1
            self.summary.records_sent += len(batch.records)

    def count_answer(self, batch: Batch, answer: Answer) -> None:
        """Stop where going on would not help, or would leave too many calls in doubt."""
        with self.lock:
            if isinstance(answer, Answered):
                self.lost_in_a_row = 0
                return
            self.summary.refusals[answer.code] += 1
            self.summary.calls_refused += not isinstance(answer, RecordRefused)
            if isinstance(answer, NoAnswer):
                self.lost_in_a_row += 1
                self.stopped |= self.lost_in_a_row >= LOST_ANSWERS_MAX
            elif isinstance(answer, CallRefused):
                if answer.product_only:
                    self.products_stopped.add(batch.product_code)
                else:
                    self.stopped = True


def _not_marked(wiring: Wiring, ledger: Ledger, now_s: int) -> list[SealedRecord]:
    """List what a dry-run must look at: all but the marked records whose windows are open.

    A day of them waits, which no tick has to read again.
    """
    ledger.marked.intersection_update(ledger.unfinished)
    return [
        each
        for each in ledger.unfinished.values()
        if each.cell not in ledger.marked
        or too_late(each, None, maybe_applied=False, now_s=now_s, terms=wiring.terms)
    ]


def _forget_calls(wiring: Wiring, ledger: Ledger, calls: Iterable[Call]) -> None:
    """Delete calls whose records are all final: nothing depends on their answers any more."""
    unfinished = {each.at for each in ledger.unfinished.values()}
    for call in calls:
        if all(
            seal <= ledger.last and (seal, place) not in unfinished for seal, place in call.places
        ):
            wiring.table.delete_call(call.id)


def _note_settled(wiring: Wiring, ledger: Ledger) -> None:
    """Write the hint: up to where all is final but for a listed few."""
    places = sorted(each.at for each in ledger.unfinished.values())
    listed, rest = places[:SETTLED_LISTED_MAX], places[SETTLED_LISTED_MAX:]
    # A seal, since folds expire sooner: their numbers are given anew after a pause of weeks.
    upto = rest[0][0] - 1 if rest else ledger.last_seal
    wiring.log.note_settled(Settled(upto, tuple(place for place in listed if place[0] <= upto)))
