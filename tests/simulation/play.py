"""A hostile world, played from one seed: ticks that race and die, and whatever AWS may do.

Ticks run as greenlets in one thread and give way at every AWS call, where they may be killed or
handed a fault. Between their steps producers send, repeat, garble and delay usage, buyers come and
go, operators redrive, and time passes or jumps. `Ledgerkeeper` watches all of it and raises
`Violation` as soon as an invariant of docs/design.md does not hold.
"""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from greenlet import getcurrent, greenlet

from lambdas.customers.license import License, State
from lambdas.metering.drain import LogContendedError
from lambdas.metering.terms import Terms
from lambdas.metering.tick import tick
from lambdas.metering.wiring import Wiring
from sandbox.marketplace_faults import Fault as MarketplaceFault
from sandbox.memory.double import Fault, Params, ServiceError
from tests.simulation.invariants import Ledgerkeeper
from tests.simulation.tale import Tale, tale_of
from tests.world import DIMENSIONS, HOUR, PRODUCT, TICK_S, World

FUNCTION_S = 270
"""A tick that lives longer is killed, as Lambda does."""

CALLS_FAULTS = (
    "ThrottlingException",
    "InternalServiceErrorException",
    "ServiceUnavailable",
    "AccessDeniedException",
    "ExpiredTokenException",
    "DisabledApiException",
    "applied-but-500",
    "timeout-before",
    "timeout-after",
    "unprocessed",
    "omit",
    "omit-applied",
    "not-subscribed",
    "unknown-status",
)
READ_FAULTS = (Fault.THROTTLED, Fault.INTERNAL_ERROR, Fault.UNREACHABLE, Fault.ANSWER_LOST)
WRITE_FAULTS = (*READ_FAULTS, Fault.LATE, Fault.TWICE)
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})


class Killed(BaseException):
    """A tick dies here."""


@dataclass(eq=False, slots=True)
class Runner:
    """A tick under way."""

    name: str
    wiring: Wiring
    started_s: float
    greenlet: greenlet = field(init=False)
    doomed: bool = False


