"""`marketplace` against the deployed stack: found by its outputs, and true to its clock."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.deploy import ROOT
from tests.e2e.stage import Bought, Stage

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to."""

    status: int
    out: str
    err: str


def marketplace(stage: Stage, *arguments: str) -> Ran:
    """Run the command in a shell that has read the sandbox's env."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        cwd=ROOT,
        env=own | stage.sandbox.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def told(stage: Stage, *arguments: str) -> Any:
    """Run a command that must succeed, and return its JSON."""
    ran = marketplace(stage, *arguments, "--json")
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


def bill(stage: Stage) -> None:
    """Let the present hour end and settle, and have its records sent."""
    stage.let_pass(minutes=80)
    stage.tick()


@pytest.fixture
def bought(hosted: Stage, account: str) -> Bought:
    """A license that is active."""
    bought = hosted.purchase(account)
    hosted.let_pass(minutes=2)
    return bought


def test_usage_is_followed_from_the_queue_to_the_bill(hosted: Stage, bought: Bought) -> None:
    hosted.use(bought, 7, key="followed")
    used = hosted.now()

    counted = told(hosted, "tick", "--yes")["counted"]
    before = told(hosted, "status")
    bill(hosted)
    [found] = told(hosted, "explain", "followed", "--license", bought.license_arn)["ledger"]
    month = used.strftime("%Y-%m")
    statement = told(hosted, "statement", bought.license_arn, "--month", month)

    assert counted == 1
    assert f"{used:%Y-%m-%dT%HZ}" in before["open_hours"]
    assert found["records"][0]["status"] == "accepted"
    assert [(each["quantity"], each["status"]) for each in statement["records"]] == [
        ("7", "accepted")
    ]
    assert statement["records"][0]["metering_record_id"]
    assert hosted.billed(bought) == 7


def test_the_license_is_listed(hosted: Stage, bought: Bought, account: str) -> None:
    [row] = told(hosted, "customers", "--account", account)["customers"]

    assert (row["license"], row["agreement"]) == (bought.key, bought.agreement_id)


def test_the_time_is_the_sandboxs(hosted: Stage) -> None:
    status = told(hosted, "status")

    assert abs(datetime.fromisoformat(status["time"]) - hosted.now()) < timedelta(minutes=1)


def test_usage_leaves_quarantine_by_a_redrive(hosted: Stage, account: str) -> None:
    usage = {
        "Id": "early",
        "Timestamp": hosted.now().isoformat(),
        "CustomerAWSAccountId": account,
        "Dimension": "users",
        "Quantity": 3,
    }
    hosted.sandbox.client("sqs").send_message(
        QueueUrl=hosted.sandbox.outputs["UsageQueueUrl"], MessageBody=json.dumps(usage)
    )
    hosted.tick()
    [waiting] = told(hosted, "explain", "early", "--account", account)["quarantine"]
    bought = hosted.purchase(account)
    hosted.let_pass(minutes=2)

    told(hosted, "quarantine", "redrive", waiting["name"], "--yes")
    bill(hosted)

    assert hosted.billed(bought) == 3


def test_the_doctor_finds_a_stack_that_works(hosted: Stage) -> None:
    hosted.use(hosted.purchase("123123123123"), 1, key="pulse")
    hosted.tick()

    checks = verdicts(told(hosted, "doctor"))

    not_in_the_sandbox = {"publisher", "permission to meter", "permission to send"}
    assert {name for name, verdict in checks.items() if verdict != "ok"} == not_in_the_sandbox


def test_the_doctor_misses_a_rule_that_is_switched_off(hosted: Stage) -> None:
    events = hosted.sandbox.client("events")
    [name] = [each["Name"] for each in events.list_rules()["Rules"]]
    events.disable_rule(Name=name)

    ran = marketplace(hosted, "doctor", "--json")

    events.enable_rule(Name=name)
    assert ran.status == 3
    assert verdicts(json.loads(ran.out))["events"] == "failed"


def verdicts(answer: Mapping[str, Any]) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in answer["checks"]}


def test_a_stack_that_is_not_there_is_told(hosted: Stage) -> None:
    ran = marketplace(hosted, "status", "--stack", "Nowhere")

    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("There is no stack Nowhere in us-east-1 of account 123456789012.")
