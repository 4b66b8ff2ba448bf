"""Reads what callers of the emulator's own routes send, and says what is wrong with it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.marketplace.errors import Unacceptable


class Fields:
    """Reads the members of a request one by one, and says what is wrong with one.

    A member that is absent has its default; without one it is required.
    """

    _REQUIRED: Any = object()

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._known: list[str] = []

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        """A text that is not empty."""
        return self._take(name, default, lambda value: type(value) is str and value, "a text")

    def texts(self, name: str, default: Any = _REQUIRED) -> Any:
        """A list of texts."""
        return self._take(
            name,
            default,
            lambda value: type(value) is list and all(type(item) is str for item in value),
            "a list of texts",
        )

    def flag(self, name: str, *, default: bool | None) -> Any:
        """True or false."""
        return self._take(name, default, lambda value: type(value) is bool, "true or false")

    def whole(self, name: str, default: int | None) -> Any:
        """A whole number, or null."""
        fits = lambda value: value is None or type(value) is int  # noqa: E731
        return self._take(name, default, fits, "a whole number or null")

    def number(self, name: str, default: float | None) -> Any:
        """A number."""
        return self._take(name, default, lambda value: type(value) in (int, float), "a number")

    def amounts(self, name: str) -> Any:
        """How much of each dimension: numbers, texts or flags by name."""
        kinds = (bool, int, float, str)
        return self._take(
            name,
            None,
            lambda value: (
                type(value) is dict and all(type(amount) in kinds for amount in value.values())
            ),
            "an object of numbers, texts or flags",
        )

    def cursor(self, name: str) -> int:
        """A whole number from 0 in a query, which is text."""
        text = self._take(name, "0", lambda value: type(value) is str, "a whole number from 0")
        if not (text.isascii() and text.isdecimal()):
            raise Unacceptable(name, text, "a whole number from 0")
        return int(text)

    def time(self, name: str) -> datetime | None:
        """A time with an offset."""
        expected = "an ISO 8601 time with an offset, such as 2026-11-23T09:00:00Z"
        text = self._take(name, None, lambda value: type(value) is str, expected)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Unacceptable(name, text, expected) from None
        if moment.tzinfo is None:
            raise Unacceptable(name, text, expected)
        return moment

    def refuse_others(self) -> None:
        """Refuse members nobody has asked for: most are misspelled."""
        for name in self._body.keys() - self._known:
            raise Unacceptable(
                name, self._body[name], f"left out ({', '.join(self._known)} are known)"
            )

    def _take(self, name: str, default: Any, fits: Callable[[Any], Any], expected: str) -> Any:
        self._known.append(name)
        absent = self._body.get(name) is None if default is None else name not in self._body
        if absent and default is not self._REQUIRED:
            return default
        value = self._body.get(name)
        if not fits(value):
            raise Unacceptable(name, value, expected)
        return value
