"""The search for secrets: it sees through what hides them."""

import base64
import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.e2e.leaks import disguises

TOKEN = "uFTywatjViHrBXTgOO5IJsiyYuzmaeQJKHmr11gnixR2rO7lqNEGs3shT+xK/lDUucFkigvA+a5C+itk/VV+1vFz="


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "write",
    [
        str,
        lambda token: urlencode({"token": token}),
        lambda token: in_base64(urlencode({"token": token, "more": "yes"})),
        lambda token: in_base64(urlencode({"a-token": token, "more": "yes"})),
        lambda token: in_base64(urlencode({"my-token": token, "more": "yes"})),
        lambda token: base64.urlsafe_b64encode(token.encode()).decode(),
        lambda token: json.dumps(token).replace("/", "\\/"),
        lambda token: f"{token[:30]}… (cut)",
        lambda token: f"…{token[-30:]}",
    ],
    ids=["bare", "form", "base64-0", "base64-1", "base64-2", "urlsafe", "json", "head", "tail"],
)
def test_a_secret_is_found_however_it_is_written(write: Callable[[str], str]) -> None:
    assert any(piece in f"event: {write(TOKEN)}, next" for piece in disguises(TOKEN))


def test_a_text_without_the_secret_has_none_of_it() -> None:
    other = TOKEN.swapcase()

    assert not any(piece in other + in_base64(other) for piece in disguises(TOKEN))
