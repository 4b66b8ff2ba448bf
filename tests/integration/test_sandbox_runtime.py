"""Functions run in the sandbox as Lambda would run them: invocation, errors, death, time, logs."""

import base64
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.runtime import CONCURRENCY_MAX
from sandbox.sandbox import FunctionError, Sandbox
from tests.integration.toy import create_function, upload

pytestmark = pytest.mark.slow

SUMMER = datetime(2031, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), app=None, clock_start=SUMMER) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def toy(sandbox: Sandbox) -> str:
    return create_function(sandbox, "toy")


def raw(sandbox: Sandbox, function: str, event: object, **options: Any) -> dict[str, Any]:
    """What boto3's Lambda client answers, its payload read."""
    answer: dict[str, Any] = sandbox.client("lambda").invoke(
        FunctionName=function, Payload=json.dumps(event), **options
    )
    return {**answer, "Payload": json.loads(answer["Payload"].read() or b"null")}


def test_a_function_answers_its_event(sandbox: Sandbox, toy: str) -> None:
    answered = raw(sandbox, toy, {"log": "ä"})

    assert (answered["StatusCode"], answered["Payload"]["event"]) == (200, {"log": "ä"})


def test_a_large_event_and_a_large_answer_go_through(sandbox: Sandbox, toy: str) -> None:
    event = {"text": "x" * 2_000_000}

    assert sandbox.invoke(toy, event)["event"] == event


@pytest.mark.parametrize(
    "name",
    [
        "toy",
        "toy:$LATEST",
        "123456789012:function:toy",
        "arn:aws:lambda:us-east-1:123456789012:function:toy",
        "arn:aws:lambda:us-east-1:123456789012:function:toy:$LATEST",
    ],
)
def test_a_function_may_be_named_in_every_way(sandbox: Sandbox, toy: str, name: str) -> None:
    assert sandbox.invoke(name)["answer"] == 42


def test_a_function_has_its_own_variables_and_lambdas(sandbox: Sandbox, toy: str) -> None:
    variables = sandbox.invoke(toy)["variables"]

    assert {
        "COLOUR": "green",
        "AWS_LAMBDA_FUNCTION_NAME": "toy",
        "_HANDLER": "toy.handler",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": sandbox.endpoints.aws,
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": sandbox.endpoints.marketplace,
    }.items() <= variables.items()


def test_a_function_sees_its_zip_and_no_package_of_ours(sandbox: Sandbox) -> None:
    """Guards against a package that the zip lacks and this environment happens to have."""
    code = "import msgspec\ndef handler(event, context): ..."
    function = create_function(sandbox, "poor", code=code)

    with pytest.raises(FunctionError, match="No module named 'msgspec'"):
        sandbox.invoke(function)


def test_a_process_stays_warm(sandbox: Sandbox, toy: str) -> None:
    assert sandbox.invoke(toy)["pid"] == sandbox.invoke(toy)["pid"]


def test_invocations_overlap_in_processes_of_their_own(sandbox: Sandbox, tmp_path: Path) -> None:
    function = create_function(sandbox, "overlapping")

    with Held(sandbox, function, 2, until=tmp_path / "go") as held:
        pass

    assert len({each["pid"] for each in held.answers()}) == 2


