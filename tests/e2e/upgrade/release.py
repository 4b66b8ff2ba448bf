"""Puts what the last release left behind into a sandbox, as if that release had run there."""

import base64
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.environment import ACCOUNT, REGION
from sandbox.sandbox import Sandbox

FOLDER = Path(__file__).with_name("release")
STACK = "MarketplaceMetering"
# The outputs that name the tables.
TABLES = ("LedgerTableName", "CustomersTableName", "RegistrationsTableName")
# The assets' bucket of `cdk bootstrap`.
ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"


def template() -> dict[str, Any]:
    """The template of that release."""
    return dict(json.loads((FOLDER / "template.json").read_text("utf-8")))


def state() -> dict[str, Any]:
    """What was in its tables and in its queue, and on the bill."""
    return dict(json.loads((FOLDER / "state.json").read_text("utf-8")))


def stopped_at() -> datetime:
    """When that was so."""
    return datetime.fromisoformat(state()["at"])


def install(sandbox: Sandbox) -> dict[str, str]:
    """Make the stack of that release with all that was in it; return its outputs.

    Its functions have no code: what they did, they have done.
    """
    _deploy(sandbox)
    outputs = _outputs(sandbox)
    for output in TABLES:
        for item in state()["tables"][output]:
            sandbox.client("dynamodb").put_item(TableName=outputs[output], Item=_decoded(item))
    for body in state()["messages"]:
        sandbox.client("sqs").send_message(QueueUrl=outputs["UsageQueueUrl"], MessageBody=body)
    for line in state()["billed"]:
        _bill(sandbox, line)
    return outputs


def _deploy(sandbox: Sandbox) -> None:
    sandbox.bootstrap(REGION)
    functions = [
        each["Properties"]["Code"]["S3Key"]
        for each in template()["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    ]
    for key in functions:
        sandbox.client("s3").put_object(Bucket=ASSETS, Key=key, Body=_empty_zip())
    sandbox.client("cloudformation").create_stack(
        StackName=STACK, TemplateBody=json.dumps(template()), Capabilities=["CAPABILITY_IAM"]
    )


def _outputs(sandbox: Sandbox) -> dict[str, str]:
    (stack,) = sandbox.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def _decoded(item: Any) -> Any:
    """An item as boto3 wants it: bytes are in base64 in the file."""
    match item:
        case {"B": str(text)}:
            return {"B": base64.b64decode(text)}
        case {"BS": list(texts)}:
            return {"BS": [base64.b64decode(text) for text in texts]}
        case dict():
            return {key: _decoded(value) for key, value in item.items()}
        case list():
            return [_decoded(each) for each in item]
    return item


def _bill(sandbox: Sandbox, line: dict[str, Any]) -> None:
    """Send a record as that release sent it: with the start of its hour."""
    answer = sandbox.client("meteringmarketplace").batch_meter_usage(
        UsageRecords=[
            {
                "LicenseArn": line["license_arn"],
                "CustomerAWSAccountId": line["account"],
                "Dimension": line["dimension"],
                "Timestamp": datetime.fromisoformat(line["hour"]).astimezone(UTC),
                "Quantity": int(line["quantity"]),
            }
        ]
    )
    assert answer["Results"][0]["Status"] == "Success", answer


def _empty_zip() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("empty", "")
    return written.getvalue()
