"""`make sandbox`: AWS and AWS Marketplace on this machine, with the stack in it, until Ctrl-C."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.children import HOST, ChildDiedError, PortInUseError, answers
from sandbox.deploy import ROOT, DeployError
from sandbox.folder import FolderInUseError
from sandbox.sandbox import Ports, Sandbox
from sandbox.verify import IncompleteError


class MarketplaceError(Exception):
    """The Marketplace that the environment names does not answer."""


# What goes wrong without a fault in the sandbox; the message says what to do.
EXPECTED = (ChildDiedError, DeployError, FolderInUseError, IncompleteError, MarketplaceError)

# A Marketplace that runs already is named as the SDKs name it.
MARKETPLACE_VARIABLE = "AWS_ENDPOINT_URL_MARKETPLACE_METERING"
CHECK_SECONDS = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Start everything, say where it is, and stay."""
    options = _parse(arguments)
    # Set by hand, because a shell starts its background jobs deaf to Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    print("Starting …", flush=True)
    try:
        with Sandbox(
            options.folder,
            app=ROOT if options.deploy else None,
            context=dict(options.context),
            clock_start=options.start,
            speed=options.speed,
            ports=Ports(
                aws=options.aws_port,
                marketplace=options.marketplace_port,
                functions=options.lambda_port,
                api=options.api_port,
            ),
            marketplace_url=_running_marketplace(options.marketplace_port),
        ) as sandbox:
            _introduce(sandbox)
            if options.schedule:
                sandbox.start(lambda line: print(line, flush=True))
            while True:
                sandbox.check()
                time.sleep(CHECK_SECONDS)
    except PortInUseError as error:
        print(f"{error} --help tells how to choose others.", file=sys.stderr)
    except EXPECTED as error:
        print(error, file=sys.stderr)
    return 1


def _running_marketplace(own_port: int) -> str | None:
    url = os.environ.get(MARKETPLACE_VARIABLE)
    if url is None:
        return None
    parts = urlsplit(url)
    if answers(parts.port or 80, parts.hostname or HOST):
        return url
    if url == f"http://{HOST}:{own_port}":
        # The shell has sourced the `env` of an earlier run of this sandbox.
        return None
    raise MarketplaceError(
        f"{MARKETPLACE_VARIABLE} is {url}, where nobody answers. Start that Marketplace, or unset "
        "the variable to get one of the sandbox's own."
    )


def _introduce(sandbox: Sandbox) -> None:
    registration = "RegistrationUrl" in sandbox.outputs
    print(f"""
AWS                 {sandbox.endpoints.aws}
AWS Marketplace     {sandbox.endpoints.marketplace}   open it in a browser to purchase
Lambda              {sandbox.endpoints.functions}
registration        {sandbox.url("RegistrationUrl") if registration else "not deployed"}
time                {sandbox.clock.now():%Y-%m-%d %H:%M:%S} UTC, speed {sandbox.clock.speed:g}
logs                {_relative(sandbox.folder / "logs")}

In another shell:   . {_relative(sandbox.folder / "env")}
Ctrl-C ends everything.
""")


def _relative(path: Path) -> str:
    return os.path.relpath(path)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    for name, port in (("aws", 4569), ("marketplace", 4570), ("lambda", 4571), ("api", 4572)):
        variable = f"SANDBOX_{name.upper()}_PORT"
        parser.add_argument(
            f"--{name}-port",
            type=int,
            default=int(os.environ.get(variable, port)),
            help=f"also {variable}; 0 takes any free one (default: %(default)s)",
        )
    parser.add_argument("--folder", type=Path, default=ROOT / ".sandbox", help="for its files")
    parser.add_argument(
        "--start", type=_time, help="emulated time to begin with, such as 2026-11-23T09:00:00Z"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="emulated seconds per real second")
    parser.add_argument(
        *("-c", "--context"),
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the stack, as for the CDK",
    )
    parser.add_argument(
        "--no-deploy",
        dest="deploy",
        action="store_false",
        help="leave the stack out: AWS and AWS Marketplace only",
    )
    parser.add_argument(
        "--no-schedule",
        dest="schedule",
        action="store_false",
        help="run functions only when they are invoked, and deliver no events",
    )
    return parser.parse_args(arguments)


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no offset; end it with Z or +hh:mm")
    return moment


def _setting(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is not of the form KEY=VALUE")
    return key, value


if __name__ == "__main__":
    sys.exit(main())
