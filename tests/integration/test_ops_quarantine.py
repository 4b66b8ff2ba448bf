"""`marketplace quarantine`: usage that waits, and what a redrive sends for it."""

import json
from typing import Any

import pytest

from lambdas.customers.license import License, State
from lambdas.metering.terms import Terms
from tests.ops_stage import Stage
from tests.world import PRODUCT, START, World

OTHER = "222233334444"


def waiting(*ids: str) -> tuple[Stage, list[str]]:
    """A stack in which usage of an account waits that has not registered, and its names."""
    stage = Stage(World(terms=Terms(product_code=PRODUCT)))
    stage.world.send(*(stage.world.usage(OTHER, 5, id_=each) for each in ids or "a"))
    stage.world.tick()
    return stage, [name for name, _ in stage.world.quarantined()]


def an_expired_record() -> tuple[Stage, License]:
    """A stack a day later, with a record that could not be sent in time."""
    stage = Stage(World(terms=Terms(product_code=PRODUCT)))
    buyer = stage.world.buy(state=State.PENDING)
    stage.world.send(stage.world.usage(buyer, 5))
    stage.world.tick()
    stage.world.at("2026-11-24T10:15:00+00:00")
    stage.world.tick()
    return stage, stage.world.change(buyer, state=State.ACTIVE)


def queued(stage: Stage) -> list[Any]:
    """What lies in the usage queue."""
    messages = stage.world.sqs.queue(stage.world.queue_url).messages()
    return [json.loads(each.body) for each in messages]


def test_what_waits_is_listed_with_what_to_do() -> None:
    stage, names = waiting("a", "b")
    stage.world.send("{")
    stage.world.advance(minutes=1)
    stage.world.tick()

    told = stage.asks("quarantine", "list")

    assert {each["name"] for each in told["quarantine"]} >= set(names)
    assert told["reasons"] == {"unknown-customer": 2, "bad-json": 1}
    assert all(each["tell"] for each in told["quarantine"])


def test_a_list_can_be_narrowed_to_a_reason() -> None:
    stage, _ = waiting()

    assert stage.asks("quarantine", "list", "--reason", "bad-json")["quarantine"] == []


def test_a_reason_that_does_not_exist_is_told() -> None:
    ran = waiting()[0].run("quarantine", "list", "--reason", "bad-luck")

    assert ran.status == 1
    assert ran.err.startswith("--reason is 'bad-luck', none of bad-json, ")


def test_a_long_list_says_that_there_is_more() -> None:
    ran = waiting("a", "b", "c")[0].run("quarantine", "list", "--limit", "1")

    assert "… and 2 more" in ran.out


def test_usage_is_shown_whole() -> None:
    stage, [name] = waiting()

    shown = stage.asks("quarantine", "show", name[:6])

    assert shown["name"] == name
    assert json.loads(shown["text"])["Id"] == "a"


def test_what_a_producer_wrote_is_shown_as_it_is() -> None:
    stage = Stage(World())
    stage.world.send("[bold]no[/bold] markup [/]")
    stage.world.tick()
    [(name, _)] = stage.world.quarantined()

    assert "[bold]no[/bold] markup [/]" in stage.run("quarantine", "show", name).out


def test_what_was_dismissed_is_off_the_list_and_still_there() -> None:
    stage, names = waiting("a", "b")

    stage.asks("quarantine", "dismiss", names[0], "--yes")

    [left] = stage.asks("quarantine", "list")["quarantine"]
    [gone] = stage.asks("quarantine", "list", "--dismissed")["quarantine"]
    assert (left["name"], gone["name"]) == (names[1], names[0])
    assert json.loads(stage.asks("quarantine", "show", names[0])["text"])["Id"] in {"a", "b"}


def test_what_was_dismissed_is_counted_no_more() -> None:
    stage, _ = waiting("a", "b")

    stage.asks("quarantine", "dismiss", "--reason", "unknown-customer", "--yes")

    assert stage.asks("status")["quarantine"] == stage.world.quarantine.size() == 0


