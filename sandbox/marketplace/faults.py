"""Faults injected into the Marketplace emulator on purpose, in the order they were asked for.

A `Fault` strikes API calls, a `Detour` events on their way to the seller.
"""

import random
import re
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, get_args

from sandbox.marketplace.errors import Refused, Unacceptable

# What becomes of the call as a whole.
APPLIED_BUT_500 = "applied-but-500"
TIMEOUT_BEFORE = "timeout-before"
TIMEOUT_AFTER = "timeout-after"
# What becomes of the first records of a BatchMeterUsage call; the others are metered as usual.
UNPROCESSED = "unprocessed"
OMIT = "omit"
OMIT_APPLIED = "omit-applied"
NOT_SUBSCRIBED = "not-subscribed"
UNKNOWN_STATUS = "unknown-status"

RECORD_FAULTS = frozenset({UNPROCESSED, OMIT, OMIT_APPLIED, NOT_SUBSCRIBED, UNKNOWN_STATUS})
CALL_FAULTS = frozenset({APPLIED_BUT_500, TIMEOUT_BEFORE, TIMEOUT_AFTER})
FAULTS_PENDING_MAX = 1_000
ANY = "*"
# EventBridge gives up on a target after 24 hours
# (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html).
LATE_SECONDS_MAX = 86_400

_MESSAGES = {
    # The words tell credentials from registration tokens: both expire under the same code. See
    # "Common errors", https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/common-errors.html
    "ExpiredTokenException": "The security token included in the request is expired",
    "ThrottlingException": "Rate exceeded",
}
_STATUSES = {"ExpiredTokenException": 403}


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: which call goes wrong, how, and how often.

    Args:
        fault: The code of any exception (`ThrottlingException`, `AccessDeniedException`, …), or
            `applied-but-500` (everything is metered, then the answer is a 500),
            `timeout-before` and `timeout-after` (no answer; nothing or everything is metered), or
            for the first `records` of a BatchMeterUsage call `unprocessed`, `omit` (in neither
            list, not metered), `omit-applied` (in neither list, metered), `not-subscribed` and
            `unknown-status` (not metered).
        operation: The API operation, or `*` for any.
        times: How many calls it strikes; `None` until it is cleared.
        probability: How likely it strikes a call that it could strike.
        records: How many records it strikes; `None` for all of the call.
        status: Another HTTP status than the exception's own.
        message: Another text than the exception's own.
        hang_seconds: How long a time-out over HTTP keeps the connection open before closing it.
    """

    fault: str
    operation: str = "BatchMeterUsage"
    times: int | None = 1
    probability: float = 1.0
    records: int | None = None
    status: int | None = None
    message: str | None = None
    hang_seconds: float = 0.0

    def __post_init__(self) -> None:
        named = self.fault in RECORD_FAULTS | CALL_FAULTS
        if not named and not re.fullmatch(r"[A-Z][A-Za-z]+", self.fault):
            known = ", ".join(sorted(RECORD_FAULTS | CALL_FAULTS))
            raise Unacceptable("fault", self.fault, f"the name of an exception or one of {known}")
        if self.fault in RECORD_FAULTS and self.operation != "BatchMeterUsage":
            raise Unacceptable("operation", self.operation, f"BatchMeterUsage for {self.fault}")
        _check_luck(self.times, self.probability)
        if self.records is not None and self.records < 1:
            raise Unacceptable("records", self.records, "1 or more, or null for all")
        if self.status is not None and not 400 <= self.status <= 599:
            raise Unacceptable("status", self.status, "an HTTP status from 400 to 599")
        if not 0 <= self.hang_seconds <= 900:  # longer than any client waits
            raise Unacceptable("hang_seconds", self.hang_seconds, "from 0 to 900")

    @property
    def refusal(self) -> Refused | None:
        """The exception this fault is, if it is one by name."""
        if self.fault in RECORD_FAULTS | CALL_FAULTS:
            return None
        message = self.message or _MESSAGES.get(self.fault, "Injected by the emulator")
        status = self.status if self.status is not None else _STATUSES.get(self.fault)
        return Refused(self.fault, message, status)

    def of_record(self, index: int) -> str | None:
        """What strikes the record at this place of a BatchMeterUsage call."""
        if self.fault not in RECORD_FAULTS or (self.records is not None and index >= self.records):
            return None
        return self.fault

    def fits(self, operation: str) -> bool:
        """Whether it is meant for this operation."""
        return self.operation in (operation, ANY)

    @property
    def loses_answer(self) -> bool:
        """The caller never hears what became of the call."""
        return self.fault in (TIMEOUT_BEFORE, TIMEOUT_AFTER)


Kind = Literal["late", "twice", "lost", "overtaken"]


@dataclass(frozen=True, slots=True)
class Detour:
    """One rule for events: which strays on its way to the seller, how, and how often.

    Args:
        kind: `late` by so many seconds; `twice`, the copy following after so many seconds; `lost`;
            or `overtaken` by the next event that is delivered.
        event: How the name of the event begins, a detail-type or an SNS action; `*` is any.
        times: How many events it strikes; `None` until it is cleared.
        probability: How likely it strikes an event that it could strike.
        seconds: See `kind`.
    """

    kind: Kind
    event: str = ANY
    times: int | None = 1
    probability: float = 1.0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise Unacceptable("kind", self.kind, " or ".join(get_args(Kind)))
        _check_luck(self.times, self.probability)
        if not 0 <= self.seconds <= LATE_SECONDS_MAX:
            raise Unacceptable("seconds", self.seconds, f"from 0 to {LATE_SECONDS_MAX}")

    def fits(self, event: str) -> bool:
        """Whether it is meant for an event of this name."""
        return self.event == ANY or event.startswith(self.event)


Rule = TypeVar("Rule", Fault, Detour)


class Faults(Generic[Rule]):
    """The rules in force, first in, first out."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 (one seed reproduces a run)
        self._rules: list[tuple[Rule, int | None]] = []

    def add(self, rule: Rule) -> None:
        """Put a rule behind those already there."""
        if len(self._rules) >= FAULTS_PENDING_MAX:
            raise Unacceptable("rules", FAULTS_PENDING_MAX + 1, f"at most {FAULTS_PENDING_MAX}")
        self._rules.append((rule, rule.times))

    def clear(self) -> None:
        """Forget every rule."""
        self._rules.clear()

    def pending(self) -> list[tuple[Rule, int | None]]:
        """The rules in force, and how many more times each will strike."""
        return list(self._rules)

    def strike(self, name: str) -> Rule | None:
        """The rule that strikes this call or event: the first that fits and wins its own draw."""
        for place, (rule, left) in enumerate(self._rules):
            if not rule.fits(name):
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            if left == 1:
                del self._rules[place]
            elif left is not None:
                self._rules[place] = (rule, left - 1)
            return rule
        return None


def _check_luck(times: int | None, probability: float) -> None:
    if times is not None and times < 1:
        raise Unacceptable("times", times, "1 or more, or null for always")
    if not 0 < probability <= 1:
        raise Unacceptable("probability", probability, "more than 0 and at most 1")