class Held:
    """Invocations that have all begun and none of which ends before the block does."""

    def __init__(self, sandbox: Sandbox, function: str, number: int, *, until: Path) -> None:
        self._sandbox, self._function, self._number, self._until = sandbox, function, number, until
        self._pool = ThreadPoolExecutor(number)
        self._running: list[Future[Any]] = []

    def __enter__(self) -> "Held":
        event = {"log": "begun", "until": str(self._until)}
        for _ in range(self._number):
            self._running.append(self._pool.submit(self._sandbox.invoke, self._function, event))
        assert eventually(
            lambda: logs(self._sandbox, self._function).count("begun") == self._number
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._until.touch()
        self._pool.shutdown()

    def answers(self) -> list[Any]:
        return [each.result() for each in self._running]


def logs(sandbox: Sandbox, function: str) -> str:
    return "".join(
        path.read_text("utf-8") for path in (sandbox.folder / "logs").glob(f"{function}-*.log")
    )


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_an_exception_is_answered_as_lambda_does(sandbox: Sandbox, toy: str) -> None:
    answered = raw(sandbox, toy, {"raise": "no such luck"})

    assert (
        answered["StatusCode"],
        answered["FunctionError"],
        answered["Payload"]["errorType"],
        answered["Payload"]["errorMessage"],
    ) == (200, "Unhandled", "ValueError", "no such luck")


def test_a_handler_that_is_not_there_is_an_init_error(sandbox: Sandbox) -> None:
    function = create_function(sandbox, "lost", handler="toy.nowhere")

    with pytest.raises(FunctionError, match=r"Runtime.HandlerNotFound: Handler 'nowhere' missing"):
        sandbox.invoke(function)


def test_a_process_that_ends_is_an_error(sandbox: Sandbox, toy: str) -> None:
    with pytest.raises(FunctionError, match=r"Runtime\.ExitError: .* exit status 3"):
        sandbox.invoke(toy, {"exit": 3})


def test_a_function_that_takes_too_long_is_stopped(sandbox: Sandbox) -> None:
    function = create_function(sandbox, "slow", timeout=1)

    with pytest.raises(FunctionError, match=r"Task timed out after 1\.00 seconds"):
        sandbox.invoke(function, {"sleep": 30})


def test_after_a_death_a_fresh_process_answers(sandbox: Sandbox, toy: str) -> None:
    before = sandbox.invoke(toy)["pid"]
    with pytest.raises(FunctionError):
        sandbox.invoke(toy, {"exit": 1})

    after = sandbox.invoke(toy)

    assert (after["answer"], after["pid"] != before) == (42, True)


def test_a_function_killed_in_the_middle_is_answered_as_an_error(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    function = create_function(sandbox, "killed")

    with Held(sandbox, function, 1, until=tmp_path / "never") as held:
        killed = sandbox.kill_function(function)
        with pytest.raises(FunctionError, match=r"Runtime\.ExitError: .* signal: Killed"):
            held.answers()

    assert killed == 1


def test_the_lambda_endpoint_kills_a_function(sandbox: Sandbox) -> None:
    function = create_function(sandbox, "killable")
    sandbox.invoke(function)

    answer = post(f"{sandbox.endpoints.functions}/sandbox/functions/{function}/kill")

    assert answer == {"killed": 1}


def post(url: str) -> Any:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(urllib.request.Request(url, method="POST")) as answer:
        return json.load(answer)


def test_an_event_is_accepted_at_once_and_handled_later(sandbox: Sandbox) -> None:
    function = create_function(sandbox, "later")

    answered = raw(sandbox, function, {"log": "handled", "sleep": 0.5}, InvocationType="Event")

    assert answered["StatusCode"] == 202
    assert eventually(lambda: "handled" in logs(sandbox, function))


def test_a_dry_run_runs_nothing(sandbox: Sandbox) -> None:
    function = create_function(sandbox, "dry")

    answered = raw(sandbox, function, {"log": "wet"}, InvocationType="DryRun")

    assert (answered["StatusCode"], logs(sandbox, function)) == (204, "")


def test_the_tail_of_the_log_comes_along_when_asked_for(sandbox: Sandbox, toy: str) -> None:
    answered = raw(sandbox, toy, {"log": "z" * 5000 + " the end"}, LogType="Tail")

    tail = base64.b64decode(answered["LogResult"]).decode()
    assert len(tail) == 4096
    assert "the end\n" in tail
    assert f"REPORT RequestId: {answered['ResponseMetadata']['RequestId']}" in tail


def test_an_unknown_function_is_not_found(sandbox: Sandbox) -> None:
    with pytest.raises(ClientError) as caught:
        raw(sandbox, "nobody", {})

    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_an_event_that_is_not_json_is_refused(sandbox: Sandbox, toy: str) -> None:
    with pytest.raises(ClientError) as caught:
        sandbox.client("lambda").invoke(FunctionName=toy, Payload=b"{")

    assert caught.value.response["Error"]["Code"] == "InvalidRequestContentException"


def test_other_calls_of_the_lambda_api_are_answered_too(sandbox: Sandbox, toy: str) -> None:
    listed = sandbox.client("lambda").list_functions()["Functions"]

    assert toy in [function["FunctionName"] for function in listed]


def test_new_code_is_run_by_the_next_invocation(sandbox: Sandbox) -> None:
    function = create_function(sandbox, "renewed")
    before = sandbox.invoke(function)["answer"]

    sandbox.client("lambda").update_function_code(
        FunctionName=function, **upload(sandbox, "renewed-2.zip", answer=43)
    )

    assert (before, sandbox.invoke(function)["answer"]) == (42, 43)


def test_new_variables_are_seen_by_the_next_invocation(sandbox: Sandbox) -> None:
    function = create_function(sandbox, "repainted")
    sandbox.invoke(function)

    sandbox.client("lambda").update_function_configuration(
        FunctionName=function, Environment={"Variables": {"COLOUR": "red"}}
    )

    assert sandbox.invoke(function)["variables"]["COLOUR"] == "red"


def test_a_function_lives_in_emulated_time(sandbox: Sandbox, toy: str) -> None:
    told = sandbox.invoke(toy)

    behind = sandbox.clock.now() - datetime.fromtimestamp(told["time"], UTC)
    assert timedelta(0) <= behind < timedelta(seconds=10)


def test_a_warm_function_sees_that_the_clock_has_moved(sandbox: Sandbox, toy: str) -> None:
    before = datetime.fromisoformat(sandbox.invoke(toy)["now"])

    sandbox.clock.advance(3 * 3600)

    passed = datetime.fromisoformat(sandbox.invoke(toy)["now"]) - before
    assert timedelta(hours=3) <= passed < timedelta(hours=3, minutes=1)


def test_the_emulators_clock_is_the_functions_clock(sandbox: Sandbox, toy: str) -> None:
    before = datetime.fromisoformat(sandbox.invoke(toy)["now"])

    sandbox.emulator("clock", {"advance_seconds": 7200})

    passed = datetime.fromisoformat(sandbox.invoke(toy)["now"]) - before
    assert timedelta(hours=2) <= passed < timedelta(hours=2, minutes=1)


def test_a_function_that_runs_sees_the_clock_move(sandbox: Sandbox) -> None:
    code = """
import time


def handler(event, context):
    began, waited = time.time(), 0
    print("watching")
    while time.time() - began < 1800 and waited < 1000:
        time.sleep(0.02)
        waited += 1
    return time.time() - began
"""
    function = create_function(sandbox, "watching", code=code)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(sandbox.invoke, function)
        assert eventually(lambda: "watching" in logs(sandbox, function))
        sandbox.clock.advance(1800)

    assert 1800 <= running.result() < 1830


def test_the_remaining_time_counts_from_the_time_out_in_emulated_time(sandbox: Sandbox) -> None:
    function = create_function(sandbox, "unhurried", timeout=270)
    sandbox.invoke(function)

    sandbox.clock.run(20)
    left = sandbox.invoke(function, {"sleep": 1})["milliseconds_left"]
    sandbox.clock.run(1)

    # Of 270 s, the real second of sleep took 20, and starting it not more than three times that.
    assert 190_000 < left <= 250_000


def test_too_many_invocations_at_once_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    function = create_function(sandbox, "crowded")

    with (
        Held(sandbox, function, CONCURRENCY_MAX, until=tmp_path / "go") as held,
        pytest.raises(ClientError) as caught,
    ):
        sandbox.invoke(function)

    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert [each["answer"] for each in held.answers()] == [42] * CONCURRENCY_MAX
