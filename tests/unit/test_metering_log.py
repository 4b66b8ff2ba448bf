"""The log as one tick knows it, read through a real client from a table in memory."""

from collections.abc import Sequence
from random import Random

import pytest

from infra.settings import ID_MEMORY_HOURS_MAX
from lambdas.metering.aws import FOLD_KEPT_DAYS, LedgerTable, Settled
from lambdas.metering.hand import REDRIVE_DAYS_MAX
from lambdas.metering.hours import HOUR_S, Hour, hour_of
from lambdas.metering.ledger import Fold, FrozenRecord, Ledger, Row, Seal
from lambdas.metering.log import KEYS_MAX, Log
from sandbox.memory import Fault, MemoryDynamoDB, create_table
from tests.unit.metering_stage import (
    ANYTHING,
    LICENSE,
    NOW_S,
    OTHER,
    THIS_HOUR,
    UNIT,
    decide,
    seals_upto,
    usage,
)

DAY_S = 24 * HOUR_S


class Stage:
    """A table with a log, and containers that read it."""

    def __init__(self) -> None:
        self.dynamodb = MemoryDynamoDB(now=lambda: NOW_S, rng=Random(1))
        self.client = self.dynamodb.client()
        create_table(self.client, "ledger")
        self.table = LedgerTable(self.client, "ledger")
        self.queries = 0

    def container(self) -> Log:
        return Log(LedgerTable(self.client, "ledger"), ANYTHING)

    def write(self, *entries: Fold | Seal) -> None:
        """Append entries one after the other."""
        log = self.container()
        ledger = log.read(NOW_S)
        for each in entries:
            assert log.append(ledger, each)

    def expire(self) -> None:
        """Delete what has expired, as DynamoDB does sooner or later."""
        for item in self.dynamodb.items("ledger"):
            if int(item.get("expires", {"N": NOW_S})["N"]) < NOW_S:
                key = {name: item[name] for name in ("pk", "sk")}
                self.client.delete_item(TableName="ledger", Key=key)

    def count_queries(self) -> None:
        """Begin to count what is read of the log."""

        def count(_service: str, operation: str, _params: object) -> Fault | None:
            self.queries += operation == "Query"
            return None

        self.queries = 0
        self.dynamodb.on_call = count

    def let(self, fault: Fault) -> None:
        """Let the next append suffer a fault."""

        def strike(_service: str, operation: str, _params: object) -> Fault | None:
            if operation != "PutItem":
                return None
            self.dynamodb.on_call = None
            return fault

        self.dynamodb.on_call = strike


def key(number: int) -> bytes:
    return number.to_bytes(12, "big")


def fold_of(
    *numbers: int, at_s: int = NOW_S, hour: Hour | None = None, quantity: int = UNIT
) -> Fold:
    """Return a fold that counts these keys, with a check each."""
    keys = b"".join(key(each) + each.to_bytes(4, "big") for each in numbers)
    row = Row(LICENSE, "users", hour_of(at_s) if hour is None else hour, (), quantity, at_s)
    return Fold(at_s, keys, (row,) if numbers else ())


def seal_of(upto: int, *, at_s: int = NOW_S, records: Sequence[int] = ()) -> Seal:
    """Return a seal for everyone, with records of one license for these hours."""
    rows = tuple(FrozenRecord("users", Hour(each), UNIT, each * HOUR_S, ()) for each in records)
    return Seal(at_s, Hour(upto), everyone=True, records={LICENSE: rows} if rows else {})


def hourly(count: int, *, until_s: int = NOW_S) -> list[Fold | Seal]:
    """Return a log of so many hours: a fold in each, and a seal after it."""
    entries: list[Fold | Seal] = []
    for number in range(count, 0, -1):
        at_s = until_s - number * HOUR_S
        entries.append(fold_of(number, at_s=at_s))
        entries.append(seal_of(hour_of(at_s), at_s=at_s + 4200, records=[hour_of(at_s)]))
    return entries


def places(ledger: Ledger) -> list[tuple[int, int]]:
    return sorted(each.at for each in ledger.unfinished.values())


def test_an_empty_log_is_an_empty_state() -> None:
    ledger = Stage().container().read(NOW_S)

    assert (ledger.last, ledger.open, ledger.unfinished) == (0, {}, {})


def test_a_container_knows_what_it_appended() -> None:
    log = Stage().container()
    ledger = log.read(NOW_S)

    assert log.append(ledger, fold_of(1))

    assert (ledger.last, ledger.keys.check_of(key(1))) == (1, b"\0\0\0\1")


