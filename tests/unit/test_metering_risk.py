"""What is not on the bill yet, and how long it can still be sent."""

from datetime import datetime

import pytest

from lambdas.customers.license import License, LicenseKey, State
from lambdas.metering.hours import hour_of
from lambdas.metering.ledger import FrozenRecord, Ledger, OpenUsage, SealedRecord
from lambdas.metering.quantities import MICROS_PER_UNIT
from lambdas.metering.records import Outcome, Status
from lambdas.metering.risk import Risk, final_flush_left_s, risk
from lambdas.metering.terms import Terms

ANA = LicenseKey("l-ana")
BEN = LicenseKey("l-ben")
TERMS = Terms()
HOUR = 3600


def at(text: str) -> int:
    """Seconds of a time in UTC."""
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp())


NOW = at("2026-11-23T10:20")


def sealed(
    ledger: Ledger, time: str, quantity: int = 1, who: LicenseKey = ANA, dimension: str = "users"
) -> SealedRecord:
    """Put a record of that time, without a final outcome, into a ledger."""
    hour, place = hour_of(at(time)), len(ledger.unfinished)
    frozen = FrozenRecord(dimension, hour, quantity * MICROS_PER_UNIT, at(time), ())
    record = SealedRecord(1, place, who, frozen)
    ledger.unfinished[record.cell] = record
    return record


def counted(ledger: Ledger, time: str, who: LicenseKey = ANA, dimension: str = "users") -> None:
    """Put usage of that time, not sealed yet, into a ledger."""
    ledger.open[who, dimension, hour_of(at(time))] = OpenUsage(MICROS_PER_UNIT, at(time))


def ends(since: str, who: LicenseKey = ANA) -> License:
    return License(who, state=State.ENDING, ending_since_s=at(since))


def test_nothing_counted_is_nothing_at_risk() -> None:
    assert risk(Ledger(), {}, now_s=NOW, terms=TERMS) == Risk()


def test_records_and_their_quantity_are_added_up() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T08:00", 2)
    sealed(ledger, "2026-11-23T09:00", 3)

    found = risk(ledger, {}, now_s=NOW, terms=TERMS)

    assert (found.unfinished, found.micros) == (2, 5 * MICROS_PER_UNIT)


def test_a_zero_is_no_risk() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-22T11:00", 0)

    assert risk(ledger, {}, now_s=NOW, terms=TERMS) == Risk()


@pytest.mark.parametrize(("now", "records"), [("2026-11-24T02:00", 0), ("2026-11-24T02:01", 1)])
def test_a_record_is_at_risk_when_less_than_six_hours_are_left(now: str, records: int) -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T08:00")

    assert risk(ledger, {}, now_s=at(now), terms=TERMS).at_risk == records


@pytest.mark.parametrize(("now", "records"), [("2026-12-01T03:00", 0), ("2026-12-01T03:01", 1)])
@pytest.mark.parametrize("time", ["2026-11-30T06:01", "2026-11-30T23:00"])
def test_on_the_1st_a_record_is_at_risk_when_less_than_three_hours_are_left(
    time: str, now: str, records: int
) -> None:
    ledger = Ledger()
    sealed(ledger, time)

    assert risk(ledger, {}, now_s=at(now), terms=TERMS).at_risk == records


def test_usage_that_nobody_seals_is_at_risk_too() -> None:
    ledger = Ledger()
    counted(ledger, "2026-11-22T12:00")
    counted(ledger, "2026-11-22T12:00", dimension="api-calls")

    assert risk(ledger, {}, now_s=NOW, terms=TERMS).at_risk == 2


def test_a_shorter_window_closes_sooner() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T08:00")

    found = risk(ledger, {}, now_s=NOW, terms=Terms(window_hours=6))

    assert found.left_s == at("2026-11-23T14:00") - NOW


