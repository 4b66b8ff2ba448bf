"""The subscription function: from messages of the queue to licenses, announcements and answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdas.customers.license import License, LicenseKey, State
from lambdas.telemetry import Metric
from sandbox.marketplace.faults import Detour, Fault
from tests.customers_stage import KEY, documented_arn
from tests.subscription_stage import Functions, failed, running

EVENTS = Path(__file__).parents[1] / "events"
SAMPLES = sorted([*EVENTS.glob("eventbridge/*.json"), *EVENTS.glob("sns/*.json")])
LEGACY = LicenseKey("n0123EXAMPLEXXXXXXXXXXXX/X01EXAMPLEX")


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    with running(monkeypatch) as each:
        yield each


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return found


# The samples


def test_every_sample_goes_through(functions: Functions) -> None:
    refused = [path.name for path in SAMPLES if failed(functions.handle(path.read_text()))]

    assert refused == []
    assert len(SAMPLES) > 40


@pytest.mark.parametrize("reverse", [False, True])
def test_all_samples_together_come_to_the_same_in_both_directions(
    functions: Functions, reverse: bool
) -> None:
    functions.wait(days=800)
    bodies = [path.read_text() for path in SAMPLES if "." not in path.stem]

    answer = functions.handle(*(reversed(bodies) if reverse else bodies))

    assert failed(answer) == []
    ended = functions.license(KEY)
    assert (ended.state, ended.agreement_id) == (State.ENDED, "agmt-example000000000000000001")
    assert (ended.arn, ended.account) == (documented_arn(KEY), "111122223333")


def test_the_captured_life_ends_in_both_directions(functions: Functions) -> None:
    bodies = [path.read_text() for path in SAMPLES if path.stem.endswith(".captured")]
    functions.handle(*reversed(bodies))
    backwards = functions.license(KEY)

    functions.handle(*bodies)

    assert functions.license(KEY) == backwards
    assert backwards.state is State.ENDED


def test_a_renewed_agreement_keeps_its_customer(functions: Functions) -> None:
    functions.handle(
        sample("eventbridge/license-updated-manufacturer"),
        sample("eventbridge/purchase-agreement-created-proposer.renew"),
        sample("eventbridge/purchase-agreement-ended-proposer.renewed.composed"),
    )

    assert functions.license(KEY).ending_since_s is None


def test_the_messages_of_a_topic_make_a_legacy_customer(functions: Functions) -> None:
    functions.handle(sample("sns/envelope.subscribe-success"))

    known = functions.license(LEGACY)
    assert known.customer_identifier == "X01EXAMPLEX"
    assert known.active_since_s is not None


# A life, as AWS Marketplace tells it


def test_a_buyer_who_registers_after_the_events_is_active(functions: Functions) -> None:
    bought = functions.buy()
    functions.wait(seconds=90)
    assert functions.deliver() == 2

    functions.register(bought)

    assert functions.license(bought).state is State.ACTIVE
    assert functions.told() == ["Customer Registered", "Subscription Activated"]


def test_a_buyer_who_registers_at_once_is_active_with_the_events(functions: Functions) -> None:
    bought = functions.buy()
    functions.register(bought)
    assert functions.license(bought).state is State.PENDING
    functions.wait(seconds=90)

    functions.deliver()

    assert functions.license(bought).state is State.ACTIVE


def test_a_whole_life_is_told(functions: Functions) -> None:
    bought = functions.buy()
    functions.register(bought)
    functions.wait(seconds=90)
    functions.deliver()
    functions.wait(hours=5)
    functions.marketplace.change_license(bought.license_arn, "cancel")
    functions.wait(seconds=90)
    functions.deliver()
    assert functions.license(bought).state is State.ENDING
    functions.wait(hours=1)
    functions.sweep()

    assert [each for each in functions.told() if each != "Subscription Changed"] == [
        "Customer Registered",
        "Subscription Activated",
        "Subscription Ending",
        "Subscription Ended",
    ]


@pytest.mark.parametrize("kind", ["twice", "overtaken", "late"])
def test_events_that_stray_come_to_the_same(functions: Functions, kind: Any) -> None:
    functions.marketplace.divert(Detour(kind=kind, seconds=40))
    bought = functions.buy()
    functions.register(bought)
    functions.wait(seconds=400)
    functions.deliver()
    functions.marketplace.divert(Detour(kind=kind, seconds=40))
    functions.marketplace.change_license(bought.license_arn, "cancel")
    functions.wait(seconds=400)

    functions.deliver()

    assert functions.license(bought).state is State.ENDING


@pytest.mark.parametrize("new_license", [False, True])
@pytest.mark.parametrize("intent", ["RENEW", "REPLACE"])
def test_a_successor_is_no_end_of_the_customer(
    functions: Functions, intent: Any, new_license: bool
) -> None:
    bought = functions.buy(entitlements={"seats": 5})
    functions.register(bought)
    functions.wait(hours=1)
    functions.deliver()
    successor = functions.marketplace.succeed(bought.license_arn, intent, new_license=new_license)
    functions.wait(hours=1)
    functions.deliver()
    functions.register(successor)

    assert functions.license(successor).state is State.ACTIVE
    assert functions.license(successor).agreement_id == successor.agreement_id


def test_two_licenses_of_one_buyer_live_their_own_lives(functions: Functions) -> None:
    one, other = functions.buy(), functions.buy()
    for each in (one, other):
        functions.register(each)
    functions.wait(seconds=90)
    functions.deliver()

    functions.marketplace.change_license(one.license_arn, "cancel")
    functions.wait(seconds=90)
    functions.deliver()

    assert functions.license(one).state is State.ENDING
    assert functions.license(other).state is State.ACTIVE


# Whose events


def test_events_of_other_products_change_nothing(functions: Functions) -> None:
    functions.configure(PRODUCT_IDS='["prod-other"]')

    assert failed(functions.handle(sample("eventbridge/license-updated-manufacturer"))) == []

    assert functions.items() == []
    assert "prod-example000001" in json.dumps(functions.lines())


def test_without_concurrent_agreements_a_license_event_is_the_customers(
    functions: Functions,
) -> None:
    functions.configure(CONCURRENT_AGREEMENTS="false")

    functions.handle(sample("eventbridge/license-updated-manufacturer"))

    assert [item["pk"]["S"] for item in functions.items()] == [
        "agreement#agmt-example000000000000000001"
    ]


# Batches


def test_a_message_that_fails_comes_back_alone(functions: Functions) -> None:
    answer = functions.handle(
        sample("eventbridge/license-updated-manufacturer"),
        "{",
        sample("sns/subscribe-success"),
        sample("eventbridge/license-updated-manufacturer") | {"time": "soon"},
    )

    assert failed(answer) == ["m-2", "m-4"]
    assert functions.license(KEY).active_since_s is not None
    assert functions.license(LEGACY).active_since_s is not None


def test_a_batch_of_nothing_but_failures_comes_back_whole(functions: Functions) -> None:
    assert failed(functions.handle("{", "[]")) == ["m-1", "m-2"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": None}, "id is missing, not a text"),
        ({"time": "soon"}, "time is 'soon', not a time with an offset"),
        ({"detail": {"agreement": {"id": "a"}}}, "license is missing, not an object"),
        ({"source": "aws.ec2"}, "source is 'aws.ec2', not aws.agreement-marketplace"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_message_says_which_field_in_the_log(
    functions: Functions, change: dict[str, Any], says: str
) -> None:
    functions.handle(sample("eventbridge/license-updated-manufacturer") | change)

    [line] = [each for each in functions.lines() if each.get("level") == "ERROR"]
    assert line["message_id"] == "m-1"
    assert says in line["exception"]


def test_metrics_count_what_was_applied_and_what_failed(functions: Functions) -> None:
    functions.handle(sample("sns/subscribe-success"), "{", "[]")

    assert functions.metrics() == {Metric.EVENTS: 1, Metric.EVENTS_FAILED: 2}


def test_zeros_are_not_counted(functions: Functions) -> None:
    functions.handle(sample("sns/subscribe-success"))

    assert functions.metrics() == {Metric.EVENTS: 1}


def test_the_log_says_what_became_of_an_event(functions: Functions) -> None:
    functions.handle(sample("eventbridge/license-updated-manufacturer"))

    [line] = [each for each in functions.lines() if each.get("message") == "A subscription event"]
    assert line["said"] == "License Updated - Manufacturer"
    assert line["licenses"] == {KEY: "pending"}


# A bus that is down


def test_what_a_bus_that_is_down_did_not_take_is_published_by_the_sweep(
    functions: Functions,
) -> None:
    bought = functions.buy()
    functions.bus.down = True
    functions.register(bought)
    functions.wait(seconds=90)
    functions.deliver()
    assert functions.license(bought).state is State.ACTIVE
    functions.bus.down = False

    assert functions.sweep()["published"] == 2

    assert functions.told() == ["Customer Registered", "Subscription Activated"]
    assert functions.sweep()["published"] == 0


# Contracts


def contract(functions: Functions) -> License:
    bought = functions.buy(entitlements={"users": 25, "seats": 5})
    functions.register(bought)
    functions.wait(seconds=90)
    functions.deliver()
    return functions.license(bought)


def test_what_a_contract_gives_is_kept_with_the_license(functions: Functions) -> None:
    functions.configure(CONTRACTS="true")

    each = contract(functions)

    assert [(one.dimension, one.kind, one.value) for one in each.entitlements] == [
        ("seats", "Integer", "5"),
        ("users", "Integer", "25"),
    ]
    assert all(one.expires_s for one in each.entitlements)


def test_a_product_without_contracts_is_not_asked(functions: Functions) -> None:
    each = contract(functions)

    assert (each.entitlements, each.entitlements_s) == ((), None)
    assert functions.marketplace.calls() == []


def test_what_a_contract_gives_is_refreshed_when_it_is_amended(functions: Functions) -> None:
    functions.configure(CONTRACTS="true")
    each = contract(functions)
    functions.wait(hours=1)
    functions.marketplace.amend(each.arn, entitlements={"users": 50, "seats": 5})
    functions.wait(hours=1)

    functions.deliver()

    assert [one.value for one in functions.license(each.key).entitlements] == ["5", "50"]
    assert functions.told()[-1] == "Subscription Changed"


def test_a_message_whose_entitlements_cannot_be_asked_for_comes_back(
    functions: Functions,
) -> None:
    functions.configure(CONTRACTS="true")
    functions.buy(entitlements={"users": 25})
    functions.wait(seconds=90)
    [created, updated] = functions.marketplace.events()
    functions.marketplace.inject(
        Fault("AccessDeniedException", operation="GetEntitlements", times=1)
    )

    assert failed(functions.handle(dict(created.body), dict(updated.body))) == ["m-2"]
    assert failed(functions.handle(dict(updated.body))) == []

    [key] = [item["key"]["S"] for item in functions.items() if item["sk"]["S"] == "license"]
    assert functions.license(LicenseKey(key)).entitlements != ()