def test_a_warm_container_reads_what_others_appended() -> None:
    stage = Stage()
    log = stage.container()
    log.read(NOW_S)
    stage.write(fold_of(1), fold_of(2))

    assert log.read(NOW_S).keys.check_of(key(2)) is not None


def test_an_entry_number_that_is_taken_is_a_lost_race() -> None:
    stage = Stage()
    log = stage.container()
    ledger = log.read(NOW_S)
    stage.write(fold_of(1))

    assert not log.append(ledger, fold_of(2))
    assert ledger.last == 0


@pytest.mark.parametrize(
    "fault", [Fault.ANSWER_LOST, Fault.INTERNAL_ERROR, Fault.THROTTLED, Fault.UNREACHABLE]
)
def test_an_append_in_doubt_changes_nothing_that_is_known(fault: Fault) -> None:
    stage = Stage()
    log = stage.container()
    ledger = log.read(NOW_S)
    stage.let(fault)

    assert not log.append(ledger, fold_of(1))
    assert (ledger.last, ledger.open) == (0, {})


def test_an_append_whose_answer_was_lost_is_found_by_reading() -> None:
    stage = Stage()
    log = stage.container()
    ledger = log.read(NOW_S)
    stage.let(Fault.ANSWER_LOST)
    log.append(ledger, fold_of(1))

    assert log.read(NOW_S).keys.check_of(key(1)) is not None


def test_a_write_that_lands_late_takes_its_number_or_none() -> None:
    stage = Stage()
    late, log = stage.container(), stage.container()
    stage.let(Fault.LATE)
    late.append(late.read(NOW_S), fold_of(1))
    assert log.append(log.read(NOW_S), fold_of(2))

    stage.dynamodb.land_pending()

    ledger = stage.container().read(NOW_S)
    assert (ledger.last, ledger.keys.check_of(key(1))) == (1, None)


def test_a_cold_container_reads_back_one_id_memory() -> None:
    stage = Stage()
    stage.write(*hourly(60))

    ledger = stage.container().read(NOW_S)

    assert all(ledger.keys.check_of(key(each)) is not None for each in range(1, 27))


def test_a_cold_container_leaves_older_entries_alone() -> None:
    stage = Stage()
    stage.write(*hourly(60))
    stage.table.put_settled(Settled(120))

    ledger = stage.container().read(NOW_S)

    assert ledger.keys.check_of(key(40)) is None


def test_a_cold_container_reads_back_to_what_is_not_settled() -> None:
    stage = Stage()
    stage.write(*hourly(60))
    stage.table.put_settled(Settled(21))

    ledger = stage.container().read(NOW_S)

    assert places(ledger) == [(number, 0) for number in range(22, 121, 2)]


def test_a_cold_container_looks_up_what_is_listed_as_unfinished() -> None:
    stage = Stage()
    stage.write(*hourly(60))
    stage.table.put_settled(Settled(120, ((4, 0), (118, 0))))

    ledger = stage.container().read(NOW_S)

    assert places(ledger) == [(4, 0), (118, 0)]


def test_a_cold_container_learns_when_the_log_began() -> None:
    stage = Stage()
    stage.write(*hourly(60))
    stage.table.put_settled(Settled(120))

    assert stage.container().read(NOW_S).began_s == NOW_S - 60 * HOUR_S


def test_usage_that_rode_far_ahead_is_found_by_a_cold_container() -> None:
    ahead = Hour(THIS_HOUR + 1)
    stage = Stage()
    stage.write(
        *hourly(3, until_s=NOW_S - 12 * HOUR_S),
        fold_of(100, at_s=NOW_S - 12 * HOUR_S, hour=ahead),
        fold_of(101, at_s=NOW_S - 6 * HOUR_S),
        seal_of(THIS_HOUR),
    )
    stage.table.put_settled(Settled(9))

    ledger = stage.container().read(NOW_S + 26 * HOUR_S)

    assert list(ledger.open) == [(LICENSE, "users", ahead)]


def test_a_cold_container_finds_keys_written_by_a_clock_that_is_slow() -> None:
    slow, fast, memory_s = -900, 900, ANYTHING.id_memory_s
    stage = Stage()
    stage.write(
        seal_of(THIS_HOUR - 30, at_s=NOW_S - memory_s - 7200),
        fold_of(1, at_s=NOW_S - memory_s),
        fold_of(2, at_s=NOW_S - memory_s + 1 + slow),
        seal_of(THIS_HOUR - 2),
    )
    stage.table.put_settled(Settled(4))

    ledger = stage.container().read(NOW_S + fast)

    assert ledger.keys.check_of(key(1)) is not None


