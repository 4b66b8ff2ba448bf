"""The demo as a newcomer runs it: it balances, and it says so when it does not."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

DEMO_S_MAX = 400


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox.demo", *options],
        capture_output=True,
        text=True,
        timeout=DEMO_S_MAX,
        check=False,
    )


def test_a_working_day_balances() -> None:
    shown = demo("--hours", "4")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Everything that was sent is billed once, or waits with a reason." in shown.stdout


def test_a_bill_that_another_submitter_spoiled_does_not_balance() -> None:
    shown = demo("--hours", "2", "--rival")

    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert "The account does NOT balance" in shown.stdout
