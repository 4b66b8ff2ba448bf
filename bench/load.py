"""Usage as producers send it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from lambdas.customers.license import License


class Form(Enum):
    """How usage is sent: events per message, and how they name the customer."""

    SINGLE = (1, "LicenseArn")
    PACKED = (100, "LicenseArn")
    PACKED_BY_ACCOUNT = (100, "CustomerAWSAccountId")

    @property
    def per_message(self) -> int:
        """Usage events in one message."""
        return self.value[0]

    @property
    def says(self) -> str:
        """The form, in words."""
        return {
            Form.SINGLE: "one event per message",
            Form.PACKED: "100 per message, by license",
            Form.PACKED_BY_ACCOUNT: "100 per message, by account",
        }[self]


@dataclass(frozen=True, slots=True)
class Mix:
    """What is not plain about usage, as shares of it.

    Attributes:
        late: of hours that are sealed already.
        copies: sent once more, with the same Id.
        fractions: whether times have microseconds.
    """

    late: float = 0.0
    copies: float = 0.0
    fractions: bool = False


PLAIN = Mix()


def dimension_names(number: int) -> tuple[str, ...]:
    """Names as products have them."""
    return tuple(f"api_calls_tier_{each}" for each in range(1, number + 1))


def records(
    licenses: Sequence[License],
    dimensions: Sequence[str],
    number: int,
    *,
    form: Form,
    at_s: float,
    seed: int,
    mix: Mix = PLAIN,
) -> Iterator[dict[str, Any]]:
    """Make usage of the last five minutes before a time; every license and dimension has some."""
    rng = Random(seed)
    _, field = form.value
    sent: list[dict[str, Any]] = []
    for place in range(number):
        if sent and rng.random() < mix.copies:
            yield rng.choice(sent)
            continue
        ago_s = rng.random() * 300
        if rng.random() < mix.late:
            ago_s += rng.randrange(3, 6) * 3600
        time = datetime.fromtimestamp(at_s, UTC) - timedelta(seconds=ago_s)
        each, which = divmod(place, len(dimensions))
        who = licenses[each % len(licenses)]
        record = {
            "Timestamp": time.isoformat(timespec="microseconds" if mix.fractions else "seconds"),
            field: who.arn if field == "LicenseArn" else who.account,
            "Dimension": dimensions[which],
            "Quantity": rng.randrange(1, 100_000),
            "Id": str(UUID(int=rng.getrandbits(128), version=4)),
        }
        if mix.copies and len(sent) < 10_000:
            sent.append(record)
        yield record


def bodies(usage: Iterator[dict[str, Any]], form: Form) -> list[str]:
    """Write usage into messages."""
    if form is Form.SINGLE:
        return [msgspec.json.encode(each).decode() for each in usage]
    written = list(usage)
    return [
        msgspec.json.encode({"UsageRecords": written[at : at + form.per_message]}).decode()
        for at in range(0, len(written), form.per_message)
    ]
