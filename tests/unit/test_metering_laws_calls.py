"""What is sealed reaches the bill: in calls that AWS Marketplace takes, and exactly."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from lambdas.customers.license import (
    License,
    State,
    license_key_of_arn,
    license_key_of_legacy,
)
from lambdas.metering import aws
from lambdas.metering.hours import Hour, start_s
from lambdas.metering.ledger import FrozenRecord, Seal, SealedRecord, records_of
from lambdas.metering.records import Answered, Batch, Due, batches
from lambdas.metering.tags import merged
from lambdas.metering.usage import Tags
from sandbox.marketplace import Marketplace
from sandbox.marketplace.http import attach
from sandbox.marketplace.rules import Readings
from tests.unit.metering_sent import costly
from tests.unit.metering_stage import BUYER, NOW_S, THIS_HOUR, UNIT
from tests.world import metering_client

DIMENSIONS = ["users", "größe", "😀" * 255]
STRICT = Readings(tag_keys="record", tag_characters="listed", code_with_license="refused")
"""Where AWS's pages contradict each other, the reading that refuses more."""

client = cache(metering_client)


class Stage:
    """A strict marketplace, and the three kinds of customers it has."""

    def __init__(self) -> None:
        self.marketplace = Marketplace(lambda: datetime.fromtimestamp(NOW_S, UTC), readings=STRICT)
        self.licenses = [self.buy("new-1"), self.buy("new-2"), self.buy("old", legacy=True)]

    def buy(self, product: str, *, legacy: bool = False) -> License:
        start = datetime(2026, 11, 1, tzinfo=UTC)
        bought = self.marketplace.purchase(
            product, BUYER, DIMENSIONS, legacy=legacy, starts_at=start
        )
        identifier = bought.customer_identifier
        arn = "" if legacy else bought.license_arn
        return License(
            license_key_of_legacy(product, identifier) if legacy else license_key_of_arn(arn),
            arn=arn,
            account=BUYER,
            product_code=product,
            state=State.ACTIVE,
            customer_identifier=identifier,
            start_s=int(start.timestamp()),
        )

    def submit(self, batch: Batch) -> set[str]:
        """Send a call through a real client, and return the statuses of its answer."""
        detach = attach(client(), self.marketplace)
        try:
            answer = aws.Marketplace(client()).submit(batch)
        finally:
            detach()
        assert isinstance(answer, Answered), answer
        assert answer.results.keys() == {record.cell for record in batch.records}
        return {status for status, _ in answer.results.values()}

    def billed(self) -> dict[tuple[str, str, int], Decimal]:
        """What is billed by product, dimension and hour."""
        return {
            (line.product_code, line.dimension, int(line.hour.timestamp()) // 3600): line.quantity
            for line in self.marketplace.usage()
        }


Cells = dict[tuple[int, str, int], dict[Tags, int]]
"""Quantities by tags, of each customer (by place), dimension and hour (back from now)."""

tag_text = st.text("abzAZ09 +-=._:/@", min_size=1, max_size=4)
tag_sets = st.dictionaries(tag_text, tag_text, max_size=5).map(
    lambda tags: tuple(sorted(tags.items()))
)
amounts = st.integers(0, 5).map(lambda whole: whole * UNIT) | st.integers(0, 10**14)
cells: st.SearchStrategy[Cells] = st.dictionaries(
    st.tuples(st.integers(0, 2), st.sampled_from(DIMENSIONS), st.integers(0, 20)),
    st.dictionaries(tag_sets, amounts, min_size=1, max_size=4),
    min_size=1,
    max_size=30,
)


def sealed_records(licenses: list[License], cells: Cells) -> list[tuple[SealedRecord, License]]:
    """Freeze quantities as a seal does, with their tags merged."""
    found = []
    for number, ((who, dimension, ago), by_tags) in enumerate(cells.items()):
        hour = Hour(THIS_HOUR - ago)
        quantity = sum(by_tags.values())
        frozen = FrozenRecord(dimension, hour, quantity, start_s(hour), merged(by_tags))
        seal = Seal(NOW_S, THIS_HOUR, everyone=True, records={licenses[who].key: (frozen,)})
        found += [(record, licenses[who]) for record in records_of(number, seal)]
    return found


@costly
@given(cells)
def test_what_is_sealed_is_what_is_billed(cells: Cells) -> None:
    stage = Stage()
    records = sealed_records(stage.licenses, cells)

    statuses = {
        status
        for batch in batches(Due(record, who) for record, who in records)
        for status in stage.submit(batch)
    }

    assert statuses == {"Success"}
    assert stage.billed() == {
        (who.product_code, record.frozen.dimension, record.frozen.hour): Decimal(
            record.frozen.quantity
        )
        / UNIT
        for record, who in records
    }


@costly
@given(cells)
def test_records_sent_twice_are_billed_once(cells: Cells) -> None:
    stage = Stage()
    records = sealed_records(stage.licenses, cells)
    calls = list(batches(Due(record, who) for record, who in records))
    for batch in calls:
        stage.submit(batch)
    billed = stage.billed()

    statuses = {
        status for batch in calls for half in batch.halves() for status in sent(stage, half)
    }

    assert (statuses, stage.billed()) == ({"Success"}, billed)


def sent(stage: Stage, part: Batch) -> set[str]:
    return stage.submit(part) if part.records else set()
