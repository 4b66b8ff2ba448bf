"""The README's first usage, as written: a shell that sources the sandbox's env, and boto3."""

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.sandbox import Sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block_after(heading: str, language: str) -> str:
    """Cut the first code block of a language out of a section of the README."""
    section = README.split(f"## {heading}\n", 1)[1]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_first_usage_of_the_readme_reaches_the_bill(tmp_path: Path) -> None:
    script = tmp_path / "usage.py"
    script.write_text(block_after("Your first usage", "python"), encoding="utf-8")
    with Sandbox(tmp_path / "sandbox") as sandbox:
        shell = (
            f". {sandbox.folder}/env"
            f' && eval "$({sys.executable} -m sandbox.purchase)"'
            f" && {sys.executable} {script}"
        )
        ran = subprocess.run(
            ["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "'counted': 1" in ran.stdout

        # `make sandbox` delivers AWS Marketplace's events by itself; here they wait for us.
        sandbox.settle()
        # More than the README says: the last hour of a month is kept open for three hours.
        sandbox.clock.advance(4 * 3600)
        sandbox.invoke_metering()

        (billed,) = sandbox.emulator("usage")["usage"]
        assert (billed["dimension"], Decimal(billed["quantity"])) == ("users", Decimal(4))


def test_purchasing_without_a_sandbox_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARKETPLACE_URL", raising=False)

    ran = subprocess.run(
        [sys.executable, "-m", "sandbox.purchase"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert "make sandbox" in ran.stderr
