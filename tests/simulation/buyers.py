"""Buyers: they purchase, cancel and come back, and the Customers table hears of it in time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from lambdas.customers.license import License, LicenseKey, State, license_key_of_arn
from lambdas.metering.hours import HOUR_S
from lambdas.metering.ledger import Cell
from tests.simulation.tale import DIMENSIONS, PRODUCT

if TYPE_CHECKING:
    from tests.simulation.core import Core
    from tests.simulation.crew import World

ACCOUNTS = ("111122223333", "222233334444", "333344445555")
LICENSES_MAX = 8


@dataclass(eq=False, slots=True)
class Bought:
    """A license as it truly is.

    Attributes:
        license: what the Customers table will say once it has heard everything.
        bought_s: when it was purchased; usage may come from then on.
        dimensions: what its offer has a price for.
        starts_s: from when AWS Marketplace takes its usage; None while it is pending.
        ends_s: when the buyer cancelled; None while it runs.
        told: what the Customers table says of it; None while that knows nothing.
    """

    license: License
    bought_s: float
    dimensions: tuple[str, ...]
    starts_s: float | None
    ends_s: float | None = None
    told: License | None = None

    def lived_at(self, at_s: float) -> bool:
        """Tell whether it could be used at a time."""
        return self.bought_s <= at_s and (self.ends_s is None or at_s <= self.ends_s)

    def is_meant_by_account(self, at_s: float) -> bool:
        """Tell whether its account's usage of a time means it, or nobody: never another license.

        One that the table takes for pending loses to another that ran out a moment ago, and one
        that has come back without its knowledge, to another that runs.
        """
        if self.told is None or self.told.state is State.PENDING or self.starts_s is None:
            return False
        over = self.told.ended_s is not None and self.told.ended_s < at_s
        return not over and self.starts_s <= at_s and self.lived_at(at_s)


class Buyers:
    """All of them, whatever the world is made of."""

    def __init__(self, world: "World", rng: Random) -> None:
        self.world = world
        self.rng = rng
        self.bought: list[Bought] = []

    def of_key(self, key: str) -> Bought:
        """Find a license by its key."""
        return next(each for each in self.bought if each.license.key == key)

    def account_of(self, who: LicenseKey) -> str:
        """Tell whose a license is."""
        return self.of_key(who).license.account

    @staticmethod
    def name(each: Bought) -> str:
        """Name a license in a story."""
        return each.license.key[-4:]

    def happenings(self) -> Mapping[Callable[[], None], int]:
        """Tell what else happens between the steps of ticks, and how often."""
        return {}

    def hear(self) -> None:
        """Let the news of an hour of calm arrive."""

    def leaving(self) -> Sequence[Bought]:
        """Choose who cancels in calm; nobody, unless the Customers table hears in time."""
        return ()

    def settle(self) -> None:
        """Check at the end what else must hold."""

    def cancel(self, each: Bought) -> None:
        """Let one of those cancel."""


class Neighbours(Buyers):
    """Buyers of whom the Customers table is told everything at once, now or later."""

    world: "Core"

    def is_meant_by_account(self, each: Bought, at_s: float) -> bool:
        """Tell whether its account's usage of a time means a license, or nobody."""
        return each.is_meant_by_account(at_s)

    def is_certain(self, each: Bought, at_s: float) -> bool:
        """Tell whether its account's usage of a time means a license, now that all was told."""
        others = [
            other.license
            for other in self.bought
            if other is not each and other.license.account == each.license.account
        ]
        return (
            each.license.state is State.ACTIVE
            and each.is_meant_by_account(at_s)
            and all(
                other.state is State.PENDING or (other.ended_s is not None and other.ended_s < at_s)
                for other in others
            )
        )

    def purchase(self) -> None:
        """Let somebody buy: active at once or later, known at once or later."""
        rng, world = self.rng, self.world
        account = rng.choice(ACCOUNTS)
        active = rng.random() < 0.7
        starts_s = int(world.now_s)
        if rng.random() < 0.5:
            starts_s -= starts_s % (24 * HOUR_S)
        dimensions = DIMENSIONS if rng.random() < 0.9 else DIMENSIONS[:2]
        arn, agreement = world.sell(
            account, active=active, starts_s=starts_s, dimensions=dimensions
        )
        each = License(
            key=license_key_of_arn(arn),
            arn=arn,
            account=account,
            product_code=PRODUCT,
            agreement_id=agreement,
        )
        bought = Bought(each, starts_s, dimensions, starts_s if active else None)
        if active:
            bought.license = replace(
                each,
                state=State.ACTIVE,
                start_s=starts_s if rng.random() < 0.8 else None,
                active_since_s=int(world.now_s),
            )
        self.bought.append(bought)
        world.keeper.note(f"{account} buys {self.name(bought)}, {bought.license.state}")
        self.tell_perhaps(bought)

    def change(self) -> None:
        """Let a buyer buy, be activated, cancel, or come back; or let old news arrive."""
        rng = self.rng
        if rng.random() < 0.15 and len(self.bought) < LICENSES_MAX:
            self.purchase()
            return
        each = rng.choice(self.bought)
        if rng.random() < 0.4:
            self.tell(each)
            return
        now_s = self.world.now_s
        if each.starts_s is None or each.ends_s is not None:
            self.world.activate(each.license)
            if each.starts_s is None:
                # AWS counts from this very moment, and nobody can report less than a second.
                each.starts_s = now_s
                each.license = replace(each.license, start_s=int(now_s) + 1)
            each.ends_s = None
            each.license = replace(
                each.license,
                state=State.ACTIVE,
                active_since_s=int(now_s) + 1,
                ending_since_s=None,
                ended_s=None,
            )
        else:
            self.cancel(each)
        self.world.keeper.note(f"license {self.name(each)} is {each.license.state}")
        self.tell_perhaps(each)

    def cancel(self, each: Bought) -> None:
        """Let a buyer cancel."""
        now_s = self.world.now_s
        self.world.cancel(each.license)
        each.ends_s = now_s
        each.license = replace(each.license, state=State.ENDING, ending_since_s=int(now_s))

    def tell_perhaps(self, each: Bought) -> None:
        """Let the Customers table hear of a change, or not yet."""
        if self.rng.random() < 0.7:
            self.tell(each)

    def tell(self, each: Bought) -> None:
        """Let the Customers table hear everything of a license."""
        over_s = None if each.ends_s is None else int(each.ends_s) + HOUR_S
        if over_s is not None and self.world.now_s >= over_s:
            each.license = replace(each.license, state=State.ENDED, ended_s=over_s)
        if each.told is None or each.told.state is not each.license.state:
            self.world.keeper.note(f"told: {self.name(each)} is {each.license.state}")
        each.told = each.license
        self.world.announce(each.license)

    def tell_all(self) -> None:
        """Let all news arrive."""
        for each in self.bought:
            self.tell(each)

    def is_owed(self, cell: Cell, at_s: int) -> bool:
        """Tell whether AWS Marketplace takes a record of a time, as everything is now."""
        who, dimension, _ = cell
        each = self.of_key(who)
        begun = each.starts_s is not None and each.starts_s <= at_s
        return begun and each.ends_s is None and dimension in each.dimensions
