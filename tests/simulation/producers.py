"""Producers: they send usage, and repeat, delay, garble, rename and reuse it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from lambdas.metering.hours import HOUR_S, hour_of, month_of
from tests.simulation.buyers import Bought
from tests.simulation.tale import DIMENSIONS, Tale
from tests.simulation.units import Unit

if TYPE_CHECKING:
    from tests.simulation.buyers import Neighbours
    from tests.simulation.crew import World
    from tests.simulation.subscribers import Subscribers

NONSENSE = ("quantity=5", "{}", "[1]", '{"UsageRecords": 3}', '{"UsageRecords": []}')
ODD_QUANTITIES = ("0.5", "0.000001", "9999999999", "-1", "12.3456789")
HELD_MAX = 5
LAST_USE_S = 200
"""Before a tick of calm: late enough for an hour that is open, early enough for a slow clock."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record under an Id, as a producer keeps it to send it again.

    Attributes:
        unit: what it means.
        whose: the license it means.
        first_s: when the Id was sent first.
        record: how it is written.
    """

    unit: Unit
    whose: Bought
    first_s: float
    record: dict[str, Any]

    @property
    def used_s(self) -> float:
        """When it was used."""
        return datetime.fromisoformat(self.record["Timestamp"]).timestamp()


class Producers:
    """All of them."""

    def __init__(
        self, world: "World", buyers: "Neighbours | Subscribers", tale: Tale, rng: Random
    ) -> None:
        self.world = world
        self.buyers = buyers
        self.rng = rng
        # Copies come within the id memory, less the clocks' differences.
        self.remembered_s = (tale.terms.id_memory_hours - 1) * HOUR_S
        self.sent: list[Sent] = []
        self.held: list[list[Sent]] = []
        self.ids = 0
        self.copies = 0

    def produce(self) -> None:
        """Send a message of new usage, copies, Ids used again, or nonsense; or hold it back."""
        rng = self.rng
        if rng.random() < 0.05:
            self.post(rng.choice(NONSENSE), [])
            return
        if self.held and rng.random() < 0.2:
            self.send(self.held.pop(rng.randrange(len(self.held))))
            return
        records = [self.some_usage() for _ in range(rng.choice((1, 1, 1, 2, 5)))]
        if rng.random() < 0.05 and "Id" in records[0].record:
            records.append(records[0])
        if rng.random() < 0.1 and len(self.held) < HELD_MAX:
            self.held.append(records)
        else:
            self.send(records)

    def send(self, records: Sequence[Sent]) -> None:
        """Send records in one message."""
        now_s = self.world.now_s
        fresh = [each for each in records if self.may_still_be_sent(each)]
        if not fresh:
            return
        self.sent += [replace(each, first_s=min(each.first_s, now_s)) for each in fresh]
        bodies = [each.record for each in fresh]
        single = len(bodies) == 1 and self.rng.random() < 0.7
        body = json.dumps(bodies[0] if single else {"UsageRecords": bodies})
        self.post(body, [each.unit for each in fresh])

    def may_still_be_sent(self, each: Sent) -> bool:
        """Tell whether a copy comes before its Id is forgotten."""
        return self.world.now_s - each.first_s < self.remembered_s

    def post(self, body: str, units: Sequence[Unit]) -> None:
        """Send a message, and write down what it means."""
        message_id = self.world.send(body)
        self.world.keeper.units.note_sent(message_id, body, units, self.world.now_s)
        told = "; ".join(each.told for each in units) or "nonsense"
        self.world.keeper.note(f"sent, {message_id}: {told}")

    def some_usage(self) -> Sent:
        """Make up usage, or take some that was sent before."""
        rng = self.rng
        if rng.random() < 0.3:
            recent = [
                each
                for each in self.sent[-30:]
                if "Id" in each.record and self.may_still_be_sent(each)
            ]
            if recent:
                self.copies += 1
                return self.copy(rng.choice(recent))
        return self.new_usage()

    def copy(self, each: Sent) -> Sent:
        """Send usage once more: as it is, with the customer's other name or another time, or not.

        The last is what nobody should do: other usage under an Id that is taken.
        """
        rng, luck = self.rng, self.rng.random()
        record = dict(each.record)
        if luck < 0.1:
            record["Quantity"] = 1000 + self.copies
            for name in ("QuantityAsDecimal", "UsageAllocations"):
                record.pop(name, None)
            each.unit.id_reused = True
            unit = Unit(each.unit.license, each.unit.account, id_reused=True)
            return replace(each, unit=unit, record=record)
        if luck < 0.35 and each.unit.license is not None:
            if "LicenseArn" not in record:
                del record["CustomerAWSAccountId"]
                record["LicenseArn"] = each.whose.license.arn
            elif self.buyers.is_meant_by_account(each.whose, each.used_s):
                del record["LicenseArn"]
                record["CustomerAWSAccountId"] = each.whose.license.account
        elif luck < 0.5:
            used_s = self.world.now_s - rng.uniform(0, 600)
            month = month_of(hour_of(int(each.used_s)))
            certain = "LicenseArn" in record or each.unit.license is None
            if month_of(hour_of(int(used_s))) == month and (
                certain or self.buyers.is_meant_by_account(each.whose, used_s)
            ):
                record["Timestamp"] = written(used_s)
        return replace(each, record=record)

    def new_usage(self) -> Sent:
        """Make up usage of some license, of now or of hours ago."""
        rng, now_s = self.rng, self.world.now_s
        ago_s = rng.uniform(0, 900)
        if rng.random() < 0.15:
            ago_s = rng.uniform(-700, 26 * HOUR_S)
        whose, used_s = rng.choice(self.buyers.bought), now_s - ago_s
        record: dict[str, Any] = {
            "Timestamp": written(used_s),
            "Dimension": "nonsense" if rng.random() < 0.03 else rng.choice(DIMENSIONS),
        }
        unit = Unit(whose.license.key, whose.license.account)
        if rng.random() < 0.1:
            # Whichever license that means when it is read: it must count once all the same.
            unit.license = None
            record["CustomerAWSAccountId"] = whose.license.account
        elif rng.random() < 0.3 and self.buyers.is_meant_by_account(whose, used_s):
            record["CustomerAWSAccountId"] = whose.license.account
        else:
            record["LicenseArn"] = whose.license.arn
        if rng.random() < 0.1:
            record["QuantityAsDecimal"] = rng.choice(ODD_QUANTITIES)
        else:
            record |= self.some_quantity()
        if rng.random() < 0.8:
            self.ids += 1
            record["Id"] = f"u-{self.ids}"
        return Sent(unit, whose, now_s, record)

    def name_accounts(self) -> None:
        """Use licenses that their accounts certainly mean, and name those."""
        for each in self.buyers.bought:
            if self.buyers.is_certain(each, self.world.now_s - LAST_USE_S):
                self.use(each, by_account=True)

    def use(self, whose: Bought, *, by_account: bool = False) -> None:
        """Send usage of a license of this minute, in each of its dimensions."""
        now_s, each = self.world.now_s, whose.license
        unit = partial(Unit, each.key, each.account, certain=by_account)
        named = {"CustomerAWSAccountId": each.account} if by_account else {"LicenseArn": each.arn}
        for dimension in whose.dimensions:
            record = {
                "Timestamp": written(now_s - LAST_USE_S),
                **named,
                "Dimension": dimension,
                "Quantity": self.rng.randrange(1, 100),
            }
            self.send([Sent(unit(), whose, now_s, record)])

    def some_quantity(self) -> dict[str, Any]:
        """Make up a quantity, perhaps split by tags."""
        quantity = self.rng.randrange(0, 100)
        if quantity < 3 or self.rng.random() < 0.9:
            return {"Quantity": quantity}
        team = self.rng.choice(("a", "b"))
        split = [
            {"AllocatedUsageQuantity": 2, "Tags": [{"Key": "team", "Value": team}]},
            {"AllocatedUsageQuantity": quantity - 2},
        ]
        return {"Quantity": quantity, "UsageAllocations": split}


def written(at_s: float) -> str:
    """Write a time as producers do."""
    return datetime.fromtimestamp(at_s, UTC).isoformat()
