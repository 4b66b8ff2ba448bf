"""Buyers of the whole functions: they purchase, register and cancel at AWS Marketplace itself.

What becomes known of them comes by AWS Marketplace's own events, through a queue, by registration,
or by the nightly reconciliation; each may be late, come twice, or die on the way.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from lambdas.customers.license import License, license_key_of_arn
from lambdas.metering.hours import HOUR_S
from lambdas.metering.ledger import Cell
from lambdas.registration.codes import Registration
from lambdas.registration.customer import TokenRefused
from lambdas.registration.register import Registered
from sandbox.marketplace.events import Timing
from sandbox.marketplace.faults import Fault
from tests.simulation.buyers import ACCOUNTS, LICENSES_MAX, Bought, Buyers
from tests.simulation.crew import Crew
from tests.simulation.post import Post
from tests.simulation.registrar import Registrar, Truth
from tests.simulation.tale import DIMENSIONS, PRODUCT

if TYPE_CHECKING:
    from tests.simulation.whole import Whole

FAITHFUL = ACCOUNTS[0]
"""Never buys a second license, so that its account always means the one."""

QUIET_S = 120
"""Between two changes of one license; sooner AWS Marketplace's own events would contradict."""

WAITING_S = 24 * HOUR_S - 60
"""How long a registration surely waits for a license that it does not name."""

REGISTRATION_S = 20
"""How long the registration function may run, as the stack sets it."""

RESOLVE_FAULTS = (
    "ThrottlingException",
    "InternalServiceErrorException",
    "ServiceUnavailable",
    "AccessDeniedException",
    "ExpiredTokenException",
    "timeout-before",
    "timeout-after",
)


