"""A small function and the stack around it, to try the sandbox on without our own."""

import io
import json
import zipfile
from typing import Any

from sandbox.sandbox import Sandbox

BUCKET = "assets"
FUNCTION = "toy"

# What it does depends on the event, so that one function serves all tests.
CODE = '''
import datetime
import os
import sys
import time


def handler(event, context):
    """Do what the event says, and tell where and when it happened."""
    if "log" in event:
        print(event["log"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    while "until" in event and not os.path.exists(event["until"]):
        time.sleep(0.02)
    if "raise" in event:
        raise ValueError(event["raise"])
    if "exit" in event:
        os._exit(event["exit"])
    return {
        "event": event,
        "pid": os.getpid(),
        "time": time.time(),
        "now": datetime.datetime.now(datetime.UTC).isoformat(),
        "milliseconds_left": context.get_remaining_time_in_millis(),
        "variables": dict(os.environ),
        "path": sys.path,
        "answer": ANSWER,
    }
'''


def zipped(code: str) -> bytes:
    """A deployment package of one module."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("toy.py", code)
    return file.getvalue()


def upload(sandbox: Sandbox, key: str, *, code: str = CODE, answer: int = 42) -> dict[str, str]:
    """Put the function's zip where Lambda finds it; return the place."""
    s3 = sandbox.client("s3", "us-east-1")  # elsewhere a bucket is made once only
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=key, Body=zipped(f"ANSWER = {answer}\n{code}"))
    return {"S3Bucket": BUCKET, "S3Key": key}


def create_function(
    sandbox: Sandbox,
    name: str,
    *,
    timeout: int = 30,
    code: str = CODE,
    handler: str = "toy.handler",
) -> str:
    """Make a function of its own for a test; return its name."""
    role = sandbox.client("iam").create_role(
        RoleName=f"role-of-{name}", AssumeRolePolicyDocument=json.dumps({})
    )
    sandbox.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role["Role"]["Arn"],
        Handler=handler,
        Code=upload(sandbox, f"{name}.zip", code=code),
        Timeout=timeout,
        Environment={"Variables": {"COLOUR": "green"}},
    )
    return name


def put_stack(sandbox: Sandbox, name: str, resources: dict[str, Any]) -> None:
    """Create a stack of these resources, or update it."""
    cloudformation = sandbox.client("cloudformation")
    template = json.dumps({"Resources": resources})
    names = [each["StackName"] for each in cloudformation.describe_stacks()["Stacks"]]
    put = cloudformation.update_stack if name in names else cloudformation.create_stack
    put(StackName=name, TemplateBody=template)
