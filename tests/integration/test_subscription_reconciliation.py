"""The nightly reconciliation: every difference, reported and mended, and what is left alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.customers.license import State, license_key_of_arn
from lambdas.subscription.differences import RECENT_S
from lambdas.telemetry import Metric
from sandbox.marketplace.events import Event
from sandbox.marketplace.faults import Detour, Fault
from sandbox.marketplace.sales import Purchase
from tests.customers_stage import BUYER, PRODUCT
from tests.subscription_stage import Functions, failed, running


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    with running(monkeypatch) as each:
        yield each


@pytest.fixture(params=["", "License Updated", "License Deprovisioned", "Purchase Agreement"])
def lost(request: pytest.FixtureRequest) -> str:
    """Which events get lost; none of them if it is empty."""
    name: str = request.param
    return name


def differences(answer: dict[str, Any]) -> list[str]:
    return [each["difference"] for each in answer["differences"]]


def tonight(functions: Functions, bought: Purchase | None = None) -> dict[str, Any]:
    """Reconcile the product, when everything of today is long over."""
    functions.wait(seconds=RECENT_S)
    if bought is not None:
        functions.configure(PRODUCT_IDS=f'["{functions.product_id(bought)}"]')
    return functions.reconcile()


def lose(functions: Functions, name: str = "*") -> None:
    functions.marketplace.divert(Detour(kind="lost", event=name, times=None))


def active(functions: Functions, account: str = BUYER, **fields: Any) -> Purchase:
    bought = functions.buy(account, **fields)
    functions.register(bought, account)
    functions.wait(seconds=90)
    functions.deliver()
    return bought


# Nothing to mend


def test_what_both_know_alike_is_no_difference(functions: Functions) -> None:
    bought = active(functions)
    before = functions.items()

    answer = tonight(functions, bought)

    assert answer == {"repaired": True, "differences": []}
    assert functions.items() == before


def test_a_renewed_license_is_no_difference(functions: Functions) -> None:
    bought = active(functions, entitlements={"seats": 5})
    functions.marketplace.succeed(bought.license_arn, "RENEW")
    functions.wait(hours=1)
    functions.deliver()

    assert differences(tonight(functions, bought)) == []
    assert functions.license(bought).state is State.ACTIVE


def test_a_cancelled_license_is_no_difference(functions: Functions) -> None:
    bought = active(functions)
    functions.marketplace.change_license(bought.license_arn, "cancel")
    functions.wait(hours=1)
    functions.deliver()

    assert differences(tonight(functions, bought)) == []


def test_a_buyer_who_has_bought_and_not_registered_is_no_difference(
    functions: Functions,
) -> None:
    bought = functions.buy()
    functions.wait(seconds=90)
    functions.deliver()

    assert differences(tonight(functions, bought)) == []
    assert functions.license(bought).registered_s is None


# Licenses nobody has told of


def test_a_first_deployment_brings_in_the_customers_there_are(functions: Functions) -> None:
    lose(functions)
    bought = [functions.buy(account) for account in (BUYER, "222233334444")]

    answer = tonight(functions, bought[0])

    assert differences(answer) == ["unknown-license"] * 2
    for each, account in zip(bought, (BUYER, "222233334444"), strict=True):
        known = functions.license(each)
        assert (known.state, known.account) == (State.ACTIVE, account)
        assert (known.product_code, known.arn) == (PRODUCT, each.license_arn)
        assert (known.agreement_id, known.offer_id) == (each.agreement_id, each.offer_id)
    assert sorted(functions.told()) == [
        *["Customer Registered"] * 2,
        *["Subscription Activated"] * 2,
    ]


def test_a_dry_run_tells_and_writes_nothing(functions: Functions) -> None:
    lose(functions)
    bought = functions.buy()
    functions.configure(RECONCILIATION="report")

    answer = tonight(functions, bought)

    assert not answer["repaired"]
    assert differences(answer) == ["unknown-license"]
    assert functions.items() == []
    assert functions.told() == []


def test_without_product_ids_unknown_customers_cannot_be_found(functions: Functions) -> None:
    lose(functions)
    functions.buy()

    assert differences(tonight(functions)) == []


def test_agreements_of_other_products_are_not_looked_at(functions: Functions) -> None:
    lose(functions)
    functions.buy()
    functions.configure(PRODUCT_IDS='["prod-other"]')

    assert differences(tonight(functions)) == []


def test_a_purchase_of_a_moment_ago_is_left_to_its_events(functions: Functions) -> None:
    bought = functions.buy()
    functions.configure(PRODUCT_IDS=f'["{functions.product_id(bought)}"]')
    functions.wait(seconds=RECENT_S - 1)

    assert differences(functions.reconcile()) == []
    functions.wait(seconds=1)
    assert differences(functions.reconcile()) == ["unknown-license"]


def test_a_license_that_is_not_provisioned_is_not_brought_in(functions: Functions) -> None:
    bought = functions.buy(state="pending")

    assert differences(tonight(functions, bought)) == []


def test_a_buyer_who_was_brought_in_and_comes_later_is_told_once(functions: Functions) -> None:
    lose(functions)
    bought = functions.buy()
    tonight(functions, bought)

    functions.register(bought)

    assert functions.told() == ["Customer Registered", "Subscription Activated"]


def test_events_that_come_after_all_change_nothing(functions: Functions) -> None:
    bought = functions.buy()
    tonight(functions, bought)
    before = functions.license(bought)

    functions.deliver()

    after = functions.license(bought)
    assert (after.state, after.registered_s) == (State.ACTIVE, before.registered_s)
    assert functions.told()[:2] == ["Customer Registered", "Subscription Activated"]


# Events that got lost


def test_a_missed_activation_is_mended(functions: Functions) -> None:
    lose(functions, "License Updated")
    bought = active(functions)
    assert functions.license(bought).state is State.PENDING

    assert differences(tonight(functions, bought)) == ["missed-activation"]

    assert functions.license(bought).state is State.ACTIVE
    assert functions.told()[-1] == "Subscription Activated"


def test_a_missed_activation_is_only_told_in_a_dry_run(functions: Functions) -> None:
    lose(functions, "License Updated")
    bought = active(functions)
    functions.configure(RECONCILIATION="report")

    assert differences(tonight(functions, bought)) == ["missed-activation"]

    assert functions.license(bought).state is State.PENDING


def test_an_end_that_was_none_is_mended(functions: Functions) -> None:
    bought = active(functions)
    functions.marketplace.change_license(bought.license_arn, "cancel")
    functions.wait(seconds=90)
    functions.deliver()
    lose(functions)
    functions.marketplace.change_license(bought.license_arn, "activate")
    functions.wait(hours=2)
    functions.sweep()
    assert functions.license(bought).state is State.ENDED

    assert differences(tonight(functions, bought)) == ["missed-activation"]

    assert functions.license(bought).state is State.ACTIVE


@pytest.mark.parametrize("change", ["cancel", "end"])
@pytest.mark.parametrize("with_product", [True, False])
def test_a_missed_end_is_mended(functions: Functions, change: Any, with_product: bool) -> None:
    bought = active(functions)
    lose(functions)
    functions.marketplace.change_license(bought.license_arn, change)

    answer = tonight(functions, bought if with_product else None)

    assert differences(answer) == ["missed-end"]
    assert functions.license(bought).state is State.ENDING
    assert functions.told()[-1] == "Subscription Ending"


def test_a_missed_end_of_a_license_that_is_pending_here_is_mended(
    functions: Functions,
) -> None:
    lose(functions)
    bought = functions.buy()
    functions.register(bought)
    functions.wait(seconds=90)
    functions.marketplace.change_license(bought.license_arn, "cancel")

    assert differences(tonight(functions)) == ["missed-end"]

    assert functions.license(bought).state is State.ENDING


def test_a_missed_end_of_a_license_that_was_renewed_once_is_mended(
    functions: Functions,
) -> None:
    bought = active(functions, entitlements={"seats": 5})
    functions.marketplace.succeed(bought.license_arn, "RENEW")
    functions.wait(hours=1)
    functions.deliver()
    lose(functions)
    functions.marketplace.change_license(bought.license_arn, "cancel")

    assert differences(tonight(functions, bought)) == ["missed-end"]

    assert functions.license(bought).state is State.ENDING


def test_missed_terms_are_mended(functions: Functions) -> None:
    bought = active(functions, entitlements={"seats": 5})
    lose(functions)
    agreement = functions.marketplace.amend(
        bought.license_arn,
        ends_at=functions.marketplace.agreements[bought.agreement_id].starts_at.replace(year=2029),
    )

    assert differences(tonight(functions, bought)) == ["missed-terms"]

    assert agreement.ends_at is not None
    assert functions.license(bought).end_s == int(agreement.ends_at.timestamp())


@pytest.mark.parametrize("intent", ["RENEW", "REPLACE"])
@pytest.mark.parametrize("with_product", [True, False])
def test_a_registration_for_an_agreement_that_was_left_before_it_was_heard_of_is_found(
    functions: Functions, intent: Any, with_product: bool
) -> None:
    """It names the agreement alone, and what would tie that to the license is lost."""
    bought = functions.buy_and_renew_unheard(intent)
    functions.deliver()
    assert functions.license(bought).state is State.PENDING

    answer = tonight(functions, bought if with_product else None)

    assert differences(answer) == ["missed-registration"]
    assert functions.license(bought).state is State.ACTIVE
    assert functions.told() == ["Customer Registered", "Subscription Activated"]
    assert differences(tonight(functions)) == []


def test_a_license_whose_agreement_is_in_force_is_not_asked_for_again(
    functions: Functions,
) -> None:
    bought = active(functions)

    tonight(functions, bought)

    operations = [each.operation for each in functions.marketplace.calls()]
    assert operations == ["SearchAgreements", "GetAgreementEntitlements"]


def test_a_license_that_no_agreement_knows_is_left_to_a_person(functions: Functions) -> None:
    bought = active(functions)
    functions.marketplace.agreements.clear()
    before = functions.license(bought)

    assert differences(tonight(functions)) == ["unknown-agreement"]

    assert functions.license(bought) == before


@pytest.mark.parametrize("change", ["cancel", "activate"])
def test_whatever_got_lost_both_sides_agree_after_two_nights(
    functions: Functions, lost: str, change: Any
) -> None:
    if lost:
        lose(functions, lost)
    bought = active(functions)
    functions.marketplace.change_license(bought.license_arn, change)
    functions.wait(seconds=90)
    functions.deliver()

    tonight(functions, bought)
    functions.sweep()
    functions.wait(hours=24)
    answer = functions.reconcile()
    functions.sweep()

    assert differences(answer) == []
    expected = State.ENDED if change == "cancel" else State.ACTIVE
    assert functions.license(bought).state is expected


def test_a_difference_that_was_mended_is_none_the_next_night(functions: Functions) -> None:
    lose(functions)
    functions.buy()
    bought = functions.buy()
    tonight(functions, bought)

    assert differences(tonight(functions, bought)) == []


# What is left alone, and what goes wrong


def test_what_changed_within_two_hours_is_left_alone(functions: Functions) -> None:
    lose(functions, "License Updated")
    bought = active(functions)
    functions.configure(PRODUCT_IDS=f'["{functions.product_id(bought)}"]')

    assert differences(functions.reconcile()) == []
    assert functions.license(bought).state is State.PENDING


def test_more_agreements_are_gone_through_than_one_page_holds(functions: Functions) -> None:
    lose(functions)
    bought = [functions.buy(f"{number:012}") for number in range(51)]

    answer = tonight(functions, bought[0])

    assert differences(answer) == ["unknown-license"] * 51
    found = {each["license"] for each in answer["differences"]}
    assert found == {license_key_of_arn(each.license_arn) for each in bought}


@pytest.mark.parametrize("operation", ["SearchAgreements", "GetAgreementEntitlements"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_question_that_is_refused_leaves_everything_as_it_was(
    functions: Functions, operation: str, after: int
) -> None:
    lose(functions)
    bought = [functions.buy(), functions.buy(), functions.buy()]
    known = active(functions, "222233334444")
    if after:
        functions.marketplace.inject(Fault("ThrottlingException", operation=operation))
    fault = Fault("AccessDeniedException", operation=operation, times=None)
    functions.marketplace.inject(fault)
    before = functions.items()

    with pytest.raises(ClientError, match="AccessDenied"):
        tonight(functions, bought[0])

    assert functions.items() == before
    assert functions.told() == ["Customer Registered"]
    functions.marketplace.clear_faults()
    assert len(differences(functions.reconcile())) == 4
    assert functions.license(known).state is State.ACTIVE


def test_contracts_are_asked_for_again_every_night(functions: Functions) -> None:
    functions.configure(CONTRACTS="true")
    bought = active(functions, entitlements={"seats": 5})
    lose(functions)
    functions.marketplace.amend(bought.license_arn, entitlements={"seats": 9})

    assert differences(tonight(functions, bought)) == []

    assert [each.value for each in functions.license(bought).entitlements] == ["9"]


def test_what_a_contract_gives_is_asked_for_a_customer_that_is_brought_in(
    functions: Functions,
) -> None:
    functions.configure(CONTRACTS="true")
    lose(functions)
    bought = functions.buy(entitlements={"seats": 5})

    tonight(functions, bought)

    assert [each.value for each in functions.license(bought).entitlements] == ["5"]


def test_differences_are_logged_and_counted(functions: Functions) -> None:
    lose(functions)
    bought = functions.buy()

    tonight(functions, bought)

    printed = functions.lines()
    [line] = [each for each in printed if each.get("level") == "WARNING"]
    assert line["difference"] == "unknown-license"
    assert line["license"] == license_key_of_arn(bought.license_arn)
    assert line["agreement"] == bought.agreement_id
    assert line["repaired"] is True
    [counted] = [each for each in printed if Metric.LICENSE_DIFFERENCES in each]
    assert counted[Metric.LICENSE_DIFFERENCES] == [1]


def test_open_licenses_are_counted_by_state(functions: Functions) -> None:
    active(functions)
    active(functions, "222233334444")
    functions.buy("333344445555")
    functions.wait(seconds=90)
    functions.deliver()
    functions.lines()

    tonight(functions)

    assert functions.metrics() == {Metric.LICENSES_ACTIVE: 2, Metric.LICENSES_PENDING: 1}


def test_an_event_of_the_emulator_is_one_that_the_queue_would_have(functions: Functions) -> None:
    """What is lost in these tests is what would have been understood."""
    functions.buy()
    functions.wait(seconds=90)
    events: list[Event] = functions.marketplace.events()

    assert failed(functions.handle(*(dict(each.body) for each in events))) == []
