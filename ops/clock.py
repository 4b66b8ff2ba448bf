"""What time it is: this machine's, or the sandbox's where its shell variables are set."""

import json
import os
import time
import urllib.request
from datetime import datetime
from urllib.error import URLError

from ops.errors import OperatorError

_EMULATOR = "MARKETPLACE_URL"
"""Set by a shell that has read `.sandbox/env`, and by nothing else."""

_WAIT_S = 5


def now_s() -> int:
    """Return the time that the functions live by, in whole seconds.

    In the sandbox hours pass in seconds, so its stack is judged by the sandbox's clock.
    """
    emulator = os.environ.get(_EMULATOR)
    if not emulator:
        return int(time.time())  # noqa: TID251 - the edge of the command: from here on an argument.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{emulator}/emulator/clock", timeout=_WAIT_S) as answer:
            return int(datetime.fromisoformat(json.load(answer)["now"]).timestamp())
    except URLError as error:
        raise OperatorError(
            f"{_EMULATOR} is {emulator}, where no sandbox answers ({error.reason}): start it, or"
            " take a shell that has not read its env."
        ) from None


def own_s() -> float:
    """Return what this machine's clock shows, which signs the requests to AWS."""
    return time.time()  # noqa: TID251 - what is asked for is this clock, whatever another says.
