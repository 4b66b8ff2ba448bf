"""Hold or kill a tick at an AWS call, or refuse the call: for races, deaths, and bad records."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from greenlet import getcurrent, greenlet

from sandbox.memory.double import Params
from tests.world import METERING_CALL, World

SPOILED = "spoiled"
"""The dimension that `spoil` looks for."""

Where = Callable[[Params], bool]


class Killed(BaseException):
    """The tick dies here; no handler of the code under test may survive it."""


@contextmanager
def paused(world: World, *, before: str, where: Where = lambda _: True) -> Iterator[None]:
    """Hold a cold tick for the block just before its first call of a kind, then let it end.

    Args:
        world: where it runs.
        before: the call's name, such as ``dynamodb.PutItem``.
        where: which of these calls is meant, by its parameters.
    """
    main = getcurrent()
    held = greenlet(lambda: world.tick(world.wiring()))
    calls: list[str] = []

    def hold(name: str, params: Params) -> None:
        if getcurrent() is held and not calls and name == before and where(params):
            calls.append(name)
            main.switch()

    with world.hooked(before=hold):
        held.switch()
        assert calls, f"the tick never came to {before}"
        yield
        held.switch()
        assert held.dead


def kill(
    world: World,
    *,
    before: str = "",
    after: str = "",
    where: Where = lambda _: True,
    nth: int = 1,
) -> None:
    """Run a cold tick that dies before the nth call of a kind, or before it hears the answer."""
    left = nth

    def die(name: str, params: Params) -> None:
        nonlocal left
        if name == (before or after) and where(params):
            left -= 1
            if not left:
                raise Killed

    hook: dict[str, Any] = {"before" if before else "after": die}
    with world.hooked(**hook), pytest.raises(Killed):
        world.tick(world.wiring())


def kill_at(world: World, phase: str, number: int) -> str:
    """Run a cold tick that dies before or after its call of this number; tell the call's name."""
    seen: list[str] = []

    def die(name: str, _: Params) -> None:
        seen.append(name)
        if len(seen) == number:
            raise Killed

    hook: dict[str, Any] = {phase: die}
    with world.hooked(**hook), pytest.raises(Killed):
        world.tick(world.wiring())
    return seen[-1]


def spoil(world: World, code: str, *, status: int = 400) -> Callable[[], None]:
    """Refuse every call with a record of one dimension, until the returned function is called."""

    def refuse(params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        if f'"{SPOILED}"'.encode() not in params["body"]:
            return None
        error = {"Code": code, "Message": "spoiled"}
        answer = {"Error": error, "ResponseMetadata": {}}
        return AWSResponse(params["url"], status, {}, None), answer

    events = world.marketplace_client.meta.events
    events.register(f"before-call.{METERING_CALL}", refuse)
    return lambda: events.unregister(f"before-call.{METERING_CALL}", refuse)


def puts_entry(kind: str) -> Where:
    """Match puts of folds, or of seals."""
    return lambda params: params["Item"].get("kind") == {"S": kind}


def of_partition(name: str) -> Where:
    """Match calls that name an item of a partition."""
    return lambda params: params["Key"]["pk"] == {"S": name}