def test_what_was_dismissed_and_comes_again_is_listed_again() -> None:
    stage, names = waiting("a")
    stage.asks("quarantine", "dismiss", *names, "--yes")

    stage.world.send(stage.world.usage(OTHER, 5, id_="a"))
    stage.world.tick()

    assert [each["name"] for each in stage.asks("quarantine", "list")["quarantine"]] == names
    assert stage.world.quarantine.size() == 1


def test_what_was_dismissed_is_redriven_by_name_only() -> None:
    stage, names = waiting("a")
    stage.asks("quarantine", "dismiss", *names, "--yes")

    assert stage.asks("quarantine", "redrive", "--all", "--yes")["redriven"] == []
    assert stage.asks("quarantine", "redrive", *names, "--yes")["sent"]


def test_what_was_dismissed_is_explained() -> None:
    stage, names = waiting("a")
    stage.asks("quarantine", "dismiss", *names, "--yes")

    assert "It was dismissed at 2026-" in stage.run("explain", "a", "--account", OTHER).out


def test_nothing_is_dismissed_by_a_dry_run() -> None:
    stage, names = waiting("a")

    assert stage.asks("quarantine", "dismiss", *names, "--dry-run")["dismissed"] == []
    assert stage.asks("status")["quarantine"] == 1


def test_nothing_is_dismissed_that_was_quarantined_anew_in_the_meantime() -> None:
    stage, names = waiting("a")
    [was] = stage.world.items("quarantine")
    stage.world.send(stage.world.usage(OTHER, 5, id_="a"))
    stage.world.tick()

    assert not stage.world.quarantine.dismiss(names[0], was["version"]["S"], 0)


@pytest.mark.parametrize("arguments", [(), ("2557", "--reason", "bad-json")])
def test_a_dismissal_says_what_it_is_for(arguments: tuple[str, ...]) -> None:
    ran = waiting()[0].run("quarantine", "dismiss", *arguments, "--yes")

    assert ran.err == "Say what to dismiss: names, or --reason.\n"


def test_nothing_to_dismiss_is_said() -> None:
    ran = waiting()[0].run("quarantine", "dismiss", "--reason", "bad-json", "--yes")

    assert "There is nothing to dismiss." in ran.out


@pytest.mark.parametrize("name", ["ffff", "not-hexadecimal", ""])
def test_a_name_that_does_not_exist_is_told(name: str) -> None:
    ran = waiting()[0].run("quarantine", "show", name)

    assert ran.status == 1
    assert "Nothing in quarantine is named" in ran.err


def test_a_beginning_of_several_names_is_not_enough() -> None:
    stage, names = waiting(*(str(number) for number in range(17)))
    digits = [each[0] for each in names]
    twice = next(each for each in digits if digits.count(each) > 1)

    ran = stage.run("quarantine", "redrive", twice, "--yes")

    assert ran.status == 1
    assert f"names in quarantine begin with {twice}" in ran.err
    assert queued(stage) == []


# Redrive


def test_a_redrive_sends_the_message_that_is_documented() -> None:
    stage, [name] = waiting()

    stage.asks("quarantine", "redrive", name, "--yes")

    assert queued(stage) == [{"Redrive": {"Key": name}}]


def test_a_redrive_can_bill_now() -> None:
    stage, [name] = waiting()

    stage.asks("quarantine", "redrive", name, "--bill-now", "--yes")

    assert queued(stage) == [{"Redrive": {"Key": name, "BillAt": "now"}}]


def test_redriven_usage_is_counted_once() -> None:
    stage, [name] = waiting()
    buyer = stage.world.buy(OTHER)

    for _ in range(2):
        stage.asks("quarantine", "redrive", name, "--yes")
    stage.world.tick()
    stage.world.tick_until_settled()

    assert stage.world.billed(buyer) == 5
    assert stage.world.quarantined() == []


def test_all_of_a_reason_can_be_redriven_at_once() -> None:
    stage, names = waiting(*(str(number) for number in range(25)))

    stage.asks("quarantine", "redrive", "--reason", "unknown-customer", "--yes")

    assert {each["Redrive"]["Key"] for each in queued(stage)} == set(names)


def test_a_redrive_asks_first() -> None:
    stage, [name] = waiting()

    ran = stage.run("quarantine", "redrive", "--all", typed="n\n")

    assert ran.status == 1
    assert name in ran.out
    assert queued(stage) == []


