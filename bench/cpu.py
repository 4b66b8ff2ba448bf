"""The CPU of a tick, against the least that anybody needs to empty a queue."""

import cProfile
import json
import os
import pstats
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from bench.load import Form, Mix, bodies, dimension_names, records
from bench.measure import Prepared, in_turns, ratio
from bench.rig import Rig
from bench.table import Table
from lambdas.metering.ledger import KEY_BYTES
from lambdas.metering.wiring import Wiring

LICENSES, DIMENSIONS = 100, 5
REMEMBERED = 1_000_000
"""Keys that the warm container holds."""

WARM_S = 900
"""How long ago the warm container started."""

MIX = Mix(late=0.05, copies=0.05)
TARGETS = {Form.SINGLE: 1.4, Form.PACKED: 3.0}
ROOT = Path(__file__).resolve().parent.parent


def cpu(*, quick: bool) -> list[Table]:
    """Compare ticks with the floor and name what a tick spends its time with."""
    rounds = 3 if quick else 9
    table = Table(
        "cpu",
        "CPU of a tick, as a multiple of: receive, json.loads, delete, and nothing else",
        ("form", "events", "floor", "tick", "× floor", "bare × floor"),
        note=(
            f"µs of CPU per event, the least of {rounds} in turns. Both sides speak through the"
            " same boto3 client and the same in-memory SQS. 5 % of the usage is late, 5 % are"
            f" copies; the container is warm and remembers {REMEMBERED:,} keys. *Bare* decodes,"
            " hashes Id and content, and adds up, without the rules, the ledger, or a write."
        ),
    )
    for form in Form:
        events = (10_000 if form is Form.SINGLE else 80_000) // (10 if quick else 1)
        _compare(table, form.says, events, form, MIX, rounds, TARGETS.get(form), quick=quick)
    fractions = Mix(late=MIX.late, copies=MIX.copies, fractions=True)
    events = 80_000 // (10 if quick else 1)
    name = "100 per message, by license, times in µs"
    _compare(table, name, events, Form.PACKED, fractions, rounds, None, quick=quick)
    return [table, _profile(80_000 // (10 if quick else 1))]


def _compare(
    table: Table,
    name: str,
    events: int,
    form: Form,
    mix: Mix,
    rounds: int,
    aim: float | None,
    *,
    quick: bool,
) -> None:
    usage = _usage(events, form, mix)
    spent = in_turns(
        {
            "floor": lambda: _floor(_filled(usage)[0], _loads),
            "tick": lambda: _tick(*_filled(usage, remembered=REMEMBERED), events),
            "bare": lambda: _floor(_filled(usage)[0], _bare(form)),
        },
        rounds=rounds,
    )
    times, bare = ratio(spent, "tick", "floor"), ratio(spent, "bare", "floor")
    floor_us, tick_us = (min(spent[each]) / events * 1e6 for each in ("floor", "tick"))
    table.add(
        name,
        f"{events:,}",
        f"{floor_us:.1f}",
        f"{tick_us:.1f}",
        f"{times:.2f}",
        f"{bare:.2f}",
        target=f"at most {aim}" if aim else "",
        met=None if quick or aim is None else times <= aim,
    )


def _usage(events: int, form: Form, mix: Mix) -> list[str]:
    """Make messages that are good for every rig: all of them have the same buyers."""
    rig = Rig(dimensions=dimension_names(DIMENSIONS))
    buyers, at_s = rig.buy(LICENSES), rig.now_s + WARM_S
    return bodies(
        records(buyers, rig.dimensions, events, form=form, at_s=at_s, seed=1, mix=mix), form
    )


def _filled(usage: Sequence[str], *, remembered: int = 0) -> tuple[Rig, Wiring]:
    """Lay usage into the queue of a warm container, which remembers so many keys."""
    rig = Rig(dimensions=dimension_names(DIMENSIONS))
    rig.buy(LICENSES)
    container = rig.wiring()
    rig.tick(container)
    rig.now_s += WARM_S
    rig.tick(container)
    container.log.read(int(rig.now_s)).keys.add(os.urandom(remembered * KEY_BYTES))
    rig.put(usage)
    return rig, container


def _tick(rig: Rig, container: Wiring, events: int) -> Prepared:
    def work() -> None:
        summary = rig.tick(container)
        if summary.counted + summary.duplicates != events:
            raise RuntimeError(f"not all of {events} events were counted: {summary.as_json()}")

    return work


def _floor(rig: Rig, use: Callable[[str], Any]) -> Prepared:
    """Receive, do something with each body, delete."""
    client, url = rig.sqs_client, rig.queue_url

    def work() -> None:
        while messages := client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages"):
            for each in messages:
                use(each["Body"])
            client.delete_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]}
                    for at, each in enumerate(messages)
                ],
            )

    return work


def _loads(body: str) -> Any:
    return json.loads(body)


class _Record(msgspec.Struct):
    Timestamp: str
    Dimension: str
    Quantity: int
    Id: str
    LicenseArn: str = ""
    CustomerAWSAccountId: str = ""


class _Body(msgspec.Struct):
    UsageRecords: list[_Record]


def _bare(form: Form) -> Callable[[str], None]:
    """Decode, hash and sum: what no ledger of usage with Ids can do without."""
    sums: dict[tuple[str, str, str], int] = {}
    keys: set[bytes] = set()
    decode_one = msgspec.json.Decoder(_Record).decode
    decode_many = msgspec.json.Decoder(_Body).decode

    def use(body: str) -> None:
        for each in [decode_one(body)] if form is Form.SINGLE else decode_many(body).UsageRecords:
            who = each.LicenseArn or each.CustomerAWSAccountId
            content = f"{each.Dimension} {each.Quantity}".encode()
            key = blake2b(f"{who} {each.Id}".encode(), digest_size=12).digest()
            if key not in keys:
                keys.add(key + blake2b(content, digest_size=4).digest())
                cell = (who, each.Dimension, each.Timestamp[:13])
                sums[cell] = sums.get(cell, 0) + each.Quantity

    return use


def _profile(events: int) -> Table:
    """Name where a tick spends its time, boto3 as one thing."""
    rig, container = _filled(_usage(events, Form.PACKED, MIX), remembered=REMEMBERED)
    profile = cProfile.Profile()
    profile.enable()
    rig.tick(container)
    profile.disable()
    table = Table(
        "profile",
        "Where a tick with 100 events per message spends its CPU",
        ("function", "calls per event", "share of the tick"),
        note="By cProfile, which makes small functions look dearer than they are.",
    )
    spent: dict[tuple[str, str], tuple[float, float]] = {}
    stats: Any = pstats.Stats(profile)
    for (path, _, name), (_, calls, own_s, _, _) in stats.stats.items():
        place = _place(path, name)
        before = spent.get(place, (0, 0.0))
        spent[place] = before[0] + calls, before[1] + own_s
    whole_s = sum(own_s for _, own_s in spent.values())
    for (where, name), (calls, own_s) in sorted(spent.items(), key=lambda each: -each[1][1])[:8]:
        shown = f"`{where}`: {name}" if where else name
        often = f"{calls / events:.1f}" if where else ""
        table.add(shown, often, f"{own_s / whole_s:.0%}")
    return table


def _place(path: str, name: str) -> tuple[str, str]:
    if path.startswith(str(ROOT / "lambdas")):
        return str(Path(path).relative_to(ROOT)), f"`{name}`"
    if path.startswith("~") and any(word in name for word in ("blake2", "msgspec", "Decoder")):
        return "C", f"`{name.strip('<>')}`"
    return "", "boto3, the in-memory AWS, and what Python does for all of them"
