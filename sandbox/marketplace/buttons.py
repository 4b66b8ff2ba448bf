"""What the buttons of the emulator's page do: a form in, the page to go to out."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlencode

from sandbox.marketplace.admin import Stage
from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.page import had_trial

# The months of a contract are the calendar's; the emulator takes them all for a twelfth of a year.
MONTH = timedelta(days=365) / 12
MOVE_SECONDS_MAX = 86_400

Form = Mapping[str, str]


def purchase(stage: Stage, form: Form) -> str:
    """Buy the listed product as it really goes: it is active once the seller has been told."""
    listing, buyer = stage.marketplace.listing, form.get("buyer", "")
    plan = form.get("plan", "")
    if plan not in ("payg", "trial", "contract"):
        raise Unacceptable("plan", plan, "payg, trial or contract")
    contract = plan == "contract"
    if plan == "trial" and had_trial(stage.marketplace.holdings(buyer), listing.product_code):
        raise Unacceptable("plan", plan, "another one: this account has had its free trial")
    stage.marketplace.purchase(
        listing.product_code,
        buyer,
        list(listing.dimensions),
        legacy=listing.legacy,
        state="as-real",
        entitlements=_amounts(listing.dimensions, form) if contract else None,
        ends_at=stage.clock.now() + listing.contract_months * MONTH if contract else None,
        auto_renew=contract and form.get("auto_renew") == "yes",
        free_trial_days=listing.free_trial_days if plan == "trial" else None,
    )
    return _home(buyer, "purchased")


def cancel(stage: Stage, form: Form) -> str:
    """Cancel a subscription of this buyer."""
    arn, buyer = form.get("license_arn", ""), form.get("buyer", "")
    if arn not in (holding.license.arn for holding in stage.marketplace.holdings(buyer)):
        raise Unacceptable("license_arn", arn, "the ARN of a license of yours")
    stage.marketplace.change_license(arn, "cancel")
    return _home(buyer, "cancelled")


def move_clock(stage: Stage, form: Form) -> str:
    """Let emulated time pass."""
    seconds = _whole(form, "seconds")
    if not 0 < seconds <= MOVE_SECONDS_MAX:
        raise Unacceptable("seconds", seconds, f"from 1 to {MOVE_SECONDS_MAX}")
    stage.clock.advance(seconds)
    return "/?" + urlencode({"buyer": form.get("buyer", "")})


BUTTONS: dict[str, Callable[[Stage, Form], str]] = {
    "/purchase": purchase,
    "/cancel": cancel,
    "/clock": move_clock,
}


def _amounts(dimensions: tuple[str, ...], form: Form) -> dict[str, int]:
    amounts = {name: _whole(form, f"amount-{name}") for name in dimensions}
    if not any(amounts.values()):
        raise Unacceptable("amount", 0, "more than 0 for one of the dimensions")
    return {name: amount for name, amount in amounts.items() if amount}


def _whole(form: Form, name: str) -> int:
    text = form.get(name, "")
    if not (text.isascii() and text.isdecimal()):
        raise Unacceptable(name, text, "a whole number from 0")
    return int(text)


def _home(buyer: str, said: str) -> str:
    return f"/?{urlencode({'buyer': buyer, 'said': said})}#subscriptions"
