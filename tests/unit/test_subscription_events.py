"""Messages of the subscription queue: every sample, every word of the vendor, every mistake."""

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.customers.history import Event, Kind
from lambdas.subscription.events import (
    ACTIONS,
    NO_END,
    Ignored,
    Rules,
    asks_for_entitlements,
    read_event,
)
from tests.customers_stage import ms

EVENTS = Path(__file__).parents[1] / "events"
BUS = sorted((EVENTS / "eventbridge").glob("*.json"))
TOPIC = sorted((EVENTS / "sns").glob("*.json"))
SENT_MS = 1_795_429_200_000
ALL = Rules()
LEGACY_RULES = Rules(concurrent_agreements=False)


def read(body: str, rules: Rules = ALL) -> Event | Ignored:
    return read_event(body, message_id="m-1", sent_ms=SENT_MS, rules=rules)


def event(body: str | dict[str, Any], rules: Rules = ALL) -> Event:
    found = read(body if isinstance(body, str) else json.dumps(body), rules)
    assert isinstance(found, Event)
    return found


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return found


UPDATED = "eventbridge/license-updated-manufacturer"
CREATED = "eventbridge/purchase-agreement-created-proposer"
ENDED = "eventbridge/purchase-agreement-ended-proposer"

KINDS = {
    "license-updated": Kind.ACTIVATED,
    "license-deprovisioned": Kind.CLOSED,
    "purchase-agreement-created": Kind.AGREED,
    "purchase-agreement-amended": Kind.AGREED,
    "purchase-agreement-ended": Kind.CLOSED,
}
"""By the beginning of a file's name; all others are notices."""

NO_ENDS = ("renewed", "replaced")


def kind_of(path: Path) -> Kind:
    kind = next((kind for begin, kind in KINDS.items() if path.name.startswith(begin)), Kind.NOTICE)
    variant = path.name.split(".")[1]
    return Kind.NOTICE if variant in NO_ENDS else kind


# The samples


@pytest.mark.parametrize("path", BUS, ids=lambda path: path.stem)
def test_an_event_of_the_bus_means_what_its_name_says(path: Path) -> None:
    found = event(path.read_text())

    assert found.kind is kind_of(path)


@pytest.mark.parametrize("path", BUS, ids=lambda path: path.stem)
def test_an_event_of_the_bus_keeps_its_own_id_time_words_and_agreement(path: Path) -> None:
    raw = json.loads(path.read_text())

    found = event(path.read_text())

    assert (found.id, found.said) == (raw["id"], raw["detail-type"])
    assert found.at_ms == ms(raw["time"])
    assert found.agreement_id == raw["detail"]["agreement"]["id"]


@pytest.mark.parametrize("path", BUS, ids=lambda path: path.stem)
def test_an_event_of_the_bus_names_the_buyer(path: Path) -> None:
    """Cancellation requests name him in the agreement, adjustments do not name him."""
    found = event(path.read_text())

    assert found.account == ("" if "billing-adjustment" in path.name else "111122223333")


@pytest.mark.parametrize("path", BUS, ids=lambda path: path.stem)
def test_only_events_of_a_license_name_one(path: Path) -> None:
    of_license = path.name.startswith("license-")

    found = event(path.read_text())

    assert bool(found.license) is of_license
    assert bool(found.arn) is of_license


@pytest.mark.parametrize("path", BUS, ids=lambda path: path.stem)
def test_where_customers_are_not_known_by_license_none_is_named(path: Path) -> None:
    found = event(path.read_text(), LEGACY_RULES)

    assert (found.license, found.arn) == ("", "")
    assert found.agreement_id


@pytest.mark.parametrize("path", TOPIC, ids=lambda path: path.stem)
def test_a_message_of_a_topic_means_what_its_action_says(path: Path) -> None:
    action = path.stem.removeprefix("envelope.").split(".")[0]

    found = event(path.read_text())

    assert (found.said, found.kind) == (action, ACTIONS[action])
    assert found.license == "n0123EXAMPLEXXXXXXXXXXXX/X01EXAMPLEX"
    assert found.agreement_id == found.account == ""