class Play:
    """One run of the simulation."""

    def __init__(self, seed: int, *, steps: int = 300) -> None:
        self.tale: Tale = tale_of(seed, steps=steps)
        self.rng = Random(seed * 7919 + 1)
        self.world = World(
            start=self.tale.start,
            seed=seed,
            terms=Terms(
                dimensions=DIMENSIONS,
                product_code=PRODUCT,
                id_memory_hours=self.tale.id_memory_hours,
            ),
            readings=self.tale.readings,
            before_call=self.before_call,
        )
        self.keeper = Ledgerkeeper(self.world)
        self.main = getcurrent()
        self.runners: list[Runner] = []
        self.containers: list[Wiring] = []
        self.licenses: list[License] = []
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.counts: Counter[str] = Counter()
        self.hostile = True
        self.spell = False
        self.ids = 0
        world = self.world
        world.sqs.faults, world.dynamodb.faults = self.tale.queue, self.tale.table
        for double in (world.sqs, world.dynamodb):
            double.on_call = self.on_call
            double.on_answer = self.on_answer

    def run(self) -> Counter[str]:
        """Play the hostile part, then calm, and settle all accounts."""
        for _ in range(3):
            self.purchase()
        for _ in range(self.tale.steps):
            self.step()
        self.calm()
        self.keeper.settle()
        return self.counts

    # What AWS does to a tick

    def runner(self) -> Runner | None:
        current = getcurrent()
        return next((each for each in self.runners if each.greenlet is current), None)

    def on_call(self, service: str, operation: str, params: Params) -> Fault | None:
        runner = self.runner()
        if runner is None:
            return None
        self.give_way(runner)
        if service == "sqs" and operation.startswith("DeleteMessage"):
            self.keeper.check_deletion(params)
        if not self.hostile or not self.spell or self.rng.random() >= self.tale.fault:
            return None
        fault = self.rng.choice(WRITE_FAULTS if operation in WRITES else READ_FAULTS)
        self.note(f"{runner.name}: {operation} {fault.name}")
        self.counts[f"fault {service} {fault.name}"] += 1
        return fault

    def on_answer(self, service: str, operation: str, _params: Params, answer: Any) -> Fault | None:
        received = service == "sqs" and operation == "ReceiveMessage"
        if received and not isinstance(answer, ServiceError):
            self.keeper.note_received(answer)
        runner = self.runner()
        if runner is not None and self.hostile and self.rng.random() < self.tale.kill:
            self.kill(runner, f"after {operation}")
        return None

    def before_call(self, _operation: str) -> None:
        runner = self.runner()
        if runner is not None:
            self.give_way(runner)
            self.keeper.look()

    def give_way(self, runner: Runner) -> None:
        """Let others run; die if that was decided meanwhile."""
        self.counts["calls"] += 1
        self.main.switch()
        if runner.doomed or (self.hostile and self.rng.random() < self.tale.kill):
            self.kill(runner, "before a call")

    def kill(self, runner: Runner, where: str) -> None:
        self.note(f"{runner.name} dies {where}")
        self.counts["kills"] += 1
        raise Killed

    # Ticks

    def container(self) -> Wiring:
        """Take a warm container, or start a cold one with a clock of its own."""
        if self.containers and self.rng.random() < 0.8:
            return self.containers.pop(self.rng.randrange(len(self.containers)))
        skew_s = self.rng.uniform(-self.tale.skew_s, self.tale.skew_s)
        return replace(
            self.world.wiring(),
            clock=lambda: self.world.now_s + skew_s,
            sleep=lambda _: self.pause(),
        )

    def pause(self) -> None:
        runner = self.runner()
        if runner is not None:
            self.give_way(runner)

    def start_tick(self) -> None:
        self.counts["ticks"] += 1
        runner = Runner(f"tick {self.counts['ticks']}", self.container(), self.world.now_s)
        runner.greenlet = greenlet(lambda: self.live(runner))
        self.runners.append(runner)

    def live(self, runner: Runner) -> None:
        try:
            tick(runner.wiring, until_s=runner.wiring.clock() + TICK_S)
        except Killed:
            return
        except (ClientError, BotoCoreError, LogContendedError) as error:
            self.note(f"{runner.name} fails: {error}")
            self.counts["ticks failed"] += 1
        self.containers.append(runner.wiring)

    def resume(self, runner: Runner, calls: int) -> None:
        if self.world.now_s - runner.started_s > FUNCTION_S:
            runner.doomed = True
        for _ in range(calls):
            if runner.greenlet.dead:
                break
            runner.greenlet.switch()
        if runner.greenlet.dead:
            self.runners.remove(runner)
        self.keeper.look()

    # What happens between

    def step(self) -> None:
        """Let one thing happen."""
        rng = self.rng
        if self.runners and rng.random() < 0.6:
            self.resume(rng.choice(self.runners), rng.randrange(1, 30))
            return
        if len(self.runners) < self.tale.ticks and rng.random() < 0.4:
            self.start_tick()
            return
        happening = rng.choices(
            (
                self.produce,
                self.pass_time,
                self.change_license,
                self.redrive,
                self.land_late_write,
                self.trouble_marketplace,
                self.turn_spell,
            ),
            (30, 25, 3, 4, 6, 8, 3),
        )[0]
        happening()

    def pass_time(self) -> None:
        rng = self.rng
        seconds = rng.uniform(1, 60) if self.runners else rng.uniform(60, 1800)
        if rng.random() < 0.01:
            seconds = rng.uniform(1, 30) ** rng.random() * HOUR
            self.note(f"the clock jumps by {seconds / HOUR:.1f} h")
        self.world.now_s += seconds

    def land_late_write(self) -> None:
        self.world.dynamodb.land_pending()

    def trouble_marketplace(self) -> None:
        if self.rng.random() < self.tale.marketplace_fault:
            fault = self.rng.choice(CALLS_FAULTS)
            self.note(f"Marketplace will answer {fault}")
            self.counts[f"fault marketplace {fault}"] += 1
            some = self.rng.choice((None, 1, 2))
            times = self.rng.choice((1, 1, 2, 5))
            self.world.marketplace.inject(MarketplaceFault(fault, times=times, records=some))

    def turn_spell(self) -> None:
        self.spell = not self.spell

    def purchase(self) -> None:
        account = self.rng.choice(("111122223333", "222233334444", "333344445555"))
        state = self.rng.choice((State.ACTIVE, State.ACTIVE, State.PENDING))
        start = self.world.time().replace(microsecond=0)
        if self.rng.random() < 0.5:
            start = start.replace(day=1, hour=0)
        known = self.rng.random() < 0.9
        bought = self.world.buy(account, state=state, start=start, known=known)
        self.note(f"{account} buys {bought.key[:6]}, {state}{'' if known else ', unannounced'}")
        self.licenses.append(bought)

    def change_license(self) -> None:
        """A buyer buys, is announced, cancels, or is gone and comes back."""
        rng, world = self.rng, self.world
        if rng.random() < 0.2 and len(self.licenses) < 8:
            self.purchase()
            return
        at = rng.randrange(len(self.licenses))
        each, now_s = self.licenses[at], int(world.now_s)
        if each.state is State.ACTIVE:
            world.marketplace.change_license(each.arn, "cancel")
            each = replace(each, state=State.ENDING, ending_since_s=now_s)
        elif each.state is State.ENDING:
            each = replace(each, state=State.ENDED, ended_s=now_s)
        else:
            if each.state is State.ENDED:
                world.marketplace.change_license(each.arn, "activate")
            each = replace(each, state=State.ACTIVE, ending_since_s=None, ended_s=None)
        self.note(f"license {each.key[:6]} is {each.state}")
        self.licenses[at] = each
        world.customers.save(each)

    def produce(self) -> None:
        """Send a message: new usage, copies, an Id used again, or nonsense."""
        rng = self.rng
        if rng.random() < 0.05:
            self.post(rng.choice(("quantity=5", "{}", "[1]", '{"UsageRecords": 3}')))
            return
        records = [self.some_usage() for _ in range(rng.choice((1, 1, 1, 2, 5)))]
        if len(records) == 1 and rng.random() < 0.7:
            self.post(json.dumps(records[0]))
        else:
            self.post(json.dumps({"UsageRecords": records}))

    def some_usage(self) -> dict[str, Any]:
        rng = self.rng
        # Copies come within the id memory, less the clocks' differences.
        remembered_s = (self.tale.id_memory_hours - 1) * HOUR
        recent = [
            record
            for sent_s, record in self.sent
            if "Id" in record and self.world.now_s - sent_s < remembered_s
        ]
        if recent and rng.random() < 0.3:
            copy = dict(rng.choice(recent))
            self.counts["copies"] += 1
            if rng.random() < 0.1:
                copy["Quantity"] = rng.randrange(100, 200)
                self.counts["ids reused"] += 1
                self.sent.append((self.world.now_s, copy))
            return copy
        return self.new_usage()

    def new_usage(self) -> dict[str, Any]:
        rng = self.rng
        each = rng.choice(self.licenses)
        who: License | str = each.account if rng.random() < 0.3 else each
        ago_s = rng.uniform(0, 900)
        if rng.random() < 0.15:
            ago_s = rng.uniform(-700, 26 * HOUR)
        quantity: int | str = rng.randrange(0, 100)
        if rng.random() < 0.1:
            quantity = rng.choice(("0.5", "0.000001", "9999999999", "-1"))
        dimension = "nonsense" if rng.random() < 0.03 else rng.choice(DIMENSIONS)
        self.ids += 1
        id_ = f"u-{self.ids}" if rng.random() < 0.8 else None
        record = self.world.usage(who, quantity, dimension=dimension, ago_s=ago_s, id_=id_)
        if isinstance(quantity, int) and quantity >= 3 and rng.random() < 0.1:
            record["UsageAllocations"] = [
                {"AllocatedUsageQuantity": 2, "Tags": [{"Key": "team", "Value": "a"}]},
                {"AllocatedUsageQuantity": quantity - 2},
            ]
        if id_ is not None:
            self.sent.append((self.world.now_s, record))
        self.counts["usage"] += 1
        return record

    def post(self, body: str) -> None:
        answer = self.world.producer.send_message(QueueUrl=self.world.queue_url, MessageBody=body)
        self.keeper.note_sent(answer["MessageId"], body)

    def redrive(self) -> None:
        """An operator sends quarantined or expired usage again, often too early or twice."""
        bill = {"BillAt": "now"} if self.rng.random() < 0.5 else {}
        names = [name for name, _ in self.world.quarantined()]
        cells = [cell for cell, status in self.world.outcomes().items() if status == "expired"]
        order: dict[str, str] = {}
        if names and self.rng.random() < 0.7:
            order = {"Key": self.rng.choice(names)}
        elif cells:
            who, dimension, hour = self.rng.choice(cells)
            order = {"License": who, "Dimension": dimension, "Hour": hour}
        if order:
            self.note(f"operator redrives {order | bill}")
            self.counts["redrives"] += 1
            self.keeper.note_redrive(order, bill_now=bool(bill))
            self.world.producer.send_message(
                QueueUrl=self.world.queue_url, MessageBody=json.dumps({"Redrive": order | bill})
            )

    def note(self, line: str) -> None:
        self.keeper.note(line)

    # The end

    def calm(self) -> None:
        """Faults stop, all that runs ends, and time passes until every window is closed."""
        self.hostile = False
        self.world.marketplace.clear_faults()
        self.world.sqs.faults = type(self.tale.queue)()
        self.world.dynamodb.land_pending()
        while self.runners:
            self.resume(self.runners[0], 10_000)
        self.note("calm")
        for _ in range(36):
            self.world.now_s += 3600
            self.start_tick()
            while self.runners:
                self.resume(self.runners[0], 100_000)
