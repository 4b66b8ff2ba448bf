"""Ten calls in a second are AWS Marketplace's ceiling, whoever makes them."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from lambdas.metering.limiter import CALLS_PER_S_MAX, Limiter

THREADS = 8


class Waits:
    """A clock that moves when somebody waits, and a note of every start."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.starts: list[float] = []
        self.limiter = Limiter(lambda: self.now_s, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def call(self) -> None:
        self.limiter.wait()
        self.starts.append(self.now_s)


class Queued:
    """A clock that stands still while all threads ask, and a note of when each may start."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self.limiter = Limiter(lambda: 1000.0, self.sleeps.append)

    def starts(self, calls: int) -> list[float]:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda _: self.limiter.wait(), range(calls)))
        return sorted([0.0] * (calls - len(self.sleeps)) + self.sleeps)


def most_in_a_second(starts: list[float]) -> int:
    return max(sum(first <= each < first + 1 for each in starts) for first in starts)


def test_the_first_call_starts_at_once() -> None:
    waits = Waits()

    waits.call()

    assert waits.starts == [1000.0]


def test_a_call_after_a_pause_starts_at_once() -> None:
    waits = Waits()
    waits.call()
    waits.now_s += 5

    waits.call()

    assert waits.starts == [1000.0, 1005.0]


def test_a_pause_earns_no_burst() -> None:
    waits = Waits()
    waits.call()
    waits.now_s += 60

    for _ in range(40):
        waits.call()

    assert most_in_a_second(waits.starts) <= CALLS_PER_S_MAX


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=60))
def test_no_second_holds_more_than_ten_calls(pauses: list[float]) -> None:
    waits = Waits()

    for pause in pauses:
        waits.now_s += pause
        waits.call()

    assert most_in_a_second(waits.starts) <= CALLS_PER_S_MAX


def test_one_thread_keeps_up_nine_to_ten_calls_a_second() -> None:
    waits = Waits()

    for _ in range(101):
        waits.call()

    assert 9 <= 100 / (waits.starts[-1] - waits.starts[0]) <= CALLS_PER_S_MAX


def test_many_threads_together_make_no_more_than_ten_calls_in_a_second() -> None:
    assert most_in_a_second(Queued().starts(200)) <= CALLS_PER_S_MAX


def test_many_threads_together_keep_up_nine_to_ten_calls_a_second() -> None:
    starts = Queued().starts(201)

    assert 9 <= 200 / (starts[-1] - starts[0]) <= CALLS_PER_S_MAX


def test_no_two_threads_start_together() -> None:
    starts = Queued().starts(200)

    assert len(set(starts)) == len(starts)


def test_a_clock_set_back_holds_calls_up_for_a_minute_at_most() -> None:
    waits = Waits()
    waits.call()
    waits.now_s -= 3600

    waits.call()

    assert waits.starts[-1] == 1000.0 - 3600 + 60


def test_a_clock_set_back_holds_only_one_call_up() -> None:
    waits = Waits()
    waits.call()
    waits.now_s -= 3600
    waits.call()

    waits.call()

    assert waits.starts[-1] - waits.starts[-2] < 0.2
