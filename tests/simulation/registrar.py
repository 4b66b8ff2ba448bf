"""What the Customers table may say of licenses, and the seller's systems of its changes.

The registrar reads the table as it is written, version by version, and what was published. It
knows what truly happened at AWS Marketplace, and none of the code that tells licenses.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.invariants import Ledgerkeeper

Item = Mapping[str, Any]
Detail = Mapping[str, Any]

REGISTERED, CHANGED = "Customer Registered", "Subscription Changed"
OF_STATE = {
    "active": "Subscription Activated",
    "ending": "Subscription Ending",
    "ended": "Subscription Ended",
}
TOLD = (
    *("arn", "active_since_s", "agreement_id", "end_s", "offer_id", "entitlements"),
    *("notice", "notice_s"),
)
"""Whose change is told although the state is the same (docs/events.md, `Subscription Changed`)."""

IDENTITY = ("account", "product_code")
MEMBERS = {
    "License": "key",
    "LicenseArn": "arn",
    "CustomerAWSAccountId": "account",
    "AgreementId": "agreement_id",
    "State": "state",
}
"""Members of an announcement, and what they are in the table."""

SIGNUP = "signup-"


@dataclass(frozen=True, slots=True)
class Truth:
    """What truly happened to a license so far.

    Attributes:
        state: as AWS Marketplace has it now.
        activated: whether it was ever active there.
        ended: whether it ever ended there.
        came: whether its buyer ever came, or was taken for one who had come before this stack.
        named: whether anything names it that must be known by now.
        promised: whether a buyer was told that the registration is done.
    """

    state: str
    activated: bool
    ended: bool
    came: bool
    named: bool
    promised: bool


class Registrar:
    """Keeps all versions of all licenses, and what was written and published of each.

    Args:
        keeper: tells the story, and fails.
        licenses: reads all licenses in the Customers table.
        outbox: reads what waits to be published, by its id.
        published: all that the event bus has taken, in order.
        truth: tells what truly happened to a license.
    """

    def __init__(
        self,
        keeper: Ledgerkeeper,
        licenses: Callable[[], Iterable[Item]],
        outbox: Callable[[], Mapping[str, Item]],
        published: list[dict[str, Any]],
        truth: Callable[[str], Truth],
    ) -> None:
        self._keeper = keeper
        self._licenses = licenses
        self._outbox = outbox
        self._published = published
        self._truth = truth
        self.versions: dict[str, Item] = {}
        self.written: dict[str, tuple[str, Detail]] = {}
        self.heard: set[str] = set()
        self._read = 0

    def look(self) -> None:
        """Take in what was written or published since the last look; after every write."""
        waiting = self._outbox()
        for after in self._licenses():
            key = after["key"]["S"]
            before = self.versions.get(key)
            if before is not after:
                self._take(key, before, after, waiting)
                self.versions[key] = after
        for id_, item in waiting.items():
            if id_.startswith(SIGNUP):
                self.written[id_] = (item["change"]["S"], json.loads(item["detail"]["S"]))
            elif id_ not in self.written:
                self._keeper.fail(f"announced, but nothing changed: {id_}")
        self._hear()
        for id_ in self.written.keys() - self.heard - waiting.keys():
            self._keeper.fail(f"forgotten before it was published: {id_}")

    def activated_s(self, key: str) -> int | None:
        """Tell since when the table says that AWS Marketplace takes usage of a license."""
        since_s = self.versions.get(key, {}).get("active_since_s")
        return None if since_s is None else int(since_s["N"])

    def is_activated(self, key: str) -> bool:
        """Tell whether the table says that AWS Marketplace has taken usage of a license."""
        return self.activated_s(key) is not None

    def is_open(self, key: str) -> bool:
        """Tell whether the table says that it takes usage now; its buyer need not have come."""
        return self.is_activated(key) and self.versions[key]["state"]["S"] in ("active", "pending")

    def settle(self, keys: Iterable[str]) -> None:
        """Check at the end that everything is known, told, and true.

        Args:
            keys: of all licenses that were ever sold.
        """
        self.look()
        if waiting := self._outbox():
            self._keeper.fail(f"never published: {sorted(waiting)}")
        for key in keys:
            self._settle(key, self._truth(key), self.versions.get(key))

    def _settle(self, key: str, truth: Truth, known: Item | None) -> None:
        if known is None:
            if truth.named:
                self._keeper.fail(f"never heard of: {key}, {truth}")
            return
        registered = "registered_s" in known
        if truth.promised and not registered:
            self._keeper.fail(f"registration lost: {key}")
        state = truth.state
        if state == "active" and not registered:
            state = "pending"
        if known["state"]["S"] != state:
            self._keeper.fail(f"{key} is {known['state']['S']}, truly {state}: {truth}")
        if truth.state == "active" and "active_since_s" not in known:
            self._keeper.fail(f"activation lost: {key}")

    def _take(
        self, key: str, before: Item | None, after: Item, waiting: Mapping[str, Item]
    ) -> None:
        number = version_of(after)
        state = after["state"]["S"]
        self._keeper.note(f"table: {key[-4:]} version {number} is {state}")
        if number != version_of(before) + 1:
            self._keeper.fail(f"{key} has version {number} after {version_of(before)}")
        self._check_kept(key, before or {}, after)
        self._check_true(key, after)
        found = {
            item["change"]["S"]: (id_, json.loads(item["detail"]["S"]))
            for id_, item in waiting.items()
            if id_ not in self.written and id_.startswith(f"{key}:{number}:")
        }
        if found.keys() != set(due(before or {}, after)):
            self._keeper.fail(
                f"to be told of {key}, version {number}: {due(before or {}, after)}, "
                f"written {sorted(found)}"
            )
        for change, (id_, detail) in found.items():
            for member, name in MEMBERS.items():
                if detail.get(member, "") != after.get(name, {"S": ""})["S"]:
                    self._keeper.fail(f"told with another {member}: {id_}, {detail}")
            self.written[id_] = (change, detail)

    def _check_kept(self, key: str, before: Item, after: Item) -> None:
        """What identifies a license stays, and nobody's registration is taken back or delayed."""
        for name in IDENTITY:
            if name in before and before[name] != after.get(name):
                self._keeper.fail(f"{key} had {name} {before[name]}, and has {after.get(name)}")
        if "registered_s" in before:
            was, now = int(before["registered_s"]["N"]), after.get("registered_s", {}).get("N")
            if now is None or int(now) > was:
                self._keeper.fail(f"registration of {key} was at {was}, and is at {now}")

    def _check_true(self, key: str, after: Item) -> None:
        """No license is said to be what it never was."""
        truth, state = self._truth(key), after["state"]["S"]
        registered = "registered_s" in after
        if registered and not truth.came:
            self._keeper.fail(f"{key} is registered, and nobody came")
        if state == "active" and not (truth.activated and registered):
            self._keeper.fail(f"{key} is active: {truth}")
        if state in ("ending", "ended") and not truth.ended:
            self._keeper.fail(f"{key} is {state}: {truth}")

    def _hear(self) -> None:
        new, self._read = self._published[self._read :], len(self._published)
        for each in new:
            detail = json.loads(each["Detail"])
            id_ = detail["Id"]
            if self.written.get(id_) != (each["DetailType"], detail):
                self._keeper.fail(f"published, not written: {each}")
            if id_ not in self.heard:
                # A contact may be left before it is known which license the buyer has come for.
                who = detail.get("License") or detail["CustomerAWSAccountId"]
                self._keeper.note(f"told: {each['DetailType']} of {who[-4:]}")
            self.heard.add(id_)


def version_of(item: Item | None) -> int:
    """Read how often a license was written; 0 if never."""
    return int(item["version"]["N"]) if item else 0


def due(before: Item, after: Item) -> list[str]:
    """Tell what must be announced of a change, as docs/events.md says it."""
    if "registered_s" not in after:
        return []
    known = "registered_s" in before
    state_before = before["state"]["S"] if known else "pending"
    state = after["state"]["S"]
    changes = [] if known else [REGISTERED]
    if state != state_before:
        changes += [OF_STATE[state]] if state in OF_STATE else []
    elif known and state in OF_STATE and any(before.get(name) != after.get(name) for name in TOLD):
        changes.append(CHANGED)
    return changes