@pytest.mark.parametrize("path", TOPIC, ids=lambda path: path.stem)
def test_a_message_of_a_topic_has_the_id_and_time_of_its_envelope(path: Path) -> None:
    """Without an envelope those of the queue stand in for them."""
    raw = json.loads(path.read_text())

    found = event(path.read_text())

    if path.name.startswith("envelope."):
        assert (found.id, found.at_ms) == (raw["MessageId"], ms("2026-11-20T09:00:11.123Z"))
    else:
        assert (found.id, found.at_ms) == ("m-1", SENT_MS)


# What is read


def test_a_license_updated_joins_license_agreement_product_offer_and_account() -> None:
    found = event(sample(f"{UPDATED}.captured"))

    assert found.license == "l-0123456789abcdef0123456789abcdef"
    assert found.arn == f"arn:aws:license-manager::777788889999:license:{found.license}"
    assert found.product_id == "prod-example000001"
    assert found.product_code == "example000000000000000001"
    assert found.agreement_id == "agmt-example000000000000000001"
    assert found.offer_id
    assert found.account == "111122223333"


def test_both_forms_of_an_arn_are_the_same_license() -> None:
    assert event(sample(UPDATED)).license == event(sample(f"{UPDATED}.captured")).license


def test_an_agreement_without_end_has_none() -> None:
    """A year of 9999 stands for never."""
    captured = event(sample(f"{CREATED}.captured"))

    assert captured.end_ms is None
    assert captured.start_ms is not None
    assert captured.start_ms % 1000 != 0


def test_an_agreement_has_the_terms_it_says() -> None:
    found = event(sample(CREATED))

    assert found.start_ms == ms("2026-11-20T09:00:00Z")
    assert found.end_ms == ms("2027-11-20T09:00:00Z")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("ACTIVE", Kind.CLOSED),
        ("ARCHIVED", Kind.CLOSED),
        ("CANCELLED", Kind.CLOSED),
        ("EXPIRED", Kind.CLOSED),
        ("RENEWED", Kind.NOTICE),
        ("REPLACED", Kind.NOTICE),
        ("ROLLED_BACK", Kind.CLOSED),
        ("SUPERSEDED", Kind.NOTICE),
        ("TERMINATED", Kind.CLOSED),
        ("SOMETHING_NEW", Kind.CLOSED),
        (None, Kind.CLOSED),
    ],
)
def test_an_ended_agreement_is_an_end_unless_another_takes_its_place(
    status: str | None, kind: Kind
) -> None:
    ended = sample(ENDED)
    ended["detail"]["agreement"]["status"] = status

    assert event(ended).kind is kind


def test_what_is_no_end_is_exactly_what_takes_its_place() -> None:
    assert {"RENEWED", "REPLACED", "SUPERSEDED"} == NO_END


@pytest.mark.parametrize("role", ["Proposer", "Manufacturer", "Somebody New"])
@pytest.mark.parametrize(
    ("name", "begin"),
    [(CREATED, "Purchase Agreement Created"), (ENDED, "Purchase Agreement Ended")],
)
def test_the_role_at_the_end_of_a_detail_type_does_not_matter(
    name: str, begin: str, role: str
) -> None:
    told = sample(name)
    told["detail-type"] = f"{begin} - {role}"

    assert event(told).kind is event(sample(name)).kind


@pytest.mark.parametrize(
    "said",
    [
        "Purchase Agreement Ending - Proposer",
        "Spend Threshold Reached",
        "License Something New - Manufacturer",
    ],
)
def test_a_detail_type_nobody_acts_upon_is_a_notice(said: str) -> None:
    told = sample(UPDATED)
    told["detail-type"] = said

    assert event(told).kind is Kind.NOTICE


def test_what_a_person_may_want_to_know_is_in_the_note() -> None:
    ending = event(sample("eventbridge/purchase-agreement-ending-proposer"))

    assert ending.note == "180 days before the end"
    assert event(sample(ENDED)).note == "CANCELLED"
    assert event(sample(f"{CREATED}.renew")).note == "RENEW"


