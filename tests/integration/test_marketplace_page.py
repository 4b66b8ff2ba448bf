"""The emulator's page: what a person sees, and what its buttons do."""

import html
import re
from collections.abc import Iterator

import pytest

from tests.integration.marketplace_visitor import BUYER, NOW, Visitor, a_visit

OTHER_BUYER = "222233334444"
FULFILLMENT_URL = "http://localhost:1/v1/register"


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    with a_visit(monkeypatch) as visitor:
        visitor.ask("POST", "/emulator/listing", {"fulfillment_url": FULFILLMENT_URL})
        yield visitor


def fields_of(page: str, action: str) -> list[dict[str, str]]:
    """The hidden fields of every form that goes there."""
    form = rf'<form[^>]* action="{re.escape(action)}"[^>]*>(.*?)</form>'
    hidden = r'<input type="hidden" name="([^"]*)" value="([^"]*)">'
    return [
        {name: html.unescape(value) for name, value in re.findall(hidden, inside)}
        for inside in re.findall(form, page, re.DOTALL)
    ]


def states(page: str) -> list[str]:
    """Of the subscriptions, the newest first."""
    return re.findall(r'<span class="state (\w+)">', page)


def follow(visitor: Visitor, location: str) -> str:
    """The page a button leads to."""
    return visitor.look(location.partition("#")[0])[1]


def test_the_page_says_that_it_is_not_aws(visitor: Visitor) -> None:
    status, page = visitor.look()

    assert status == 200
    assert "It is not AWS" in page


def test_the_page_has_no_script(visitor: Visitor) -> None:
    assert "<script" not in visitor.look()[1]


def test_a_purchase_answers_with_a_redirect(visitor: Visitor) -> None:
    status, location, _ = visitor.press("/purchase", buyer=BUYER, plan="payg")

    assert (status, location) == (303, f"/?buyer={BUYER}&said=purchased#subscriptions")


def test_a_purchase_is_activated_within_two_minutes(visitor: Visitor) -> None:
    _, bought, _ = visitor.press("/purchase", buyer=BUYER, plan="payg")
    before = states(follow(visitor, bought))

    _, moved, _ = visitor.press("/clock", buyer=BUYER, seconds="120")

    assert (before, states(follow(visitor, moved))) == (["pending"], ["active"])


def test_a_purchase_tells_the_seller(visitor: Visitor) -> None:
    visitor.press("/purchase", buyer=BUYER, plan="payg")
    visitor.press("/clock", buyer=BUYER, seconds="120")

    events = visitor.ask("GET", "/emulator/events")[1]["events"]

    assert [each["name"] for each in events] == [
        "Purchase Agreement Created - Proposer",
        "License Updated - Manufacturer",
    ]


def test_setting_up_sends_a_token_that_resolves(visitor: Visitor) -> None:
    _, location, _ = visitor.press("/purchase", buyer=BUYER, plan="payg")

    (fields,) = fields_of(follow(visitor, location), FULFILLMENT_URL)
    customer = visitor.client.resolve_customer(RegistrationToken=fields["x-amzn-marketplace-token"])

    assert list(fields) == ["x-amzn-marketplace-token"]
    assert customer["CustomerAWSAccountId"] == BUYER


def test_setting_up_opens_another_tab(visitor: Visitor) -> None:
    visitor.press("/purchase", buyer=BUYER, plan="payg")

    page = visitor.look()[1]

    form = f'<form method="post" action="{FULFILLMENT_URL}" target="_blank" rel="noopener">'
    assert form in page


def test_a_free_trial_says_so_to_the_seller(visitor: Visitor) -> None:
    _, location, _ = visitor.press("/purchase", buyer=BUYER, plan="trial")

    (fields,) = fields_of(follow(visitor, location), FULFILLMENT_URL)

    assert fields["x-amzn-marketplace-offer-type"] == "free-trial"


def test_a_free_trial_that_is_over_is_none(visitor: Visitor) -> None:
    visitor.press("/purchase", buyer=BUYER, plan="trial")
    visitor.ask("POST", "/emulator/clock", {"advance_seconds": 14 * 86_400})

    (fields,) = fields_of(visitor.look()[1], FULFILLMENT_URL)

    assert list(fields) == ["x-amzn-marketplace-token"]


def test_there_is_one_free_trial(visitor: Visitor) -> None:
    visitor.press("/purchase", buyer=BUYER, plan="trial")

    status, _, page = visitor.press("/purchase", buyer=BUYER, plan="trial")

    assert (status, states(page)) == (400, ["pending"])
    assert "You have had your free trial" in page


def test_another_buyer_has_a_free_trial_too(visitor: Visitor) -> None:
    visitor.press("/purchase", buyer=BUYER, plan="trial")

    assert visitor.press("/purchase", buyer=OTHER_BUYER, plan="trial")[0] == 303


