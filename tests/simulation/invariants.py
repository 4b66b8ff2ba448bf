"""The invariants of docs/design.md, checked while a simulation runs and when it has ended.

The keeper reads the log as it grows, entry by entry, and keeps an account of its own: plain
dictionaries of whole keys, no packed memory, no cursor, no code of the ledger but its encoding.
"""

from collections import Counter
from typing import Any

from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import Hour, hour_from_text, hour_of, month_of
from lambdas.metering.ledger import Fold, Packed, Seal, records_of, unpack
from lambdas.metering.usage import Redrive, Rejected, Rules, Usage, read_message, record_key
from sandbox.memory.double import Params
from tests.world import DIMENSIONS, LEDGER, PRODUCT, World

KEY_BYTES = 16
STORY_LINES_MAX = 60

Cell = tuple[LicenseKey, str, Hour]
Name = tuple[bytes, bytes]
"""A key and the check of its content: one unit of usage as a producer meant it."""


class Violation(AssertionError):  # noqa: N818 (a word of the domain)
    """An invariant does not hold; the message says which, and what happened before."""


class Ledgerkeeper:
    """Keeps an account of its own beside the ledger, and compares."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.story: list[str] = []
        self.meant: dict[Name, Usage | Rejected] = {}
        self.bodies: dict[str, str] = {}
        self.receipts: dict[str, str] = {}
        self.billed_now: set[bytes] = set()
        self.last = 0
        self.watermark = Hour(-1)
        self.early: dict[LicenseKey, Hour] = {}
        self.keys: dict[bytes, bytes] = {}
        self.open: Counter[Cell] = Counter()
        self.sealed: dict[Cell, tuple[int, int]] = {}
        self.folded: Counter[tuple[str, int]] = Counter()
        self.succeeded: set[Cell] = set()
        self.watch(world.marketplace_client)

    def note(self, line: str) -> None:
        """Remember what happened, for the story of a violation."""
        self.story.append(f"{self.world.time():%d %H:%M:%S} {line}")

    def fail(self, claim: str) -> None:
        """Raise, with the last lines of the story."""
        raise Violation("\n".join([claim, *self.story[-STORY_LINES_MAX:]]))

    def check(self, holds: bool, claim: str) -> None:
        """Raise unless a claim holds."""
        if not holds:
            self.fail(claim)

    # What producers meant

    def read(self, message_id: str, body: str) -> list[Usage | Rejected | Redrive]:
        """Read a message as if its time had come: what is in the future now may count later."""
        now_s = int(self.world.now_s) + 24 * 3600
        rules = Rules(frozenset(DIMENSIONS), PRODUCT)
        return read_message(body, message_id=message_id, arrived_s=now_s, now_s=now_s, rules=rules)

    def note_sent(self, message_id: str, body: str) -> None:
        """Write down what a message means."""
        self.bodies[message_id] = body
        for each in self.read(message_id, body):
            assert not isinstance(each, Redrive)
            self.meant.setdefault((each.key, each.check), each)

    def note_redrive(self, order: dict[str, str], *, bill_now: bool) -> None:
        """Write down what may be billed in another month than it was used."""
        if bill_now:
            key = order.get("Key")
            self.billed_now.add(
                bytes.fromhex(key)[:12]
                if key
                else record_key(order["License"], order["Dimension"], hour_from_text(order["Hour"]))
            )

    # Deleted from the queue implies in the log or in quarantine

    def note_received(self, answer: dict[str, Any]) -> None:
        for message in answer.get("Messages", []):
            self.receipts[message["ReceiptHandle"]] = message["MessageId"]

    def check_deletion(self, params: Params) -> None:
        self.look()
        waiting = {name for name, _ in self.world.quarantined()}
        for entry in params["Entries"]:
            message_id = self.receipts[entry["ReceiptHandle"]]
            for each in self.read(message_id, self.bodies.get(message_id, "[]")):
                assert not isinstance(each, Redrive)
                name = (each.key + each.check).hex()
                known = self.keys.get(each.key) == each.check or name in waiting
                self.check(known, f"deleted from the queue, but nowhere else: {each}")

    # The log

    def look(self) -> None:
        """Take in new entries of the log and check each of them."""
        while item := self.world.dynamodb.item(LEDGER, "log", f"{self.last + 1:012d}"):
            self.last += 1
            packed = Packed(
                item["kind"]["S"],
                int(item["v"]["N"]),
                int(item["at"]["N"]),
                item["keys"]["B"] if "keys" in item else b"",
                item["body"]["B"],
            )
            entry = unpack(packed)
            if isinstance(entry, Fold):
                self.take_fold(entry)
            else:
                self.take_seal(entry)

    def sealed_upto(self, who: LicenseKey) -> Hour:
        return max(self.watermark, self.early.get(who, self.watermark))

    def take_fold(self, entry: Fold) -> None:
        for at in range(0, len(entry.keys), KEY_BYTES):
            key, check = entry.keys[at : at + 12], entry.keys[at + 12 : at + KEY_BYTES]
            self.check(key not in self.keys, f"entry {self.last}: key {key.hex()} counted twice")
            self.keys[key] = check
        for row in entry.rows:
            closed = row.hour <= self.sealed_upto(row.license)
            self.check(not closed, f"entry {self.last} adds to a sealed hour: {row}")
            self.open[row.license, row.dimension, row.hour] += row.quantity
            self.folded[row.dimension, month_of(row.hour)] += row.quantity
        self.note(f"entry {self.last}: fold of {len(entry.keys) // KEY_BYTES} keys")

    def take_seal(self, entry: Seal) -> None:
        for record in records_of(self.last, entry):
            cell, frozen = record.cell, record.frozen
            self.check(cell not in self.sealed, f"entry {self.last} seals again: {cell}")
            counted = self.open.pop(cell, 0)
            self.check(counted == frozen.quantity, f"entry {self.last}: {counted} became {frozen}")
            self.check(
                hour_of(frozen.timestamp_s) == frozen.hour, f"time outside its hour: {frozen}"
            )
            self.sealed[cell] = (frozen.quantity, frozen.timestamp_s)
        for cell in list(self.open):
            left_out = cell[2] <= entry.upto and (entry.everyone or cell[0] in entry.records)
            self.check(not left_out, f"entry {self.last} seals over open usage of {cell}")
        if entry.everyone:
            self.watermark = max(self.watermark, entry.upto)
        else:
            for who in entry.records:
                self.early[who] = max(entry.upto, self.sealed_upto(who))
        everyone = "everyone" if entry.everyone else f"{len(entry.records)} licenses"
        self.note(f"entry {self.last}: seal up to {entry.upto % 24}h, {everyone}")

    # What is sent, and what comes of it

    def watch(self, client: Any) -> None:
        """See every call of a client of AWS Marketplace, and every answer it gets."""
        events, operation = client.meta.events, "marketplace-metering.BatchMeterUsage"
        events.register(f"provide-client-params.{operation}", self.see_call)
        events.register(f"after-call.{operation}", self.see_answer)

    def see_call(self, params: dict[str, Any], **_: Any) -> None:
        self.look()
        for record in params["UsageRecords"]:
            cell = self.cell_of(record)
            quantity = record.get("Quantity", record.get("QuantityAsDecimal"))
            sent = (self.micros(quantity), int(record["Timestamp"].timestamp()))
            self.check(
                self.sealed.get(cell) == sent, f"sent {sent}, sealed {self.sealed.get(cell)}"
            )

    def see_answer(self, parsed: dict[str, Any], **_: Any) -> None:
        for result in parsed.get("Results", []):
            if result["Status"] == "Success":
                self.succeeded.add(self.cell_of(result["UsageRecord"]))

    def cell_of(self, record: dict[str, Any]) -> Cell:
        who = LicenseKey(record["LicenseArn"].rpartition(":")[2])
        return who, record["Dimension"], hour_of(int(record["Timestamp"].timestamp()))

    @staticmethod
    def micros(quantity: object) -> int:
        whole, _, rest = str(quantity).partition(".")
        return int(whole) * 10**6 + int(rest.ljust(6, "0") or 0)

    # The end

    def settle(self) -> None:
        """Check that everything meant is accounted for, once, to the last unit."""
        self.look()
        self.check(not self.world.sqs.queue(self.world.queue_url).messages(), "queue not empty")
        self.check(not self.open, f"never sealed: {self.open}")
        self.settle_usage()
        self.settle_records()

    def settle_usage(self) -> None:
        """Every unit of usage is in the log or in quarantine, and the log holds nothing else."""
        waiting = {name for name, _ in self.world.quarantined()}
        expected: Counter[tuple[str, int]] = Counter()
        for (key, check), each in self.meant.items():
            if self.keys.get(key) == check:
                assert isinstance(each, Usage) or key in self.keys
                if isinstance(each, Usage):
                    expected[each.dimension, month_of(hour_of(each.used_s))] += each.quantity
            else:
                self.check((key + check).hex() in waiting, f"lost: {each}")
        for (who, dimension, hour), (quantity, _) in self.sealed.items():
            if record_key(who, dimension, hour) in self.keys:
                expected[dimension, month_of(hour)] += quantity
        if self.billed_now:
            expected, self.folded = self.by_dimension(expected), self.by_dimension(self.folded)
        self.check(+expected == +self.folded, f"meant {expected}, counted {self.folded}")

    @staticmethod
    def by_dimension(amounts: Counter[tuple[str, int]]) -> Counter[tuple[str, int]]:
        """Forget months, where an operator said that they may change."""
        sums: Counter[tuple[str, int]] = Counter()
        for (dimension, _), quantity in amounts.items():
            sums[dimension, 0] += quantity
        return sums

    def settle_records(self) -> None:
        """Every sealed record has an outcome that the bill agrees with."""
        bill = {
            (
                LicenseKey(line.license_arn.rpartition(":")[2]),
                line.dimension,
                hour_of(int(line.hour.timestamp())),
            ): int(line.quantity * 10**6)
            for line in self.world.marketplace.usage()
            if line.license_arn
        }
        outcomes = {
            (who, dimension, hour_from_text(hour)): status
            for (who, dimension, hour), status in self.world.outcomes().items()
        }
        for cell, quantity in bill.items():
            sealed = self.sealed.get(cell, (None, 0))[0]
            self.check(quantity == sealed, f"billed {quantity} for {cell}, sealed {sealed}")
        for cell, (quantity, _) in self.sealed.items():
            status = outcomes.get(cell, "none")
            billed = cell in bill
            if quantity == 0:
                # A zero is no money: how it ended is nobody's concern, that it ended is.
                holds = status in ("accepted", "refused")
            elif status == "accepted":
                holds = billed and cell in self.succeeded
            elif status == "expired":
                holds = not billed
            else:
                holds = status == "unconfirmed"
            self.check(
                holds, f"{cell} of {quantity}: {status}, {'billed' if billed else 'not billed'}"
            )
        for cell in self.succeeded:
            # Who heard it may have died before it wrote that down; then nobody can be sure again.
            status = outcomes.get(cell, "none")
            allowed = (
                ("accepted", "unconfirmed") if self.sealed[cell][0] else ("accepted", "refused")
            )
            self.check(status in allowed, f"Success of {cell}, but {status}")
