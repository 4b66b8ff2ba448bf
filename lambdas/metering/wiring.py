"""What a tick works with; put together by the handler, and by tests and simulations alike."""

from collections.abc import Callable
from dataclasses import dataclass

from lambdas.customers.table import CustomersTable
from lambdas.metering.aws import (
    LedgerTable,
    Marketplace,
    Outcomes,
    Parallel,
    Quarantine,
    UsageQueue,
)
from lambdas.metering.log import Log
from lambdas.metering.terms import Terms


@dataclass(frozen=True, slots=True)
class Wiring:
    """The AWS things, the seller's terms, and the outside world's time and chance.

    Attributes:
        clock: returns the time in seconds since the epoch.
        sleep: waits for so many seconds.
        parallel: ``map``, or the ``map`` of a pool of threads.
        new_id: returns a text that never was and never will be.
    """

    queue: UsageQueue
    table: LedgerTable
    log: Log
    outcomes: Outcomes
    quarantine: Quarantine
    customers: CustomersTable
    marketplace: Marketplace
    terms: Terms
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    parallel: Parallel
    new_id: Callable[[], str]

    def now_s(self) -> int:
        """Return the time in whole seconds."""
        return int(self.clock())