@pytest.mark.parametrize(
    ("text", "trial"), [("true", True), ("false", False), (True, True), (None, None)]
)
def test_a_truth_value_of_a_topic_is_a_text(text: object, trial: bool | None) -> None:
    told = sample("sns/subscribe-success") | {"isFreeTrialTermPresent": text}

    assert event(told).free_trial is trial


@pytest.mark.parametrize("reason", ["Bought by mistake.", ""])
def test_the_reason_of_a_cancellation_request_is_in_the_note(reason: str) -> None:
    told = sample("eventbridge/agreement-cancellation-request-rejected-proposer")
    told["detail"]["agreementCancellationRequest"]["reasonMessage"] = reason

    assert event(told).note == reason


@pytest.mark.parametrize("holder", ["agreement", "detail"])
def test_the_days_that_are_left_may_stand_beside_the_agreement(holder: str) -> None:
    told = sample("eventbridge/purchase-agreement-ending-proposer")
    detail = told["detail"]
    detail.pop("daysBeforeEndTime", None)
    detail["agreement"].pop("daysBeforeEndTime", None)
    {"detail": detail, **detail}[holder]["daysBeforeEndTime"] = 30

    assert event(told).note == "30 days before the end"


@pytest.mark.parametrize(
    "name", [UPDATED, "eventbridge/license-deprovisioned-manufacturer"], ids=["updated", "gone"]
)
def test_an_event_of_a_license_has_no_note(name: str) -> None:
    assert event(sample(name)).note == ""


def test_an_offer_may_stand_in_the_agreement() -> None:
    told = sample(ENDED)
    told["detail"].pop("offer", None)
    told["detail"]["agreement"]["offerId"] = "offer-9"

    assert event(told).offer_id == "offer-9"


@pytest.mark.parametrize("offer", ["offer-abcexample123", None])
def test_a_message_of_a_topic_joins_product_customer_and_offer(offer: str | None) -> None:
    found = event(sample("sns/subscribe-success") | {"offer-identifier": offer})

    assert found.product_code == "n0123EXAMPLEXXXXXXXXXXXX"
    assert found.customer_identifier == "X01EXAMPLEX"
    assert found.offer_id == (offer or "")


def test_an_action_does_what_the_guide_says() -> None:
    assert ACTIONS == {
        "subscribe-success": Kind.ACTIVATED,
        "subscribe-fail": Kind.FAILED,
        "unsubscribe-pending": Kind.CLOSED,
        "unsubscribe-success": Kind.OVER,
        "entitlement-updated": Kind.NOTICE,
    }


def test_an_action_nobody_knows_is_a_notice() -> None:
    assert event(sample("sns/subscribe-success") | {"action": "new"}).kind is Kind.NOTICE


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        (UPDATED, True),
        ("sns/subscribe-success", True),
        ("sns/entitlement-updated", True),
        ("eventbridge/license-deprovisioned-manufacturer", False),
        (CREATED, False),
        ("sns/unsubscribe-pending", False),
    ],
)
def test_entitlements_are_asked_for_when_they_may_have_changed(name: str, asks: bool) -> None:
    assert asks_for_entitlements(event(sample(name))) is asks


# Whose product


def test_events_of_other_products_are_ignored() -> None:
    found = read(json.dumps(sample(UPDATED)), Rules(product_ids=("prod-other",)))

    assert isinstance(found, Ignored)
    assert "prod-example000001" in found.why


def test_events_of_our_products_are_not_ignored() -> None:
    rules = Rules(product_ids=("prod-other", "prod-example000001"))

    assert event(sample(UPDATED), rules).kind is Kind.ACTIVATED


def test_an_event_that_names_no_product_may_be_ours() -> None:
    assert event(sample(ENDED), Rules(product_ids=("prod-other",))).kind is Kind.CLOSED


def test_the_product_of_a_cancellation_request_stands_in_its_agreement() -> None:
    request = sample("eventbridge/agreement-cancellation-request-approved-proposer")

    assert isinstance(read(json.dumps(request), Rules(product_ids=("prod-other",))), Ignored)


def test_an_event_that_names_no_agreement_concerns_nobody() -> None:
    told = sample(CREATED)
    del told["detail"]["agreement"]

    assert read(json.dumps(told)) == Ignored(f"{told['detail-type']} names no agreement")