def test_reaching_back_finds_older_keys() -> None:
    stage = Stage()
    stage.write(*hourly(60))
    stage.table.put_settled(Settled(120))
    log = stage.container()
    ledger = log.read(NOW_S)

    log.reach_back(ledger, NOW_S - 50 * HOUR_S)

    assert ledger.keys.check_of(key(50)) is not None


def test_reaching_back_twice_reads_once() -> None:
    stage = Stage()
    stage.write(*hourly(60))
    log = stage.container()
    ledger = log.read(NOW_S)
    log.reach_back(ledger, 0)
    stage.count_queries()

    log.reach_back(ledger, 0)

    assert stage.queries == 0


def test_a_record_of_a_seal_is_found_wherever_it_is() -> None:
    stage = Stage()
    stage.write(*hourly(3))

    record = stage.container().sealed_records([(4, 0)])[4, 0]

    assert (record.at, record.cell) == ((4, 0), (LICENSE, "users", THIS_HOUR - 2))


@pytest.mark.parametrize("place", [(4, 1), (3, 0), (99, 0)])
def test_a_place_that_holds_no_record_is_left_out(place: tuple[int, int]) -> None:
    stage = Stage()
    stage.write(*hourly(3))

    assert stage.container().sealed_records([place]) == {}


def test_a_log_can_be_read_after_a_pause_in_which_its_folds_expired() -> None:
    paused_s = NOW_S - (FOLD_KEPT_DAYS + 5) * DAY_S
    stage = Stage()
    stage.write(*hourly(60, until_s=paused_s))
    stage.table.put_settled(Settled(120))
    stage.expire()

    ledger = stage.container().read(NOW_S)

    assert ledger.watermark == hour_of(paused_s - HOUR_S)


def test_the_oldest_redrive_reads_back_as_far_as_the_longest_id_memory_asks() -> None:
    stage = Stage()
    for day in range(44, -1, -1):
        at_s = NOW_S - day * DAY_S
        stage.write(fold_of(day, at_s=at_s), seal_of(hour_of(at_s), at_s=at_s))
    stage.table.put_settled(Settled(90))
    stage.expire()
    log = stage.container()
    ledger = log.read(NOW_S)

    log.reach_back(ledger, NOW_S - REDRIVE_DAYS_MAX * DAY_S - ID_MEMORY_HOURS_MAX * HOUR_S)

    assert ledger.keys.check_of(key(REDRIVE_DAYS_MAX + 7)) is not None


def test_a_container_with_too_many_keys_reads_the_log_again() -> None:
    stage = Stage()
    stage.write(*hourly(60))
    log = stage.container()
    ledger = log.read(NOW_S - 30 * HOUR_S)
    ledger.keys.count = KEYS_MAX + 1

    assert log.read(NOW_S) is not ledger


def test_a_container_does_not_forget_what_it_would_only_read_again() -> None:
    stage = Stage()
    stage.write(*hourly(60))
    stage.table.put_settled(Settled(120))
    log = stage.container()
    ledger = log.read(NOW_S)
    ledger.keys.count = KEYS_MAX + 1

    assert log.read(NOW_S) is ledger


def test_the_hint_is_written_only_when_it_changed() -> None:
    stage = Stage()
    log = stage.container()
    log.note_settled(Settled(3))
    writes = stage.dynamodb.counters.requests["PutItem"]

    log.note_settled(Settled(3))

    assert stage.dynamodb.counters.requests["PutItem"] == writes


def test_two_containers_that_seal_at_once_seal_once() -> None:
    stage = Stage()
    one, other = stage.container(), stage.container()
    states = [each.read(NOW_S) for each in (one, other)]
    [first] = seals_upto(states[0], THIS_HOUR)
    [second] = seals_upto(states[1], THIS_HOUR)

    assert [one.append(states[0], first), other.append(states[1], second)] == [True, False]


def test_two_containers_that_fold_one_usage_count_it_once() -> None:
    stage = Stage()
    one, other = stage.container(), stage.container()
    states = [each.read(NOW_S) for each in (one, other)]
    entries = [decide(each, usage("a", who=OTHER)).entry for each in states]
    assert entries[0] is not None
    assert entries[1] is not None
    one.append(states[0], entries[0])
    other.append(states[1], entries[1])

    again = decide(other.read(NOW_S), usage("a", who=OTHER))

    assert (again.counted, again.duplicates) == (0, 1)
