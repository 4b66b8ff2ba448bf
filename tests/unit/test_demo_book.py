from decimal import Decimal

import pytest

from sandbox.demo_book import Book

LINE = ("Ana", "users")


def book(*, sent: str = "0", billed: str = "0", unbilled: str = "0") -> Book:
    made = Book()
    made.sent[LINE] += Decimal(sent)
    made.billed[LINE] += Decimal(billed)
    made.unbilled[LINE]["expired"] += Decimal(unbilled)
    return made


def test_what_was_sent_and_billed_agrees() -> None:
    assert book(sent="3.5", billed="3.5").agrees()


def test_what_waits_with_a_reason_is_found() -> None:
    assert book(sent="3.5", billed="3", unbilled="0.5").agrees()


def test_what_is_open_or_parked_is_found() -> None:
    made = book(sent="3")
    made.open[LINE] += 1
    made.parked[LINE] += 2

    assert made.agrees()


@pytest.mark.parametrize(
    ("sent", "billed", "difference"),
    [
        pytest.param("3", "2.999999", "0.000001", id="a millionth lost"),
        pytest.param("3", "6", "-3", id="billed twice"),
        pytest.param("0", "1", "-1", id="billed, never sent"),
    ],
)
def test_a_unit_lost_or_doubled_does_not_agree(sent: str, billed: str, difference: str) -> None:
    made = book(sent=sent, billed=billed)

    assert not made.agrees()
    assert made.difference(LINE) == Decimal(difference)


def test_too_much_here_does_not_make_up_for_too_little_there() -> None:
    made = book(sent="3", billed="2")
    made.billed["Ben", "users"] += 1

    assert not made.agrees()
