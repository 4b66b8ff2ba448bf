"""Sets the emulator's stage over HTTP: JSON in, JSON out, one function for each route.

POST   /emulator/purchases  {"product_code", "account", "dimensions", "legacy"?, "state"?,
                             "starts_at"?, "license_arn"?, "customer_identifier"?}
POST   /emulator/licenses   {"license_arn", "change", "at"?}
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
from sandbox.marketplace_errors import Unacceptable
from sandbox.marketplace_faults import Fault

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
    }
    fields.refuse_others()
    return asdict(stage.marketplace.purchase(**arguments))


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
        "starts_at": _iso(held.starts_at),
        "ends_at": _iso(held.ends_at),
        "report_until": _iso(held.report_until),
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
    return {"now": _iso(stage.clock.now()), "speed": stage.clock.speed}


def usage(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """What AWS would bill, quantities as exact decimal text."""
    lines = stage.marketplace.usage()
    return {
        "usage": [
            asdict(line) | {"hour": _iso(line.hour), "quantity": _plain(line.quantity)}
            for line in lines
        ]
    }


def calls(stage: Stage, _: Mapping[str, Any]) -> dict[str, Any]:
    """Every API call so far, oldest first."""
    return {"calls": [asdict(call) | {"at": _iso(call.at)} for call in stage.marketplace.calls()]}


ROUTES: dict[str, dict[str, Callable[[Stage, Mapping[str, Any]], dict[str, Any]]]] = {
    "/emulator/purchases": {"POST": buy},
    "/emulator/licenses": {"POST": change_license},
    "/emulator/faults": {"POST": inject, "GET": pending_faults, "DELETE": clear_faults},
    "/emulator/clock": {"POST": move_clock, "GET": tell_time},
    "/emulator/usage": {"GET": usage},
    "/emulator/calls": {"GET": calls},
}


class Fields:
    """Reads the members of a request one by one, and says what is wrong with one.

    A member that is absent has its default; without one it is required.
    """

    _REQUIRED: Any = object()

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._known: list[str] = []

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        """A text that is not empty."""
        return self._take(name, default, lambda value: type(value) is str and value, "a text")

    def texts(self, name: str) -> Any:
        """A list of texts."""
        return self._take(
            name,
            self._REQUIRED,
            lambda value: type(value) is list and all(type(item) is str for item in value),
            "a list of texts",
        )

    def flag(self, name: str, *, default: bool) -> Any:
        """True or false."""
        return self._take(name, default, lambda value: type(value) is bool, "true or false")

    def whole(self, name: str, default: int | None) -> Any:
        """A whole number, or null."""
        fits = lambda value: value is None or type(value) is int  # noqa: E731
        return self._take(name, default, fits, "a whole number or null")

    def number(self, name: str, default: float | None) -> Any:
        """A number."""
        return self._take(name, default, lambda value: type(value) in (int, float), "a number")

    def time(self, name: str) -> datetime | None:
        """A time with an offset."""
        expected = "an ISO 8601 time with an offset, such as 2026-11-23T09:00:00Z"
        text = self._take(name, None, lambda value: type(value) is str, expected)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Unacceptable(name, text, expected) from None
        if moment.tzinfo is None:
            raise Unacceptable(name, text, expected)
        return moment

    def refuse_others(self) -> None:
        """Refuse members nobody has asked for: most are misspelled."""
        for name in self._body.keys() - self._known:
            raise Unacceptable(
                name, self._body[name], f"left out ({', '.join(self._known)} are known)"
            )

    def _take(self, name: str, default: Any, fits: Callable[[Any], Any], expected: str) -> Any:
        self._known.append(name)
        absent = self._body.get(name) is None if default is None else name not in self._body
        if absent and default is not self._REQUIRED:
            return default
        value = self._body.get(name)
        if not fits(value):
            raise Unacceptable(name, value, expected)
        return value


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def _plain(quantity: Decimal) -> str:
    """The shortest exact text, without an exponent.

    >>> _plain(Decimal("17.00")), _plain(Decimal("100")), _plain(Decimal("0.000001"))
    ('17', '100', '0.000001')
    """
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
