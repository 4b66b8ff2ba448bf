"""boto3 clients of a sandbox."""

import threading
from typing import Any

from botocore.config import Config

from sandbox import environment
from sandbox.environment import Endpoints

# Longer than any function may run; and nothing is sent twice behind the caller's back.
CLIENT = Config(read_timeout=1000, retries={"total_max_attempts": 1}, proxies={})


class Clients:
    """Makes a client when it is first asked for; safe to be asked by many threads.

    Args:
        endpoints: Where the services answer.
        region: The region of whoever names none.
    """

    def __init__(self, endpoints: Endpoints, region: str) -> None:
        self._endpoints = endpoints
        self._region = region
        self._session = environment.own_session()
        self._made: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()

    def __call__(self, service: str, region: str | None = None) -> Any:
        """The client of a service, by its boto3 name."""
        key = (service, region or self._region)
        with self._making:
            if key not in self._made:
                self._made[key] = self._session.client(
                    service,
                    region_name=key[1],
                    endpoint_url=self._endpoints.of(service),
                    config=CLIENT,
                )
            return self._made[key]
