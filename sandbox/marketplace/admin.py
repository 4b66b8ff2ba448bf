"""Sets the emulator's stage over HTTP: JSON in, JSON out, one function for each route.

POST   /emulator/listing    {"product_code"?, "product_id"?, "title"?, "seller"?, "seller_account"?,
                             "fulfillment_url"?, "dimensions"?, "legacy"?, "free_trial_days"?,
                             "contract_months"?}
GET    /emulator/listing    the product page
POST   /emulator/purchases  {"product_code", "account", "dimensions", "legacy"?, "state"?,
                             "starts_at"?, "license_arn"?, "customer_identifier"?,
                             "entitlements"?, "ends_at"?, "auto_renew"?, "free_trial_days"?}
POST   /emulator/tokens     {"license_arn"}, for *Set up your account*
POST   /emulator/licenses   {"license_arn", "change", "at"?}
POST   /emulator/agreements {"license_arn", "change", "entitlements"?, "ends_at"?, "auto_renew"?,
                             "new_license"?}
GET    /emulator/events     what the seller was told, ?after= a cursor
POST   /emulator/delivery   {"kind", "event"?, "times"?, "probability"?, "seconds"?}
GET    /emulator/delivery   the detours that events still take
DELETE /emulator/delivery   forget them
POST   /emulator/timing     the pauses before events, any of them
GET    /emulator/timing     all of them
POST   /emulator/faults     {"fault", "operation"?, "times"?, "probability"?, "records"?,
                             "status"?, "message"?, "hang_seconds"?}
GET    /emulator/faults     the faults still to strike
DELETE /emulator/faults     forget them
POST   /emulator/clock      {"now"} or {"advance_seconds"} or {"speed"}
GET    /emulator/clock      the emulated time
GET    /emulator/usage      what AWS would bill
GET    /emulator/calls      every API call so far
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox.clock import SPEED_MAX, Clock
from sandbox.marketplace import Marketplace
from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.events import Timing
from sandbox.marketplace.faults import Detour, Fault
from sandbox.marketplace.fields import Fields

CLOCK_TAKES = {
    "now": "a time from 1970 to 2199",
    "advance_seconds": "a number of seconds that leads to a time from 1970 to 2199",
    "speed": f"a number from 0, standing still, to {SPEED_MAX:.0f}",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """What the routes may touch."""

    marketplace: Marketplace
    clock: Clock


def list_product(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """Change the product page; members that are left out stay."""
    fields = Fields(body)
    changes = {
        "product_code": fields.text("product_code", None),
        "product_id": fields.text("product_id", None),
        "title": fields.text("title", None),
        "seller": fields.text("seller", None),
        "seller_account": fields.text("seller_account", None),
        "fulfillment_url": fields.text("fulfillment_url", None),
        "dimensions": fields.texts("dimensions", None),
        "legacy": fields.flag("legacy", default=None),
        "free_trial_days": fields.whole("free_trial_days", None),
        "contract_months": fields.whole("contract_months", None),
    }
    fields.refuse_others()
    given = {name: value for name, value in changes.items() if value is not None}
    stage.marketplace.list_product(**given)
    return listing(stage, {})


def listing(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """The product page."""
    return asdict(stage.marketplace.listing)


def buy(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """Let an account buy a product."""
    fields = Fields(body)
    arguments = {
        "product_code": fields.text("product_code"),
        "account": fields.text("account"),
        "dimensions": fields.texts("dimensions"),
        "legacy": fields.flag("legacy", default=False),
        "state": fields.text("state", "active"),
        "starts_at": fields.time("starts_at"),
        "license_arn": fields.text("license_arn", None),
        "customer_identifier": fields.text("customer_identifier", None),
        "entitlements": fields.amounts("entitlements"),
        "ends_at": fields.time("ends_at"),
        "auto_renew": fields.flag("auto_renew", default=False),
        "free_trial_days": fields.whole("free_trial_days", None),
    }
    fields.refuse_others()
    return asdict(stage.marketplace.purchase(**arguments))


def new_token(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """A registration token, as a buyer has it who comes back."""
    fields = Fields(body)
    arn = fields.text("license_arn")
    fields.refuse_others()
    return {"registration_token": stage.marketplace.registration_token(arn)}


def change_agreement(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """Amend an agreement, renew it, or replace it."""
    fields = Fields(body)
    arn, change = fields.text("license_arn"), fields.text("change")
    terms = {"entitlements": fields.amounts("entitlements"), "ends_at": fields.time("ends_at")}
    auto_renew = fields.flag("auto_renew", default=None)
    new_license = fields.flag("new_license", default=None)
    fields.refuse_others()
    if change == "amend" and new_license is None:
        agreement = stage.marketplace.amend(arn, **terms, auto_renew=auto_renew)
        return {"license_arn": arn, "agreement_id": agreement.id, "offer_id": agreement.offer_id}
    if change in ("renew", "replace") and auto_renew is None:
        intent = change.upper()
        new = new_license or False
        return asdict(stage.marketplace.succeed(arn, intent, **terms, new_license=new))
    expected = "amend, renew or replace (auto_renew is for amend, new_license for the others)"
    raise Unacceptable("change", change, expected)


def events(stage: Stage, query: Mapping[str, Any]) -> dict[str, Any]:
    """What the seller was told after a cursor, and the cursor to ask with next."""
    fields = Fields(query)
    after = fields.cursor("after")
    fields.refuse_others()
    found = stage.marketplace.events_since(after)
    return {
        "events": [asdict(event) | {"at": iso(event.at)} for event in found],
        "cursor": found[-1].cursor if found else after,
    }


def divert(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """Let events stray; `times` may be null, which means always."""
    fields = Fields(body)
    arguments = {
        "kind": fields.text("kind"),
        "event": fields.text("event", "*"),
        "times": fields.whole("times", 1),
        "probability": fields.number("probability", 1.0),
        "seconds": fields.number("seconds", 0.0),
    }
    fields.refuse_others()
    stage.marketplace.divert(Detour(**arguments))
    return pending_detours(stage, {})


def clear_detours(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """Let every event take the straight way."""
    stage.marketplace.clear_detours()
    return pending_detours(stage, {})


def pending_detours(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """The detours still to be taken, first in line first."""
    pending = stage.marketplace.pending_detours()
    return {"detours": [asdict(detour) | {"times": left} for detour, left in pending]}


def set_timing(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """Change pauses; those that are left out stay."""
    fields = Fields(body)
    pauses = asdict(stage.marketplace.timing)
    pauses |= {name: fields.number(name, seconds) for name, seconds in pauses.items()}
    fields.refuse_others()
    stage.marketplace.set_timing(Timing(**pauses))
    return timing(stage, {})


def timing(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """The pauses before events."""
    return asdict(stage.marketplace.timing)


def change_license(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """Activate, cancel, end or suspend a license."""
    fields = Fields(body)
    arn, change, at = fields.text("license_arn"), fields.text("change"), fields.time("at")
    fields.refuse_others()
    held = stage.marketplace.change_license(arn, change, at)
    return {
        "license_arn": held.arn,
        "agreement_id": held.agreement_id,
        "product_code": held.product_code,
        "account": held.account,
        "state": held.state(stage.marketplace.now()),
        "starts_at": iso(held.starts_at),
        "ends_at": iso(held.ends_at),
        "report_until": iso(held.report_until),
    }


def inject(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """Let a fault strike; `times` and `records` may be null, which means always and all."""
    fields = Fields(body)
    arguments = {
        "fault": fields.text("fault"),
        "operation": fields.text("operation", "BatchMeterUsage"),
        "times": fields.whole("times", 1),
        "probability": fields.number("probability", 1.0),
        "records": fields.whole("records", None),
        "status": fields.whole("status", None),
        "message": fields.text("message", None),
        "hang_seconds": fields.number("hang_seconds", 0.0),
    }
    fields.refuse_others()
    stage.marketplace.inject(Fault(**arguments))
    return pending_faults(stage, {})


def clear_faults(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """Let nothing strike any more."""
    stage.marketplace.clear_faults()
    return pending_faults(stage, {})


def pending_faults(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """The faults still to strike, first in line first."""
    pending = stage.marketplace.pending_faults()
    return {"faults": [asdict(fault) | {"times": left} for fault, left in pending]}


def move_clock(stage: Stage, body: Mapping[str, Any]) -> dict[str, Any]:
    """Set the clock, move it on, or change its speed."""
    fields = Fields(body)
    to = fields.time("now")
    seconds = fields.number("advance_seconds", None)
    speed = fields.number("speed", None)
    fields.refuse_others()
    if [to, seconds, speed].count(None) != 2:
        raise Unacceptable("body", dict(body), "one of now, advance_seconds and speed")
    (name,) = (name for name, value in body.items() if value is not None)
    try:
        if to is not None:
            stage.clock.set(to)
        if seconds is not None:
            stage.clock.advance(seconds)
        if speed is not None:
            stage.clock.run(speed)
    except (ValueError, OverflowError) as error:
        raise Unacceptable(name, body[name], CLOCK_TAKES[name]) from error
    return tell_time(stage, {})


def tell_time(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """The emulated time."""
    return {"now": iso(stage.clock.now()), "speed": stage.clock.speed}


def usage(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """What AWS would bill, quantities as exact decimal text."""
    lines = stage.marketplace.usage()
    return {
        "usage": [
            asdict(line) | {"hour": iso(line.hour), "quantity": plain(line.quantity)}
            for line in lines
        ]
    }


def calls(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """Every API call so far, oldest first."""
    return {"calls": [asdict(call) | {"at": iso(call.at)} for call in stage.marketplace.calls()]}


ROUTES: dict[str, dict[str, Callable[[Stage, Mapping[str, Any]], dict[str, Any]]]] = {
    "/emulator/listing": {"POST": list_product, "GET": listing},
    "/emulator/purchases": {"POST": buy},
    "/emulator/tokens": {"POST": new_token},
    "/emulator/licenses": {"POST": change_license},
    "/emulator/agreements": {"POST": change_agreement},
    "/emulator/events": {"GET": events},
    "/emulator/delivery": {"POST": divert, "GET": pending_detours, "DELETE": clear_detours},
    "/emulator/timing": {"POST": set_timing, "GET": timing},
    "/emulator/faults": {"POST": inject, "GET": pending_faults, "DELETE": clear_faults},
    "/emulator/clock": {"POST": move_clock, "GET": tell_time},
    "/emulator/usage": {"GET": usage},
    "/emulator/calls": {"GET": calls},
}


def iso(moment: datetime | None) -> str | None:
    """The time as AWS writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def plain(quantity: Decimal) -> str:
    """The shortest exact text, without an exponent.

    >>> plain(Decimal("17.00")), plain(Decimal("100")), plain(Decimal("0.000001"))
    ('17', '100', '0.000001')
    """
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
