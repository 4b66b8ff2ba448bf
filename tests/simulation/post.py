"""What AWS brings of licenses: events by a queue, the sweep, the nightly reconciliation.

Each event may come late, twice, out of order, or never; each function may die, fail, and run beside
others. What failed comes back.
"""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lambdas.customers.changes import LicenseContendedError
from lambdas.customers.license import license_key_of_arn
from lambdas.metering.hours import HOUR_S
from lambdas.registration.signup import CodeContendedError
from tests.simulation.crew import Crew
from tests.simulation.functions import Message
from tests.simulation.tale import PRODUCT

if TYPE_CHECKING:
    from tests.simulation.whole import Whole

NIGHT_S = 6 * HOUR_S
"""Between two reconciliations in calm, so that one comes soon enough."""

FUNCTIONS_MAX = 3
SUBSCRIPTION_S, SWEEP_S, RECONCILIATION_S = 60, 240, 900
"""How long each function may run, as the stack sets it."""


class Post:
    """Brings events to the subscription function, and starts what runs by the clock.

    Attributes:
        held: events that are late, and copies still to come.
        named: keys of licenses that an event named which was not lost.
        reconciled_s: when the reconciliation ran last.
    """

    def __init__(self, world: "Whole", crew: Crew) -> None:
        self.world = world
        self.rng = crew.rng
        self.crew = crew
        self.news = crew.tale.news
        self.functions = world.functions
        self.market = world.aws.marketplace
        self.failures: tuple[type[Exception], ...] = (
            *world.failures,
            LicenseContendedError,
            CodeContendedError,
        )
        self.cursor = 0
        self.held: list[str] = []
        self.named: set[str] = set()
        self.reconciled_s = float("-inf")

    def is_empty(self) -> bool:
        """Tell whether every event was applied."""
        return not self.held and not self.functions.waiting()

    def deliver(self) -> None:
        """Let EventBridge hand over what AWS Marketplace has told: now, later, twice, or never."""
        rng = self.rng
        for event in self.market.events_since(self.cursor):
            self.cursor = event.cursor
            body = json.dumps(event.body)
            if self.crew.hostile and rng.random() < self.news.lost:
                self.crew.counts["events lost"] += 1
                self.world.keeper.note(f"{event.name} is lost")
                continue
            if arn := event.body["detail"].get("license", {}).get("arn"):
                self.named.add(license_key_of_arn(arn))
            if not self.crew.hostile:
                self.functions.tell(body)
                continue
            if rng.random() < self.news.twice:
                self.held.append(body)
            if rng.random() < self.news.late:
                self.world.keeper.note(f"{event.name} is late")
                self.held.append(body)
            else:
                self.functions.tell(body)
        if self.held and rng.random() < 0.3:
            self.functions.tell(self.held.pop(rng.randrange(len(self.held))))

    def take(self) -> None:
        """Let Lambda hand a batch to the subscription function."""
        if not self.is_busy() and (batch := self.functions.poll()):
            self.start("subscription", lambda: self._apply(batch), lives_s=SUBSCRIPTION_S)

    def sweep(self) -> None:
        """Let the sweep run."""
        self.start("sweep", self.functions.sweep, lives_s=SWEEP_S)

    def reconcile(self) -> None:
        """Let the nightly reconciliation run."""
        self.reconciled_s = self.world.now_s
        product_id = self.market.products[PRODUCT].id

        def work() -> None:
            for difference in self.functions.reconcile(product_id):
                self.crew.counts[f"difference {difference}"] += 1

        self.start("reconciliation", work, lives_s=RECONCILIATION_S)

    def hear(self) -> None:
        """Bring all that is due, and run what runs every few minutes or every night."""
        self.deliver()
        while batch := self.functions.poll():
            self.start("subscription", lambda: self._apply(batch), lives_s=SUBSCRIPTION_S)
            self.crew.finish()
        self.sweep()
        if self.news.lost and self.world.now_s - self.reconciled_s >= NIGHT_S:
            self.reconcile()
        self.crew.finish()

    def release(self) -> None:
        """Let all that is late arrive now."""
        for body in self.held:
            self.functions.tell(body)
        self.held.clear()

    def start(self, name: str, work: Callable[[], None], *, lives_s: float) -> None:
        """Put a function to work, unless too many are; one that fails is told and forgotten."""
        if self.is_busy():
            return
        self.crew.counts[f"functions: {name.partition(' ')[0]}"] += 1

        def live() -> None:
            try:
                work()
            except self.failures as error:
                self._tell_failed(name, error)

        self.crew.start(name, live, lives_s=lives_s)

    def is_busy(self) -> bool:
        functions = [each for each in self.crew.runners if not each.name.startswith("tick")]
        return len(functions) >= FUNCTIONS_MAX

    def _apply(self, batch: Sequence[Message]) -> None:
        """Apply a batch, each message on its own; what failed is not deleted, and comes back."""
        applied = []
        for message in batch:
            try:
                self.functions.apply(message)
            except self.failures as error:
                self._tell_failed("subscription", error)
            else:
                applied.append(message)
        self.functions.delete(applied)

    def _tell_failed(self, name: str, error: Exception) -> None:
        self.world.keeper.note(f"{name} fails: {error}")
        self.crew.counts["functions failed"] += 1
