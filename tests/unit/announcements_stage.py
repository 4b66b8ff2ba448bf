"""Licenses to tell of, and the schema that what is told of them must fit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from lambdas.customers.announcements import (
    SOURCE,
    Announcement,
)
from lambdas.customers.license import Entitlement, License, State
from tests.customers_stage import (
    BUYER,
    FIRST,
    KEY,
    PRODUCT,
    arn,
)

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "events" / "events.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)

NOW_S = 1_795_429_200
ACTIVE = License(
    KEY,
    arn=arn(KEY),
    account=BUYER,
    product_code=PRODUCT,
    state=State.ACTIVE,
    agreement_id=FIRST,
    start_s=NOW_S - 7200,
    registered_s=NOW_S - 7000,
    active_since_s=NOW_S - 7100,
    version=3,
)
PENDING = replace(ACTIVE, state=State.PENDING, active_since_s=None)
ENDING = replace(ACTIVE, state=State.ENDING, ending_since_s=NOW_S)
ENDED = replace(ENDING, state=State.ENDED, ended_s=NOW_S + 3600)
FULL = replace(
    ENDED,
    end_s=NOW_S + 9000,
    product_id="prod-1",
    offer_id="offer-1",
    customer_identifier="X01",
    free_trial=True,
    notice="Purchase Agreement Ending: 30 days before the end",
    notice_s=NOW_S,
    entitlements=(
        Entitlement("seats", "Integer", "25", NOW_S),
        Entitlement("ratio", "Double", "0.5"),
        Entitlement("sso", "Boolean", "true"),
        Entitlement("plan", "String", "gold"),
    ),
)


def as_event(each: Announcement) -> dict[str, Any]:
    """An announcement as a rule hands it on."""
    return {"source": SOURCE, "detail-type": str(each.change), "detail": each.detail}
