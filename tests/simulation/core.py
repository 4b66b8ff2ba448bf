"""The small size of the simulation: metering's own code over shells in memory."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import ClassVar

from lambdas.customers.license import License, LicenseKey
from lambdas.metering.ledger import Cell
from lambdas.metering.log import Log
from lambdas.metering.wiring import Wiring
from sandbox.memory.dynamodb import TableFaults
from sandbox.memory.queue import QueueFaults
from tests.simulation.buyers import Neighbours
from tests.simulation.crew import Crew
from tests.simulation.invariants import Ledgerkeeper, Sight
from tests.simulation.ledger_shells import MemoryOutcomes, MemoryQuarantine, MemoryTable
from tests.simulation.market import APPLIED_LATER, MemoryMarketplace, Sold
from tests.simulation.shells import (
    Calls,
    MemoryCustomers,
    MemoryQueue,
    OnAnswer,
    OnCall,
    UnavailableError,
    counted_by_service,
    name_of_outcome,
)
from tests.simulation.tale import Tale

LICENSE_ARN_PREFIX = "arn:aws:license-manager::777788889999:license:"


class Core:
    """A world of plain dictionaries, for thousands of runs."""

    name = "core"
    steps = 200
    failures: ClassVar[tuple[type[Exception], ...]] = (UnavailableError,)
    marketplace_faults: ClassVar[tuple[str, ...]] = (APPLIED_LATER,)

    def __init__(self, tale: Tale, seed: int) -> None:
        self.rng = Random(seed)
        self.now_s = tale.start.timestamp()
        self.terms = tale.terms
        self.keeper = Ledgerkeeper(
            Sight(
                clock=self.clock,
                entry=lambda number: self.table.log.get(number),
                quarantined=lambda: set(self.quarantine.waiting),
                messages=lambda: len(self.queue.queue.messages()),
                bill=self.bill,
                outcomes=self.outcomes,
            ),
            tale.terms,
        )
        self.calls = Calls()
        self.queue = MemoryQueue(
            self.calls,
            self.clock,
            self.rng,
            tale.queue,
            self.keeper.see_deletion,
            self.keeper.see_empty,
        )
        self.table = MemoryTable(self.calls)
        self.outcomes_table = MemoryOutcomes(self.calls, self.keeper.see_outcome)
        self.quarantine = MemoryQuarantine(self.calls, self.keeper.see_quarantined)
        self.customers = MemoryCustomers(self.calls, self.clock, self.rng, tale.table)
        self.marketplace = MemoryMarketplace(
            self.calls,
            self.clock,
            tale.readings,
            self.keeper.see_call,
            self.keeper.see_result,
        )
        self._ids = 0

    def clock(self) -> float:
        return self.now_s

    def listen(self, on_call: OnCall, on_answer: OnAnswer) -> None:
        """Have every call of a tick announced."""
        self.calls.on_call, self.calls.on_answer = on_call, on_answer

    def wiring(self, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> Wiring:
        """A cold container."""
        return Wiring(
            queue=self.queue,
            table=self.table,
            log=Log(self.table, self.terms),
            outcomes=self.outcomes_table,
            quarantine=self.quarantine,
            customers=self.customers,
            marketplace=self.marketplace,
            terms=self.terms,
            clock=clock,
            sleep=sleep,
            parallel=map,
            new_id=self.new_id,
        )

    def buyers(self, crew: Crew) -> Neighbours:
        """Whoever buys here; what is known of them is written by nobody's function."""
        return Neighbours(self, crew.rng)

    def new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    def send(self, body: str) -> str:
        """Let a producer send a message; returns its MessageId."""
        return self.queue.send(body)

    def sell(
        self, account: str, *, active: bool, starts_s: int, dimensions: tuple[str, ...]
    ) -> tuple[str, str]:
        """Let a buyer purchase at AWS Marketplace; returns license ARN and agreement."""
        key = LicenseKey(f"l-{len(self.marketplace.sold) + 1:032x}")
        sold = Sold(frozenset(dimensions), float(starts_s) if active else None)
        self.marketplace.sold[key] = sold
        return LICENSE_ARN_PREFIX + key, f"agmt-{account}"

    def activate(self, who: License) -> None:
        """Let AWS Marketplace activate a license, or bring it back."""
        self.marketplace.sold[who.key].activate(self.now_s)

    def cancel(self, who: License) -> None:
        """Let a buyer cancel."""
        self.marketplace.sold[who.key].ends_s = self.now_s

    def announce(self, who: License) -> None:
        """Write what is known of a license to the Customers table."""
        self.customers.save(who)

    def trouble(self, fault: str, *, times: int, records: int | None) -> None:
        """Let calls of BatchMeterUsage go wrong."""
        self.marketplace.trouble(fault, times, records)

    def bill_elsewhere(self, who: License, dimension: str, at_s: int, units: int) -> None:
        """Let somebody else meter an hour of a license."""
        cell = self.marketplace.bill_elsewhere(who.key, dimension, at_s, units * 10**6)
        if cell is not None:
            self.keeper.elsewhere.add(cell)

    def land_late_writes(self) -> None:
        """Execute the writes whose callers saw a time-out."""
        self.calls.land_pending()

    def calm(self) -> None:
        """End all faults."""
        self.marketplace.troubles.clear()
        self.queue.faults = QueueFaults()
        self.customers.faults = TableFaults()

    def struck(self) -> Counter[str]:
        """How often each fault struck that AWS has of itself, whoever called."""
        return counted_by_service(
            sqs=self.queue.queue.struck,
            dynamodb=self.customers.struck,
            marketplace=self.marketplace.struck,
        )

    def bill(self) -> dict[Cell, int]:
        """What AWS Marketplace bills of what we sent."""
        bill: Counter[Cell] = Counter()
        for (cell, _), line in self.marketplace.bill.lines.items():
            if line.ours:
                bill[cell] += line.micros
        return bill

    def outcomes(self) -> dict[Cell, str]:
        """What the ledger says became of records."""
        return {
            cell: name_of_outcome(kept.outcome.status, kept.outcome.reason)
            for cell, kept in self.outcomes_table.kept.items()
        }
