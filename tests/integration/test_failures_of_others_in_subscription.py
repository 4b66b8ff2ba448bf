"""Failures of others between what AWS Marketplace announces and the bill.

Rows that events and registrations overwrite, events out of order, ends that nobody noticed. Where
each was seen is in docs/failures.md. Every shop opens at 10:20.
"""

from datetime import timedelta
from typing import Any

import pytest

from lambdas.customers.license import License, State
from sandbox.marketplace.events import Timing
from sandbox.marketplace.faults import Detour
from sandbox.marketplace.rules import Readings
from sandbox.marketplace.sales import Purchase
from tests.integration.failures_shop import Shop, a_shop
from tests.integration.failures_stage import reasons, statuses
from tests.world import BUYER, DIMENSIONS, HOUR

OLDER_PRODUCT = "legacyproduct"
FIRST_ANSWER_WITHOUT_LICENSE = Readings(license_in_first_answer=False, resubmission="expired")


def sell_older(shop: Shop, account: str = BUYER) -> Purchase:
    """Let an account buy a product that is told of by SNS, and known by its identifier."""
    return shop.world.marketplace.purchase(
        OLDER_PRODUCT, account, list(DIMENSIONS), legacy=True, state="as-real"
    )


def use(shop: Shop, who: License | str, quantity: int = 5) -> None:
    shop.world.send(shop.world.usage(who, quantity, ago_s=1))


def test_events_that_come_before_the_buyer_are_not_lost() -> None:
    """Where a row is made at the registration, events before it find none, and are dropped."""
    with a_shop() as shop:
        shop.world.marketplace.divert(Detour("overtaken", event="Purchase Agreement Created"))
        bought = shop.sell()
        shop.world.advance(minutes=2)
        told = shop.hear()

        shop.arrive(bought.registration_token)
        use(shop, BUYER)
        shop.pass_time(minutes=60)

        assert told == ["License Updated - Manufacturer", "Purchase Agreement Created - Proposer"]
        assert shop.the_license().state is State.ACTIVE
        assert shop.world.billed() == 5


@pytest.mark.parametrize("sell", [Shop.sell, sell_older], ids=["new", "older"])
def test_a_second_registration_does_not_forget_a_subscription(sell: Any) -> None:
    """An event comes, then the buyer, and once more: a row put whole has forgotten the event."""
    with a_shop() as shop:
        bought = sell(shop)
        shop.world.advance(minutes=2)
        shop.hear()
        shop.sign_up(shop.arrive(bought.registration_token).code)

        again = shop.world.marketplace.registration_token(bought.license_arn)
        shop.sign_up(shop.arrive(again).code, email="grace@buyer.example")
        # An older customer's account is in its registration, and in no event.
        use(shop, shop.the_license())
        shop.pass_time(minutes=60)

        assert shop.the_license().state is State.ACTIVE
        assert shop.world.billed() == 5


def test_a_late_unsubscribe_pending_does_not_end_a_new_subscription() -> None:
    """Taken in the order of arrival, the end of the old subscription ends the new one."""
    with a_shop() as shop:
        bought = sell_older(shop)
        shop.arrive(bought.registration_token)
        shop.pass_time(minutes=30)
        shop.world.marketplace.divert(Detour("late", event="unsubscribe-pending", seconds=2 * HOUR))

        shop.world.marketplace.change_license(bought.license_arn, "cancel")
        shop.world.advance(minutes=10)
        sell_older(shop)
        shop.pass_time(minutes=200)
        use(shop, shop.the_license())
        shop.pass_time(minutes=70)

        assert "unsubscribe-pending" in shop.printed.getvalue()
        assert shop.the_license().state is State.ACTIVE
        assert shop.world.billed() == 5
        assert statuses(shop.world) == {"accepted"}


def test_a_late_license_deprovisioned_does_not_end_a_license_that_came_back() -> None:
    """The same with EventBridge, which delivers in any order, and for a day if it must."""
    with a_shop() as shop:
        bought = shop.sell()
        shop.arrive(bought.registration_token)
        shop.pass_time(minutes=30)
        shop.world.marketplace.divert(Detour("late", "License Deprovisioned", seconds=5 * HOUR))
        shop.world.marketplace.divert(Detour("late", "Purchase Agreement Ended", seconds=4 * HOUR))

        shop.world.marketplace.change_license(bought.license_arn, "cancel")
        shop.world.advance(minutes=10)
        shop.world.marketplace.change_license(bought.license_arn, "activate")
        shop.pass_time(minutes=330)
        use(shop, BUYER)
        shop.pass_time(minutes=70)

        assert shop.the_license().state is State.ACTIVE
        assert shop.world.billed() == 5


def test_a_license_that_ended_and_came_back_is_billed_for_both_lives() -> None:
    """Ended for ever in the books, its usage is refused here, or its first life is overwritten."""
    with a_shop() as shop:
        bought = shop.sell()
        shop.arrive(bought.registration_token)
        shop.pass_time(minutes=10)
        use(shop, BUYER, 5)
        shop.pass_time(minutes=5)
        shop.world.marketplace.change_license(bought.license_arn, "cancel")
        shop.pass_time(minutes=180)
        between = shop.the_license().state

        shop.world.marketplace.change_license(bought.license_arn, "activate")
        shop.pass_time(minutes=5)
        use(shop, BUYER, 3)
        shop.pass_time(minutes=70)

        assert between is State.ENDED
        assert shop.the_license().state is State.ACTIVE
        assert shop.world.billed() == 8
        assert statuses(shop.world) == {"accepted"}


