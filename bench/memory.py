"""One process that reads a long log and tells what that took: run by `scale.py`.

python -m bench.memory memory 5000000     peak memory in MB of a cold tick (Linux), its CPU time
python -m bench.memory cold 1000000       read units and CPU time until a cold log is read
python -m bench.memory warm 1000000       the same for a container that knows all of it
python -m bench.memory new 1000000        … and when one entry is new
"""

import sys
import time
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

from bench.load import Form, bodies, dimension_names, records
from bench.rig import LEDGER, Rig
from lambdas.customers.license import LicenseKey
from lambdas.metering.hours import Hour, hour_of
from lambdas.metering.ledger import KEY_BYTES, Entry, Fold, Row, Seal, pack
from lambdas.metering.wiring import Wiring
from sandbox.memory import MemoryDynamoDB
from sandbox.memory.double import Answer, Operation, Params

KEYS_PER_ENTRY = 24_000
ROWS_PER_ENTRY = 500
EVENTS = 80_000
HOURS = 25
HISTORY_S = HOURS * 3600
"""Over how long the entries are spread: within the id memory, so that all must be read."""


class LongLog(MemoryDynamoDB):
    """DynamoDB with a log that is made when it is read, so that it takes no memory here."""

    entries = 0

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        query = self.operations["Query"]
        self.operations["Query"] = Operation(self._query, query.parameters)
        self._real = query.execute

    def _query(self, params: Params) -> Answer:
        values = params["ExpressionAttributeValues"]
        backwards = params.get("ScanIndexForward") is False
        if params["TableName"] != LEDGER or values[":pk"]["S"] != "log" or not backwards:
            return self._real(params)
        start = params.get("ExclusiveStartKey")
        before = int((start["sk"] if start else values[":sk"])["S"])
        if before > self.entries + 1:
            answer = self._real(params)
            if self.entries and "LastEvaluatedKey" not in answer:
                answer["LastEvaluatedKey"] = _key(self.entries + 1)
            return answer
        numbers = [each for each in (before - 1, before - 2) if each >= 1]
        items = [self._item(each) for each in numbers]
        size = sum(len(each.get("keys", {}).get("B", "")) * 3 // 4 for each in items)
        self.counters.table(LEDGER).read_units += -(-size // 4096) or 1
        more = {"LastEvaluatedKey": _key(numbers[-1])} if numbers[-1] > 1 else {}
        return {"Items": items, "Count": len(items), "ScannedCount": len(items), **more}

    def _item(self, number: int) -> dict[str, Any]:
        packed = pack(_entry(number, self.entries, int(self.now())))
        item = {
            **_key(number),
            "v": {"N": str(packed.version)},
            "kind": {"S": packed.kind},
            "at": {"N": str(packed.at_s)},
            "body": {"B": _text(packed.body)},
        }
        return item | ({"keys": {"B": _text(packed.keys)}} if packed.keys else {})


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _key(number: int) -> dict[str, Any]:
    return {"pk": {"S": "log"}, "sk": {"S": f"{number:012d}"}}


def _entry(number: int, entries: int, now_s: int) -> Entry:
    """Make an entry of a log that began with a seal, and seals every hour ten minutes after it."""
    at_s = _written_s(number, entries, now_s)
    due = hour_of(at_s - 600) - 1
    if number == 1 or hour_of(_written_s(number - 1, entries, now_s) - 600) - 1 < due:
        return Seal(at_s, Hour(due), everyone=True, records={})
    rows = tuple(
        Row(LicenseKey(f"l-{each:032x}"), "api_calls_tier_1", hour_of(at_s), (), 10**6, at_s)
        for each in range(ROWS_PER_ENTRY)
    )
    return Fold(at_s, Random(number).randbytes(KEYS_PER_ENTRY * KEY_BYTES), rows)


def _written_s(number: int, entries: int, now_s: int) -> int:
    return now_s - 60 - HISTORY_S * (entries - number) // entries


def main(what: str, keys: int) -> tuple[float, float]:
    """Measure one thing."""
    rig = Rig(dimensions=dimension_names(5), dynamodb=LongLog)
    log = rig.dynamodb
    assert isinstance(log, LongLog)
    log.entries = HOURS + 1 + -(-keys // KEYS_PER_ENTRY)
    if what == "memory":
        return _peak(rig)
    if what == "cold":
        return _reading(rig, rig.wiring())
    container = rig.wiring()
    ledger = container.log.read(int(rig.now_s))
    if what == "new":
        entry = _entry(2, log.entries, int(rig.now_s))
        if not rig.wiring().table.append(ledger.last + 1, pack(entry)):
            raise RuntimeError("the new entry was not written")
    return _reading(rig, container)


def _reading(rig: Rig, container: Wiring) -> tuple[float, float]:
    rig.requests()
    began = time.process_time()
    container.log.read(int(rig.now_s))
    spent = time.process_time() - began
    return rig.requests().read_units, spent


def _peak(rig: Rig) -> tuple[float, float]:
    buyers = rig.buy(100)
    form = Form.PACKED
    usage = records(buyers, rig.dimensions, EVENTS, form=form, at_s=rig.now_s, seed=1)
    rig.put(bodies(usage, form))
    began = time.process_time()
    summary = rig.tick(rig.wiring())
    spent = time.process_time() - began
    if summary.counted != EVENTS:
        raise RuntimeError(f"{summary.counted} of {EVENTS} events were counted")
    return _peak_mb(), spent


def _peak_mb() -> float:
    """Read the peak of this program; `getrusage` tells that of the process that started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (each for each in lines if each.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


if __name__ == "__main__":
    print(*main(sys.argv[1], int(sys.argv[2])))
