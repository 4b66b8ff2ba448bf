"""`python -m sandbox` as a program: what it tells a shell, and that it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.http_server import Handler, Server

pytestmark = pytest.mark.slow

START_SECONDS_MAX = 60
ANY_PORTS = ("--aws-port=0", "--marketplace-port=0", "--lambda-port=0", "--api-port=0")


@contextmanager
def started(folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A sandbox without the stack, as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--no-deploy", f"--folder={folder}", *ANY_PORTS],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert eventually((folder / "ready").exists)
        yield process
    finally:
        process.kill()
        process.communicate()


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def running_in(folder: Path) -> list[str]:
    """The command lines of all processes that were told of this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if str(folder) in command:
            found.append(command)
    return found


def in_shell(folder: Path, script: str, **variables: str) -> str:
    """What a script prints in a shell that has sourced the sandbox's `env`."""
    done = subprocess.run(
        ["bash", "-euc", f". {folder}/env\n{script}"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


# What a shell may hold for the real AWS.
THE_REAL_AWS = {
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "real",
    "AWS_CA_BUNDLE": "/nowhere.pem",
    "AWS_ENDPOINT_URL": "https://example.com",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("sandbox")
    with started(folder, **THE_REAL_AWS):
        yield folder


def test_boto3_in_a_shell_that_has_sourced_env_talks_to_the_sandbox(folder: Path) -> None:
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"

    account = in_shell(folder, f'{sys.executable} -c "{script}"')

    assert account == "123456789012"


def test_env_wins_over_what_the_shell_had_set_for_the_real_aws(folder: Path) -> None:
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"

    account = in_shell(folder, f'{sys.executable} -c "{script}"', **THE_REAL_AWS)

    assert account == "123456789012"


def test_the_marketplace_of_env_is_the_emulator(folder: Path) -> None:
    answer = in_shell(
        folder,
        f"{sys.executable} -c 'import os, urllib.request as u; "
        'print(u.urlopen(os.environ["MARKETPLACE_URL"] + "/emulator/usage").read())\'',
    )

    assert "usage" in answer


def test_the_first_aws_cli_gets_its_queue_endpoint_as_an_argument(
    folder: Path, tmp_path: Path
) -> None:
    """Guards against version 1 of the AWS CLI, which goes to AWS itself for SQS."""
    cli = tmp_path / "aws"
    cli.write_text('#!/bin/sh\necho "$@"\n')
    cli.chmod(0o755)

    printed = in_shell(
        folder,
        "aws sqs list-queues\naws lambda list-functions\necho $AWS_ENDPOINT_URL",
        PATH=f"{tmp_path}:{os.environ['PATH']}",
    )

    sqs, functions, endpoint = printed.splitlines()
    assert sqs == f"--endpoint-url {endpoint} sqs list-queues"
    assert functions == "lambda list-functions"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_end_leaves_no_process_and_no_invitation(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path) as sandbox:
        assert len(running_in(tmp_path)) >= 3

        sandbox.send_signal(number)

        assert sandbox.wait(20) == 0
        assert running_in(tmp_path) == []
        assert not (tmp_path / "ready").exists()
        assert not (tmp_path / "env").exists()


# With a process of a function, too.
INVOKE_AND_STAY = """
import sys, time
from pathlib import Path

from sandbox.sandbox import Sandbox
from tests.integration.toy import create_function

with Sandbox(Path(sys.argv[1]), app=None) as sandbox:
    sandbox.invoke(create_function(sandbox, "toy"))
    (sandbox.folder / "invoked").touch()
    time.sleep(600)
"""


def test_a_violent_end_leaves_no_process(tmp_path: Path) -> None:
    sandbox = subprocess.Popen([sys.executable, "-c", INVOKE_AND_STAY, str(tmp_path)])
    assert eventually((tmp_path / "invoked").exists)
    assert len(running_in(tmp_path)) >= 4

    sandbox.kill()
    sandbox.wait()

    assert eventually(lambda: running_in(tmp_path) == [])


def test_a_part_that_dies_ends_the_sandbox_by_name(tmp_path: Path) -> None:
    with started(tmp_path) as sandbox:
        (moto,) = [
            int(process.name)
            for process in Path("/proc").glob("[0-9]*")
            if "sandbox.aws" in arguments(process) and str(tmp_path / "clock") in arguments(process)
        ]
        os.kill(moto, signal.SIGKILL)

        output, _ = sandbox.communicate(timeout=20)

    assert sandbox.returncode == 1
    assert "aws ended with status -9" in output
    assert str(tmp_path / "logs" / "aws.log") in output


def arguments(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", "--no-deploy", f"--folder={folder}", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_port_that_is_in_use_is_named(tmp_path: Path) -> None:
    taken = Server(Handler)

    done = run(tmp_path, f"--aws-port={taken.server_port}")
    taken.stop()

    assert done.returncode == 1
    assert f"Port {taken.server_port} cannot be used" in done.stderr


def test_what_a_violent_end_has_left_invites_nobody(tmp_path: Path) -> None:
    """Guards whoever waits for `ready` to appear: this start fails after it."""
    (tmp_path / "ready").touch()
    taken = Server(Handler)

    run(tmp_path, f"--aws-port={taken.server_port}")
    taken.stop()

    assert not (tmp_path / "ready").exists()


def test_a_folder_belongs_to_one_sandbox(folder: Path) -> None:
    done = run(folder, *ANY_PORTS)

    assert done.returncode == 1
    assert f"Another sandbox runs in {folder}" in done.stderr
    assert (folder / "ready").exists()


def test_a_marketplace_that_runs_already_is_used(tmp_path: Path) -> None:
    theirs = Server(Handler)

    with started(tmp_path, AWS_ENDPOINT_URL_MARKETPLACE_METERING=f"http://{theirs.address}"):
        url = in_shell(tmp_path, "echo $MARKETPLACE_URL")
        own = [each for each in running_in(tmp_path) if "sandbox.marketplace.http" in each]
    theirs.stop()

    assert (url, own) == (f"http://{theirs.address}", [])


def test_a_marketplace_where_nobody_answers_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, AWS_ENDPOINT_URL_MARKETPLACE_METERING="http://127.0.0.1:9")

    assert done.returncode == 1
    assert "http://127.0.0.1:9, where nobody answers" in done.stderr