class Subscribers(Buyers):
    """All of them, and what AWS delivers of them.

    Attributes:
        came: keys of licenses whose buyer pressed *Set up your account*.
        promised: those who were told that they are registered.
        agreed: for which agreement those registered who were told so without a license.
        nameless: when those came first of whom nothing but the account was known.
        ended: those that ever ended.
        unheard: those whose activation was not known when calm began, because its event was lost;
            what is withheld until the reconciliation may be too late then.
        left_in_calm: those that ended when everything could be sent in time.
    """

    world: "Whole"

    def __init__(self, world: "Whole", crew: Crew) -> None:
        super().__init__(world, crew.rng)
        self.crew = crew
        self.post = Post(world, crew)
        self.functions = world.functions
        self.market = world.aws.marketplace
        self.market.set_timing(Timing(deprovisioned_seconds=crew.tale.news.deprovisioned_s))
        self.changed_s: dict[str, float] = {}
        self.came: set[str] = set()
        self.promised: set[str] = set()
        self.agreed: dict[str, str] = {}
        self.nameless: dict[str, float] = {}
        self.ended: set[str] = set()
        self.left_in_calm: set[str] = set()
        self.unheard: set[str] = set()
        self.registrar = Registrar(
            world.keeper,
            world.licenses,
            world.outbox,
            world.functions.bus.published,
            self.truth,
        )
        world.on_write = self.registrar.look

    def happenings(self) -> Mapping[Callable[[], None], int]:
        """Tell what else happens between the steps of ticks, and how often."""
        return {
            self.post.deliver: 8,
            self.post.take: 14,
            self.post.sweep: 4,
            self.come: 6,
            self.trouble: 3,
            **({self.post.reconcile: 1} if self.crew.tale.news.lost else {}),
        }

    # What buyers do

    def purchase(self) -> None:
        """Let somebody buy: to be activated within a minute or so, or by hand."""
        rng = self.rng
        bought = {each.license.account for each in self.bought}
        account = rng.choice([each for each in ACCOUNTS if each != FAITHFUL or each not in bought])
        starts_s = int(self.world.now_s)
        if rng.random() < 0.3:
            starts_s -= starts_s % (24 * HOUR_S)
        dimensions = DIMENSIONS if rng.random() < 0.9 else DIMENSIONS[:2]
        by_hand = rng.random() < 0.15
        new = self.market.purchase(
            PRODUCT,
            account,
            list(dimensions),
            state="pending" if by_hand else "as-real",
            starts_at=None if by_hand else datetime.fromtimestamp(starts_s, UTC),
        )
        each = self._sold(new.license_arn, account, starts_s, dimensions)
        self.world.keeper.note(f"{account} buys {self.name(each)}{', by hand' * by_hand}")
        if rng.random() < 0.5:
            self.come_for(each)

    def change(self) -> None:
        """Let a buyer buy, cancel, renew, be replaced, or come back."""
        rng = self.rng
        if rng.random() < 0.15 and len(self.bought) < LICENSES_MAX:
            self.purchase()
            return
        each = rng.choice(self.bought)
        if self.world.now_s - self.changed_s[each.license.key] < QUIET_S:
            return
        if self._state(each) != "active":
            self._change(each, "activate")
        elif rng.random() < 0.6:
            self.cancel(each)
        elif rng.random() < 0.2:
            self._change(each, "end")
        else:
            self._succeed(each)

    def cancel(self, each: Bought) -> None:
        """Let a buyer cancel, which leaves an hour to report."""
        self._change(each, "cancel")

    def come(self) -> None:
        """Let a buyer press *Set up your account*, for the first time or again."""
        new = [each for each in self.bought if each.license.key not in self.promised]
        self.come_for(self.rng.choice(new if new and self.rng.random() < 0.8 else self.bought))

    def come_for(self, each: Bought) -> None:
        """Start registration with a fresh token; the form is filled in, or not."""
        key, token = each.license.key, self.market.registration_token(each.license.arn)
        signs_up = self.rng.random() < 0.5

        def work() -> None:
            self.came.add(key)
            outcome = self.functions.arrive(token)
            if isinstance(outcome, TokenRefused):
                self.world.keeper.fail(f"a good token of {self.name(each)} is refused: {outcome}")
            if isinstance(outcome, Registered):
                self._registered(key, outcome.registration)
                self.world.keeper.note(f"{self.name(each)} is registered")
                if signs_up:
                    self.functions.sign_up(outcome.code)

        self.post.start(f"registration of {self.name(each)}", work, lives_s=REGISTRATION_S)

    def trouble(self) -> None:
        """Let ResolveCustomer go wrong, or the event bus refuse single entries."""
        rng = self.rng
        if rng.random() < 0.5:
            self.functions.bus.refused = rng.randrange(1, 4)
            self.crew.counts["fault events refused"] += 1
        elif rng.random() < self.crew.tale.marketplace_fault:
            fault = rng.choice(RESOLVE_FAULTS)
            self.crew.counts[f"fault ResolveCustomer {fault}"] += 1
            self.market.inject(Fault(fault, operation="ResolveCustomer", times=rng.choice((1, 2))))

    # The end

    def tell_all(self) -> None:
        """Let all news arrive, and most who have not registered come."""
        self.functions.bus.refused = 0
        self.post.release()
        for each in self.bought:
            if each.license.key not in self.promised and self.rng.random() < 0.8:
                self.come_for(each)
                self.crew.finish()
        self.hear()
        keys = [each.license.key for each in self.bought]
        self.unheard = {key for key in keys if not self.registrar.is_activated(key)}

    def hear(self) -> None:
        """Let the news of an hour of calm arrive."""
        self.post.hear()

    def leaving(self) -> Sequence[Bought]:
        """Choose who cancels in calm: every other license that is active, and known to be."""
        active = [each for each in self.bought if self._state(each) == "active"]
        return [each for each in active if self.registrar.is_open(each.license.key)][::2]

    def settle(self) -> None:
        """Check that every license is known as it truly is, and that all was told."""
        if not self.post.is_empty():
            self.world.keeper.fail("events were never applied")
        self.registrar.settle(each.license.key for each in self.bought)

    def is_owed(self, cell: Cell, at_s: int) -> bool:
        """Tell whether AWS Marketplace takes a record of a time in calm, while it may be sent."""
        who, dimension, _ = cell
        each = self.of_key(who)
        held = self.market.licenses[each.license.arn]
        open_ = held.ends_at is None or who in self.left_in_calm
        open_ = open_ and who not in self.unheard
        return open_ and dimension in each.dimensions and held.covers(_time(at_s))

    def is_meant_by_account(self, each: Bought, at_s: float) -> bool:
        """Tell whether its account's usage means it, or nobody, whenever it is read."""
        return each.license.account == FAITHFUL

    def is_certain(self, each: Bought, at_s: float) -> bool:
        """Tell whether its account's usage of a time means it, now that all was told."""
        known = self._state(each) == "active" and self.registrar.is_open(each.license.key)
        return known and self.is_meant_by_account(each, at_s)

    def truth(self, key: str) -> Truth:
        """Tell what truly happened to a license so far."""
        each = self.of_key(key)
        held = self.market.licenses[each.license.arn]
        return Truth(
            state=self._state(each),
            activated=held.began(self.world.aws.time()),
            ended=key in self.ended,
            came=key in self.came or self.post.reconciled_s >= 0,
            named=self._is_named(key),
            promised=self._is_promised(key) or self._is_found(key),
        )

    def _registered(self, key: str, registration: Registration) -> None:
        if registration.license:
            self.promised.add(key)
            self.agreed.pop(key, None)
        elif registration.agreement_id:
            if key not in self.promised:
                self.agreed[key] = registration.agreement_id
            self.promised.add(key)
        else:
            self.nameless.setdefault(key, self.world.now_s)

    def _is_named(self, key: str) -> bool:
        """Tell whether an event, a registration or AWS Marketplace's agreements name a license.

        An agreement that is over names it to nobody who does not know it.
        """
        registered = key in self.promised and key not in self.agreed
        active = self._state(self.of_key(key)) == "active"
        return active or registered or key in self.post.named

    def _is_promised(self, key: str) -> bool:
        """Tell whether a registration that names something must be known by now.

        One that names an agreement which the license has left since may depend on the
        reconciliation, which asks for no license that is over.
        """
        held = self.market.licenses[self.of_key(key).license.arn]
        left = self.agreed.get(key, held.agreement_id) != held.agreement_id
        if left and self.crew.tale.news.lost:
            return self._state(self.of_key(key)) == "active"
        return key in self.promised

    def _is_found(self, key: str) -> bool:
        """Tell whether a registration that named its account only must have found its license.

        It waits for a day, and not for a license that ended: its buyer may have bought another.
        """
        since_s = self.registrar.activated_s(key)
        if since_s is None or key not in self.nameless or key in self.ended:
            return False
        return abs(since_s - self.nameless[key]) < WAITING_S

    # Behind all of that

    def _sold(self, arn: str, account: str, starts_s: int, dimensions: tuple[str, ...]) -> Bought:
        key = license_key_of_arn(arn)
        license_ = License(key=key, arn=arn, account=account, product_code=PRODUCT)
        each = Bought(license_, starts_s, dimensions, starts_s)
        self.changed_s[key] = self.world.now_s
        self.bought.append(each)
        return each

    def _change(self, each: Bought, change: Literal["activate", "cancel", "end"]) -> None:
        key = each.license.key
        self.market.change_license(each.license.arn, change)
        self.changed_s[key] = self.world.now_s
        if change != "activate":
            self.ended.add(key)
            if not self.crew.hostile:
                self.left_in_calm.add(key)
        self.world.keeper.note(f"{self.name(each)}: {change}")

    def _succeed(self, each: Bought) -> None:
        """Let another agreement take the place of a license's, with the same license or not."""
        rng, who = self.rng, each.license
        intent: Literal["RENEW", "REPLACE"] = rng.choice(("RENEW", "REPLACE"))
        another = rng.random() < 0.3 and who.account != FAITHFUL
        self.changed_s[who.key] = now_s = self.world.now_s
        new = self.market.succeed(who.arn, intent, new_license=another)
        self.world.keeper.note(f"{self.name(each)}: {intent}{', another license' * another}")
        if another:
            self.ended.add(who.key)
            self._sold(new.license_arn, who.account, int(now_s), each.dimensions)

    def _state(self, each: Bought) -> str:
        return self.market.licenses[each.license.arn].state(self.world.aws.time())


def leave_out_agreement(parsed: dict[str, Any], **_: Any) -> None:
    """Let an answer of ResolveCustomer lack what it may: the agreement of whoever has but one."""
    if parsed.get("CustomerAWSAccountId") == FAITHFUL:
        parsed.pop("Metadata", None)


def _time(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
