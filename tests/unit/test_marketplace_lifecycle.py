"""The life of an agreement: what each change does to the license, and what the seller is told."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.marketplace.errors import Unacceptable
from sandbox.marketplace.rules import Readings
from tests.unit.marketplace_stage import BUYER, HOUR, LEGACY_PRODUCT, NOW, PRODUCT, Stage

DAY = timedelta(days=1)
CREATED, ENDED = "Purchase Agreement Created", "Purchase Agreement Ended"
AMENDED = "Purchase Agreement Amended"
UPDATED, DEPROVISIONED = "License Updated", "License Deprovisioned"
SUBSCRIBED, UNSUBSCRIBING = "subscribe-success", "unsubscribe-pending"
UNSUBSCRIBED, ENTITLEMENT = "unsubscribe-success", "entitlement-updated"


def a_contract(stage: Stage, **options: Any) -> str:
    """A contract for ten days, begun yesterday; returns its license."""
    terms: dict[str, Any] = {"entitlements": {"users": 5}, "starts_at": NOW - DAY}
    return stage.buy(ends_at=NOW + 9 * DAY, **terms | options).license_arn


def state(stage: Stage, arn: str) -> str:
    """Where a license is in its life."""
    (held,) = (
        each.license for each in stage.marketplace.holdings(BUYER) if each.license.arn == arn
    )
    return held.state(stage.now)


def status(stage: Stage, agreement_id: str) -> str:
    """What became of an agreement."""
    stage.marketplace.events()
    return stage.marketplace.agreements[agreement_id].status


def test_a_purchase_is_active_once_the_seller_has_been_told() -> None:
    stage = Stage()
    bought = stage.buy(state="as-real", starts_at=None)

    states = [state(stage, bought.license_arn)]
    for seconds in (71, 1):
        stage.wait(seconds=seconds)
        states.append(state(stage, bought.license_arn))

    assert states == ["pending", "pending", "active"]


def test_usage_since_the_agreement_started_is_taken() -> None:
    stage = Stage()
    bought = stage.buy(state="as-real", starts_at=None)
    stage.wait(minutes=2)

    assert stage.send(stage.record(LicenseArn=bought.license_arn, Timestamp=NOW)) == ["Success"]


def test_usage_before_the_activation_is_refused_in_another_reading() -> None:
    stage = Stage(readings=Readings(activation_period="license-updated"))
    bought = stage.buy(state="as-real", starts_at=None)
    stage.wait(minutes=2)

    record = stage.record(LicenseArn=bought.license_arn, Timestamp=NOW)

    assert stage.refusal(record) == "InvalidLicenseException"


def test_a_cancellation_ends_the_agreement_and_withdraws_the_license() -> None:
    stage = Stage()
    after = stage.hush()

    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(hours=2)

    assert stage.told(after) == [ENDED, DEPROVISIONED]
    assert status(stage, stage.bought.agreement_id) == "CANCELLED"


def test_a_second_cancellation_is_not_told() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(minutes=2)
    after = stage.hush()

    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(minutes=2)

    assert stage.told(after) == []


def test_a_purchase_cancelled_at_once_is_never_activated() -> None:
    stage = Stage()
    after = stage.hush()
    bought = stage.buy(state="as-real", starts_at=None)
    stage.wait(seconds=30)

    stage.marketplace.change_license(bought.license_arn, "cancel")
    stage.wait(minutes=5)

    assert stage.told(after) == [CREATED, ENDED]
    assert state(stage, bought.license_arn) == "ended"


def test_an_end_by_aws_is_a_termination() -> None:
    stage = Stage()

    stage.marketplace.change_license(stage.bought.license_arn, "end")

    assert status(stage, stage.bought.agreement_id) == "TERMINATED"


def test_a_suspension_is_not_told() -> None:
    stage = Stage()
    after = stage.hush()

    stage.marketplace.change_license(stage.bought.license_arn, "suspend")
    stage.marketplace.change_license(stage.bought.license_arn, "activate")
    stage.wait(hours=2)

    assert stage.told(after) == []


def test_an_activation_by_hand_is_told() -> None:
    stage = Stage()
    pending = stage.buy(state="pending")
    stage.wait(minutes=5)
    after = stage.hush()

    stage.marketplace.change_license(pending.license_arn, "activate")

    assert stage.told(after) == [UPDATED]


def test_a_license_that_comes_back_is_told() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(hours=2)
    after = stage.hush()

    stage.marketplace.change_license(stage.bought.license_arn, "activate")

    assert stage.told(after) == [UPDATED]
    assert status(stage, stage.bought.agreement_id) == "ACTIVE"


def test_a_new_subscription_is_a_new_license() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")
    stage.wait(hours=2)
    after = stage.hush()

    again = stage.buy(starts_at=stage.now)
    stage.wait(minutes=2)

    assert stage.told(after) == [CREATED, UPDATED]
    assert again.license_arn != stage.bought.license_arn


def test_a_future_dated_agreement_is_made_now_and_activated_at_its_start() -> None:
    stage = Stage()
    after = stage.hush()
    later = stage.buy(state="as-real", starts_at=NOW + DAY)

    stage.wait(hours=23)
    before = stage.told(after)
    stage.wait(hours=2)

    assert (before, stage.told(after)) == ([CREATED], [CREATED, UPDATED])
    assert state(stage, later.license_arn) == "active"


def test_a_contract_expires_by_itself() -> None:
    stage = Stage()
    arn = a_contract(stage)
    after = stage.hush()

    stage.wait(days=9)
    states = [state(stage, arn)]
    stage.wait(hours=1)

    assert [*states, state(stage, arn)] == ["ending", "ended"]
    assert stage.told(after) == [ENDED, DEPROVISIONED]
    assert stage.body(ENDED)["detail"]["agreement"]["status"] == "EXPIRED"
    assert stage.body(ENDED)["time"] == "2026-12-02T10:20:02Z"


def test_a_contract_without_an_end_lasts_a_year() -> None:
    stage = Stage()
    arn = stage.buy(entitlements={"users": 5}).license_arn

    (_, holding) = stage.marketplace.holdings(BUYER)

    assert holding.license.arn == arn
    assert holding.agreement.ends_at == NOW + timedelta(days=362)


def test_a_cancelled_contract_does_not_expire() -> None:
    stage = Stage()
    arn = a_contract(stage)
    stage.marketplace.change_license(arn, "cancel")
    stage.wait(hours=2)
    after = stage.hush()

    stage.wait(days=20)

    assert stage.told(after) == []


def test_a_contract_renews_by_itself_for_as_long_again() -> None:
    stage = Stage()
    arn = a_contract(stage, auto_renew=True)
    after = stage.hush()

    stage.wait(days=9, minutes=2)

    assert stage.told(after) == [CREATED, ENDED, UPDATED]
    assert state(stage, arn) == "active"
    assert stage.body(CREATED)["detail"]["agreement"]["endTime"] == "2026-12-12T10:20:00Z"
    assert stage.body(ENDED)["detail"]["agreement"]["status"] == "RENEWED"


def test_a_contract_renews_again_and_again() -> None:
    stage = Stage()
    a_contract(stage, auto_renew=True)
    after = stage.hush()

    stage.wait(days=30)

    assert stage.told(after).count(CREATED) == 3


def test_a_renewal_keeps_license_and_offer() -> None:
    stage = Stage()
    arn = a_contract(stage)
    before = stage.marketplace.holdings(BUYER)[-1].agreement

    renewed = stage.marketplace.succeed(arn, "RENEW")

    assert (renewed.license_arn, renewed.offer_id) == (arn, before.offer_id)
    assert renewed.agreement_id != before.id


def test_a_renewal_keeps_the_chain() -> None:
    stage = Stage()
    arn = a_contract(stage)
    first = stage.marketplace.holdings(BUYER)[-1].agreement.id

    second = stage.marketplace.succeed(arn, "RENEW").agreement_id
    third = stage.marketplace.succeed(arn, "RENEW").agreement_id

    agreement = stage.marketplace.agreements[third]
    assert (agreement.initial_id, agreement.previous_id) == (first, second)


def test_a_replacement_is_on_another_offer() -> None:
    stage = Stage()
    after = stage.hush()

    replaced = stage.marketplace.succeed(stage.bought.license_arn, "REPLACE")
    stage.wait(minutes=2)

    assert replaced.offer_id != stage.bought.offer_id
    assert stage.told(after) == [CREATED, ENDED, UPDATED]
    assert stage.body(ENDED)["detail"]["agreement"]["status"] == "REPLACED"


def test_a_replacement_may_come_with_another_license() -> None:
    stage = Stage()
    after = stage.hush()

    replaced = stage.marketplace.succeed(stage.bought.license_arn, "REPLACE", new_license=True)
    stage.wait(minutes=2)

    assert stage.told(after) == [CREATED, ENDED, DEPROVISIONED, UPDATED]
    assert state(stage, stage.bought.license_arn) == "ending"
    assert state(stage, replaced.license_arn) == "active"


def test_what_is_over_is_not_renewed() -> None:
    stage = Stage()
    stage.marketplace.change_license(stage.bought.license_arn, "cancel")

    with pytest.raises(Unacceptable, match="active, not CANCELLED"):
        stage.marketplace.succeed(stage.bought.license_arn, "RENEW")


def test_another_amount_updates_the_license() -> None:
    stage = Stage()
    arn = a_contract(stage)
    after = stage.hush()

    stage.marketplace.amend(arn, entitlements={"users": 7})
    stage.wait(minutes=2)

    assert stage.told(after) == [AMENDED, UPDATED]


def test_another_mind_about_renewals_does_not() -> None:
    stage = Stage()
    arn = a_contract(stage)
    after = stage.hush()

    stage.marketplace.amend(arn, auto_renew=True)
    stage.wait(minutes=2)

    assert stage.told(after) == [AMENDED]


def test_an_amended_end_is_the_one_that_counts() -> None:
    stage = Stage()
    arn = a_contract(stage)

    stage.marketplace.amend(arn, ends_at=NOW + 2 * DAY)
    stage.wait(days=1, hours=23)
    states = [state(stage, arn)]
    stage.wait(hours=1)

    assert [*states, state(stage, arn)] == ["active", "ending"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"entitlements": {"tables": 5}}, "entitlements"),
        ({"ends_at": NOW - DAY * 4}, "ends_at"),
        ({"free_trial_days": 6}, "free_trial_days"),
        ({"free_trial_days": 91}, "free_trial_days"),
        ({"auto_renew": True}, "auto_renew"),
        ({"state": "as real"}, "state"),
    ],
)
def test_terms_that_aws_would_not_have_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(Unacceptable) as error:
        Stage().buy(**options)

    assert error.value.field == field


def test_a_refused_purchase_leaves_nothing_behind() -> None:
    stage = Stage()
    after = stage.hush()

    with pytest.raises(Unacceptable):
        stage.buy("another-product", free_trial_days=1)
    stage.wait(hours=1)

    assert (stage.told(after), list(stage.marketplace.products)) == ([], [PRODUCT])


def test_a_legacy_cancellation_has_an_hour_between_its_messages() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    after = stage.hush()

    stage.marketplace.change_license(bought.license_arn, "cancel")
    stage.wait(minutes=60)
    first = stage.told(after)
    stage.wait(minutes=1)

    assert first == [UNSUBSCRIBING]
    assert stage.told(after) == [UNSUBSCRIBING, UNSUBSCRIBED]


def test_a_legacy_end_leaves_no_hour() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    after = stage.hush()

    stage.marketplace.change_license(bought.license_arn, "end")
    stage.wait(seconds=2)

    assert stage.told(after) == [UNSUBSCRIBING, UNSUBSCRIBED]


def test_a_legacy_last_hour_can_be_cut_short() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    after = stage.hush()
    stage.marketplace.change_license(bought.license_arn, "cancel")
    stage.wait(minutes=1)

    stage.marketplace.change_license(bought.license_arn, "end")
    told = stage.told(after)
    stage.wait(hours=2)

    assert told == stage.told(after) == [UNSUBSCRIBING, UNSUBSCRIBED]


def test_a_legacy_customer_who_comes_back_within_the_hour_has_never_left() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    after = stage.hush()
    stage.marketplace.change_license(bought.license_arn, "cancel")
    stage.wait(minutes=30)

    stage.buy_legacy(starts_at=stage.now)
    stage.wait(hours=2)

    assert stage.told(after) == [UNSUBSCRIBING, SUBSCRIBED]


def test_another_legacy_customers_end_goes_on() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    after = stage.hush()
    stage.marketplace.change_license(bought.license_arn, "cancel")
    stage.wait(minutes=30)

    stage.buy_legacy(account="222233334444", starts_at=stage.now)
    stage.wait(hours=2)

    assert stage.told(after) == [UNSUBSCRIBING, SUBSCRIBED, UNSUBSCRIBED]


def test_a_legacy_contract_is_told_of_its_amounts() -> None:
    stage = Stage()
    after = stage.hush()
    bought = stage.buy_legacy(entitlements={"users": 5}, ends_at=NOW + DAY)
    stage.marketplace.amend(bought.license_arn, entitlements={"users": 6})
    stage.wait(days=2)

    assert stage.told(after) == [
        SUBSCRIBED,
        ENTITLEMENT,
        ENTITLEMENT,
        UNSUBSCRIBING,
        ENTITLEMENT,
        UNSUBSCRIBED,
    ]


def test_a_legacy_replacement_subscribes_again_with_another_offer() -> None:
    stage = Stage()
    bought = stage.buy_legacy()
    after = stage.hush()

    replaced = stage.marketplace.succeed(bought.license_arn, "REPLACE")
    stage.wait(minutes=2)

    assert stage.told(after) == [SUBSCRIBED]
    assert replaced.offer_id in stage.body(SUBSCRIBED)["Message"]


def test_a_legacy_renewal_is_a_change_of_entitlements() -> None:
    stage = Stage()
    bought = stage.buy_legacy(entitlements={"users": 5})
    after = stage.hush()

    stage.marketplace.succeed(bought.license_arn, "RENEW")
    stage.wait(minutes=2)

    assert stage.told(after) == [ENTITLEMENT]


def test_a_legacy_product_may_have_events_too() -> None:
    stage = Stage(readings=Readings(legacy_channels="both"))
    after = stage.hush()

    stage.buy_legacy()

    assert stage.told(after) == [CREATED, UPDATED, SUBSCRIBED]


def test_a_free_trial_converts_and_goes_on() -> None:
    stage = Stage()
    arn = stage.buy(free_trial_days=14).license_arn
    after = stage.hush()

    stage.wait(days=20)

    assert (state(stage, arn), stage.told(after)) == ("active", [])


def test_a_license_whose_hour_is_over_takes_nothing_after_it_expired() -> None:
    stage = Stage()
    arn = a_contract(stage)
    stage.wait(days=9, hours=1)

    record = stage.record(LicenseArn=arn, Timestamp=stage.now - 2 * HOUR)

    assert stage.send(record) == ["CustomerNotSubscribed"]


def test_legacy_and_new_products_are_never_the_same() -> None:
    with pytest.raises(Unacceptable, match="legacy"):
        Stage().buy(PRODUCT, legacy=True)
    assert LEGACY_PRODUCT != PRODUCT