def test_usage_up_to_a_cancellation_is_billed_within_its_last_hour() -> None:
    """AWS takes reports for an hour; a job that reports hours later has lost what was left."""
    with a_shop() as shop:
        bought = shop.sell()
        shop.arrive(bought.registration_token)
        shop.pass_time(minutes=40)
        use(shop, BUYER, 5)
        shop.pass_time(minutes=5)
        use(shop, BUYER, 4)
        last = shop.world.usage(BUYER, 3, ago_s=0)

        # At 11:05: the hour is over at 12:00, and reports are taken until 12:05.
        shop.world.marketplace.change_license(bought.license_arn, "cancel")
        shop.pass_time(minutes=10)
        shop.world.send(last)
        shop.pass_time(minutes=110)

        assert shop.world.billed() == 12
        assert shop.the_license().state is State.ENDED
        assert statuses(shop.world) == {"accepted"}


def test_usage_before_license_updated_is_withheld_and_billed_once_active() -> None:
    """Sent earlier, it is `CustomerNotSubscribed`, and some job never sends it again."""
    with a_shop() as shop:
        shop.world.marketplace.set_timing(Timing(license_updated_seconds=3 * HOUR))
        bought = shop.sell()
        shop.arrive(bought.registration_token)
        use(shop, BUYER)
        shop.pass_time(minutes=150)
        sent_before = list(shop.world.submitted)

        shop.pass_time(minutes=60)

        assert sent_before == []
        assert shop.world.billed() == 5
        assert statuses(shop.world) == {"accepted"}


def test_an_old_row_does_not_swallow_a_new_purchase() -> None:
    """Found by account alone, the ended license gets the new registration, and the new one none.

    The worst case: AWS's first answer names no license, and takes the token only once.
    """
    with a_shop(readings=FIRST_ANSWER_WITHOUT_LICENSE) as shop:
        old = shop.sell()
        shop.arrive(old.registration_token)
        shop.pass_time(minutes=10)
        shop.world.marketplace.change_license(old.license_arn, "cancel")
        shop.pass_time(minutes=90)

        new = shop.sell()
        shop.arrive(new.registration_token)
        shop.pass_time(minutes=5)
        use(shop, BUYER)
        shop.pass_time(minutes=80)

        states = {each.arn: (each.state, each.registered_s) for each in shop.licenses()}
        registered_s = states[new.license_arn][1]
        assert states[old.license_arn][0] is State.ENDED
        assert states[new.license_arn][0] is State.ACTIVE
        assert registered_s is not None
        assert registered_s > int(states[old.license_arn][1] or 0) + HOUR
        assert [line.license_arn for line in shop.world.marketplace.usage()] == [new.license_arn]
        assert shop.world.billed() == 5


def test_one_subscriber_has_one_row_though_the_first_answer_names_no_license() -> None:
    """Keyed by what the first answer has, a second one makes another row, and both count."""
    with a_shop(readings=FIRST_ANSWER_WITHOUT_LICENSE) as shop:
        bought = shop.sell()
        shop.world.marketplace.divert(Detour("late", "License Updated", seconds=600))

        for _ in range(2):
            token = shop.world.marketplace.registration_token(bought.license_arn)
            shop.sign_up(shop.arrive(token).code)
        use(shop, BUYER)
        shop.pass_time(minutes=75)

        assert shop.the_license().arn == bought.license_arn
        assert shop.world.billed() == 5
        assert reasons(shop.world) == []


def test_a_private_offer_that_ends_is_noticed() -> None:
    """It does not renew by itself; metered on, all usage after its end is refused."""
    with a_shop() as shop:
        ends_at = shop.world.time() + timedelta(minutes=30)
        bought = shop.sell(ends_at=ends_at)
        shop.arrive(bought.registration_token)
        shop.pass_time(minutes=25)
        use(shop, BUYER)

        shop.pass_time(minutes=90)
        use(shop, BUYER, 3)
        shop.pass_time(minutes=10)

        assert shop.the_license().state is State.ENDED
        assert shop.announced()[-2:] == ["Subscription Ending", "Subscription Ended"]
        assert reasons(shop.world) == ["unknown-customer"]
        assert shop.world.billed() == 5


@pytest.mark.parametrize("days", [180, 30])
def test_an_offer_that_is_going_to_end_is_told_before(days: int) -> None:
    """AWS announces it months ahead, to whoever listens."""
    with a_shop() as shop:
        bought = shop.sell()
        shop.arrive(bought.registration_token)
        shop.pass_time(minutes=5)
        ending = {
            "id": f"ending-{days}",
            "detail-type": "Purchase Agreement Ending - Proposer",
            "source": "aws.agreement-marketplace",
            "time": shop.world.time().isoformat(),
            "detail": {
                "agreement": {
                    "id": bought.agreement_id,
                    "status": "ACTIVE",
                    "daysBeforeEndTime": days,
                }
            },
        }

        shop.hear_again(ending, ending)

        told = [each for each in shop.published if str(days) in each["Detail"]]
        assert [each["DetailType"] for each in told] == ["Subscription Changed"]
        assert shop.the_license().state is State.ACTIVE


def test_a_malformed_event_comes_back_alone() -> None:
    """One that cannot be read fails the whole batch, and with it the end of a subscription."""
    with a_shop() as shop:
        bought = shop.sell()
        shop.arrive(bought.registration_token)
        shop.pass_time(minutes=10)
        shop.world.marketplace.change_license(bought.license_arn, "cancel")
        shop.world.advance(minutes=1)
        ended = [dict(each.body) for each in shop.world.marketplace.events()[2:]]

        failed = shop.hear_again("{", '{"detail": []}', *ended)

        assert len(failed) == 2
        assert shop.the_license().state is State.ENDING