def test_a_contract_includes_what_was_asked(visitor: Visitor) -> None:
    form = {"buyer": BUYER, "plan": "contract", "amount-users": "1500", "auto_renew": "yes"}
    _, location, _ = visitor.press("/purchase", **form)
    page = follow(visitor, location)

    assert "1,500 <code>users</code>" in page
    assert "<dt>Renews</dt><dd>23 Nov 2027, 10:20 UTC</dd>" in page


@pytest.mark.parametrize("amount", ["", "-1", "1.5", "many", "0"])
def test_a_contract_of_nothing_is_refused(visitor: Visitor, amount: str) -> None:
    form = {"buyer": BUYER, "plan": "contract", "amount-users": amount}

    status, _, page = visitor.press("/purchase", **form)

    assert (status, states(page)) == (400, [])
    assert 'role="alert"' in page


def test_a_cancellation_leaves_an_hour(visitor: Visitor) -> None:
    visitor.press("/purchase", buyer=BUYER, plan="payg")
    visitor.press("/clock", buyer=BUYER, seconds="120")
    (fields,) = fields_of(visitor.look()[1], "/cancel")

    _, location, _ = visitor.press("/cancel", **fields)
    first = states(follow(visitor, location))
    visitor.press("/clock", buyer=BUYER, seconds="3600")

    assert (first, states(visitor.look()[1])) == (["ending"], ["ended"])


def test_what_is_cancelled_can_neither_be_cancelled_nor_set_up(visitor: Visitor) -> None:
    visitor.press("/purchase", buyer=BUYER, plan="payg")
    (fields,) = fields_of(visitor.look()[1], "/cancel")
    visitor.press("/cancel", **fields)

    page = visitor.look()[1]

    assert fields_of(page, "/cancel") == fields_of(page, FULFILLMENT_URL) == []


def test_nobody_cancels_for_somebody_else(visitor: Visitor) -> None:
    arn = visitor.buy()["license_arn"]

    status, _, _ = visitor.press("/cancel", buyer=OTHER_BUYER, license_arn=arn)

    assert (status, states(visitor.look()[1])) == (400, ["active"])


def test_everybody_sees_their_own_subscriptions(visitor: Visitor) -> None:
    visitor.press("/purchase", buyer=BUYER, plan="payg")

    pages = [visitor.look(f"/?buyer={buyer}")[1] for buyer in (BUYER, OTHER_BUYER)]

    assert [len(states(page)) for page in pages] == [1, 0]


def test_what_was_metered_is_shown(visitor: Visitor) -> None:
    record = visitor.record(visitor.buy(), Quantity=12345)
    visitor.client.batch_meter_usage(UsageRecords=[record])

    assert "12,345 <code>users</code>" in visitor.look()[1]


def test_a_legacy_customer_sees_what_was_metered_by_code(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/listing", {"legacy": True, "product_code": "old"})
    visitor.press("/purchase", buyer=BUYER, plan="payg")
    visitor.press("/clock", buyer=BUYER, seconds="120")
    identifier = re.findall(r"<dt>Customer</dt><dd><code>(\w+)</code>", visitor.look()[1])[0]
    record = {
        "Timestamp": NOW,
        "CustomerIdentifier": identifier,
        "Dimension": "users",
        "Quantity": 7,
    }

    visitor.client.batch_meter_usage(ProductCode="old", UsageRecords=[record])

    assert "<span>7 <code>users</code></span>" in visitor.look()[1]


def test_without_a_fulfillment_url_the_page_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with a_visit(monkeypatch) as visitor:
        visitor.press("/purchase", buyer=BUYER, plan="payg")
        page = visitor.look()[1]

    assert f"{visitor.url}/emulator/listing" in page
    assert "x-amzn-marketplace-token" not in page


def test_what_others_have_written_is_escaped(visitor: Visitor) -> None:
    visitor.ask("POST", "/emulator/listing", {"title": "<b>&", "dimensions": ['"><i>']})

    _, page = visitor.look("/?buyer=<script>&said=<script>")
    _, _, refused = visitor.press("/purchase", buyer="<script>", plan="<script>")

    assert "<b>&<" not in page
    assert '"><i>' not in page
    assert "<script>" not in page + refused


@pytest.mark.parametrize("seconds", ["0", "-5", "86401", "soon", ""])
def test_time_moves_on_by_a_day_at_most(visitor: Visitor, seconds: str) -> None:
    status, _, _ = visitor.press("/clock", buyer=BUYER, seconds=seconds)

    assert status == 400
    assert visitor.ask("GET", "/emulator/clock")[1]["now"] == "2026-11-23T10:20:00Z"


def test_api_calls_are_still_made_at_the_root(visitor: Visitor) -> None:
    assert visitor.client.batch_meter_usage(UsageRecords=[])["Results"] == []
