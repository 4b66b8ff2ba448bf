"""Starts the emulators the rules need, and leaves out what the endpoint cannot be asked."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import boto3.session
import pytest
from botocore.config import Config

from sandbox.clock import Clock
from sandbox.marketplace import Marketplace
from sandbox.marketplace.http import serve
from sandbox.marketplace.rules import Readings
from tests.conformance.against import ENDPOINT_VARIABLE, Against, against, protect
from tests.conformance.citations import METERING
from tests.conformance.rulebook import AS_MODELLED, SETTINGS, Mode
from tests.conformance.stage import NOW, Service, Stage

REGION = "us-east-1"
# Why a rule is left out, by what answers.
NEEDS_A_STAGE = "it buys, moves the clock, breaks things or would be billed"
NEEDS_A_MODE = "it is about a reading that the endpoint cannot be told to take"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rule(sources): a rule of AWS Marketplace, and who says so")
    try:
        chosen = against()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if chosen is Against.ENDPOINT and config.getoption("numprocesses", None):
        raise pytest.UsageError("One endpoint has one clock: run without -n")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the rules that what answers cannot be asked; `_reasons` counts them."""
    left_out = {item: reason for item in items if (reason := _reason(item))}
    _reasons(config).update(left_out.values())
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say what answers, and how many rules were left out, and why."""
    return [f"against: {against()}"] + [
        f"left out: {count} tests, because {reason}" for reason, count in _reasons(config).items()
    ]


_LEFT_OUT = pytest.StashKey[Counter[str]]()


def _reasons(config: pytest.Config) -> Counter[str]:
    return config.stash.setdefault(_LEFT_OUT, Counter())


def _reason(item: pytest.Item) -> str | None:
    names = getattr(item, "fixturenames", ())
    if "stage" not in names or against() is Against.EMULATOR:
        return None
    if against() is Against.AWS:
        return NEEDS_A_STAGE
    callspec = getattr(item, "callspec", None)
    mode = callspec.params.get("stage", AS_MODELLED) if callspec else AS_MODELLED
    return None if _is_default(mode) else NEEDS_A_MODE


def _is_default(mode: Mode) -> bool:
    """Whether an emulator that was told nothing reads AWS's pages this way."""
    return all(
        name not in SETTINGS and value == getattr(Readings(), name) for name, value in mode.options
    )


@pytest.fixture(scope="session")
def emulator() -> Iterator[Callable[[Mode], str]]:
    """Starts an emulator over HTTP for each mode asked for, once; tells its URL."""
    with ExitStack() as stack:

        @cache
        def start(mode: Mode) -> str:
            settings = {name: value for name, value in mode.options if name in SETTINGS}
            readings = {name: value for name, value in mode.options if name not in SETTINGS}
            clock = Clock(start=NOW, speed=0)
            marketplace = Marketplace(clock.now, readings=Readings(**readings), **settings)  # type: ignore[arg-type]  # rules name them as text
            return stack.enter_context(serve(marketplace, clock))

        yield start


@pytest.fixture
def url(emulator: Callable[[Mode], str]) -> Callable[[Mode], str]:
    """Where the endpoint in a mode is."""
    return lambda mode: (
        emulator(mode) if against() is Against.EMULATOR else os.environ[ENDPOINT_VARIABLE]
    )


@pytest.fixture
def service(url: Callable[[Mode], str]) -> Service:
    """The endpoint, for rules that need nothing but an answer."""
    if against() is Against.AWS:
        return Service(_connect_to_aws)
    return Service(_connector(url(AS_MODELLED)))


@pytest.fixture
def stage(request: pytest.FixtureRequest, url: Callable[[Mode], str]) -> Stage:
    """An emulator at 10:20 of a day, in the mode the rule asks for."""
    where = url(getattr(request, "param", AS_MODELLED))
    return Stage(where, _connector(where))


@cache
def _session(key: str) -> Any:
    """One session for many clients: it holds the parsed service model."""
    return boto3.session.Session(key, "test", region_name=REGION)


@cache
def _connector(url: str) -> Callable[..., Any]:
    """Makes clients of an endpoint that accepts any signature; each attempt is made once."""

    @cache
    def connect(
        service: str = METERING,
        *,
        validated: bool = True,
        key: str = "test",
        region: str = REGION,
    ) -> Any:
        config = Config(
            region_name=region,
            parameter_validation=validated,
            retries={"total_max_attempts": 1},
            proxies={},
        )
        return _session(key).client(service, endpoint_url=url, config=config)

    return connect


@cache
def _connect_to_aws(service: str = METERING, *, validated: bool = True) -> Any:
    """A client of AWS with the caller's own credentials, watched by the guard."""
    session = boto3.session.Session()
    # Entitlements and agreements are told in one region only.
    region = session.region_name if service == METERING else None
    config = Config(
        region_name=region or REGION,
        parameter_validation=validated,
        retries={"mode": "standard", "total_max_attempts": 5},
    )
    client = session.client(service, config=config)
    protect(client)
    return client
