"""The shells of the small size do what the classes that they stand in for do.

Both get the same calls in a random order, and must give the same answers: the shells in memory,
and the real classes on real clients, with the doubles and the emulator behind them.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from lambdas.customers.license import License, LicenseKey, State, license_key_of_arn
from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import (
    Call,
    LedgerTable,
    Marketplace,
    Message,
    Outcomes,
    Quarantine,
    Quarantined,
    Settled,
    UsageQueue,
)
from lambdas.metering.hours import HOUR_S, Hour, hour_of
from lambdas.metering.ledger import Cell, FrozenRecord, SealedRecord, pack
from lambdas.metering.records import Answered, Due, Outcome, Status, batches
from lambdas.metering.seal import first_entry
from sandbox.marketplace.faults import Fault as MarketplaceFault
from sandbox.marketplace.rules import Readings
from sandbox.memory.dynamodb import TableFaults
from sandbox.memory.queue import QueueFaults
from tests.simulation.ledger_shells import MemoryOutcomes, MemoryQuarantine, MemoryTable
from tests.simulation.market import MemoryMarketplace, Sold
from tests.simulation.play import CALLS_FAULTS
from tests.simulation.shells import RECEIVED_MAX, VISIBILITY_S, Calls, MemoryCustomers, MemoryQueue
from tests.world import CUSTOMERS, DIMENSIONS, LEDGER, World

SEEDS = range(20)
KEYS = tuple(LicenseKey(f"l-{number:032x}") for number in range(3))
KNOWN = frozenset({"Success", "DuplicateRecord", "CustomerNotSubscribed"})
ACCOUNTS = ("111122223333", "222233334444")


def some_record(rng: Random) -> SealedRecord:
    frozen = FrozenRecord(rng.choice(DIMENSIONS), Hour(rng.randrange(3)), 5, 0, ())
    return SealedRecord(rng.randrange(1, 9), rng.randrange(3), rng.choice(KEYS), frozen)


def some_quarantined(rng: Random) -> Quarantined:
    key, check = bytes([rng.randrange(2)]) * 12, bytes([rng.randrange(2)]) * 4
    version = str(rng.randrange(3))
    first_s = rng.randrange(9)
    return Quarantined(key, check, version, first_s, "m", 0, 7, "expired", None, "Wait.", "{}")


def do(table: LedgerTable, outcomes: Outcomes, quarantine: Quarantine, rng: Random) -> Any:
    """Make one call; returns what can be compared."""
    record, waiting = some_record(rng), some_quarantined(rng)
    # The log has no gaps: a number is there, or it is the next one.
    number = rng.randrange(1, 2 + len(list(table.entries_after(0))))
    name = str(rng.randrange(3))
    status = rng.choice([each for each in Status if each is not Status.ACCEPTED])
    reason = rng.choice(("reason", ""))
    places = frozenset({(number, 0), (1, 2)})
    doings = (
        lambda: table.append(number, pack(first_entry(number))),
        lambda: list(table.entries_after(number)),
        lambda: list(table.entries_before(number)),
        lambda: table.entry(number),
        lambda: table.put_settled(Settled(number, ((1, 2),))),
        table.settled,
        lambda: table.put_call(Call(name, places), 5),
        lambda: sorted(table.calls(), key=lambda each: each.id),
        lambda: table.delete_call(name),
        lambda: outcomes.put(record, Outcome(status, number, reason, "receipt")),
        lambda: outcomes.delete_mark(record.cell),
        lambda: outcomes.put_accepted([(record, Outcome(Status.ACCEPTED, number, "", "receipt"))]),
        lambda: outcomes.read([record.cell, some_record(rng).cell]),
        lambda: outcomes.expired(record.cell),
        lambda: outcomes.put_redriven(record.cell, 5),
        lambda: table.put_refused_zero(record.license, record.frozen.dimension, 5),
        table.refused_zeros,
        lambda: quarantine.put(waiting),
        lambda: quarantine.get(waiting.name),
        lambda: quarantine.delete(waiting),
    )
    return rng.choice(doings)()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shell_of_the_ledger_table_answers_as_the_table_does(seed: int) -> None:
    client, calls = World().tables_client, Calls()
    real = LedgerTable(client, LEDGER), Outcomes(client, LEDGER, map), Quarantine(client, LEDGER)
    shell = (
        MemoryTable(calls),
        MemoryOutcomes(calls, lambda *_: None),
        MemoryQuarantine(calls, lambda *_: None),
    )
    first, second = Random(seed), Random(seed)

    for _ in range(300):
        assert do(*real, first) == do(*shell, second)


def customer(rng: Random) -> License:
    key, account = rng.choice(KEYS), rng.choice(ACCOUNTS)
    return License(key, arn=key, account=account, state=rng.choice(list(State)))


def told(licenses: Iterable[License]) -> list[tuple[str, State]]:
    return sorted((each.key, each.state) for each in licenses)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shell_of_the_customers_table_answers_as_the_table_does(seed: int) -> None:
    rng = Random(seed)
    real = CustomersTable(World().tables_client, CUSTOMERS)
    shell = MemoryCustomers(Calls(), lambda: 0.0, rng, TableFaults())
    accounts: dict[LicenseKey, str] = {}

    for _ in range(30):
        each = customer(rng)
        # A license does not change hands.
        each = replace(each, account=accounts.setdefault(each.key, each.account))
        real.save(each)
        shell.save(each)

        assert shell.licenses(KEYS) == real.licenses(KEYS)
        found, expected = shell.of_accounts(ACCOUNTS), real.of_accounts(ACCOUNTS)
        assert {who: told(of) for who, of in found.items()} == {
            who: told(of) for who, of in expected.items()
        }
        assert all(told(shell.in_state(state)) == told(real.in_state(state)) for state in State)


class Queues:
    """The usage queue, and its shell, at one time."""

    def __init__(self, faults: QueueFaults) -> None:
        self.world = World()
        self.world.sqs.faults = faults
        clock, nothing = (lambda: self.world.now_s), (lambda *_: None)
        self.shell = MemoryQueue(Calls(), clock, Random(1), faults, nothing, nothing)
        real = UsageQueue(self.world.producer, self.world.queue_url, map)
        self.both: tuple[UsageQueue, UsageQueue] = (real, self.shell)

    def send(self, body: str) -> None:
        self.world.producer.send_message(QueueUrl=self.world.queue_url, MessageBody=body)
        self.shell.send(body)

    def receive(self) -> list[list[Message]]:
        """Receive from both, in one order: each queue draws an order of its own."""
        return [sorted(each.receive(), key=lambda message: message.body) for each in self.both]


@pytest.mark.parametrize(
    "faults",
    # What is certain is the same in both; what is left to chance, each draws by itself.
    [QueueFaults(), QueueFaults(failed_entry=1.0), QueueFaults(empty=1.0)],
    ids=["calm", "failed_entry", "empty"],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_shell_of_the_usage_queue_answers_as_the_queue_does(
    seed: int, faults: QueueFaults
) -> None:
    rng, queues = Random(seed), Queues(faults)
    delivered: list[tuple[Message, ...]] = []

    for number in range(60):
        match rng.randrange(4):
            # Never more than one receive takes, which would be left to chance.
            case 0 if len(queues.shell.queue.messages()) < RECEIVED_MAX:
                queues.send(str(number))
            case 1:
                queues.world.advance(seconds=rng.choice((1, VISIBILITY_S // 2, VISIBILITY_S)))
            case 2 if delivered:
                # Receipts of earlier deliveries too.
                some = rng.choices(delivered, k=rng.randrange(1, 4))
                for at, each in enumerate(queues.both):
                    each.delete(list({both[at].receipt: both[at] for both in some}.values()))
            case _:
                expected, found = queues.receive()
                assert [(each.body, each.sent_s) for each in found] == [
                    (each.body, each.sent_s) for each in expected
                ]
                delivered += zip(expected, found, strict=True)
        expected_empty, empty = (each.is_empty() for each in queues.both)
        assert empty == expected_empty


def test_the_shell_of_the_usage_queue_takes_and_deletes_by_ten_as_the_queue_does() -> None:
    queues = Queues(QueueFaults())
    for number in range(25):
        queues.send(str(number))

    received = [queues.receive() for _ in range(4)]
    for at, each in enumerate(queues.both):
        each.delete([message for both in received for message in both[at]])
    queues.world.advance(seconds=VISIBILITY_S)

    assert [[len(messages) for messages in both] for both in received] == [
        [10, 10],
        [10, 10],
        [5, 5],
        [0, 0],
    ]
    assert queues.receive() == [[], []]


@pytest.mark.parametrize("window_hours", [24, 6])
@pytest.mark.parametrize("same_time", ["hour", "exact-time"])
@pytest.mark.parametrize("identical_resend", ["success", "duplicate"])
@pytest.mark.parametrize("seed", range(5))
def test_the_shell_of_aws_marketplace_answers_as_the_emulator_does(
    seed: int, same_time: Any, identical_resend: Any, window_hours: Any
) -> None:
    rng = Random(seed)
    world = World(
        readings=Readings(
            identical_resend=identical_resend, same_time=same_time, window_hours=window_hours
        )
    )
    real = Marketplace(world.marketplace_client)
    shell = MemoryMarketplace(
        Calls(), lambda: world.now_s, world.marketplace.readings, lambda _: None, lambda *_: None
    )
    bought = [world.buy(account, dimensions=DIMENSIONS[:2]) for account in ACCOUNTS]
    for each in bought:
        assert each.start_s is not None
        shell.sold[each.key] = Sold(frozenset(DIMENSIONS[:2]), each.start_s)

    for _ in range(40):
        some = rng.choice(bought)
        match rng.randrange(8):
            case 0:
                world.advance(minutes=rng.randrange(200))
            case 1:
                world.marketplace.change_license(some.arn, "cancel")
                sold = shell.sold[some.key]
                sold.ends_s = world.now_s if sold.ends_s is None else sold.ends_s
            case 2:
                world.marketplace.change_license(some.arn, "activate")
                shell.sold[some.key].activate(world.now_s)
            case 3:
                fault, records = rng.choice(CALLS_FAULTS), rng.choice((None, 1))
                world.marketplace.inject(MarketplaceFault(fault, records=records))
                shell.trouble(fault, 1, records)
        dues = [
            Due(sealed_now(world, rng, who), who)
            for who in rng.choices(bought, k=rng.randrange(1, 4))
        ]
        [batch] = batches({due.record.cell: due for due in dues}.values())

        expected, answer = real.submit(batch), shell.submit(batch)

        assert type(answer) is type(expected)
        if isinstance(answer, Answered) and isinstance(expected, Answered):
            assert answer.unprocessed == expected.unprocessed
            assert statuses(answer) == statuses(expected)
        assert billed_by(shell) == billed(world)


def billed(world: World) -> Counter[Cell]:
    """Read the emulator's bill."""
    bill: Counter[Cell] = Counter()
    for line in world.marketplace.usage():
        key = license_key_of_arn(line.license_arn or "")
        cell = (key, line.dimension, hour_of(int(line.hour.timestamp())))
        bill[cell] += int(line.quantity * 10**6)
    return bill


def billed_by(shell: MemoryMarketplace) -> Counter[Cell]:
    """Read the shell's bill."""
    bill: Counter[Cell] = Counter()
    for (cell, _), line in shell.bill.lines.items():
        bill[cell] += line.micros
    return bill


def sealed_now(world: World, rng: Random, who: License) -> SealedRecord:
    """Seal a record of some time, often one that there was before; a few are of no use."""
    hour = hour_of(int(world.now_s) - rng.choice((0, 1, 2, 5, 6, 7, 25)) * HOUR_S)
    at_s = hour * HOUR_S + rng.choice((0, 0, 60))
    dimension = rng.choice((*DIMENSIONS[:2], *DIMENSIONS[:2], *DIMENSIONS))
    frozen = FrozenRecord(dimension, hour, rng.choice((1, 2)) * 10**6, at_s, ())
    return SealedRecord(1, rng.randrange(9), who.key, frozen)


def statuses(answer: Answered) -> dict[Any, str]:
    return {
        cell: status if status in KNOWN else "unknown"
        for cell, (status, _) in answer.results.items()
    }
