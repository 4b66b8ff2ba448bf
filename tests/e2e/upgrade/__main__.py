"""Writes what the version at hand leaves in an account: `python -m tests.e2e.upgrade`.

Each hour some usage is sent, and AWS Marketplace answers its record in another way; see `stages`.
"""

import base64
import json
import sys
import tempfile
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.buyer import register
from sandbox.deploy import ROOT
from sandbox.sandbox import Sandbox
from tests.e2e.upgrade import stages
from tests.e2e.upgrade.release import FOLDER, TABLES
from tests.e2e.upgrade.stages import STAGES, Usage

# A tick sends a record without an answer three times, and then stops.
TRIES = 3


def main() -> int:
    """Play the hours, and write down what there is."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(Path(folder), clock_start=stages.BEGIN) as sandbox,
    ):
        play(sandbox)
        FOLDER.mkdir(exist_ok=True)
        template = json.loads((Path(folder) / "cdk.out" / _template(folder)).read_text("utf-8"))
        write("template.json", template)
        write("state.json", state(sandbox))
    return 0


def play(sandbox: Sandbox) -> None:
    """Bring usage into every stage."""
    for usage in STAGES:
        bought = sandbox.emulator("purchases", purchase(usage))
        url, address = sandbox.url("RegistrationUrl"), f"{usage.account}@example.com"
        register(url, bought["registration_token"], email=address)
    sandbox.settle()

    use_for_an_hour(sandbox, stages.ACCEPTED)
    sandbox.invoke_metering()
    use_for_an_hour(sandbox, stages.APPLIED)
    go_wrong(sandbox, "timeout-after", TRIES)
    sandbox.invoke_metering()
    use_for_an_hour(sandbox, stages.NOT_APPLIED)
    go_wrong(sandbox, "timeout-before", TRIES)
    sandbox.invoke_metering()
    use_for_an_hour(sandbox, stages.PARKED)
    go_wrong(sandbox, "not-subscribed", 1)
    go_wrong(sandbox, "AccessDeniedException", None)
    sandbox.invoke_metering()
    use_for_an_hour(sandbox, stages.SEALED)
    sandbox.invoke_metering()
    now = sandbox.clock.now()
    send(sandbox, stages.FOLDED.message(now))
    send(sandbox, stages.QUARANTINED.message(now + timedelta(minutes=30)))
    sandbox.invoke_metering()
    send(sandbox, stages.QUEUED.message(now))
    send(sandbox, stages.ACCEPTED.message(stages.BEGIN))


def purchase(usage: Usage) -> dict[str, object]:
    """What the buyer purchased, two days before."""
    return {
        "product_code": stages.PRODUCT,
        "account": usage.account,
        "dimensions": [stages.DIMENSION],
        "license_arn": usage.license_arn,
        "starts_at": stages.BOUGHT_AT.isoformat(),
    }


def use_for_an_hour(sandbox: Sandbox, usage: Usage) -> None:
    """Send usage, count it, and let its hour end and settle."""
    send(sandbox, usage.message(sandbox.clock.now()))
    sandbox.clock.advance(3_600)


def go_wrong(sandbox: Sandbox, fault: str, times: int | None) -> None:
    """Let AWS Marketplace answer the next calls in this way."""
    sandbox.emulator("faults", {"fault": fault, "times": times})


def send(sandbox: Sandbox, message: dict[str, object]) -> None:
    """Put a message into the usage queue."""
    sandbox.client("sqs").send_message(
        QueueUrl=sandbox.outputs["UsageQueueUrl"], MessageBody=json.dumps(message)
    )


def state(sandbox: Sandbox) -> dict[str, object]:
    """Read everything that is kept: by the stack, and by AWS Marketplace."""
    tables = sandbox.client("dynamodb")
    found = {
        output: sorted(tables.scan(TableName=sandbox.outputs[output])["Items"], key=_place)
        for output in TABLES
    }
    queue = sandbox.client("sqs").receive_message(
        QueueUrl=sandbox.outputs["UsageQueueUrl"], MaxNumberOfMessages=10
    )
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return {
        "version": version,
        "at": sandbox.clock.now().isoformat(timespec="seconds"),
        "tables": found,
        "messages": [message["Body"] for message in queue["Messages"]],
        "billed": sandbox.emulator("usage")["usage"],
    }


def write(name: str, content: object) -> None:
    """Write a file that a person can read, and compare with the one before."""
    text = json.dumps(content, indent=1, sort_keys=True, default=_as_json)
    (FOLDER / name).write_text(f"{text}\n", encoding="utf-8")


def _place(item: dict[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _as_json(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode()


def _template(folder: str) -> str:
    (found,) = (Path(folder) / "cdk.out").glob("*.template.json")
    return found.name


if __name__ == "__main__":
    sys.exit(main())
