"""The emulator's page for a person: buy, set up, cancel, and let time pass. HTML without scripts.

It says on every view that it is a sandbox. What its buttons do is in `buttons.py`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from markupsafe import Markup

from sandbox.marketplace.admin import Stage, plain
from sandbox.marketplace.agreements import Agreement, Listing, Value
from sandbox.marketplace.bill import BillLine
from sandbox.marketplace.rules import License
from sandbox.marketplace.sales import Holding

BUYERS = {
    "111122223333": "Example Corp",
    "222233334444": "Second Corp",
    "333344445555": "Third Corp",
}

STATES = {
    "pending": "Waiting for activation",
    "active": "Active",
    "ending": "Cancelled, last hour",
    "ended": "Ended",
    "suspended": "Suspended",
}
# What the page says after a button; the name of it is in the URL, so nothing is echoed.
SAID = {
    "purchased": "Thank you for your purchase. Set up your account with the seller next.",
    "cancelled": "Your subscription is cancelled. The seller has an hour to report what is left.",
}
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    # Forms may go anywhere: the seller's URL is elsewhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}

_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Marketplace sandbox</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div class="sandbox"><p class="wrap"><strong>Sandbox.</strong>
This page stands in for AWS Marketplace on your machine. It is not AWS, and nothing here costs
money.</p></div>
<header class="bar"><div class="wrap">
<nav aria-labelledby="you"><span class="label" id="you">You are buying as</span>
<ul class="buyers">{buyers}</ul></nav>
<form method="post" action="/clock"><input type="hidden" name="buyer" value="{buyer}">
<span class="label">Emulated time</span>
<div class="clock"><time datetime="{now:%Y-%m-%dT%H:%M:%SZ}">{now:%d %b %Y, %H:%M:%S} UTC</time>
<button class="quiet" name="seconds" value="120">+ 2 minutes</button>
<button class="quiet" name="seconds" value="3600">+ 1 hour</button></div></form>
</div></header>
<main class="wrap">
{notes}
<div class="columns">
<section class="card" aria-labelledby="product">{product}</section>
<section aria-labelledby="subscriptions"><h2 id="subscriptions">Your subscriptions</h2>
{said}{subscriptions}</section>
</div>
</main>
</body>
</html>
""")
_BUYER = Markup('<li><a href="/?buyer={account}"{current}>{name}<small>{account}</small></a></li>')
_PRODUCT = Markup("""<h1 id="product">{listing.title}</h1>
<p class="soft">Sold by {listing.seller}</p>
<p class="label">Dimensions</p>
<ul class="tags">{dimensions}</ul>
<form class="plan" method="post" action="/purchase">{hidden}
<input type="hidden" name="plan" value="payg">
<h2>Pay as you go</h2>
<p>Billed for what you use, hour by hour. Cancel at any time.</p>
<button>Purchase</button></form>
<form class="plan" method="post" action="/purchase">{hidden}
<input type="hidden" name="plan" value="trial">
<h2>Free trial</h2>
<p>{listing.free_trial_days} days free, then pay as you go. Once per account.</p>
{trial}</form>
<form class="plan" method="post" action="/purchase">{hidden}
<input type="hidden" name="plan" value="contract">
<h2>Contract</h2>
<p>{term} with an included amount; use beyond it is billed.</p>
<div class="amounts">{amounts}</div>
<label class="check"><input type="checkbox" name="auto_renew" value="yes">
Renew automatically</label>
<button class="quiet">Purchase contract</button></form>""")
_TRIAL = Markup('<button class="quiet">Start free trial</button>')
_NO_TRIAL = Markup("<p><b>You have had your free trial.</b></p>")
_AMOUNT = Markup(
    '<label><code>{0}</code><input type="number" name="amount-{0}" value="10" min="0" '
    'max="2147483647" required></label>'
)
_HIDDEN = Markup('<input type="hidden" name="{}" value="{}">')
_SUBSCRIPTION = Markup("""<article class="card" aria-labelledby="h-{id}">
<div class="head"><h3 id="h-{id}">{title}</h3><span class="state {state}">{state_text}</span></div>
<dl>{facts}</dl>
{note}{actions}</article>""")
_ACTIONS = Markup('<div class="actions">{}</div>')
_FACT = Markup("<dt>{}</dt><dd>{}</dd>")
_SET_UP = Markup("""<form method="post" action="{url}" target="_blank" rel="noopener">{fields}
<button aria-describedby="h-{id}">Set up your account</button></form>""")
_CANCEL = Markup("""<form method="post" action="/cancel">{fields}
<button class="stop" aria-describedby="h-{id}">Cancel subscription</button></form>""")
_NOTE = Markup('<div class="note {}" role="{}"><p>{}</p></div>')
_EMPTY = Markup("""<div class="empty"><p>Nothing yet.</p>
<p>Purchase the product, then set up your account with the seller.</p></div>""")
_NO_URL = Markup("""Nobody has said yet where <b>Set up your account</b> goes. Tell it:
<br><code>curl {}/emulator/listing -d '{{"fulfillment_url": "https://…/register"}}'</code>""")


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows beside the state of the marketplace.

    Args:
        buyer: The account of whoever looks at it.
        url: Where the emulator is.
        said: The name of what has just been done.
        problem: Why it was not done.
    """

    buyer: str
    url: str
    said: str = ""
    problem: str = ""


def buyer_of(form: Mapping[str, str]) -> str:
    """The account of whoever sent a form or a query; the first of the buyers if it says none."""
    account = form.get("buyer", "")
    return account if re.fullmatch("[0-9]{12}", account, re.ASCII) else next(iter(BUYERS))


def render(stage: Stage, view: View) -> bytes:
    """The whole page, UTF-8."""
    marketplace, now = stage.marketplace, stage.clock.now()
    listing = marketplace.listing
    holdings = marketplace.holdings(view.buyer)
    usage = marketplace.usage()
    articles = [
        _subscription(
            holding,
            now,
            _metered(holding.license, usage),
            _set_up(stage, holding, listing, now),
            view.buyer,
        )
        for holding in reversed(holdings)
    ]
    return _PAGE.format(
        title=listing.title,
        style=Markup(_style()),  # noqa: S704 (a file of ours)
        buyers=_join(_buyer(account, name, view.buyer) for account, name in _buyers(view.buyer)),
        buyer=view.buyer,
        now=now,
        notes=_notes(view, listing),
        product=_product(listing, view.buyer, tried=had_trial(holdings, listing.product_code)),
        said=_NOTE.format("", "status", SAID[view.said]) if view.said in SAID else "",
        subscriptions=_join(articles) if articles else _EMPTY,
    ).encode()


def _buyers(current: str) -> Iterable[tuple[str, str]]:
    return (
        ({current: "Another account"} | BUYERS).items()
        if current not in BUYERS
        else (BUYERS.items())
    )


def _buyer(account: str, name: str, current: str) -> Markup:
    here = Markup(' aria-current="page"') if account == current else ""
    return _BUYER.format(account=account, name=name, current=here)


def _notes(view: View, listing: Listing) -> Markup:
    notes = []
    if view.problem:
        notes.append(_NOTE.format("bad", "alert", view.problem))
    if not listing.fulfillment_url:
        notes.append(_NOTE.format("warn", "status", _NO_URL.format(view.url)))
    return _join(notes)


def had_trial(holdings: Iterable[Holding], product_code: str) -> bool:
    """Whether one of these was a free trial of the product: there is one for each account.

    Source: https://docs.aws.amazon.com/marketplace/latest/userguide/saas-free-trials.html.
    """
    return any(
        holding.agreement.product.code == product_code
        and holding.agreement.free_trial_ends_at is not None
        for holding in holdings
    )


def _product(listing: Listing, buyer: str, *, tried: bool) -> Markup:
    months = listing.contract_months
    return _PRODUCT.format(
        listing=listing,
        hidden=_HIDDEN.format("buyer", buyer),
        trial=_NO_TRIAL if tried else _TRIAL,
        dimensions=_join(Markup("<li>{}</li>").format(each) for each in listing.dimensions),
        term="A month" if months == 1 else f"{months} months",
        amounts=_join(_AMOUNT.format(each) for each in listing.dimensions),
    )


def _subscription(
    holding: Holding, now: datetime, metered: Mapping[str, Decimal], set_up: Markup, buyer: str
) -> Markup:
    held, agreement = holding.license, holding.agreement
    state = held.state(now)
    actions = [set_up] if set_up else []
    if agreement.status == "ACTIVE":
        fields = {"buyer": buyer, "license_arn": held.arn}
        actions.append(_CANCEL.format(fields=_hidden(fields), id=agreement.id))
    note = ""
    if state == "pending":
        text = "AWS Marketplace tells the seller to activate it in about a minute of emulated time."
        note = Markup('<p class="soft">{}</p>').format(text)
    return _SUBSCRIPTION.format(
        id=agreement.id,
        title=f"{agreement.product.title}: {_plan(agreement, now)}",
        state=state,
        state_text=STATES[state],
        facts=_join(_FACT.format(name, fact) for name, fact in _facts(held, agreement, metered)),
        note=note,
        actions=_ACTIONS.format(_join(actions)) if actions else "",
    )


def _plan(agreement: Agreement, now: datetime) -> str:
    if agreement.entitlements:
        return "contract"
    trial = agreement.free_trial_ends_at
    return "free trial" if trial is not None and now < trial else "pay as you go"


def _facts(
    held: License, agreement: Agreement, metered: Mapping[str, Decimal]
) -> Iterable[tuple[str, str | Markup]]:
    yield "License", _code(held.arn)
    if held.customer_identifier:
        yield "Customer", _code(held.customer_identifier)
    yield "Agreement", _code(agreement.id)
    yield "Since", _day(agreement.starts_at)
    if agreement.free_trial_ends_at is not None:
        yield "Free until", _day(agreement.free_trial_ends_at)
    if agreement.status != "ACTIVE" and held.ends_at is not None:
        yield agreement.status.capitalize(), _day(held.ends_at)
    elif agreement.ends_at is not None:
        yield ("Renews" if agreement.auto_renew else "Until"), _day(agreement.ends_at)
    if agreement.entitlements:
        yield "Included", _amounts(agreement.entitlements)
    yield "Metered so far", _amounts(metered) if metered else "nothing"


def _set_up(stage: Stage, holding: Holding, listing: Listing, now: datetime) -> Markup:
    """The form that takes the buyer to the seller, across sites, with a fresh token.

    Source of the fields:
    https://docs.aws.amazon.com/marketplace/latest/userguide/saas-product-customer-setup.html.
    """
    held, agreement = holding.license, holding.agreement
    if not listing.fulfillment_url or held.state(now) not in ("pending", "active"):
        return Markup()
    token = stage.marketplace.registration_token(held.arn)
    fields = {"x-amzn-marketplace-token": token}
    if agreement.free_trial_ends_at is not None and now < agreement.free_trial_ends_at:
        fields["x-amzn-marketplace-offer-type"] = "free-trial"
    return _SET_UP.format(url=listing.fulfillment_url, fields=_hidden(fields), id=agreement.id)


def _metered(held: License, usage: Iterable[BillLine]) -> dict[str, Decimal]:
    """What was metered for a license by dimension; by code for older products."""
    theirs = (held.product_code, held.account)
    sums: dict[str, Decimal] = {}
    for line in usage:
        by_code = line.license_arn is None and (line.product_code, line.account) == theirs
        if line.license_arn == held.arn or by_code:
            sums[line.dimension] = sums.get(line.dimension, Decimal(0)) + line.quantity
    return sums


def _amounts(amounts: Mapping[str, Value | Decimal]) -> Markup:
    text = Markup("<span>{} <code>{}</code></span>")
    parts = (text.format(_amount(amount), name) for name, amount in amounts.items())
    return Markup('<span class="sums">{}</span>').format(_join(parts))


def _amount(amount: Value | Decimal) -> str:
    """The amount as a person reads it.

    >>> _amount(Decimal("18250.500000")), _amount(3), _amount("unlimited")
    ('18,250.5', '3', 'unlimited')
    """
    if isinstance(amount, (str, bool)):
        return str(amount)
    return f"{Decimal(plain(Decimal(str(amount)))):,f}"


def _hidden(fields: Mapping[str, str]) -> Markup:
    return _join(_HIDDEN.format(name, value) for name, value in fields.items())


def _code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text)


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%d %b %Y, %H:%M} UTC"


def _join(parts: Iterable[Markup]) -> Markup:
    return Markup("\n").join(parts)


@cache
def _style() -> str:
    return Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
