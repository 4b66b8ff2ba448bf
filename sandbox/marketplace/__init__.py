"""AWS Marketplace on a laptop: products, agreements, licenses, events, and what AWS would bill.

The emulator holds AWS's documented rules and nothing else: the clock is an argument, randomness
has a seed, and it knows neither HTTP nor whoever calls it. Beside it:

- `rules.py`: the rules of one record and one license, and the readings to choose from
- `sales.py`: what was sold to whom; `agreements.py` and `terms.py`: what an agreement is, and on
  which terms
- `lifecycle.py`: what a change makes AWS tell the seller; `notices.py`: in which shape;
  `events.py`: when, and how it strays on its way
- `calls.py`: API calls, `shapes.py`: checked against AWS's published shapes, and answered by
  `metering.py`, `entitlement.py` and `agreement.py`
- `bill.py`: what was metered, once
- `faults.py`: what goes wrong on purpose
- `http.py`: the doors; behind them `admin.py`, which sets the stage, and `page.py`, for a person

Left out: signatures and permissions are never checked, all regions are one (AWS may remove
duplicates for each region apart), and prices, invoices and CloudTrail do not exist.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from sandbox.marketplace import agreement, entitlement, metering
from sandbox.marketplace.bill import Bill, BillLine
from sandbox.marketplace.calls import Answer, Call, Caller, Calls, Request
from sandbox.marketplace.events import Event, Timing
from sandbox.marketplace.faults import Detour, Fault, Faults
from sandbox.marketplace.rules import Readings
from sandbox.marketplace.sales import Sales

Platform = Literal["ec2", "ecs", "eks", "agentcore"]


class Marketplace(Sales):
    """The state of one AWS Marketplace, and its answers.

    Safe to use from several threads: one lock around everything. The attributes without underscore
    are the operations' own, to be touched only inside a call.

    Args:
        now: The time, aware.
        seed: Ids, tokens and the luck of faults follow from it.
        readings: How to read AWS where it contradicts itself.
        throttling: Refuse calls beyond AWS's published rates.
        platform: Where callers of MeterUsage and RegisterUsage run.
        resource_region: The region those callers run in; `None` takes any.
        timing: The pauses before events.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        seed: int = 0,
        readings: Readings | None = None,
        throttling: bool = False,
        platform: Platform = "ecs",
        resource_region: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(now, seed=seed, readings=readings or Readings(), timing=timing or Timing())
        self.platform = platform
        self.resource_region = resource_region
        self.bill = Bill()
        self.resolved_licenses: set[str] = set()
        self.client_tokens: dict[tuple[str, str], tuple[object, str]] = {}
        self.registered: set[tuple[str, str]] = set()
        self._faults = Faults[Fault](seed)
        self._calls = Calls[Marketplace](self, self._faults, throttling=throttling)
        self.serve("meteringmarketplace", metering.OPERATIONS)
        self.serve("marketplace-entitlement", entitlement.OPERATIONS)
        self.serve("marketplace-agreement", agreement.OPERATIONS)

    def serve(self, service: str, operations: Mapping[str, "Operation"]) -> None:
        """Answer these operations too, named and shaped by botocore's model of the service."""
        self._calls.serve(service, operations)

    def rotate_public_key(self, product_code: str) -> int:
        """Give a container product's RegisterUsage the next key; returns its version."""
        with self._lock:
            product = self.products[product_code]
            version = product.public_key_version + 1
            self.products[product_code] = replace(
                product, public_key_version=version, public_key_rotated_at=self.now()
            )
            return version

    def inject(self, fault: Fault) -> None:
        """Let a fault strike calls, after those injected before."""
        with self._lock:
            self._faults.add(fault)

    def clear_faults(self) -> None:
        """Let nothing strike calls any more."""
        with self._lock:
            self._faults.clear()

    def pending_faults(self) -> list[tuple[Fault, int | None]]:
        """The faults still to strike, and how many more times each."""
        with self._lock:
            return self._faults.pending()

    def divert(self, detour: Detour) -> None:
        """Let events stray on their way, after the detours asked for before."""
        with self._lock:
            self._lifecycle.timeline.delivered(self._settle())
            self._lifecycle.timeline.detours.add(detour)

    def clear_detours(self) -> None:
        """Let every event that is due from now on take the straight way."""
        with self._lock:
            self._lifecycle.timeline.delivered(self._settle())
            self._lifecycle.timeline.detours.clear()

    def pending_detours(self) -> list[tuple[Detour, int | None]]:
        """The detours still to be taken, and how many more times each."""
        with self._lock:
            self._lifecycle.timeline.delivered(self._settle())
            return self._lifecycle.timeline.detours.pending()

    @property
    def timing(self) -> Timing:
        """The pauses before events."""
        return self._lifecycle.timing

    def set_timing(self, timing: Timing) -> None:
        """Change the pauses before events of what happens from now on."""
        with self._lock:
            self._lifecycle.timing = timing

    def events(self) -> list[Event]:
        """Everything the seller was told so far, in the order in which it arrived."""
        return self.events_since(0)

    def events_since(self, cursor: int) -> list[Event]:
        """What the seller was told after the event with this cursor; 0 is before the first."""
        with self._lock:
            return self._lifecycle.timeline.delivered(self._settle(), cursor)

    def usage(self) -> list[BillLine]:
        """What AWS would bill."""
        with self._lock:
            return self.bill.lines()

    def calls(self) -> list[Call]:
        """The newest API calls, oldest first."""
        with self._lock:
            return list(self._calls.made)

    def new_id(self) -> str:
        """A unique id, the same in every run with the same seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def answer(self, target: str, body: bytes, caller: Caller | None = None) -> Answer:
        """Answer one API call, `target` being its X-Amz-Target header."""
        with self._lock:
            at = self._settle()
            return self._calls.answer(target, body, caller or Caller(), at, self.new_id)


Operation = Callable[[Marketplace, Request], dict[str, Any]]
