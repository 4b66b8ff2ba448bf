"""Unit tests reach nothing outside of their process, and run where no clock shows UTC."""

import os
import time
from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket

# Code that reads or writes local time by mistake is right on every server, and wrong here.
os.environ["TZ"] = "ELSEWHERE+9:30"
time.tzset()


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[None]:
    disable_socket()
    yield
    enable_socket()
