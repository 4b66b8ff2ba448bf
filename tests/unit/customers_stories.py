"""Lives of licenses for hypothesis: as AWS Marketplace tells them, and as nobody ever would."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from lambdas.customers.history import Event, Kind
from lambdas.customers.license import LicenseKey, State
from tests.customers_stage import (
    BEGIN_MS,
    BUYER,
    HOUR_MS,
    KEY,
    LEGACY,
    MINUTE_MS,
    arn,
    happens,
    of_agreement,
    of_topic,
    registers,
)

YEAR_MS = 365 * 24 * HOUR_MS


@dataclass(slots=True)
class Story:
    """What happened to one license, in order, and what it comes to.

    Attributes:
        key: of the license.
        events: in the order of their times, which all differ.
        registered: the event of the buyer's registration.
        state: of the license at `now_ms`.
        agreement: in force last.
        now_ms: when the story ends.
    """

    key: LicenseKey
    events: list[Event] = field(default_factory=list)
    registered: Event | None = None
    state: State = State.PENDING
    agreement: str = ""
    now_ms: int = BEGIN_MS

    def __repr__(self) -> str:
        """Show what hypothesis has found in a form a person can read."""
        lines = [
            f"{(each.at_ms - BEGIN_MS) / MINUTE_MS:8.2f} {each.kind:10} {each.agreement_id:8}"
            f" {each.license[:8]:8} {each.said}"
            for each in self.events
        ]
        return "\n".join(["", *lines, f"→ {self.state} of {self.agreement}"])


class _Teller:
    """Tells a story chapter by chapter; what is open in reality is drawn."""

    def __init__(self, draw: Any, *, minutes_max: int) -> None:
        self.draw = draw
        self.minutes_max = minutes_max
        self.now_ms = BEGIN_MS
        self.number = 0
        self.agreements = 0
        self.closed_ms: int | None = None
        self.events: list[Event] = []

    @property
    def agreement(self) -> str:
        return f"agmt-{self.agreements}"

    def pause(self, least_s: float = 1, most_s: float | None = None) -> None:
        most_ms = self.minutes_max * MINUTE_MS if most_s is None else int(most_s * 1000)
        self.now_ms += self.draw(st.integers(int(least_s * 1000), most_ms))

    def say(self, make: Any, kind: Kind, said: str, **fields: Any) -> None:
        self.number += 1
        minute = (self.now_ms - BEGIN_MS) / MINUTE_MS
        event = make(kind, minute, id=f"event-{self.number:03}", said=said, **fields)
        self.events.append(replace(event, at_ms=self.now_ms))

    def of_agreement(self, kind: Kind, said: str, agreement: str = "", **fields: Any) -> None:
        self.say(of_agreement, kind, said, agreement_id=agreement or self.agreement, **fields)

    def of_license(self, kind: Kind, said: str) -> None:
        offer = f"offer-{self.agreements}"
        self.say(happens, kind, said, agreement_id=self.agreement, offer_id=offer)

    def created(self) -> None:
        self.agreements += 1
        terms: dict[str, Any] = {"start_ms": self.now_ms, "end_ms": self.now_ms + YEAR_MS}
        offer = f"offer-{self.agreements}"
        self.of_agreement(Kind.AGREED, "Created", offer_id=offer, **terms)

    def buy(self) -> None:
        self.created()
        self.pause(1, 120)
        self.of_license(Kind.ACTIVATED, "License Updated")

    def amend(self) -> None:
        self.of_agreement(Kind.AGREED, "Amended")
        self.pause(1, 120)
        self.of_license(Kind.ACTIVATED, "License Updated")

    def inform(self) -> None:
        self.of_agreement(Kind.NOTICE, "Advisory Issued")

    def succeed(self) -> None:
        old, old_offer = self.agreement, f"offer-{self.agreements}"
        self.created()
        license_first = self.draw(st.booleans())
        for step in (license_first, not license_first):
            self.pause(1, 120)
            if step:
                self.of_license(Kind.ACTIVATED, "License Updated")
            else:
                self.of_agreement(Kind.NOTICE, "Ended: RENEWED", old, offer_id=old_offer)

    def cancel(self) -> None:
        self.closed_ms = self.now_ms
        license_first = self.draw(st.booleans())
        for step in (license_first, not license_first):
            if step:
                self.of_license(Kind.CLOSED, "License Deprovisioned")
            else:
                self.of_agreement(Kind.CLOSED, "Ended: CANCELLED")
            self.pause(1, 120)

    def come_back(self) -> None:
        if self.draw(st.booleans()):
            self.created()
            self.pause(1, 120)
        self.of_license(Kind.ACTIVATED, "License Updated")
        self.closed_ms = None

    def state(self, *, over_ms: int | None = None) -> State:
        if self.closed_ms is None:
            return State.ACTIVE
        last_ms = self.closed_ms + HOUR_MS
        return State.ENDED if self.now_ms >= min(last_ms, over_ms or last_ms) else State.ENDING


@st.composite
def stories(draw: Any, *, minutes_max: int = 3 * 24 * 60) -> Story:
    """Draw the life of a license with its agreements; its buyer registers while it is open."""
    teller = _Teller(draw, minutes_max=minutes_max)
    teller.buy()
    open_spans = [[BEGIN_MS - 10 * MINUTE_MS, teller.now_ms]]
    for chapter in draw(
        st.lists(st.sampled_from(["amend", "inform", "succeed", "cancel"]), max_size=5)
    ):
        teller.pause()
        if teller.closed_ms is not None:
            teller.come_back()
            open_spans.append([teller.now_ms, teller.now_ms])
            teller.pause()
        if chapter != "cancel":
            open_spans[-1][1] = teller.now_ms
        getattr(teller, chapter)()
    teller.pause(0)
    begun_ms, until_ms = draw(st.sampled_from(open_spans))
    registered_ms = draw(st.integers(begun_ms, until_ms))
    registered = replace(registers(agreement_id=""), at_ms=registered_ms)
    events = sorted([*teller.events, registered], key=lambda each: each.at_ms)
    return Story(KEY, events, registered, teller.state(), teller.agreement, teller.now_ms)


@st.composite
def legacy_stories(draw: Any) -> Story:
    """Draw the life of a customer of an older product, as the SNS topics tell it."""
    teller = _Teller(draw, minutes_max=3 * 24 * 60)
    if draw(st.booleans()):
        teller.say(of_topic, Kind.FAILED, "subscribe-fail")
        teller.pause()
    teller.say(of_topic, Kind.ACTIVATED, "subscribe-success")
    over_ms: int | None = None
    for chapter in draw(st.lists(st.sampled_from(["replace", "inform", "cancel"]), max_size=5)):
        teller.pause()
        if teller.closed_ms is not None or chapter == "replace":
            teller.say(of_topic, Kind.ACTIVATED, "subscribe-success")
            teller.closed_ms = over_ms = None
            teller.pause()
        if chapter == "inform":
            teller.say(of_topic, Kind.NOTICE, "entitlement-updated")
        elif chapter == "cancel":
            teller.say(of_topic, Kind.CLOSED, "unsubscribe-pending")
            teller.closed_ms = teller.now_ms
            if draw(st.booleans()):
                teller.pause(1, 3600)
                teller.say(of_topic, Kind.OVER, "unsubscribe-success")
                over_ms = teller.now_ms
    teller.pause(0)
    registered = replace(
        registers(
            license_arn="",
            agreement_id="",
            product_code="n0123",
            customer_identifier="X01",
        ),
        at_ms=draw(st.integers(BEGIN_MS - HOUR_MS, teller.now_ms)),
    )
    events = sorted([*teller.events, registered], key=lambda each: each.at_ms)
    return Story(LEGACY, events, registered, teller.state(over_ms=over_ms), "", teller.now_ms)


agreements = st.sampled_from(["agmt-1", "agmt-2", "agmt-3"])


@st.composite
def _anything(draw: Any, number: int) -> Event:
    """Draw an event that fits no story; its time may be that of another."""
    of_license = draw(st.booleans())
    terms = draw(st.sampled_from([{}, {"start_ms": BEGIN_MS}, {"end_ms": BEGIN_MS + YEAR_MS}]))
    return Event(
        id=f"event-{number}",
        kind=draw(st.sampled_from(Kind)),
        at_ms=BEGIN_MS + draw(st.integers(0, 8)) * 20 * MINUTE_MS,
        said=f"said-{number}",
        license=KEY if of_license else LicenseKey(""),
        arn=draw(st.sampled_from([arn(KEY), f"aws:license-manager:{KEY}"])) if of_license else "",
        account=draw(st.sampled_from(["", BUYER])),
        agreement_id=draw(agreements),
        offer_id=draw(st.sampled_from(["", "offer-1", "offer-2"])),
        free_trial=draw(st.sampled_from([None, True, False])),
        **terms,
    )


@st.composite
def wild(draw: Any) -> list[Event]:
    """Draw events of a license and of some agreements, in any number, kind and time."""
    events = [draw(_anything(number)) for number in range(draw(st.integers(1, 8)))]
    # A registration that names no license waits for one, which is another story.
    return [replace(each, license=KEY) if each.kind is Kind.REGISTERED else each for each in events]