@pytest.mark.parametrize(("cut_over", "records"), [("12:00", 1), ("12:01", 0)])
def test_usage_from_the_cut_over_on_is_at_risk(cut_over: str, records: int) -> None:
    ledger = Ledger()
    counted(ledger, "2026-11-22T12:00")

    terms = Terms(metering_from_s=at(f"2026-11-22T{cut_over}"))

    assert risk(ledger, {}, now_s=NOW, terms=terms).at_risk == records


def test_a_record_whose_window_has_closed_is_at_risk_until_it_is_judged() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-22T10:15")

    assert risk(ledger, {}, now_s=NOW, terms=TERMS).at_risk == 1


def test_the_time_left_is_that_of_the_first_record() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T09:00")
    sealed(ledger, "2026-11-23T08:00")

    assert risk(ledger, {}, now_s=NOW, terms=TERMS).left_s == at("2026-11-24T08:00") - NOW


def test_the_age_is_that_of_the_oldest_hour_sealed_or_not() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T09:10")
    counted(ledger, "2026-11-23T10:10")

    assert risk(ledger, {}, now_s=NOW, terms=TERMS).oldest_s == 80 * 60


def test_what_is_refused_for_now_is_parked() -> None:
    ledger = Ledger()
    refused = sealed(ledger, "2026-11-23T08:00", 2)
    sealed(ledger, "2026-11-23T09:00", 3)
    known = {refused.cell: Outcome(Status.PARKED, NOW, "CustomerNotSubscribed")}

    assert risk(ledger, known, now_s=NOW, terms=TERMS).micros_parked == 2 * MICROS_PER_UNIT


def test_what_a_dry_run_has_marked_is_not_parked() -> None:
    ledger = Ledger()
    marked = sealed(ledger, "2026-11-23T08:00")
    known = {marked.cell: Outcome(Status.DRY_RUN, NOW)}

    assert risk(ledger, known, now_s=NOW, terms=TERMS).micros_parked == 0


def test_a_dry_run_puts_nothing_at_risk() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-22T10:15")
    counted(ledger, "2026-11-22T12:00")

    assert risk(ledger, {}, now_s=NOW, terms=Terms(dry_run=True)).at_risk == 0


def test_usage_that_another_submitter_bills_is_no_risk_of_ours() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-22T12:00")
    counted(ledger, "2026-11-22T13:00")
    terms = Terms(metering_from_s=at("2026-11-23T00:00"))

    assert risk(ledger, {}, now_s=NOW, terms=terms) == Risk()


# The final flush


def left(ledger: Ledger, *ending: License, terms: Terms = TERMS) -> int | None:
    return final_flush_left_s(ledger, ending, now_s=NOW, terms=terms)


@pytest.mark.parametrize("put", [sealed, counted])
def test_a_license_that_ends_has_an_hour_for_its_last_usage(put: object) -> None:
    ledger = Ledger()
    assert callable(put)
    put(ledger, "2026-11-23T10:00")

    assert left(ledger, ends("2026-11-23T09:50")) == 30 * 60


def test_the_first_end_counts() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T09:00")
    sealed(ledger, "2026-11-23T09:00", who=BEN)

    assert left(ledger, ends("2026-11-23T10:00"), ends("2026-11-23T09:30", BEN)) == 10 * 60


def test_an_end_without_usage_is_no_flush() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T09:00", who=BEN)
    sealed(ledger, "2026-11-23T09:00", 0)

    assert left(ledger, ends("2026-11-23T09:30")) is None


def test_usage_that_waits_for_the_next_hour_cannot_be_flushed_now() -> None:
    ledger = Ledger()
    counted(ledger, "2026-11-23T11:00")

    assert left(ledger, ends("2026-11-23T09:30")) is None


def test_an_hour_that_is_over_is_told_until_the_license_has_ended() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T09:00")

    assert left(ledger, ends("2026-11-23T09:10")) == -10 * 60


def test_a_dry_run_flushes_nothing() -> None:
    ledger = Ledger()
    sealed(ledger, "2026-11-23T09:00")

    assert left(ledger, ends("2026-11-23T09:30"), terms=Terms(dry_run=True)) is None
