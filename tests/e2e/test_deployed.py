"""The stack as it deploys, in the sandbox: from the usage queue to what AWS would bill."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from sandbox.buyer import register
from sandbox.deploy import DeployError
from sandbox.sandbox import FunctionError, Sandbox
from sandbox.scheduler import Fired
from sandbox.verify import IncompleteError

pytestmark = pytest.mark.slow

# Long ago, so that credentials the CDK CLI is given have expired by its own clock.
BEGIN = datetime(2026, 9, 15, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
HALF_AN_HOUR = HOUR / 2
# A tick polls an empty queue for a second or so: of emulated time.
WHILE_TICKS_WAIT = 20
PRODUCT = "example000000000000000001"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), clock_start=BEGIN) as sandbox:
        yield sandbox


@dataclass(frozen=True, slots=True)
class Buyer:
    """A buyer with one license, and what its product does."""

    sandbox: Sandbox
    license_arn: str

    def use(self, quantity: str, *, key: str, dimension: str = "users") -> None:
        """Send usage of this moment."""
        record = {
            "LicenseArn": self.license_arn,
            "Dimension": dimension,
            "QuantityAsDecimal": quantity,
            "Timestamp": self.sandbox.clock.now().isoformat(),
            "Id": key,
        }
        self.sandbox.client("sqs").send_message(
            QueueUrl=self.sandbox.outputs["UsageQueueUrl"], MessageBody=json.dumps(record)
        )

    def billed(self) -> Decimal:
        """What AWS would bill, over all hours and dimensions."""
        lines = self.sandbox.emulator("usage")["usage"]
        own = [each for each in lines if each["license_arn"] == self.license_arn]
        return sum((Decimal(each["quantity"]) for each in own), Decimal(0))


def buyer(sandbox: Sandbox, account: str) -> Buyer:
    """Let an account buy the product, and register."""
    begun = sandbox.clock.now() - timedelta(days=2)
    bought = sandbox.emulator(
        "purchases",
        {
            "product_code": PRODUCT,
            "account": account,
            "dimensions": ["users"],
            "starts_at": begun.isoformat(),
        },
    )
    register(sandbox.url("RegistrationUrl"), bought["registration_token"], email="a@example.com")
    sandbox.settle()
    return Buyer(sandbox, bought["license_arn"])


def let_hours_pass(sandbox: Sandbox, hours: int) -> list[Fired]:
    """Run the schedule, tick by tick."""
    sandbox.clock.run(WHILE_TICKS_WAIT)
    fired = sandbox.scheduler.run_until(sandbox.clock.now() + hours * HOUR)
    sandbox.clock.run(1)
    return fired


def let_hours_go(sandbox: Sandbox, hours: int) -> None:
    """Let time pass with two ticks an hour, where it does not matter that there are twelve."""
    sandbox.clock.run(WHILE_TICKS_WAIT)
    for _ in range(2 * hours):
        sandbox.clock.advance(HALF_AN_HOUR.total_seconds())
        sandbox.invoke_metering()
    sandbox.clock.run(1)


def test_usage_reaches_the_bill(sandbox: Sandbox) -> None:
    alice = buyer(sandbox, "111122223333")
    alice.use("2.5", key="a")
    alice.use("4", key="b")

    let_hours_pass(sandbox, 2)

    assert alice.billed() == Decimal("6.5")


def test_a_copy_is_not_billed(sandbox: Sandbox) -> None:
    bob = buyer(sandbox, "222233334444")
    bob.use("3", key="same")
    bob.use("3", key="same")

    let_hours_go(sandbox, 2)

    assert bob.billed() == 3


def test_two_ticks_at_once_count_once(sandbox: Sandbox) -> None:
    carol = buyer(sandbox, "333344445555")
    for number in range(40):
        carol.use("1", key=str(number))

    with ThreadPoolExecutor(2) as pool:
        summaries = list(pool.map(lambda _: sandbox.invoke_metering(), range(2)))
    let_hours_go(sandbox, 2)

    assert len(summaries) == 2
    assert carol.billed() == 40


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3])
def test_a_tick_killed_in_the_middle_costs_nothing(sandbox: Sandbox, seconds: float) -> None:
    dave = buyer(sandbox, f"44445555{int(seconds * 100):04}")
    for number in range(40):
        dave.use("1", key=str(number))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(sandbox.invoke_metering)
        time.sleep(seconds)
        sandbox.kill_function()
        with suppress(FunctionError):  # or the tick was over before
            running.result()
    let_hours_go(sandbox, 3)

    assert dave.billed() == 40


def test_the_schedule_runs_a_tick_every_five_minutes(sandbox: Sandbox) -> None:
    sandbox.scheduler.run_due()

    every = let_hours_pass(sandbox, 1)

    tick = sandbox.outputs["MeteringFunctionName"]
    fired = [each for each in every if each.function.endswith(tick)]
    gaps = {later.due - earlier.due for earlier, later in pairwise(fired)}
    # The sandbox's time goes on while it works, so that a thirteenth may come due.
    assert (len(fired) in (12, 13), gaps) == (True, {timedelta(minutes=5)})
    assert not any(each.invoked.answer.is_error for each in every)


def test_the_readmes_way_works_in_a_shell(sandbox: Sandbox) -> None:
    eve = buyer(sandbox, "555566667777")
    script = f"""
import json, os, boto3
from datetime import datetime, timezone
record = {{
    "LicenseArn": "{eve.license_arn}", "Dimension": "users", "Quantity": 7,
    "Timestamp": "{sandbox.clock.now().isoformat()}", "Id": "shell",
}}
boto3.client("sqs").send_message(
    QueueUrl=os.environ["USAGE_QUEUE_URL"], MessageBody=json.dumps(record)
)
answer = boto3.client("lambda").invoke(FunctionName=os.environ["METERING_FUNCTION"])
print(json.load(answer["Payload"])["counted"])
"""

    done = subprocess.run(
        ["bash", "-euc", f". {sandbox.folder}/env; {sys.executable} -"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "1\n"


def test_a_missing_resource_is_named(sandbox: Sandbox) -> None:
    """Guards the check after every deployment."""
    functions, name = sandbox.client("lambda"), sandbox.outputs["MeteringFunctionName"]
    config = functions.get_function_event_invoke_config(FunctionName=name)
    functions.delete_function_event_invoke_config(FunctionName=name)

    with pytest.raises(IncompleteError, match=r"\(AWS::Lambda::EventInvokeConfig\) is not there"):
        sandbox.verify()

    functions.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=config["MaximumRetryAttempts"]
    )


def test_wrong_settings_fail_with_a_sentence(sandbox: Sandbox) -> None:
    with pytest.raises(DeployError, match="settle_minutes = 'soon' must be a whole number"):
        sandbox.deploy(settle_minutes="soon")