def test_a_dry_run_sends_nothing() -> None:
    stage, [name] = waiting()

    told = stage.asks("quarantine", "redrive", name, "--dry-run")

    assert told == {"messages": [{"Redrive": {"Key": name}}], "sent": False}
    assert queued(stage) == []


@pytest.mark.parametrize(
    "asked",
    [
        (),
        ("--all", "--reason", "expired"),
        ("abcd", "--all"),
        ("--license", "l-1", "--hour", "2026-11-23T10Z"),
        ("--license", "l-1", "--dimension", "users", "--hour", "ten"),
    ],
)
def test_a_redrive_of_nothing_or_of_two_things_is_refused(asked: tuple[str, ...]) -> None:
    stage, _ = waiting()

    ran = stage.run("quarantine", "redrive", *asked, "--yes")

    assert ran.status == 1
    assert ran.err
    assert queued(stage) == []


def test_usage_of_an_older_submitter_is_redriven_with_a_warning() -> None:
    later = Terms(product_code=PRODUCT, metering_from_s=int(START.timestamp()) + 2400)
    stage = Stage(World(terms=later))
    stage.world.send(stage.world.usage(stage.world.buy(), 5))
    stage.world.tick()

    ran = stage.run("quarantine", "redrive", "--all", "--bill-now", "--dry-run")

    assert "when an older submitter billed" in ran.err


# Redrive of an expired record


def expired(buyer: License, *more: str) -> tuple[str, ...]:
    return (
        *("quarantine", "redrive", "--license", buyer.arn, "--dimension", "users"),
        *("--hour", "2026-11-23T10Z", *more),
    )


def test_an_expired_record_is_billed_in_the_present_hour() -> None:
    stage, buyer = an_expired_record()

    stage.asks(*expired(buyer, "--bill-now", "--yes"))
    stage.world.tick()
    stage.world.tick_until_settled()

    assert stage.world.billed(buyer) == 5


def test_an_expired_record_cannot_be_billed_in_its_own_hour() -> None:
    stage, buyer = an_expired_record()

    ran = stage.run(*expired(buyer, "--yes"))

    assert ran.status == 1
    assert "add --bill-now" in ran.err
    assert queued(stage) == []


def test_a_record_that_was_redriven_is_not_redriven_again() -> None:
    stage, buyer = an_expired_record()
    stage.asks(*expired(buyer, "--bill-now", "--yes"))
    stage.world.tick()

    ran = stage.run(*expired(buyer, "--bill-now", "--yes"))

    assert "was redriven at 2026-11-24T10:15:00Z already" in ran.err


def test_a_record_that_is_billed_is_not_redriven() -> None:
    stage = Stage(World(terms=Terms(product_code=PRODUCT)))
    buyer = stage.world.buy()
    stage.world.send(stage.world.usage(buyer, 5))
    stage.world.tick()
    stage.world.tick_until_settled()

    ran = stage.run(*expired(buyer, "--bill-now", "--yes"))

    assert ran.status == 1
    assert "is accepted" in ran.err


def test_a_record_that_never_was_is_told() -> None:
    stage, buyer = an_expired_record()

    ran = stage.run(*expired(stage.world.change(buyer, arn="l-none"), "--bill-now", "--yes"))

    assert "has no outcome" in ran.err


def test_a_record_is_not_redriven_after_five_weeks() -> None:
    stage, buyer = an_expired_record()
    stage.world.advance(hours=35 * 24)

    ran = stage.run(*expired(buyer, "--bill-now", "--yes"))

    assert "more than 35 days old" in ran.err


def test_what_a_dry_run_held_back_until_it_was_too_late_can_be_redriven() -> None:
    stage = Stage(World(terms=Terms(product_code=PRODUCT, dry_run=True)))
    buyer = stage.world.buy()
    stage.world.send(stage.world.usage(buyer, 5))
    stage.world.tick()
    stage.world.advance(hours=1)
    stage.world.tick()
    stage.world.at("2026-11-24T10:15:00+00:00")
    stage.world.tick()

    assert stage.asks(*expired(buyer, "--bill-now", "--dry-run"))["messages"]
