"""Cold starts: what a new container does before it works, against boto3 and one client alone."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bench.table import Table
from infra import package

ZIP_MB_MAX = 8.0

FUNCTIONS = {
    "metering": (
        "from lambdas.metering.handler import handler",
        "handler({}, Context())",
        1.8,
    ),
    "registration": (
        "from lambdas.registration.handler import handler",
        "handler(ARRIVAL, Context())",
        2.0,
    ),
    "subscription (sweep)": (
        "from lambdas.subscription.handler import sweep",
        "sweep({}, Context())",
        None,
    ),
}
"""Of each function: its import, its first call, and how many times the floor both may take."""

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "Bench",
    "POWERTOOLS_TRACE_DISABLED": "1",
    "USAGE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/usage",
    "LEDGER_TABLE": "ledger",
    "CUSTOMERS_TABLE": "customers",
    "REGISTRATIONS_TABLE": "registrations",
    "EVENT_BUS": "default",
    "METERING_REGION": "us-east-1",
    "SIGNUP_URL": "https://app.example.com/signup",
    "SELLER": "{}",
}

FLOOR = """
import sys, time
sys.path.append(sys.argv[1])
began = time.process_time()
import boto3
boto3.client("sqs")
print(time.process_time() - began, file=sys.stderr)
"""

FUNCTION = """
import sys, time
sys.path.append(sys.argv[1])
class Context:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "bench"
    def get_remaining_time_in_millis(self):
        return 270_000
ARRIVAL = {
    "httpMethod": "POST", "path": "/register", "resource": "/register", "isBase64Encoded": False,
    "headers": {"Content-Type": "application/x-www-form-urlencoded"}, "multiValueHeaders": {},
    "body": "x-amzn-marketplace-token=abc%2Bdef", "queryStringParameters": None,
    "multiValueQueryStringParameters": None, "requestContext": {"stage": "v1"},
}
ANSWERS = {
    "Query": '{"Items": [], "Count": 0, "ScannedCount": 0}',
    "BatchGetItem": '{"Responses": {}, "UnprocessedKeys": {}}',
    "ResolveCustomer": '{"ProductCode": "p", "CustomerAWSAccountId": "111122223333",'
        ' "LicenseArn": "arn:aws:license-manager::777788889999:license:l-1"}',
}
class Body:
    def __init__(self, text):
        self.text = text.encode()
    def stream(self):
        return (self.text,)
def answer(request, event_name, **_):
    from botocore.awsrequest import AWSResponse
    return AWSResponse(request.url, 200, {}, Body(ANSWERS.get(event_name.rpartition(".")[2], "{}")))
began = time.process_time()
IMPORT
imported = time.process_time()
import boto3
boto3.setup_default_session()
boto3.DEFAULT_SESSION.events.register("before-send", answer)
CALL
print(time.process_time() - began, imported - began, file=sys.stderr)
"""
"""Every connection is answered in the process, so that a first call is a whole one."""


def cold(*, quick: bool) -> list[Table]:
    """Start each function many times as a container does, from the zip's own contents."""
    rounds = 3 if quick else 15
    table = Table(
        "cold",
        "Import and first call, as a multiple of: import boto3, make one client",
        ("function", "CPU, ms", "of which import", "× floor"),
        note=(
            "In processes of their own, from the unpacked zip with its bytecode, in turns; the"
            f" least of {rounds}. The first call of metering is a tick on an empty log; that of"
            " registration is a buyer's arrival. AWS is answered in the process."
        ),
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "local"
        package.build(package.platform_named("local"), folder)
        times: dict[str, list[list[float]]] = {name: [] for name in ("floor", *FUNCTIONS)}
        for _ in range(rounds):
            times["floor"].append(_start(folder, FLOOR))
            for name, (imports, call, _) in FUNCTIONS.items():
                program = FUNCTION.replace("IMPORT", imports).replace("CALL", call)
                times[name].append(_start(folder, program))
        floor_s = min(each[0] for each in times["floor"])
        table.add("boto3 and one client", f"{floor_s * 1000:.0f}", "", "1.00")
        for name, (_, _, aim) in FUNCTIONS.items():
            whole_s, import_s = min(times[name])
            ratio = whole_s / floor_s
            table.add(
                name,
                f"{whole_s * 1000:.0f}",
                f"{import_s * 1000:.0f}",
                f"{ratio:.2f}",
                target=f"at most {aim}" if aim else "",
                met=None if aim is None or quick else ratio <= aim,
            )
        size_mb = _zip_mb(Path(scratch))
    table.add(
        *("the zip that is deployed", "", "", f"{size_mb:.1f} MB"),
        target=f"at most {ZIP_MB_MAX:.0f} MB",
        met=size_mb <= ZIP_MB_MAX,
    )
    return [table]


def _start(folder: Path, program: str) -> list[float]:
    """Run a program that sees the standard library and the zip's contents; the times it tells."""
    command = [sys.executable, "-I", "-S", "-c", program, str(folder)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return [float(each) for each in done.stderr.splitlines()[-1].split()]


def _zip_mb(scratch: Path) -> float:
    """Build what is deployed and zip it as CDK does."""
    folder = scratch / "arm64"
    package.build(package.ARM64, folder)
    archive = scratch / "function.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive.stat().st_size / 1e6
