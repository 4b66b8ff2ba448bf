"""The app as the CDK's command line runs it: context in, templates and an exit status out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import cdk_nag
import pytest
from aws_cdk import aws_sqs as sqs

from infra import package
from tests.infra.conftest import CDK_JSON, EVERYTHING
from tests.infra.test_adoption import KEPT


def run_app(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    # Without credentials, region or network settings, as on a machine that never saw AWS.
    environment = {name: value for name, value in os.environ.items() if "AWS" not in name}
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=package.ROOT,
        env=environment
        | {
            "CDK_OUTDIR": str(folder),
            "CDK_CONTEXT_JSON": json.dumps(CDK_JSON["context"] | settings),
            "UV_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *folder.glob("*.template.json")],
        cwd=package.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def regions(folder: Path) -> dict[str, str]:
    """The region of each stack, as the CLI will deploy it."""
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    return {
        name: artifact["environment"].rpartition("/")[2]
        for name, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


@pytest.fixture(scope="module")
def synthesized(arm64_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cdk.out")
    done = run_app(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_asset_is_the_zip(synthesized: Path, arm64_zip: Path) -> None:
    (asset,) = synthesized.glob("asset.*")
    files = [{str(p.relative_to(f)) for p in f.rglob("*")} for f in (asset, arm64_zip)]

    assert files[0] == files[1]


def test_the_template_passes_cfn_lint(synthesized: Path) -> None:
    linted = lint(synthesized)

    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_in_us_east_1_it_is_one_stack(synthesized: Path) -> None:
    assert [path.name for path in synthesized.glob("*.template.json")] == [
        "MarketplaceMetering.template.json"
    ]


def test_all_settings_together_pass_all_checks_and_make_two_stacks_elsewhere(
    arm64_zip: Path, tmp_path: Path
) -> None:
    done = run_app(tmp_path, **EVERYTHING)
    assert done.returncode == 0, done.stderr

    linted = lint(tmp_path)

    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert regions(tmp_path) == {"Acme": "eu-west-1", "Acme-Events": "us-east-1"}


def test_a_stack_that_adopts_what_was_kept_passes_all_checks(
    arm64_zip: Path, tmp_path: Path
) -> None:
    done = run_app(tmp_path, adopt=json.dumps(KEPT))
    assert done.returncode == 0, done.stderr

    linted = lint(tmp_path)

    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_a_wrong_setting_ends_in_one_sentence(tmp_path: Path) -> None:
    done = run_app(tmp_path, settle_minutes="soon")

    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == (
        "Setting settle_minutes = 'soon' must be a whole number from 1 to 60. "
        "Example: settle_minutes=10"
    )
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_finding_stops_the_synthesis(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    sqs.Queue(cdk.Stack(app, "Careless"), "Queue")
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks())

    with pytest.raises(RuntimeError, match="AwsSolutions-SQS3"):
        app.synth()
